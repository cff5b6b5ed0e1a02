"""Whatever an organization looks like: nobody loses anything unasked, plans are stable, and a run comes to rest."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain.desired import ChangeKind, DesiredState, Guardrails, Mode
from muster.domain.member_repair import MemberAccess
from muster.domain.membership import SERVICE_PRINCIPAL
from muster.domain.observed import Unknown
from muster.domain.organization import AccountState
from muster.domain.plan import Plan, PlannedRemediation
from muster.domain.planning import Verdict, affected_key
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.domain.responders import IncidentResponder
from muster.domain.scope import EntireOrganization, UnitId, UnitReferences
from muster.domain.scoping import AFTER_CLEARING
from muster.errors import (
    DeniedError,
    ImplausibleInventoryError,
    MembershipUnknownError,
    OrganizationNotReadyError,
    StoppedError,
)
from muster.steps.planning import proposals_key
from tests.fakes.planning import MAX_ROUNDS, Effect, MeasuredWorld, Rounds
from tests.fakes.steps import desired_state
from tests.fakes.world import MANAGEMENT, ROOT, SECURITY, TEAM, WRITES

EXAMPLES = settings(max_examples=60)
MAX_DEPTH = 4
READS = re.compile(r"\w[\w-]*:(Get|List|Describe|BatchGet|AssumeRole)")
DOCUMENTS = {"s3:PutObject"}
NARROWED = frozenset({"Case Created"})
NARROWING = {RemediationKind.CLEAR_ENTIRE_ORGANIZATION, RemediationKind.REMOVE_UNIT}
NOWHERE = "ou-ex01-unitnone"


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


TEAMS = (
    TEAM,
    TEAM[:2],
    (replace(TEAM[0], job_title="Director"), *TEAM[1:]),
    (*TEAM[:2], IncidentResponder("Somebody Else", "Analyst", "else@example.com")),
    (replace(TEAM[0], preferences=NARROWED), *TEAM[1:]),
)


@st.composite
def worlds(draw: st.DrawFn, *, readable: bool = False, signed_up: bool | None = None) -> MeasuredWorld:
    """Draw an organization with nested units, accounts anywhere, and perhaps a membership that asks for changes."""
    world = MeasuredWorld()
    for number in range(draw(st.integers(0, 6))):
        parents = [ROOT, *(each.id for each in world.units.values() if len(each.ancestors) < MAX_DEPTH)]
        world.add_unit(f"ou-ex01-unit{number:04}", f"Unit {number}", draw(st.sampled_from(parents)))
    places = st.sampled_from([ROOT, *world.units])
    world.add_account(MANAGEMENT, name="Management", triage_role=draw(st.booleans()))
    world.add_account(SECURITY, draw(places))
    states = st.sampled_from([AccountState.ACTIVE] * 4 + [AccountState.SUSPENDED, AccountState.UNDOCUMENTED])
    for number in range(draw(st.integers(0, 6))):
        account_id = f"3000000000{number:02}"
        world.add_account(account_id, draw(places), state=draw(states), triage_role=draw(st.booleans()))
        if not readable:
            unreadable(world, account_id, draw(st.sampled_from(["", "", "", "path", "role", "association"])))
    if draw(st.sampled_from([True, True, True, False])) if signed_up is None else signed_up:
        world.trusted.add(SERVICE_PRINCIPAL)
        world.delegated.add(SECURITY)
        world.add_membership(
            name=draw(st.sampled_from(["example-org-incident-response", "another-name"])),
            triage_enabled=draw(st.sampled_from([True, False] if readable else [True, False, None])),
            entire_organization=draw(st.booleans()),
            unit_ids=frozenset(draw(st.lists(st.sampled_from([*world.units, NOWHERE]), max_size=4, unique=True)))
            & world.units.keys(),
            tags=draw(st.sampled_from([{}, {"team": "security"}, {"team": "other", "theirs": "kept"}])),
            team=draw(st.sampled_from(TEAMS)),
        )
    world.contacts = draw(st.sampled_from(TEAMS))
    world.takes_units_beside_flag = draw(st.booleans())
    return world


def unreadable(world: MeasuredWorld, account_id: str, what: str) -> None:
    account = world.accounts[account_id]
    if what == "path" and account.ancestors is not None:
        world.hidden[account_id] = account.ancestors
        world.accounts[account_id] = replace(account, ancestors=None)
    if what == "role":
        world.unreadable_roles.add(account_id)
    if what == "association":
        world.unreadable_associations.add(account_id)


@st.composite
def wishes(draw: st.DrawFn, world: MeasuredWorld, modes: tuple[Mode, ...] = tuple(Mode)) -> DesiredState:
    """Draw what is asked for of an organization."""
    references = draw(st.lists(st.sampled_from(sorted(world.units)), max_size=4, unique=True)) if world.units else []
    automatic = draw(st.sampled_from([frozenset(ChangeKind), frozenset({ChangeKind.ADD_UNIT}), frozenset()]))
    if draw(st.booleans()):
        automatic = frozenset(draw(st.lists(st.sampled_from(list(ChangeKind)), unique=True)))
    return replace(
        desired_state(
            scope=UnitReferences(tuple(map(UnitId, references))) if references else EntireOrganization(),
            mode=draw(st.sampled_from(modes)),
            automatic=automatic,
            proactive_response=draw(st.booleans()),
        ),
        guardrails=draw(
            st.sampled_from([Guardrails(), Guardrails(25, 1.0, 10), Guardrails(0, 0.0, 0), Guardrails(3, 0.5, 1)])
        ),
    )


@st.composite
def runs(draw: st.DrawFn, modes: tuple[Mode, ...] = tuple(Mode)) -> Rounds:
    world = draw(worlds())
    return Rounds(world, draw(wishes(world, modes)), access=draw(st.sampled_from(list(MemberAccess))))


def reductions_behind(effect: Effect, granted: list[PlannedRemediation]) -> list[PlannedRemediation]:
    """Return the granted reductions that a write can have been made for."""
    kinds = {
        ("entire", False): RemediationKind.CLEAR_ENTIRE_ORGANIZATION,
        ("triage", False): RemediationKind.DISABLE_TRIAGE,
    }
    if effect.detail[0] == "remove":
        return [
            each
            for each in granted
            if each.remediation.kind is RemediationKind.REMOVE_UNIT and each.remediation.resource in effect.detail[1:]
        ]
    return [each for each in granted if each.remediation.kind is kinds.get(effect.detail)]


def check_effects(run: Rounds, world: MeasuredWorld, first: int) -> None:
    """See that whoever lost something by a grant is named by an approved reduction in it."""
    plan = run.plan
    ids = {each["id"] for each in world.read_document(f"runs/{run.run}/grants/{plan.number}.json")["remediations"]}
    granted = [each for each in plan.remediations if each.id in ids]
    assert len(granted) == len(ids)
    agreed = {each.id for sealed in run.plans if sealed.sha256 in run.approvals for each in sealed.plan.remediations}
    concerned = json.loads(world.documents.get(affected_key(run.run, plan.number), "{}"))
    # While the flag covers everybody a unit may go; the flag goes only when every unit is in, or comes with it.
    missing = [
        each.remediation
        for each in plan.remediations
        if each.remediation.kind is RemediationKind.ADD_UNIT and each.id not in ids
    ]
    narrowing = {each.remediation.kind for each in granted} & NARROWING
    assert not missing or RemediationKind.CLEAR_ENTIRE_ORGANIZATION not in narrowing
    assert not narrowing or all(each.before == AFTER_CLEARING for each in missing)
    for each in granted:
        assert not each.approval
        assert each.held is None
        assert each.id in agreed or not each.remediation.kind.reduces_protection
    for effect in world.effects[first:]:
        if not effect.reduces:
            continue
        behind = reductions_behind(effect, granted)
        assert behind, effect
        assert all(each.remediation.kind.reduces_protection for each in behind)
        named = {account for each in behind for account in concerned.get(each.id, ())}
        assert effect.losing <= named | covered_again(world, granted), (effect, behind)
        if effect.before.triage and not effect.after.triage:
            active = {each.id for each in world.accounts.values() if each.state is AccountState.ACTIVE}
            assert active <= named


def covered_again(world: MeasuredWorld, granted: list[PlannedRemediation]) -> set[str]:
    """Return the accounts below units that AWS takes only after the clearing, if they have their coverage back."""
    added = {each.remediation.resource for each in granted if each.remediation.kind is RemediationKind.ADD_UNIT}
    covered = world.protection().covered
    paths = {each.id: world.hidden.get(each.id, each.ancestors or ()) for each in world.accounts.values()}
    return {account for account, path in paths.items() if account in covered and not added.isdisjoint(path)}


def check_calls(world: MeasuredWorld) -> None:
    for call in world.calls:
        assert call.operation in WRITES | DOCUMENTS or READS.match(call.operation), call
        assert not re.search("Cancel|Deregister|Disable|Delete", call.operation)


def go(run: Rounds, world: MeasuredWorld, *, approves: Callable[[Plan], bool]) -> str:
    """Run rounds, and check what each grant did."""
    while True:
        outcome = run.plan_once()
        assert run.number <= MAX_ROUNDS
        if outcome.verdict == Verdict.APPLY:
            first = len(world.effects)
            run.make(outcome)
            check_effects(run, world, first)
        elif outcome.verdict == Verdict.ASK and approves(run.plan):
            run.approve(outcome.plan)
        else:
            check_calls(world)
            return outcome.verdict


def check_wave(run: Rounds, world: MeasuredWorld) -> None:
    """See that units wait only for a wave with an account that no run can cover, or that nobody can see covered."""
    assert all("did not end well" in (each.held or "") for each in run.plan.remediations)
    assert (
        world.hidden
        or world.unreadable_roles
        or world.unreadable_associations
        or run.access is not MemberAccess.REPAIR
        or any(each.state is AccountState.UNDOCUMENTED for each in world.accounts.values())
    )


@EXAMPLES
@given(runs((Mode.PROPOSE, Mode.ENFORCE)))
def test_when_all_is_approved_a_run_comes_to_rest_with_an_empty_plan_unless_a_wave_went_wrong(run: Rounds) -> None:
    world = run.world

    verdict = go(run, world, approves=lambda _: True)

    if verdict == Verdict.HOLD:
        check_wave(run, world)
        return
    assert verdict == Verdict.NOTHING
    assert run.plan.remediations == ()
    (membership,) = [each.membership for each in world.memberships]
    asked = run.desired.scope
    assert membership.covers_entire_organization is isinstance(asked, EntireOrganization)
    if isinstance(asked, UnitReferences):
        wanted = {each.value for each in asked.units if isinstance(each, UnitId)}
        assert membership.unit_ids <= wanted
        for unit_id in wanted:
            assert not membership.unit_ids.isdisjoint({unit_id, *world.units[unit_id].ancestors})
    assert membership.triage_enabled in (run.desired.proactive_response, None)
    again = Rounds(world, run.desired, run="run-2", access=run.access)
    writes = len(world.writes)
    assert again.plan_once().verdict == Verdict.NOTHING
    assert again.plan.remediations == ()
    assert len(world.writes) == writes


def waits_for_somebody(run: Rounds, done: set[str]) -> bool:
    """Tell whether every open write waits for a person, and says why."""
    return all(
        each.approval or each.held or each.id in done or run.desired.mode is Mode.OBSERVE
        for each in run.plan.remediations
    )


def granted_ids(run: Rounds, world: MeasuredWorld) -> set[str]:
    rounds = json.loads(world.documents.get(f"runs/{run.run}/granted.json", '{"rounds": []}'))["rounds"]
    return {each for one in rounds for each in one["ids"]}


@EXAMPLES
@given(runs())
def test_when_nobody_approves_what_stays_open_waits_for_somebody_and_nobody_loses_anything(run: Rounds) -> None:
    world = run.world

    verdict = go(run, world, approves=lambda _: False)

    assert waits_for_somebody(run, granted_ids(run, world))
    assert (verdict == Verdict.NOTHING) == (not run.plan.remediations)
    assert not any(effect.reduces for effect in world.effects)
    if run.desired.mode is not Mode.ENFORCE:
        assert world.writes == []
    if run.plan.remediations:
        assert run.outcomes[-1].handoffs


@EXAMPLES
@given(runs((Mode.PROPOSE, Mode.ENFORCE)), st.integers(0, 3))
def test_a_run_whose_approvers_fall_silent_stops_without_a_loss_that_nobody_approved(run: Rounds, answers: int) -> None:
    world = run.world

    go(run, world, approves=lambda _: len(run.approvals) < answers)

    assert waits_for_somebody(run, granted_ids(run, world))
    left = world.protection()
    if not any(each.approval or each.held for each in run.plan.remediations):
        assert run.plan.remediations == ()
    # A gap that AWS's order makes is closed in the same grant: what is uncovered now is named somewhere.
    named = {
        account
        for sealed in run.plans
        if sealed.sha256 in run.approvals
        for accounts in json.loads(world.documents.get(affected_key(run.run, sealed.plan.number), "{}")).values()
        for account in accounts
    }
    if world.effects:
        assert world.effects[0].before.covered - left.covered <= named


@settings(max_examples=40)
@given(runs((Mode.PROPOSE, Mode.ENFORCE)))
def test_a_run_that_is_limited_to_a_plan_makes_nothing_else(run: Rounds) -> None:
    world = run.world
    run.applies = False
    run.plan_once()
    assert world.writes == []
    planned = {each.id for each in run.plan.remediations}
    applied = Rounds(world, run.desired, run="run-2", access=run.access, pinned=run.plans[-1].sha256)
    # What a person limits a run to is asked for by its own name.
    outcome = applied.go()

    assert granted_ids(applied, world) <= planned
    assert outcome.verdict in (Verdict.NOTHING, Verdict.TELL, Verdict.HOLD)
    assert applied.number <= MAX_ROUNDS
    assert set(applied.approvals) <= {applied.pinned}


@EXAMPLES
@given(runs(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_world_is_listed_and_steps_propose_changes_no_byte(run: Rounds, chance: Random) -> None:
    world = run.world
    run.plan_once()
    told = Rounds(world, run.desired, number=0, access=run.access)
    world.accounts = dict(shuffled(chance, world.accounts.items()))
    world.units = dict(shuffled(chance, world.units.items()))
    world.now = run.plan.at
    told.number = run.number
    key = told.look()
    for step in Step:
        place = proposals_key(told.run, told.number, step)
        if place in world.documents:
            world.documents[place] = json.dumps(shuffled(chance, json.loads(world.documents[place])))
    told.handoffs = shuffled(chance, told.handoffs)
    world.now = run.plan.at

    assert told.decide(key).plan == run.plans[-1].sha256
    assert told.outcomes == run.outcomes


def shuffled[T](chance: Random, values: Iterable[T]) -> list[T]:
    listed = list(values)
    chance.shuffle(listed)
    return listed


def of_kind(plan: Plan, *kinds: RemediationKind) -> list[Remediation]:
    return [each.remediation for each in plan.remediations if each.remediation.kind in kinds]


SIGN_UPS = {
    "organizations:ListAWSServiceAccessForOrganization": SERVICE_PRINCIPAL,
    "iam:GetRole": "management account",
    "organizations:ListDelegatedAdministrators": SECURITY,
}


@EXAMPLES
@given(st.data())
def test_what_could_not_be_read_has_no_remedy(data: st.DataObject) -> None:
    world = data.draw(worlds(signed_up=True))
    run = Rounds(world, data.draw(wishes(world)))
    failing = data.draw(st.sets(st.sampled_from(sorted(SIGN_UPS))), label="unreadable")
    hides_tags, hides_team = data.draw(st.booleans(), label="tags"), data.draw(st.booleans(), label="team")
    for operation in failing:
        world.fail(operation, denied, account=MANAGEMENT if operation == "iam:GetRole" else None)
    if hides_tags:
        world.fail("security-ir:ListTagsForResource", denied)
    if hides_team:
        world.memberships[0].team = Unknown("the answer lacks a part of it")

    run.plan_once()

    plan = run.plan
    assert {each.resource for each in of_kind(plan, RemediationKind.SIGN_UP)}.isdisjoint(
        SIGN_UPS[operation] for operation in failing
    )
    if hides_tags:
        assert of_kind(plan, RemediationKind.SET_TAGS) == []
    if hides_team:
        assert of_kind(plan, RemediationKind.ADD_RESPONDER, RemediationKind.UPDATE_RESPONDER) == []
    if world.memberships[0].membership.triage_enabled is None:
        assert of_kind(plan, RemediationKind.ENABLE_TRIAGE, RemediationKind.DISABLE_TRIAGE) == []
    for each in of_kind(plan, RemediationKind.CREATE_TRIAGE_ROLE):
        assert world.unreadable_roles.isdisjoint(each.concern.only)
        assert world.unreadable_associations.isdisjoint(each.concern.only)
        assert world.hidden.keys().isdisjoint(each.concern.only) or isinstance(run.desired.scope, EntireOrganization)
    alive = {each.id for each in world.accounts.values() if each.state is not AccountState.SUSPENDED}
    for each in of_kind(plan, RemediationKind.REMOVE_UNIT, RemediationKind.CLEAR_ENTIRE_ORGANIZATION):
        assert alive & world.hidden.keys() <= set(each.concern.only)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("organizations:ListAccounts", ImplausibleInventoryError),
        ("organizations:DescribeOrganization", OrganizationNotReadyError),
        ("security-ir:GetMembership", MembershipUnknownError),
    ],
)
@settings(max_examples=15)
@given(data=st.data())
def test_a_world_that_cannot_be_read_at_all_gets_no_plan(
    operation: str, error: type[StoppedError], data: st.DataObject
) -> None:
    world = data.draw(worlds(signed_up=True))
    run = Rounds(world, data.draw(wishes(world)))
    world.fail(operation, denied)

    with pytest.raises(error):
        run.plan_once()

    assert world.writes == []
    assert not any(key.startswith("plans/") for key in world.documents)
