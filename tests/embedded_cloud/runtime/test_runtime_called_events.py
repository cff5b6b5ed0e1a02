import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from muster_local.event_traffic import Disturbance
from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, PRINCIPAL, REGION, Driver
from tests.embedded_cloud.runtime.event_driver import AT_HOME, AT_MANAGEMENT, VIRGINIA, bodies, listen

LOG_ARCHIVE = "333333333333"
TEAM = [
    {"name": f"{name} Example", "jobTitle": "Engineer", "email": f"{name}@example.com"} for name in ("ada", "grace")
]
BY_CALL, BY_SERVICE = "AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"


def organizations(driver: Driver) -> Any:
    return driver.cloud.client("organizations", MANAGEMENT)


def unit(driver: Driver) -> tuple[str, str]:
    root = organizations(driver).list_roots()["Roots"][0]["Id"]
    units = organizations(driver).list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    return root, units[0]["Id"]


def sign_up(driver: Driver) -> str:
    driver.let_the_application_read_the_organization()
    made = driver.cloud.client("security-ir").create_membership(membershipName="one", incidentResponseTeam=TEAM)
    return str(made["membershipId"])


def test_a_change_of_the_organization_is_told_in_virginia_as_cloudtrail_records_it(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    root, security = unit(driver)
    organizations(driver).move_account(AccountId=LOG_ARCHIVE, SourceParentId=security, DestinationParentId=root)
    (event,) = bodies(driver, heard)
    assert {name: event[name] for name in ("source", "detail-type", "account", "region", "resources")} == {
        "source": "aws.organizations",
        "detail-type": BY_CALL,
        "account": MANAGEMENT,
        "region": VIRGINIA,
        "resources": [],
    }
    detail = event["detail"]
    assert detail["requestParameters"] == {
        "accountId": LOG_ARCHIVE,
        "sourceParentId": security,
        "destinationParentId": root,
    }
    assert detail["responseElements"] is None
    assert "errorCode" not in detail
    assert (detail["eventSource"], detail["eventName"]) == ("organizations.amazonaws.com", "MoveAccount")
    assert (detail["eventType"], detail["userIdentity"]["type"]) == ("AwsApiCall", "Root")


def test_a_new_unit_is_told_with_its_answer(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    root, _ = unit(driver)
    made = organizations(driver).create_organizational_unit(ParentId=root, Name="New")["OrganizationalUnit"]
    (event,) = bodies(driver, heard)
    assert event["detail"]["requestParameters"] == {"parentId": root, "name": "New"}
    assert event["detail"]["responseElements"]["organizationalUnit"]["id"] == made["Id"]


def test_a_call_that_fails_is_told_with_its_error_and_no_answer(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    with pytest.raises(ClientError):
        organizations(driver).close_account(AccountId=MANAGEMENT)
    (event,) = bodies(driver, heard)
    assert event["detail"]["errorCode"] == "ConstraintViolationException"
    assert event["detail"]["responseElements"] is None


def test_reads_are_not_told(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    organizations(driver).describe_organization()
    assert bodies(driver, heard) == []


def test_a_created_account_is_told_as_call_as_result_and_as_having_joined(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    organizations(driver).create_account(AccountName="Shop", Email="shop@example.com")
    call, result, joined = bodies(driver, heard)
    assert [one["detail-type"] for one in (call, result, joined)] == [BY_CALL, BY_SERVICE, BY_SERVICE]
    assert call["detail"]["requestParameters"] == dict.fromkeys(
        ("email", "accountName"), "HIDDEN_DUE_TO_SECURITY_REASONS"
    )
    status = call["detail"]["responseElements"]["createAccountStatus"]
    assert status["state"] == "IN_PROGRESS"
    assert "accountId" not in status
    done = result["detail"]["serviceEventDetails"]["createAccountStatus"]
    assert (result["detail"]["eventName"], done["state"], done["id"]) == (
        "CreateAccountResult",
        "SUCCEEDED",
        status["id"],
    )
    assert joined["detail"]["eventName"] == "AccountJoinedOrganization"
    assert joined["detail"]["serviceEventDetails"]["accountId"] == done["accountId"]
    assert joined["detail"]["userIdentity"] == {"accountId": MANAGEMENT, "invokedBy": "organizations.amazonaws.com"}
    assert "shop@example.com" not in json.dumps([call, result, joined])


def test_closing_and_removing_an_account_have_their_service_events(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    organizations(driver).remove_account_from_organization(AccountId=LOG_ARCHIVE)
    organizations(driver).close_account(AccountId=APPLICATION)
    told = bodies(driver, heard)
    assert [one["detail"]["eventName"] for one in told] == [
        "RemoveAccountFromOrganization",
        "AccountDepartedOrganization",
        "CloseAccount",
        "CloseAccountResult",
    ]
    assert told[1]["detail"]["serviceEventDetails"]["departureMethod"] == "REMOVED"
    assert told[3]["detail"]["serviceEventDetails"]["closeAccountStatus"]["accountId"] == APPLICATION


@pytest.mark.parametrize(
    ("value", "names"),
    [("undelivered", 1), ("nowhere", 2), ("nested", 2)],
)
def test_what_aws_leaves_open_about_departures_is_a_switch(driver: Driver, value: str, names: int) -> None:
    driver.cloud.world.switches.set("joined_and_departed_events", value)
    heard = listen(driver, AT_MANAGEMENT)
    organizations(driver).remove_account_from_organization(AccountId=LOG_ARCHIVE)
    told = bodies(driver, heard)
    assert len(told) == names
    assert all("accountId" not in one["detail"].get("serviceEventDetails", {}) for one in told)


def test_without_a_trail_that_logs_no_call_is_told(driver: Driver) -> None:
    heard = listen(driver, AT_MANAGEMENT)
    driver.cloud.client("cloudtrail", MANAGEMENT, VIRGINIA).stop_logging(Name="organization-trail")
    organizations(driver).create_account(AccountName="Shop", Email="shop@example.com")
    assert bodies(driver, heard) == []
    driver.cloud.client("cloudtrail", MANAGEMENT, VIRGINIA).start_logging(Name="organization-trail")
    organizations(driver).enable_aws_service_access(ServicePrincipal=PRINCIPAL)
    (event,) = bodies(driver, heard)
    assert event["detail"]["requestParameters"] == {"servicePrincipal": PRINCIPAL}


def test_nothing_is_emitted_while_nobody_listens(driver: Driver) -> None:
    organizations(driver).enable_aws_service_access(ServicePrincipal=PRINCIPAL)
    assert driver.cloud.world.traffic.emitted == []


def test_a_change_of_a_role_is_told_in_virginia_of_its_own_account(driver: Driver) -> None:
    heard = listen(driver, (LOG_ARCHIVE, VIRGINIA))
    iam = driver.cloud.client("iam", LOG_ARCHIVE)
    trust = {"Version": "2012-10-17", "Statement": []}
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(trust))
    iam.delete_role(RoleName="one")
    with pytest.raises(ClientError):
        iam.delete_role(RoleName="one")
    created, deleted, failed = bodies(driver, heard)
    assert (created["source"], created["account"], created["region"]) == ("aws.iam", LOG_ARCHIVE, VIRGINIA)
    assert deleted["detail"]["requestParameters"] == {"roleName": "one"}
    assert [one["detail"].get("errorCode") for one in (created, deleted, failed)] == [None, None, "NoSuchEntity"]


def test_the_service_tells_of_a_membership_by_its_id_alone_and_cloudtrail_of_the_calls(driver: Driver) -> None:
    heard = listen(driver, AT_HOME, source=["aws.security-ir"])
    membership = sign_up(driver)
    service = driver.cloud.client("security-ir")
    service.update_membership(membershipId=membership, membershipName="two")
    service.cancel_membership(membershipId=membership)
    told = bodies(driver, heard)
    own = [one for one in told if one["detail-type"] != BY_CALL]
    assert [one["detail-type"] for one in own] == ["Membership Created", "Membership Updated", "Membership Cancelled"]
    assert {json.dumps(one["detail"]) for one in own} == {json.dumps({"membershipId": membership})}
    assert own[0]["resources"] == [f"arn:aws:security-ir:{REGION}:{APPLICATION}:membership/{membership}"]
    calls = [one["detail"]["eventName"] for one in told if one["detail-type"] == BY_CALL]
    assert calls == ["CreateMembership", "UpdateMembership", "CancelMembership"]
    assert "@example.com" not in json.dumps(told)


def test_a_cancelled_membership_may_be_told_as_closed(driver: Driver) -> None:
    driver.cloud.world.switches.set("membership_end_event", "Membership Closed")
    heard = listen(driver, AT_HOME, **{"detail-type": [{"prefix": "Membership C"}]})
    driver.cloud.client("security-ir").cancel_membership(membershipId=sign_up(driver))
    assert [one["detail-type"] for one in bodies(driver, heard)] == ["Membership Created", "Membership Closed"]


def test_a_membership_that_ends_with_the_registration_is_told_as_terminated(driver: Driver) -> None:
    membership = sign_up(driver)
    heard = listen(driver, AT_HOME)
    organizations(driver).deregister_delegated_administrator(AccountId=APPLICATION, ServicePrincipal=PRINCIPAL)
    (event,) = bodies(driver, heard)
    assert (event["detail-type"], event["detail"]) == ("Membership Terminated", {"membershipId": membership})


# --- objects and parameters ---


def test_an_object_is_told_of_when_its_bucket_sends_events(driver: Driver) -> None:
    heard = listen(driver, AT_HOME)
    driver.put_desired_state()
    assert bodies(driver, heard) == []
    bucket = f"muster-{APPLICATION}-{REGION}"
    s3 = driver.cloud.client("s3")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    bodies(driver, heard)
    version = driver.put_desired_state()
    (event,) = [one for one in bodies(driver, heard) if one["detail"]["object"]["key"] == "desired-state.json"]
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["detail"]["bucket"] == {"name": bucket}
    assert event["detail"]["object"]["version-id"] == version
    assert event["detail"]["reason"] == "PutObject"


def test_a_parameter_is_told_of_without_its_value(driver: Driver) -> None:
    heard = listen(driver, AT_HOME)
    ssm = driver.cloud.client("ssm")
    ssm.put_parameter(Name="/muster/contacts", Type="SecureString", Value="secret")
    ssm.put_parameter(Name="/muster/contacts", Value="secrets", Overwrite=True)
    ssm.delete_parameter(Name="/muster/contacts")
    told = bodies(driver, heard)
    assert [one["detail"]["operation"] for one in told] == ["Create", "Update", "Delete"]
    assert told[0]["detail"] == {"name": "/muster/contacts", "type": "SecureString", "operation": "Create"}
    assert told[0]["resources"] == [f"arn:aws:ssm:{REGION}:{APPLICATION}:parameter/muster/contacts"]
    assert "secret" not in json.dumps(told).replace("SecureString", "")


# --- events that go astray ---


def names_after(driver: Driver, heard: str, disturbance: Disturbance) -> list[str]:
    """Return which parameters are told of, in that order, when twenty are put under a disturbance."""
    driver.cloud.world.traffic.disturb(disturbance)
    for number in range(20):
        driver.cloud.client("ssm").put_parameter(Name=f"/{number}", Type="String", Value="x", Overwrite=True)
    driver.cloud.world.clock.advance(disturbance.delay_s)
    driver.cloud.settle()
    return [one["detail"]["name"] for one in bodies(driver, heard)]


def test_events_are_lost_doubled_and_overtake_each_other_as_the_seed_says(driver: Driver) -> None:
    heard = listen(driver, AT_HOME)
    wish = Disturbance(lose=0.2, duplicate=0.2, delay_s=600, seed=7)
    first, second = names_after(driver, heard, wish), names_after(driver, heard, wish)
    assert first == second
    assert 0 < len(set(first)) < 20
    assert len(first) > len(set(first))
    assert first != sorted(first, key=lambda name: int(name[1:]))
    assert names_after(driver, heard, Disturbance(lose=1)) == []
    assert names_after(driver, heard, Disturbance()) == [f"/{number}" for number in range(20)]
