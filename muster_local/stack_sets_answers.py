"""How StackSets answer: errors, pages, and descriptions of what they keep, in the members of botocore's model."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.exceptions import ServiceException

from muster_local.stack_sets_model import Instance, Operation, StackSet, Target

type Request = Mapping[str, Any]
type Answer = dict[str, Any]

DEFAULT_PAGE = 100


class StackSetsError(ServiceException):
    """An error of CloudFormation."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code and the message."""
        super().__init__(code, message)


def refuse(message: str) -> StackSetsError:
    """Return a ValidationError."""
    return StackSetsError("ValidationError", message)


def page(items: Sequence[Answer], request: Request) -> Answer:
    """Return the page of a list that the request asks for. Raises a ValidationError about its token."""
    start = 0
    if token := request.get("NextToken"):
        try:
            start = int(base64.urlsafe_b64decode(token).decode())
        except ValueError as error:
            raise refuse("NextToken is not a token of this service") from error
    end = start + int(request.get("MaxResults") or DEFAULT_PAGE)
    answer: Answer = {"Summaries": list(items[start:end])}
    if end < len(items):
        answer["NextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer


def set_summary(stack_set: StackSet) -> Answer:
    """Describe a set as ListStackSets does."""
    drift = drift_details(stack_set.last_detection())
    return _without_nothing(
        {
            "StackSetName": stack_set.name,
            "StackSetId": stack_set.id,
            "Description": stack_set.description or None,
            "Status": stack_set.status,
            "AutoDeployment": dict(stack_set.auto_deployment),
            "PermissionModel": "SERVICE_MANAGED",
            "DriftStatus": drift["DriftStatus"],
            "LastDriftCheckTimestamp": drift.get("LastDriftCheckTimestamp"),
            "ManagedExecution": {"Active": stack_set.managed_execution},
        }
    )


def set_description(stack_set: StackSet) -> Answer:
    """Describe a set as DescribeStackSet does."""
    summary = set_summary(stack_set)
    del summary["DriftStatus"]
    summary.pop("LastDriftCheckTimestamp", None)
    units = [unit for targeted in stack_set.units.values() for unit in targeted]
    return {
        **summary,
        "TemplateBody": stack_set.template,
        "Parameters": parameters(stack_set.parameters),
        "Capabilities": list(stack_set.capabilities),
        "Tags": [{"Key": key, "Value": value} for key, value in stack_set.tags.items()],
        "StackSetARN": stack_set.arn,
        "StackSetDriftDetectionDetails": drift_details(stack_set.last_detection()),
        "OrganizationalUnitIds": list(dict.fromkeys(units)),
        "Regions": sorted({region for _, region in stack_set.instances}),
    }


def instance_summary(stack_set: StackSet, instance: Instance) -> Answer:
    """Describe an instance as ListStackInstances does."""
    return _without_nothing(
        {
            "StackSetId": stack_set.id,
            "Region": instance.region,
            "Account": instance.account,
            "StackId": instance.stack_id,
            "Status": instance.status,
            "StatusReason": instance.reason,
            "StackInstanceStatus": {"DetailedStatus": instance.detailed_status},
            "OrganizationalUnitId": instance.unit_id,
            "DriftStatus": instance.drift_status,
            "LastDriftCheckTimestamp": instance.drift_checked_at,
            "LastOperationId": instance.last_operation_id,
        }
    )


def instance_description(stack_set: StackSet, instance: Instance) -> Answer:
    """Describe an instance as DescribeStackInstance does."""
    return {**instance_summary(stack_set, instance), "ParameterOverrides": parameters(instance.overrides)}


def operation_summary(operation: Operation) -> Answer:
    """Describe an operation as ListStackSetOperations does."""
    failed = sum(target.status == "FAILED" for target in operation.targets)
    return _without_nothing(
        {
            "OperationId": operation.id,
            "Action": operation.action,
            "Status": operation.status,
            "CreationTimestamp": operation.requested_at,
            "EndTimestamp": operation.ended_at,
            "StatusDetails": {"FailedStackInstancesCount": failed},
            "OperationPreferences": dict(operation.preferences.given),
        }
    )


def operation_description(stack_set: StackSet, operation: Operation) -> Answer:
    """Describe an operation as DescribeStackSetOperation does."""
    return _without_nothing(
        {
            **operation_summary(operation),
            "StackSetId": stack_set.id,
            "DeploymentTargets": operation.deployment_targets,
            "RetainStacks": operation.retain_stacks if operation.action == "DELETE" else None,
            "StackSetDriftDetectionDetails": drift_details(operation) if operation.is_detection else None,
        }
    )


def drift_details(detection: Operation | None) -> Answer:
    """Describe what a detection of drift has found so far.

    AWS says that the counts add up to the total. So whatever could not be looked at counts as failed, the instances of
    suspended accounts as well, and a set in which that has happened is never IN_SYNC.
    """
    targets = [] if detection is None else detection.targets
    drifted, in_sync = (sum(one.drift_status == status for one in targets) for status in ("DRIFTED", "IN_SYNC"))
    in_progress = sum(target.status in {"PENDING", "RUNNING"} for target in targets)
    failed = len(targets) - drifted - in_sync - in_progress
    checked = [target.drift_checked_at for target in targets if target.drift_checked_at is not None]
    all_in_sync = bool(targets) and in_sync == len(targets)
    return _without_nothing(
        {
            "DriftStatus": "DRIFTED" if drifted else "IN_SYNC" if all_in_sync else "NOT_CHECKED",
            "DriftDetectionStatus": None if detection is None else _detection_status(detection, failed),
            "LastDriftCheckTimestamp": max(checked, default=None),
            "TotalStackInstancesCount": len(targets),
            "DriftedStackInstancesCount": drifted,
            "InSyncStackInstancesCount": in_sync,
            "InProgressStackInstancesCount": in_progress,
            "FailedStackInstancesCount": failed,
        }
    )


def _detection_status(detection: Operation, failed: int) -> str:
    match detection.status:
        case "SUCCEEDED":
            return "PARTIAL_SUCCESS" if failed else "COMPLETED"
        case "FAILED" | "STOPPED":
            return detection.status
        case _:
            return "IN_PROGRESS"


def result_summary(target: Target) -> Answer:
    """Describe how an operation went in one account and Region."""
    return _without_nothing(
        {
            "Account": target.account,
            "Region": target.region,
            "Status": target.status,
            "StatusReason": target.reason,
            "OrganizationalUnitId": target.unit_id,
        }
    )


def parameters(values: Mapping[str, str]) -> list[Answer]:
    """Write parameters as the API does."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _without_nothing(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if value is not None}
