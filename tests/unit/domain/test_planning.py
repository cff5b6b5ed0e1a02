"""From what steps propose to one plan: ordered, counted, with a reason wherever a person has to agree."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ChangeKind, DesiredMembership, DesiredState, Guardrails, Mode
from muster.domain.diagnosis import Cause, Coverage
from muster.domain.freezing import Freeze, Window, WindowState
from muster.domain.observed import Known, Unknown
from muster.domain.outcomes import Handoff, HandoffTo
from muster.domain.plan import Affected, LeftStep, Plan, PlannedRemediation, seal
from muster.domain.planning import (
    Decision,
    Ground,
    PlanAccount,
    Verdict,
    accounts_from_assessment,
    affected_key,
    beyond_repair,
    decide,
    find_moved,
    left_from_handoffs,
    make_plan,
    resolve,
    why_approval,
)
from muster.domain.remediation import EVERYONE, NOBODY, Concern, Remediation, RemediationKind, Step
from muster.domain.scope import EntireOrganization
from muster.domain.scoping import AFTER_CLEARING

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KIND = RemediationKind
ROOT, UNIT, INNER, OTHER = "r-1", "ou-unit", "ou-inner", "ou-other"
DESIRED = DesiredState(
    DesiredMembership("name", "222222222222", "eu-west-1"),
    EntireOrganization(),
    mode=Mode.ENFORCE,
    automatic=frozenset(ChangeKind),
    guardrails=Guardrails(max_accounts=2, max_share=0.5, max_units=2),
)
ACCOUNTS = (
    PlanAccount("1", (ROOT, UNIT), is_associated=False),
    PlanAccount("2", (ROOT, UNIT, INNER), is_associated=True),
    PlanAccount("3", (ROOT, OTHER), is_associated=False),
    PlanAccount("4", None, is_associated=False),
    PlanAccount("5", (ROOT,), is_associated=False),
)


def write(
    kind: RemediationKind = KIND.ADD_UNIT,
    resource: str = UNIT,
    *,
    step: Step = Step.SCOPING,
    before: str = "before",
    after: str = "after",
    concern: Concern = NOBODY,
    place: int = 0,
) -> Remediation:
    return Remediation(step, kind, resource, before, after, f"{kind} {resource}", "asked", concern=concern, place=place)


def on(**change: Any) -> Ground:
    ground = Ground(DESIRED, "version-1", "run-1", 1, NOW, "m-1", ACCOUNTS, 20)
    return replace(ground, **change)


def plan_of(proposed: Sequence[Remediation], **change: Any) -> Plan:
    return make_plan(proposed, (), on(**change))[0]


def one(remediation: Remediation, **change: Any) -> PlannedRemediation:
    (planned,) = plan_of([remediation], **change).remediations
    return planned


def within(*accounts: str) -> Remediation:
    return write(KIND.CREATE_TRIAGE_ROLE, "roles", step=Step.MEMBER_REPAIR, concern=Concern(only=accounts))


class TestAccounts:
    def test_accounts_that_are_on_their_way_out_can_have_no_protection(self) -> None:
        rows = [
            {"id": "1", "ancestors": [ROOT, UNIT], "association": "Associated", "coverage": Coverage.COVERED},
            {"id": "2", "ancestors": None, "association": "Unknown", "coverage": Coverage.UNKNOWN},
            {"id": "3", "ancestors": [], "association": None, "coverage": Coverage.UNKNOWN},
            {"id": "4", "ancestors": [ROOT], "association": None, "coverage": Coverage.INACTIVE},
            {"id": "5", "ancestors": [ROOT], "coverage": Coverage.NOT_COVERED},
        ]

        assert accounts_from_assessment({"accounts": rows}) == (
            PlanAccount("1", (ROOT, UNIT), is_associated=True),
            PlanAccount("2", None, is_associated=False),
            PlanAccount("3", None, is_associated=False),
            PlanAccount("5", (ROOT,), is_associated=False),
        )


class TestResolve:
    @pytest.mark.parametrize(
        ("concern", "found"),
        [
            (NOBODY, ()),
            (EVERYONE, ("1", "2", "3", "4", "5")),
            (Concern(only=("9", "1")), ("1", "9")),
            (Concern(below=(OTHER,)), ("3", "4")),
            (Concern(below=(UNIT, OTHER)), ("1", "2", "3", "4")),
            (Concern(below=(INNER,)), ("2", "4")),
        ],
    )
    def test_a_concern_means_accounts_and_one_whose_path_is_unknown_may_be_below_any_unit(
        self, concern: Concern, found: tuple[str, ...]
    ) -> None:
        assert resolve(concern, KIND.DISABLE_TRIAGE, ACCOUNTS) == found

    def test_a_unit_that_is_added_changes_nothing_for_accounts_that_are_associated(self) -> None:
        assert resolve(Concern(below=(UNIT,)), KIND.ADD_UNIT, ACCOUNTS) == ("1", "4")
        assert resolve(Concern(below=(UNIT,)), KIND.REMOVE_UNIT, ACCOUNTS) == ("1", "2", "4")

    def test_where_accounts_could_not_be_listed_only_named_ones_are_meant(self) -> None:
        assert resolve(EVERYONE, KIND.DISABLE_TRIAGE, None) == ()
        assert resolve(Concern(only=("1",)), KIND.DISABLE_TRIAGE, None) == ("1",)


class TestLeft:
    def test_steps_of_others_are_listed_once_and_in_one_order(self) -> None:
        handoffs = [
            Handoff(HandoffTo.PERSON, "look", "denied", "aws iam get-role", (account,)) for account in ("2", "1", "2")
        ] + [Handoff(HandoffTo.MANAGEMENT_TEAM, "look", "denied", "")]

        assert left_from_handoffs(handoffs) == left_from_handoffs(handoffs[::-1])
        assert left_from_handoffs(handoffs) == (
            LeftStep("management team", "look", "denied"),
            LeftStep("person", "look", "denied", "aws iam get-role", ("1",)),
            LeftStep("person", "look", "denied", "aws iam get-role", ("2",)),
        )

    def test_what_no_api_repairs_is_said_with_its_accounts(self) -> None:
        rows = [{"id": f"{each:02}", "cause": Cause.SERVICE_SIDE.value} for each in reversed(range(25))]
        rows.append({"id": "99", "cause": Cause.CANNOT_BE_SELECTED.value})

        service, root = beyond_repair({"accounts": rows})

        assert (service.who, service.what) == ("nobody", "cover 25 accounts (service_side)")
        assert service.accounts == tuple(f"{each:02}" for each in range(20))
        assert (root.what, root.accounts) == ("cover 1 account (cannot_be_selected)", ("99",))
        assert beyond_repair({"accounts": [{"id": "1", "cause": None}]}) == ()


class TestApproval:
    @pytest.mark.parametrize("mode", Mode)
    @pytest.mark.parametrize("kind", [each for each in KIND if each.reduces_protection])
    def test_what_takes_protection_away_always_needs_a_person(self, kind: RemediationKind, mode: Mode) -> None:
        assert why_approval(kind, replace(DESIRED, mode=mode)) == ("it takes protection away",)

    @pytest.mark.parametrize("kind", [each for each in KIND if not each.reduces_protection])
    def test_anything_else_needs_one_unless_mode_and_automatic_allow_it(self, kind: RemediationKind) -> None:
        others = frozenset(ChangeKind) - {ChangeKind(kind.value)}

        assert why_approval(kind, DESIRED) == ()
        assert why_approval(kind, replace(DESIRED, automatic=others)) == (f"automatic does not list {kind}",)
        assert why_approval(kind, replace(DESIRED, mode=Mode.PROPOSE)) == ("mode is propose",)
        assert why_approval(kind, replace(DESIRED, mode=Mode.OBSERVE)) == ("mode is observe",)

    def test_what_people_approved_needs_nobody_any_more(self) -> None:
        removal = write(KIND.REMOVE_UNIT, concern=Concern(only=("1", "2", "3")))

        assert one(removal).approval == ("it takes protection away",)
        assert one(removal, sanctioned=frozenset({removal.id})).approval == ()
        assert one(removal, sanctioned=frozenset({"another"})).approval == ("it takes protection away",)


class TestGuardrails:
    def test_all_that_could_be_done_together_is_measured(self) -> None:
        small, large = within("1"), write(KIND.DEPLOY_CONTAINMENT_ROLE, "set", concern=Concern(only=("2", "3")))

        assert one(small).approval == one(large).approval == ()
        assert {each.approval for each in plan_of([small, large]).remediations} == {
            ("guardrails.max_accounts: it changes the protection of 3 accounts, and the limit is 2",)
        }

    def test_an_account_that_two_writes_concern_is_one(self) -> None:
        both = [within("1", "2"), write(KIND.DEPLOY_CONTAINMENT_ROLE, "set", concern=Concern(only=("2",)))]

        assert [each.approval for each in plan_of(both).remediations] == [(), ()]

    def test_what_the_run_has_done_before_counts(self) -> None:
        assert one(within("1"), touched=frozenset({"8"})).approval == ()
        assert one(within("1"), touched=frozenset({"8", "9"})).approval != ()
        assert one(within("8"), touched=frozenset({"8", "9"})).approval == ()
        assert one(write(concern=Concern(below=(OTHER,))), units=1).approval == ()
        assert one(write(concern=Concern(below=(OTHER,))), units=2).approval == (
            "guardrails.max_units: it adds or removes 3 units, and the limit is 2",
        )

    def test_a_write_that_waits_for_somebody_or_is_done_is_not_measured(self) -> None:
        small = within("1")
        large = write(KIND.DEPLOY_CONTAINMENT_ROLE, "set", step=Step.CONTAINMENT, concern=Concern(only=("2", "3")))
        asks = replace(DESIRED, automatic=frozenset({ChangeKind.CREATE_TRIAGE_ROLE}))

        for change in ({"desired": asks}, {"done": frozenset({large.id})}, {"sanctioned": frozenset({large.id})}):
            first, _ = plan_of([small, large], **change).remediations
            assert first.approval == (), change

    def test_a_write_that_is_held_is_not_measured(self) -> None:
        frozen = Known(Freeze(NOW + timedelta(hours=1), "case 42"))
        addition = write(concern=Concern(only=("1",)))
        deployment = write(KIND.DEPLOY_CONTAINMENT_ROLE, "set", step=Step.CONTAINMENT, concern=Concern(only=("2", "3")))

        free, held = plan_of([addition, deployment], freeze=frozen).remediations

        assert (free.approval, free.held) == ((), None)
        assert (held.approval, held.held is None) == ((), False)

    def test_sign_up_and_settings_are_not_measured(self) -> None:
        sign_up = write(KIND.SIGN_UP, "home", step=Step.SIGN_UP, concern=EVERYONE)
        name = write(KIND.SET_NAME, "m-1", step=Step.SIGN_UP)
        none = replace(DESIRED, guardrails=Guardrails(max_accounts=0, max_share=0.0, max_units=0))

        assert [each.approval for each in plan_of([sign_up, name], desired=none).remediations] == [(), ()]

    def test_the_share_is_that_of_the_whole_organization(self) -> None:
        assert one(within("1", "2"), size=4).approval == ()
        assert one(within("1", "2"), size=3).approval == (
            "guardrails.max_share: it changes the protection of 2 of 3 accounts (66.7%), and the limit is 50.0%",
        )

    @pytest.mark.parametrize("concern", [EVERYONE, Concern(below=(UNIT,))])
    def test_accounts_that_could_not_be_listed_are_not_few(self, concern: Concern) -> None:
        planned = one(write(concern=concern), accounts=None, size=None)

        assert planned.approval == ("guardrails.max_accounts: how many accounts' protection it changes is unknown",)
        assert planned.affected == Affected(None)


class TestMakePlan:
    def test_writes_are_in_the_order_of_steps_kinds_places_and_names(self) -> None:
        ordered = [
            write(KIND.SIGN_UP, "z", step=Step.SIGN_UP, place=0),
            write(KIND.SIGN_UP, "a", step=Step.SIGN_UP, place=1),
            write(KIND.SET_NAME, step=Step.SIGN_UP),
            write(KIND.SET_TAGS, step=Step.SIGN_UP),
            write(KIND.ADD_UNIT, "ou-1"),
            write(KIND.ADD_UNIT, "ou-2"),
            write(KIND.CLEAR_ENTIRE_ORGANIZATION, "m-1"),
            write(KIND.REMOVE_UNIT, "ou-0"),
            write(KIND.ADD_RESPONDER, step=Step.CONTACT_SETUP),
            within("1"),
            write(KIND.DEPLOY_CONTAINMENT_ROLE, step=Step.CONTAINMENT),
        ]

        assert [each.remediation for each in plan_of(ordered[::-1]).remediations] == ordered

    def test_a_write_that_is_proposed_twice_is_one_whatever_its_words_and_their_order(self) -> None:
        twice = [write(), replace(write(), what="other words"), replace(write(), reason="other reason")]

        plans = {seal(plan_of(each)).sha256 for each in (twice, twice[::-1], [twice[1], twice[0], twice[2]])}

        assert len(plans) == 1
        assert len(plan_of(twice).remediations) == 1

    def test_a_plan_says_what_it_stands_on(self) -> None:
        left = (LeftStep("person", "look", "denied"),)

        plan, _ = make_plan([], left, on())

        assert plan == Plan("run-1", 1, NOW, "version-1", "enforce", "m-1", 20, (), left)

    def test_the_affected_accounts_are_counted_and_the_first_are_named(self) -> None:
        many = tuple(f"{each:012}" for each in range(30))

        plan, concerned = make_plan([within(*many[::-1]), write(KIND.SET_NAME, step=Step.SIGN_UP)], (), on())

        name, roles = plan.remediations
        assert name.affected == Affected(0)
        assert roles.affected == Affected(30, many[:20], affected_key("run-1", 1))
        assert concerned == {roles.id: many}
        assert affected_key("run-1", 1) == "runs/run-1/affected/1.json"

    def test_accounts_that_are_named_are_known_even_where_none_could_be_listed(self) -> None:
        assert one(within("1"), accounts=None, size=None).affected.number == 1
        assert one(write(KIND.SET_NAME), accounts=None, size=None).affected == Affected(0)

    def test_freeze_and_window_hold_writes(self) -> None:
        closed = Window("office-hours", Known(WindowState.CLOSED))

        assert one(write()).held is None
        assert "CLOSED" in (one(write(), window=closed).held or "")
        assert "unknown" in (one(write(KIND.SET_NAME), freeze=Unknown("denied")).held or "")
        assert one(write(), freeze=Unknown("denied")).held is None


class TestAfterAWaveThatWentWrong:
    @pytest.mark.parametrize("kind", [KIND.ADD_UNIT, KIND.REMOVE_UNIT])
    def test_no_further_unit_is_changed(self, kind: RemediationKind) -> None:
        assert one(write(kind), wave="wave 1 did not end well").held == "wave 1 did not end well"

    @pytest.mark.parametrize(
        "other", [write(concern=EVERYONE), write(before=AFTER_CLEARING), within("1"), write(KIND.DISABLE_TRIAGE)]
    )
    def test_what_changes_no_single_unit_goes_on(self, other: Remediation) -> None:
        assert one(other, wave="wave 1 did not end well").held is None

    def test_a_window_counts_first(self) -> None:
        closed = Window("office-hours", Known(WindowState.CLOSED))

        assert "office-hours" in (one(write(), wave="wave 1 did not end well", window=closed).held or "")


CLEARING = write(KIND.CLEAR_ENTIRE_ORGANIZATION, "m-1", concern=Concern(only=("5",)))
LATE = write(before=AFTER_CLEARING, concern=Concern(below=(UNIT,)))
APPROVED = frozenset({CLEARING.id, LATE.id})


class TestNarrowingAfterAdditions:
    @pytest.mark.parametrize("kind", [KIND.CLEAR_ENTIRE_ORGANIZATION, KIND.REMOVE_UNIT])
    def test_it_is_held_while_a_unit_that_comes_first_is(self, kind: RemediationKind) -> None:
        addition, narrowing = plan_of([write(), write(kind, "m-1")], wave="wave 1 did not end well").remediations

        assert addition.held == "wave 1 did not end well"
        assert (narrowing.held or "").endswith("wave 1 did not end well")

    def test_it_is_held_while_a_unit_that_was_sent_is_not_seen(self) -> None:
        _, narrowing = plan_of([write(), CLEARING], done=frozenset({write().id})).remediations

        assert narrowing.held == ("it comes after units that are not in the membership yet: this run has sent them")

    def test_it_is_not_held_by_units_that_can_be_added_or_that_come_after_it(self) -> None:
        assert [each.held for each in plan_of([write(), CLEARING]).remediations] == [None, None]
        assert [each.held for each in plan_of([LATE, CLEARING], done=frozenset({LATE.id})).remediations] == [None, None]

    def test_nothing_else_waits_for_units(self) -> None:
        name = write(KIND.SET_NAME, step=Step.SIGN_UP)

        assert [each.held for each in plan_of([write(), name], done=frozenset({write().id})).remediations] == [
            None,
            None,
        ]

    def test_its_own_reason_to_wait_stays(self) -> None:
        frozen = Known(Freeze(NOW + timedelta(hours=1), "case 42"))

        _, narrowing = plan_of([write(), CLEARING], done=frozenset({write().id}), freeze=frozen).remediations

        assert "frozen" in (narrowing.held or "")


class TestUnitsAfterTheClearing:
    def test_they_need_the_person_whom_the_clearing_needs(self) -> None:
        addition, clearing = plan_of([CLEARING, LATE]).remediations

        assert clearing.approval == ("it takes protection away",)
        assert addition.approval == ("AWS takes it only after the entire organization is cleared",)

    def test_they_are_made_in_one_round_with_it(self) -> None:
        plan = plan_of([CLEARING, LATE], sanctioned=APPROVED)

        decision = decide(plan, done=frozenset(), applies=True)

        assert [each.remediation for each in decision.grant] == [LATE, CLEARING]
        assert decision.verdict is Verdict.APPLY

    def test_they_are_held_as_long_as_it_is(self) -> None:
        frozen = Known(Freeze(NOW + timedelta(hours=1), "case 42"))

        plan = plan_of([CLEARING, LATE], freeze=frozen, sanctioned=APPROVED)

        addition, clearing = plan.remediations
        assert addition.held == clearing.held is not None
        assert decide(plan, done=frozenset(), applies=True).verdict is Verdict.HOLD

    def test_their_own_reasons_stay(self) -> None:
        asks = replace(DESIRED, mode=Mode.PROPOSE)

        addition, _ = plan_of([CLEARING, LATE], desired=asks).remediations

        assert addition.approval == ("AWS takes it only after the entire organization is cleared", "mode is propose")

    def test_without_a_clearing_they_are_like_any_other(self) -> None:
        assert one(LATE).approval == ()

    def test_units_that_aws_takes_before_it_do_not_wait(self) -> None:
        early, _ = plan_of([CLEARING, write(concern=Concern(below=(UNIT,)))]).remediations

        assert early.approval == ()


def planned(remediation: Remediation, *approval: str, held: str | None = None) -> PlannedRemediation:
    return PlannedRemediation(remediation, approval=approval, held=held)


def plan_with(*remediations: PlannedRemediation, mode: Mode = Mode.ENFORCE) -> Plan:
    return Plan("run-1", 1, NOW, "version-1", mode.value, "m-1", 20, remediations)


FREE = planned(write(KIND.SET_NAME, step=Step.SIGN_UP))
ASKED = planned(write(KIND.SET_TAGS, step=Step.SIGN_UP), "mode is propose")
HELD = planned(write(KIND.ADD_RESPONDER, step=Step.CONTACT_SETUP), held="frozen")


class TestDecide:
    def test_nothing_is_left_when_all_is_done(self) -> None:
        assert decide(plan_with(), done=frozenset(), applies=True) == Decision(Verdict.NOTHING)
        assert decide(plan_with(FREE), done=frozenset({FREE.id}), applies=True) == Decision(Verdict.NOTHING)
        assert decide(plan_with(FREE), done=frozenset(), applies=True, only=frozenset()) == Decision(Verdict.NOTHING)

    def test_what_needs_nobody_is_made_before_anybody_is_asked(self) -> None:
        plan = plan_with(FREE, ASKED, HELD)

        assert decide(plan, done=frozenset(), applies=True) == Decision(Verdict.APPLY, (FREE,))
        assert decide(plan, done=frozenset({FREE.id}), applies=True) == Decision(Verdict.ASK, (ASKED,))
        assert decide(plan, done=frozenset({FREE.id, ASKED.id}), applies=True) == Decision(Verdict.HOLD, (HELD,))

    def test_a_run_that_does_not_apply_only_tells(self) -> None:
        assert decide(plan_with(FREE, HELD), done=frozenset(), applies=False) == Decision(Verdict.TELL, (FREE, HELD))
        assert decide(plan_with(FREE, mode=Mode.OBSERVE), done=frozenset(), applies=True) == Decision(
            Verdict.TELL, (FREE,)
        )

    def test_a_run_that_is_limited_makes_nothing_else(self) -> None:
        plan = plan_with(FREE, ASKED)

        assert decide(plan, done=frozenset(), applies=True, only=frozenset({ASKED.id})).verdict is Verdict.ASK

    @pytest.mark.parametrize("kind", [KIND.CLEAR_ENTIRE_ORGANIZATION, KIND.REMOVE_UNIT])
    def test_what_narrows_the_scope_comes_when_the_additions_were_seen(self, kind: RemediationKind) -> None:
        addition, narrowing, other = planned(write()), planned(write(kind, "m-1")), planned(write(KIND.DISABLE_TRIAGE))
        plan = plan_with(addition, narrowing, other)

        assert decide(plan, done=frozenset(), applies=True).grant == (addition, other)
        assert decide(plan, done=frozenset({addition.id, other.id}), applies=True).grant == (narrowing,)

    def test_what_narrows_the_scope_waits_for_an_addition_that_people_are_asked_for(self) -> None:
        addition, narrowing = planned(write(), "guardrails"), planned(write(KIND.REMOVE_UNIT, "ou-2"))

        decision = decide(plan_with(addition, narrowing), done=frozenset(), applies=True)

        assert decision == Decision(Verdict.ASK, (addition, narrowing))

    def test_the_steps_of_a_decision_are_in_their_order(self) -> None:
        grant = (HELD, planned(within("1")), FREE, ASKED)

        assert Decision(Verdict.APPLY, grant).steps == (Step.SIGN_UP, Step.CONTACT_SETUP, Step.MEMBER_REPAIR)
        assert Decision(Verdict.NOTHING).steps == ()


class TestFindMoved:
    def test_a_write_with_another_ground_has_moved_and_the_difference_is_said(self) -> None:
        found = find_moved([planned(write())], [planned(write(before="other"))], done=frozenset())

        assert [str(each) for each in found] == [
            "add_unit ou-unit: planned from 'before' to 'after', found 'other → after'"
        ]

    def test_a_write_with_another_goal_has_moved(self) -> None:
        assert len(find_moved([planned(write())], [planned(write(after="other"))], done=frozenset())) == 1

    def test_what_is_as_it_was_or_asked_for_no_more_or_done_has_not_moved(self) -> None:
        agreed, moved = planned(write()), planned(write(before="other"))

        assert find_moved([agreed], [agreed], done=frozenset()) == ()
        assert find_moved([agreed], [planned(write(resource="ou-else"))], done=frozenset()) == ()
        assert find_moved([agreed], [planned(write(KIND.REMOVE_UNIT))], done=frozenset()) == ()
        assert find_moved([agreed], [moved], done=frozenset({agreed.id})) == ()

    def test_a_ground_that_the_run_itself_changed_in_that_step_has_not_moved(self) -> None:
        update = planned(write(KIND.UPDATE_RESPONDER, "m-1", step=Step.CONTACT_SETUP))
        agreed = planned(write(KIND.ADD_RESPONDER, "m-1", step=Step.CONTACT_SETUP))
        fresh = planned(write(KIND.ADD_RESPONDER, "m-1", step=Step.CONTACT_SETUP, before="with the update"))

        assert find_moved([update, agreed], [fresh], done=frozenset({update.id})) == ()
        assert len(find_moved([update, agreed], [fresh], done=frozenset())) == 1
        assert len(find_moved([FREE, agreed], [fresh], done=frozenset({FREE.id}))) == 1


concerns = st.one_of(
    st.just(NOBODY),
    st.just(EVERYONE),
    st.sets(st.sampled_from([each.id for each in ACCOUNTS]), min_size=1).map(lambda ids: Concern(only=tuple(ids))),
    st.sets(st.sampled_from([UNIT, INNER, OTHER]), min_size=1).map(lambda ids: Concern(below=tuple(sorted(ids)))),
)
remediations = st.builds(
    Remediation,
    st.sampled_from(Step),
    st.sampled_from(KIND),
    st.sampled_from([UNIT, OTHER, "m-1"]),
    st.sampled_from(["before", AFTER_CLEARING]),
    st.sampled_from(["after", "otherwise"]),
    st.sampled_from(["what", "which"]),
    st.just("asked"),
    concern=concerns,
    place=st.integers(0, 2),
)
grounds = st.builds(
    on,
    desired=st.builds(
        replace,
        st.just(DESIRED),
        mode=st.sampled_from(Mode),
        automatic=st.sets(st.sampled_from(ChangeKind)).map(frozenset),
        guardrails=st.sampled_from([Guardrails(), Guardrails(0, 0.0, 0), DESIRED.guardrails]),
    ),
    accounts=st.none() | st.just(ACCOUNTS),
    freeze=st.sampled_from([Known(None), Known(Freeze(NOW + timedelta(hours=1), "case 42")), Unknown("denied")]),
    window=st.none() | st.sampled_from([Window("hours", Known("OPEN")), Window("hours", Known("CLOSED"))]),
    touched=st.sets(st.sampled_from("123")).map(frozenset),
    units=st.integers(0, 3),
)


@given(st.lists(remediations, max_size=8), grounds, st.randoms(use_true_random=False))
def test_no_order_of_proposals_and_accounts_changes_a_byte(
    proposed: list[Remediation], ground: Ground, chance: Any
) -> None:
    sealed = seal(make_plan(proposed, (), ground)[0])
    chance.shuffle(proposed)
    accounts = None if ground.accounts is None else tuple(chance.sample(ground.accounts, len(ground.accounts)))

    assert seal(make_plan(proposed, (), replace(ground, accounts=accounts))[0]).text == sealed.text


@given(st.lists(remediations, max_size=8), grounds)
def test_nothing_is_granted_that_takes_protection_away_or_waits_unless_people_approved_it(
    proposed: list[Remediation], ground: Ground
) -> None:
    plan, concerned = make_plan(proposed, (), ground)

    decision = decide(plan, done=frozenset(), applies=True)

    assert [each.id for each in plan.remediations] == list(dict.fromkeys(each.id for each in plan.remediations))
    assert {each.id for each in plan.remediations} == {each.id for each in proposed}
    if decision.verdict is Verdict.APPLY:
        assert decision.grant
        assert ground.desired.mode is Mode.ENFORCE
        assert not any(each.remediation.kind.reduces_protection for each in decision.grant)
        assert not any(each.approval or each.held for each in decision.grant)
        assert {each.remediation.kind.value for each in decision.grant} <= set(ground.desired.automatic)
        measured = [each for each in decision.grant if each.remediation.kind is not KIND.SIGN_UP]
        touched = {account for each in measured for account in concerned.get(each.id, ())}
        if touched:
            assert len(touched | ground.touched) <= ground.desired.guardrails.max_accounts
    if decision.verdict is Verdict.ASK:
        assert any(each.approval for each in decision.grant)
        assert not any(each.held for each in decision.grant)


@given(st.lists(remediations, max_size=8), grounds)
def test_all_that_is_approved_and_not_held_is_granted_in_the_end(proposed: list[Remediation], ground: Ground) -> None:
    done: frozenset[str] = frozenset()
    sanctioned = frozenset(each.id for each in proposed)
    for _ in range(3):
        plan, _ = make_plan(proposed, (), replace(ground, sanctioned=sanctioned, done=done))
        decision = decide(replace(plan, mode="enforce"), done=done, applies=True)
        if decision.verdict is not Verdict.APPLY:
            break
        done |= {each.id for each in decision.grant}

    assert decision.verdict in (Verdict.NOTHING, Verdict.HOLD)
    assert all(each.held or each.id in done for each in plan.remediations)
