"""Detection of drift: what counts as drift of a role, what does not, and what a detection leaves as it was."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from muster_local.operations import is_write
from tests.embedded_cloud.small_world import (
    HOME,
    LEDGER,
    LOG_ARCHIVE,
    NOW,
    PENDING,
    PROD,
    SANDBOX,
    SANDBOX_ACCOUNT,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SUSPENDED,
    SmallWorld,
    refused,
)
from tests.embedded_cloud.stack_set_world import (
    AT_ONCE,
    CONTAINMENT,
    DENIAL,
    DENY_ALL,
    EXECUTION_ROLE,
    NAME,
    OWN_POLICY,
    ROLE,
    SECURITY_AUDIT,
    TRUST,
    StackSets,
    instances,
    repairable,
    template,
)

EACH = ("CURRENT", "SUCCEEDED")
OWN = {"Effect": "Allow", "Action": ["s3:GetObject", "iam:GetRole"], "Resource": "*"}


def start(stack_sets: StackSets, **more: Any) -> str:
    request = {"StackSetName": NAME, "OperationPreferences": AT_ONCE} | more
    return str(stack_sets.api().detect_stack_set_drift(**request)["OperationId"])


def detect(cloud: SmallWorld, stack_sets: StackSets, **more: Any) -> dict[str, str]:
    """Let a detection end, and return the drift status of every instance, by account."""
    start(stack_sets, **more)
    cloud.advance(seconds=40)
    return drift(stack_sets)


def drift(stack_sets: StackSets, **more: Any) -> dict[str, str]:
    return {account: found["DriftStatus"] for account, found in stack_sets.instances(**more).items()}


def details(stack_sets: StackSets) -> dict[str, Any]:
    found = stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]["StackSetDriftDetectionDetails"]
    return dict(found)


def counted(found: dict[str, Any]) -> dict[str, int]:
    """The counts of a detection that are not 0."""
    ends = "StackInstancesCount"
    return {name.removesuffix(ends): count for name, count in found.items() if name.endswith(ends) and count}


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


# --- what is drift ---


def other_trust(iam: Any) -> None:
    denial = {"Effect": "Deny", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(denial))


def fewer_actions(iam: Any) -> None:
    iam.put_role_policy(
        RoleName=EXECUTION_ROLE, PolicyName=OWN_POLICY, PolicyDocument=policy(OWN | {"Action": ["s3:GetObject"]})
    )


def another_condition(iam: Any) -> None:
    changed = OWN | {"Condition": {"StringEquals": {"aws:PrincipalTag/a": "b"}}}
    iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=OWN_POLICY, PolicyDocument=policy(changed))


def no_policy(iam: Any) -> None:
    iam.delete_role_policy(RoleName=ROLE, PolicyName=OWN_POLICY)


def no_audit(iam: Any) -> None:
    iam.detach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=SECURITY_AUDIT)


def other_description(iam: Any) -> None:
    iam.update_role(RoleName=ROLE, Description="By hand")


def no_role(iam: Any) -> None:
    no_policy(iam)
    iam.delete_role(RoleName=ROLE)


def role_in_its_place(iam: Any) -> None:
    no_role(iam)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))


@pytest.mark.parametrize(
    "alter",
    [
        other_trust, fewer_actions, another_condition, no_policy, no_audit, other_description, no_role,
        role_in_its_place,
    ],
)  # fmt: skip
def test_what_differs_from_the_template_is_drift(
    cloud: SmallWorld, stack_sets: StackSets, alter: Callable[[Any], None]
) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    alter(cloud.iam(SHOP))
    found = detect(cloud, stack_sets)
    assert (found[SHOP], found[LEDGER]) == ("DRIFTED", "IN_SYNC")


# --- what is none ---


def foreign_managed(iam: Any) -> None:
    for name in (ROLE, EXECUTION_ROLE):
        iam.attach_role_policy(RoleName=name, PolicyArn=DENY_ALL)


def foreign_inline(iam: Any) -> None:
    for name in (ROLE, EXECUTION_ROLE):
        iam.put_role_policy(RoleName=name, PolicyName="Foreign", PolicyDocument=json.dumps(DENIAL))


def boundary(iam: Any) -> None:
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=DENY_ALL)


def tags(iam: Any) -> None:
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "owner", "Value": "somebody"}])


def longer_sessions(iam: Any) -> None:
    iam.update_role(RoleName=ROLE, Description="Repair: none", MaxSessionDuration=43_200)


def other_order(iam: Any) -> None:
    turned = {"Resource": "*", "Action": ["iam:GetRole", "s3:GetObject"], "Effect": "Allow"}
    document = json.dumps({"Statement": [turned], "Version": "2012-10-17"}, indent=2)
    iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=OWN_POLICY, PolicyDocument=document)


@pytest.mark.parametrize("alter", [foreign_managed, foreign_inline, boundary, tags, longer_sessions, other_order])
def test_what_the_template_does_not_set_is_no_drift(
    cloud: SmallWorld, stack_sets: StackSets, alter: Callable[[Any], None]
) -> None:
    stack_sets.deployed(SANDBOX, TemplateBody=repairable())
    alter(cloud.iam(SANDBOX_ACCOUNT))
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "IN_SYNC"}
    assert details(stack_sets)["DriftStatus"] == "IN_SYNC"


@pytest.mark.parametrize("add", [foreign_managed, foreign_inline])
def test_with_the_other_answer_a_foreign_policy_beside_named_ones_is_drift(
    cloud: SmallWorld, stack_sets: StackSets, add: Callable[[Any], None]
) -> None:
    cloud.flip("foreign_policy_drift", "DRIFTED")
    stack_sets.deployed(SANDBOX, TemplateBody=repairable())
    add(cloud.iam(SANDBOX_ACCOUNT))
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "DRIFTED"}


@pytest.mark.parametrize("add", [foreign_managed, foreign_inline])
def test_with_either_answer_a_foreign_policy_is_no_drift_where_the_template_names_none(
    cloud: SmallWorld, stack_sets: StackSets, add: Callable[[Any], None]
) -> None:
    cloud.flip("foreign_policy_drift", "DRIFTED")
    stack_sets.deployed(SANDBOX, TemplateBody=template(ROLE, EXECUTION_ROLE))
    add(cloud.iam(SANDBOX_ACCOUNT))
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "IN_SYNC"}


def test_the_containment_roles_are_in_sync_as_deployed_and_drift_with_their_trust(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(SANDBOX, TemplateBody=CONTAINMENT)
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "IN_SYNC"}
    iam = cloud.iam(SANDBOX_ACCOUNT)
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    del trust["Statement"][0]["Condition"]
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "DRIFTED"}


def test_overrides_and_a_template_that_has_not_arrived_are_no_drift(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    stack_sets.override(SHOP, unit=PROD, Repair="once")
    cloud.advance(seconds=40)
    cloud.world.stack_set_failures[LEDGER] = "no"
    stack_sets.api().update_stack_set(
        StackSetName=NAME,
        TemplateBody=repairable(Description="Other"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        OperationPreferences=AT_ONCE,
    )
    cloud.advance(seconds=40)
    assert stack_sets.states()[LEDGER] == ("OUTDATED", "FAILED")
    cloud.world.stack_set_failures.clear()
    found = detect(cloud, stack_sets)
    assert (found[SHOP], found[LEDGER]) == ("IN_SYNC", "IN_SYNC")


# --- the operation ---


def test_a_detection_takes_its_time_and_changes_nothing_but_the_drift_status(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(SANDBOX, SECURITY, TemplateBody=repairable())
    no_audit(cloud.iam(SANDBOX_ACCOUNT))
    before = stack_sets.instances()
    assert {found["DriftStatus"] for found in before.values()} == {"NOT_CHECKED"}
    assert not any("LastDriftCheckTimestamp" in found for found in before.values())
    operation = start(stack_sets)
    cloud.advance(seconds=39)
    assert stack_sets.operation(operation)["Status"] == "RUNNING"
    assert set(stack_sets.states().values()) == {EACH}
    assert set(drift(stack_sets).values()) == {"NOT_CHECKED"}
    cloud.advance(seconds=1)
    found = stack_sets.operation(operation)
    assert (found["Action"], found["Status"]) == ("DETECT_DRIFT", "SUCCEEDED")
    assert found["StatusDetails"]["FailedStackInstancesCount"] == 0
    assert set(stack_sets.results(operation).values()) == {"SUCCEEDED"}
    checked = {"LastDriftCheckTimestamp": NOW + timedelta(seconds=80), "LastOperationId": operation}
    assert stack_sets.instances() == {
        account: instance | checked | {"DriftStatus": "DRIFTED" if account == SANDBOX_ACCOUNT else "IN_SYNC"}
        for account, instance in before.items()
    }
    attached = cloud.iam(SANDBOX_ACCOUNT).list_attached_role_policies(RoleName=EXECUTION_ROLE)["AttachedPolicies"]
    assert attached == []


def test_a_set_tells_of_its_last_detection_that_has_ended(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SECURITY, TemplateBody=repairable())
    assert details(stack_sets) == {
        "DriftStatus": "NOT_CHECKED",
        "TotalStackInstancesCount": 0,
        "DriftedStackInstancesCount": 0,
        "InSyncStackInstancesCount": 0,
        "InProgressStackInstancesCount": 0,
        "FailedStackInstancesCount": 0,
    }
    detect(cloud, stack_sets)
    in_sync = {
        "DriftStatus": "IN_SYNC",
        "DriftDetectionStatus": "COMPLETED",
        "LastDriftCheckTimestamp": NOW + timedelta(seconds=80),
        "TotalStackInstancesCount": 2,
        "DriftedStackInstancesCount": 0,
        "InSyncStackInstancesCount": 2,
        "InProgressStackInstancesCount": 0,
        "FailedStackInstancesCount": 0,
    }
    assert details(stack_sets) == in_sync
    no_audit(cloud.iam(LOG_ARCHIVE))
    start(stack_sets)
    assert details(stack_sets) == in_sync
    cloud.advance(seconds=40)
    later = NOW + timedelta(seconds=120)
    assert details(stack_sets) == in_sync | {
        "DriftStatus": "DRIFTED",
        "LastDriftCheckTimestamp": later,
        "DriftedStackInstancesCount": 1,
        "InSyncStackInstancesCount": 1,
    }
    (listed,) = stack_sets.api().list_stack_sets()["Summaries"]
    assert (listed["DriftStatus"], listed["LastDriftCheckTimestamp"]) == ("DRIFTED", later)


def test_a_set_that_was_never_looked_at_is_listed_without_a_date(stack_sets: StackSets) -> None:
    stack_sets.create()
    (listed,) = stack_sets.api().list_stack_sets()["Summaries"]
    assert (listed["DriftStatus"], "LastDriftCheckTimestamp" in listed) == ("NOT_CHECKED", False)


def test_a_running_detection_tells_what_it_has_found_so_far(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SECURITY, TemplateBody=repairable())
    no_audit(cloud.iam(SECURITY_TOOLING))
    operation = start(stack_sets, OperationPreferences={})
    cloud.advance(seconds=20)
    found = stack_sets.operation(operation)["StackSetDriftDetectionDetails"]
    assert counted(found) == {"Total": 2, "Drifted": 1, "InProgress": 1}
    assert (found["DriftStatus"], found["DriftDetectionStatus"]) == ("DRIFTED", "IN_PROGRESS")
    assert drift(stack_sets) == {SECURITY_TOOLING: "DRIFTED", LOG_ARCHIVE: "NOT_CHECKED"}
    created = stack_sets.api().list_stack_set_operations(StackSetName=NAME)["Summaries"][-1]
    first = stack_sets.operation(created["OperationId"])
    assert "StackSetDriftDetectionDetails" not in first


def test_what_cannot_be_looked_at_is_not_checked(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.world.stack_set_failures[LEDGER] = "no"
    stack_sets.deployed(PROD, TemplateBody=repairable())
    before = stack_sets.states()
    cloud.world.stack_set_failures.clear()
    operation = start(stack_sets)
    cloud.advance(seconds=40)
    assert drift(stack_sets) == {
        SHOP: "IN_SYNC",
        LEDGER: "NOT_CHECKED",
        SUSPENDED: "NOT_CHECKED",
        PENDING: "NOT_CHECKED",
    }
    assert stack_sets.states() == before
    assert stack_sets.results(operation) == {
        SHOP: "SUCCEEDED",
        LEDGER: "FAILED",
        SUSPENDED: "CANCELLED",
        PENDING: "CANCELLED",
    }
    assert stack_sets.operation(operation)["Status"] == "SUCCEEDED"
    found = details(stack_sets)
    assert (found["DriftStatus"], found["DriftDetectionStatus"]) == ("NOT_CHECKED", "PARTIAL_SUCCESS")
    assert counted(found) == {"Total": 4, "InSync": 1, "Failed": 3}


def fail(cloud: SmallWorld) -> None:
    cloud.world.stack_set_failures[SANDBOX_ACCOUNT] = "no"


def deny(cloud: SmallWorld) -> None:
    cloud.world.denied_regions.add(HOME)


def delete_the_stack(cloud: SmallWorld) -> None:
    stack_sets = StackSets(cloud)
    stack_sets.api(SANDBOX_ACCOUNT).delete_stack(StackName=stack_sets.instances()[SANDBOX_ACCOUNT]["StackId"])


def leave(cloud: SmallWorld) -> None:
    cloud.organizations().remove_account_from_organization(AccountId=SANDBOX_ACCOUNT)


def delete_in_vain(cloud: SmallWorld) -> None:
    cloud.iam(SANDBOX_ACCOUNT).attach_role_policy(RoleName=ROLE, PolicyArn=DENY_ALL)
    StackSets(cloud).api().delete_stack_instances(**instances(SANDBOX), RetainStacks=False)
    cloud.advance(seconds=40)


@pytest.mark.parametrize("obstacle", [fail, deny, delete_the_stack, leave, delete_in_vain])
def test_a_check_that_fails_takes_back_what_was_known_and_changes_nothing_else(
    cloud: SmallWorld, stack_sets: StackSets, obstacle: Callable[[SmallWorld], None]
) -> None:
    stack_sets.deployed(SANDBOX, TemplateBody=repairable())
    assert detect(cloud, stack_sets) == {SANDBOX_ACCOUNT: "IN_SYNC"}
    obstacle(cloud)
    before = stack_sets.instances()[SANDBOX_ACCOUNT]
    operation = start(stack_sets)
    cloud.advance(seconds=40)
    changed = {"DriftStatus": "NOT_CHECKED", "LastOperationId": operation}
    assert stack_sets.instances()[SANDBOX_ACCOUNT] == before | changed
    assert stack_sets.results(operation) == {SANDBOX_ACCOUNT: "FAILED"}


def test_past_its_tolerance_a_detection_fails_and_leaves_the_rest_unchecked(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(SECURITY, TemplateBody=repairable())
    assert set(stack_sets.states().values()) == {EACH}
    cloud.world.stack_set_failures[SECURITY_TOOLING] = "no"
    operation = start(stack_sets, OperationPreferences={})
    cloud.advance(seconds=40)
    assert stack_sets.operation(operation)["Status"] == "FAILED"
    assert stack_sets.results(operation) == {SECURITY_TOOLING: "FAILED", LOG_ARCHIVE: "CANCELLED"}
    assert set(drift(stack_sets).values()) == {"NOT_CHECKED"}
    assert set(stack_sets.states().values()) == {EACH}
    assert details(stack_sets)["DriftDetectionStatus"] == "FAILED"


def test_a_stopped_detection_keeps_what_it_has_found(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SECURITY, TemplateBody=repairable())
    operation = start(stack_sets, OperationPreferences={})
    stack_sets.api().stop_stack_set_operation(StackSetName=NAME, OperationId=operation)
    cloud.advance(seconds=40)
    assert stack_sets.operation(operation)["Status"] == "STOPPED"
    assert drift(stack_sets) == {SECURITY_TOOLING: "IN_SYNC", LOG_ARCHIVE: "NOT_CHECKED"}
    assert set(stack_sets.states().values()) == {EACH}
    found = details(stack_sets)
    assert (found["DriftStatus"], found["DriftDetectionStatus"]) == ("NOT_CHECKED", "STOPPED")


# --- in the queue ---


def test_a_detection_waits_for_nobody_and_nobody_for_it(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create(TemplateBody=repairable())
    stack_sets.deploy(PROD)
    detection = stack_sets.api().detect_stack_set_drift
    assert refused(detection, StackSetName=NAME) == ("OperationInProgressException", 409)
    cloud.advance(seconds=40)
    start(stack_sets)
    for other in (stack_sets.api().create_stack_instances, stack_sets.api().update_stack_instances):
        assert refused(other, **instances(PROD)) == ("OperationInProgressException", 409)
    cloud.advance(seconds=40)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED"), ("DETECT_DRIFT", "SUCCEEDED")]


def test_with_managed_execution_a_detection_queues_once_and_looks_at_what_there_is_then(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.create(TemplateBody=repairable(), ManagedExecution={"Active": True})
    for unit in (SANDBOX, SECURITY):
        stack_sets.deploy(unit)
    start(stack_sets)
    assert stack_sets.operations() == [("CREATE", "RUNNING"), ("CREATE", "QUEUED"), ("DETECT_DRIFT", "QUEUED")]
    detection = stack_sets.api().detect_stack_set_drift
    assert refused(detection, StackSetName=NAME) == ("OperationInProgressException", 409)
    stack_sets.deploy(PROD)
    cloud.advance(seconds=120)
    found = drift(stack_sets)
    assert {account for account, status in found.items() if status == "IN_SYNC"} == {
        SANDBOX_ACCOUNT, SECURITY_TOOLING, LOG_ARCHIVE,
    }  # fmt: skip
    assert found[SHOP] == "NOT_CHECKED"
    cloud.advance(seconds=40)
    assert [status for _, status in stack_sets.operations()] == ["SUCCEEDED"] * 4


def test_a_detection_is_refused_as_other_operations_are(stack_sets: StackSets) -> None:
    detection = stack_sets.api().detect_stack_set_drift
    assert refused(detection, StackSetName=NAME) == ("StackSetNotFoundException", 404)
    stack_sets.create()
    wrong = {"OperationPreferences": {"MaxConcurrentCount": 1, "MaxConcurrentPercentage": 1}}
    assert refused(detection, StackSetName=NAME, **wrong) == ("ValidationError", 400)
    assert refused(detection, StackSetName=NAME, CallAs="DELEGATED_ADMIN") == ("ValidationError", 400)
    assert start(stack_sets, OperationId="mine") == "mine"
    assert stack_sets.operation("mine")["StackSetDriftDetectionDetails"]["TotalStackInstancesCount"] == 0


# --- afterwards ---


def test_instances_are_filtered_by_drift_status_and_by_all_that_is_asked_for(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    no_audit(cloud.iam(SHOP))
    operation = start(stack_sets)
    cloud.advance(seconds=40)

    def listed(**filters: str) -> set[str]:
        wanted = [{"Name": name, "Values": value} for name, value in filters.items()]
        return set(stack_sets.instances(Filters=wanted))

    assert listed(DRIFT_STATUS="DRIFTED") == {SHOP}
    assert listed(DRIFT_STATUS="IN_SYNC") == {LEDGER}
    assert listed(DRIFT_STATUS="NOT_CHECKED") == {SUSPENDED, PENDING}
    assert listed(DRIFT_STATUS="UNKNOWN") == set()
    assert listed(DRIFT_STATUS="DRIFTED", DETAILED_STATUS="SUCCEEDED", LAST_OPERATION_ID=operation) == {SHOP}
    assert listed(DRIFT_STATUS="DRIFTED", DETAILED_STATUS="FAILED") == set()
    drifted = [{"Name": "DRIFT_STATUS", "Values": "DRIFTED"}]
    assert drift(stack_sets, Filters=drifted, StackInstanceAccount=LEDGER) == {}
    assert drift(stack_sets, Filters=drifted, StackInstanceRegion=HOME) == {SHOP: "DRIFTED"}
    twice = [*drifted, {"Name": "DRIFT_STATUS", "Values": "IN_SYNC"}]
    listing = stack_sets.api().list_stack_instances
    assert refused(listing, StackSetName=NAME, Filters=twice) == ("ValidationError", 400)


def test_a_repaired_role_is_in_sync_at_the_next_detection(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    for alter in (other_trust, no_audit):
        alter(cloud.iam(SHOP))
    assert detect(cloud, stack_sets)[SHOP] == "DRIFTED"
    stack_sets.override(SHOP, unit=PROD, Repair="once")
    cloud.advance(seconds=40)
    assert drift(stack_sets)[SHOP] == "DRIFTED"
    assert detect(cloud, stack_sets)[SHOP] == "IN_SYNC"


def test_instances_that_are_made_anew_are_not_checked(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SANDBOX, TemplateBody=repairable())
    detect(cloud, stack_sets)
    stack_sets.api().delete_stack_instances(**instances(SANDBOX), RetainStacks=False)
    cloud.advance(seconds=40)
    stack_sets.deploy(SANDBOX)
    cloud.advance(seconds=40)
    assert drift(stack_sets) == {SANDBOX_ACCOUNT: "NOT_CHECKED"}


def test_a_detection_is_no_write() -> None:
    assert not is_write("cloudformation", "DetectStackSetDrift")
    assert is_write("cloudformation", "UpdateStackInstances")
