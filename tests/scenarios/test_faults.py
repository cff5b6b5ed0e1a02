"""What the fault matrix has no cell for: an answer without half of its accounts, an organization cut short.

The matrix begins from nothing; a read that is denied to an organization that is covered already is here.
"""

import pytest

from tests.scenarios.operating import Operator
from tests.scenarios.test_onboarding import EVERYBODY

READS = [
    ("organizations", "ListDelegatedAdministrators"),
    ("organizations", "ListAccounts"),
    ("iam", "GetRole"),
    ("security-ir", "ListMemberships"),
    ("security-ir", "GetMembership"),
    ("security-ir", "BatchGetMemberAccountDetails"),
    ("sts", "AssumeRole"),
]
DENIED = {"iam": "AccessDenied", "sts": "AccessDenied"}


@pytest.mark.parametrize("call", READS, ids=lambda call: call[1])
def test_denied_read_is_never_taken_for_an_answer(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    operator.onboard()
    operator.cloud.clear_calls()
    error = DENIED.get(service, "AccessDeniedException")
    operator.cloud.set_faults([{"service": service, "operation": operation, "error": error, "rate": 1}])

    run = operator.onboard()

    assert run.error not in {"Runtime.Unhandled", "KeyError", "TypeError", "AttributeError"}
    assert run.outcome != "Covered" or operator.coverage() == EVERYBODY
    assert operator.writes() == []
    assert len(operator.memberships()) == 1


@pytest.mark.parametrize("partial", [True, "missing"])
def test_partial_answer_is_unknown_for_the_accounts_it_lacks(operator: Operator, partial: object) -> None:
    operator.push()
    operator.cloud.set_faults(
        [{"service": "security-ir", "operation": "BatchGetMemberAccountDetails", "partial": partial, "rate": 1}]
    )

    run = operator.onboard()

    coverage = operator.coverage()
    assert run.outcome == "NeedsAttention"
    assert "Unknown" in coverage.values()
    for account in operator.assessment["accounts"]:
        assert (account["coverage"] == "Covered") == (account["association"] == "Associated")


def test_inventory_that_shrank_stops_the_run(operator: Operator) -> None:
    operator.push()
    operator.onboard()
    half = [f"30000000000{number}" for number in range(2, 9)]
    organizations = operator.client("organizations", "111111111111")
    for account in half:
        organizations.remove_account_from_organization(AccountId=account)

    run = operator.onboard()

    assert run.error == "ImplausibleInventoryError"
    assert "12" in str(run.cause)
