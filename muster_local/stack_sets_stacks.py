"""The stacks of a set in the member accounts: real stacks of moto's CloudFormation, so that the roles exist in its IAM.

A stack that fails leaves nothing, and one that cannot be changed stays as it was: `stacks` sees to that.
"""

import copy
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from moto.cloudformation.models import Stack, cloudformation_backends

from muster_local import stack_drift, stack_resources, stacks

unpatched_parse_template: Callable[[str], Any] = Stack.parse_template

_STACK = "AWS::CloudFormation::Stack"
_SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
"""The statuses in which a stack can be changed."""


class StackFailedError(Exception):
    """A stack could not be created, changed or deleted; the message is the reason as StackSets report it."""


def parse_each_template_once() -> None:
    """Remember parsed templates: seventy accounts get the same one."""
    parse = lru_cache(maxsize=64)(unpatched_parse_template)
    Stack.parse_template = staticmethod(lambda template: copy.deepcopy(parse(template)))


def make_stacks_as_cloudformation_does() -> None:
    """Fill the gaps of moto's stacks that member accounts would fall into, in a world without a deployment as well."""
    stack_resources.leave_no_value_out_of_lists()
    stack_resources.attach_managed_policies_of_templates()
    stack_resources.write_policies_of_templates_as_text()
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
        raise StackFailedError(_reason(failed) or stacks.reason(error)) from error
    return str(stack.stack_id)


def update(account: str, region: str, stack_id: str, template: str, parameters: Mapping[str, str]) -> None:
    """Change a stack. Raises StackFailedError, and then what had been changed was changed back.

    A resource whose properties stay the same is not touched, whatever somebody did to it by hand.
    """
    stack = cloudformation_backends[account][region].stacks.get(stack_id)
    if stack is None:
        raise StackFailedError(f"Stack {stack_id} does not exist")
    if stack.status not in _SETTLED:
        raise StackFailedError(f"Stack:{stack_id} is in {stack.status} state and can not be updated.")
    stack.update(template, parameters=dict(parameters))
    if stack.status != "UPDATE_COMPLETE":
        raise StackFailedError(_reason(stack) or str(stack.status_reason))


def delete(account: str, region: str, stack_id: str) -> None:
    """Delete a stack; one that is gone is no error. Raises StackFailedError, and then what is left of it is there.

    IAM refuses to delete a role that has a policy which is not of the template.
    """
    backend = cloudformation_backends[account][region]
    stack = backend.stacks.get(stack_id)
    if stack is None:
        return
    backend.delete_stack(stack_id)
    if stack_id in backend.stacks:
        raise StackFailedError(_reason(stack) or str(stack.status_reason))


def has_drifted(account: str, region: str, stack_id: str) -> bool:
    """Tell whether a stack has drifted. Raises StackFailedError when CloudFormation could not look."""
    stack = cloudformation_backends[account][region].stacks.get(stack_id)
    if stack is None:
        raise StackFailedError(f"Stack {stack_id} does not exist")
    if stack.status not in _SETTLED | {"UPDATE_ROLLBACK_FAILED"}:
        raise StackFailedError(f"Drift detection is not possible while the stack is in {stack.status} state")
    return stack_drift.has_drifted(stack)


def _reason(stack: Any) -> str | None:
    """Say which resource failed first in what was last done to a stack, and why, in the words of StackSets."""
    failed = None
    for event in reversed(stack.events):
        if event.resource_type == _STACK and event.resource_status in {"UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}:
            break
        if event.resource_type != _STACK and event.resource_status.endswith("_FAILED"):
            failed = event
    if failed is None:
        return None
    return (
        f"ResourceLogicalId:{failed.logical_resource_id}, ResourceType:{failed.resource_type}, "
        f"ResourceStatusReason:{failed.resource_status_reason}"
    )
