"""Containment wired to the fakes, and run as the machine runs it."""

from dataclasses import replace

from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.containment_roles import PinnedRoles
from muster.domain.desired import ContainmentRoles, DesiredContainment, DesiredState
from muster.domain.outcomes import ContainmentOutcome
from muster.steps.containment import Containment
from muster.steps.gate import Gate
from muster.steps.role_readings import RoleReadings
from tests.fakes.gates import Automatic
from tests.fakes.ports import FakeDocuments
from tests.fakes.stack_sets import TEMPLATE, FakeStackSets
from tests.fakes.steps import desired_state
from tests.fakes.world import MANAGEMENT, World

ASSESSMENT_KEY = "runs/run-1/assessment.json"


def containing(desired: DesiredState | None = None, **over: object) -> DesiredState:
    """Return a desired state that manages the containment roles, but for what a test says otherwise."""
    containment = replace(DesiredContainment(roles=ContainmentRoles.MANAGED), **over)  # type: ignore[arg-type]
    return replace(desired or desired_state(), containment=containment)


def store_assessment(world: World, key: str = ASSESSMENT_KEY) -> None:
    """Store what Containment reads of an assessment."""
    accounts = [
        {
            "id": each.id,
            "name": each.name,
            "state": each.state.value,
            "ancestors": None if each.ancestors is None else list(each.ancestors),
        }
        | ({"management": True} if each.id == MANAGEMENT else {})
        for each in world.accounts.values()
    ]
    FakeDocuments(world).write(key, {"accounts": accounts})


def contain(
    stack_sets: FakeStackSets,
    desired: DesiredState | None = None,
    *,
    run: str = "run-1",
    last_attempt: bool = False,
    gate: Gate | None = None,
    suspects: frozenset[str] = frozenset(),
    template: str = TEMPLATE,
) -> ContainmentOutcome:
    """Run one pass, after an assessment."""
    world = stack_sets.world
    store_assessment(world)
    wanted = desired or containing()
    documents = FakeDocuments(world)

    def pinned(account_id: str) -> PinnedRoles:
        return read_pinned_roles(account_id, ec2_triage=wanted.containment.ec2_triage)

    step = Containment(stack_sets, stack_sets, RoleReadings(stack_sets, documents, pinned), documents, template)
    return step.apply(
        wanted,
        gate or Automatic(wanted),
        run=run,
        at=world.now,
        assessment_key=ASSESSMENT_KEY,
        last_attempt=last_attempt,
        suspects=suspects,
    )


def contain_until_done(
    stack_sets: FakeStackSets,
    desired: DesiredState | None = None,
    *,
    run: str = "run-1",
    attempts: int = 20,
    template: str = TEMPLATE,
) -> list[ContainmentOutcome]:
    """Run passes as the machine does: operations end while it waits."""
    outcomes = []
    for attempt in range(attempts):
        outcomes.append(contain(stack_sets, desired, run=run, last_attempt=attempt == attempts - 1, template=template))
        if outcomes[-1].more:
            continue
        if outcomes[-1].waiting_for is None:
            break
        stack_sets.finish()
    return outcomes
