"""Throttled, failing, lost, partial, empty, denied: nothing unhandled, nothing wrongly covered, nothing done twice."""

from collections import Counter

import pytest

from tests.scenarios.operating import Operator
from tests.scenarios.test_onboarding import EVERYBODY

READS = [
    ("organizations", "DescribeOrganization"),
    ("organizations", "ListAWSServiceAccessForOrganization"),
    ("organizations", "ListDelegatedAdministrators"),
    ("organizations", "ListAccounts"),
    ("iam", "GetRole"),
    ("security-ir", "ListMemberships"),
    ("security-ir", "GetMembership"),
    ("security-ir", "BatchGetMemberAccountDetails"),
    ("s3", "HeadObject"),
    ("s3", "GetObject"),
    ("ssm", "GetParameter"),
    ("sts", "AssumeRole"),
]
WRITES = [
    ("organizations", "EnableAWSServiceAccess"),
    ("iam", "CreateServiceLinkedRole"),
    ("organizations", "RegisterDelegatedAdministrator"),
    ("security-ir", "CreateMembership"),
    ("s3", "PutObject"),
    ("sns", "Publish"),
    ("lambda", "Invoke"),
]
ONCE = ["EnableAWSServiceAccess", "CreateServiceLinkedRole", "RegisterDelegatedAdministrator", "CreateMembership"]
THROTTLE = {
    "lambda": "TooManyRequestsException",
    "organizations": "TooManyRequestsException",
    "iam": "Throttling",
    "sts": "Throttling",
    "s3": "SlowDown",
}
BROKEN = {
    "lambda": "ServiceException",
    "iam": "ServiceFailure",
    "s3": "InternalError",
    "organizations": "ServiceException",
}
DENIED = {"iam": "AccessDenied", "sts": "AccessDenied", "s3": "AccessDenied"}


def ids(call: tuple[str, str]) -> str:
    return call[1]


def ends_covered(operator: Operator) -> None:
    run = operator.onboard()

    assert (run.status, run.outcome) == ("SUCCEEDED", "Covered"), run.cause
    assert operator.coverage() == EVERYBODY
    assert len(operator.memberships()) == 1
    effective = Counter(operator.writes())
    assert {name: effective[name] for name in ONCE} == dict.fromkeys(ONCE, 1)


@pytest.mark.parametrize("call", [*READS, *WRITES], ids=ids)
def test_throttling_is_waited_out(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    error = THROTTLE.get(service, "ThrottlingException")
    operator.cloud.set_faults([{"service": service, "operation": operation, "error": error, "times": 4}])

    ends_covered(operator)


@pytest.mark.parametrize("call", [*READS, *WRITES], ids=ids)
def test_failing_service_is_waited_out(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    error = BROKEN.get(service, "InternalServerException")
    operator.cloud.set_faults([{"service": service, "operation": operation, "error": error, "times": 4}])

    ends_covered(operator)


@pytest.mark.parametrize("call", [*READS, *WRITES], ids=ids)
def test_call_that_never_arrives_is_made_again(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    operator.cloud.set_faults([{"service": service, "operation": operation, "error": "Timeout", "times": 4}])

    ends_covered(operator)


@pytest.mark.parametrize("call", [*READS, *WRITES], ids=ids)
def test_answer_that_is_lost_does_not_make_a_write_happen_twice(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    operator.cloud.set_faults([{"service": service, "operation": operation, "drop_response": True, "times": 4}])

    ends_covered(operator)


@pytest.mark.parametrize("call", READS, ids=ids)
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


@pytest.mark.parametrize("call", READS, ids=ids)
def test_read_denied_from_the_start_creates_nothing_twice_and_covers_nobody_falsely(
    operator: Operator, call: tuple[str, str]
) -> None:
    service, operation = call
    operator.push()
    error = DENIED.get(service, "AccessDeniedException")
    operator.cloud.set_faults([{"service": service, "operation": operation, "error": error, "rate": 1}])

    run = operator.onboard()

    assert run.error is None or run.error.endswith("Error") or run.error == "S3.S3Exception"
    assert run.outcome != "Covered" or operator.coverage() == EVERYBODY
    operator.cloud.set_faults([])
    operator.cloud.world.clock.advance(60)
    assert operator.onboard().outcome == "Covered"
    assert operator.coverage() == EVERYBODY
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


def test_empty_page_with_a_token_does_not_end_the_inventory(operator: Operator) -> None:
    operator.push()
    operator.cloud.set_faults(
        [{"service": "organizations", "operation": "ListAccounts", "empty_page": True, "times": 3}]
    )

    ends_covered(operator)


def test_inventory_without_accounts_stops_the_run(operator: Operator) -> None:
    operator.push()
    operator.onboard()
    half = [f"30000000000{number}" for number in range(2, 9)]
    organizations = operator.client("organizations", "111111111111")
    for account in half:
        organizations.remove_account_from_organization(AccountId=account)

    run = operator.onboard()

    assert run.error == "ImplausibleInventoryError"
    assert "12" in str(run.cause)


@pytest.mark.parametrize("call", WRITES[:4], ids=ids)
def test_function_killed_after_its_write_goes_on_where_it_was(operator: Operator, call: tuple[str, str]) -> None:
    service, operation = call
    operator.push()
    operator.cloud.set_faults([{"service": service, "operation": operation, "kill_function": True, "times": 1}])

    ends_covered(operator)
