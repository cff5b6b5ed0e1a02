"""StackSets as AWS runs them, in place of moto's: asynchronous, and following the organization.

moto answers at once, deploys to the management account as well, follows no account that moves, and lacks
``ActivateOrganizationsAccess``. Its CloudFormation still makes the stacks in the member accounts. Requests and answers
are checked against botocore's model. Sources: CloudFormation API reference and user guide, StackSets.
"""

from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudformation.responses import CloudFormationResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import TYPE_RESPONSE, ActionResult
from moto.core.utils import get_service_model
from moto.iam.responses import IamResponse
from moto.organizations.models import FakeDelegatedAdministrator
from moto.organizations.responses import OrganizationsResponse

from muster_local import stack_sets_stacks
from muster_local.model_check import problems
from muster_local.simulation import current
from muster_local.stack_sets_answers import Answer, Request, refuse
from muster_local.stack_sets_engine import settle
from muster_local.stack_sets_operations import HANDLERS, PRINCIPAL, Caller

_ANSWERED_BY_THE_MODEL = ("DescribeStackSetOutput.StackSet.Parameters", "DescribeStackSetOutput.StackSet.Tags")

unpatched: Mapping[str, Callable[..., Any]] = {
    "call_action": CloudFormationResponse.call_action,
}
delegable_services: tuple[str, ...] = tuple(FakeDelegatedAdministrator.SUPPORTED_SERVICES)
"""The services that moto delegates on its own."""


class AnswerDefectError(AssertionError):
    """The simulation made an answer that the model does not allow: a defect of ours, not of the caller."""


def correct() -> None:
    """Put these StackSets in the place of moto's."""
    stack_sets_stacks.parse_each_template_once()
    stack_sets_stacks.make_stacks_as_cloudformation_does()
    know_delegated_administrators()
    answer_as_stack_sets()
    for response in (IamResponse, OrganizationsResponse):
        settle_before(response)


def know_delegated_administrators() -> None:
    """Let Organizations delegate the administration of StackSets."""
    if PRINCIPAL not in FakeDelegatedAdministrator.SUPPORTED_SERVICES:
        FakeDelegatedAdministrator.SUPPORTED_SERVICES.append(PRINCIPAL)


def answer_as_stack_sets() -> None:
    """Answer the operations of StackSets here, and leave those of stacks to moto."""

    def call_action(response: CloudFormationResponse) -> TYPE_RESPONSE:
        world = current()
        operation = response._get_action()
        result: Any = None
        with world.lock:
            settle(world)
            if operation in HANDLERS:
                try:
                    caller = Caller(world, response.current_account, response.region)
                    result = _answer(caller, operation, response.params)
                except ServiceException as error:
                    result = error
        if operation not in HANDLERS:
            answer: TYPE_RESPONSE = unpatched["call_action"](response)
            return answer
        status, headers, body = response.serialized(ActionResult(result))
        headers["status"] = str(status)
        headers, body = response._enrich_response(headers, body)
        return status, headers, body

    CloudFormationResponse.call_action = call_action
    CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {
        place: transformer
        for place, transformer in CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
        if place not in _ANSWERED_BY_THE_MODEL
    }


def settle_before(response_class: Any) -> None:
    """Let StackSets catch up before another service answers: IAM shows the roles, Organizations moves accounts."""
    inner = response_class.call_action

    def call_action(response: Any) -> Any:
        world = current()
        with world.lock:
            settle(world)
        return inner(response)

    response_class.call_action = call_action


def _answer(caller: Caller, operation: str, request: Request) -> Answer:
    model = get_service_model("cloudformation").operation_model(operation)
    if found := list(problems(model.input_shape, request)):
        raise refuse("; ".join(f"{problem.place} {problem.message}" for problem in found))
    answer = HANDLERS[operation](caller, request)
    if model.output_shape is not None and (defects := list(problems(model.output_shape, answer))):
        raise AnswerDefectError(f"{operation}: {defects}")
    return answer
