"""Whatever happens to whichever call: no unhandled exception, nobody falsely covered, nothing done twice."""

import inspect
from collections import Counter
from collections.abc import Callable

import pytest

from muster import errors
from tests.faults.cells import CallSite, Cell, call_sites, cells
from tests.faults.preparing import ONCE, prepare
from tests.scenarios.operating import Operator, Run

FORESEEN = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MusterError)}
# The machine's own calls fail under the service's name; no function stands between.
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


@pytest.mark.parametrize("cell", [*cells()], ids=str)
def test_call_that_goes_wrong_is_handled(
    operator: Operator, cell: Cell, record_property: Callable[[str, object], None]
) -> None:
    prepare(operator)
    operator.cloud.set_faults([cell.fault])

    run = operator.onboard()

    record_property(str(cell), run.outcome)
    assert operator.cloud.faults.as_list()[0]["hits"] > 0, "the fault did not strike"
    assert_handled(operator, run)
    if cell.kind.passes:
        assert run.outcome == "Covered", run.cause
    operator.cloud.set_faults([])
    if run.outcome != "Covered":
        operator.cloud.world.clock.advance(60)
        run = operator.onboard()
        assert run.outcome == "Covered", (run.output, run.cause)
        assert_handled(operator, run)
    assert false_claims(operator) == []
