"""The stacks of a set in the member accounts: real stacks of moto's CloudFormation, so that the roles exist in its IAM.

A stack that fails leaves nothing, and one that cannot be changed stays as it was: `stacks` sees to that.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack, cloudformation_backends
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import AWSManagedPolicy, Role, iam_backends

from muster_local import stack_resources, stacks
from muster_local.organization_tree import PARTITION

unpatched_parse_template: Callable[[str], Any] = Stack.parse_template

_ROLE = "AWS::IAM::Role"
_BY_AWS = "arn:aws:iam::aws:policy/"
_NO_STATEMENTS = '{"Version": "2012-10-17", "Statement": []}'


class StackFailedError(Exception):
    """A stack could not be created, changed or deleted; the message is the reason as StackSets report it."""


def parse_each_template_once() -> None:
    """Remember parsed templates: seventy accounts get the same one."""
    parse = lru_cache(maxsize=64)(unpatched_parse_template)
    Stack.parse_template = staticmethod(lambda template: copy.deepcopy(parse(template)))


def make_stacks_as_cloudformation_does() -> None:
    """Fill the gaps of moto's stacks that member accounts would fall into, in a world without a deployment as well."""
    stack_resources.leave_no_value_out_of_lists()
    stacks.change_stacks_resource_by_resource(lambda _: None)


def create(account: str, region: str, name: str, template: str, parameters: Mapping[str, str]) -> str:
    """Create a stack and return its id. Raises StackFailedError, and then nothing of it is there."""
    backend = cloudformation_backends[account][region]
    try:
        stack = backend.create_stack(name=name, template=template, parameters=dict(parameters), tags={})
    except Exception as error:
        failed = next((one for one in backend.stacks.values() if one.name == name), None)
        if failed is None:
            raise StackFailedError(stacks.reason(error)) from error
        del backend.stacks[failed.stack_id]
        raise StackFailedError(_reason(failed, error)) from error
    _attach_managed_policies(stack)
    return str(stack.stack_id)


def update(account: str, region: str, stack_id: str, template: str, parameters: Mapping[str, str]) -> None:
    """Change a stack. Raises StackFailedError, and then its roles are as they were.

    What the template does not change stays, also what somebody did by hand.
    """
    stack = cloudformation_backends[account][region].stacks.get(stack_id)
    if stack is None:
        raise StackFailedError(f"Stack {stack_id} does not exist")
    stack.update(template, parameters=dict(parameters))
    _attach_managed_policies(stack)
    if stack.status != "UPDATE_COMPLETE":
        raise StackFailedError(str(stack.status_reason))


def delete(account: str, region: str, stack_id: str) -> None:
    """Delete a stack; one that is gone is no error. Raises StackFailedError, and then it is still there.

    IAM refuses to delete a role to which somebody has attached a policy.
    """
    backend = cloudformation_backends[account][region]
    stack = backend.stacks.get(stack_id)
    if stack is None:
        return
    for logical_id, role, attached in _roles(stack):
        if set(role.managed_policies) - set(attached):
            why = "Cannot delete entity, must detach all policies first."
            raise StackFailedError(_resource_reason(logical_id, _ROLE, why))
    backend.delete_stack(stack_id)
    if stack_id in backend.stacks:
        raise StackFailedError(str(stack.status_reason))


def _roles(stack: Stack) -> Iterator[tuple[str, Role, list[str]]]:
    """Yield each role of a stack by its logical id, with the managed policies that the template attaches."""
    for logical_id, properties in stack.properties.items():
        if stack.template_dict["Resources"][logical_id]["Type"] == _ROLE:
            role = stack.resource_map._parsed_resources[logical_id]
            yield logical_id, role, properties.get("ManagedPolicyArns", [])


def _attach_managed_policies(stack: Stack) -> None:
    """Attach what the roles' ManagedPolicyArns name. What AWS's own policies allow is not known here: nothing."""
    backend = iam_backends[stack.account_id][PARTITION]
    for _, role, attached in _roles(stack):
        for arn in attached:
            if arn.startswith(_BY_AWS) and arn not in backend.managed_policies:
                path, _, name = arn.removeprefix(_BY_AWS).rpartition("/")
                backend.managed_policies[arn] = AWSManagedPolicy(
                    name, stack.account_id, "us-east-1", document=_NO_STATEMENTS, path=f"/{path}/" if path else "/"
                )
            if arn not in role.managed_policies:
                backend.attach_role_policy(arn, role.name)


def _reason(stack: Stack, error: Exception) -> str:
    """Say which resource failed and why, in the words of StackSets."""
    failed = next((event for event in stack.events if event.resource_status == "CREATE_FAILED"), None)
    if failed is None:
        return stacks.reason(error)
    why = stacks.reason(error)
    if isinstance(error, EntityAlreadyExists):
        resource = stack.template_dict["Resources"][failed.logical_resource_id]
        name = parsing.clean_json(resource["Properties"].get("RoleName"), stack.resource_map)
        why = (
            f"Resource handler returned message: \"Resource of type '{failed.resource_type}' with identifier '{name}' "
            'already exists." (HandlerErrorCode: AlreadyExists)'
        )
    return _resource_reason(failed.logical_resource_id, failed.resource_type, why)


def _resource_reason(logical_id: str, kind: str, why: str) -> str:
    return f"ResourceLogicalId:{logical_id}, ResourceType:{kind}, ResourceStatusReason:{why}"
