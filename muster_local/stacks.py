"""CloudFormation's stacks: created, updated and deleted resource by resource, and rolled back when one fails.

moto creates stacks well and changes them badly: conditions are not looked at again, policies stay, nothing is undone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Event, Stack, cloudformation_backends
from moto.cloudformation.parsing import parse_and_create_resource
from moto.core.exceptions import ServiceException

from muster_local import stack_resources
from muster_local.code_store import CodeStore
from muster_local.resource_errors import ResourceError
from muster_local.stack_resources import Place
from muster_local.templates import Source, TemplateError, prepare, references

type Changed = Callable[[Any], None]

_RETAIN = {"Retain", "RetainExceptOnCreate"}


def expand_templates(store: CodeStore) -> None:
    """Expand SAM templates and find the code they point at: moto knows no transform and leaves code where it is."""

    def parse_template(self: Any) -> None:
        try:
            template = prepare(self.template, store)
        except TemplateError as error:
            raise ValidationError(message=str(error)) from error
        self.template_dict = template.body
        self.had_functions = had_functions(self) or bool(template.functions)
        self.sources = template.functions
        self.not_emulated = template.not_emulated

    Stack._parse_template = parse_template


def check_parameters_as_declared() -> None:
    """Refuse parameters that the template does not declare or allow: moto takes any value, and forgets unknown ones."""
    inner = Stack._create_resource_map
    original = getattr(inner, "wraps", inner)

    def create_resource_map(self: Any) -> Any:
        if self.template_dict:
            _check_parameters(self.template_dict.get("Parameters", {}), self.parameters)
        return original(self)

    create_resource_map.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    Stack._create_resource_map = create_resource_map


def change_stacks_resource_by_resource(changed: Changed) -> None:
    """Create, update, delete and undo as CloudFormation does, and say which stack was changed."""

    def create_resources(self: Any) -> None:
        try:
            _create(self)
        finally:
            changed(self)

    def update(
        self: Any,
        template: str,
        role_arn: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.role_arn = role_arn
        self.tags = self.tags if tags is None else dict(tags)
        _update(self, template, self.parameters if parameters is None else dict(parameters))
        changed(self)

    def delete(self: Any) -> None:
        _delete(self)
        changed(self)

    Stack.create_resources = create_resources
    Stack.update = update
    Stack.delete = delete
    CloudFormationBackend.delete_stack = _delete_stack


def deployed() -> Iterator[Any]:
    """Yield every stack that there is, of every account and Region."""
    for regions in list(cloudformation_backends.values()):
        for backend in list(regions.values()):
            yield from list(backend.stacks.values())


def had_functions(stack: Any) -> bool:
    """Tell whether a stack has functions, or had some in an earlier template."""
    return bool(getattr(stack, "had_functions", False))


def functions_of(stack: Any) -> Iterator[tuple[Any, Source]]:
    """Yield the functions of a stack that exist, each with its source."""
    for name, source in getattr(stack, "sources", {}).items():
        function = _existing(stack).get(name)
        if function is not None:
            yield function, source


def changes(stack: Any, wanted: Any) -> dict[str, str]:
    """Return what would happen to which resource, by logical id, if a stack became another: Add, Modify, Remove."""
    existing = _existing(stack)
    resource_map = wanted.resource_map
    resource_map._parsed_resources.update({name: _KnownLater() for name in wanted.template_dict["Resources"]})
    resource_map._parsed_resources.update(existing)
    planned = {}
    for name, resource_json in _wanted(wanted).items():
        if name not in existing:
            planned[name] = "Add"
        elif stack.properties[name] != stack_resources.properties_of(resource_json, resource_map):
            planned[name] = "Modify"
    return planned | {name: "Remove" for name in existing if name not in _wanted(wanted)}


class _KnownLater:
    """Stands for a resource that is yet to be created."""

    physical_resource_id = "{{known after}}"

    def get_cfn_attribute(self, _: str) -> str:
        return self.physical_resource_id


# --- a stack ----------------------------------------------------------------------------------------------------------


def _create(stack: Any) -> None:
    stack.properties = {}
    stack.status = "CREATE_IN_PROGRESS"
    try:
        _become(stack, {})
    except Exception as error:
        # Whatever fails, also a gap of the emulator, fails the stack; who creates it in process sees the cause.
        _enter(stack, "ROLLBACK_IN_PROGRESS", reason(error))
        policies = _policies(stack, _existing(stack)).items()
        failed = _remove(
            stack, {name: "Delete" if policy == "RetainExceptOnCreate" else policy for name, policy in policies}
        )
        # What it would have told is gone with the resources.
        stack.template_dict = {**stack.template_dict, "Outputs": {}}
        stack.output_map = stack._create_output_map()
        _enter(stack, "ROLLBACK_FAILED" if failed else "ROLLBACK_COMPLETE", failed or reason(error))
        raise
    _enter(stack, "CREATE_COMPLETE")


def _update(stack: Any, template: str, parameters: Mapping[str, Any]) -> None:
    before = stack.template, stack.parameters
    _enter(stack, "UPDATE_IN_PROGRESS", "User Initiated")
    try:
        _turn_into(stack, template, parameters)
    except Exception as error:  # noqa: BLE001 - likewise
        _enter(stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason(error))
        try:
            _turn_into(stack, *before)
        except Exception as second:  # noqa: BLE001 - as above
            _enter(stack, "UPDATE_ROLLBACK_FAILED", reason(second))
        else:
            _enter(stack, "UPDATE_ROLLBACK_COMPLETE", reason(error))
    else:
        _enter(stack, "UPDATE_COMPLETE")


def _turn_into(stack: Any, template: str, parameters: Mapping[str, Any]) -> None:
    existing = _existing(stack)
    policies = _policies(stack, existing)
    stack.template, stack.parameters = template, dict(parameters)
    stack._parse_template()
    stack.description = stack.template_dict.get("Description")
    stack.resource_map = stack._create_resource_map()
    stack.resource_map._parsed_resources.update(existing)
    replaced = _become(stack, existing)
    # What is not needed any more goes last, and what cannot go does not undo the rest.
    for name, resource, properties in replaced:
        _remove_one(stack, name, resource, properties, policies[name])
    wanted = _wanted(stack)
    _remove(stack, {name: policy for name, policy in policies.items() if name not in wanted})
    stack.output_map = stack._create_output_map()


def _become(stack: Any, existing: Mapping[str, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    """Create what is missing and change what differs; return what was replaced and is still there."""
    replaced = []
    wanted = _wanted(stack)
    parsed = stack.resource_map._parsed_resources
    place = Place(stack.account_id, stack.region_name)
    for name in stack_resources.in_order(wanted):
        kind = wanted[name]["Type"]
        resource = existing.get(name)
        verb = "CREATE" if resource is None else "UPDATE"
        properties: dict[str, Any] = {}
        try:
            properties = stack_resources.properties_of(wanted[name], stack.resource_map)
            before = stack.properties.get(name)
            if resource is None:
                parsed[name] = _made(stack, name, wanted[name])
            elif resource.cf_resource_type != kind or stack_resources.is_replaced(kind, before, properties):
                parsed[name] = _made(stack, name, wanted[name])
                replaced.append((name, resource, before))
            elif before == properties:
                continue
            else:
                changed = stack_resources.change(kind, resource, before, properties, place)
                changed.cf_resource_type, changed.logical_resource_id = kind, name
                parsed[name] = changed
        except Exception as error:
            why = stack_resources.reason_of(kind, properties, error) or reason(error)
            _tell(stack, name, resource, f"{verb}_FAILED", kind=kind, why=why)
            raise
        stack.properties[name] = properties
        _tell(stack, name, parsed[name], f"{verb}_COMPLETE", kind=kind)
    # Whatever an output refers to is looked at now, so that what cannot be told fails the stack.
    stack.output_map = stack._create_output_map()
    _ = stack.outputs
    return replaced


def _made(stack: Any, name: str, resource_json: Mapping[str, Any]) -> Any:
    return parse_and_create_resource(name, resource_json, stack.resource_map, stack.account_id, stack.region_name)


def _delete(stack: Any) -> None:
    _enter(stack, "DELETE_IN_PROGRESS", "User Initiated")
    failed = _remove(stack, _policies(stack, _existing(stack)))
    _enter(stack, "DELETE_FAILED" if failed else "DELETE_COMPLETE", failed)


def _remove(stack: Any, policies: Mapping[str, str]) -> str | None:
    """Delete resources as their deletion policies say, those that refer to others first; say which cannot go.

    What these refer to is not even tried.
    """
    resources = stack.template_dict.get("Resources", {})
    failures: list[str] = []
    needed: set[str] = set()
    for name in reversed([name for name in stack.properties if name in policies]):
        if name in needed:
            needed.update(references(resources.get(name)))
        elif not _remove_one(stack, name, _existing(stack)[name], stack.properties[name], policies[name]):
            failures.append(name)
            needed.update(references(resources.get(name)))
    return f"The following resource(s) failed to delete: [{', '.join(failures)}]." if failures else None


def _remove_one(stack: Any, name: str, resource: Any, properties: dict[str, Any], policy: str) -> bool:
    kind = resource.cf_resource_type
    parsed = stack.resource_map._parsed_resources
    if policy in _RETAIN:
        _tell(stack, name, resource, "DELETE_SKIPPED", kind=kind)
    else:
        try:
            stack_resources.delete(kind, resource, properties, stack.resource_map)
        except Exception as error:  # noqa: BLE001 - as above
            _tell(stack, name, resource, "DELETE_FAILED", kind=kind, why=reason(error))
            return False
        _tell(stack, name, resource, "DELETE_COMPLETE", kind=kind)
    if parsed.get(name) is resource:
        del parsed[name], stack.properties[name]
    return True


def _delete_stack(self: Any, name_or_stack_id: str) -> None:
    """Keep a stack whose deletion failed; one that does not exist is no error."""
    found = [stack for stack in self.stacks.values() if name_or_stack_id in {stack.name, stack.stack_id}]
    for stack in found:
        exports = [export.name for export in stack.exports] if stack.template_dict else []
        stack.delete()
        if stack.status == "DELETE_COMPLETE":
            del self.stacks[stack.stack_id]
            self.deleted_stacks[stack.stack_id] = stack
            for export in exports:
                self.exports.pop(export, None)


def _wanted(stack: Any) -> dict[str, Any]:
    conditions = stack.resource_map.lazy_condition_map
    resources = stack.template_dict.get("Resources", {})
    return {
        name: resource
        for name, resource in resources.items()
        if "Condition" not in resource or conditions[resource["Condition"]]
    }


def _existing(stack: Any) -> dict[str, Any]:
    parsed = stack.resource_map._parsed_resources
    return {name: resource for name, resource in parsed.items() if hasattr(resource, "cf_resource_type")}


def _policies(stack: Any, names: Iterable[str]) -> dict[str, str]:
    resources = stack.template_dict.get("Resources", {})
    return {name: str(resources.get(name, {}).get("DeletionPolicy", "")) for name in names}


def _enter(stack: Any, status: str, why: str | None = None) -> None:
    stack.status, stack.status_reason = status, why
    stack._add_stack_event(status, resource_status_reason=why)


def _tell(stack: Any, name: str, resource: Any, status: str, *, kind: str, why: str | None = None) -> None:
    stack.events.append(
        Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=name,
            physical_resource_id=getattr(resource, "physical_resource_id", ""),
            resource_type=kind,
            resource_status=status,
            resource_status_reason=why,
            resource_properties=None,
        )
    )


def reason(error: Exception) -> str:
    """Return why something failed, as an event says it."""
    if isinstance(error, ServiceException):
        return str(error.message)
    # The message of any other exception may quote what was sent.
    return str(error) if isinstance(error, ResourceError | TemplateError) else type(error).__name__


# --- parameters -------------------------------------------------------------------------------------------------------


def _check_parameters(declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if unknown := sorted(set(given) - set(declared)):
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    if missing := [name for name, slot in declared.items() if name not in given and "Default" not in slot]:
        raise ValidationError(message=f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in given.items():
        wrong = complaint(declared[name], str(value))
        if wrong:
            raise ValidationError(message=f"Parameter '{name}' must {wrong}")


def complaint(slot: Mapping[str, Any], value: str) -> str | None:
    """Return what a parameter's value must be and is not, or None when its declaration allows it."""
    allowed = [str(item) for item in slot.get("AllowedValues", ())]
    if allowed and value not in allowed:
        return "be one of AllowedValues"
    pattern = slot.get("AllowedPattern")
    if pattern is not None and re.fullmatch(pattern, value) is None:
        return f"match pattern {pattern}"
    return _complaint_of_number(slot, value) if slot.get("Type") == "Number" else None


def _complaint_of_number(slot: Mapping[str, Any], value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "be a number"
    if number < float(slot.get("MinValue", number)):
        return f"be a number not less than {slot['MinValue']}"
    if number > float(slot.get("MaxValue", number)):
        return f"be a number not greater than {slot['MaxValue']}"
    return None
