"""Preflight reads everything, writes nothing, and stops a run only where something stands in its way."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain import service_terms
from muster.domain.desired import ContainmentRoles, DesiredContainment, DesiredState
from muster.domain.membership import SERVICE_PRINCIPAL, SUPPORTED_REGIONS
from muster.domain.organization import AccountState
from muster.domain.preflight import Check, CheckId, CheckStatus, PreflightOutcome, Severity
from muster.domain.preflight_checks import CONTAINMENT_ROLES
from muster.errors import (
    AbsentError,
    DeniedError,
    NotConfiguredError,
    PreflightError,
    RegionNotEnabledError,
    StoppedError,
    ThrottledError,
    UnavailableError,
)
from tests.fakes.steps import desired_state, preflight, preflight_step, sign_up
from tests.fakes.world import HOME_REGION, MANAGEMENT, SECURITY, World, example_world

LIST = "security-ir:ListMemberships"
READS_IN_MANAGEMENT = (
    "sts:AssumeRole", "organizations:ListAWSServiceAccessForOrganization", "organizations:ListDelegatedAdministrators",
    "organizations:DescribeAccount", LIST, "iam:GetRole", "cloudtrail:DescribeTrails",
    "cloudformation:DescribeOrganizationsAccess",
)  # fmt: skip
MANAGED = replace(desired_state(), containment=DesiredContainment(roles=ContainmentRoles.MANAGED))


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


def throttled(operation: str, _account_id: str) -> ThrottledError:
    return ThrottledError(operation)


@pytest.fixture
def world() -> World:
    return example_world()


def registered(world: World) -> World:
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.triage_roles.add(MANAGEMENT)
    return world


def without_a_reader(world: World) -> World:
    for operation in READS_IN_MANAGEMENT:
        world.fail(operation, denied, account=MANAGEMENT)
    world.fail("organizations:ListAWSServiceAccessForOrganization", denied)
    world.fail("organizations:ListDelegatedAdministrators", denied)
    return world


def by_id(outcome: PreflightOutcome) -> dict[CheckId, Check]:
    return {check.id: check for check in outcome.checks}


def not_good(outcome: PreflightOutcome) -> dict[str, tuple[str, str | None]]:
    good = {CheckStatus.PASSED, CheckStatus.NOT_APPLICABLE}
    return {check.id.value: (check.status, check.severity) for check in outcome.checks if check.status not in good}


def test_fresh_organization_passes_and_nothing_is_written(world: World) -> None:
    outcome = preflight(world, MANAGED, stops=True)

    assert not_good(outcome) == {}
    assert outcome.notices == service_terms.TERMS
    assert (outcome.handoffs, outcome.accepted) == ((), ())
    assert world.writes == []


def test_result_is_kept_with_the_run(world: World) -> None:
    outcome = preflight(world, run="run-7")

    document = world.read_document("runs/run-7/preflight.json")
    assert [check["id"] for check in document["checks"]] == [check.id for check in outcome.checks]
    assert [notice["subject"] for notice in document["notices"]] == [notice.subject for notice in outcome.notices]


def test_terms_end_with_the_membership(world: World) -> None:
    registered(world).add_membership()

    assert preflight(world).notices == ()


def test_containment_that_is_off_costs_no_call(world: World) -> None:
    off = replace(desired_state(), containment=DesiredContainment(roles=ContainmentRoles.OFF))

    checks = by_id(preflight(world, off))

    assert checks[CheckId.STACK_SETS_ACCESS].status is CheckStatus.NOT_APPLICABLE
    assert world.count("cloudformation:DescribeOrganizationsAccess") == 0


def test_without_a_reader_what_sign_up_hands_off_is_unknown_and_stops_nothing(world: World) -> None:
    without_a_reader(registered(world))

    outcome = preflight(world, MANAGED, stops=True)

    warning = ("unknown", Severity.WARNING)
    assert not_good(outcome) == {
        "management_access": ("failed", Severity.WARNING),
        "delegated_administrator": warning,
        "trusted_access": warning,
        "service_linked_roles": warning,
        "stack_sets_access": warning,
        "role_name_clashes": warning,
        "cloudtrail_trail": warning,
        "permissions": ("failed", Severity.WARNING),
    }
    assert len(outcome.notices) == 2 + 8


def test_memberships_that_show_once_the_account_is_registered_stop_nothing_yet(world: World) -> None:
    world.fail(LIST, denied, account=MANAGEMENT)

    assert not_good(preflight(world, stops=True))["memberships"] == ("unknown", Severity.WARNING)
    assert sign_up(world).membership_id == world.memberships[0].membership.id


def test_memberships_that_neither_account_can_look_for_stop_the_run_unless_that_is_accepted(world: World) -> None:
    registered(world)
    world.fail(LIST, denied)

    with pytest.raises(PreflightError, match=r"(?s)memberships is unknown.*--accept-unknown memberships") as stopped:
        preflight(world, stops=True)
    assert "any Region" in str(stopped.value)
    accepted = preflight(world, stops=True, accept_unknown=("memberships",))

    assert accepted.accepted == (CheckId.MEMBERSHIPS,)
    assert any(notice.subject == "preflight: memberships unknown, and accepted" for notice in accepted.notices)
    assert world.writes == []


def test_accepting_does_not_help_what_has_failed(world: World) -> None:
    registered(world).add_membership(region="eu-central-1")

    with pytest.raises(PreflightError, match=r"memberships is failed.*eu-central-1"):
        preflight(world, stops=True, accept_unknown=("memberships",))


def test_check_that_does_not_exist_cannot_be_accepted(world: World) -> None:
    with pytest.raises(PreflightError, match="no check everything; the checks are organization, "):
        preflight(world, accept_unknown=("everything",))
    assert world.calls == []


def test_result_of_a_stopped_run_is_kept_too(world: World) -> None:
    world.has_all_features = False

    with pytest.raises(PreflightError, match="enable-all-features"):
        preflight(world, stops=True)

    checks = world.read_document("runs/run-1/preflight.json")["checks"]
    assert checks[0]["status"] == "failed"


@pytest.mark.parametrize(
    ("spoil", "check", "words"),
    [
        (lambda world: world.delegated.add("999999999999"), "delegated_administrator", "999999999999"),
        (lambda world: world.accounts.pop(SECURITY), "designated_account", "not in the organization"),
        (
            lambda world: world.add_account(SECURITY, state=AccountState.SUSPENDED),
            "designated_account",
            "is SUSPENDED",
        ),
        (lambda world: world.disabled_regions.add((SECURITY, HOME_REGION)), "region_enabled", "enable-region"),
        (
            lambda world: world.fail(
                "organizations:DescribeOrganization", lambda op, account: AbsentError(op, account, "none")
            ),
            "organization",
            "in no organization",
        ),
        (lambda world: world.fail("organizations:DescribeOrganization", denied), "organization", "not allowed"),
        (lambda world: setattr(world, "contacts", NotConfiguredError("none")), "contacts", "muster push FILE"),
        (lambda world: setattr(world, "contacts_kind", "String"), "contacts", "in the clear"),
    ],
)
def test_blocker_is_named_with_its_remedy_before_anything_is_written(
    world: World, spoil: Any, check: str, words: str
) -> None:
    spoil(world)

    with pytest.raises(PreflightError, match=rf"(?s)- {check} is (failed|unknown).*{words}"):
        preflight(world, stops=True)
    assert world.writes == []


def test_region_that_is_off_blocks_and_is_not_taken_for_one_without_a_membership(world: World) -> None:
    world.disabled_regions.add((SECURITY, HOME_REGION))

    assert not_good(preflight(world)) == {
        "region_enabled": ("failed", Severity.BLOCKER),
        "memberships": ("unknown", Severity.BLOCKER),
    }


def test_stack_elsewhere_and_a_management_account_that_was_told_wrongly_block(world: World) -> None:
    step = preflight_step(world, told="999999999999")

    outcome = step.apply(desired_state(region="eu-west-2"), run="run-1", stops=False)

    assert {check for check, how in not_good(outcome).items() if how == ("failed", Severity.BLOCKER)} == {
        "organization", "region"
    }  # fmt: skip


def test_confirmation_is_sign_ups_to_ask_for(world: World) -> None:
    assert not_good(preflight(world, desired_state(confirmed_as=None), stops=True)) == {}


def test_management_account_may_hold_the_membership(world: World) -> None:
    checks = by_id(preflight(world, desired_state(account_id=MANAGEMENT), stops=True))

    assert "needs no registration" in checks[CheckId.DELEGATED_ADMINISTRATOR].evidence
    assert world.count(LIST) == len(SUPPORTED_REGIONS)


def test_roles_of_the_same_name_are_found_one_by_one(world: World) -> None:
    world.management_roles.add(CONTAINMENT_ROLES[1])

    check = by_id(preflight(world, MANAGED))[CheckId.ROLE_NAME_CLASHES]

    assert (check.status, check.severity) == (CheckStatus.FAILED, Severity.WARNING)
    assert CONTAINMENT_ROLES[1] in check.evidence


def test_denial_is_named_once_with_its_operation_and_account(world: World) -> None:
    registered(world)
    world.fail("ssm:DescribeParameters", denied)
    world.fail(LIST, denied, account=SECURITY)

    evidence = by_id(preflight(world))[CheckId.PERMISSIONS].evidence

    assert evidence == f"denied: {LIST} to role muster-preflight, ssm:DescribeParameters to role muster-preflight"


def test_denial_before_registration_is_nobodys_lack_of_permission(world: World) -> None:
    assert world.delegated == set()

    check = by_id(preflight(world))[CheckId.PERMISSIONS]

    assert check.status is CheckStatus.PASSED


def test_other_refusal_is_unknown_and_no_denial(world: World) -> None:
    world.fail(
        "cloudtrail:DescribeTrails", lambda op, account: RegionNotEnabledError(op, account, "us-east-1 is closed")
    )

    outcome = by_id(preflight(world))

    assert outcome[CheckId.CLOUDTRAIL_TRAIL].status is CheckStatus.UNKNOWN
    assert outcome[CheckId.PERMISSIONS].status is CheckStatus.PASSED


@pytest.mark.parametrize(
    "operation",
    [
        "sts:AssumeRole",
        "organizations:DescribeOrganization",
        "organizations:DescribeAccount",
        "organizations:ListDelegatedAdministrators",
        "organizations:ListAWSServiceAccessForOrganization",
        LIST,
        "iam:GetRole",
        "cloudtrail:DescribeTrails",
        "cloudformation:DescribeOrganizationsAccess",
        "ssm:DescribeParameters",
    ],
)
def test_read_that_failed_in_passing_is_raised_to_be_tried_again(world: World, operation: str) -> None:
    world.fail(operation, throttled)

    with pytest.raises(ThrottledError):
        preflight(world, MANAGED)
    assert world.documents == {}


def test_nothing_is_kept_where_nothing_is_deployed(world: World) -> None:
    step = preflight_step(world, deployed=False)

    outcome = step.apply(desired_state(), run="local", stops=False)

    assert world.documents == {}
    assert by_id(outcome)[CheckId.MANAGEMENT_ACCESS].status is CheckStatus.NOT_APPLICABLE


def test_accepted_regions_count_as_empty_for_sign_up_and_are_named(world: World) -> None:
    world.delegated.add(SECURITY)
    world.trusted.add(SERVICE_PRINCIPAL)
    world.triage_roles.add(MANAGEMENT)
    for account in (SECURITY, MANAGEMENT):
        world.fail(LIST, denied, account=account, detail="eu-south-1")

    outcome = sign_up(world, last_attempt=True, accept_unknown=("memberships",))

    assert outcome.membership_id == world.memberships[0].membership.id
    (notice,) = outcome.notices
    assert "eu-south-1" in notice.detail
    assert sign_up(world, accept_unknown=("memberships",)).notices == ()


def test_management_account_that_is_let_in_only_as_an_owner_signs_up_when_a_person_knows_better(world: World) -> None:
    at_home = desired_state(account_id=MANAGEMENT)
    world.fail(LIST, denied)

    with pytest.raises(PreflightError, match="memberships is unknown"):
        preflight(world, at_home, stops=True)
    preflight(world, at_home, stops=True, accept_unknown=("memberships",))
    first = sign_up(world, at_home, accept_unknown=("memberships",))
    assert (first.membership_id, first.waiting_for is not None) == (None, True)
    last = sign_up(world, at_home, last_attempt=True, accept_unknown=("memberships",))

    assert last.membership_id == world.memberships[0].membership.id
    assert [notice.subject for notice in last.notices] == ["memberships elsewhere are unknown, and that was accepted"]


WORLDS = st.fixed_dictionaries(
    {
        "trusted": st.booleans(),
        "delegated": st.booleans(),
        "elsewhere": st.booleans(),
        "closed": st.sets(st.sampled_from([SECURITY, MANAGEMENT])),
        "ended": st.booleans(),
        "active": st.booleans(),
        "confirmed": st.booleans(),
    }
)


def built(features: dict[str, Any]) -> tuple[World, DesiredState]:
    world = example_world()
    if features["trusted"]:
        world.trusted.add(SERVICE_PRINCIPAL)
    if features["delegated"]:
        world.delegated.add(SECURITY)
    if features["elsewhere"]:
        world.add_membership("m-elsewhere00", region="us-east-1")
    if features["ended"]:
        world.add_membership("m-ended000000", status="Cancelled")
    if features["active"]:
        world.add_membership()
    for account in features["closed"]:
        world.fail(LIST, denied, account=account, detail="eu-south-1")
    return world, desired_state(confirmed_as="" if features["confirmed"] else None)


@given(features=WORLDS, accepted=st.booleans())
def test_no_membership_is_created_in_a_run_whose_preflight_does_not_hold_the_terms(
    features: dict[str, Any], *, accepted: bool
) -> None:
    world, desired = built(features)
    accept_unknown = ("memberships",) if accepted else ()

    try:
        preflight(world, desired, stops=True, accept_unknown=accept_unknown)
        sign_up(world, desired, last_attempt=True, accept_unknown=accept_unknown)
    except (StoppedError, UnavailableError):
        pass

    told = {notice["subject"] for notice in world.read_document("runs/run-1/preflight.json")["notices"]}
    assert world.count("security-ir:CreateMembership") == 0 or told >= service_terms.SUBJECTS
