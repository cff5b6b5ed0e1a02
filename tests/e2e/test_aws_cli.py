"""The plain AWS CLI at the endpoint, and what the service refuses to it."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import MANAGEMENT, Done, Onboarded, eventually

MACHINE = "arn:aws:states:eu-west-1:222222222222:stateMachine:muster-onboard"
FOREIGN = "300000000011"


def responders(count: int) -> str:
    people = [
        {"name": f"Person {number}", "jobTitle": "Engineer", "email": f"person{number}@example.com"}
        for number in range(count)
    ]
    return json.dumps(people)


def units(*ids: str) -> list[str]:
    change = json.dumps({"organizationalUnitsToAdd": ids})
    return ["--membership-accounts-configurations-update", change]


def answer(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def code(done: Done) -> str:
    """Return the error code that a service refused a call with; the CLI itself must have passed the call on."""
    assert done.returncode != 0, done.stdout
    assert "An error occurred (" in done.stderr, done.stderr
    return done.stderr.partition("An error occurred (")[2].partition(")")[0]


@pytest.fixture(scope="module")
def membership(onboarded: Onboarded) -> str:
    (found,) = answer(onboarded.aws("security-ir", "list-memberships"))["items"]
    assert (found["membershipStatus"], found["region"]) == ("Active", "eu-west-1")
    return str(found["membershipId"])


def test_memberships_are_listed(membership: str) -> None:
    assert membership.startswith("m-")


def test_accounts_are_listed_to_the_last_page(onboarded: Onboarded) -> None:
    accounts = answer(onboarded.aws("organizations", "list-accounts"))["Accounts"]
    assert len({account["Id"] for account in accounts}) == len(accounts) == 70
    assert {account["State"] for account in accounts} == {
        "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "PENDING_ACTIVATION", "CLOSED"
    }  # fmt: skip


def test_the_stack_is_described_with_its_outputs(onboarded: Onboarded) -> None:
    (stack,) = answer(onboarded.aws("cloudformation", "describe-stacks", "--stack-name", "muster"))["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert (outputs["OnboardMachineArn"], outputs["ManagementAccountId"]) == (MACHINE, MANAGEMENT)


@pytest.mark.parametrize(
    "given", [[], ["--input", '{"schema": 1, "trigger": {"kind": "manual"}}']], ids=["without", "with"]
)
def test_the_machine_runs_to_its_end_with_and_without_an_input(onboarded: Onboarded, given: list[str]) -> None:
    started = answer(onboarded.aws("stepfunctions", "start-execution", "--state-machine-arn", MACHINE, *given))
    machines = onboarded.client("stepfunctions")

    def run() -> Any:
        return machines.describe_execution(executionArn=started["executionArn"])

    assert eventually(lambda: run()["status"] != "RUNNING", within=30)
    # The build has no reader in the members, so their roles are unknown and a person is told.
    assert (run()["status"], json.loads(run()["output"])["status"]) == ("SUCCEEDED", "NeedsAttention")


def test_a_second_membership_is_a_conflict(onboarded: Onboarded, membership: str) -> None:
    assert membership
    wish = ["--membership-name", "another", "--incident-response-team", responders(2)]
    assert code(onboarded.aws("security-ir", "create-membership", *wish)) == "ConflictException"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--incident-response-team", responders(11)], "incidentResponseTeam"),
        (units(*(f"ou-abcd-{number:08d}" for number in range(6))), "organizationalUnitsToAdd"),
        (units("r-abcd"), "organizationalUnitsToAdd"),
    ],
    ids=["eleven-responders", "six-units", "a-root"],
)
def test_what_the_model_forbids_is_refused_by_the_service(
    onboarded: Onboarded, membership: str, change: list[str], complaint: str
) -> None:
    onboarded.control("POST", "clock", {"advance_s": 2})  # one update a second
    done = onboarded.aws("security-ir", "update-membership", "--membership-id", membership, *change)
    assert code(done) == "ValidationException"
    assert complaint in done.stderr
    assert "example.com" not in done.stderr


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("create-membership", ["--membership-name", "mine", "--incident-response-team", responders(2)]),
        ("get-membership", ["--membership-id", "{membership}"]),
    ],
)
def test_a_foreign_account_is_denied(onboarded: Onboarded, membership: str, operation: str, more: list[str]) -> None:
    given = [argument.replace("{membership}", membership) for argument in more]
    assert code(onboarded.aws("security-ir", operation, *given, account=FOREIGN)) == "AccessDeniedException"


def test_a_key_of_nobody_is_not_recognized(onboarded: Onboarded) -> None:
    done = onboarded.aws("security-ir", "list-memberships", account="AKIAIOSFODNN7EXAMPLE")
    assert code(done) == "UnrecognizedClientException"
