"""One suite for both worlds: what the fakes promise, the adapters keep on the embedded cloud, role by role."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from muster import errors
from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.containment_roles import CONTAINMENT_ROLE, DefectKind, examine
from muster.domain.containment_writes import UpdateStackSet
from muster.domain.desired import DesiredStackSet
from muster.domain.membership import ACTIVE, SERVICE_PRINCIPAL, SUPPORTED_REGIONS, Association
from muster.domain.observed import Known, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.preflight_checks import ContactsParameter
from muster.domain.responders import IncidentResponder, IncidentResponseTeam
from muster.domain.stack_sets import Accounts
from muster.domain.team import TeamInMembership
from muster_local.organization_file import LONG_AGO
from muster_local.server import EmbeddedCloud
from tests.contract.port_worlds import (
    CONTACTS,
    CONTACTS_WITH_KEY,
    EXAMPLE,
    KEY,
    TEAM,
    EmbeddedSide,
    FakeSide,
    Side,
)
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT

TAGS = {"owner": "security"}
OTHER, ANOTHER = "300000000011", "300000000012"
NOWHERE = "m-000000000000"


@pytest.fixture(scope="session")
def embedded_cloud() -> Iterator[EmbeddedCloud]:
    with (
        EmbeddedCloud(
            EXAMPLE, application_account=DESIGNATED, region=HOME, parameters={"MemberAccess": "repair"}
        ) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", cloud.url)
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(variable, os.devnull)
        yield cloud


def fresh_side(request: pytest.FixtureRequest) -> Side:
    if request.param == "fakes":
        return FakeSide()
    cloud: EmbeddedCloud = request.getfixturevalue("embedded_cloud")
    cloud.reset()
    return EmbeddedSide(cloud)


@pytest.fixture(params=["fakes", "embedded"])
def side(request: pytest.FixtureRequest) -> Side:
    return fresh_side(request)


def register(side: Side) -> None:
    side.management.enable_trusted_access()
    side.settle()
    side.management.register_delegated_administrator(DESIGNATED)
    side.settle()


def create(
    side: Side,
    *,
    client_token: str = "same",
    entire_organization: bool = True,
    triage: bool = True,
    team: IncidentResponseTeam = TEAM,
) -> str:
    membership_id = side.writer.create_membership(
        name="example",
        team=team,
        entire_organization=entire_organization,
        triage=triage,
        tags=TAGS,
        client_token=client_token,
    )
    side.settle()
    return membership_id


def signed_up(side: Side, *, entire_organization: bool = True, triage: bool = True) -> str:
    register(side)
    side.management.create_triage_role()
    return create(side, entire_organization=entire_organization, triage=triage)


def every_account(side: Side) -> dict[str, Account]:
    found: dict[str, Account] = {}
    token: str | None = None
    while True:
        page = side.accounts.account_page(token)
        found |= {account.id: account for account in page.accounts}
        token = page.next_token
        if token is None:
            return found


def test_organization_is_known_before_anything_else(side: Side) -> None:
    for found in (side.delegations.organization(), side.accounts.organization()):
        assert (found.id, found.management_account_id, found.has_all_features) == ("o-exampleorg1", MANAGEMENT, True)
    assert side.management.account_id == MANAGEMENT


def test_account_without_an_organization_says_so(side: Side) -> None:
    side.fail("organizations:DescribeOrganization", "no organization")

    for read in (side.delegations.organization, side.accounts.organization):
        with pytest.raises(errors.AbsentError):
            read()


def test_management_account_that_lets_nobody_in_denies_every_call(side: Side) -> None:
    side.close_management_account()
    calls: list[Callable[[], object]] = [
        side.management.has_triage_role,
        side.survey.enter,
        lambda: side.survey.has_role(CONTAINMENT_ROLE),
        lambda: side.designated.account(DESIGNATED),
        side.trails.trails,
        side.stack_sets_access.organizations_access,
        lambda: side.management.memberships(HOME),
        side.management.enable_trusted_access,
        side.management.create_triage_role,
        lambda: side.management.register_delegated_administrator(DESIGNATED),
    ]

    for call in calls:
        with pytest.raises(errors.DeniedError):
            call()
    assert isinstance(side.triage_roles.exists(MANAGEMENT), Unknown)


def test_preflight_sees_the_designated_account_before_and_after_it_is_registered(side: Side) -> None:
    before = side.designated.account(DESIGNATED)
    register(side)

    after = side.designated.account(DESIGNATED)

    assert (before.id, before.state) == (after.id, after.state) == (DESIGNATED, AccountState.ACTIVE)


def test_preflight_enters_the_management_account_and_finds_no_containment_role_and_a_trail_that_logs(
    side: Side,
) -> None:
    side.survey.enter()

    assert side.survey.has_role(CONTAINMENT_ROLE) is False
    (trail,) = side.trails.trails()
    assert (trail.home_region, trail.is_logging, trail.has_own_selectors) == ("us-east-1", True, False)


def test_contacts_are_looked_at_without_their_value(side: Side) -> None:
    assert side.kept_contacts.contacts() is None
    side.store_contacts(CONTACTS)

    kept = side.kept_contacts.contacts()

    assert isinstance(kept, ContactsParameter)
    assert (kept.name, kept.kind) == ("/muster/contacts", "SecureString")


def test_delegated_administrator_needs_no_management_account_to_read_trust_and_delegation(side: Side) -> None:
    register(side)
    side.close_management_account()

    assert SERVICE_PRINCIPAL in side.delegations.trusted_services()
    assert side.delegations.delegated_administrators() == {DESIGNATED}


def test_trust_and_delegation_show_what_was_written(side: Side) -> None:
    assert SERVICE_PRINCIPAL not in side.delegations.trusted_services()
    assert side.delegations.delegated_administrators() == frozenset()

    register(side)

    assert SERVICE_PRINCIPAL in side.delegations.trusted_services()
    assert side.delegations.delegated_administrators() == {DESIGNATED}


def test_registration_needs_trusted_access_first(side: Side) -> None:
    with pytest.raises(errors.NotYetConsistentError):
        side.management.register_delegated_administrator(DESIGNATED)


@pytest.mark.parametrize("account_id", [DESIGNATED, OTHER])
def test_second_registration_is_already_there_whoever_asks(side: Side, account_id: str) -> None:
    register(side)

    with pytest.raises(errors.AlreadyThereError):
        side.management.register_delegated_administrator(account_id)


def test_triage_role_is_made_once(side: Side) -> None:
    assert side.management.has_triage_role() is False

    side.management.create_triage_role()

    assert side.management.has_triage_role() is True
    assert side.triage_roles.exists(MANAGEMENT) == Known(value=True)
    with pytest.raises(errors.AlreadyThereError):
        side.management.create_triage_role()


@pytest.mark.parametrize(
    "read",
    [
        lambda side: side.units.root_id(),
        lambda side: side.units.child_units("r-0000"),
        lambda side: side.units.unit("ou-0000-00000000"),
        lambda side: side.accounts.account_page(None),
    ],
)
def test_inventory_is_closed_before_registration(side: Side, read: Callable[[Side], object]) -> None:
    with pytest.raises(errors.DeniedError):
        read(side)


def test_units_are_found_by_parent_and_by_id_with_their_ancestors(side: Side) -> None:
    register(side)
    root = side.units.root_id()

    workloads = next(unit for unit in side.units.child_units(root) if unit.name == "Workloads")
    prod = next(unit for unit in side.units.child_units(workloads.id) if unit.name == "Prod")

    assert workloads.id == side.unit_id("Workloads")
    assert (workloads.ancestors, prod.ancestors) == ((root,), (root, workloads.id))
    assert side.units.unit(prod.id) == prod
    assert side.units.child_units(side.unit_id("Security")) == ()


def test_unit_and_parent_that_do_not_exist_are_absent(side: Side) -> None:
    register(side)
    nowhere = side.unit_id("Workloads")[:-4] + "0000"

    for read in (side.units.unit, side.units.child_units):
        with pytest.raises(errors.AbsentError):
            read(nowhere)


def test_more_children_than_one_page_holds_are_all_found(side: Side) -> None:
    register(side)
    names = [f"Team {number:02}" for number in range(45)]
    side.add_units_below(side.unit_id("Security"), names)

    assert sorted(unit.name for unit in side.units.child_units(side.unit_id("Security"))) == names


def test_accounts_come_in_pages_of_twenty_with_state_and_path(side: Side) -> None:
    register(side)
    first = side.accounts.account_page(None)

    accounts = every_account(side)

    assert len(first.accounts) == 20
    assert first.next_token is not None
    assert len(accounts) == 70
    assert {account.state for account in accounts.values()} == set(AccountState) - {AccountState.UNDOCUMENTED}
    root = side.units.root_id()
    assert accounts[MANAGEMENT].ancestors == (root,)
    assert accounts[DESIGNATED].ancestors == (root, side.unit_id("Security"))
    assert (accounts[DESIGNATED].name, accounts[DESIGNATED].joined_at) == ("Security Tooling", LONG_AGO)


def test_empty_page_has_a_token_and_loses_nothing(side: Side) -> None:
    register(side)
    side.empty_first_page()

    page = side.accounts.account_page(None)

    assert (page.accounts, page.next_token is not None) == ((), True)
    assert len(side.accounts.account_page(page.next_token).accounts) == 20


def test_no_membership_is_listed_before_there_is_one(side: Side) -> None:
    register(side)

    assert side.reader.memberships(HOME) == ()
    assert side.management.memberships(HOME) == ()


def test_membership_is_listed_in_its_region_alone_and_read_without_its_team(side: Side) -> None:
    membership_id = signed_up(side)

    (row,) = side.reader.memberships(HOME)
    found = side.reader.membership(membership_id)

    assert (row.id, row.account_id, row.region, row.status) == (membership_id, DESIGNATED, HOME, ACTIVE)
    assert row.arn == found.arn == f"arn:aws:security-ir:{HOME}:{DESIGNATED}:membership/{membership_id}"
    assert (found.name, found.status, found.triage_enabled, found.covers_entire_organization) == (
        "example", ACTIVE, True, True,
    )  # fmt: skip
    assert found.activated_at is not None
    assert (found.unit_ids, found.accounts_covered is not None) == (frozenset(), True)
    assert side.reader.tags(found.arn) == TAGS
    assert all(side.reader.memberships(region) == () for region in SUPPORTED_REGIONS if region != HOME)


def test_region_that_is_not_enabled_is_named_so(side: Side) -> None:
    register(side)
    side.disable_region(DESIGNATED, "af-south-1")
    side.disable_region(MANAGEMENT, "af-south-1")

    for read in (side.reader.memberships, side.management.memberships):
        with pytest.raises(errors.RegionNotEnabledError):
            read("af-south-1")


def test_membership_of_another_region_is_listed_there_and_absent_at_home(side: Side) -> None:
    register(side)
    membership_id = side.create_elsewhere("eu-central-1")

    assert [row.id for row in side.reader.memberships("eu-central-1")] == [membership_id]
    assert side.reader.memberships(HOME) == ()
    with pytest.raises(errors.AbsentError):
        side.reader.membership(membership_id)


def test_account_that_is_not_registered_is_told_nothing_of_memberships(side: Side) -> None:
    side.close_to_strangers()

    for read in (side.reader.memberships, side.reader.membership):
        with pytest.raises(errors.DeniedError):
            read(HOME if read == side.reader.memberships else NOWHERE)
    assert isinstance(side.associations.associations(NOWHERE, [DESIGNATED])[DESIGNATED], Unknown)


USES: dict[str, Callable[[Side, str], object]] = {
    "membership": lambda side, member: side.reader.membership(member),
    "tags": lambda side, member: side.reader.tags(arn_of(member)),
    "associations": lambda side, member: side.associations.associations(member, [DESIGNATED]),
    "name": lambda side, member: side.writer.set_settings(member, name="renamed", enable_triage=False),
    "triage": lambda side, member: side.writer.set_settings(member, name=None, enable_triage=True),
    "entire": lambda side, member: side.units_writer.cover_entire_organization(member),
    "add_units": lambda side, member: side.units_writer.add_units(member, [side.unit_id("Security")]),
    "only_units": lambda side, member: side.narrowing.cover_only_units(member),
    "remove_units": lambda side, member: side.narrowing.remove_units(member, [side.unit_id("Security")]),
    "triage_off": lambda side, member: side.triage_switch.disable_triage(member),
    "replace_team": lambda side, member: side.team.replace_team(member, TEAM),
    "set_tags": lambda side, member: side.writer.set_tags(arn_of(member), {"a": "b"}),
}


def test_membership_that_does_not_exist_is_absent_for_every_call(side: Side) -> None:
    signed_up(side)

    for use in USES.values():
        with pytest.raises(errors.AbsentError):
            use(side, NOWHERE)
        side.settle()


def test_membership_that_ended_is_read_and_no_longer_changed(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    side.units_writer.add_units(membership_id, [side.unit_id("Security")])
    side.settle()
    side.cancel(membership_id)

    assert [row.status for row in side.reader.memberships(HOME)] == ["Cancelled"]
    assert side.reader.membership(membership_id).status == "Cancelled"
    for name in (
        "associations", "name", "triage", "entire", "add_units", "only_units", "remove_units", "triage_off",
        "replace_team",
    ):  # fmt: skip
        side.settle()
        with pytest.raises(errors.NotYetConsistentError):
            USES[name](side, membership_id)


def test_more_memberships_than_one_page_holds_are_all_listed(side: Side) -> None:
    register(side)
    ended: list[str] = []
    for number in range(25):
        ended.append(create(side, client_token=f"ended {number}"))
        side.cancel(ended[-1])
    active = create(side, client_token="active")

    assert {row.id for row in side.reader.memberships(HOME)} == {*ended, active}


def test_creation_is_denied_before_registration(side: Side) -> None:
    side.management.enable_trusted_access()
    side.settle()

    with pytest.raises(errors.DeniedError):
        create(side)


def test_same_token_is_the_same_membership_and_another_is_a_conflict(side: Side) -> None:
    membership_id = signed_up(side)

    assert create(side) == membership_id
    with pytest.raises(errors.AlreadyThereError):
        create(side, client_token="another")


def test_creation_before_the_service_is_ready_is_not_yet_consistent(side: Side) -> None:
    register(side)
    side.fail("security-ir:CreateMembership", "not active")

    with pytest.raises(errors.NotYetConsistentError):
        create(side)


def test_creation_whose_answer_is_lost_is_found_again_by_its_token(side: Side) -> None:
    register(side)
    side.fail("security-ir:CreateMembership", "answer lost")

    with pytest.raises(errors.UnavailableError):
        create(side)

    side.recover()
    side.settle()
    assert [row.id for row in side.reader.memberships(HOME)] == [create(side)]


def test_person_who_is_listed_twice_is_a_conflict_that_repeats_nobody(side: Side) -> None:
    register(side)

    with pytest.raises(errors.AlreadyThereError) as conflict:
        create(side, team=(TEAM[0], TEAM[0]))

    assert TEAM[0].email not in str(conflict.value)


def test_unacceptable_name_or_team_is_refused_without_repeating_it(side: Side) -> None:
    register(side)
    asked: dict[str, Any] = {"entire_organization": True, "triage": True, "tags": {}, "client_token": "t"}

    with pytest.raises(errors.RefusedError) as no_name:
        side.writer.create_membership(name="x" * 51, team=TEAM, **asked)
    side.settle()
    with pytest.raises(errors.RefusedError) as one_person:
        side.writer.create_membership(name="example", team=TEAM[:1], **asked)

    assert "person0@example.com" not in str(no_name.value) + str(one_person.value)


def test_unacceptable_new_name_is_refused(side: Side) -> None:
    membership_id = signed_up(side)

    for name in ("x" * 51, "xy"):
        with pytest.raises(errors.RefusedError):
            side.writer.set_settings(membership_id, name=name, enable_triage=False)
        side.settle()


def test_settings_are_written_and_read_back(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False, triage=False)
    before = side.reader.membership(membership_id)
    arn = before.arn

    assert (before.name, before.triage_enabled, before.covers_entire_organization) == ("example", False, False)
    side.writer.set_settings(membership_id, name="renamed", enable_triage=True)
    side.writer.set_tags(arn, {"owner": "somebody", "new": "one"})
    side.settle()
    side.units_writer.cover_entire_organization(membership_id)
    side.settle()

    found = side.reader.membership(membership_id)
    assert (found.name, found.triage_enabled, found.covers_entire_organization) == ("renamed", True, True)
    assert side.reader.tags(arn) == {"owner": "somebody", "new": "one"}


def test_team_is_read_as_it_was_written_and_replaced_as_a_whole(side: Side) -> None:
    membership_id = signed_up(side)
    third = IncidentResponder("Person 2", "Analyst", "person2@example.com", frozenset({"Case Created"}))

    assert side.team.team_in(membership_id) == TeamInMembership(ACTIVE, Known(TEAM))
    side.team.replace_team(membership_id, (TEAM[1], third))
    side.settle()

    assert side.team.team_in(membership_id).team == Known((TEAM[1], third))


def test_team_of_too_many_and_one_with_somebody_twice_are_not_taken(side: Side) -> None:
    membership_id = signed_up(side)
    crowd = tuple(IncidentResponder(f"Person {each}", "Analyst", f"person{each}@example.com") for each in range(11))

    for team, error in ((crowd, errors.RefusedError), ((*TEAM, TEAM[0]), errors.AlreadyThereError)):
        with pytest.raises(error) as caught:
            side.team.replace_team(membership_id, team)
        assert "person" not in str(caught.value)
        side.settle()


def test_units_are_added_to_those_that_are_there(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    first, second = side.unit_id("Security"), side.unit_id("Workloads", "Prod")

    side.units_writer.add_units(membership_id, [first])
    side.settle()
    side.units_writer.add_units(membership_id, [second])
    side.settle()

    assert side.reader.membership(membership_id).unit_ids == {first, second}


def test_no_unit_one_that_does_not_exist_a_root_and_six_units_are_refused(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    unit = side.unit_id("Security")

    for unit_ids in ([], [unit[:-4] + "0000"], [side.units.root_id()], [unit] * 6):
        with pytest.raises(errors.RefusedError):
            side.units_writer.add_units(membership_id, unit_ids)
        side.settle()


def test_flag_is_cleared_and_the_units_stay(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    unit = side.unit_id("Security")
    side.units_writer.add_units(membership_id, [unit])
    side.settle()
    side.units_writer.cover_entire_organization(membership_id)
    side.settle()
    assert side.reader.membership(membership_id).covers_entire_organization is True

    for _ in range(2):
        side.narrowing.cover_only_units(membership_id)
        side.settle()

        found = side.reader.membership(membership_id)
        assert (found.covers_entire_organization, found.unit_ids) == (False, frozenset({unit}))


def test_units_are_removed_and_the_others_stay(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    first, second, third = side.unit_id("Security"), side.unit_id("Workloads", "Prod"), side.unit_id("Sandbox")
    side.units_writer.add_units(membership_id, [first, second, third])
    side.settle()

    side.narrowing.remove_units(membership_id, [first, third])
    side.settle()

    assert side.reader.membership(membership_id).unit_ids == {second}


def test_no_unit_one_that_is_not_in_the_membership_and_six_are_not_removed(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)
    unit = side.unit_id("Security")
    side.units_writer.add_units(membership_id, [unit])
    side.settle()

    for unit_ids in ([], [side.unit_id("Workloads")], [unit, side.unit_id("Workloads")], [unit] * 6):
        with pytest.raises(errors.RefusedError):
            side.narrowing.remove_units(membership_id, unit_ids)
        side.settle()
    assert side.reader.membership(membership_id).unit_ids == {unit}


def test_triage_is_switched_off_and_nothing_else(side: Side) -> None:
    membership_id = signed_up(side)
    before = side.reader.membership(membership_id)
    assert before.triage_enabled is True

    for _ in range(2):
        side.triage_switch.disable_triage(membership_id)
        side.settle()

        found = side.reader.membership(membership_id)
        assert (found.triage_enabled, found.name, found.covers_entire_organization) == (False, before.name, True)


def test_associations_name_every_account_that_was_asked_for(side: Side) -> None:
    membership_id = signed_up(side)
    accounts = every_account(side)
    active = [account.id for account in accounts.values() if account.state is AccountState.ACTIVE]

    found = side.associations.associations(membership_id, active)

    assert found == {account_id: Known(Association.ASSOCIATED) for account_id in active}


def test_account_outside_the_scope_is_not_associated(side: Side) -> None:
    membership_id = signed_up(side, entire_organization=False)

    found = side.associations.associations(membership_id, [DESIGNATED])

    assert found[DESIGNATED] in (Known(Association.DISASSOCIATED), Known(Association.UNASSOCIATED))


def test_more_accounts_than_one_call_takes_are_asked_for_in_several(side: Side) -> None:
    membership_id = signed_up(side)
    strangers = [f"9{number:011}" for number in range(150)]

    found = side.associations.associations(membership_id, [*strangers, DESIGNATED])

    assert list(found) == [*strangers, DESIGNATED]
    assert found[DESIGNATED] == Known(Association.ASSOCIATED)
    assert all(found[account_id] != Known(Association.ASSOCIATED) for account_id in strangers)


@pytest.mark.parametrize("how", ["errors", "missing"])
def test_account_that_the_service_has_an_error_or_nothing_for_is_unknown(side: Side, how: str) -> None:
    membership_id = signed_up(side)
    active = [each.id for each in every_account(side).values() if each.state is AccountState.ACTIVE]
    side.lose_half(active, how)

    found = side.associations.associations(membership_id, active)

    assert set(found) == set(active)
    unknown = [account_id for account_id in active if isinstance(found[account_id], Unknown)]
    assert 0 < len(unknown) < len(active)


def test_denied_associations_are_unknown_for_everybody(side: Side) -> None:
    membership_id = signed_up(side)
    side.fail("security-ir:BatchGetMemberAccountDetails", "denied")

    found = side.associations.associations(membership_id, [MANAGEMENT, DESIGNATED])

    assert all(isinstance(association, Unknown) for association in found.values())
    assert set(found) == {MANAGEMENT, DESIGNATED}


@pytest.mark.parametrize("kind", ["throttled", "unavailable", "lost"])
def test_associations_whose_read_is_cut_short_are_no_answer(side: Side, kind: str) -> None:
    membership_id = signed_up(side)
    side.fail("security-ir:BatchGetMemberAccountDetails", kind)

    with pytest.raises(MEANINGS[kind]):
        side.associations.associations(membership_id, [DESIGNATED])


def test_triage_role_that_may_not_be_read_is_unknown(side: Side) -> None:
    side.fail("iam:GetRole", "denied")

    assert isinstance(side.triage_roles.exists(MANAGEMENT), Unknown)


def test_triage_role_that_is_not_there_is_known_to_be_missing(side: Side) -> None:
    side.lose_triage_role()

    assert side.triage_roles.exists(DESIGNATED) == Known(value=False)


def test_triage_role_of_a_member_is_known_where_a_reader_is_deployed(side: Side) -> None:
    signed_up(side)
    side.deploy_reader(OTHER)

    assert side.triage_roles.exists(OTHER) == Known(value=True)
    assert isinstance(side.triage_roles.exists(ANOTHER), Unknown)


def test_triage_role_of_a_member_is_created_once_where_a_repairer_is_deployed(side: Side) -> None:
    side.lose_triage_role()
    side.deploy_reader(OTHER)

    for account_id in (OTHER, DESIGNATED):
        side.member_roles.create(account_id)
        assert side.triage_roles.exists(account_id) == Known(value=True)
        with pytest.raises(errors.AlreadyThereError):
            side.member_roles.create(account_id)
    with pytest.raises(errors.DeniedError):
        side.member_roles.create(ANOTHER)


def test_triage_role_whose_read_is_cut_short_is_no_answer(side: Side) -> None:
    for kind in ("throttled", "unavailable", "lost"):
        side.fail("iam:GetRole", kind)
        with pytest.raises(MEANINGS[kind]):
            side.triage_roles.exists(MANAGEMENT)
        side.recover()


def test_contacts_are_read_as_they_were_stored(side: Side) -> None:
    with pytest.raises(errors.NotConfiguredError):
        side.responders.team()

    side.store_contacts(CONTACTS)

    assert [(each.name, each.job_title, each.email) for each in side.responders.team()] == [
        (each.name, each.job_title, each.email) for each in TEAM
    ]


def test_contacts_are_read_with_the_key_of_their_digests_where_it_is_stored(side: Side) -> None:
    with pytest.raises(errors.NotConfiguredError):
        side.responders_with_key.contacts()

    side.store_contacts(CONTACTS)
    with pytest.raises(errors.DesiredStateError, match="key"):
        side.responders_with_key.contacts()

    side.store_contacts(CONTACTS_WITH_KEY)
    found = side.responders_with_key.contacts()
    assert [each.email for each in found.team] == [each.email for each in TEAM]
    assert found.key == bytes.fromhex(KEY)
    assert side.responders.team() == found.team
    assert "person0" not in repr(found)


def test_calendar_is_open_or_closed_and_one_that_nobody_made_is_absent(side: Side) -> None:
    side.set_calendar("changes", "OPEN")
    side.set_calendar("freeze", "CLOSED")

    assert [side.calendars.state(each) for each in ("changes", "freeze")] == ["OPEN", "CLOSED"]
    with pytest.raises(errors.AbsentError):
        side.calendars.state("nowhere")


def test_unusable_contacts_are_named_by_field_and_not_repeated(side: Side) -> None:
    side.store_contacts([{**CONTACTS[0], "email": "person0 at example"}, CONTACTS[1]])

    with pytest.raises(errors.DesiredStateError, match=r"contacts\[0\]\.email") as error:
        side.responders.team()

    assert "person0" not in str(error.value)


def test_documents_are_read_back_and_absent_ones_are_none(side: Side) -> None:
    assert side.documents.read("runs/r/none.json") is None
    assert side.documents.read_text("runs/r/none.json") is None

    side.documents.write("runs/r/one.json", {"b": [1, "ä"], "a": None})
    side.documents.write_text("runs/r/report.txt", "text\n")

    assert side.documents.read("runs/r/one.json") == {"a": None, "b": [1, "ä"]}
    assert side.stored("runs/r/one.json") == '{"a":null,"b":[1,"ä"]}'
    assert side.documents.read_text("runs/r/one.json") == side.stored("runs/r/one.json")
    assert side.documents.read_text("runs/r/report.txt") == side.stored("runs/r/report.txt") == "text\n"


# Every call of every port, as a name, the operation behind it, and how to make it once the organization is signed up.
CALLS: list[tuple[str, str, Callable[[Side, str], object]]] = [
    ("organization", "organizations:DescribeOrganization", lambda side, _: side.accounts.organization()),
    ("trusted", "organizations:ListAWSServiceAccessForOrganization", lambda s, _: s.delegations.trusted_services()),
    ("delegated", "organizations:ListDelegatedAdministrators", lambda s, _: s.delegations.delegated_administrators()),
    ("root", "organizations:ListRoots", lambda side, _: side.units.root_id()),
    (
        "children",
        "organizations:ListOrganizationalUnitsForParent",
        lambda side, _: side.units.child_units(side.unit_id("Workloads")),
    ),
    (
        "unit",
        "organizations:DescribeOrganizationalUnit",
        lambda side, _: side.units.unit(side.unit_id("Workloads")),
    ),
    ("accounts", "organizations:ListAccounts", lambda side, _: side.accounts.account_page(None)),
    ("has_role", "iam:GetRole", lambda side, _: side.management.has_triage_role()),
    ("from_there", "security-ir:ListMemberships", lambda side, _: side.management.memberships(HOME)),
    ("enable", "organizations:EnableAWSServiceAccess", lambda side, _: side.management.enable_trusted_access()),
    ("role", "iam:CreateServiceLinkedRole", lambda side, _: side.management.create_triage_role()),
    (
        "register",
        "organizations:RegisterDelegatedAdministrator",
        lambda side, _: side.management.register_delegated_administrator(DESIGNATED),
    ),
    ("member_role", "iam:CreateServiceLinkedRole", lambda side, _: side.member_roles.create(DESIGNATED)),
    ("list", "security-ir:ListMemberships", lambda side, _: side.reader.memberships(HOME)),
    ("membership", "security-ir:GetMembership", lambda side, member: side.reader.membership(member)),
    ("tags", "security-ir:ListTagsForResource", lambda side, member: side.reader.tags(arn_of(member))),
    ("create", "security-ir:CreateMembership", lambda side, _: create(side)),
    (
        "name",
        "security-ir:UpdateMembership",
        lambda side, member: side.writer.set_settings(member, name="renamed", enable_triage=False),
    ),
    (
        "triage",
        "security-ir:UpdateMembership",
        lambda side, member: side.writer.set_settings(member, name=None, enable_triage=True),
    ),
    ("entire", "security-ir:UpdateMembership", lambda s, member: s.units_writer.cover_entire_organization(member)),
    (
        "add_units",
        "security-ir:UpdateMembership",
        lambda side, member: side.units_writer.add_units(member, [side.unit_id("Security")]),
    ),
    ("only_units", "security-ir:UpdateMembership", lambda s, member: s.narrowing.cover_only_units(member)),
    (
        "remove_units",
        "security-ir:UpdateMembership",
        lambda side, member: side.narrowing.remove_units(member, [side.unit_id("Security")]),
    ),
    ("triage_off", "security-ir:UpdateMembership", lambda s, member: s.triage_switch.disable_triage(member)),
    ("set_tags", "security-ir:TagResource", lambda side, member: side.writer.set_tags(arn_of(member), {"a": "b"})),
    ("team_in", "security-ir:GetMembership", lambda side, member: side.team.team_in(member)),
    ("replace_team", "security-ir:UpdateMembership", lambda side, member: side.team.replace_team(member, TEAM)),
    ("team", "ssm:GetParameter", lambda side, _: side.responders.team()),
    ("contacts", "ssm:GetParameter", lambda side, _: side.responders_with_key.contacts()),
    ("calendar", "ssm:GetCalendarState", lambda side, _: side.calendars.state("changes")),
    ("read", "s3:GetObject", lambda side, _: side.documents.read("runs/r/one.json")),
    ("read_text", "s3:GetObject", lambda side, _: side.documents.read_text("runs/r/one.json")),
    ("write", "s3:PutObject", lambda side, _: side.documents.write("runs/r/one.json", {})),
    ("write_text", "s3:PutObject", lambda side, _: side.documents.write_text("runs/r/one.txt", "text")),
]
MEANINGS = {
    "denied": errors.DeniedError,
    "throttled": errors.ThrottledError,
    "unavailable": errors.UnavailableError,
    "lost": errors.UnavailableError,
}


def arn_of(membership_id: str) -> str:
    return f"arn:aws:security-ir:{HOME}:{DESIGNATED}:membership/{membership_id}"


@pytest.fixture(scope="class", params=["fakes", "embedded"])
def settled(request: pytest.FixtureRequest) -> tuple[Side, str]:
    side = fresh_side(request)
    side.store_contacts(CONTACTS)
    return side, signed_up(side)


class TestFailures:
    """None of the calls takes effect, so all of them fail on one world."""

    @pytest.mark.parametrize("kind", MEANINGS)
    @pytest.mark.parametrize(("operation", "call"), [row[1:] for row in CALLS], ids=[row[0] for row in CALLS])
    def test_call_fails_under_the_name_of_what_happened(
        self, settled: tuple[Side, str], operation: str, call: Callable[[Side, str], object], kind: str
    ) -> None:
        side, membership_id = settled
        side.fail(operation, kind)

        with pytest.raises(MEANINGS[kind]):
            call(side, membership_id)

        side.recover()
        side.settle()


WHERE = DesiredStackSet()


def deploying(side: Side) -> str:
    """Let the StackSet deploy to everybody, and return the root."""
    register(side)
    root = side.units.root_id()
    side.stack_sets_writer.activate_access()
    side.stack_sets_writer.create(WHERE, ec2_triage=False, token="once")
    side.settle()
    side.stack_sets_writer.create_instances(WHERE, root, Accounts(), "first")
    return root


def test_stack_sets_may_not_work_until_they_are_let_in(side: Side) -> None:
    assert side.stack_sets.organizations_access() is False
    with pytest.raises(errors.RefusedError):
        side.stack_sets_writer.create(WHERE, ec2_triage=False, token="once")
    side.stack_sets_writer.activate_access()
    side.settle()
    assert side.stack_sets.organizations_access() is True


def test_stack_set_that_nobody_made_is_absent(side: Side) -> None:
    assert side.stack_sets.stack_set(WHERE) is None
    assert side.stack_sets.names(WHERE.region) == frozenset()


def test_stack_set_is_created_once_a_token_and_deploys_nothing(side: Side) -> None:
    side.stack_sets_writer.activate_access()
    for _ in range(2):
        side.stack_sets_writer.create(WHERE, ec2_triage=False, token="once")
    with pytest.raises(errors.AlreadyThereError):
        side.stack_sets_writer.create(WHERE, ec2_triage=False, token="another")

    found = side.stack_sets.stack_set(WHERE)

    assert found is not None
    assert (found.is_service_managed, found.auto_deployment, found.targets) == (True, True, frozenset())
    assert (found.can_switch_ec2_triage, found.has_ec2_triage) == (True, False)
    assert side.stack_sets.names(WHERE.region) == {WHERE.name}
    assert (side.stack_sets.instances(WHERE), side.stack_sets.operations(WHERE)) == ((), ())


def test_instances_are_deployed_by_an_operation_that_others_wait_for(side: Side) -> None:
    root = deploying(side)

    (operation,) = side.stack_sets.operations(WHERE)
    assert (operation.id, operation.action, operation.is_going_on) == ("first", "CREATE", True)
    with pytest.raises(errors.NotYetConsistentError):
        side.stack_sets_writer.create_instances(WHERE, root, Accounts(), "second")
    side.settle()

    (operation,) = side.stack_sets.operations(WHERE)
    assert operation.is_going_on is False
    with pytest.raises(errors.AlreadyThereError):
        side.stack_sets_writer.create_instances(WHERE, root, Accounts(), "first")
    active = {account.id for account in every_account(side).values() if account.state is AccountState.ACTIVE}
    instances = side.stack_sets.instances(WHERE)
    assert {each.account_id for each in instances if each.status == "CURRENT"} == active - {MANAGEMENT}
    found = side.stack_sets.stack_set(WHERE)
    assert found is not None
    assert found.targets == {root}


def test_accounts_are_left_out_or_chosen(side: Side) -> None:
    root = deploying(side)
    side.settle()
    side.stack_sets_writer.update_instances(WHERE, root, Accounts(only=(OTHER,)), "again")
    side.settle()

    operations = side.stack_sets.operations(WHERE)
    assert [(each.id, each.action) for each in operations] == [("again", "UPDATE"), ("first", "CREATE")]


def test_altered_roles_are_read_with_their_policies_and_written_anew(side: Side) -> None:
    root = deploying(side)
    side.settle()
    side.deploy_reader(OTHER)

    def defects() -> list[DefectKind]:
        found = side.containment_roles.roles([OTHER])[OTHER]
        assert isinstance(found, Known)
        examined = examine(OTHER, found.value, read_pinned_roles(OTHER, ec2_triage=False))
        assert isinstance(examined, Known)
        return [each.kind for each in examined.value]

    assert defects() == []
    side.alter_trust(OTHER)
    assert defects() == [DefectKind.EXTERNAL_ID_MISSING]
    side.stack_sets_writer.update_instances(WHERE, root, Accounts(only=(OTHER,)), "again", repair="first")
    side.settle()
    assert defects() == []


def test_drift_is_looked_for_by_an_operation_that_changes_no_instance(side: Side) -> None:
    root = deploying(side)
    side.settle()
    before = side.stack_sets.instances(WHERE)

    side.stack_sets.detect_drift(WHERE)

    (detection, _) = side.stack_sets.operations(WHERE)
    assert (detection.action, detection.is_going_on, detection.changes_instances) == ("DETECT_DRIFT", True, False)
    with pytest.raises(errors.NotYetConsistentError):
        side.stack_sets.detect_drift(WHERE)
    with pytest.raises(errors.NotYetConsistentError):
        side.stack_sets_writer.create_instances(WHERE, root, Accounts(), "second")
    side.settle()
    after = side.stack_sets.instances(WHERE)
    stacks = {each.account_id: (each.stack_id, each.status, each.detailed) for each in after}
    assert stacks == {each.account_id: (each.stack_id, each.status, each.detailed) for each in before}
    assert None not in {each.stack_id for each in after if each.status == "CURRENT"}
    found = side.stack_sets.stack_set(WHERE)
    assert found is not None
    assert found.drift_checked_at is not None
    # Those of suspended accounts, where there are any, and of nobody else.
    assert set(side.stack_sets.unusual_instances(WHERE)) == {each for each in after if each.is_unusual}
    assert OTHER not in {each.account_id for each in after if each.is_unusual}


def test_switch_is_turned_on_and_the_template_stays(side: Side) -> None:
    deploying(side)
    side.settle()
    before = side.stack_sets.stack_set(WHERE)
    assert before is not None

    side.stack_sets_writer.update(WHERE, UpdateStackSet(before, auto_deployment=False, ec2_triage=True), "switch")
    side.settle()

    after = side.stack_sets.stack_set(WHERE)
    assert after is not None
    assert (after.has_ec2_triage, after.auto_deployment, after.template) == (True, True, before.template)


def test_operation_on_a_stack_set_that_is_gone_is_absent(side: Side) -> None:
    side.stack_sets_writer.activate_access()
    with pytest.raises(errors.AbsentError):
        side.stack_sets_writer.create_instances(WHERE, "r-none", Accounts(), "first")


@pytest.mark.parametrize("operation", ["DescribeOrganizationsAccess", "DescribeStackSet", "ListStackSets"])
@pytest.mark.parametrize("kind", ["denied", "throttled", "unavailable"])
def test_failed_read_of_stack_sets_is_an_error(side: Side, operation: str, kind: str) -> None:
    side.fail(f"cloudformation:{operation}", kind)
    reads: dict[str, Callable[[], object]] = {
        "DescribeOrganizationsAccess": side.stack_sets.organizations_access,
        "DescribeStackSet": lambda: side.stack_sets.stack_set(WHERE),
        "ListStackSets": lambda: side.stack_sets.names(WHERE.region),
    }
    expected = {
        "denied": errors.DeniedError, "throttled": errors.ThrottledError, "unavailable": errors.UnavailableError
    }[kind]  # fmt: skip
    with pytest.raises(expected):
        reads[operation]()


def test_containment_roles_are_seen_where_a_reader_is(side: Side) -> None:
    side.deploy_reader(OTHER)

    assert side.containment_roles.reaches_members is True
    found = side.containment_roles.roles([OTHER, MANAGEMENT, ANOTHER])
    assert (found[OTHER], found[MANAGEMENT]) == (Known({}), Known({}))
    assert isinstance(found[ANOTHER], Unknown)
