"""The plain AWS CLI, and any SDK, at the endpoint; and what the service refuses."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import DESIRED_STATE, Endpoint, up

PERSON = {"name": "Ada Example", "jobTitle": "Head of Security", "email": "ada@example.com"}
TEAM = [{**PERSON, "email": f"person{number}@example.com", "name": f"Person {number}"} for number in range(11)]


@pytest.fixture(scope="module")
def endpoint() -> Any:
    with up("--desired-state", str(DESIRED_STATE)) as running:
        assert running.muster("onboard").returncode == 0
        yield running


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def test_memberships_are_listed(endpoint: Endpoint) -> None:
    done = endpoint.aws("security-ir", "list-memberships")

    assert done.returncode == 0, done.stderr
    (membership,) = json.loads(done.stdout)["items"]
    assert (membership["membershipStatus"], membership["region"]) == ("Active", "eu-west-1")


def test_accounts_are_listed_to_the_last_page(endpoint: Endpoint) -> None:
    done = endpoint.aws("organizations", "list-accounts")

    assert done.returncode == 0, done.stderr
    accounts = json.loads(done.stdout)["Accounts"]
    assert len(accounts) == 70
    assert {account["State"] for account in accounts} == {
        "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "PENDING_ACTIVATION", "CLOSED"
    }  # fmt: skip


@pytest.mark.parametrize("given", [[], ["--input", '{"schema": 1, "trigger": {"kind": "manual"}}']])
def test_machine_is_started_with_and_without_an_input(endpoint: Endpoint, given: list[str]) -> None:
    machine = "arn:aws:states:eu-west-1:222222222222:stateMachine:muster-onboard"

    done = endpoint.aws("stepfunctions", "start-execution", "--state-machine-arn", machine, *given)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["executionArn"].startswith(machine.replace(":stateMachine:", ":execution:"))


def test_second_membership_is_a_conflict(endpoint: Endpoint) -> None:
    team = json.dumps(TEAM[:2])

    done = endpoint.aws(
        "security-ir", "create-membership", "--membership-name", "another", "--incident-response-team", team
    )

    assert done.returncode != 0
    assert "ConflictException" in done.stderr


@pytest.mark.parametrize("operation", ["create-membership", "get-membership"])
def test_foreign_account_is_denied(endpoint: Endpoint, operation: str) -> None:
    membership = json.loads(endpoint.aws("security-ir", "list-memberships").stdout)["items"][0]["membershipId"]
    given = {
        "create-membership": ["--membership-name", "mine", "--incident-response-team", json.dumps(TEAM[:2])],
        "get-membership": ["--membership-id", membership],
    }[operation]

    done = endpoint.aws("security-ir", operation, *given, account="300000000011")

    assert done.returncode != 0
    assert "AccessDeniedException" in done.stderr


def test_eleven_responders_six_units_and_a_root_are_refused_by_the_service(endpoint: Endpoint) -> None:
    sir = endpoint.client("security-ir", parameter_validation=False)
    (membership,) = sir.list_memberships()["items"]
    units = [f"ou-abcd-{number:08d}" for number in range(6)]

    def update(**change: Any) -> Any:
        endpoint.advance(2)  # the service takes one update a second
        return sir.update_membership(membershipId=membership["membershipId"], **change)

    def add(*unit_ids: str) -> Any:
        return update(membershipAccountsConfigurationsUpdate={"organizationalUnitsToAdd": list(unit_ids)})

    assert refused(lambda: update(incidentResponseTeam=TEAM)) == "ValidationException"
    assert refused(lambda: add(*units)) == "ValidationException"
    assert refused(lambda: add("r-abcd")) == "ValidationException"
    assert refused(add) == "ValidationException"


def test_unknown_key_is_nobody(endpoint: Endpoint) -> None:
    done = endpoint.aws("security-ir", "list-memberships", account="AKIAIOSFODNN7EXAMPLE")

    assert done.returncode != 0
    assert "UnrecognizedClientException" in done.stderr
