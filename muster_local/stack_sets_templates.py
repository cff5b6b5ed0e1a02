"""What StackSets check of a template and its parameters before they take it.

Sources: CloudFormation API reference (CreateStackSet), quotas, and the page on service-managed permissions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from moto.cloudformation.models import Stack

from muster_local.stack_sets_answers import Request, StackSetsError, refuse
from muster_local.stacks import complaint

MAX_BYTES = 51_200

_NAME_OF_IAM_RESOURCE: Mapping[str, str | None] = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}
"""The resources that need a capability, and the property whose presence needs the greater one."""


def template_of(request: Request) -> str | None:
    """Return the template that a request carries, checked, or None. Raises a ValidationError."""
    if "TemplateURL" in request:
        raise refuse("TemplateURL is not supported by the embedded cloud: send the template as TemplateBody.")
    text = request.get("TemplateBody")
    if text is None:
        return None
    if len(str(text).encode()) > MAX_BYTES:
        raise refuse(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BYTES}"
        )
    try:
        document = Stack.parse_template(str(text))
    except (yaml.YAMLError, ValueError) as error:
        raise refuse("Template format error: the template is neither YAML nor JSON.") from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise refuse("Template format error: At least one Resources member must be defined.")
    if any(key in {"Transform", "Fn::Transform"} for key in _keys(document)):
        raise refuse("StackSets with SERVICE_MANAGED permission model do not support templates with transforms.")
    if any(resource.get("Type") == "AWS::CloudFormation::Stack" for resource in document["Resources"].values()):
        raise refuse("StackSets with SERVICE_MANAGED permission model do not support nested stacks.")
    return str(text)


def check_capabilities(template: str, capabilities: Sequence[str]) -> None:
    """Raise InsufficientCapabilitiesException unless the IAM resources of a template are acknowledged."""
    needed = None
    for resource in Stack.parse_template(template)["Resources"].values():
        if resource.get("Type") not in _NAME_OF_IAM_RESOURCE:
            continue
        if _NAME_OF_IAM_RESOURCE[resource["Type"]] in resource.get("Properties", {}):
            needed = "CAPABILITY_NAMED_IAM"
            break
        needed = "CAPABILITY_IAM"
    enough = {needed, "CAPABILITY_NAMED_IAM"}
    if needed is not None and enough.isdisjoint(capabilities):
        raise StackSetsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def resource_types(template: str) -> list[str]:
    """Return the types of a template's resources, each once."""
    return sorted({str(resource["Type"]) for resource in Stack.parse_template(template)["Resources"].values()})


def parameters_of(request: Request, template: str, previous: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a request gives to the template's parameters. Raises a ValidationError.

    As with stacks, a parameter that is not named has its default, and ``UsePreviousValue`` keeps what it was.
    """
    values: dict[str, str] = {}
    for parameter in request.get("Parameters", ()):
        key = parameter["ParameterKey"]
        if parameter.get("UsePreviousValue"):
            if key not in previous:
                raise refuse(f"Invalid input for parameter key {key}. There is no previous value.")
            values[key] = previous[key]
        else:
            values[key] = parameter.get("ParameterValue", "")
    check_parameters(values, template)
    declared = Stack.parse_template(template).get("Parameters", {})
    missing = [key for key, declaration in declared.items() if key not in values and "Default" not in declaration]
    if missing:
        raise refuse(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def check_parameters(values: Mapping[str, str | None], template: str) -> None:
    """Refuse values of parameters that the template does not declare, and those that it does not allow.

    None stands for the value that there is.
    """
    declared = Stack.parse_template(template).get("Parameters", {})
    if unknown := [key for key in values if key not in declared]:
        raise refuse(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for key, value in values.items():
        wrong = None if value is None else complaint(declared[key], value)
        if wrong:
            raise refuse(f"Parameter '{key}' must {wrong}")


def _keys(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                yield key
                yield from _keys(item)
        case list():
            for item in value:
                yield from _keys(item)
