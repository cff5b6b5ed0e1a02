"""Whether a stack has drifted, as CloudFormation sees it: it compares what the template sets, and nothing else.

A policy attached to a role from outside, an inline policy where the template names none, a boundary and tags are no
drift, and of the types of resources only roles are compared. Sources: user guide, drift detection; issues 936, 1858 and
2489 of the coverage roadmap.
"""

import json
from typing import Any

from muster_local import stack_roles
from muster_local.simulation import current
from muster_local.stack_roles import ROLE, Properties

_SCALARS = {
    "Path": "path",
    "Description": "description",
    "MaxSessionDuration": "max_session_duration",
    "PermissionsBoundary": "permissions_boundary_arn",
}
"""Where moto keeps the simple properties of a role."""


def has_drifted(stack: Any) -> bool:
    """Tell whether a role of a stack is gone, or has not what the template and the parameters of the stack set."""
    resources = stack.resource_map._parsed_resources
    return any(
        _differs(resources[name], properties)
        for name, properties in stack.properties.items()
        if resources[name].cf_resource_type == ROLE
    )


def _differs(role: Any, properties: Properties) -> bool:
    found = stack_roles.present(role)
    if found is None:
        return True
    return (
        any(getattr(found, kept) != properties[name] for name, kept in _SCALARS.items() if name in properties)
        or not _mean_the_same(found.assume_role_policy_document, properties["AssumeRolePolicyDocument"])
        or _policies_differ(found, properties)
        or _attachments_differ(found, properties)
    )


def _policies_differ(role: Any, properties: Properties) -> bool:
    named = stack_roles.documents(properties)
    if named and role.policies.keys() - named.keys() and _sees_foreign_policies():
        return True
    return any(
        name not in role.policies or not _mean_the_same(role.policies[name], document)
        for name, document in named.items()
    )


def _attachments_differ(role: Any, properties: Properties) -> bool:
    named, attached = stack_roles.attached(properties), set(role.managed_policies)
    return bool(named - attached or (named and attached - named and _sees_foreign_policies()))


def _sees_foreign_policies() -> bool:
    return current().switches.get("foreign_policy_drift") == "DRIFTED"


def _mean_the_same(one: Any, other: Any) -> bool:
    """Compare documents by what they mean as JSON; AWS does not say that the order of a list counts."""
    return _meaning(one) == _meaning(other)


def _meaning(document: Any) -> str:
    text = stack_roles.as_text(document)
    try:
        return _ordered(json.loads(text))
    except ValueError:
        return text


def _ordered(value: Any) -> str:
    match value:
        case dict():
            return json.dumps({key: _ordered(item) for key, item in value.items()}, sort_keys=True)
        case list():
            return json.dumps(sorted(map(_ordered, value)))
        case _:
            return json.dumps(value)
