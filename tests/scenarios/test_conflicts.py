"""What exists already and is not what was asked for: the run stops before its first write and says what to do."""

from dataclasses import replace

import pytest

from tests.scenarios.conftest import Cloud
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, RESPONDERS, Operator

TEAM = [{"name": person["name"], "jobTitle": person["job_title"], "email": person["email"]} for person in RESPONDERS]
SERVICE = "security-ir.amazonaws.com"
OTHER = "300000000002"


def trust(operator: Operator, administrator: str | None = None) -> None:
    organizations = operator.client("organizations", MANAGEMENT)
    organizations.enable_aws_service_access(ServicePrincipal=SERVICE)
    if administrator:
        organizations.register_delegated_administrator(AccountId=administrator, ServicePrincipal=SERVICE)


def sign_up(operator: Operator, account: str, region: str) -> str:
    sir = operator.client("security-ir", account, region)
    return str(sir.create_membership(membershipName="found here", incidentResponseTeam=TEAM)["membershipId"])


def stops_before_any_write(operator: Operator, check: str, *words: str) -> None:
    operator.push()

    run = operator.onboard()

    assert (run.status, run.error) == ("FAILED", "PreflightError")
    assert f"- {check} is failed: " in str(run.cause)
    assert operator.writes() == []
    for word in words:
        assert word in str(run.cause)
    (message,) = operator.messages()
    assert str(run.cause) in message


def test_another_delegated_administrator_is_never_swapped(operator: Operator) -> None:
    trust(operator, OTHER)

    stops_before_any_write(operator, "delegated_administrator", OTHER, DESIGNATED)


def test_administrator_stands_in_the_way_of_the_management_account(fresh: Cloud) -> None:
    operator = fresh(application_account=MANAGEMENT)
    trust(operator, OTHER)
    operator.push(
        membership={"name": "small-org", "account": MANAGEMENT, "region": HOME, "confirmed_as": f"{MANAGEMENT}/{HOME}"}
    )

    run = operator.onboard()

    assert run.error == "PreflightError"
    assert "- delegated_administrator is failed: " in str(run.cause)
    assert operator.writes() == []


def test_membership_in_another_region_is_found(operator: Operator) -> None:
    trust(operator, DESIGNATED)
    membership = sign_up(operator, DESIGNATED, "eu-central-1")

    stops_before_any_write(operator, "memberships", membership, "eu-central-1")


@pytest.mark.parametrize("region", [HOME, "us-east-1"])
def test_membership_of_the_management_account_is_found(operator: Operator, region: str) -> None:
    trust(operator)
    membership = sign_up(operator, MANAGEMENT, region)

    stops_before_any_write(operator, "memberships", membership, MANAGEMENT)


def test_more_than_one_active_membership_is_a_persons_to_settle(operator: Operator) -> None:
    trust(operator, DESIGNATED)
    first = sign_up(operator, DESIGNATED, HOME)
    # The service has one membership per organization; what it might list all the same can only be planted.
    (known,) = operator.cloud.world.memberships
    second = replace(known, id="m-planted0000", region="us-west-2")
    operator.cloud.world.memberships.append(second)

    stops_before_any_write(operator, "memberships", first, second.id)


def test_ended_membership_is_ignored_and_a_new_one_is_made(operator: Operator) -> None:
    operator.push()
    first = operator.onboard().output["membership_id"]
    operator.cloud.world.clock.advance(5)
    operator.client("security-ir").cancel_membership(membershipId=first)
    operator.cloud.world.clock.advance(5)

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert run.output["membership_id"] != first


def test_suspended_designated_account_is_named(fresh: Cloud) -> None:
    operator = fresh()
    operator.client("organizations", MANAGEMENT).close_account(AccountId=DESIGNATED)

    stops_before_any_write(operator, "designated_account", f"account {DESIGNATED} is ")
