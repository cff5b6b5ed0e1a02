"""The stacks of a set in the member accounts: real stacks of moto's CloudFormation, so that the roles exist in its IAM.

moto parses a template anew for each stack, leaves what it had made when a creation fails, attaches no managed policies
and does not change a role's policies in an update; here a failure leaves nothing, and an update changes roles in place.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack, cloudformation_backends
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import AWSManagedPolicy, Role, iam_backends

from muster_local.organization_tree import PARTITION

unpatched_parse_template: Callable[[str], Any] = Stack.parse_template

_ROLE = "AWS::IAM::Role"
_BY_AWS = "arn:aws:iam::aws:policy/"
_NO_STATEMENTS = '{"Version": "2012-10-17", "Statement": []}'


class StackFailedError(Exception):
    """A stack could not be created, changed or deleted; the message is the reason as StackSets report it."""


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a template says of one role: which policies are its own."""

    inline: frozenset[str] = frozenset()
    attached: tuple[str, ...] = ()


@dataclass(slots=True)
class _Aside:
    """Roles that are taken out of IAM while their successors are made, each with what its template said."""

    roles: dict[str, tuple[Role, _Declared]] = field(default_factory=dict)


def parse_each_template_once() -> None:
    """Remember parsed templates: seventy accounts get the same one."""
    parse = lru_cache(maxsize=64)(unpatched_parse_template)
    Stack.parse_template = staticmethod(lambda template: copy.deepcopy(parse(template)))


def leave_no_value_out_of_lists() -> None:
    """Let AWS::NoValue remove an element of a list, as it removes a property: moto leaves None in its place."""
    original = getattr(parsing.clean_json, "wraps", parsing.clean_json)

    def clean(resource_json: Any, resources_map: Any) -> Any:
        cleaned = original(resource_json, resources_map)
        return [item for item in cleaned if item is not None] if isinstance(resource_json, list) else cleaned

    clean.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    parsing.clean_json = clean


def create(account: str, region: str, name: str, template: str, parameters: Mapping[str, str]) -> str:
    """Create a stack and return its id. Raises StackFailedError, and then nothing of it is there."""
    backend = cloudformation_backends[account][region]
    try:
        stack = backend.create_stack(name=name, template=template, parameters=dict(parameters), tags={})
    except Exception as error:
        failed = next((one for one in backend.stacks.values() if one.name == name), None)
        if failed is None:
            raise StackFailedError(str(error)) from error
        reason = _reason(failed, error)
        failed.resource_map.delete()
        del backend.stacks[failed.stack_id]
        raise StackFailedError(reason) from error
    _attach_managed_policies(stack)
    return str(stack.stack_id)


def update(account: str, region: str, stack_id: str, template: str, parameters: Mapping[str, str]) -> None:
    """Change a stack. Raises StackFailedError, and then its roles are as they were.

    Nothing happens when neither the template nor a parameter has changed: CloudFormation does not look at what
    somebody did by hand. A role keeps its id and what was added to it by hand; any other resource is made anew.
    """
    backend = cloudformation_backends[account][region]
    present = backend.stacks.get(stack_id)
    if present is None:
        raise StackFailedError(f"Stack {stack_id} does not exist")
    if present.has_template(template) and present.has_parameters(dict(parameters)):
        return
    try:
        fresh = Stack(stack_id, present.name, template, dict(parameters), account, region)
    except Exception as error:
        raise StackFailedError(str(error)) from error
    aside = _set_aside(present)
    present.resource_map.delete()
    try:
        fresh.create_resources()
    except Exception as error:
        reason = _reason(fresh, error)
        fresh.resource_map.delete()
        for role, _ in aside.roles.values():
            iam_backends[account][PARTITION].roles[role.id] = role
        for logical_id, (role, _) in aside.roles.items():
            present.resource_map._parsed_resources[logical_id] = role
        raise StackFailedError(reason) from error
    _attach_managed_policies(fresh)
    _keep_identities(fresh, aside)
    fresh.status = "UPDATE_COMPLETE"
    backend.stacks[stack_id] = fresh


def delete(account: str, region: str, stack_id: str) -> None:
    """Delete a stack; one that is gone is no error. Raises StackFailedError, and then it is still there.

    IAM refuses to delete a role to which somebody has attached a policy.
    """
    backend = cloudformation_backends[account][region]
    stack = backend.stacks.get(stack_id)
    if stack is None:
        return
    roles = list(_roles(stack))
    for logical_id, role, declared in roles:
        if set(role.managed_policies) - set(declared.attached):
            raise StackFailedError(
                _resource_reason(logical_id, _ROLE, "Cannot delete entity, must detach all policies first.")
            )
    for _, role, declared in roles:
        for arn in declared.attached:
            role.managed_policies.pop(arn, None)
    try:
        backend.delete_stack(stack_id)
    except Exception as error:
        backend.stacks[stack_id] = stack
        raise StackFailedError(str(error)) from error
    if stack_id in backend.stacks:
        raise StackFailedError(str(stack.status_reason))


def _roles(stack: Stack) -> Iterator[tuple[str, Role, _Declared]]:
    """Yield each role of a stack that IAM still has, by its logical id, with what the template says of it."""
    resources = stack.resource_map
    present = iam_backends[stack.account_id][PARTITION].roles
    for logical_id, resource in stack.template_dict["Resources"].items():
        role = resources._parsed_resources.get(logical_id)
        if resource["Type"] == _ROLE and role is not None and role.id in present:
            properties = parsing.clean_json(resource.get("Properties", {}), resources)
            inline = frozenset(policy["PolicyName"] for policy in properties.get("Policies", ()))
            yield logical_id, role, _Declared(inline, tuple(properties.get("ManagedPolicyArns", ())))


def _attach_managed_policies(stack: Stack) -> None:
    """Attach what the roles' ManagedPolicyArns name. What AWS's own policies allow is not known here: nothing."""
    backend = iam_backends[stack.account_id][PARTITION]
    for _, role, declared in _roles(stack):
        for arn in declared.attached:
            if arn.startswith(_BY_AWS) and arn not in backend.managed_policies:
                path, _, name = arn.removeprefix(_BY_AWS).rpartition("/")
                backend.managed_policies[arn] = AWSManagedPolicy(
                    name, stack.account_id, "us-east-1", document=_NO_STATEMENTS, path=f"/{path}/" if path else "/"
                )
            if arn not in role.managed_policies:
                backend.attach_role_policy(arn, role.name)


def _set_aside(stack: Stack) -> _Aside:
    aside = _Aside()
    for logical_id, role, declared in list(_roles(stack)):
        aside.roles[logical_id] = (role, declared)
    for logical_id, (role, _) in aside.roles.items():
        del iam_backends[stack.account_id][PARTITION].roles[role.id]
        del stack.resource_map._parsed_resources[logical_id]
    return aside


def _keep_identities(stack: Stack, aside: _Aside) -> None:
    """Let a role that has the name of an earlier one be that role: its id, its date, and what was added by hand."""
    backend = iam_backends[stack.account_id][PARTITION]
    earlier = {role.name: (role, declared) for role, declared in aside.roles.values()}
    for _, role, _ in list(_roles(stack)):
        if role.name not in earlier:
            continue
        old, declared = earlier[role.name]
        del backend.roles[role.id]
        role.id, role.create_date, role.tags = old.id, old.create_date, role.tags or old.tags
        backend.roles[role.id] = role
        role.policies = {
            **{name: text for name, text in old.policies.items() if name not in declared.inline},
            **role.policies,
        }
        by_hand = {arn: policy for arn, policy in old.managed_policies.items() if arn not in declared.attached}
        role.managed_policies = {**by_hand, **role.managed_policies}


def _reason(stack: Stack, error: Exception) -> str:
    """Say which resource failed and why, in the words of StackSets."""
    made = stack.resource_map._parsed_resources
    for logical_id, resource in stack.template_dict["Resources"].items():
        if logical_id in made or resource["Type"] != _ROLE or not isinstance(error, EntityAlreadyExists):
            continue
        name = parsing.clean_json(resource.get("Properties", {}).get("RoleName"), stack.resource_map)
        if any(role.name == name for role in iam_backends[stack.account_id][PARTITION].roles.values()):
            why = (
                f"Resource handler returned message: \"Resource of type '{_ROLE}' with identifier '{name}' "
                'already exists." (HandlerErrorCode: AlreadyExists)'
            )
            return _resource_reason(logical_id, _ROLE, why)
    return str(error)


def _resource_reason(logical_id: str, kind: str, why: str) -> str:
    return f"ResourceLogicalId:{logical_id}, ResourceType:{kind}, ResourceStatusReason:{why}"
