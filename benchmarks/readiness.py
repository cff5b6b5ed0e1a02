"""Readiness of the containment roles in 10,000 accounts: what an ordinary day costs, and when tampering is found.

The real step runs every hour, for a day of first readings and 14 more; the table sets the 14 against reading every role
every day. It ends with 1 when a promise is not kept. Nothing sleeps, and the seed is fixed.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from statistics import mean, median
from typing import Final

from benchmarks.calls import ASSUME, LATENCY, LIST, LIST_ACCOUNTS, PAGE
from benchmarks.organization import DEPLOYMENT, DETECTION, PERSON, Shown, Tampering, found_organization
from benchmarks.simulation import RUNS, Churn, Day, Simulation, read_everything
from muster.adapters.containment_roles import AT_ONCE
from muster.domain.readings import VALID

FEWER: Final = 5
"""How many times fewer reads are promised."""

UNSEEN: Final = timedelta(hours=36)
"""How long drift may go unseen: it is looked for once a day, which takes its time, and the next run sees it."""

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SEED: Final = 20260302


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, whether it was kept, and the figure that says so."""

    what: str
    is_kept: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Result:
    """The simulation when it has ended: its first day, those after it, and a plain day of the same organization."""

    simulation: Simulation
    first: Day
    days: Sequence[Day]
    plain: Day

    @property
    def times_fewer(self) -> float:
        """How many times fewer calls read roles than on a plain day."""
        return reads(self.plain) / mean(map(reads, self.days))

    @property
    def oldest(self) -> timedelta:
        """The greatest age of any reading at the end of any run."""
        return max(day.oldest for day in (self.first, *self.days))

    def tamperings(self, shown: Shown) -> list[Tampering]:
        """Return those that show in one way."""
        return [each for each in self.simulation.organization.tamperings if each.shown is shown]

    def late(self, shown: Shown) -> list[Tampering]:
        """Return those that the run after they showed has not found, and those that neither showed nor were found."""
        return [each for each in self.tamperings(shown) if self._is_late(each)]

    def _is_late(self, tampering: Tampering) -> bool:
        organization = self.simulation.organization
        if tampering.shown_at is None:
            # It may be found because its turn comes, before anything shows.
            limit = UNSEEN if tampering.shown is Shown.BY_DRIFT else VALID
            return (tampering.found_at or organization.world.now) - tampering.at > limit
        return (organization.runs if tampering.found_at is None else tampering.found_in) > tampering.shown_in + 1


def run(accounts: int, days: int, churn: Churn, *, seed: int = SEED, units: int = 100) -> Result:
    """Let so many accounts live for so many days after the first readings."""
    simulation = Simulation(found_organization(accounts, units), churn, Random(seed))  # noqa: S311 - a seed is wanted
    first, *others = simulation.live(days)
    promised = list(simulation.organization.read_twice)
    plain = read_everything(simulation.organization)
    simulation.organization.read_twice[:] = promised
    return Result(simulation, first, others, plain)


def reads(day: Day) -> int:
    """Return the calls that read roles."""
    return day.bill.calls[ASSUME] + iam(day)


def iam(day: Day) -> int:
    """Return the calls to IAM."""
    return sum(number for operation, number in day.bill.calls.items() if operation.startswith("iam:"))


def judge(result: Result) -> list[Promise]:
    """Return every promise."""
    simulation, organization = result.simulation, result.simulation.organization
    unread, twice = len(simulation.never_read), len(organization.read_twice)
    wrong = len(organization.unfounded) + simulation.written_in_quiet_runs
    late = {shown: f"{len(result.late(shown))} late of {len(result.tamperings(shown))}" for shown in Shown}
    return [
        Promise(f"at least {FEWER} times fewer reads", result.times_fewer >= FEWER, f"{result.times_fewer:.1f} times"),
        Promise(
            f"every account read within {VALID.days} days",
            result.oldest <= VALID and not unread,
            f"{result.oldest / timedelta(days=1):.1f} days at most, {unread} never",
        ),
        Promise("what an event names: found by the next run", not result.late(Shown.BY_EVENT), late[Shown.BY_EVENT]),
        Promise("what drift shows: found by the next run", not result.late(Shown.BY_DRIFT), late[Shown.BY_DRIFT]),
        Promise(f"the rest: within {VALID.days} days", not result.late(Shown.BY_NOTHING), late[Shown.BY_NOTHING]),
        Promise("no account read twice in a run that did not change it", not twice, f"{twice} times"),
        Promise(
            "no write without anything to repair",
            not wrong,
            f"{wrong}; {simulation.quiet_runs} runs had nothing to repair",
        ),
    ]


ROWS: Final[Sequence[tuple[str, Callable[[Day], float], str]]] = (
    ("accounts whose roles are read", lambda day: day.read, ",.0f"),
    ("  calls: sts:AssumeRole", lambda day: day.bill.calls[ASSUME], ",.0f"),
    ("  calls: IAM", iam, ",.0f"),
    ("  calls that read roles, together", reads, ",.0f"),
    ("pages of ListStackInstances", lambda day: day.bill.calls[LIST], ",.0f"),
    ("other calls: CloudFormation, S3", lambda day: day.bill.calls.total() - reads(day) - day.bill.calls[LIST], ",.0f"),
    ("all calls", lambda day: day.bill.calls.total(), ",.0f"),
    ("minutes of all calls", lambda day: day.bill.seconds / 60, ",.1f"),
    ("minutes of waiting for operations", lambda day: day.waited / MINUTE, ",.1f"),
    ("minutes of the longest run", lambda day: day.longest / MINUTE, ",.1f"),
    ("calls of the inventory: ListAccounts", lambda day: day.listing.calls[LIST_ACCOUNTS], ",.0f"),
    ("minutes of the inventory", lambda day: day.listing.seconds / 60, ",.1f"),
)


def table(result: Result) -> Iterator[str]:
    """Return the lines of the two tables: what a day costs, and when tampering was found."""
    days, plain = result.days, result.plain
    busiest = max(days, key=lambda day: day.bill.calls.total())
    yield f"{'a day of 24 runs':38}{'ordinary':>10}{'busiest':>10}{'plain':>10}{'times fewer':>13}"
    for name, figure, form in ROWS:
        ordinary = mean(map(figure, days))
        cells = "".join(f"{each:>10{form}}" for each in (ordinary, figure(busiest), figure(plain)))
        yield f"{name:38}{cells}{figure(plain) / ordinary if ordinary else 0:>13.1f}"
    yield ""
    yield f"{'a role is tampered with; what shows it':42}{'times':>6}{'found':>7}{'in turn':>9}{'hours, median':>22}"
    for shown in Shown:
        yield _found_line(result, shown)


def _found_line(result: Result, shown: Shown) -> str:
    """Return how many were found, how many of them as their turn came, and the hours since it showed or was done."""
    there = result.tamperings(shown)
    found = [(each, each.found_at) for each in there if each.found_at is not None]
    in_turn = [each for each, _ in found if each.shown_at is None]
    waits = [
        (found_at - (each.shown_at or each.at)) / HOUR
        for each, found_at in found
        if each.shown_at is not None or shown is Shown.BY_NOTHING
    ]
    hours = f"{median(waits):.2f}, at most {max(waits):.2f}" if waits else "-"
    return f"{shown:42}{len(there):>6}{len(found):>7}{len(in_turn):>9}{hours:>22}"


def notes(result: Result) -> Iterator[str]:
    """Return the lines that say what the figures rest on, and what would change them."""
    plain, written, seconds = result.plain, result.simulation.organization.written, result.simulation.seconds
    spare = reads(plain) / FEWER - mean(map(reads, result.days))
    standing = spare / RUNS / (reads(plain) / plain.read)
    yield "plain: every role of every account is read once a day, and the full list of instances in every run"
    first = result.first
    yield f"the first day: {first.read:,} accounts are read, most in one run of {first.longest / MINUTE:.0f} minutes"
    yield (
        f"writes in {len(result.days)} days: {written['repairs']} repairs of tampered roles, "
        f"{written['redrives']} new tries of failed instances"
    )
    yield (
        f"a defect that nobody mends is read in every run: with {standing:.0f} more of them it is no longer "
        f"{FEWER} times fewer reads"
    )
    yield f"the step's own work: {median(seconds):.2f} s of processor a pass here, {max(seconds):.1f} s at most"
    yield (
        f"assumed: {LATENCY * 1000:.0f} ms a call, {AT_ONCE} accounts at once, {PAGE} operations a page; an operation "
        f"for some accounts takes {DEPLOYMENT / MINUTE:.0f} minutes, a look for drift {DETECTION / MINUTE:.0f}, "
        f"a person {PERSON / HOUR:.0f} hours"
    )
    yield f"published: {PAGE} instances and 20 accounts a page, ListAccounts 8 a second, of which Muster takes 60 %"


def main(arguments: Sequence[str]) -> int:
    """Print the tables and the promises; exit status 1 when one is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readiness", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000, help="members; a day stays that of 10,000")
    parser.add_argument("--days", type=int, default=14, help="days after the first readings")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    sys.stdout.write(f"{chosen.accounts:,} accounts, {chosen.days} days, {RUNS} runs a day ...\n")
    sys.stdout.flush()
    result = run(chosen.accounts, chosen.days, Churn(), seed=chosen.seed)
    promises = judge(result)
    said = [f"{'kept  ' if each.is_kept else 'BROKEN'}  {each.what:58}{each.figure}" for each in promises]
    sys.stdout.writelines(f"{line}\n" for line in ("", *table(result), "", *notes(result), "", *said))
    return 0 if all(each.is_kept for each in promises) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
