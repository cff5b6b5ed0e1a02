"""CloudFormation's change sets and summaries of templates, as `aws cloudformation deploy` and `sam deploy` use them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.cloudformation import models, responses
from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError, ValidationError
from moto.cloudformation.models import Change, Stack
from moto.cloudformation.utils import generate_changeset_id, generate_stack_id, validate_create_change_set
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from muster_local import stacks
from muster_local.code_store import CodeError, CodeStore, Location
from muster_local.templates import TemplateError, parsed

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_NAMES_OF_IDENTITIES = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_NOT_TO_UPDATE = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})


class ChangeSetNotFoundError(CloudFormationError):
    """There is no such change set of that stack."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatusError(CloudFormationError):
    """The change set cannot be executed: it holds no changes, or was executed already."""

    code = "InvalidChangeSetStatus"


class InsufficientCapabilitiesError(CloudFormationError):
    """The template makes identities, and whoever deploys has not said that this is meant."""

    code = "InsufficientCapabilitiesException"


@dataclass(slots=True)
class ChangeSet:
    """A change set; its fields have the names that moto's serializer looks for."""

    change_set_type: str
    change_set_id: str
    change_set_name: str
    stack: Any
    template: str
    parameters: dict[str, str]
    description: str | None
    capabilities: list[str]
    tags: dict[str, str]
    role_arn: str | None
    changes: list[Any] = field(default_factory=list)
    creation_time: datetime = field(default_factory=utcnow)
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    status_reason: str | None = None

    def described(self) -> dict[str, Any]:
        """Return the answer to DescribeChangeSet."""
        return {
            "ChangeSetName": self.change_set_name,
            "ChangeSetId": self.change_set_id,
            "StackId": self.stack.stack_id,
            "StackName": self.stack.name,
            "Description": self.description,
            "Parameters": self.parameters,
            "CreationTime": self.creation_time,
            "ExecutionStatus": self.execution_status,
            "Status": self.status,
            "StatusReason": self.status_reason,
            "Capabilities": self.capabilities,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
            "Changes": self.changes,
        }


def keep_change_sets_by_stack() -> None:
    """Replace moto's change sets: it looks them up by name in all stacks, and does not evaluate what they change."""
    response = responses.CloudFormationResponse
    response.create_change_set = _create
    response.describe_change_set = _describe
    response.execute_change_set = _execute
    response.delete_change_set = _delete
    response.list_change_sets = _list


def summarize_templates() -> None:
    """Answer GetTemplateSummary and ValidateTemplate from the template: moto lints, and writes a file."""
    responses.CloudFormationResponse.get_template_summary = _get_template_summary
    responses.CloudFormationResponse.validate_template = _validate_template


def answer_with_the_stack_that_fails() -> None:
    """Answer CreateStack with the id of a stack that fails afterwards: moto answers with the failure."""
    inner = responses.CloudFormationResponse.create_stack
    original = getattr(inner, "wraps", inner)

    def create_stack(self: Any) -> ActionResult:
        try:
            result: ActionResult = original(self)
        except Exception:  # moto's own, of many kinds; what is not the stack's failure is raised again
            failed = _stack(self.cloudformation_backend, self._get_param("StackName"))
            if failed is None or not failed.status.startswith("ROLLBACK"):
                raise
            return ActionResult({"StackId": failed.stack_id})
        return result

    create_stack.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    responses.CloudFormationResponse.create_stack = create_stack


def read_templates_at_any_endpoint(store: CodeStore) -> None:
    """Read templates at this endpoint's URLs too: moto takes the first part of the host for the bucket."""

    def read(template_url: str, account_id: str, partition: str) -> str:  # noqa: ARG001 - moto's own signature
        url = urlsplit(template_url)
        host = url.hostname or ""
        bucket, _, key = url.path.lstrip("/").partition("/")
        if ".s3." in host or ".s3-" in host:
            bucket, key = host.partition(".s3")[0], url.path.lstrip("/")
        version = parse_qs(url.query).get("versionId", [None])[0]
        try:
            return store.content(Location(unquote(bucket), unquote(key), version)).decode()
        except (CodeError, UnicodeDecodeError) as error:
            raise ValidationError(message="S3 error: the template cannot be read") from error

    responses.get_stack_from_s3_url = read
    models.get_stack_from_s3_url = read


# --- change sets ------------------------------------------------------------------------------------------------------


def _create(self: Any) -> ActionResult:
    backend = self.cloudformation_backend
    name, kind = self._get_param("ChangeSetName"), self._get_param("ChangeSetType", "UPDATE")
    validate_create_change_set(name)
    stack = _stack(backend, self._get_param("StackName"))
    _check_stack(stack, self._get_param("StackName"), kind, name)
    text = _text(self, stack)
    capabilities = self._get_param("Capabilities", [])
    _check_capabilities(text, capabilities)
    previous = stack.stack_parameters if stack is not None else {}
    parameters = {
        given["ParameterKey"]: str(
            previous[given["ParameterKey"]] if given.get("UsePreviousValue") else given["ParameterValue"]
        )
        for given in self._get_param("Parameters", [])
    }
    tags = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
    stack_name = stack.name if stack is not None else self._get_param("StackName")
    stack_id = (
        stack.stack_id if stack is not None else generate_stack_id(stack_name, backend.region_name, backend.account_id)
    )
    place = {"account_id": backend.account_id, "region_name": backend.region_name}
    # Whatever is wrong with template or parameters is said before there is a stack.
    wanted = Stack(stack_id=stack_id, name=stack_name, template=text, parameters=parameters, **place)
    if stack is None:
        stack = Stack(stack_id=stack_id, name=stack_name, template={}, parameters={}, tags=tags, **place)
        stack.properties = {}
        stack.status = "REVIEW_IN_PROGRESS"
        stack._add_stack_event("REVIEW_IN_PROGRESS", resource_status_reason="User Initiated")
        backend.stacks[stack_id] = stack
    made = ChangeSet(
        change_set_type=kind,
        change_set_id=generate_changeset_id(name, backend.region_name, backend.account_id),
        change_set_name=name,
        stack=stack,
        template=text,
        parameters=parameters,
        description=self._get_param("Description"),
        capabilities=capabilities,
        tags=tags,
        role_arn=self._get_param("RoleARN"),
        changes=_changes(stack, wanted),
    )
    if kind == "UPDATE" and not made.changes and _is_the_same(stack, wanted, tags):
        made.status, made.execution_status, made.status_reason = "FAILED", "UNAVAILABLE", _NO_CHANGES
    _make_room(backend, made)
    backend.change_sets[made.change_set_id] = made
    return ActionResult({"Id": made.change_set_id, "StackId": stack_id})


def _make_room(backend: Any, made: ChangeSet) -> None:
    """Let a name be used again once its change set was executed, or its stack deleted."""
    for other in list(backend.change_sets.values()):
        if (other.stack.name, other.change_set_name) != (made.stack.name, made.change_set_name):
            continue
        if other.stack is made.stack and not other.execution_status.startswith("EXECUTE"):
            raise AlreadyExistsException(f"ChangeSet {made.change_set_name} already exists")
        del backend.change_sets[other.change_set_id]


def _describe(self: Any) -> ActionResult:
    return ActionResult(_asked_for(self).described())


def _execute(self: Any) -> ActionResult:
    backend, change_set = self.cloudformation_backend, _asked_for(self)
    if change_set.execution_status != "AVAILABLE":
        raise InvalidChangeSetStatusError(
            f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of [{change_set.status}]"
        )
    stack = change_set.stack
    if change_set.change_set_type == "CREATE":
        stack.template, stack.parameters = change_set.template, change_set.parameters
        stack.tags, stack.role_arn = change_set.tags, change_set.role_arn
        stack._parse_template()
        stack.resource_map = stack._create_resource_map()
        stack.output_map = stack._create_output_map()
        stack.description = stack.template_dict.get("Description")
        stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
        with suppress(Exception):  # the stack says itself how it failed
            stack.create_resources()
    else:
        stack.update(change_set.template, change_set.role_arn, parameters=change_set.parameters, tags=change_set.tags)
    backend.exports.update({export.name: export for export in stack.exports})
    change_set.execution_status = "EXECUTE_COMPLETE" if stack.status.endswith("E_COMPLETE") else "EXECUTE_FAILED"
    for other in [it for it in backend.change_sets.values() if it.stack is stack and it is not change_set]:
        del backend.change_sets[other.change_set_id]
    return EmptyResult()


def _delete(self: Any) -> ActionResult:
    del self.cloudformation_backend.change_sets[_asked_for(self).change_set_id]
    return EmptyResult()


def _list(self: Any) -> ActionResult:
    stack = _stack(self.cloudformation_backend, self._get_param("StackName"))
    if stack is None:
        raise ValidationError(message=f"Stack [{self._get_param('StackName')}] does not exist")
    found = [it.described() for it in self.cloudformation_backend.change_sets.values() if it.stack is stack]
    return ActionResult({"Summaries": found})


def _asked_for(self: Any) -> ChangeSet:
    name, stack_name = self._get_param("ChangeSetName"), self._get_param("StackName")
    for change_set in self.cloudformation_backend.change_sets.values():
        of_stack = stack_name in {None, change_set.stack.name, change_set.stack.stack_id}
        if change_set.change_set_id == name or (stack_name and of_stack and change_set.change_set_name == name):
            found: ChangeSet = change_set
            return found
    raise ChangeSetNotFoundError(f"ChangeSet [{name}] does not exist")


def _stack(backend: Any, name: str) -> Any | None:
    return next((stack for stack in backend.stacks.values() if name in {stack.name, stack.stack_id}), None)


def _check_stack(stack: Any | None, stack_name: str, kind: str, name: str) -> None:
    status = stack.status if stack is not None else None
    if kind == "CREATE" and status not in {None, "REVIEW_IN_PROGRESS"}:
        raise ValidationError(
            message=f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
        )
    if kind == "UPDATE" and stack is None:
        raise ValidationError(message=f"Stack [{stack_name}] does not exist")
    if kind == "UPDATE" and status in _NOT_TO_UPDATE and stack is not None:
        raise ValidationError(message=f"Stack:{stack.stack_id} is in {status} state and can not be updated.")
    if kind not in {"CREATE", "UPDATE"}:
        raise ValidationError(message=f"the embedded cloud has no change sets of the type {kind}")


def _check_capabilities(text: str, acknowledged: list[str]) -> None:
    needed = _summary(text)["Capabilities"]
    if needed and not {*needed, "CAPABILITY_NAMED_IAM"} & set(acknowledged):
        raise InsufficientCapabilitiesError(f"Requires capabilities : [{needed[0]}]")


def _changes(stack: Any, wanted: Any) -> list[Any]:
    kinds = {name: resource["Type"] for name, resource in wanted.template_dict["Resources"].items()}
    kinds |= {name: resource["Type"] for name, resource in stack.template_dict.get("Resources", {}).items()}
    return [Change(action, name, kinds[name]) for name, action in stacks.changes(stack, wanted).items()]


def _is_the_same(stack: Any, wanted: Any, tags: Mapping[str, str]) -> bool:
    def rest(of: Any) -> tuple[Any, ...]:
        return of.template_dict.get("Outputs"), of.template_dict.get("Description"), of.stack_parameters

    return rest(stack) == rest(wanted) and dict(stack.tags) == dict(tags)


# --- templates --------------------------------------------------------------------------------------------------------


def _text(self: Any, stack: Any | None) -> str:
    if self._get_bool_param("UsePreviousTemplate", if_none=False) and stack is not None:
        return str(stack.template)
    url = self._get_param("TemplateURL")
    text = self._get_stack_from_s3_url(url) if url else self._get_param("TemplateBody")
    if not text:
        raise ValidationError(message="Either Template URL or Template Body must be specified.")
    return str(text)


def _get_template_summary(self: Any) -> ActionResult:
    name = self._get_param("StackName")
    if not name:
        return ActionResult(_summary(_text(self, None)))
    stack = self.cloudformation_backend.get_stack(name)
    if stack.status == "REVIEW_IN_PROGRESS":
        raise ValidationError(message="GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
    return ActionResult(_summary(stack.template))


def _validate_template(self: Any) -> ActionResult:
    summary = _summary(_text(self, None))
    members = ("Description", "Capabilities", "DeclaredTransforms")
    return ActionResult({"Parameters": summary["Parameters"]} | {key: summary[key] for key in members})


def _summary(text: str) -> dict[str, Any]:
    try:
        document = parsed(text)
    except TemplateError as error:
        raise ValidationError(message=str(error)) from error
    transforms = document.get("Transform", [])
    return {
        "Version": document.get("AWSTemplateFormatVersion"),
        "Description": document.get("Description", ""),
        "ResourceTypes": sorted({resource["Type"] for resource in document["Resources"].values()}),
        "Parameters": [_summary_of_parameter(name, slot) for name, slot in document.get("Parameters", {}).items()],
        "Capabilities": _capabilities(document["Resources"]),
        "DeclaredTransforms": [transforms] if isinstance(transforms, str) else transforms,
    }


def _summary_of_parameter(name: str, slot: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ParameterKey": name,
        "ParameterType": slot.get("Type", "String"),
        "Description": slot.get("Description", ""),
        "DefaultValue": None if "Default" not in slot else str(slot["Default"]),
        "NoEcho": bool(slot.get("NoEcho", False)),
        "ParameterConstraints": {"AllowedValues": [str(value) for value in slot.get("AllowedValues", ())]},
    }


def _capabilities(resources: Mapping[str, Any]) -> list[str]:
    identities = [resource for resource in resources.values() if resource["Type"] in _NAMES_OF_IDENTITIES]
    if any(_NAMES_OF_IDENTITIES[it["Type"]] in it.get("Properties", {}) for it in identities):
        return ["CAPABILITY_NAMED_IAM"]
    return ["CAPABILITY_IAM"] if identities else []
