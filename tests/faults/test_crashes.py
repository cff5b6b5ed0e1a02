"""A crash right after each write: the execution goes on or a new one starts, and the world ends as without it."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from muster_local.operations import is_write
from muster_local.server import EmbeddedCloud
from tests.faults.cells import CallSite, call_sites
from tests.faults.preparing import ONCE, begin, prepare
from tests.scenarios.operating import MANAGEMENT, Operator

WRITES = [site for site in call_sites() if is_write(site.service, site.operation)]
PATIENCE = 30.0


def state_of(operator: Operator) -> dict[str, Any]:
    """Return what a full onboarding has made, but for what differs between any two worlds."""
    organizations = operator.client("organizations", MANAGEMENT)
    sir = operator.client("security-ir")
    (membership,) = operator.memberships()
    found = sir.get_membership(membershipId=membership["membershipId"])
    accounts = [account["Id"] for account in organizations.list_accounts()["Accounts"]]
    return {
        "trusted": sorted(
            item["ServicePrincipal"]
            for item in organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
        ),
        "administrators": [
            item["Id"] for item in organizations.list_delegated_administrators()["DelegatedAdministrators"]
        ],
        "membership": {
            key: found.get(key)
            for key in (
                "membershipName", "membershipStatus", "incidentResponseTeam", "optInFeatures",
                "membershipAccountsConfigurations",
            )
        },
        "tags": sir.list_tags_for_resource(resourceArn=found["membershipArn"])["tags"],
        "roles": {
            account: sorted(role["RoleName"] for role in operator.client("iam", account).list_roles()["Roles"])
            for account in accounts
        },
        "coverage": operator.coverage(),
    }  # fmt: skip


@pytest.fixture(scope="session")
def undisturbed(embedded_cloud: EmbeddedCloud) -> dict[str, Any]:
    """Return the state that a run without a crash leads to."""
    operator = begin(embedded_cloud)
    prepare(operator)
    assert operator.onboard().outcome == "Covered"
    return state_of(operator)


def crash_after(operator: Operator, site: CallSite) -> None:
    """Kill the function that makes this call, once, when the call has taken effect and before its answer arrives."""
    prepare(operator)
    operator.cloud.set_faults(
        [{"service": site.service, "operation": site.operation, "role": site.role, "kill_function": True, "times": 1}]
    )


def assert_the_same(operator: Operator, state: dict[str, Any]) -> None:
    assert state_of(operator) == state
    effective = Counter(operator.writes())
    assert {name: effective[name] for name in ONCE} == dict.fromkeys(ONCE, 1)


def wait_until(holds: Callable[[], bool]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.002)


def test_there_are_writes_to_crash_after() -> None:
    assert set(ONCE) <= {site.operation for site in WRITES}


@pytest.mark.parametrize("site", WRITES, ids=str)
def test_execution_goes_on_after_its_function_was_killed(
    undisturbed: dict[str, Any], operator: Operator, site: CallSite
) -> None:
    crash_after(operator, site)

    run = operator.onboard()

    assert operator.cloud.faults.as_list()[0]["hits"] == 1
    assert run.outcome == "Covered", run.cause
    assert_the_same(operator, undisturbed)


@pytest.mark.parametrize("site", WRITES, ids=str)
def test_new_execution_takes_over_where_the_stopped_one_was(
    undisturbed: dict[str, Any], operator: Operator, site: CallSite
) -> None:
    crash_after(operator, site)
    machines = operator.client("stepfunctions")
    arn = operator.start()
    wait_until(lambda: operator.cloud.faults.as_list()[0]["hits"] > 0)

    machines.stop_execution(executionArn=arn, error="Stopped", cause="by hand")

    wait_until(lambda: machines.describe_execution(executionArn=arn)["status"] == "ABORTED")
    run = operator.onboard()
    assert run.outcome == "Covered", run.cause
    assert_the_same(operator, undisturbed)
