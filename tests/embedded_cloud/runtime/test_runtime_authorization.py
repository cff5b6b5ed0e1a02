from typing import Any

import pytest

from muster_local.authorization import Need, PolicyError, Principal, allows, trusts

ROLE = "arn:aws:iam::222222222222:role/muster-scoping"
PRINCIPAL = Principal("222222222222", ROLE, "o-example")
TABLE = "arn:aws:security-ir:eu-west-1:222222222222:membership/m-1"


def allowed(*statements: dict[str, Any], action: str = "security-ir:GetMembership", **context: str) -> bool:
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    keys = {key.replace("__", ":"): (value,) for key, value in context.items()}
    return allows([policy], Need(action, TABLE, keys), PRINCIPAL)


def allow(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "security-ir:GetMembership", "Resource": TABLE, **more}


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    assert not allowed()


def test_action_and_resource_have_to_match() -> None:
    assert allowed(allow())
    assert not allowed(allow(Action="security-ir:UpdateMembership"))
    assert not allowed(allow(Resource="arn:aws:security-ir:eu-west-1:222222222222:membership/m-2"))


def test_actions_ignore_case_and_resources_do_not() -> None:
    assert allowed(allow(Action="Security-IR:getmembership"))
    assert not allowed(allow(Resource=TABLE.upper()))


def test_wildcards_match_any_text_and_any_character() -> None:
    assert allowed(allow(Action="security-ir:Get*", Resource="arn:aws:security-ir:*:222222222222:membership/m-?"))


def test_an_explicit_denial_wins() -> None:
    assert not allowed(allow(), {"Effect": "Deny", "Action": "*", "Resource": "*"})


def test_a_denial_whose_condition_does_not_hold_denies_nothing() -> None:
    denial = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert allowed(allow(), denial)


def test_not_action_and_not_resource_turn_the_match_around() -> None:
    everything_but_this = {"Effect": "Allow", "NotAction": "security-ir:GetMembership", "NotResource": "x"}
    everything_but_that = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::*"}
    assert not allowed(everything_but_this)
    assert allowed(everything_but_that)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"StringEquals": {"organizations:ServicePrincipal": "a"}}, "a", True),
        ({"StringEquals": {"organizations:ServicePrincipal": "a"}}, "b", False),
        ({"StringEquals": {"organizations:ServicePrincipal": ["a", "b"]}}, "b", True),
        ({"StringEquals": {"Organizations:servicePrincipal": "a"}}, "a", True),
        ({"StringEquals": {"organizations:ServicePrincipal": "a"}}, None, False),
        ({"StringEqualsIfExists": {"organizations:ServicePrincipal": "a"}}, None, True),
        ({"StringEqualsIfExists": {"organizations:ServicePrincipal": "a"}}, "b", False),
        ({"StringNotEquals": {"organizations:ServicePrincipal": "a"}}, "b", True),
        ({"StringNotEquals": {"organizations:ServicePrincipal": "a"}}, None, True),
        ({"StringNotEquals": {"organizations:ServicePrincipal": ["a", "b"]}}, "b", False),
        ({"StringLike": {"organizations:ServicePrincipal": "a*"}}, "abc", True),
        ({"StringLike": {"organizations:ServicePrincipal": "a*"}}, "b", False),
        ({"Null": {"organizations:ServicePrincipal": "true"}}, None, True),
        ({"Null": {"organizations:ServicePrincipal": "false"}}, None, False),
        ({"ForAllValues:StringEquals": {"organizations:ServicePrincipal": ["a"]}}, "a", True),
        ({"ForAnyValue:StringEquals": {"organizations:ServicePrincipal": ["a"]}}, "b", False),
    ],
)
def test_conditions_compare_the_request_with_the_policy(
    condition: dict[str, Any], value: str | None, *, holds: bool
) -> None:
    context = {} if value is None else {"organizations__ServicePrincipal": value}
    assert allowed(allow(Condition=condition), **context) is holds


def test_every_operator_of_a_condition_has_to_hold() -> None:
    both = {
        "StringEquals": {"aws:PrincipalOrgID": "o-example"},
        "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"},
    }
    assert not allowed(allow(Condition=both))


def test_an_operator_nobody_knows_is_not_guessed() -> None:
    with pytest.raises(PolicyError, match="DateGreaterThan"):
        allowed(allow(Condition={"DateGreaterThan": {"aws:PrincipalArn": "2020-01-01"}}))


def trusted(principal: Any, condition: dict[str, Any] | None = None, caller: Principal | str = PRINCIPAL) -> bool:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition or {}}
    return trusts({"Statement": [statement]}, caller, {})


def test_a_trust_policy_names_the_account_the_role_or_a_service() -> None:
    assert trusted({"AWS": "arn:aws:iam::222222222222:root"})
    assert trusted({"AWS": ["222222222222"]})
    assert trusted({"AWS": ROLE})
    assert not trusted({"AWS": "arn:aws:iam::333333333333:root"})
    assert trusted({"Service": "lambda.amazonaws.com"}, caller="lambda.amazonaws.com")
    assert not trusted({"Service": "states.amazonaws.com"}, caller="lambda.amazonaws.com")
    assert not trusted({"Service": "lambda.amazonaws.com"})


def test_the_conditions_of_a_trust_policy_see_the_principal() -> None:
    root = {"AWS": "arn:aws:iam::222222222222:root"}
    assert trusted(root, {"ArnEquals": {"aws:PrincipalArn": ROLE}})
    assert not trusted(root, {"ArnEquals": {"aws:PrincipalArn": f"{ROLE}-2"}})
    assert trusted(root, {"StringEquals": {"aws:PrincipalOrgID": "o-example"}})
    assert not trusted(root, {"StringEquals": {"aws:PrincipalOrgID": "o-other"}})
    assert not trusted(root, {"StringEquals": {"sts:ExternalId": "secret"}})
