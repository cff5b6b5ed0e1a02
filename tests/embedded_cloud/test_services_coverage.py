import pytest

from tests.embedded_cloud.small_world import (
    FOREIGN,
    LEDGER,
    LONE,
    MANAGEMENT,
    PENDING,
    PRINCIPAL,
    PROD,
    SANDBOX,
    SANDBOX_ACCOUNT,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SUSPENDED,
    TEMPLATES,
    TRIAGE_PRINCIPAL,
    TRIAGE_ROLE,
    WORKLOADS,
    SmallWorld,
)


@pytest.fixture
def membership_id(cloud: SmallWorld) -> str:
    """A membership over the unit Workloads, with what was asked for arrived."""
    cloud.prepare()
    made = cloud.sign_up()
    cloud.update_scope(made, organizationalUnitsToAdd=[WORKLOADS])
    cloud.advance(minutes=5)
    return made


def covered(cloud: SmallWorld, membership_id: str) -> int:
    count: int = cloud.security_ir().get_membership(membershipId=membership_id)["numberOfAccountsCovered"]
    return count


def test_a_unit_covers_its_active_accounts_and_those_of_the_units_below(cloud: SmallWorld, membership_id: str) -> None:
    everyone = (MANAGEMENT, LONE, SECURITY_TOOLING, TEMPLATES, SHOP, LEDGER, SUSPENDED, PENDING, FOREIGN)
    assert cloud.associations(membership_id, *everyone) == {
        MANAGEMENT: "Disassociated",
        LONE: "Disassociated",
        SECURITY_TOOLING: "Disassociated",
        TEMPLATES: "Associated",
        SHOP: "Associated",
        LEDGER: "Associated",
        SUSPENDED: "Disassociated",
        PENDING: "Disassociated",
        FOREIGN: "Unassociated",
    }


def test_the_number_of_covered_accounts_agrees_with_the_details(cloud: SmallWorld, membership_id: str) -> None:
    everyone = [account.id for account in cloud.world.organization.accounts()]
    found = cloud.associations(membership_id, *everyone)
    assert covered(cloud, membership_id) == list(found.values()).count("Associated") == 3


def test_an_account_outside_the_organization_is_unrelated(cloud: SmallWorld, membership_id: str) -> None:
    found = cloud.security_ir().batch_get_member_account_details(membershipId=membership_id, accountIds=[FOREIGN, SHOP])
    assert {item["accountId"]: item["relationshipType"] for item in found["items"]} == {
        FOREIGN: "Unrelated",
        SHOP: "Organization",
    }


def test_the_word_for_not_associated_is_a_switch(cloud: SmallWorld, membership_id: str) -> None:
    cloud.flip("not_associated_word", "Unassociated")
    assert cloud.association(membership_id, LONE) == "Unassociated"


def test_a_new_scope_takes_minutes_to_arrive(cloud: SmallWorld, membership_id: str) -> None:
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[SECURITY])
    assert cloud.association(membership_id, SECURITY_TOOLING) == "Disassociated"
    cloud.advance(minutes=2)
    assert cloud.association(membership_id, SECURITY_TOOLING) == "Disassociated"
    cloud.advance(minutes=1)
    assert cloud.association(membership_id, SECURITY_TOOLING) == "Associated"


def test_a_unit_that_is_removed_leaves_coverage(cloud: SmallWorld, membership_id: str) -> None:
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[SANDBOX])
    cloud.advance(minutes=5)
    cloud.update_scope(membership_id, organizationalUnitsToRemove=[SANDBOX])
    assert cloud.association(membership_id, SANDBOX_ACCOUNT) == "Disassociated"


def test_an_account_that_is_moved_out_leaves_coverage(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().move_account(AccountId=SHOP, SourceParentId=PROD, DestinationParentId=SANDBOX)
    assert cloud.association(membership_id, SHOP) == "Disassociated"
    assert covered(cloud, membership_id) == 2


def test_an_account_that_is_moved_in_is_covered_after_a_while(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().move_account(AccountId=SANDBOX_ACCOUNT, SourceParentId=SANDBOX, DestinationParentId=PROD)
    assert cloud.association(membership_id, SANDBOX_ACCOUNT) == "Disassociated"
    cloud.advance(minutes=3)
    assert cloud.association(membership_id, SANDBOX_ACCOUNT) == "Associated"


def test_an_account_that_is_moved_between_covered_units_stays_covered(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().move_account(AccountId=SHOP, SourceParentId=PROD, DestinationParentId=WORKLOADS)
    assert cloud.association(membership_id, SHOP) == "Associated"


def test_an_account_that_joins_is_covered_after_a_while(cloud: SmallWorld, membership_id: str) -> None:
    organizations = cloud.organizations()
    status = organizations.create_account(Email="new@example.com", AccountName="New shop")["CreateAccountStatus"]
    organizations.move_account(
        AccountId=status["AccountId"],
        SourceParentId=organizations.list_roots()["Roots"][0]["Id"],
        DestinationParentId=PROD,
    )
    assert cloud.association(membership_id, status["AccountId"]) == "Disassociated"
    cloud.advance(minutes=3)
    assert cloud.association(membership_id, status["AccountId"]) == "Associated"


def test_an_account_that_is_activated_is_covered_after_a_while(cloud: SmallWorld, membership_id: str) -> None:
    cloud.world.tree.change_state(PENDING, "ACTIVE")
    assert cloud.association(membership_id, PENDING) == "Disassociated"
    cloud.advance(minutes=3)
    assert cloud.association(membership_id, PENDING) == "Associated"


def test_an_account_that_is_closed_leaves_coverage(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().close_account(AccountId=SHOP)
    assert cloud.association(membership_id, SHOP) == "Disassociated"


def test_an_account_that_leaves_the_organization_becomes_unrelated(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().remove_account_from_organization(AccountId=SHOP)
    (item,) = cloud.security_ir().batch_get_member_account_details(membershipId=membership_id, accountIds=[SHOP])[
        "items"
    ]
    assert item["relationshipType"] == "Unrelated"


def test_the_entire_organization_includes_accounts_directly_under_the_root(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=3)
    assert cloud.associations(membership_id, LONE, SECURITY_TOOLING, SANDBOX_ACCOUNT) == {
        LONE: "Associated",
        SECURITY_TOOLING: "Associated",
        SANDBOX_ACCOUNT: "Associated",
    }


@pytest.mark.parametrize(("value", "association"), [("associated", "Associated"), ("not_associated", "Disassociated")])
def test_the_management_account_with_its_role_is_associated_or_never(
    cloud: SmallWorld, value: str, association: str
) -> None:
    cloud.flip("management_account_association", value)
    cloud.prepare()
    cloud.iam(MANAGEMENT).create_service_linked_role(AWSServiceName=TRIAGE_PRINCIPAL)
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=3)
    assert cloud.association(membership_id, MANAGEMENT) == association


def test_the_service_makes_no_triage_role_in_the_management_account(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=30)
    assert cloud.association(membership_id, MANAGEMENT) == "Disassociated"
    assert not cloud.has_triage_role(MANAGEMENT)


def test_the_service_makes_the_triage_role_in_a_covered_member_after_a_while(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up(coverEntireOrganization=True)
    assert not cloud.has_triage_role(SHOP)
    cloud.advance(minutes=1)
    assert cloud.has_triage_role(SHOP)


def test_the_service_makes_no_role_where_nothing_is_covered(cloud: SmallWorld, membership_id: str) -> None:
    assert membership_id
    assert [cloud.has_triage_role(account) for account in (SHOP, LONE, SUSPENDED)] == [True, False, False]


def test_when_nobody_makes_the_role_an_account_is_associated_once_somebody_does(cloud: SmallWorld) -> None:
    cloud.flip("triage_role_creator", "nobody")
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=30)
    assert cloud.association(membership_id, SHOP) == "Disassociated"

    cloud.iam(SHOP).create_service_linked_role(AWSServiceName=TRIAGE_PRINCIPAL)

    assert cloud.associations(membership_id, SHOP, LEDGER) == {SHOP: "Associated", LEDGER: "Disassociated"}


def test_a_triage_role_that_somebody_deletes_is_not_made_again(cloud: SmallWorld, membership_id: str) -> None:
    cloud.iam(SHOP).delete_role(RoleName=TRIAGE_ROLE)
    cloud.advance(minutes=30)
    assert cloud.association(membership_id, SHOP) == "Disassociated"


def test_without_trusted_access_the_service_makes_no_more_roles(cloud: SmallWorld, membership_id: str) -> None:
    cloud.organizations().disable_aws_service_access(ServicePrincipal=PRINCIPAL)
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[SANDBOX])
    cloud.advance(minutes=30)
    assert cloud.associations(membership_id, SHOP, SANDBOX_ACCOUNT) == {
        SHOP: "Associated",
        SANDBOX_ACCOUNT: "Disassociated",
    }
