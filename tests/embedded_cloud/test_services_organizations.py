from datetime import timedelta
from typing import Any

import pytest

from tests.embedded_cloud.small_world import (
    FOREIGN,
    LEDGER,
    LOG_ARCHIVE,
    LONE,
    MANAGEMENT,
    NOW,
    PENDING,
    PRINCIPAL,
    PROD,
    SANDBOX,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SUSPENDED,
    WORKLOADS,
    SmallWorld,
    refusal,
    refused,
)

REGISTRATION = {"AccountId": SECURITY_TOOLING, "ServicePrincipal": PRINCIPAL}


def root_id(cloud: SmallWorld) -> str:
    return cloud.world.organization.root.id


def account(cloud: SmallWorld, account_id: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.organizations().describe_account(AccountId=account_id)["Account"]
    return found


def test_an_account_carries_its_path_and_its_state(cloud: SmallWorld) -> None:
    root = root_id(cloud)
    assert account(cloud, SUSPENDED) == {
        "Id": SUSPENDED,
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-smallworld1/{SUSPENDED}",
        "Email": f"aws-{SUSPENDED}@example.com",
        "Name": "Old",
        "Status": "SUSPENDED",
        "State": "SUSPENDED",
        "Paths": [f"o-smallworld1/{root}/{WORKLOADS}/{PROD}/{SUSPENDED}/"],
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": account(cloud, SHOP)["JoinedTimestamp"],
    }
    assert account(cloud, LONE)["Paths"] == [f"o-smallworld1/{root}/{LONE}/"]
    assert account(cloud, MANAGEMENT)["Paths"] == [f"o-smallworld1/{root}/{MANAGEMENT}/"]
    assert account(cloud, PENDING)["State"] == "PENDING_ACTIVATION"


def test_the_field_status_may_have_been_retired(cloud: SmallWorld) -> None:
    cloud.flip("account_status", "retired")
    found = account(cloud, SHOP)
    assert ("Status" in found, found["State"]) == (False, "ACTIVE")


def test_accounts_are_listed_by_twenty_even_when_all_joined_in_one_second(cloud: SmallWorld) -> None:
    organizations = cloud.organizations()
    for number in range(41 - 10):
        organizations.create_account(Email=f"more-{number}@example.com", AccountName=f"More {number}")
    pages = [page["Accounts"] for page in organizations.get_paginator("list_accounts").paginate()]
    ids = [found["Id"] for page in pages for found in page]
    assert [len(page) for page in pages] == [20, 20, 1]
    assert sorted(ids) == sorted(set(cloud.world.tree.account_ids()))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"MaxResults": 21}, "MAX_VALUE_EXCEEDED"),
        ({"MaxResults": 0}, "MIN_VALUE_EXCEEDED"),
        ({"NextToken": "zzz"}, "INVALID_NEXT_TOKEN"),
    ],
)
def test_a_page_that_cannot_be_is_refused(cloud: SmallWorld, request_: dict[str, Any], reason: str) -> None:
    found = refusal(cloud.organizations().list_accounts, **request_)
    assert (found["code"], found["Reason"]) == ("InvalidInputException", reason)


def test_lists_that_moto_never_pages_come_by_twenty(cloud: SmallWorld) -> None:
    organizations = cloud.organizations()
    for number in range(21):
        organizations.create_organizational_unit(ParentId=SANDBOX, Name=f"Unit {number}")
    children = {"ParentId": SANDBOX, "ChildType": "ORGANIZATIONAL_UNIT"}
    first = organizations.list_children(**children)
    rest = organizations.list_children(**children, NextToken=first["NextToken"])
    assert (len(first["Children"]), len(rest["Children"]), rest.get("NextToken")) == (20, 1, None)
    assert organizations.list_parents(ChildId=SHOP)["Parents"] == [{"Id": PROD, "Type": "ORGANIZATIONAL_UNIT"}]


def test_units_carry_their_path_wherever_they_are_read(cloud: SmallWorld) -> None:
    path = f"o-smallworld1/{root_id(cloud)}/{WORKLOADS}/{PROD}/"
    organizations = cloud.organizations()
    described = organizations.describe_organizational_unit(OrganizationalUnitId=PROD)["OrganizationalUnit"]
    (listed,) = organizations.list_organizational_units_for_parent(ParentId=WORKLOADS)["OrganizationalUnits"]
    created = organizations.create_organizational_unit(ParentId=PROD, Name="Below")["OrganizationalUnit"]
    assert (described["Path"], listed["Path"]) == (path, path)
    assert created["Path"] == f"{path}{created['Id']}/"


def test_policies_of_the_file_are_attached_beside_the_default(cloud: SmallWorld) -> None:
    found = cloud.organizations().list_policies_for_target(TargetId=SANDBOX, Filter="SERVICE_CONTROL_POLICY")
    assert [policy["Name"] for policy in found["Policies"]] == ["FullAWSAccess", "KeepTheTrail"]


@pytest.mark.parametrize("reader", [LOG_ARCHIVE, FOREIGN])
def test_others_read_nothing(cloud: SmallWorld, reader: str) -> None:
    code = refused(cloud.organizations(reader).list_accounts)[0]
    assert code == ("AWSOrganizationsNotInUseException" if reader == FOREIGN else "AccessDeniedException")


def test_every_member_may_describe_its_organization(cloud: SmallWorld) -> None:
    found = cloud.organizations(SHOP).describe_organization()["Organization"]
    assert (found["Id"], found["MasterAccountId"], found["FeatureSet"]) == ("o-smallworld1", MANAGEMENT, "ALL")


def test_a_delegated_administrator_of_any_service_reads_and_writes_nothing(cloud: SmallWorld) -> None:
    cloud.organizations().register_delegated_administrator(
        AccountId=LOG_ARCHIVE, ServicePrincipal="guardduty.amazonaws.com"
    )
    administrator = cloud.organizations(LOG_ARCHIVE)
    assert len(administrator.list_accounts()["Accounts"]) == 10
    assert len(administrator.list_roots()["Roots"]) == 1
    move = {"AccountId": SHOP, "SourceParentId": PROD, "DestinationParentId": SANDBOX}
    assert refused(administrator.move_account, **move)[0] == "AccessDeniedException"
    access = {"ServicePrincipal": PRINCIPAL}
    assert refused(administrator.enable_aws_service_access, **access)[0] == "AccessDeniedException"


def test_trusted_access_is_enabled_once_and_disabled(cloud: SmallWorld) -> None:
    organizations = cloud.organizations()
    cloud.enable()
    cloud.enable()
    (entry,) = organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
    assert entry["ServicePrincipal"] == PRINCIPAL
    organizations.disable_aws_service_access(ServicePrincipal=PRINCIPAL)
    assert organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"] == []


def test_registering_before_enabling_is_refused_or_accepted(cloud: SmallWorld) -> None:
    register = cloud.organizations().register_delegated_administrator
    found = refusal(register, **REGISTRATION)
    assert (found["code"], found["Reason"]) == ("ConstraintViolationException", "SERVICE_ACCESS_NOT_ENABLED")

    cloud.flip("register_before_enable", "accepted")

    register(**REGISTRATION)


def test_a_registered_administrator_is_listed_with_the_date_of_the_worlds_clock(cloud: SmallWorld) -> None:
    cloud.advance(minutes=7)
    cloud.prepare()
    organizations = cloud.organizations()
    (found,) = organizations.list_delegated_administrators(ServicePrincipal=PRINCIPAL)["DelegatedAdministrators"]
    (service,) = organizations.list_delegated_services_for_account(AccountId=SECURITY_TOOLING)["DelegatedServices"]
    moment = NOW + timedelta(minutes=7)
    assert (found["Id"], found["DelegationEnabledDate"], "Paths" in found) == (SECURITY_TOOLING, moment, False)
    assert (service["ServicePrincipal"], service["DelegationEnabledDate"]) == (PRINCIPAL, moment)


def test_registering_the_same_account_again_is_refused(cloud: SmallWorld) -> None:
    cloud.prepare()
    register = cloud.organizations().register_delegated_administrator
    assert refused(register, **REGISTRATION)[0] == "AccountAlreadyRegisteredException"


@pytest.mark.parametrize(
    "reason",
    ["MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED", "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"],
)
def test_a_second_administrator_is_refused(cloud: SmallWorld, reason: str) -> None:
    cloud.flip("second_delegated_administrator", reason)
    cloud.prepare()
    found = refusal(
        cloud.organizations().register_delegated_administrator, **(REGISTRATION | {"AccountId": LOG_ARCHIVE})
    )
    assert (found["code"], found["Reason"]) == ("ConstraintViolationException", reason)


@pytest.mark.parametrize(
    ("candidate", "code", "reason"),
    [
        (MANAGEMENT, "ConstraintViolationException", "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"),
        (SUSPENDED, "ConstraintViolationException", "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"),
        (FOREIGN, "AccountNotFoundException", None),
    ],
)
def test_an_account_that_cannot_be_administrator_is_refused(
    cloud: SmallWorld, candidate: str, code: str, reason: str | None
) -> None:
    cloud.enable()
    found = refusal(cloud.organizations().register_delegated_administrator, **(REGISTRATION | {"AccountId": candidate}))
    assert (found["code"], found.get("Reason")) == (code, reason)


def test_an_unknown_service_principal_is_refused(cloud: SmallWorld) -> None:
    call = cloud.organizations().enable_aws_service_access
    assert refused(call, ServicePrincipal="no-such-service.amazonaws.com")[0] == "InvalidInputException"


@pytest.mark.parametrize(
    ("source", "destination", "code"),
    [
        (SANDBOX, SECURITY, "SourceParentNotFoundException"),
        (PROD, "ou-abcd-nowhere00", "DestinationParentNotFoundException"),
        (PROD, PROD, "DuplicateAccountException"),
    ],
)
def test_a_move_that_cannot_be_is_refused(cloud: SmallWorld, source: str, destination: str, code: str) -> None:
    move = {"AccountId": SHOP, "SourceParentId": source, "DestinationParentId": destination}
    assert refused(cloud.organizations().move_account, **move)[0] == code


def test_a_move_changes_the_path(cloud: SmallWorld) -> None:
    cloud.organizations().move_account(AccountId=SHOP, SourceParentId=PROD, DestinationParentId=SANDBOX)
    assert account(cloud, SHOP)["Paths"] == [f"o-smallworld1/{root_id(cloud)}/{SANDBOX}/{SHOP}/"]


def test_closing_an_account_takes_two_steps(cloud: SmallWorld) -> None:
    close = cloud.organizations().close_account
    close(AccountId=SHOP)
    assert account(cloud, SHOP)["State"] == "PENDING_CLOSURE"
    assert refused(close, AccountId=SHOP)[0] == "ConflictException"
    cloud.organizations().move_account(AccountId=SHOP, SourceParentId=PROD, DestinationParentId=SANDBOX)
    assert account(cloud, SHOP)["State"] == "PENDING_CLOSURE"

    cloud.advance(minutes=2)

    assert account(cloud, SHOP)["State"] == "CLOSED"
    assert refused(close, AccountId=SHOP)[0] == "AccountAlreadyClosedException"


def test_the_management_account_cannot_be_closed(cloud: SmallWorld) -> None:
    found = refusal(cloud.organizations().close_account, AccountId=MANAGEMENT)
    assert (found["code"], found["Reason"]) == ("ConstraintViolationException", "CANNOT_CLOSE_MANAGEMENT_ACCOUNT")


def test_a_created_account_joins_under_the_root_by_the_worlds_clock(cloud: SmallWorld) -> None:
    cloud.advance(minutes=30)
    made = cloud.organizations().create_account(Email="new@example.com", AccountName="New")["CreateAccountStatus"]
    found = account(cloud, made["AccountId"])
    assert (found["State"], found["JoinedTimestamp"]) == ("ACTIVE", NOW + timedelta(minutes=30))
    assert found["Paths"] == [f"o-smallworld1/{root_id(cloud)}/{made['AccountId']}/"]


def test_an_account_that_leaves_is_gone(cloud: SmallWorld) -> None:
    organizations = cloud.organizations()
    organizations.remove_account_from_organization(AccountId=LEDGER)
    assert refused(organizations.describe_account, AccountId=LEDGER)[0] == "AccountNotFoundException"
    assert refused(cloud.organizations(LEDGER).describe_organization)[0] == "AWSOrganizationsNotInUseException"


def test_a_delegated_administrator_and_the_management_account_cannot_leave(cloud: SmallWorld) -> None:
    cloud.prepare()
    remove = cloud.organizations().remove_account_from_organization
    found = refusal(remove, AccountId=SECURITY_TOOLING)
    assert found["Reason"] == "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"
    assert refused(remove, AccountId=MANAGEMENT)[0] == "MasterCannotLeaveOrganizationException"


def test_units_are_unique_below_a_parent_nest_five_deep_and_go_only_when_empty(cloud: SmallWorld) -> None:
    organizations = cloud.organizations()
    create = organizations.create_organizational_unit
    assert refused(create, ParentId=WORKLOADS, Name="Prod")[0] == "DuplicateOrganizationalUnitException"
    parent = create(ParentId=SANDBOX, Name="Prod")["OrganizationalUnit"]["Id"]
    for depth in (3, 4, 5):
        parent = create(ParentId=parent, Name=f"Level {depth}")["OrganizationalUnit"]["Id"]
    found = refusal(create, ParentId=parent, Name="Level 6")
    assert (found["code"], found["Reason"]) == ("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED")
    delete = organizations.delete_organizational_unit
    assert refused(delete, OrganizationalUnitId=PROD)[0] == "OrganizationalUnitNotEmptyException"
    delete(OrganizationalUnitId=parent)
    assert (
        refused(organizations.describe_organizational_unit, OrganizationalUnitId=parent)[0]
        == "OrganizationalUnitNotFoundException"
    )


@pytest.mark.parametrize(
    ("operation", "request_", "burst", "refill"),
    [
        ("describe_organization", {}, 2, 1),
        ("list_accounts", {}, 12, 8),
        ("describe_organizational_unit", {"OrganizationalUnitId": PROD}, 2, 2),
        ("list_aws_service_access_for_organization", {}, 3, 1),
    ],
)
def test_calls_are_throttled_at_the_published_rates_for_each_account(
    cloud: SmallWorld, operation: str, request_: dict[str, str], burst: int, refill: int
) -> None:
    cloud.world.throttles.enabled = True
    call = getattr(cloud.organizations(), operation)
    for _ in range(burst):
        call(**request_)
    assert refused(call, **request_)[0] == "TooManyRequestsException"
    cloud.organizations(SHOP).describe_organization()

    cloud.advance(seconds=1)

    for _ in range(refill):
        call(**request_)
    assert refused(call, **request_)[0] == "TooManyRequestsException"


def test_the_state_of_an_account_outside_the_organization_cannot_be_changed(cloud: SmallWorld) -> None:
    with pytest.raises(KeyError, match=f"{FOREIGN} is no account of o-smallworld1"):
        cloud.world.tree.change_state(FOREIGN, "ACTIVE")
    assert cloud.world.tree.account_path(FOREIGN) is None
