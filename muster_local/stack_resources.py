"""What CloudFormation does with one resource: create, change in place, replace, delete. moto does half of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import Role, iam_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.stepfunctions.models import StateMachine

from muster_local import stack_events, stack_roles
from muster_local.authorization import trust_policy, trusts
from muster_local.resource_errors import ResourceError, handler_message
from muster_local.templates import references

_VERSIONS_OF_A_POLICY = 5

type Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is."""

    account: str
    region: str


# --- gaps of moto -----------------------------------------------------------------------------------------------------


def version_buckets_of_templates() -> None:
    """Let CloudFormation switch on a bucket's versioning and events: moto ignores these properties."""
    _around_creation(FakeBucket, "version", then=_version)


def attach_managed_policies_of_templates() -> None:
    """Let CloudFormation attach managed policies to a role: moto ignores that property."""
    _around_creation(Role, "attach", then=stack_roles.attach_to_new)


def write_policies_of_templates_as_text() -> None:
    """Keep a role's own policies as JSON, as IAM returns them: moto keeps those of templates as Python's objects."""
    _around_creation(Role, "write", then=stack_roles.write_policies)


def substitute_in_definitions_of_templates() -> None:
    """Put a state machine's DefinitionSubstitutions into its definition: moto ignores that property."""
    _around_creation(StateMachine, "substitute", before=_substitute)


def refuse_roles_that_lambda_may_not_assume() -> None:
    """Refuse a function whose role does not trust Lambda, as Lambda does: moto takes any role that there is."""
    _around_creation(LambdaFunction, "trust", before=_check_trust)


def leave_no_value_out_of_lists() -> None:
    """Let AWS::NoValue remove an element of a list, as it removes a property: moto leaves None in its place."""
    original = getattr(parsing.clean_json, "wraps", parsing.clean_json)

    def clean(resource_json: Any, resources_map: Any) -> Any:
        cleaned = original(resource_json, resources_map)
        return [item for item in cleaned if item is not None] if isinstance(resource_json, list) else cleaned

    clean.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    parsing.clean_json = clean


@dataclass(frozen=True, slots=True)
class _Hook:
    before: Callable[[Properties], None]
    then: Callable[[Any, Properties], None]


_hooks: dict[Any, dict[str, _Hook]] = {}


def _around_creation(
    model: Any,
    name: str,
    *,
    before: Callable[[Properties], None] = lambda _: None,
    then: Callable[[Any, Properties], None] = lambda *_: None,
) -> None:
    """Do something with every resource of a model that CloudFormation creates; a second hook of a name is the first."""
    if model not in _hooks:
        _hooks[model] = {}
        _call_hooks(model)
    _hooks[model][name] = _Hook(before, then)


def _call_hooks(model: Any) -> None:
    original = model.create_from_cloudformation_json

    def create(_model: Any, resource_name: str, cloudformation_json: Any, *more: Any, **named: Any) -> Any:
        properties = cloudformation_json.get("Properties", {})
        for hook in _hooks[model].values():
            hook.before(properties)
        created = original(resource_name, cloudformation_json, *more, **named)
        for hook in _hooks[model].values():
            hook.then(created, properties)
        return created

    model.create_from_cloudformation_json = classmethod(create)


def _version(bucket: Any, properties: Properties) -> None:
    status = properties.get("VersioningConfiguration", {}).get("Status")
    if status:
        s3_backends[bucket.account_id]["aws"].put_bucket_versioning(bucket.name, status)
    wanted = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {})
    sends = str(wanted.get("EventBridgeEnabled", "false")).lower() == "true"
    if sends or bucket.notification_configuration is not None:
        bucket.set_notification_configuration({"EventBridgeConfiguration": {}} if sends else None)


def _substitute(properties: Properties) -> None:
    pieces = str(properties.get("DefinitionString", "")).split("${")
    values = properties.get("DefinitionSubstitutions", {})
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, after = piece.partition("}")
        if name not in values:
            raise ResourceError(f"the definition has no substitution for ${{{name}}}")
        text += f"{values[name]}{after}"
    properties["DefinitionString"] = text


def _check_trust(properties: Properties) -> None:
    trust = trust_policy(str(properties.get("Role", "")))
    if trust is None or not trusts(trust, "lambda.amazonaws.com", {}):
        raise ResourceError("The role defined for the function cannot be assumed by Lambda.")


# --- one resource -----------------------------------------------------------------------------------------------------


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Return logical ids so that each comes after those it refers to."""
    ordered: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in above:
            raise ResourceError(f"Circular dependency between resources: {', '.join(sorted(above))}")
        if name in ordered:
            return
        for needed in dict.fromkeys(references(resources[name])):
            if needed in resources and needed != name:
                visit(needed, above | {name})
        ordered[name] = None

    for name in resources:
        visit(name, frozenset())
    return list(ordered)


def properties_of(resource_json: Mapping[str, Any], resource_map: Any) -> Properties:
    """Return a resource's properties with every intrinsic function evaluated."""
    properties: Properties = parsing.clean_json(resource_json.get("Properties", {}), resource_map)
    return properties


def is_replaced(kind: str, before: Properties, after: Properties) -> bool:
    """Tell whether a change makes another resource: its name is another one."""
    name = parsing.resource_name_property_from_type(kind)
    return name is not None and before.get(name) != after.get(name)


def reason_of(kind: str, properties: Properties, error: Exception) -> str | None:
    """Return why a resource of the template could not be made, in the words of its handler, where those are known."""
    if not isinstance(error, EntityAlreadyExists):
        return None
    name = properties.get(parsing.resource_name_property_from_type(kind) or "")
    return handler_message(f"Resource of type '{kind}' with identifier '{name}' already exists.", "AlreadyExists")


def change(kind: str, resource: Any, before: Properties, after: Properties, place: Place) -> Any:
    """Change a resource in place and return it. Raises ResourceError, or what moto's service raises."""
    if kind == stack_roles.ROLE:
        return stack_roles.change(resource, before, after)
    if kind in _CHANGES:
        _CHANGES[kind](resource, before, dict(after))
        return resource
    model = parsing.resource_class_from_type(kind)
    template = {"Type": kind, "Properties": json.loads(json.dumps(after))}
    name = parsing.resource_name_property_from_type(kind)
    physical = after.get(name) or getattr(resource, "name", resource.physical_resource_id)
    if hasattr(model.update_from_cloudformation_json, "__isabstractmethod__"):
        raise ResourceError(f"the embedded cloud cannot update {kind}")
    return model.update_from_cloudformation_json(
        original_resource=resource,
        new_resource_name=physical,
        cloudformation_json=template,
        account_id=place.account,
        region_name=place.region,
    )


def delete(kind: str, resource: Any, properties: Properties, resource_map: Any) -> None:
    """Delete a resource. Raises ResourceError, or what moto's service raises."""
    if kind in _DELETIONS:
        _DELETIONS[kind](resource, properties)
    else:
        resource_map._delete_resource(resource, {"Type": kind, "Properties": properties})


def _change_managed_policy(policy: Any, before: Properties, after: Properties) -> None:
    if {key for key in before | after if before.get(key) != after.get(key)} != {"PolicyDocument"}:
        raise ResourceError("the embedded cloud updates nothing of a managed policy but its document")
    old = [version for version in policy.versions if not version.is_default]
    if len(policy.versions) >= _VERSIONS_OF_A_POLICY:
        policy.versions.remove(old[0])
    backend = iam_backends[policy.account_id]["aws"]
    backend.create_policy_version(policy.arn, json.dumps(after["PolicyDocument"]), set_as_default=True)


def _delete_managed_policy(policy: Any, _: Properties) -> None:
    if policy.attachment_count:
        raise ResourceError("Cannot delete a policy attached to entities.")
    iam_backends[policy.account_id]["aws"].delete_policy(policy.arn)


def _change_function(function: Any, _before: Properties, after: Properties) -> None:
    """Change a function's settings. Its code is not moto's: the Lambda host runs it from where the stack says."""
    _check_trust(after)
    defaults = {"Description": "", "MemorySize": 128, "Timeout": 3, "Environment": {"Variables": {}}}
    function.update_configuration({**defaults, **after})


def _change_bucket(bucket: Any, _before: Properties, after: Properties) -> None:
    _version(bucket, after)


def _leave_permission(_permission: Any, _: Properties) -> None:
    """Leave a permission in the policy of its function: moto does not know any more which one it was."""


def _delete_bucket(bucket: Any, _: Properties) -> None:
    if bucket.keys:
        raise ResourceError("The bucket you tried to delete is not empty")
    s3_backends[bucket.account_id]["aws"].delete_bucket(bucket.name)


def _change_topic(topic: Any, before: Properties, after: Properties) -> None:
    """Keep the topic, and with it who subscribed: moto would make a new one."""
    if before.get("Subscription") != after.get("Subscription"):
        raise ResourceError("the embedded cloud cannot update a topic's own subscriptions")
    topic.display_name = after.get("DisplayName", "")
    topic.kms_master_key_id = after.get("KmsMasterKeyId", "")


def _change_log_group(group: Any, _before: Properties, after: Properties) -> None:
    group.retention_in_days = after.get("RetentionInDays")


def _change_machine(machine: Any, _before: Properties, after: Properties) -> None:
    _substitute(after)
    machine.backend.update_state_machine(
        machine.arn, definition=after["DefinitionString"], role_arn=after.get("RoleArn", "")
    )


_CHANGES: Mapping[str, Callable[[Any, Properties, Properties], None]] = {
    "AWS::Events::EventBus": stack_events.change_event_bus,
    "AWS::IAM::ManagedPolicy": _change_managed_policy,
    "AWS::Lambda::Function": _change_function,
    "AWS::Logs::LogGroup": _change_log_group,
    "AWS::S3::Bucket": _change_bucket,
    "AWS::SNS::Topic": _change_topic,
    "AWS::StepFunctions::StateMachine": _change_machine,
}
_DELETIONS: Mapping[str, Callable[[Any, Properties], None]] = {
    stack_roles.ROLE: stack_roles.delete,
    "AWS::IAM::ManagedPolicy": _delete_managed_policy,
    "AWS::Lambda::Permission": _leave_permission,
    "AWS::S3::Bucket": _delete_bucket,
}
