from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from muster_local import security_ir
from muster_local.security_ir import REGIONS
from tests.embedded_cloud.small_world import (
    FOREIGN,
    HOME,
    LEDGER,
    LOG_ARCHIVE,
    MANAGEMENT,
    NOW,
    PRINCIPAL,
    PROD,
    SANDBOX,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SUSPENDED,
    TEAM,
    WORKLOADS,
    SmallWorld,
    refusal,
    refused,
)

WISH: dict[str, Any] = {"membershipName": "small-world", "incidentResponseTeam": TEAM}
UNKNOWN_ID = "m-0000000000aa"


def responders(count: int) -> list[dict[str, str]]:
    return [
        {"name": f"Person {number}", "jobTitle": "Engineer", "email": f"person{number}@example.com"}
        for number in range(count)
    ]


def test_create_membership_makes_an_active_membership_of_the_caller_in_its_region(cloud: SmallWorld) -> None:
    cloud.prepare()

    membership_id = cloud.sign_up(optInFeatures=[{"featureName": "Triage", "isEnabled": True}])

    found = cloud.security_ir().get_membership(membershipId=membership_id)
    found.pop("ResponseMetadata")
    assert found == {
        "membershipId": membership_id,
        "accountId": SECURITY_TOOLING,
        "region": HOME,
        "membershipArn": f"arn:aws:security-ir:{HOME}:{SECURITY_TOOLING}:membership/{membership_id}",
        "membershipStatus": "Active",
        "membershipName": "small-world",
        "membershipActivationTimestamp": NOW,
        "customerType": "Organization",
        "numberOfAccountsCovered": 0,
        "incidentResponseTeam": TEAM,
        "optInFeatures": [{"featureName": "Triage", "isEnabled": True}],
        "membershipAccountsConfigurations": {"coverEntireOrganization": False, "organizationalUnits": []},
    }


def test_create_membership_creates_the_services_own_role_in_the_membership_account(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    role = cloud.iam(SECURITY_TOOLING).get_role(RoleName="AWSServiceRoleForSecurityIncidentResponse")["Role"]
    assert role["Path"] == f"/aws-service-role/{PRINCIPAL}/"


def test_the_management_account_may_own_the_membership_when_no_administrator_is_registered(cloud: SmallWorld) -> None:
    cloud.enable()
    membership_id = cloud.sign_up(MANAGEMENT)
    found = cloud.security_ir(MANAGEMENT).get_membership(membershipId=membership_id)
    assert found["accountId"] == MANAGEMENT


@pytest.mark.parametrize("account", [MANAGEMENT, LOG_ARCHIVE, FOREIGN])
def test_nobody_but_the_registered_administrator_may_create_a_membership(cloud: SmallWorld, account: str) -> None:
    cloud.prepare()
    assert refused(cloud.security_ir(account).create_membership, **WISH) == ("AccessDeniedException", 403)


def test_creating_a_membership_needs_trusted_access(cloud: SmallWorld) -> None:
    assert refused(cloud.security_ir(MANAGEMENT).create_membership, **WISH) == ("AccessDeniedException", 403)


def test_a_registration_may_take_seconds_until_the_service_sees_it(cloud: SmallWorld) -> None:
    cloud.flip("registration_consistency", "delayed")
    cloud.prepare()
    assert refused(cloud.security_ir().create_membership, **WISH) == ("AccessDeniedException", 403)

    cloud.advance(seconds=20)

    assert cloud.sign_up().startswith("m-")


@pytest.mark.parametrize(
    ("value", "status"),
    [("ConflictException", 409), ("ValidationException", 400), ("ServiceQuotaExceededException", 402)],
)
def test_a_second_membership_is_refused_in_every_region(cloud: SmallWorld, value: str, status: int) -> None:
    cloud.prepare()
    cloud.sign_up()
    cloud.flip("second_membership", value)
    for region in (HOME, "us-east-1"):
        assert refused(cloud.security_ir(region=region).create_membership, **WISH) == (value, status)


def test_a_conflict_names_the_resource(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    found = refusal(cloud.security_ir().create_membership, **WISH)
    assert (found["resourceId"], found["resourceType"]) == (membership_id, "membership")


def test_the_same_client_token_and_parameters_give_the_same_membership(cloud: SmallWorld) -> None:
    cloud.prepare()
    first = cloud.sign_up(clientToken="token-1")
    assert cloud.sign_up(clientToken="token-1") == first


def test_the_same_client_token_with_other_parameters_is_a_conflict(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up(clientToken="token-1")
    wish = WISH | {"membershipName": "another", "clientToken": "token-1"}
    assert refused(cloud.security_ir().create_membership, **wish) == ("ConflictException", 409)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"incidentResponseTeam": responders(1)}, "incidentResponseTeam"),
        ({"incidentResponseTeam": responders(11)}, "incidentResponseTeam"),
        ({"membershipName": "ab"}, "membershipName"),
        ({"membershipName": "a" * 51}, "membershipName"),
        ({"incidentResponseTeam": [TEAM[0], TEAM[1] | {"email": "not an address"}]}, "incidentResponseTeam[1].email"),
        (
            {"incidentResponseTeam": [TEAM[0], TEAM[1] | {"communicationPreferences": ["email"]}]},
            "incidentResponseTeam[1].communicationPreferences[0]",
        ),
        ({"optInFeatures": [{"featureName": "RuleForwarding", "isEnabled": True}]}, "optInFeatures[0].featureName"),
        ({"optInFeatures": []}, "optInFeatures"),
        ({"coverEntireOrganization": "yes"}, "coverEntireOrganization"),
        ({"tags": {"key": "v" * 257}}, "tags.key"),
        ({"clientToken": ""}, "clientToken"),
        ({"membershipName": None}, "membershipName"),
    ],
)
def test_what_the_model_does_not_allow_is_refused_and_the_field_named(
    cloud: SmallWorld, change: dict[str, Any], field: str
) -> None:
    cloud.prepare()

    found = refusal(cloud.security_ir().create_membership, **(WISH | change))

    assert (found["code"], found["status"]) == ("ValidationException", 400)
    assert found["reason"] == "FIELD_VALIDATION_FAILED"
    assert [entry["name"] for entry in found["fieldList"]] == [field]


def test_two_responders_with_one_address_are_a_conflict(cloud: SmallWorld) -> None:
    cloud.prepare()
    twice = [TEAM[0], TEAM[1] | {"email": "ADA@example.com"}]
    membership_id = cloud.sign_up()
    for call, rest in (
        (cloud.security_ir().create_membership, {"membershipName": "another"}),
        (cloud.security_ir().update_membership, {"membershipId": membership_id}),
    ):
        assert refused(call, incidentResponseTeam=twice, **rest) == ("ConflictException", 409)


def test_a_membership_is_listed_at_home_and_nowhere_else(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    listed = {
        region: [item["membershipId"] for item in cloud.security_ir(region=region).list_memberships()["items"]]
        for region in REGIONS
    }
    assert listed == {region: [membership_id] if region == HOME else [] for region in REGIONS}
    assert len(REGIONS) == 25


def test_a_region_without_the_service_answers_that_the_operation_is_unknown(cloud: SmallWorld) -> None:
    found = refusal(cloud.security_ir(region="us-west-1").list_memberships)
    assert (found["code"], found["reason"]) == ("ValidationException", "UNKNOWN_OPERATION")


def test_an_operation_that_is_not_simulated_says_so(cloud: SmallWorld) -> None:
    found = refusal(cloud.security_ir().list_comments, caseId="0000000001")
    assert (found["code"], found["reason"]) == ("ValidationException", "UNKNOWN_OPERATION")


@pytest.mark.parametrize("account", [MANAGEMENT, LOG_ARCHIVE, FOREIGN])
def test_others_see_no_memberships(cloud: SmallWorld, account: str) -> None:
    cloud.prepare()
    cloud.sign_up()
    assert cloud.security_ir(account).list_memberships()["items"] == []


@pytest.mark.parametrize(
    ("value", "status"), [("AccessDeniedException", 403), ("SecurityIncidentResponseNotActiveException", 400)]
)
def test_others_may_be_refused_the_list(cloud: SmallWorld, value: str, status: int) -> None:
    cloud.prepare()
    cloud.sign_up()
    cloud.flip("foreign_list_memberships", value)
    assert refused(cloud.security_ir(MANAGEMENT).list_memberships) == (value, status)
    assert len(cloud.security_ir().list_memberships()["items"]) == 1


@pytest.mark.parametrize("account", [MANAGEMENT, LOG_ARCHIVE, FOREIGN])
def test_others_are_denied_every_call_about_a_membership(cloud: SmallWorld, account: str) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    client = cloud.security_ir(account)
    arn = f"arn:aws:security-ir:{HOME}:{SECURITY_TOOLING}:membership/{membership_id}"
    about = {"membershipId": membership_id}
    denied = ("AccessDeniedException", 403)
    assert refused(client.get_membership, **about) == denied
    assert refused(client.update_membership, membershipName="mine", **about) == denied
    assert refused(client.cancel_membership, **about) == denied
    assert refused(client.batch_get_member_account_details, accountIds=[SHOP], **about) == denied
    assert refused(client.list_tags_for_resource, resourceArn=arn) == denied
    assert refused(client.get_membership, membershipId=UNKNOWN_ID) == denied


def test_an_unknown_membership_or_one_of_another_region_is_not_found(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    not_found = ("ResourceNotFoundException", 404)
    assert refused(cloud.security_ir().get_membership, membershipId=UNKNOWN_ID) == not_found
    assert refused(cloud.security_ir(region="us-east-1").get_membership, membershipId=membership_id) == not_found


def test_a_membership_of_the_management_account_opens_to_a_later_administrator(cloud: SmallWorld) -> None:
    cloud.enable()
    membership_id = cloud.sign_up(MANAGEMENT)
    cloud.register()
    assert cloud.security_ir().get_membership(membershipId=membership_id)["accountId"] == MANAGEMENT


def test_update_changes_name_team_and_features_and_leaves_the_rest(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    team = [*TEAM, {"name": "Edsger", "jobTitle": "Analyst", "email": "edsger@example.com"}]

    cloud.security_ir().update_membership(
        membershipId=membership_id,
        membershipName="renamed",
        incidentResponseTeam=team,
        optInFeatures=[{"featureName": "Triage", "isEnabled": True}],
    )

    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipName"] == "renamed"
    assert found["incidentResponseTeam"] == team
    assert found["optInFeatures"] == [{"featureName": "Triage", "isEnabled": True}]
    assert found["membershipAccountsConfigurations"]["coverEntireOrganization"]


def test_update_adds_and_removes_units(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD, SANDBOX])
    cloud.update_scope(membership_id, organizationalUnitsToRemove=[PROD])
    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipAccountsConfigurations"]["organizationalUnits"] == [SANDBOX]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"organizationalUnitsToAdd": []}, "membershipAccountsConfigurationsUpdate.organizationalUnitsToAdd"),
        (
            {"organizationalUnitsToAdd": [PROD, SANDBOX, SECURITY, WORKLOADS, PROD, SANDBOX]},
            "membershipAccountsConfigurationsUpdate.organizationalUnitsToAdd",
        ),
        (
            {"organizationalUnitsToAdd": ["r-abcd"]},
            "membershipAccountsConfigurationsUpdate.organizationalUnitsToAdd[0]",
        ),
        ({"organizationalUnitsToAdd": ["ou-abcd-nowhere00"]}, "organizationalUnitsToAdd"),
        ({"organizationalUnitsToRemove": [SECURITY]}, "organizationalUnitsToRemove"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(cloud: SmallWorld, change: dict[str, Any], field: str) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()

    found = refusal(
        cloud.security_ir().update_membership,
        membershipId=membership_id,
        membershipAccountsConfigurationsUpdate=change,
    )

    assert (found["code"], found["status"]) == ("ValidationException", 400)
    assert [entry["name"] for entry in found["fieldList"]] == [field]


def test_a_refused_update_changes_nothing(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    refused(
        cloud.security_ir().update_membership,
        membershipId=membership_id,
        membershipName="renamed",
        membershipAccountsConfigurationsUpdate={"organizationalUnitsToAdd": [PROD, "ou-abcd-nowhere00"]},
    )
    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipName"] == "small-world"
    assert found["membershipAccountsConfigurations"]["organizationalUnits"] == []


def test_adding_a_unit_that_is_there_is_accepted_or_a_conflict(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD])
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD, SANDBOX])
    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipAccountsConfigurations"]["organizationalUnits"] == [PROD, SANDBOX]

    cloud.flip("add_present_unit", "ConflictException")

    assert refused(cloud.update_scope, membership_id=membership_id, organizationalUnitsToAdd=[PROD]) == (
        "ConflictException",
        409,
    )


def test_units_beside_the_entire_organization_are_accepted_or_refused(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD])

    cloud.flip("units_with_entire_organization", "ValidationException")

    for change in (
        {"organizationalUnitsToAdd": [SANDBOX]},
        {"coverEntireOrganization": True, "organizationalUnitsToAdd": [SANDBOX]},
    ):
        assert refused(cloud.update_scope, membership_id=membership_id, **change) == ("ValidationException", 400)
    cloud.update_scope(membership_id, coverEntireOrganization=False, organizationalUnitsToAdd=[SANDBOX])


def test_adding_and_removing_in_one_update_is_accepted_or_refused(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD])
    change: dict[str, Any] = {"organizationalUnitsToAdd": [SANDBOX], "organizationalUnitsToRemove": [PROD]}
    cloud.flip("add_and_remove_together", "ValidationException")
    assert refused(cloud.update_scope, membership_id=membership_id, **change) == ("ValidationException", 400)

    cloud.flip("add_and_remove_together", "accepted")
    cloud.update_scope(membership_id, **change)

    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipAccountsConfigurations"]["organizationalUnits"] == [SANDBOX]


@pytest.mark.parametrize("undo", [True, False])
def test_a_cancellation_cannot_be_withdrawn(cloud: SmallWorld, undo: bool) -> None:  # noqa: FBT001 - the API's flag
    cloud.prepare()
    membership_id = cloud.sign_up()
    call = cloud.security_ir().update_membership
    assert refused(call, membershipId=membership_id, undoMembershipCancellation=undo) == ("ValidationException", 400)


@pytest.mark.parametrize("status", ["Cancelled", "Terminated"])
def test_cancelling_ends_the_membership_at_once(cloud: SmallWorld, status: str) -> None:
    cloud.flip("cancelled_status", status)
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=10)

    assert cloud.security_ir().cancel_membership(membershipId=membership_id)["membershipId"] == membership_id

    found = cloud.security_ir().get_membership(membershipId=membership_id)
    assert found["membershipStatus"] == status
    assert found["membershipDeactivationTimestamp"] == NOW + timedelta(minutes=10)
    assert found["numberOfAccountsCovered"] == 0
    not_active = ("SecurityIncidentResponseNotActiveException", 400)
    about = {"membershipId": membership_id}
    assert refused(cloud.security_ir().cancel_membership, **about) == not_active
    assert refused(cloud.security_ir().update_membership, membershipName="again", **about) == not_active
    assert refused(cloud.security_ir().batch_get_member_account_details, accountIds=[SHOP], **about) == not_active


def test_signing_up_again_makes_another_membership_beside_the_ended_one(cloud: SmallWorld) -> None:
    cloud.prepare()
    first = cloud.sign_up()
    cloud.security_ir().cancel_membership(membershipId=first)
    second = cloud.sign_up()
    listed = {item["membershipId"]: item["membershipStatus"] for item in _listed(cloud)}
    assert listed == {first: "Cancelled", second: "Active"}

    cloud.flip("ended_memberships_listed", "dropped")

    assert [item["membershipId"] for item in _listed(cloud)] == [second]


def test_deregistering_the_administrator_terminates_the_membership(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    cloud.organizations().deregister_delegated_administrator(AccountId=SECURITY_TOOLING, ServicePrincipal=PRINCIPAL)
    assert [item["membershipStatus"] for item in _listed(cloud)] == ["Terminated"]


@pytest.mark.parametrize(("value", "status"), [("kept", "Active"), ("terminated", "Terminated")])
def test_disabling_trusted_access_may_end_the_membership(cloud: SmallWorld, value: str, status: str) -> None:
    cloud.flip("disabled_service_access", value)
    cloud.prepare()
    cloud.sign_up()
    cloud.organizations().disable_aws_service_access(ServicePrincipal=PRINCIPAL)
    assert [item["membershipStatus"] for item in _listed(cloud)] == [status]


def test_memberships_are_listed_in_pages(cloud: SmallWorld) -> None:
    cloud.prepare()
    made = []
    for _ in range(3):
        made.append(cloud.sign_up())
        cloud.security_ir().cancel_membership(membershipId=made[-1])
    pages = list(cloud.security_ir().get_paginator("list_memberships").paginate(PaginationConfig={"PageSize": 2}))
    assert [[item["membershipId"] for item in page["items"]] for page in pages] == [made[:2], made[2:]]
    assert refused(cloud.security_ir().list_memberships, maxResults=26) == ("ValidationException", 400)
    assert refused(cloud.security_ir().list_memberships, nextToken="zzz") == ("ValidationException", 400)


@pytest.mark.parametrize(
    ("order", "addresses"),
    [
        ("as_given", ["grace@example.com", "ada@example.com"]),
        ("by_email", ["ada@example.com", "grace@example.com"]),
        ("reversed", ["ada@example.com", "grace@example.com"]),
    ],
)
def test_the_team_comes_back_in_an_order_of_the_services_choice(
    cloud: SmallWorld, order: str, addresses: list[str]
) -> None:
    cloud.flip("responder_order", order)
    cloud.prepare()
    membership_id = cloud.sign_up(incidentResponseTeam=TEAM[::-1])
    team = cloud.security_ir().get_membership(membershipId=membership_id)["incidentResponseTeam"]
    assert [responder["email"] for responder in team] == addresses


def test_preferences_that_were_left_out_may_come_back_as_all_sixteen(cloud: SmallWorld) -> None:
    cloud.prepare()
    chosen = TEAM[1] | {"communicationPreferences": ["Case Created"]}
    membership_id = cloud.sign_up(incidentResponseTeam=[TEAM[0], chosen])
    cloud.flip("omitted_preferences", "all")
    first, second = cloud.security_ir().get_membership(membershipId=membership_id)["incidentResponseTeam"]
    assert len(set(first["communicationPreferences"])) == 16
    assert second == chosen


@pytest.mark.parametrize(
    ("value", "features"),
    [
        ("disabled", [{"featureName": "Triage", "isEnabled": False}]),
        ("enabled", [{"featureName": "Triage", "isEnabled": True}]),
        ("unreported", None),
    ],
)
def test_triage_that_was_left_out_is_off_on_or_not_reported(
    cloud: SmallWorld, value: str, features: list[dict[str, Any]] | None
) -> None:
    cloud.flip("triage_when_omitted", value)
    cloud.prepare()
    membership_id = cloud.sign_up()
    assert cloud.security_ir().get_membership(membershipId=membership_id).get("optInFeatures") == features


def test_a_change_of_scope_may_be_shown_only_when_it_has_arrived(cloud: SmallWorld) -> None:
    cloud.flip("scope_change_visibility", "after_propagation")
    cloud.prepare()
    membership_id = cloud.sign_up()
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[PROD])
    client = cloud.security_ir()
    assert client.get_membership(membershipId=membership_id)["membershipAccountsConfigurations"] == {
        "coverEntireOrganization": False,
        "organizationalUnits": [],
    }

    cloud.advance(minutes=3)

    found = client.get_membership(membershipId=membership_id)["membershipAccountsConfigurations"]
    assert found["organizationalUnits"] == [PROD]


@pytest.mark.parametrize(("value", "units"), [("kept", ["ou"]), ("dropped", [])])
def test_a_covered_unit_that_was_deleted_is_kept_or_dropped(cloud: SmallWorld, value: str, units: list[str]) -> None:
    cloud.flip("deleted_unit", value)
    cloud.prepare()
    membership_id = cloud.sign_up()
    made = cloud.organizations().create_organizational_unit(ParentId=SANDBOX, Name="Brief")["OrganizationalUnit"]
    cloud.update_scope(membership_id, organizationalUnitsToAdd=[made["Id"]])
    cloud.organizations().delete_organizational_unit(OrganizationalUnitId=made["Id"])
    found = cloud.security_ir().get_membership(membershipId=membership_id)["membershipAccountsConfigurations"]
    assert [unit[:2] for unit in found["organizationalUnits"]] == units


def test_tags_are_kept_apart_from_the_membership(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up(tags={"owner": "security", "stage": "prod"})
    client = cloud.security_ir()
    arn = client.get_membership(membershipId=membership_id)["membershipArn"]
    client.tag_resource(resourceArn=arn, tags={"stage": "live", "cost": "1"})
    client.untag_resource(resourceArn=arn, tagKeys=["cost", "absent"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"owner": "security", "stage": "live"}


def test_tags_of_an_unknown_resource_are_not_found(cloud: SmallWorld) -> None:
    cloud.prepare()
    arn = f"arn:aws:security-ir:{HOME}:{SECURITY_TOOLING}:membership/{UNKNOWN_ID}"
    assert refused(cloud.security_ir().list_tags_for_resource, resourceArn=arn) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("count", [0, 101])
def test_details_are_asked_for_one_to_a_hundred_accounts(cloud: SmallWorld, count: int) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    accounts = [f"{number:012d}" for number in range(count)]
    call = cloud.security_ir().batch_get_member_account_details
    assert refused(call, membershipId=membership_id, accountIds=accounts) == ("ValidationException", 400)


@pytest.mark.parametrize("account", [SUSPENDED, FOREIGN])
def test_details_of_inactive_and_foreign_accounts_are_an_item_an_error_or_missing(
    cloud: SmallWorld, account: str
) -> None:
    switch = "foreign_account_details" if account == FOREIGN else "inactive_account_details"
    cloud.prepare()
    membership_id = cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=5)
    answers = {}
    for value in ("item", "error", "neither"):
        cloud.flip(switch, value)
        found = cloud.security_ir().batch_get_member_account_details(
            membershipId=membership_id, accountIds=[account, LEDGER]
        )
        answers[value] = (
            [item["accountId"] for item in found["items"]],
            [error["accountId"] for error in found["errors"]],
        )
    assert answers == {"item": ([account, LEDGER], []), "error": ([LEDGER], [account]), "neither": ([LEDGER], [])}


def test_writes_are_throttled_at_one_and_reads_at_five_a_second(cloud: SmallWorld) -> None:
    cloud.prepare()
    membership_id = cloud.sign_up()
    cloud.world.throttles.enabled = True
    client = cloud.security_ir()
    client.update_membership(membershipId=membership_id, membershipName="first")
    found = refusal(client.update_membership, membershipId=membership_id, membershipName="second")
    assert (found["code"], found["status"], found["retryAfterSeconds"]) == ("ThrottlingException", 429, 1)
    for _ in range(5):
        client.get_membership(membershipId=membership_id)
    assert refused(client.get_membership, membershipId=membership_id) == ("ThrottlingException", 429)

    cloud.advance(seconds=1)

    client.update_membership(membershipId=membership_id, membershipName="second")
    assert client.get_membership(membershipId=membership_id)["membershipName"] == "second"


def test_a_self_managed_case_is_created_read_listed_tagged_and_closed(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    client = cloud.security_ir()
    wish = _case()

    case_id = client.create_case(clientToken="case-1", **wish)["caseId"]

    assert client.create_case(clientToken="case-1", **wish)["caseId"] == case_id
    found = client.get_case(caseId=case_id)
    assert (found["title"], found["caseStatus"], found["resolverType"]) == (wish["title"], "Submitted", "Self")
    assert found["reportedIncidentStartDate"] == NOW
    client.tag_resource(resourceArn=found["caseArn"], tags={"test": "yes"})
    assert client.list_tags_for_resource(resourceArn=found["caseArn"])["tags"] == {"test": "yes"}
    assert client.close_case(caseId=case_id)["caseStatus"] == "Closed"
    listed = client.list_cases()
    assert (listed["total"], [item["caseStatus"] for item in listed["items"]]) == (1, ["Closed"])


def test_cases_need_an_active_membership(cloud: SmallWorld) -> None:
    cloud.prepare()
    not_active = ("SecurityIncidentResponseNotActiveException", 400)
    assert refused(cloud.security_ir().create_case, **_case()) == not_active
    assert refused(cloud.security_ir().list_cases) == not_active


def test_an_unknown_case_is_not_found(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    assert refused(cloud.security_ir().get_case, caseId="0000000042") == ("ResourceNotFoundException", 404)


def test_a_hundred_self_managed_cases_are_the_limit(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    for _ in range(100):
        cloud.security_ir().create_case(**_case())
    found = refusal(cloud.security_ir().create_case, **_case())
    assert (found["code"], found["status"], found["quotaCode"]) == ("ServiceQuotaExceededException", 402, "L-87F7FF63")


def _case() -> dict[str, Any]:
    return {
        "resolverType": "Self",
        "title": "Notification test",
        "description": "Nothing has happened.",
        "engagementType": "Investigation",
        "reportedIncidentStartDate": NOW,
        "impactedAccounts": [SHOP],
        "watchers": [],
    }


def _listed(cloud: SmallWorld) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cloud.security_ir().list_memberships()["items"]
    return items


@contextmanager
def body(client: Any, content: bytes) -> Iterator[None]:
    """Send these bytes instead of what the SDK would have made."""

    def replace(params: dict[str, Any], **_: Any) -> None:
        params["body"] = content

    client.meta.events.register("before-call.security-ir", replace)
    yield
    client.meta.events.unregister("before-call.security-ir", replace)


@pytest.mark.parametrize("content", [b"not json", b"[]"])
def test_a_body_that_is_no_json_object_cannot_be_parsed(cloud: SmallWorld, content: bytes) -> None:
    client = cloud.security_ir()
    with body(client, content):
        found = refusal(client.list_memberships)
    assert (found["code"], found["reason"]) == ("ValidationException", "CANNOT_PARSE")


def test_a_member_that_the_model_does_not_have_is_refused(cloud: SmallWorld) -> None:
    client = cloud.security_ir()
    with body(client, b'{"customerAccountId": "111111111111"}'):
        found = refusal(client.list_memberships)
    assert found["fieldList"] == [{"name": "customerAccountId", "message": "is not a member of the model"}]


def test_a_response_that_the_model_does_not_allow_is_a_defect_of_the_simulation(
    cloud: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(security_ir._HANDLERS, "ListMemberships", lambda *_: {"items": [{"region": "mars-1"}]})
    with pytest.raises(security_ir.ResponseDefectError, match="ListMemberships"):
        cloud.security_ir().list_memberships()
