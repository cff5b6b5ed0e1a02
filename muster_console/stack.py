"""Finds everything of a deployment through the outputs of its stack."""

from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from muster_console.aws import Clients, Connection, error_code
from muster_console.errors import ConsoleError

DESIRED_STATE_KEY: Final = "desired-state.json"
ASSESSMENT_KEY: Final = "assessments/latest.json"
REPORT_KEY: Final = "reports/latest.json"
APPROVAL_KEY: Final = "approvals/latest.json"
CONTAINMENT_KEY: Final = "containment/latest.json"


@dataclass(frozen=True, slots=True)
class Stack:
    """The parts of one deployment that the console uses."""

    onboard_machine_arn: str
    state_bucket: str
    contacts_parameter: str
    preflight_function_arn: str
    approve_machine_arn: str | None = None
    attest_machine_arn: str | None = None

    def execution_arn(self, run: str) -> str:
        """Return the ARN of one run of the onboarding machine."""
        return execution_of(self.onboard_machine_arn, run)

    def machine_for_answers(self) -> str:
        """Return the machine that takes answers. Raises ConsoleError where the deployment has none."""
        if self.approve_machine_arn is None:
            raise ConsoleError(
                "The stack has no output ApproveMachineArn, so this deployment is of a version without approvals.",
                "Deploy the present version, as docs/deploy.md says, then repeat the command.",
            )
        return self.approve_machine_arn

    def machine_for_attestations(self) -> str:
        """Return the machine that takes attestations. Raises ConsoleError where the deployment has none."""
        if self.attest_machine_arn is None:
            raise ConsoleError(
                "The stack has no output AttestMachineArn, so this deployment is of a version without attestations.",
                "Deploy the present version, as docs/deploy.md says, then repeat the command.",
            )
        return self.attest_machine_arn


def execution_of(machine_arn: str, name: str) -> str:
    """Return the ARN of an execution of a machine."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def find_stack(clients: Clients, name: str, connection: Connection) -> Stack:
    """Return what the stack's outputs say. Raises ConsoleError when there is no such stack, or it is another's."""
    described = _describe(clients, name)
    if described is None:
        raise ConsoleError(
            f"There is no stack {name} in {_place(clients, connection)}.",
            "Deploy it, or say where it is: `muster --stack-name NAME --region REGION …`.",
        )
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described}
    try:
        return Stack(
            onboard_machine_arn=outputs["OnboardMachineArn"],
            state_bucket=outputs["StateBucketName"],
            contacts_parameter=outputs["ContactsParameterName"],
            preflight_function_arn=outputs["PreflightFunctionArn"],
            approve_machine_arn=outputs.get("ApproveMachineArn"),
            attest_machine_arn=outputs.get("AttestMachineArn"),
        )
    except KeyError as missing:
        raise ConsoleError(
            f"Stack {name} has no output {missing.args[0]}, so it is no deployment of Muster, or not a finished one.",
            f"Look at it with `aws cloudformation describe-stacks --stack-name {name}`.",
        ) from None


def _describe(clients: Clients, name: str) -> list[dict[str, str]] | None:
    try:
        stacks = clients.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation calls an unknown name a validation error.
        if error_code(error) in ("ValidationError", "404"):
            return None
        raise
    return [
        {"OutputKey": output.get("OutputKey", ""), "OutputValue": output.get("OutputValue", "")}
        for stack in stacks[:1]
        for output in stack.get("Outputs", [])
    ]


def _place(clients: Clients, connection: Connection) -> str:
    return connection.region or clients.cloudformation.meta.region_name
