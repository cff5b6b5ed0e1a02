"""Hourly runs of the real step over an organization that lives: what each day costs, and what was left undone."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from benchmarks.calls import Bill, list_accounts
from benchmarks.organization import LivingOrganization, Shown
from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.containment_roles import PinnedRoles
from muster.domain.organization import AccountState
from muster.domain.readings import READINGS_KEY
from muster.steps.containment import Containment
from muster.steps.role_readings import RoleReadings
from tests.fakes.containment import containing, store_assessment
from tests.fakes.gates import Automatic
from tests.fakes.ports import FakeDocuments
from tests.fakes.stack_sets import OURS, TEMPLATE
from tests.fakes.world import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RUNS: Final = 24
WAIT, ATTEMPTS = timedelta(seconds=30), 120
"""As template.yaml has them: ContainmentWaitSeconds and ContainmentAttempts."""


@dataclass(frozen=True, slots=True)
class Churn:
    """What happens on a day. On every fourth nobody tampers, and nothing fails."""

    created: int = 20
    moved: int = 20
    closed: int = 5
    failing: int = 1
    by_event: int = 3
    by_drift: int = 3
    by_nothing: int = 2


@dataclass(slots=True)
class Day:
    """What the runs of a day have cost; they ``waited`` for CloudFormation. ``oldest`` is the age of a reading."""

    bill: Bill = field(default_factory=Bill)
    listing: Bill = field(default_factory=Bill)
    read: int = 0
    accounts: int = 0
    waited: timedelta = timedelta()
    longest: timedelta = timedelta()
    oldest: timedelta = timedelta()


@dataclass(slots=True)
class Simulation:
    """Runs every hour over an organization that lives. ``never_read`` are accounts that a run has left without."""

    organization: LivingOrganization
    churn: Churn
    random: Random
    never_read: list[str] = field(default_factory=list)
    quiet_runs: int = 0
    written_in_quiet_runs: int = 0
    seconds: list[float] = field(default_factory=list)
    _joined: int = 0

    def live(self, days: int) -> list[Day]:
        """Let a day of first readings pass, and then so many."""
        found = []
        for number in range(days + 1):
            if number:
                self._plan_day(START + number * DAY, is_quiet=number % 4 == 0)
            found.append(self._day(number))
        return found

    def _plan_day(self, start: datetime, *, is_quiet: bool) -> None:
        """Spread what happens over the day."""
        world, churn = self.organization.world, self.churn
        units = list(world.units)

        def at_some_time(number: int, what: Callable[[], None]) -> None:
            for _ in range(number):
                self.organization.plan(start + self.random.random() * DAY, what)

        def one() -> str:
            return self.organization.pick(self.random, 1)[0]

        at_some_time(churn.created, lambda: self._join(self.random.choice(units)))
        at_some_time(churn.moved, lambda: world.move(one(), self.random.choice(units)))
        at_some_time(churn.closed, lambda: self.organization.close(one()))
        if is_quiet:
            return
        for _ in range(churn.failing):
            self.organization.plan(start + 3 * HOUR, lambda: self._join(units[0], fails_for=4 * HOUR))
        for number, shown in (
            (churn.by_event, Shown.BY_EVENT),
            (churn.by_drift, Shown.BY_DRIFT),
            (churn.by_nothing, Shown.BY_NOTHING),
        ):
            at_some_time(number, partial(self._tamper, shown))

    def _join(self, unit: str, fails_for: timedelta | None = None) -> None:
        self._joined += 1
        self.organization.join(str(500_000_000_000 + self._joined), unit, fails_for=fails_for)

    def _tamper(self, shown: Shown) -> None:
        self.organization.tamper(self.organization.pick(self.random, 1)[0], shown)

    def _day(self, number: int) -> Day:
        day = Day()
        for hour in range(RUNS):
            self.organization.advance(START + number * DAY + hour * HOUR)
            self._run(f"run-{number}-{hour}", day)
        day.accounts = len(self._active())
        return day

    def _run(self, run: str, day: Day) -> None:
        """Run the step as the state machine does: again while there is more, and after a pause while it waits."""
        organization, world = self.organization, self.organization.world
        began, attempt = world.now, 0
        hints = organization.begin_run()
        accounts = self._active()
        is_quiet, written = not organization.is_damaged, organization.written.total()
        key = f"runs/{run}/assessment.json"
        store_assessment(world, key)
        world.calls.clear()
        listing = list_accounts(len(world.accounts))
        day.listing += listing
        organization.advance(world.now + timedelta(seconds=listing.seconds))
        step, gate = self._step()
        while True:
            clock = time.process_time()
            outcome = step.apply(
                gate.desired,
                gate,
                run=run,
                at=world.now,
                assessment_key=key,
                last_attempt=attempt >= ATTEMPTS,
                suspects=hints,
            )
            self.seconds.append(time.process_time() - clock)
            day.bill += organization.settle_pass()
            day.read += len(organization.read_now)
            self._note_found()
            if outcome.more:
                continue
            if outcome.waiting_for is None or attempt >= ATTEMPTS:
                break
            attempt += 1
            day.waited += WAIT
            organization.advance(world.now + WAIT)
        day.longest = max(day.longest, world.now - began)
        self._look_at_age(accounts, day)
        if is_quiet and not organization.is_damaged:
            self.quiet_runs += 1
            self.written_in_quiet_runs += organization.written.total() - written
        for name in ("assessment", "containment"):
            world.documents.pop(f"runs/{run}/{name}.json", None)

    def _step(self) -> tuple[Containment, Automatic]:
        desired, documents = containing(), FakeDocuments(self.organization.world)

        def pinned(account_id: str) -> PinnedRoles:
            return read_pinned_roles(account_id, ec2_triage=desired.containment.ec2_triage)

        roles = RoleReadings(self.organization, documents, pinned)
        return Containment(self.organization, self.organization, roles, documents, TEMPLATE), Automatic(desired)

    def _active(self) -> list[str]:
        accounts = self.organization.world.accounts.values()
        return [each.id for each in accounts if each.state is AccountState.ACTIVE]

    def _note_found(self) -> None:
        """Look into the readings that are kept when a tampered role was among what was just read."""
        read, self.organization.read_now = set(self.organization.read_now), []
        if any(each.found_at is None and each.account_id in read for each in self.organization.tamperings):
            kept = json.loads(self.organization.world.documents[READINGS_KEY])["accounts"]
            self.organization.note_found(
                {one: datetime.fromisoformat(each["at"]) for one, each in kept.items() if each.get("defects")}
            )

    def _look_at_age(self, accounts: Sequence[str], day: Day) -> None:
        kept = json.loads(self.organization.world.documents[READINGS_KEY])["accounts"]
        self.never_read += [each for each in accounts if each not in kept]
        oldest = min(kept[each]["at"] for each in accounts if each in kept)
        day.oldest = max(day.oldest, self.organization.world.now - datetime.fromisoformat(oldest))


def read_everything(organization: LivingOrganization) -> Day:
    """Return a day of the plain way: the full list in every run, and every role of every account once."""
    accounts = [each.id for each in organization.world.accounts.values() if each.state is AccountState.ACTIVE]
    day = Day(accounts=len(accounts), read=len(accounts))
    for hour in range(RUNS):
        day.listing += list_accounts(len(organization.world.accounts))
        organization.begin_run()
        organization.organizations_access()
        organization.stack_set(OURS)
        organization.operations(OURS)
        organization.instances(OURS)
        if hour == 0:
            organization.roles(accounts)
        day.bill += organization.settle_pass()
    organization.read_now.clear()
    return day
