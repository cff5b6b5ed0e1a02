"""The steps, wired to the fakes, and the desired states that tests start from."""

from dataclasses import replace
from datetime import datetime, timedelta

from muster.adapters.organizations import AccountFromEither, DelegationFromEither
from muster.domain.desired import (
    ChangeKind,
    ContainmentRoles,
    CoverageException,
    DesiredContainment,
    DesiredMembership,
    DesiredState,
    Mode,
)
from muster.domain.member_repair import MemberAccess
from muster.domain.membership import Home
from muster.domain.outcomes import (
    AssessOutcome,
    Change,
    ContactSetupOutcome,
    Handoff,
    MemberRepairOutcome,
    Notice,
    ReportOutcome,
    ScopingOutcome,
    SignUpOutcome,
)
from muster.domain.preflight import PreflightOutcome
from muster.domain.preflight_checks import Vantage
from muster.domain.scope import DesiredScope, EntireOrganization
from muster.steps.assess import Assess
from muster.steps.contact_setup import ContactSetup
from muster.steps.gate import Gate
from muster.steps.member_repair import MemberRepair
from muster.steps.preflight import Preflight
from muster.steps.report import Report
from muster.steps.scoping import Scoping
from muster.steps.sign_up import SignUp
from tests.fakes.gates import Automatic
from tests.fakes.ports import (
    FakeContacts,
    FakeDocuments,
    FakeManagement,
    FakeOrganizations,
    FakeReader,
    FakeResponders,
    FakeStackSetsAccess,
    FakeTeam,
    FakeTrails,
    FakeTriageRoles,
    FakeTriageRoleWriter,
    FakeWriter,
)
from tests.fakes.world import HOME_REGION, MANAGEMENT, SECURITY, World


def desired_state(
    *,
    scope: DesiredScope | None = None,
    account_id: str = SECURITY,
    region: str = HOME_REGION,
    confirmed_as: str | None = "",
    mode: Mode = Mode.ENFORCE,
    automatic: frozenset[ChangeKind] = frozenset(ChangeKind),
    tags: tuple[tuple[str, str], ...] = (("team", "security"),),
    proactive_response: bool = True,
    exceptions: tuple[CoverageException, ...] = (),
) -> DesiredState:
    """Return a desired state that may do everything additive by itself, confirmed unless a test says otherwise."""
    return DesiredState(
        membership=DesiredMembership(
            name="example-org-incident-response",
            account_id=account_id,
            region=region,
            tags=tags,
            confirmed_as=f"{account_id}/{region}" if confirmed_as == "" else confirmed_as,
        ),
        scope=scope or EntireOrganization(),
        mode=mode,
        automatic=automatic,
        proactive_response=proactive_response,
        exceptions=exceptions,
        containment=DesiredContainment(roles=ContainmentRoles.OFF),
    )


def preflight_step(
    world: World,
    *,
    account_id: str = SECURITY,
    region: str = HOME_REGION,
    told: str = MANAGEMENT,
    deployed: bool = True,
) -> Preflight:
    """Wire Preflight for an application that runs in the given account and was told of a management account."""
    own, management = FakeOrganizations(world, account_id), FakeOrganizations(world, MANAGEMENT)
    return Preflight(
        organizations=DelegationFromEither(own=own, management=management),
        accounts=AccountFromEither(own=own, management=management),
        management=FakeManagement(world),
        reader=FakeReader(world, account_id, region),
        stack_sets=FakeStackSetsAccess(world),
        trails=FakeTrails(world),
        contacts=FakeContacts(world),
        documents=FakeDocuments(world) if deployed else None,
        vantage=Vantage(
            home=Home(account_id, region),
            management_account_id=told,
            own="role muster-preflight",
            reader="role muster-management-reader",
            deployment="muster" if deployed else None,
        ),
    )


def preflight(
    world: World,
    desired: DesiredState | None = None,
    *,
    run: str = "run-1",
    accept_unknown: tuple[str, ...] = (),
    stops: bool = False,
) -> PreflightOutcome:
    """Run Preflight, for somebody to read what came out unless it ``stops``."""
    wanted = desired or desired_state()
    step = preflight_step(world, account_id=wanted.membership.account_id, region=wanted.membership.region)
    return step.apply(wanted, run=run, accept_unknown=accept_unknown, stops=stops)


def sign_up_step(world: World, *, account_id: str = SECURITY, region: str = HOME_REGION) -> SignUp:
    """Wire SignUp for an application that runs in the given account."""
    return SignUp(
        organizations=FakeOrganizations(world, account_id),
        management=FakeManagement(world),
        reader=FakeReader(world, account_id, region),
        writer=FakeWriter(world, account_id, region),
        narrowing=FakeWriter(world, account_id, region),
        responders=FakeResponders(world),
        home=Home(account_id, region),
    )


def sign_up(
    world: World,
    desired: DesiredState | None = None,
    *,
    gate: Gate | None = None,
    attempt: int = 1,
    last_attempt: bool = False,
    accept_unknown: tuple[str, ...] = (),
) -> SignUpOutcome:
    """Run one pass of SignUp."""
    wanted = desired or desired_state()
    step = sign_up_step(world, account_id=wanted.membership.account_id, region=wanted.membership.region)
    return step.apply(
        wanted,
        gate or Automatic(wanted),
        attempt=attempt,
        last_attempt=last_attempt,
        accept_unknown=accept_unknown,
    )


def scope(
    world: World, desired: DesiredState, *, run: str = "run-1", membership_id: str = "m-0123456789ab",
    cursor: str | None = None, gate: Gate | None = None,
) -> ScopingOutcome:  # fmt: skip
    """Run one call of Scoping."""
    writer = FakeWriter(world)
    step = Scoping(FakeOrganizations(world), FakeReader(world), writer, writer, FakeDocuments(world))
    return step.apply(desired, gate or Automatic(desired), run=run, membership_id=membership_id, cursor=cursor)


def scope_until_done(
    world: World, desired: DesiredState, *, run: str = "run-1", membership_id: str = "m-0123456789ab",
    gate: Gate | None = None,
) -> list[ScopingOutcome]:  # fmt: skip
    """Run Scoping as the machine does, and return every outcome."""
    outcomes = [scope(world, desired, run=run, membership_id=membership_id, gate=gate)]
    while outcomes[-1].more:
        cursor = outcomes[-1].cursor
        outcomes.append(scope(world, desired, run=run, membership_id=membership_id, cursor=cursor, gate=gate))
    return outcomes


def set_up_contacts(
    world: World,
    desired: DesiredState | None = None,
    *,
    membership_id: str = "m-0123456789ab",
    gate: Gate | None = None,
) -> ContactSetupOutcome:
    """Run ContactSetup."""
    team = FakeTeam(world)
    step = ContactSetup(FakeResponders(world), team, team, Home(SECURITY, HOME_REGION))
    return step.apply(gate or Automatic(desired or desired_state()), membership_id=membership_id)


SETTLE = timedelta(minutes=30)


def assess(
    world: World,
    desired: DesiredState | None = None,
    *,
    run: str = "run-1",
    membership_id: str = "m-0123456789ab",
    number: int = 1,
    changed_at: datetime | None = None,
    pages_per_slice: int = 100,
    scoped: bool = True,
) -> AssessOutcome:
    """Run one pass of Assess, slice by slice, after a scoping that changes nothing."""
    wanted = desired or desired_state()
    if scoped:
        scope(world, replace(wanted, mode=Mode.OBSERVE), run=run, membership_id=membership_id)
    step = Assess(FakeOrganizations(world), FakeReader(world), FakeTriageRoles(world), FakeDocuments(world))
    cursor = None
    while True:
        outcome = step.apply(
            wanted,
            run=run,
            membership_id=membership_id,
            at=world.now,
            number=number,
            cursor=cursor,
            changed_at=changed_at,
            settle=SETTLE,
            pages_per_slice=pages_per_slice,
        )
        cursor = outcome.cursor
        if cursor is None:
            return outcome


def repair_members(
    world: World,
    desired: DesiredState | None = None,
    *,
    access: MemberAccess = MemberAccess.REPAIR,
    run: str = "run-1",
    cursor: str | None = None,
    gate: Gate | None = None,
) -> MemberRepairOutcome:
    """Run one pass of MemberRepair."""
    step = MemberRepair(
        FakeTriageRoleWriter(world), FakeDocuments(world), Home(SECURITY, HOME_REGION), "muster", access
    )
    wanted = desired or desired_state()
    key = f"runs/{run}/assessment.json"
    return step.apply(wanted, gate or Automatic(wanted), run=run, assessment_key=key, cursor=cursor)


def report(
    world: World,
    desired: DesiredState | None = None,
    *,
    run: str = "run-1",
    membership_id: str | None = "m-0123456789ab",
    changes: tuple[Change, ...] = (),
    handoffs: tuple[Handoff, ...] = (),
    notices: tuple[Notice, ...] = (),
    assessment_key: str | None = "runs/run-1/assessment.json",
    containment_key: str | None = None,
    settled: bool = True,
) -> ReportOutcome:
    """Run Report."""
    return Report(FakeDocuments(world)).apply(
        desired or desired_state(),
        run=run,
        at=world.now,
        membership_id=membership_id,
        changes=changes,
        handoffs=handoffs,
        notices=notices,
        assessment_key=assessment_key,
        containment_key=containment_key,
        settled=settled,
    )


def onboard(world: World, desired: DesiredState | None = None, *, run: str = "run-1") -> ReportOutcome:
    """Run every step once, as the machine does when nothing has to be waited for."""
    wanted = desired or desired_state()
    signed_up = sign_up(world, wanted, last_attempt=True)
    if signed_up.membership_id is None:
        return report(
            world, wanted, run=run, membership_id=None, changes=signed_up.changes, handoffs=signed_up.handoffs,
            notices=signed_up.notices, assessment_key=None,
        )  # fmt: skip
    scoped = scope_until_done(world, wanted, run=run, membership_id=signed_up.membership_id)
    changes = tuple(change for outcome in scoped for change in outcome.changes)
    contacts = set_up_contacts(world, wanted, membership_id=signed_up.membership_id)
    assessed = assess(
        world,
        wanted,
        run=run,
        membership_id=signed_up.membership_id,
        changed_at=world.now if changes else None,
        scoped=False,
    )
    return report(
        world,
        wanted,
        run=run,
        membership_id=signed_up.membership_id,
        changes=signed_up.changes + changes + contacts.changes,
        handoffs=signed_up.handoffs + scoped[-1].handoffs + contacts.handoffs,
        notices=signed_up.notices + scoped[-1].notices + contacts.notices,
        assessment_key=assessed.assessment_key,
        settled=assessed.settled,
    )


def kinds(changes: tuple[Change, ...]) -> list[str]:
    """Return the kinds of the changes, in order."""
    return [change.kind for change in changes]
