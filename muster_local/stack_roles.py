"""The roles of stacks: made with all that their template names, changed, and deleted, whatever else they have by now.

A stack knows its role by name. What the template does not name, be it policies, a boundary or tags, it leaves alone.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import Role, iam_backends

from muster_local.resource_errors import ResourceError, handler_message
from muster_local.simulation import current

ROLE = "AWS::IAM::Role"

type Properties = Mapping[str, Any]


def present(role: Role) -> Any | None:
    """Return the role that has this one's name now: the same, one that somebody made in its place, or none."""
    roles = list(iam_backends[role.account_id]["aws"].roles.values())
    return next((one for one in roles if one.name == role.name), None)


def attach_to_new(role: Any, properties: Properties) -> None:
    """Attach what the template of a new role names; without it there is no role. Raises what IAM raises."""
    try:
        _attach(role, attached(properties))
    except NotFoundException:
        delete(role, properties)
        raise


def write_policies(role: Any, properties: Properties) -> None:
    """Write the policies that the template names, as the text that IAM returns."""
    for name, document in documents(properties).items():
        role.put_policy(name, document)


def documents(properties: Properties) -> dict[str, str]:
    """Return the inline policies that a template names, as text by name."""
    return {policy["PolicyName"]: as_text(policy["PolicyDocument"]) for policy in properties.get("Policies") or ()}


def attached(properties: Properties) -> set[str]:
    """Return the ARNs of the managed policies that a template attaches."""
    return set(properties.get("ManagedPolicyArns") or ())


def as_text(document: Any) -> str:
    """Return a document as IAM keeps it."""
    return document if isinstance(document, str) else json.dumps(document, default=str)


def change(role: Role, before: Properties, after: Properties) -> Any:
    """Change a role in place and return it; the switch `stack_update_scope` says how much of it. Raises ResourceError.

    A property that the template has stopped naming goes back to what it is by default.
    """
    if before.get("Path") != after.get("Path"):
        raise ResourceError("CloudFormation cannot update a stack when a custom-named resource requires replacing.")
    found = present(role)
    if found is None:
        text = f"Resource of type '{ROLE}' with identifier '{role.name}' was not found."
        raise ResourceError(handler_message(text, "NotFound"))
    is_whole = current().switches.get("stack_update_scope") == "whole_resource"
    for name, write in _WRITERS.items():
        if before.get(name) != after.get(name) or (is_whole and name in after):
            write(found, before, after)
    return found


def delete(role: Role, properties: Properties) -> None:
    """Delete a role with the policies that its template names; one that is gone is no error. Raises ResourceError.

    IAM refuses it while the role has any other policy.
    """
    found = present(role)
    if found is None:
        return
    if set(found.managed_policies) - attached(properties):
        raise ResourceError("Cannot delete entity, must detach all policies first.")
    if set(found.policies) - set(documents(properties)):
        raise ResourceError("Cannot delete entity, must delete policies first.")
    _detach(found, attached(properties))
    found.policies.clear()
    iam_backends[found.account_id]["aws"].delete_role(found.name)


# --- the properties of a role ---


def _write_trust(role: Any, _before: Properties, after: Properties) -> None:
    role.assume_role_policy_document = as_text(after["AssumeRolePolicyDocument"])


def _write_description(role: Any, _before: Properties, after: Properties) -> None:
    role.description = after.get("Description", "")


def _write_session_duration(role: Any, _before: Properties, after: Properties) -> None:
    role.max_session_duration = after.get("MaxSessionDuration", 3600)


def _write_boundary(role: Any, _before: Properties, after: Properties) -> None:
    role.permissions_boundary_arn = after.get("PermissionsBoundary")


def _write_tags(role: Any, before: Properties, after: Properties) -> None:
    new = list(after.get("Tags") or ())
    named = {tag["Key"] for tag in [*(before.get("Tags") or ()), *new]}
    role.tags = [*(tag for tag in role.tags if tag["Key"] not in named), *new]


def _replace_policies(role: Any, before: Properties, after: Properties) -> None:
    for name in documents(before).keys() - documents(after).keys():
        role.policies.pop(name, None)
    write_policies(role, after)


def _replace_attachments(role: Any, before: Properties, after: Properties) -> None:
    _detach(role, attached(before) - attached(after))
    _attach(role, attached(after))


_WRITERS: Mapping[str, Callable[[Any, Properties, Properties], None]] = {
    "AssumeRolePolicyDocument": _write_trust,
    "Description": _write_description,
    "MaxSessionDuration": _write_session_duration,
    "PermissionsBoundary": _write_boundary,
    "Tags": _write_tags,
    "Policies": _replace_policies,
    "ManagedPolicyArns": _replace_attachments,
}


def _attach(role: Any, arns: set[str]) -> None:
    for arn in sorted(arns):
        iam_backends[role.account_id]["aws"].attach_role_policy(arn, role.name)


def _detach(role: Any, arns: set[str]) -> None:
    for arn in arns & set(role.managed_policies):
        role.managed_policies[arn].detach_from(role)
