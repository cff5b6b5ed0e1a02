"""Whatever happens to whichever call: no unhandled exception, nobody falsely covered, nothing done twice."""

import inspect
import os
from collections import Counter
from collections.abc import Callable

import pytest

from muster import errors
from tests.faults.cells import TRIES, CallSite, Cell, call_sites, cells, together
from tests.faults.preparing import ONCE, prepare
from tests.scenarios.operating import Operator, Run

FORESEEN = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MusterError)}
# The machine's own calls fail under the service's name; no function stands between.
CONTAINMENT_ROLES = {"AWSSecurityIncidentResponseContainment", "AWSSecurityIncidentResponseContainmentExecution"}
ALONE = "ALONE" in os.environ
OF_THE_MACHINE = ("S3.", "Sns.", "SNS.", "Lambda.")


def false_claims(operator: Operator) -> list[str]:
    """Return the accounts that the assessment calls covered and the service does not."""
    claimed = [account for account, coverage in operator.coverage().items() if coverage == "Covered"]
    if not claimed:
        return []
    (membership,) = operator.memberships()
    answer = operator.client("security-ir").batch_get_member_account_details(
        membershipId=membership["membershipId"], accountIds=claimed
    )
    associated = {item["accountId"] for item in answer["items"] if item["relationshipStatus"] == "Associated"}
    return sorted(set(claimed) - associated)


def false_deployments(operator: Operator) -> list[str]:
    """Return the accounts that are said to have the containment roles and have not both of them."""
    return [
        account["id"]
        for account in operator.document("containment/latest.json")["accounts"]
        if account["state"] == "Deployed"
        and not {role["RoleName"] for role in operator.client("iam", account["id"]).list_roles()["Roles"]}
        >= CONTAINMENT_ROLES
    ]


def falsely_ready(operator: Operator) -> list[str]:
    """Return the accounts that are called ready and do not have both roles."""
    return [
        account["id"]
        for account in operator.document("containment/latest.json")["accounts"]
        if account["readiness"] == "Ready"
        and not {role["RoleName"] for role in operator.client("iam", account["id"]).list_roles()["Roles"]}
        >= CONTAINMENT_ROLES
    ]


def assert_handled(operator: Operator, run: Run) -> None:
    if run.status != "SUCCEEDED":
        assert run.error in FORESEEN or str(run.error).startswith(OF_THE_MACHINE), (run.error, run.cause)
    effective = Counter(operator.writes())
    assert all(effective[name] <= 1 for name in ONCE), effective


def test_the_table_has_a_row_for_every_call_of_a_full_onboarding(operator: Operator) -> None:
    prepare(operator)
    operator.onboard()

    made = {CallSite(str(call["role"]), call["service"], call["operation"]) for call in operator.cloud.calls()}

    assert sorted(made) == call_sites()


def name_of(run: tuple[Cell, ...]) -> str:
    return str(run[0]) if len(run) == 1 else f"{run[0].kind} at {len(run)} call sites from {run[0].site} on"


RUNS = [(cell,) for cell in cells()] if ALONE else together()


def test_every_cell_is_in_one_run() -> None:
    assert sorted(map(str, cells())) == sorted(str(cell) for run in RUNS for cell in run)


@pytest.mark.parametrize("struck", RUNS, ids=name_of)
def test_call_that_goes_wrong_is_handled(
    operator: Operator, struck: tuple[Cell, ...], record_property: Callable[[str, object], None]
) -> None:
    prepare(operator)
    tries = TRIES if len(struck) == 1 else 1
    operator.cloud.set_faults([cell.fault(tries) for cell in struck])

    run = operator.onboard()

    for cell in struck:
        record_property(str(cell), run.outcome)
    missed = [cell for cell, fault in zip(struck, operator.cloud.faults.as_list(), strict=True) if not fault["hits"]]
    assert missed == [], "these faults did not strike"
    assert_handled(operator, run)
    if struck[0].kind.passes:
        assert run.outcome == "Covered", f"{run.cause} (with ALONE=1 every cell has a run of its own)"
    operator.cloud.set_faults([])
    if run.outcome != "Covered":
        operator.cloud.world.clock.advance(60)
        run = operator.onboard()
        assert run.outcome == "Covered", (run.output, run.cause)
        assert_handled(operator, run)
    assert false_claims(operator) == []
    assert false_deployments(operator) == []
    assert falsely_ready(operator) == []
