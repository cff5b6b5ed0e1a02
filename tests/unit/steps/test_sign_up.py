"""SignUp brings any organization to one Active membership at home, or stops and says what to do."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ChangeKind, DesiredState, Mode
from muster.domain.membership import SERVICE_PRINCIPAL, SUPPORTED_REGIONS
from muster.domain.observed import Known
from muster.domain.outcomes import HandoffTo, SignUpOutcome
from muster.domain.remediation import EVERYONE, NOBODY, Remediation, RemediationKind, Step
from muster.domain.scope import UnitPath, UnitReferences
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DelegatedAdministratorConflictError,
    DeniedError,
    DesiredStateError,
    MembershipConflictError,
    MembershipUnknownError,
    NotConfirmedError,
    NotYetConsistentError,
    OrganizationNotReadyError,
    RefusedError,
    RegionNotEnabledError,
    StoppedError,
    TransientError,
    UnavailableError,
    WorldMovedError,
)
from muster.steps.gate import Looking
from tests.fakes.gates import Automatic, Counted, grant
from tests.fakes.ports import FakeManagement, FakeOrganizations
from tests.fakes.steps import desired_state, kinds, sign_up, sign_up_step
from tests.fakes.world import HOME_REGION, MANAGEMENT, SECURITY, TEAM, World, example_world

REGISTER = "organizations:RegisterDelegatedAdministrator"
ENABLE = "organizations:EnableAWSServiceAccess"
CREATE_ROLE = "iam:CreateServiceLinkedRole"
CREATE = "security-ir:CreateMembership"
LIST, UPDATE, TAG = "security-ir:ListMemberships", "security-ir:UpdateMembership", "security-ir:TagResource"
HOME = f"{SECURITY}/{HOME_REGION}"


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


def unavailable(_operation: str, _account_id: str) -> UnavailableError:
    return UnavailableError("connection lost")


def not_yet(operation: str, account_id: str) -> NotYetConsistentError:
    return NotYetConsistentError(operation, account_id, "not seen yet")


def absent(operation: str, account_id: str) -> AbsentError:
    return AbsentError(operation, account_id, "nothing there")


def refused(operation: str, account_id: str) -> RefusedError:
    return RefusedError(operation, account_id, "membershipName")


@pytest.fixture
def world() -> World:
    return example_world()


def signed_up(world: World) -> World:
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.triage_roles.add(MANAGEMENT)
    return world


def adopted(world: World) -> World:
    signed_up(world).add_membership(tags={"team": "security"}, entire_organization=True)
    return world


def commands_of(outcome: SignUpOutcome) -> list[str]:
    return [handoff.command for handoff in outcome.handoffs]


def look(world: World, desired: DesiredState | None = None) -> list[Remediation]:
    gate = Looking()
    sign_up(world, desired, gate=gate)
    return gate.proposed


def apply(
    world: World, granted: Iterable[Remediation], desired: DesiredState | None = None
) -> tuple[SignUpOutcome, Counted]:
    gate = grant(Step.SIGN_UP, granted)
    return sign_up(world, desired, gate=gate), gate


def half_set_up(world: World) -> World:
    signed_up(world).triage_roles.discard(MANAGEMENT)
    return world


def differing(world: World, *, triage_enabled: bool = True) -> World:
    signed_up(world).add_membership(name="other", tags={"team": "none"}, triage_enabled=triage_enabled)
    return world


QUIET = desired_state(proactive_response=False)
SET_NAME, SET_TAGS = RemediationKind.SET_NAME, RemediationKind.SET_TAGS
ENABLE_TRIAGE, DISABLE_TRIAGE = RemediationKind.ENABLE_TRIAGE, RemediationKind.DISABLE_TRIAGE


class TestLook:
    """What a look proposes is what is written when all of it is granted, and then there is nothing to propose."""

    @pytest.mark.parametrize(
        ("arrange", "desired", "proposed", "writes"),
        [
            pytest.param(
                lambda world: world,
                desired_state(),
                [SERVICE_PRINCIPAL, "management account", SECURITY, HOME],
                [ENABLE, CREATE_ROLE, REGISTER, CREATE],
                id="from nothing",
            ),
            pytest.param(
                lambda world: world,
                desired_state(account_id=MANAGEMENT),
                [SERVICE_PRINCIPAL, "management account", f"{MANAGEMENT}/{HOME_REGION}"],
                [ENABLE, CREATE_ROLE, CREATE],
                id="in the management account",
            ),
            pytest.param(signed_up, desired_state(), [HOME], [CREATE], id="only the membership lacks"),
            pytest.param(half_set_up, desired_state(), ["management account", HOME], [CREATE_ROLE, CREATE], id="half"),
            pytest.param(adopted, desired_state(), [], [], id="all is as it is asked for"),
            pytest.param(
                lambda world: differing(world, triage_enabled=False),
                desired_state(),
                ["m-0123456789ab"] * 3,
                [UPDATE, TAG],
                id="name, triage and tags differ",
            ),
            pytest.param(
                differing, QUIET, ["m-0123456789ab"] * 3, [UPDATE, UPDATE, TAG], id="triage is to be switched off"
            ),
        ],
    )
    def test_what_is_proposed_is_written_and_not_proposed_again(
        self,
        world: World,
        arrange: Callable[[World], World],
        desired: DesiredState,
        proposed: list[str],
        writes: list[str],
    ) -> None:
        arrange(world)

        found = look(world, desired)
        assert ([each.resource for each in found], world.writes) == (proposed, [])

        outcome, gate = apply(world, found, desired)
        assert [call.operation for call in world.writes] == writes
        assert (set(gate.made), gate.left) == ({each.id for each in found}, {})
        assert [(change.kind, change.detail) for change in outcome.changes] == [
            (each.kind, each.what) for each in found
        ]
        assert (outcome.handoffs, outcome.waiting_for) == ((), None)
        assert look(world, desired) == []

    def test_registration_is_proposed_together_with_the_creation_and_in_the_order_of_their_writes(
        self, world: World
    ) -> None:
        found = look(world)

        assert [each.place for each in found] == [0, 1, 2, 3]
        assert {(each.step, each.kind) for each in found} == {(Step.SIGN_UP, RemediationKind.SIGN_UP)}
        assert [each.concern for each in found] == [NOBODY, NOBODY, NOBODY, EVERYONE]
        assert sign_up(world, gate=Looking()) == SignUpOutcome(None, (), (), (), None)

    def test_membership_of_single_units_covers_nobody_yet(self, world: World) -> None:
        wanted = desired_state(scope=UnitReferences((UnitPath(("Sandbox",)),)))

        assert (look(world, wanted)[-1].concern, "covers no unit yet" in look(world, wanted)[-1].after) == (
            NOBODY, True
        )  # fmt: skip

    def test_nothing_is_created_without_its_grant(self, world: World) -> None:
        outcome, gate = apply(world, look(world)[:3])

        assert [call.operation for call in world.writes] == [ENABLE, CREATE_ROLE, REGISTER]
        assert (outcome.membership_id, outcome.handoffs, outcome.waiting_for) == (None, (), None)
        assert [each.resource for each in gate.left.values()] == [HOME]
        assert world.memberships == []

    @pytest.mark.parametrize("granted", [{3}, {0, 3}, {2, 3}, {0, 1, 3}])
    def test_membership_is_not_created_while_what_it_needs_is_not_granted(
        self, world: World, granted: set[int]
    ) -> None:
        outcome, _ = apply(world, [each for place, each in enumerate(look(world)) if place in granted])

        assert (outcome.membership_id, outcome.waiting_for) == (None, None)
        assert (world.memberships, world.delegated) == ([], set())

    def test_triage_role_that_is_not_granted_does_not_keep_from_creating(self, world: World) -> None:
        found = look(world)
        outcome, _ = apply(world, [each for each in found if each.resource != "management account"])
        assert (outcome.membership_id is not None, MANAGEMENT in world.triage_roles) == (True, False)

    @pytest.mark.parametrize("missing", [SERVICE_PRINCIPAL, SECURITY])
    def test_creation_is_not_proposed_while_it_is_unknown_whether_it_may_be_made(
        self, world: World, missing: str
    ) -> None:
        signed_up(world)
        operations = {
            SERVICE_PRINCIPAL: "organizations:ListAWSServiceAccessForOrganization",
            SECURITY: "organizations:ListDelegatedAdministrators",
        }
        world.fail(operations[missing], denied)
        gate = Looking()

        outcome = sign_up(world, gate=gate)

        assert (gate.proposed, outcome.membership_id, len(outcome.handoffs)) == ([], None, 1)
        assert apply(world, [])[0].handoffs == outcome.handoffs

    def test_triage_role_that_may_not_be_read_keeps_nothing_from_being_proposed(self, world: World) -> None:
        world.fail("iam:GetRole", denied)
        assert [each.resource for each in look(signed_up(world))] == [HOME]

    def test_observer_is_shown_what_is_missing_and_its_contacts_are_not_read(self, world: World) -> None:
        wanted = desired_state(mode=Mode.OBSERVE)
        for arrange in (lambda world: world, signed_up):
            assert look(arrange(world), wanted)[-1].resource == HOME
        assert world.count("ssm:GetParameter") == 0

    def test_conflict_stops_a_look_too(self, world: World) -> None:
        signed_up(world).add_membership(region="us-east-1")
        with pytest.raises(MembershipConflictError):
            look(world)

    def test_unknown_memberships_stop_a_look_too_and_are_looked_at_again_before_the_creation(
        self, world: World
    ) -> None:
        world.fail(LIST, denied, detail="us-east-1")
        found = look(world)
        assert found[-1].resource == HOME

        outcome, _ = apply(world, found)

        assert outcome.waiting_for == "account 222222222222 to be let into every Region (attempt 1)"
        assert CREATE not in [call.operation for call in world.writes]
        with pytest.raises(MembershipUnknownError):
            look(world)

    def test_memberships_that_nobody_could_see_are_accepted_for_one_run_and_said(self, world: World) -> None:
        world.fail(LIST, denied, detail="us-east-1")
        gate = Looking()

        outcome = sign_up(signed_up(world), gate=gate, accept_unknown=("memberships",))

        assert [each.resource for each in gate.proposed] == [HOME]
        assert [notice.subject for notice in outcome.notices] == [
            "memberships elsewhere are unknown, and that was accepted"
        ]

    def test_other_desired_state_than_was_planned_for_stops_before_the_write(self, world: World) -> None:
        found = look(signed_up(world))
        changed = replace(desired_state(), membership=replace(desired_state().membership, name="another-name"))

        with pytest.raises(WorldMovedError, match="another-name"):
            apply(world, found, changed)
        assert world.writes == []

    def test_name_that_somebody_changed_meanwhile_stops_before_the_write(self, world: World) -> None:
        found = look(differing(world))
        world.memberships[0].membership = replace(world.memberships[0].membership, name="third")

        with pytest.raises(WorldMovedError, match="found 'named third'"):
            apply(world, found)
        assert world.writes == []

    def test_tag_that_somebody_changed_meanwhile_is_not_overwritten(self, world: World) -> None:
        found = look(differing(world))
        world.memberships[0].tags["team"] = "somebody else's"

        with pytest.raises(WorldMovedError, match="set the tags team"):
            apply(world, found)
        assert world.memberships[0].tags["team"] == "somebody else's"

    def test_tags_of_others_are_no_part_of_the_ground_and_no_value_is_in_a_plan(self, world: World) -> None:
        (found,) = [each for each in look(differing(world)) if each.kind is SET_TAGS]
        world.memberships[0].tags["cost"] = "42"

        outcome, _ = apply(world, [found])

        assert kinds(outcome.changes) == [ChangeKind.SET_TAGS]
        assert "security" not in found.before + found.after + found.what

    def test_membership_that_somebody_made_meanwhile_is_adopted_instead(self, world: World) -> None:
        found = look(signed_up(world))
        adopted(world)

        outcome, gate = apply(world, found)

        assert (outcome.membership_id, gate.made, world.writes) == ("m-0123456789ab", {}, [])

    @pytest.mark.parametrize("kind", [SET_NAME, DISABLE_TRIAGE, SET_TAGS])
    def test_each_change_of_an_adopted_membership_is_made_alone_when_it_alone_is_granted(
        self, world: World, kind: RemediationKind
    ) -> None:
        found = look(differing(world), QUIET)
        before = world.memberships[0].membership

        outcome, gate = apply(world, [each for each in found if each.kind is kind], QUIET)

        after = world.memberships[0]
        assert kinds(outcome.changes) == [kind]
        assert {each.kind for each in gate.left.values()} == {SET_NAME, DISABLE_TRIAGE, SET_TAGS} - {kind}
        assert (after.membership.name != before.name) == (kind is SET_NAME)
        assert after.membership.triage_enabled == (kind is not DISABLE_TRIAGE)
        assert (after.tags["team"] == "security") == (kind is SET_TAGS)
        assert len(world.writes) == 1


class TestFromNothing:
    def test_writes_come_in_the_order_that_every_service_accepts(self, world: World) -> None:
        outcome = sign_up(world)

        assert [call.operation for call in world.writes] == [ENABLE, CREATE_ROLE, REGISTER, CREATE]
        assert outcome.membership_id == world.memberships[0].membership.id
        assert kinds(outcome.changes) == [ChangeKind.SIGN_UP] * 4
        assert (outcome.handoffs, outcome.notices, outcome.waiting_for) == ((), (), None)

    def test_membership_has_what_was_asked_for(self, world: World) -> None:
        sign_up(world)

        made = world.memberships[0]
        assert (made.membership.name, made.membership.triage_enabled, made.membership.covers_entire_organization) == (
            "example-org-incident-response", True, True,
        )  # fmt: skip
        assert (made.tags, made.team) == ({"team": "security"}, Known(TEAM))

    def test_second_run_writes_nothing(self, world: World) -> None:
        first = sign_up(world)
        world.calls.clear()

        assert sign_up(world) == replace(first, changes=())
        assert world.writes == []

    def test_management_account_as_designated_account_registers_nobody(self, world: World) -> None:
        outcome = sign_up(world, desired_state(account_id=MANAGEMENT))

        assert [call.operation for call in world.writes] == [ENABLE, CREATE_ROLE, CREATE]
        assert outcome.membership_id is not None

    def test_memberships_that_ended_are_ignored_and_change_the_token(self, world: World) -> None:
        sign_up(world)
        token = world.memberships[0].client_token
        world.memberships[0].membership = replace(world.memberships[0].membership, status="Terminated")

        outcome = sign_up(world)

        assert outcome.membership_id == world.memberships[1].membership.id
        assert world.memberships[1].client_token != token

    @pytest.mark.parametrize("operation", [ENABLE, CREATE_ROLE, REGISTER, CREATE])
    @pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
    def test_write_lost_in_transit_is_safe_to_repeat(self, world: World, operation: str, *, after: bool) -> None:
        world.fail(operation, unavailable, times=1, after=after)

        with pytest.raises(TransientError):
            sign_up(world)
        outcome = sign_up(world)

        assert outcome.membership_id == world.memberships[0].membership.id
        assert len(world.memberships) == 1

    def test_somebody_being_first_is_as_good(self, world: World) -> None:
        for operation in (CREATE_ROLE, REGISTER):
            world.fail(operation, lambda op, account: AlreadyThereError(op, account, "there"), times=1)
        world.trusted.add(SERVICE_PRINCIPAL)
        world.delegated.add(SECURITY)

        assert sign_up(world).membership_id is not None

    def test_another_account_registered_meanwhile_stops(self, world: World) -> None:
        step = sign_up_step(world)

        class Race(FakeManagement):
            def register_delegated_administrator(self, account_id: str) -> None:
                self.world.delegated.add("999999999999")
                FakeManagement.register_delegated_administrator(self, account_id)

        with pytest.raises(DelegatedAdministratorConflictError, match="999999999999"):
            replace(step, management=Race(world)).apply(
                desired_state(), Automatic(desired_state()), attempt=1, last_attempt=False
            )
        assert world.memberships == []

    def test_registration_seen_by_organizations_but_not_readable_goes_on(self, world: World) -> None:
        step = sign_up_step(world)

        class Closing(FakeManagement):
            def register_delegated_administrator(self, account_id: str) -> None:
                self.world.delegated.add(account_id)
                self.world.fail("organizations:ListDelegatedAdministrators", denied)
                raise AlreadyThereError(REGISTER, MANAGEMENT, "registered")

        outcome = replace(step, management=Closing(world)).apply(
            desired_state(), Automatic(desired_state()), attempt=1, last_attempt=False
        )
        assert outcome.membership_id is not None


class TestConfirmation:
    @pytest.mark.parametrize(
        ("confirmed_as", "message"),
        [
            (None, 'is not set; .* write membership.confirmed_as: "222222222222/eu-west-1"'),
            ("222222222222/eu-west-2", 'says "222222222222/eu-west-2"'),
        ],
    )
    def test_unconfirmed_home_stops_and_says_what_to_write(
        self, world: World, confirmed_as: str | None, message: str
    ) -> None:
        with pytest.raises(NotConfirmedError, match=message):
            sign_up(world, desired_state(confirmed_as=confirmed_as))
        assert world.calls == []

    def test_application_that_stands_elsewhere_stops(self, world: World) -> None:
        with pytest.raises(
            NotConfirmedError, match=r"stands in 222222222222/eu-west-1, but .* in 222222222222/eu-west-2"
        ):
            sign_up_step(world).apply(desired_state(region="eu-west-2"), Looking(), attempt=1, last_attempt=False)

    def test_region_without_the_service_stops(self, world: World) -> None:
        with pytest.raises(NotConfirmedError, match="us-west-1 is no Region of Security Incident Response"):
            sign_up(world, desired_state(region="us-west-1"))


class TestOrganization:
    def test_consolidated_billing_stops_with_the_remedy(self, world: World) -> None:
        world.has_all_features = False
        with pytest.raises(OrganizationNotReadyError, match="aws organizations enable-all-features"):
            sign_up(world)
        assert world.writes == []

    def test_unreadable_organization_stops(self, world: World) -> None:
        world.fail("organizations:DescribeOrganization", denied)
        with pytest.raises(OrganizationNotReadyError, match="Allow organizations:DescribeOrganization"):
            sign_up(world)

    def test_home_region_that_is_not_enabled_stops(self, world: World) -> None:
        world.disabled_regions.add((SECURITY, HOME_REGION))
        with pytest.raises(OrganizationNotReadyError, match="enable-region --region-name eu-west-1"):
            sign_up(world)

    @pytest.mark.parametrize("registered", [{"999999999999"}, {"999999999999", SECURITY}])
    def test_other_delegated_administrator_stops_and_is_never_swapped(self, world: World, registered: set[str]) -> None:
        world.delegated |= registered
        with pytest.raises(DelegatedAdministratorConflictError, match=r"999999999999 .* ends its membership at once"):
            sign_up(world)
        assert world.writes == []

    def test_any_delegated_administrator_conflicts_with_a_membership_in_the_management_account(
        self, world: World
    ) -> None:
        world.delegated.add(SECURITY)
        with pytest.raises(DelegatedAdministratorConflictError, match=SECURITY):
            sign_up(world, desired_state(account_id=MANAGEMENT))


class TestSearch:
    def test_every_region_is_searched_from_both_accounts(self, world: World) -> None:
        sign_up(adopted(world))
        searched = {(call.account_id, call.detail) for call in world.calls if call.operation == LIST}
        assert searched == {(account, region) for account in (MANAGEMENT, SECURITY) for region in SUPPORTED_REGIONS}

    def test_membership_in_another_region_stops_before_the_first_write(self, world: World) -> None:
        world.add_membership(region="us-east-1")
        with pytest.raises(MembershipConflictError, match=r"m-0123456789ab .* Region us-east-1, not in .*/eu-west-1"):
            sign_up(world)
        assert world.writes == []

    def test_membership_in_another_account_stops(self, world: World) -> None:
        world.add_membership(account_id=MANAGEMENT)
        with pytest.raises(MembershipConflictError, match=r'set membership.account: "111111111111"'):
            sign_up(world)

    def test_two_active_memberships_stop_with_both_names(self, world: World) -> None:
        adopted(world).add_membership("m-another00000")
        with pytest.raises(MembershipConflictError, match=r"m-0123456789ab .*; m-another00000 "):
            sign_up(world)

    def test_region_that_is_not_enabled_holds_nothing(self, world: World) -> None:
        world.disabled_regions |= {(account, "af-south-1") for account in (MANAGEMENT, SECURITY)}
        assert sign_up(world).membership_id is not None

    def test_one_account_that_answers_makes_a_region_known(self, world: World) -> None:
        for region in set(SUPPORTED_REGIONS) - {HOME_REGION}:
            world.fail(LIST, denied, account=SECURITY, detail=region)
        assert sign_up(world).membership_id is not None

    def test_region_that_answers_oddly_is_unknown(self, world: World) -> None:
        world.fail(LIST, refused, detail="us-east-1")
        with pytest.raises(MembershipUnknownError, match="us-east-1"):
            sign_up(signed_up(world))

    def test_region_that_nobody_could_read_stops_creation(self, world: World) -> None:
        world.fail(LIST, denied, detail="us-east-1")
        with pytest.raises(MembershipUnknownError, match=r"could not be read in us-east-1 .* unknown is not absent"):
            sign_up(signed_up(world))
        assert world.writes == []

    def test_region_that_nobody_could_read_does_not_keep_from_adopting(self, world: World) -> None:
        world.fail(LIST, denied, detail="us-east-1")
        assert sign_up(adopted(world)).membership_id == "m-0123456789ab"

    def test_passing_failure_elsewhere_does_not_keep_from_adopting(self, world: World) -> None:
        world.fail(LIST, unavailable, detail="us-east-1")
        assert sign_up(adopted(world)).membership_id == "m-0123456789ab"

    def test_passing_failure_elsewhere_is_tried_again_before_creating(self, world: World) -> None:
        world.fail(LIST, unavailable, detail="us-east-1")
        with pytest.raises(UnavailableError):
            sign_up(signed_up(world))
        assert world.writes == []

    def test_passing_failure_of_one_account_is_not_answered_by_the_other(self, world: World) -> None:
        world.fail(LIST, unavailable, account=SECURITY, detail="us-east-1")
        with pytest.raises(UnavailableError):
            sign_up(signed_up(world))
        assert world.writes == []

    def test_view_that_opens_with_registration_is_read_again(self, world: World) -> None:
        for region in SUPPORTED_REGIONS:
            world.fail(LIST, denied, account=MANAGEMENT, detail=region)
        world.add_membership(region="us-east-1")
        with pytest.raises(MembershipConflictError, match="us-east-1"):
            sign_up(world)
        assert CREATE not in [call.operation for call in world.writes]

    def test_membership_that_shows_with_registration_is_adopted(self, world: World) -> None:
        for region in SUPPORTED_REGIONS:
            world.fail(LIST, denied, account=MANAGEMENT, detail=region)
        world.add_membership()
        assert sign_up(world).membership_id == "m-0123456789ab"

    def test_regions_closed_right_after_registration_are_waited_for_then_stop(self, world: World) -> None:
        world.fail(LIST, denied, detail="us-east-1")
        outcome = sign_up(world, attempt=2)
        assert outcome.waiting_for == "account 222222222222 to be let into every Region (attempt 2)"
        with pytest.raises(MembershipUnknownError):
            sign_up(world, last_attempt=True)

    def test_own_region_that_stays_closed_is_waited_for_then_stops(self, world: World) -> None:
        world.fail(LIST, denied, account=SECURITY, detail=HOME_REGION)
        assert sign_up(world).waiting_for == "account 222222222222 to be let into eu-west-1 (attempt 1)"
        with pytest.raises(MembershipUnknownError, match="its own Region"):
            sign_up(world, last_attempt=True)


class TestKnownMembership:
    """The membership that the run has found before is looked for at home alone, as long as it is there."""

    def known(self, world: World, membership_id: str) -> tuple[SignUpOutcome, list[Remediation]]:
        gate = Looking()
        outcome = sign_up_step(world).apply(desired_state(), gate, attempt=1, last_attempt=False, known=membership_id)
        return outcome, gate.proposed

    def test_no_other_region_is_looked_into_while_it_is_there(self, world: World) -> None:
        signed_up(world).add_membership(name="other")

        outcome, proposed = self.known(world, "m-0123456789ab")

        searched = [(call.account_id, call.detail) for call in world.calls if call.operation == LIST]
        assert searched == [(SECURITY, HOME_REGION)]
        assert outcome.membership_id == "m-0123456789ab"
        assert proposed == look(world)

    def test_every_region_is_looked_into_when_it_has_ended(self, world: World) -> None:
        adopted(world)
        world.memberships[0].membership = replace(world.memberships[0].membership, status="Cancelled")

        outcome, proposed = self.known(world, "m-0123456789ab")

        assert (outcome.membership_id, [each.resource for each in proposed]) == (None, [HOME])
        assert world.count(LIST) > 2 * len(SUPPORTED_REGIONS)

    def test_membership_that_took_its_place_is_adopted_after_a_look_everywhere(self, world: World) -> None:
        outcome, _ = self.known(adopted(world), "m-before000000")

        assert outcome.membership_id == "m-0123456789ab"
        assert world.count(LIST) > 2 * len(SUPPORTED_REGIONS)

    def test_home_that_may_not_be_read_is_waited_for_and_no_second_membership_is_proposed(self, world: World) -> None:
        world.fail(LIST, denied, account=SECURITY, detail=HOME_REGION)

        outcome, proposed = self.known(adopted(world), "m-0123456789ab")

        assert (outcome.membership_id, proposed, outcome.waiting_for) == (
            None, [], "account 222222222222 to be let into eu-west-1 (attempt 1)"
        )  # fmt: skip
        assert (MANAGEMENT, HOME_REGION) in {
            (call.account_id, call.detail) for call in world.calls if call.operation == LIST
        }


class TestManagementAccess:
    def test_read_access_hands_off_every_write_with_its_command(self, world: World) -> None:
        for operation in (ENABLE, CREATE_ROLE, REGISTER):
            world.fail(operation, denied)

        outcome = sign_up(world)

        assert outcome.membership_id is None
        assert {handoff.to for handoff in outcome.handoffs} == {HandoffTo.MANAGEMENT_TEAM}
        assert commands_of(outcome) == [
            "aws organizations enable-aws-service-access --service-principal security-ir.amazonaws.com",
            "aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com",
            (
                "aws organizations register-delegated-administrator --account-id 222222222222"
                " --service-principal security-ir.amazonaws.com"
            ),
        ]
        assert [call.operation for call in world.writes] == [ENABLE, CREATE_ROLE]
        assert outcome.waiting_for is None

    def test_prerequisite_that_the_service_refuses_is_handed_off(self, world: World) -> None:
        world.fail(REGISTER, refused)
        outcome = sign_up(world)
        assert (outcome.membership_id, len(outcome.handoffs)) == (None, 1)

    def test_run_after_the_handoff_goes_on(self, world: World) -> None:
        for operation in (ENABLE, CREATE_ROLE, REGISTER):
            world.fail(operation, denied)
        sign_up(world)
        assert sign_up(signed_up(world)).membership_id is not None

    def test_denied_triage_role_does_not_keep_from_creating(self, world: World) -> None:
        world.fail(CREATE_ROLE, denied)
        outcome = sign_up(world)
        assert outcome.membership_id is not None
        assert len(outcome.handoffs) == 1

    def test_unreadable_management_account_is_handed_off_with_reading_and_writing_command(self, world: World) -> None:
        for operation in (
            "organizations:ListAWSServiceAccessForOrganization",
            "organizations:ListDelegatedAdministrators",
            "iam:GetRole",
        ):
            world.fail(operation, denied)

        outcome = sign_up(signed_up(world))

        assert outcome.membership_id is None
        assert world.writes == []
        assert commands_of(outcome) == [
            (
                "aws organizations list-aws-service-access-for-organization --output json"
                " | grep -F '\"security-ir.amazonaws.com\"' || "
                "aws organizations enable-aws-service-access --service-principal security-ir.amazonaws.com"
            ),
            (
                "aws iam get-role --role-name AWSServiceRoleForSecurityIncidentResponse_Triage --output json"
                " | grep -F '\"AWSServiceRoleForSecurityIncidentResponse_Triage\"' || "
                "aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com"
            ),
            (
                "aws organizations list-delegated-administrators --service-principal security-ir.amazonaws.com"
                " --output json | grep -F '\"222222222222\"' || "
                "aws organizations register-delegated-administrator --account-id 222222222222"
                " --service-principal security-ir.amazonaws.com"
            ),
        ]

    def test_unreadable_management_account_does_not_keep_from_adopting(self, world: World) -> None:
        world.fail("iam:GetRole", denied)
        outcome = sign_up(adopted(world))
        assert outcome.membership_id == "m-0123456789ab"
        assert len(outcome.handoffs) == 1

    def test_registration_waits_for_trusted_access_then_is_handed_off(self, world: World) -> None:
        world.fail(REGISTER, not_yet)
        first = sign_up(world)
        assert first.waiting_for is not None
        assert "trusted access" in first.waiting_for
        assert first.membership_id is None
        last = sign_up(world, last_attempt=True)
        assert last.waiting_for is None
        assert len(last.handoffs) == 1

    def test_adopted_membership_is_reported_while_registration_is_waited_for(self, world: World) -> None:
        world.add_membership(tags={"team": "security"})
        world.fail(REGISTER, not_yet)
        outcome = sign_up(world)
        assert outcome.membership_id == "m-0123456789ab"
        assert outcome.waiting_for is not None


class TestCreation:
    @pytest.mark.parametrize("error", [denied, not_yet, absent])
    def test_denial_is_waited_for_then_left_to_a_person_with_the_exact_command(
        self, world: World, error: type[Exception]
    ) -> None:
        world.fail(CREATE, error)
        assert sign_up(world).waiting_for is not None

        outcome = sign_up(world, last_attempt=True)

        assert (outcome.membership_id, outcome.waiting_for) == (None, None)
        token = next(call.detail for call in world.calls if call.operation == CREATE)
        assert commands_of(outcome) == [
            (
                "aws security-ir create-membership --region eu-west-1 --membership-name example-org-incident-response"
                " --incident-response-team file://team.json --cover-entire-organization"
                " --opt-in-features featureName=Triage,isEnabled=true"
                f""" --tags '{{"team": "security"}}' --client-token {token}"""
            )
        ]
        assert re.fullmatch(r"[0-9a-f]{64}", token)
        assert "@" not in str(outcome)

    def test_result_of_the_person_is_adopted(self, world: World) -> None:
        world.fail(CREATE, denied)
        sign_up(world, last_attempt=True)
        world.add_membership(tags={"team": "security"})
        outcome = sign_up(world)
        assert (outcome.membership_id, outcome.changes) == ("m-0123456789ab", ())

    def test_refused_request_stops(self, world: World) -> None:
        world.fail(CREATE, refused)
        with pytest.raises(DesiredStateError, match="membershipName"):
            sign_up(world)

    def test_conflict_is_looked_up_and_adopted(self, world: World) -> None:
        signed_up(world)
        step = sign_up_step(world)

        def other_was_first(operation: str, account_id: str) -> AlreadyThereError:
            world.add_membership(tags={"team": "security"})
            return AlreadyThereError(operation, account_id, "configured")

        world.fail(CREATE, other_was_first, times=1)
        assert (
            step.apply(desired_state(), Automatic(desired_state()), attempt=1, last_attempt=False).membership_id
            == "m-0123456789ab"
        )

    def test_conflict_without_a_membership_is_waited_for_then_stops(self, world: World) -> None:
        world.fail(CREATE, lambda operation, account: AlreadyThereError(operation, account, "configured"))
        assert sign_up(world).waiting_for is not None
        with pytest.raises(MembershipConflictError, match="no Active one is listed"):
            sign_up(world, last_attempt=True)


class TestAdoption:
    def test_differences_are_written_once(self, world: World) -> None:
        signed_up(world).add_membership(name="other", triage_enabled=False, tags={"team": "none", "cost": "42"})

        outcome = sign_up(world)

        assert kinds(outcome.changes) == [ChangeKind.SET_NAME, ChangeKind.ENABLE_TRIAGE, ChangeKind.SET_TAGS]
        made = world.memberships[0]
        assert (made.membership.name, made.membership.triage_enabled) == ("example-org-incident-response", True)
        assert made.tags == {"team": "security", "cost": "42"}
        assert world.count("security-ir:UpdateMembership") == 1
        assert sign_up(world).changes == ()

    def test_one_of_two_settings_is_written_when_only_that_kind_is_automatic(self, world: World) -> None:
        signed_up(world).add_membership(name="other", triage_enabled=False, tags={"team": "security"})

        outcome = sign_up(world, desired_state(automatic=frozenset({ChangeKind.ENABLE_TRIAGE})))

        assert kinds(outcome.changes) == [ChangeKind.ENABLE_TRIAGE]
        found = world.memberships[0].membership
        assert (found.name, found.triage_enabled) == ("other", True)
        assert outcome.handoffs == ()

    def test_what_is_not_automatic_is_left_to_the_plan_without_a_handoff(self, world: World) -> None:
        signed_up(world).add_membership(name="other", tags={"team": "security"})
        world.trusted.clear()

        outcome = sign_up(world, desired_state(mode=Mode.PROPOSE))

        assert (world.writes, outcome.handoffs) == ([], ())
        assert outcome.membership_id == "m-0123456789ab"

    def test_sign_up_that_is_not_automatic_writes_nothing_at_all(self, world: World) -> None:
        gate = Automatic(desired_state(automatic=frozenset({ChangeKind.ADD_UNIT})))

        outcome = sign_up(world, gate.desired, gate=gate)

        assert (world.writes, outcome.handoffs, outcome.membership_id) == ([], (), None)
        assert [each.resource for each in gate.asked] == [SERVICE_PRINCIPAL, "management account", SECURITY]

    def test_unusable_responders_stop_before_the_first_write(self, world: World) -> None:
        world.fail("ssm:GetParameter", lambda _operation, _account: DesiredStateError("contacts: fewer than two"))
        with pytest.raises(DesiredStateError):
            sign_up(world)
        assert world.writes == []

    def test_triage_is_not_switched_off_by_what_is_automatic(self, world: World) -> None:
        outcome = sign_up(adopted(world), QUIET)
        assert (outcome.changes, outcome.handoffs, world.writes) == ((), (), [])

    def test_triage_is_switched_off_when_that_is_granted_and_everybody_is_concerned(self, world: World) -> None:
        (found,) = look(adopted(world), QUIET)
        assert (found.kind, found.before, found.after, found.concern) == (DISABLE_TRIAGE, "on", "off", EVERYONE)

        outcome, _ = apply(world, [found], QUIET)

        assert (kinds(outcome.changes), world.memberships[0].membership.triage_enabled) == (["disable_triage"], False)

    @pytest.mark.parametrize("error", [denied, refused, not_yet])
    def test_triage_that_the_service_does_not_switch_off_is_handed_off_with_the_command(
        self, world: World, error: type[Exception]
    ) -> None:
        found = look(adopted(world), QUIET)
        world.fail(UPDATE, error)

        outcome, _ = apply(world, found, QUIET)

        (command,) = commands_of(outcome)
        assert command == (
            "aws security-ir update-membership --region eu-west-1 --membership-id m-0123456789ab"
            " --opt-in-features featureName=Triage,isEnabled=false"
        )

    def test_triage_switched_off_by_a_call_whose_answer_was_lost_is_not_switched_twice(self, world: World) -> None:
        found = look(adopted(world), QUIET)
        world.fail(UPDATE, unavailable, times=1, after=True)
        with pytest.raises(UnavailableError):
            apply(world, found, QUIET)

        outcome, _ = apply(world, found, QUIET)

        assert (outcome.changes, len(world.writes)) == ((), 1)

    def test_triage_that_is_off_and_not_wanted_is_left(self, world: World) -> None:
        signed_up(world).add_membership(tags={"team": "security"}, triage_enabled=False)
        outcome = sign_up(world, desired_state(proactive_response=False))
        assert (outcome.changes, outcome.notices) == ((), ())

    def test_triage_that_the_service_does_not_tell_is_reported_and_not_proposed(self, world: World) -> None:
        signed_up(world).add_membership(tags={"team": "security"}, triage_enabled=None)
        assert look(world) == look(world, QUIET) == []
        outcome = sign_up(world)
        assert (outcome.changes, [notice.subject for notice in outcome.notices]) == (
            (), ["proactive response is unknown"],
        )  # fmt: skip

    @pytest.mark.parametrize("error", [denied, refused])
    def test_setting_that_the_service_refuses_is_handed_off(self, world: World, error: type[Exception]) -> None:
        signed_up(world).add_membership(name="it's old", triage_enabled=False)
        world.fail("security-ir:UpdateMembership", error)
        world.fail("security-ir:TagResource", error)
        outcome = sign_up(world)
        region = "--region eu-west-1"
        assert commands_of(outcome) == [
            (
                f"aws security-ir update-membership {region} --membership-id m-0123456789ab"
                " --membership-name example-org-incident-response"
            ),
            (
                f"aws security-ir update-membership {region} --membership-id m-0123456789ab"
                " --opt-in-features featureName=Triage,isEnabled=true"
            ),
            (
                f"aws security-ir tag-resource {region}"
                " --resource-arn arn:aws:security-ir:eu-west-1:222222222222:membership/m-0123456789ab"
                """ --tags '{"team": "security"}'"""
            ),
        ]

    def test_unreadable_tags_are_reported(self, world: World) -> None:
        world.fail("security-ir:ListTagsForResource", denied)
        assert [notice.subject for notice in sign_up(adopted(world)).notices] == ["tags of the membership are unknown"]

    def test_membership_that_may_not_be_read_stops(self, world: World) -> None:
        world.fail("security-ir:GetMembership", denied)
        with pytest.raises(MembershipUnknownError, match="Allow security-ir:GetMembership"):
            sign_up(adopted(world))

    @pytest.mark.parametrize("error", [absent, not_yet])
    def test_membership_that_is_not_there_yet_is_tried_again(self, world: World, error: type[Exception]) -> None:
        world.fail("security-ir:GetMembership", error)
        with pytest.raises(UnavailableError):
            sign_up(adopted(world))


FAULTS = st.tuples(
    st.sampled_from([ENABLE, CREATE_ROLE, REGISTER, CREATE, LIST, "iam:GetRole", "security-ir:GetMembership"]),
    st.sampled_from([denied, unavailable, not_yet]),
    st.integers(1, 60),
    st.booleans(),
)


@given(faults=st.lists(FAULTS, max_size=4))
def test_whatever_fails_there_is_never_a_second_membership_and_quiet_comes(
    faults: list[tuple[str, type[Exception], int, bool]],
) -> None:
    world = example_world()
    for operation, error, times, after in faults:
        if error is not_yet and operation not in (REGISTER, CREATE):
            continue
        world.fail(operation, error, times=times, after=after and error is unavailable)

    for attempt in range(1, 200):
        try:
            outcome = sign_up(world, attempt=attempt, last_attempt=attempt % 5 == 0)
        except (TransientError, StoppedError):
            continue
        if outcome.membership_id and not outcome.handoffs and not outcome.changes:
            break

    assert len(world.memberships) == 1
    world.calls.clear()
    assert sign_up(world).changes == ()
    assert world.writes == []


def test_organization_reader_of_another_account_is_the_one_that_is_asked(world: World) -> None:
    step = replace(sign_up_step(world), organizations=FakeOrganizations(world, MANAGEMENT))
    step.apply(desired_state(), Automatic(desired_state()), attempt=1, last_attempt=False)
    asked = {call.account_id for call in world.calls if call.operation == "organizations:DescribeOrganization"}
    assert asked == {MANAGEMENT}


def test_stack_that_was_told_another_management_account_stops_and_says_which(world: World) -> None:
    step = replace(sign_up_step(world), management=FakeManagement(world, told="999999999999"))
    with pytest.raises(OrganizationNotReadyError, match=r"ManagementAccountId=999999999999, but .* is 111111111111"):
        step.apply(desired_state(), Automatic(desired_state()), attempt=1, last_attempt=False)
    assert world.writes == []


def test_region_closed_in_the_management_account_only_is_read_from_home(world: World) -> None:
    world.fail(LIST, lambda op, account: RegionNotEnabledError(op, account, "off"), account=MANAGEMENT)
    assert sign_up(world).membership_id is not None
