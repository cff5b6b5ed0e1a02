from datetime import timedelta
from typing import Any

import pytest

from tests.embedded_cloud.small_world import (
    HOME,
    LEDGER,
    LOG_ARCHIVE,
    LONE,
    MANAGEMENT,
    NOW,
    PENDING,
    PROD,
    SANDBOX,
    SANDBOX_ACCOUNT,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SUSPENDED,
    TEMPLATES,
    WORKLOADS,
    SmallWorld,
    refused,
)
from tests.embedded_cloud.stack_set_world import (
    CONTAINMENT,
    EXECUTION_ROLE,
    NAME,
    ROLE,
    StackSets,
    instances,
    template,
)

ACTIVE = {SECURITY_TOOLING, LOG_ARCHIVE, LONE, TEMPLATES, SHOP, LEDGER, SANDBOX_ACCOUNT}
ELSEWHERE = "us-west-2"
EACH = ("CURRENT", "SUCCEEDED")


# --- which accounts ---


def test_instances_become_roles_once_the_operation_has_ended(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create(TemplateBody=CONTAINMENT)
    operation = stack_sets.deploy()
    assert stack_sets.operation(operation)["Status"] == "RUNNING"
    assert set(stack_sets.states().values()) == {("OUTDATED", "RUNNING")}
    cloud.advance(seconds=39)
    assert stack_sets.roles(SHOP) == set()
    cloud.advance(seconds=1)
    assert stack_sets.roles(SHOP) == {ROLE, EXECUTION_ROLE}
    found = stack_sets.operation(operation)
    assert (found["Status"], found["Action"]) == ("SUCCEEDED", "CREATE")
    assert found["EndTimestamp"] - found["CreationTimestamp"] == timedelta(seconds=40)
    assert stack_sets.states()[SHOP] == EACH
    assert stack_sets.api(SHOP).describe_stacks()["Stacks"][0]["StackName"].startswith(f"StackSet-{NAME}-")


def test_the_management_account_and_accounts_that_are_not_active_get_none(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.create()
    operation = stack_sets.deploy()
    cloud.advance(seconds=40)
    states = stack_sets.states()
    assert {account for account, state in states.items() if state == EACH} == ACTIVE
    assert states[SUSPENDED] == states[PENDING] == ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")
    assert MANAGEMENT not in states
    assert stack_sets.roles(MANAGEMENT) == set()
    assert stack_sets.operation(operation)["Status"] == "SUCCEEDED"
    assert stack_sets.results(operation)[SUSPENDED] == "CANCELLED"


def test_how_a_skipped_account_is_listed_is_a_switch(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.flip("skipped_account_result", "SUCCEEDED")
    stack_sets.create()
    operation = stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    assert stack_sets.results(operation)[SUSPENDED] == "SUCCEEDED"


def test_units_below_a_unit_are_included_and_each_instance_names_its_target(stack_sets: StackSets) -> None:
    stack_sets.deployed(WORKLOADS, PROD)
    units = {account: found["OrganizationalUnitId"] for account, found in stack_sets.instances().items()}
    assert units == {TEMPLATES: WORKLOADS, SHOP: PROD, LEDGER: PROD, SUSPENDED: PROD, PENDING: PROD}
    described = stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]
    assert (described["OrganizationalUnitIds"], described["Regions"]) == ([WORKLOADS, PROD], [HOME])


@pytest.mark.parametrize(
    ("how", "accounts", "expected"),
    [
        ("NONE", [], {SHOP, LEDGER, SUSPENDED, PENDING}),
        ("NONE", [SHOP], {SHOP, LEDGER, SUSPENDED, PENDING}),
        ("INTERSECTION", [SHOP, LONE], {SHOP}),
        ("DIFFERENCE", [SUSPENDED, PENDING], {SHOP, LEDGER}),
    ],
)
def test_accounts_are_filtered(stack_sets: StackSets, how: str, accounts: list[str], expected: set[str]) -> None:
    stack_sets.create()
    targets: dict[str, Any] = {"OrganizationalUnitIds": [PROD], "AccountFilterType": how}
    stack_sets.deploy(DeploymentTargets=targets | ({"Accounts": accounts} if accounts else {}))
    assert stack_sets.instances().keys() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"DeploymentTargets": {}},
        {"DeploymentTargets": {"OrganizationalUnitIds": []}},
        {"DeploymentTargets": {"OrganizationalUnitIds": ["ou-abcd-nowhere1"]}},
        {"DeploymentTargets": {"OrganizationalUnitIds": [f"ou-abcd-{number:08}" for number in range(51)]}},
        {"DeploymentTargets": {"OrganizationalUnitIds": [PROD], "Accounts": [SHOP]}},
        {"DeploymentTargets": {"OrganizationalUnitIds": [PROD], "Accounts": [SHOP], "AccountFilterType": "UNION"}},
        {"DeploymentTargets": {"OrganizationalUnitIds": [PROD], "AccountFilterType": "INTERSECTION"}},
        {"DeploymentTargets": {"OrganizationalUnitIds": [PROD], "AccountsUrl": "s3://example/accounts.csv"}},
        {"Accounts": [SHOP]},
        {"ParameterOverrides": [{"ParameterKey": "Unknown", "ParameterValue": "x"}]},
        {"OperationPreferences": {"FailureToleranceCount": 1, "FailureTolerancePercentage": 1}},
        {"OperationPreferences": {"MaxConcurrentCount": 1, "MaxConcurrentPercentage": 1}},
        {"OperationPreferences": {"MaxConcurrentCount": 0}},
        {"OperationPreferences": {"RegionOrder": [ELSEWHERE]}},
        {"OperationPreferences": {"ConcurrencyMode": "LOOSE"}},
    ],
    ids=str,
)
def test_targets_and_preferences_that_cannot_be_are_refused(stack_sets: StackSets, change: dict[str, Any]) -> None:
    stack_sets.create()
    request = instances(PROD) | change
    assert refused(stack_sets.api().create_stack_instances, **request) == ("ValidationError", 400)
    assert stack_sets.operations() == []


def test_no_operation_starts_without_organizations_access(stack_sets: StackSets) -> None:
    stack_sets.create()
    stack_sets.api().deactivate_organizations_access()
    assert refused(stack_sets.api().create_stack_instances, **instances(PROD)) == ("ValidationError", 400)
    assert stack_sets.states() == {}


def test_an_account_that_has_an_instance_is_updated(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD)
    before = stack_sets.instances()[SHOP]
    operation = stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    after = stack_sets.instances()[SHOP]
    assert (after["StackId"], after["LastOperationId"]) == (before["StackId"], operation)
    assert stack_sets.states()[SHOP] == EACH


# --- failures ---


def test_a_role_made_by_hand_fails_its_account_and_stays_as_it_is(cloud: SmallWorld, stack_sets: StackSets) -> None:
    by_hand = stack_sets.create_role_by_hand(SHOP)
    stack_sets.create(TemplateBody=CONTAINMENT)
    operation = stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")
    reason = stack_sets.instances()[SHOP]["StatusReason"]
    assert reason.startswith("ResourceLogicalId:")
    assert ", ResourceType:AWS::IAM::Role, ResourceStatusReason:" in reason
    assert "already exists" in reason
    assert "HandlerErrorCode: AlreadyExists" in reason
    assert cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["RoleId"] == by_hand
    assert stack_sets.roles(SHOP) == {ROLE}
    assert stack_sets.states()[LEDGER] == EACH
    found = stack_sets.operation(operation)
    assert (found["Status"], found["StatusDetails"]["FailedStackInstancesCount"]) == ("SUCCEEDED", 1)


def test_a_failed_account_is_tried_again_by_the_next_operation(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create_role_by_hand(SHOP)
    stack_sets.deployed(PROD)
    cloud.iam(SHOP).delete_role(RoleName=ROLE)
    stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states()[SHOP] == EACH


def test_a_failed_update_leaves_the_roles_as_they_were(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD)
    before = cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["RoleId"]
    stack_sets.create_role_by_hand(SHOP, "Second")
    stack_sets.api().update_stack_set(
        StackSetName=NAME,
        TemplateBody=template(ROLE, "Second"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        OperationPreferences={"FailureToleranceCount": 5, "MaxConcurrentCount": 5},
    )
    cloud.advance(seconds=40)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")
    assert stack_sets.states()[LEDGER] == EACH
    assert cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["RoleId"] == before
    assert stack_sets.roles(SHOP) == {ROLE, "Second"}


def test_a_failure_can_be_asked_for(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.stack_set_failures[SHOP] = "Something is wrong"
    stack_sets.deployed(PROD)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")
    assert stack_sets.instances()[SHOP]["StatusReason"] == "Something is wrong"
    assert stack_sets.roles(SHOP) == set()


def test_a_denied_region_fails_every_account_there(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.denied_regions.add(HOME)
    stack_sets.create()
    operation = stack_sets.deploy(SECURITY)
    cloud.advance(seconds=40)
    assert set(stack_sets.states().values()) == {("OUTDATED", "FAILED")}
    assert "explicit deny in a service control policy" in stack_sets.instances()[LOG_ARCHIVE]["StatusReason"]
    assert set(stack_sets.results(operation).values()) == {"FAILED"}


def test_a_region_that_an_account_has_not_enabled_fails_it(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.disable_region(SHOP, HOME)
    stack_sets.deployed(PROD)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")


def test_past_the_tolerance_the_rest_is_cancelled_and_the_operation_fails(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.create()
    cloud.world.stack_set_failures = dict.fromkeys((SECURITY_TOOLING, LOG_ARCHIVE), "no")
    operation = stack_sets.deploy(OperationPreferences={"FailureToleranceCount": 1, "MaxConcurrentCount": 1})
    cloud.advance(seconds=40)
    found = stack_sets.operation(operation)
    assert found["Status"] == "FAILED"
    assert found["EndTimestamp"] < NOW + timedelta(seconds=40)
    results = stack_sets.results(operation)
    assert {account for account, status in results.items() if status == "FAILED"} == {SECURITY_TOOLING, LOG_ARCHIVE}
    assert results[SHOP] == "CANCELLED"
    assert stack_sets.states()[SHOP] == ("OUTDATED", "CANCELLED")
    assert "failure tolerance" in stack_sets.instances()[SHOP]["StatusReason"]
    assert stack_sets.results(operation, Filters=[{"Name": "OPERATION_RESULT_STATUS", "Values": "FAILED"}]).keys() == {
        SECURITY_TOOLING,
        LOG_ARCHIVE,
    }


def running(stack_sets: StackSets) -> int:
    return sum(state == ("OUTDATED", "RUNNING") for state in stack_sets.states().values())


@pytest.mark.parametrize(
    ("preferences", "at_once"),
    [
        ({}, 1),
        ({"MaxConcurrentCount": 3}, 1),
        ({"MaxConcurrentCount": 3, "FailureToleranceCount": 1}, 2),
        ({"MaxConcurrentCount": 3, "FailureToleranceCount": 5}, 3),
        ({"MaxConcurrentPercentage": 50, "FailureTolerancePercentage": 100}, 4),
        ({"MaxConcurrentPercentage": 1, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, 1),
        ({"MaxConcurrentCount": 3, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, 3),
        ({"MaxConcurrentCount": 3, "ConcurrencyMode": "STRICT_FAILURE_TOLERANCE"}, 1),
    ],
    ids=str,
)
def test_so_many_accounts_are_worked_on_at_once(
    cloud: SmallWorld, stack_sets: StackSets, preferences: dict[str, Any], at_once: int
) -> None:
    stack_sets.create()
    operation = stack_sets.deploy(OperationPreferences=preferences)
    assert running(stack_sets) == at_once
    cloud.advance(seconds=40)
    assert stack_sets.operation(operation)["Status"] == "SUCCEEDED"


def test_failures_lower_a_strict_concurrency(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.stack_set_failures = {SECURITY_TOOLING: "no"}
    stack_sets.create()
    stack_sets.deploy(OperationPreferences={"MaxConcurrentCount": 3, "FailureToleranceCount": 2})
    assert running(stack_sets) == 3
    cloud.advance(seconds=40 / 3)
    assert running(stack_sets) == 2


@pytest.mark.parametrize(("how", "elsewhere"), [("SEQUENTIAL", "CANCELLED"), ("PARALLEL", "SUCCEEDED")])
def test_a_region_past_its_tolerance_ends_those_after_it(
    cloud: SmallWorld, stack_sets: StackSets, how: str, elsewhere: str
) -> None:
    cloud.world.denied_regions.add(ELSEWHERE)
    stack_sets.create(TemplateBody=template(Topic={"Type": "AWS::SNS::Topic"}))
    operation = stack_sets.deploy(
        SECURITY,
        regions=(HOME, ELSEWHERE),
        OperationPreferences={"RegionOrder": [ELSEWHERE, HOME], "RegionConcurrencyType": how},
    )
    cloud.advance(seconds=40)
    found = stack_sets.api().list_stack_set_operation_results(StackSetName=NAME, OperationId=operation)["Summaries"]
    states = {(result["Account"], result["Region"]): result["Status"] for result in found}
    assert states == {
        (SECURITY_TOOLING, ELSEWHERE): "FAILED",
        (LOG_ARCHIVE, ELSEWHERE): "CANCELLED",
        (SECURITY_TOOLING, HOME): elsewhere,
        (LOG_ARCHIVE, HOME): elsewhere,
    }
    assert stack_sets.operation(operation)["Status"] == "FAILED"


def test_a_global_role_fails_in_the_second_region(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create()
    operation = stack_sets.deploy(SANDBOX, regions=(HOME, ELSEWHERE))
    cloud.advance(seconds=40)
    assert stack_sets.states(StackInstanceRegion=HOME) == {SANDBOX_ACCOUNT: EACH}
    assert stack_sets.states(StackInstanceRegion=ELSEWHERE) == {SANDBOX_ACCOUNT: ("OUTDATED", "FAILED")}
    assert stack_sets.operation(operation)["Status"] == "SUCCEEDED"


# --- deletions ---


def delete(stack_sets: StackSets, *units: str, retain: bool = False, **more: Any) -> str:
    request = instances(*(units or (stack_sets.root,))) | {"RetainStacks": retain} | more
    return str(stack_sets.api().delete_stack_instances(**request)["OperationId"])


def test_deleting_instances_deletes_the_roles(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(WORKLOADS, TemplateBody=CONTAINMENT)
    operation = delete(stack_sets, PROD)
    assert stack_sets.roles(SHOP) == {ROLE, EXECUTION_ROLE}
    cloud.advance(seconds=40)
    assert stack_sets.roles(SHOP) == set()
    assert stack_sets.instances().keys() == {TEMPLATES}
    assert stack_sets.operation(operation)["RetainStacks"] is False


def test_retained_stacks_keep_the_roles(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD)
    delete(stack_sets, PROD, retain=True)
    cloud.advance(seconds=40)
    assert stack_sets.roles(SHOP) == {ROLE}
    assert stack_sets.instances() == {}
    stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")


def test_a_role_with_a_policy_attached_by_hand_is_not_deleted(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=CONTAINMENT)
    policy = cloud.iam(SHOP).create_policy(
        PolicyName="ByHand",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
    )["Policy"]["Arn"]
    cloud.iam(SHOP).attach_role_policy(RoleName=ROLE, PolicyArn=policy)
    operation = delete(stack_sets, PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {SHOP: ("INOPERABLE", "INOPERABLE")}
    assert "must detach all policies first" in stack_sets.instances()[SHOP]["StatusReason"]
    assert stack_sets.roles(SHOP) == {ROLE, EXECUTION_ROLE}
    assert stack_sets.results(operation)[SHOP] == "FAILED"
    stack_sets.api().update_stack_set(
        StackSetName=NAME, UsePreviousTemplate=True, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloud.advance(seconds=40)
    assert stack_sets.states() == {SHOP: ("INOPERABLE", "INOPERABLE")}
    delete(stack_sets, PROD, retain=True)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {}


def test_a_stack_that_somebody_deleted_is_no_obstacle_to_a_deletion(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SANDBOX)
    stack_sets.api(SANDBOX_ACCOUNT).delete_stack(StackName=stack_sets.instances()[SANDBOX_ACCOUNT]["StackId"])
    delete(stack_sets, SANDBOX)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {}


def test_a_stack_that_somebody_deleted_fails_an_update(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SANDBOX)
    stack_sets.api(SANDBOX_ACCOUNT).delete_stack(StackName=stack_sets.instances()[SANDBOX_ACCOUNT]["StackId"])
    stack_sets.deploy(SANDBOX)
    cloud.advance(seconds=40)
    assert stack_sets.states()[SANDBOX_ACCOUNT] == ("OUTDATED", "FAILED")


def test_a_deletion_takes_the_named_accounts_beside_the_units(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, SANDBOX)
    delete(stack_sets, DeploymentTargets={"OrganizationalUnitIds": [SANDBOX], "Accounts": [SHOP]})
    cloud.advance(seconds=40)
    assert stack_sets.instances().keys() == {LEDGER, SUSPENDED, PENDING}


def test_the_instance_of_an_account_that_has_left_can_still_be_deleted(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(SANDBOX)
    cloud.organizations().remove_account_from_organization(AccountId=SANDBOX_ACCOUNT)
    assert stack_sets.states() == {SANDBOX_ACCOUNT: EACH}
    stack_sets.api().update_stack_set(
        StackSetName=NAME, TemplateBody=template("Other"), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloud.advance(seconds=40)
    assert stack_sets.states() == {SANDBOX_ACCOUNT: ("OUTDATED", "FAILED")}
    delete(stack_sets, SANDBOX)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {}


# --- one operation at a time ---


def test_a_second_operation_waits_for_nobody(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create()
    stack_sets.deploy(PROD)
    create = stack_sets.api().create_stack_instances
    assert refused(create, **instances(SECURITY)) == ("OperationInProgressException", 409)
    cloud.advance(seconds=40)
    stack_sets.deploy(SECURITY)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED"), ("CREATE", "RUNNING")]


def test_with_managed_execution_a_second_operation_is_queued(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create(ManagedExecution={"Active": True})
    stack_sets.deploy(PROD)
    stack_sets.deploy(SECURITY)
    assert stack_sets.operations() == [("CREATE", "RUNNING"), ("CREATE", "QUEUED")]
    cloud.advance(seconds=40)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED"), ("CREATE", "RUNNING")]
    cloud.advance(seconds=40)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED"), ("CREATE", "SUCCEEDED")]
    assert stack_sets.states()[LOG_ARCHIVE] == EACH


def test_an_operation_id_is_used_once(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create()
    assert stack_sets.deploy(PROD, OperationId="mine") == "mine"
    again = instances(PROD) | {"OperationId": "mine"}
    create = stack_sets.api().create_stack_instances
    assert refused(create, **again) == ("OperationIdAlreadyExistsException", 409)
    cloud.advance(seconds=40)
    assert refused(create, **again) == ("OperationIdAlreadyExistsException", 409)


def test_a_stopped_operation_ends_what_has_begun_and_cancels_the_rest(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create()
    operation = stack_sets.deploy(SECURITY, OperationPreferences={})
    stop = stack_sets.api().stop_stack_set_operation
    stop(StackSetName=NAME, OperationId=operation)
    assert stack_sets.operation(operation)["Status"] == "STOPPING"
    cloud.advance(seconds=40)
    assert stack_sets.operation(operation)["Status"] == "STOPPED"
    assert stack_sets.states() == {SECURITY_TOOLING: EACH, LOG_ARCHIVE: ("OUTDATED", "CANCELLED")}
    assert refused(stop, StackSetName=NAME, OperationId=operation) == ("InvalidOperationException", 400)


def test_a_queued_operation_is_stopped_at_once(stack_sets: StackSets) -> None:
    stack_sets.create(ManagedExecution={"Active": True})
    stack_sets.deploy(PROD)
    queued = stack_sets.deploy(SECURITY)
    stack_sets.api().stop_stack_set_operation(StackSetName=NAME, OperationId=queued)
    assert stack_sets.operations() == [("CREATE", "RUNNING"), ("CREATE", "STOPPED")]


def test_an_operation_that_does_not_exist_is_not_found(stack_sets: StackSets) -> None:
    stack_sets.create()
    for name in ("describe_stack_set_operation", "list_stack_set_operation_results", "stop_stack_set_operation"):
        found = refused(getattr(stack_sets.api(), name), StackSetName=NAME, OperationId="nobodys")
        assert found == ("OperationNotFoundException", 404)


# --- lists ---


def test_instances_are_listed_in_pages_of_a_hundred(cloud: SmallWorld, stack_sets: StackSets) -> None:
    for number in range(100):
        cloud.organizations().create_account(Email=f"more-{number}@example.com", AccountName=f"More {number}")
    stack_sets.create()
    stack_sets.deploy()
    first = stack_sets.api().list_stack_instances(StackSetName=NAME)
    second = stack_sets.api().list_stack_instances(StackSetName=NAME, NextToken=first["NextToken"])
    assert (len(first["Summaries"]), len(second["Summaries"]), "NextToken" in second) == (100, 9, False)


def test_instances_are_filtered(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.stack_set_failures[SHOP] = "no"
    stack_sets.create()
    operation = stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    stack_sets.deploy(SANDBOX)
    cloud.advance(seconds=40)

    def listed(**filters: str) -> set[str]:
        wanted = [{"Name": name, "Values": value} for name, value in filters.items()]
        return set(stack_sets.instances(Filters=wanted))

    assert listed(DETAILED_STATUS="FAILED") == {SHOP}
    assert listed(LAST_OPERATION_ID=operation) == {SHOP, LEDGER, SUSPENDED, PENDING}
    assert listed(DETAILED_STATUS="SUCCEEDED", LAST_OPERATION_ID=operation) == {LEDGER}
    assert listed(DRIFT_STATUS="DRIFTED") == set()
    assert listed(DRIFT_STATUS="NOT_CHECKED") == {SHOP, LEDGER, SUSPENDED, PENDING, SANDBOX_ACCOUNT}
    assert set(stack_sets.instances(StackInstanceAccount=SHOP)) == {SHOP}
    assert set(stack_sets.instances(StackInstanceRegion=ELSEWHERE)) == set()


def test_one_instance_is_described(stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD)
    describe = stack_sets.api().describe_stack_instance
    place = {"StackSetName": NAME, "StackInstanceRegion": HOME}
    found = describe(**place, StackInstanceAccount=SHOP)["StackInstance"]
    assert (found["Status"], found["OrganizationalUnitId"], found["ParameterOverrides"]) == ("CURRENT", PROD, [])
    assert refused(describe, **place, StackInstanceAccount=LONE) == ("StackInstanceNotFoundException", 404)


def test_a_set_that_does_not_exist_is_not_found(stack_sets: StackSets) -> None:
    assert refused(stack_sets.api().list_stack_instances, StackSetName="x") == ("StackSetNotFoundException", 404)
    assert refused(stack_sets.api().list_stack_set_operations, StackSetName="x") == ("StackSetNotFoundException", 404)
