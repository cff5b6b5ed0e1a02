"""Which permissions each operation needs: a table, and what fills its resources and condition keys from a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from string import Formatter

from moto.iam.models import iam_backends

from muster_local.authorization import Context, Need, PolicyError, as_text
from muster_local.operations import Call
from muster_local.service_linked_roles import (
    MEMBERSHIP_PRINCIPAL,
    MEMBERSHIP_ROLE_NAME,
    TRIAGE_PRINCIPAL,
    TRIAGE_ROLE_NAME,
)

_SERVICE_LINKED_ROLES = {TRIAGE_PRINCIPAL: TRIAGE_ROLE_NAME, MEMBERSHIP_PRINCIPAL: MEMBERSHIP_ROLE_NAME}


class UnmappedOperationError(PolicyError):
    """Nobody has written down which permissions an operation needs."""


@dataclass(frozen=True, slots=True)
class Realm:
    """What the ARNs of Organizations are made of."""

    organization_id: str
    management_account: str


@dataclass(frozen=True, slots=True)
class _Rule:
    resource: str = "*"
    action: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    free: bool = False


_MEMBERSHIP = "arn:aws:security-ir:{region}:{account}:membership/{membershipId}"
_MACHINE = "{stateMachineArn}"
_EXECUTION = "{executionArn}"
_PARAMETER = "arn:aws:ssm:{region}:{account}:parameter/{Name}"
_CALENDAR = "arn:aws:ssm:{region}:{account}:document/{calendar}"
_STACK = "arn:aws:cloudformation:{region}:{account}:stack/{StackName}/*"
_STACK_SET = "arn:aws:cloudformation:{region}:{account}:stackset/{StackSetName}:*"
_ON_STACK_SET_TARGETS = frozenset(
    {"CreateStackInstances", "UpdateStackInstances", "DeleteStackInstances", "UpdateStackSet"}
)
_CONDITIONAL_WRITES = frozenset({"PutObject", "DeleteObject"})
_OU = "arn:aws:organizations::{management}:ou/{organization}/{OrganizationalUnitId}"
_MEMBER = "arn:aws:organizations::{management}:account/{organization}/{AccountId}"
_NODE = "arn:aws:organizations::{management}:{node}/{organization}/{ParentId}"
_CHILD = "arn:aws:organizations::{management}:{node}/{organization}/{ChildId}"
_BUCKET = "arn:aws:s3:::{Bucket}"
_OBJECT = "arn:aws:s3:::{Bucket}/{Key}"
_FOR_SERVICE = {"organizations:ServicePrincipal": "ServicePrincipal"}

_RULES: dict[str, dict[str, _Rule]] = {
    "organizations": {
        **dict.fromkeys(
            (
                "DescribeOrganization",
                "ListAccounts",
                "ListRoots",
                "ListAWSServiceAccessForOrganization",
                "ListCreateAccountStatus",
            ),
            _Rule(),
        ),
        "ListDelegatedAdministrators": _Rule(conditions=_FOR_SERVICE),
        "ListDelegatedServicesForAccount": _Rule(_MEMBER),
        "EnableAWSServiceAccess": _Rule(conditions=_FOR_SERVICE),
        "DisableAWSServiceAccess": _Rule(conditions=_FOR_SERVICE),
        "RegisterDelegatedAdministrator": _Rule(_MEMBER, conditions=_FOR_SERVICE),
        "DeregisterDelegatedAdministrator": _Rule(_MEMBER, conditions=_FOR_SERVICE),
        "DescribeAccount": _Rule(_MEMBER),
        "DescribeOrganizationalUnit": _Rule(_OU),
        "ListOrganizationalUnitsForParent": _Rule(_NODE),
        "ListAccountsForParent": _Rule(_NODE),
        "ListChildren": _Rule(_NODE),
        "ListParents": _Rule(_CHILD),
    },
    "security-ir": {
        "ListMemberships": _Rule(),
        "CreateMembership": _Rule("arn:aws:security-ir:{region}:{account}:membership/*"),
        **dict.fromkeys(
            ("GetMembership", "UpdateMembership", "BatchGetMemberAccountDetails", "CancelMembership"),
            _Rule(_MEMBERSHIP),
        ),
        **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), _Rule("{resourceArn}")),
        "ListCases": _Rule(),
    },
    "iam": {
        **dict.fromkeys(
            (
                "GetRole",
                "ListRolePolicies",
                "GetRolePolicy",
                "ListAttachedRolePolicies",
                "PutRolePolicy",
                "DeleteRolePolicy",
                "UpdateAssumeRolePolicy",
                "UpdateRole",
                "DeleteRole",
            ),
            _Rule("{role}"),
        ),
        **dict.fromkeys(
            ("AttachRolePolicy", "DetachRolePolicy"), _Rule("{role}", conditions={"iam:PolicyARN": "PolicyArn"})
        ),
        "PutRolePermissionsBoundary": _Rule("{role}", conditions={"iam:PermissionsBoundary": "PermissionsBoundary"}),
        "DeleteRolePermissionsBoundary": _Rule("{role}"),
        **dict.fromkeys(("GetPolicy", "GetPolicyVersion", "ListPolicyVersions"), _Rule("{PolicyArn}")),
        "ListRoles": _Rule("arn:aws:iam::{account}:role/"),
        "CreateServiceLinkedRole": _Rule("{service_linked_role}", conditions={"iam:AWSServiceName": "AWSServiceName"}),
        "DeleteServiceLinkedRole": _Rule("{role}"),
    },
    "sts": {
        "AssumeRole": _Rule("{RoleArn}", conditions={"sts:ExternalId": "ExternalId"}),
        "GetCallerIdentity": _Rule(free=True),
    },
    "s3": {
        **dict.fromkeys(("GetObject", "HeadObject"), _Rule(_OBJECT, action="s3:GetObject")),
        "PutObject": _Rule(_OBJECT),
        "DeleteObject": _Rule(_OBJECT),
        **dict.fromkeys(
            ("ListObjectsV2", "ListObjects", "HeadBucket"),
            _Rule(_BUCKET, action="s3:ListBucket", conditions={"s3:prefix": "Prefix"}),
        ),
        "ListObjectVersions": _Rule(_BUCKET, action="s3:ListBucketVersions", conditions={"s3:prefix": "Prefix"}),
        "GetBucketLocation": _Rule(_BUCKET),
        "GetBucketVersioning": _Rule(_BUCKET),
    },
    "ssm": {
        "GetParameter": _Rule(_PARAMETER),
        "PutParameter": _Rule(_PARAMETER, conditions={"ssm:Overwrite": "Overwrite"}),
        "DescribeParameters": _Rule(),
        "GetCalendarState": _Rule(_CALENDAR),
    },
    "sns": {"Publish": _Rule("{TopicArn}")},
    "lambda": {"Invoke": _Rule("{function}", action="lambda:InvokeFunction")},
    "states": {
        "StartExecution": _Rule(_MACHINE),
        "DescribeStateMachine": _Rule(_MACHINE),
        "ListExecutions": _Rule(_MACHINE),
        "DescribeExecution": _Rule(_EXECUTION),
        "GetExecutionHistory": _Rule(_EXECUTION),
        "StopExecution": _Rule(_EXECUTION),
        "SendTaskSuccess": _Rule(),
        "SendTaskFailure": _Rule(),
        "SendTaskHeartbeat": _Rule(),
    },
    "cloudformation": {
        **dict.fromkeys(("DescribeStacks", "GetTemplate"), _Rule(_STACK)),
        **dict.fromkeys(
            (
                "DescribeStackSet",
                "UpdateStackSet",
                "DeleteStackSet",
                "ListStackInstances",
                "CreateStackInstances",
                "UpdateStackInstances",
                "DeleteStackInstances",
                "DescribeStackInstance",
                "DescribeStackSetOperation",
                "ListStackSetOperations",
                "ListStackSetOperationResults",
                "StopStackSetOperation",
                "DetectStackSetDrift",
            ),
            _Rule(_STACK_SET, conditions={"cloudformation:TargetRegion": "Regions"}),
        ),
        **dict.fromkeys(
            (
                "CreateStackSet",
                "ListStackSets",
                "ActivateOrganizationsAccess",
                "DeactivateOrganizationsAccess",
                "DescribeOrganizationsAccess",
            ),
            _Rule(),
        ),
    },
    "events": {"PutEvents": _Rule("arn:aws:events:{region}:{account}:event-bus/default")},
    "sqs": {
        **dict.fromkeys(("SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"), _Rule("{queue}")),
        "SendMessageBatch": _Rule("{queue}", action="sqs:SendMessage"),
        "DeleteMessageBatch": _Rule("{queue}", action="sqs:DeleteMessage"),
    },
    "support": dict.fromkeys(("DescribeCases", "CreateCase", "DescribeServices", "DescribeSeverityLevels"), _Rule()),
    "cloudtrail": {"DescribeTrails": _Rule(), "GetTrailStatus": _Rule("{trail}"), "LookupEvents": _Rule()},
    "account": {"ListRegions": _Rule("arn:aws:account::{account}:account")},
}


def needs_of(call: Call, realm: Realm) -> list[Need]:
    """Return every permission that a call needs. Raises UnmappedOperationError."""
    rule = _RULES.get(call.service, {}).get(call.operation)
    if rule is None:
        raise UnmappedOperationError(
            f"the embedded cloud does not know which permissions {call.service}:{call.operation} needs; "
            "add it to muster_local/operation_needs.py"
        )
    if rule.free:
        return []
    action = rule.action or f"{call.service}:{call.operation}"
    if action == "s3:GetObject" and call.parameters.get("VersionId"):
        action = "s3:GetObjectVersion"
    context = _request_context(call, rule)
    if call.operation == "GetCalendarState":
        return [Need(action, _resource(rule.resource, each, realm), context) for each in _calendar_by_calendar(call)]
    needs = [Need(action, _resource(rule.resource, call, realm), context)]
    if call.service == "s3" and call.operation in _CONDITIONAL_WRITES and call.parameters.get("IfMatch", "*") != "*":
        needs.append(Need("s3:GetObject", needs[0].resource, context))  # a write that compares ETags reads
    if call.operation == "CreateMembership" and call.parameters.get("tags"):
        needs.append(Need("security-ir:TagResource", needs[0].resource, context))
    if call.operation in _ON_STACK_SET_TARGETS:
        needs += [Need(action, target, context) for target in _stack_set_targets(call)]
    return needs


def list_bucket_need(call: Call) -> Need:
    """Return the permission without which S3 says 403, not 404, of an object that is not there."""
    return Need("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}", {"aws:RequestedRegion": (call.region,)})


def _request_context(call: Call, rule: _Rule) -> Context:
    context: dict[str, tuple[str, ...]] = {"aws:RequestedRegion": (call.region,)}
    for key, member in rule.conditions.items():
        if (value := call.parameters.get(member)) is not None:
            context[key] = tuple(map(as_text, value)) if isinstance(value, list) else (as_text(value),)
    tags = call.parameters.get("tags") or call.parameters.get("Tags") or {}
    pairs = tags.items() if isinstance(tags, Mapping) else ((tag["Key"], tag["Value"]) for tag in tags)
    for key, value in pairs:
        context[f"aws:RequestTag/{key}"] = (str(value),)
        context["aws:TagKeys"] = (*context.get("aws:TagKeys", ()), str(key))
    return context


def _resource(template: str, call: Call, realm: Realm) -> str:
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return template.format(**{name: _part(name, call, realm) for name in names})


def _part(name: str, call: Call, realm: Realm) -> str:
    computed: dict[str, Callable[[], str]] = {
        "region": lambda: call.region,
        "account": lambda: call.account,
        "organization": lambda: realm.organization_id,
        "management": lambda: realm.management_account,
        "node": lambda: _node_type(str(call.parameters.get("ParentId") or call.parameters.get("ChildId"))),
        "role": lambda: _role_arn(call),
        "service_linked_role": lambda: _service_linked_role_arn(call),
        "function": lambda: _function_arn(call),
        "queue": lambda: _queue_arn(call),
        "Name": lambda: _parameter_name(call),
        "StackName": lambda: _stack_name(call),
        "StackSetName": lambda: _stack_set_name(call),
        "trail": lambda: _trail_arn(call),
        "calendar": lambda: str(call.parameters["CalendarNames"][0]).rpartition("document/")[2],
    }
    if name in computed:
        return computed[name]()
    return str(call.parameters.get(name) or "*")


def _node_type(node_id: str) -> str:
    return "root" if node_id.startswith("r-") else "ou" if node_id.startswith("ou-") else "account"


def _role_arn(call: Call) -> str:
    name = str(call.parameters.get("RoleName", "*"))
    roles = iam_backends[call.account]["aws"].roles.values()
    return next((str(role.arn) for role in roles if role.name == name), f"arn:aws:iam::{call.account}:role/{name}")


def _service_linked_role_arn(call: Call) -> str:
    service = str(call.parameters.get("AWSServiceName"))
    name = _SERVICE_LINKED_ROLES.get(service, "AWSServiceRoleFor")
    return f"arn:aws:iam::{call.account}:role/aws-service-role/{service}/{name}"


def _function_arn(call: Call) -> str:
    name = str(call.parameters.get("FunctionName", "*"))
    return name if name.startswith("arn:") else f"arn:aws:lambda:{call.region}:{call.account}:function:{name}"


def _queue_arn(call: Call) -> str:
    name = str(call.parameters.get("QueueUrl", "*")).rpartition("/")[2]
    return f"arn:aws:sqs:{call.region}:{call.account}:{name}"


def _parameter_name(call: Call) -> str:
    return str(call.parameters.get("Name", "*")).removeprefix("/")


def _stack_name(call: Call) -> str:
    name = str(call.parameters.get("StackName") or "*")
    return name.split("/")[1] if name.startswith("arn:") else name


def _stack_set_name(call: Call) -> str:
    name = str(call.parameters.get("StackSetName") or "*")
    return name.rpartition("stackset/")[2].partition(":")[0]


def _stack_set_targets(call: Call) -> list[str]:
    """Return a resource for each unit and account that is targeted.

    AWS does not say which Region and account stand in it: only a policy with wildcards there allows it.
    """
    targets = call.parameters.get("DeploymentTargets") or {}
    named = [*targets.get("OrganizationalUnitIds", ()), *targets.get("Accounts", ())]
    return [f"arn:aws:cloudformation:*:*:stackset-target/{_stack_set_name(call)}:*/{target}" for target in named]


def _calendar_by_calendar(call: Call) -> list[Call]:
    """Return a call for each of the calendars that one call asks for."""
    names = call.parameters.get("CalendarNames") or ["*"]
    return [replace(call, parameters={"CalendarNames": [name]}) for name in names]


def _trail_arn(call: Call) -> str:
    name = str(call.parameters.get("Name") or "*")
    return name if name.startswith("arn:") else f"arn:aws:cloudtrail:{call.region}:{call.account}:trail/{name}"
