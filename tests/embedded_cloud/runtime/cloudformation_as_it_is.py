"""Which gaps of moto's CloudFormation are still there, asked of a moto that nothing has touched: as `moto_as_it_is`."""

import json
import sys
from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.cloudformation.models import Stack, cloudformation_backends
from moto.cloudformation.parsing import get_model_map
from moto.cloudformation.responses import get_template_summary_response_from_template
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.events.models import EventBus
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import iam_backends
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.stepfunctions import models as machine_models

ACCOUNT = "222222222222"
REGION = "eu-west-1"

_TRUST = {"Version": "2012-10-17", "Statement": []}
_ROLE: dict[str, Any] = {
    "Type": "AWS::IAM::Role",
    "Condition": "Wanted",
    "Properties": {"RoleName": "conditional", "AssumeRolePolicyDocument": _TRUST},
}
_STACK = {
    "Parameters": {"Access": {"Type": "String", "AllowedValues": ["yes", "no"]}},
    "Conditions": {"Wanted": {"Fn::Equals": [{"Ref": "Access"}, "yes"]}},
    "Resources": {"Role": _ROLE},
}


def _create_stack(account: str, document: dict[str, Any], parameters: dict[str, str]) -> Any:
    return cloudformation_backends[account][REGION].create_stack(account, json.dumps(document), parameters)


def expand_templates() -> bool:
    text = json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": {"Type": "AWS::Serverless::Api"}}})
    return bool(Stack.parse_template(text)["Resources"]["F"]["Type"] == "AWS::Serverless::Api")


def check_parameters_as_declared() -> bool:
    stack = _create_stack("300000000001", _STACK, {"Access": "perhaps", "Other": "x"})
    return bool(stack.status == "CREATE_COMPLETE")


def change_stacks_resource_by_resource() -> bool:
    stack = _create_stack("300000000002", _STACK, {"Access": "yes"})
    try:
        stack.update(json.dumps(_STACK), parameters={"Access": "no"})
    except Exception:  # noqa: BLE001 - a failure is a gap as well
        return True
    return "conditional" in {role.name for role in iam_backends["300000000002"]["aws"].roles.values()}


def keep_change_sets_by_stack() -> bool:
    backend = cloudformation_backends["300000000003"][REGION]
    for stack in ("one", "two"):
        backend.create_change_set(stack, "same", json.dumps(_STACK), {"Access": "yes"}, "", "CREATE")
    backend.execute_change_set("same", "one")
    return bool(backend.get_stack("one").status == "REVIEW_IN_PROGRESS")


def answer_with_the_stack_that_fails() -> bool:
    document = {"Resources": {name: {**_ROLE, "Condition": None} for name in ("One", "Two")}}
    try:
        _create_stack("300000000004", document, {})
    except EntityAlreadyExists:
        return True
    return False


def summarize_templates() -> bool:
    return "Capabilities" not in get_template_summary_response_from_template(json.dumps(_STACK))


def read_templates_at_any_endpoint() -> bool:
    s3_backends["300000000005"]["aws"].create_bucket("bucket", REGION)
    s3_backends["300000000005"]["aws"].put_object("bucket", "key", b"text")
    try:
        get_stack_from_s3_url("http://127.0.0.1:80/bucket/key", "300000000005", "aws")
    except MissingBucket:
        return True
    return False


def write_policies_of_templates_as_text() -> bool:
    properties = {**_ROLE["Properties"], "Policies": [{"PolicyName": "own", "PolicyDocument": _TRUST}]}
    document = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}
    role = _create_stack("300000000007", document, {}).resource_map["Role"]
    return not isinstance(role.policies["own"], str)


def substitute_in_definitions_of_templates() -> bool:
    definition = json.dumps({"Comment": "${Word}", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    properties = {
        "DefinitionString": definition,
        "DefinitionSubstitutions": {"Word": "x"},
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/m",
    }
    machine = machine_models.StateMachine.create_from_cloudformation_json(
        "m", {"Properties": properties}, ACCOUNT, REGION
    )
    return "${Word}" in machine.definition


def refuse_roles_that_lambda_may_not_assume() -> bool:
    document = {"Resources": {"Role": {**_ROLE, "Condition": None}}}
    role = _create_stack("300000000006", document, {}).resource_map["Role"]
    properties = {"Code": {"ZipFile": ""}, "Handler": "h.h", "Role": role.arn, "Runtime": "python3.13"}
    model = {"Properties": properties}
    return bool(LambdaFunction.create_from_cloudformation_json("f", model, "300000000006", REGION).role == role.arn)


def know_resources_of_events() -> bool:
    lacking = {"AWS::Events::EventBusPolicy", "AWS::SQS::QueuePolicy", "AWS::Scheduler::Schedule"}
    return lacking.isdisjoint(get_model_map()) and not hasattr(EventBus, "physical_resource_id")


GAPS: tuple[Callable[[], bool], ...] = (
    know_resources_of_events,
    expand_templates,
    check_parameters_as_declared,
    change_stacks_resource_by_resource,
    keep_change_sets_by_stack,
    answer_with_the_stack_that_fails,
    summarize_templates,
    read_templates_at_any_endpoint,
    write_policies_of_templates_as_text,
    substitute_in_definitions_of_templates,
    refuse_roles_that_lambda_may_not_assume,
)

if __name__ == "__main__":
    json.dump({gap.__name__: gap() for gap in GAPS}, sys.stdout)
