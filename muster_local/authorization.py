"""Whether IAM would allow a call: identity policies, trust policies, and what each operation needs.

The evaluator knows what this application's policies use: Action and NotAction, Resource and NotResource, conditions on
strings, ARNs, booleans, numbers and absence, with IfExists and set operators. Policy variables, permissions
boundaries, resource policies and service control policies are not evaluated.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from string import Formatter
from typing import Any

from moto.iam.models import iam_backends

from muster_local.operations import Call
from muster_local.service_linked_roles import (
    MEMBERSHIP_PRINCIPAL,
    MEMBERSHIP_ROLE_NAME,
    TRIAGE_PRINCIPAL,
    TRIAGE_ROLE_NAME,
)

type Document = Mapping[str, Any]
type Context = Mapping[str, tuple[str, ...]]

_SERVICE_LINKED_ROLES = {TRIAGE_PRINCIPAL: TRIAGE_ROLE_NAME, MEMBERSHIP_PRINCIPAL: MEMBERSHIP_ROLE_NAME}
_ROLE_ARN = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?P<name>.+)")


class PolicyError(Exception):
    """A policy says something that this evaluator does not understand; nothing is guessed."""


class UnmappedOperationError(PolicyError):
    """Nobody has written down which permissions an operation needs."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a call needs: an action on a resource, with the condition keys of the request."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a role of an account, or the account itself; and the organization the account belongs to."""

    account: str
    arn: str
    organization_id: str | None


@dataclass(frozen=True, slots=True)
class Realm:
    """What the ARNs of Organizations are made of."""

    organization_id: str
    management_account: str


# --- what an operation needs -----------------------------------------------------------------------------------------


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
_STACK = "arn:aws:cloudformation:{region}:{account}:stack/{StackName}/*"
_STACK_SET = "arn:aws:cloudformation:{region}:{account}:stackset/{StackSetName}:*"
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
            ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies", "DeleteRole"),
            _Rule("{role}"),
        ),
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
                "CreateStackSet",
                "DescribeStackSet",
                "UpdateStackSet",
                "ListStackInstances",
                "CreateStackInstances",
                "UpdateStackInstances",
                "DeleteStackInstances",
                "DescribeStackInstance",
                "DescribeStackSetOperation",
                "ListStackSetOperations",
                "ListStackSetOperationResults",
                "DetectStackSetDrift",
            ),
            _Rule(_STACK_SET),
        ),
        "ListStackSets": _Rule(),
    },
    "events": {"PutEvents": _Rule("arn:aws:events:{region}:{account}:event-bus/default")},
    "sqs": {
        **dict.fromkeys(("SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"), _Rule("{queue}")),
        "SendMessageBatch": _Rule("{queue}", action="sqs:SendMessage"),
        "DeleteMessageBatch": _Rule("{queue}", action="sqs:DeleteMessage"),
    },
    "support": dict.fromkeys(("DescribeCases", "CreateCase", "DescribeServices", "DescribeSeverityLevels"), _Rule()),
    "account": {"ListRegions": _Rule("arn:aws:account::{account}:account")},
}


def needs_of(call: Call, realm: Realm) -> list[Need]:
    """Return every permission that a call needs. Raises UnmappedOperationError."""
    rule = _RULES.get(call.service, {}).get(call.operation)
    if rule is None:
        raise UnmappedOperationError(
            f"the embedded cloud does not know which permissions {call.service}:{call.operation} needs; "
            "add it to muster_local/authorization.py"
        )
    if rule.free:
        return []
    action = rule.action or f"{call.service}:{call.operation}"
    if action == "s3:GetObject" and call.parameters.get("VersionId"):
        action = "s3:GetObjectVersion"
    context = _request_context(call, rule)
    needs = [Need(action, _resource(rule.resource, call, realm), context)]
    if call.operation == "CreateMembership" and call.parameters.get("tags"):
        needs.append(Need("security-ir:TagResource", needs[0].resource, context))
    return needs


def list_bucket_need(call: Call) -> Need:
    """Return the permission without which S3 says 403, not 404, of an object that is not there."""
    return Need("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}", {"aws:RequestedRegion": (call.region,)})


def _request_context(call: Call, rule: _Rule) -> Context:
    context = {"aws:RequestedRegion": (call.region,)}
    for key, member in rule.conditions.items():
        if (value := call.parameters.get(member)) is not None:
            context[key] = (_text(value),)
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


# --- the evaluator ----------------------------------------------------------------------------------------------------


def allows(documents: Iterable[Document], need: Need, principal: Principal) -> bool:
    """Tell whether identity policies allow a need: some statement allows it and none denies it."""
    context = {**_principal_context(principal), **need.context}
    allowed = False
    for statement in _statements(documents):
        if _covers_action(statement, need.action) and _covers_resource(statement, need.resource):
            if not _conditions_hold(statement.get("Condition", {}), context):
                continue
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def trusts(document: Document, principal: Principal | str, context: Context) -> bool:
    """Tell whether a trust policy lets a principal, or a service by its name, assume the role."""
    whole = {**(_principal_context(principal) if isinstance(principal, Principal) else {}), **context}
    allowed = False
    for statement in _statements([document]):
        if not _covers_action(statement, "sts:AssumeRole") or not _names(statement.get("Principal", {}), principal):
            continue
        if not _conditions_hold(statement.get("Condition", {}), whole):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def identity_policies(role_arn: str) -> list[Document]:
    """Return the inline and attached policies of a role as IAM has them; none when the role is gone."""
    role = find_role(role_arn)
    if role is None:
        return []
    documents = [_document(text) for text in role.policies.values()]
    for policy in role.managed_policies.values():
        documents += [_document(version.document) for version in policy.versions if version.is_default]
    return documents


def trust_policy(role_arn: str) -> Document | None:
    """Return a role's trust policy, or None when there is no such role."""
    role = find_role(role_arn)
    return None if role is None else _document(role.assume_role_policy_document)


def find_role(role_arn: str) -> Any | None:
    """Return moto's role by its ARN, or None."""
    match = _ROLE_ARN.fullmatch(role_arn)
    if match is None:
        return None
    roles = iam_backends[match["account"]]["aws"].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def _document(text: str | Document) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text
    return document


def _principal_context(principal: Principal) -> Context:
    context = {
        "aws:PrincipalArn": (principal.arn,),
        "aws:PrincipalAccount": (principal.account,),
        "aws:SecureTransport": ("true",),
    }
    if principal.organization_id:
        context["aws:PrincipalOrgID"] = (principal.organization_id,)
    return context


def _statements(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        yield from _many(document.get("Statement", ()))


def _covers_action(statement: Document, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_like(action.lower(), pattern.lower()) for pattern in _many(statement["NotAction"]))
    return any(_like(action.lower(), pattern.lower()) for pattern in _many(statement.get("Action", ())))


def _covers_resource(statement: Document, resource: str) -> bool:
    if "NotResource" in statement:
        return not any(_like(resource, pattern) for pattern in _many(statement["NotResource"]))
    return any(_like(resource, pattern) for pattern in _many(statement.get("Resource", ())))


def _names(principals: Any, principal: Principal | str) -> bool:
    if principals == "*":
        return isinstance(principal, Principal)
    if isinstance(principal, str):
        return principal in _many(principals.get("Service", ()))
    accepted = {"*", principal.account, f"arn:aws:iam::{principal.account}:root", principal.arn}
    return any(name in accepted for name in _many(principals.get("AWS", ())))


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    lower = {key.lower(): values for key, values in context.items()}
    return all(
        _condition_holds(operator, lower.get(key.lower()), [_text(value) for value in _many(wanted)])
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _condition_holds(operator: str, present: tuple[str, ...] | None, wanted: list[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if base == "Null":
        return (present is None) == (wanted[0].lower() == "true")
    if base not in _OPERATORS:
        raise PolicyError(f"the embedded cloud does not know the condition operator {operator!r}")
    compare, negated = _OPERATORS[base]
    if present is None:
        return name.endswith("IfExists") or negated or quantifier == "ForAllValues"
    matches = [any(compare(value, pattern) for pattern in wanted) != negated for value in present]
    return all(matches) if quantifier == "ForAllValues" or negated else any(matches)


def _many(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _like(value: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _equal(value: str, pattern: str) -> bool:
    return value == pattern


def _equal_ignoring_case(value: str, pattern: str) -> bool:
    return value.lower() == pattern.lower()


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equal_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnNotEquals": (_like, True),
    "ArnLike": (_like, False),
    "ArnNotLike": (_like, True),
    "Bool": (_equal_ignoring_case, False),
    "NumericEquals": (lambda value, wanted: float(value) == float(wanted), False),
    "NumericLessThanEquals": (lambda value, wanted: float(value) <= float(wanted), False),
    "NumericGreaterThanEquals": (lambda value, wanted: float(value) >= float(wanted), False),
}
