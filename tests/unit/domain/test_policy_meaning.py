"""Two policies are the same when they say the same, however they are written; and every difference has words."""

from typing import Any

import pytest

from muster.domain.policy_meaning import (
    PolicyFormError,
    denies,
    describe_difference,
    meaning,
    name_part,
    name_value,
    same_meaning,
)


def statement(**elements: Any) -> dict[str, Any]:
    plain = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return {name: value for name, value in (plain | elements).items() if value is not None}


def policy(*statements: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


def trust(principal: Any) -> dict[str, Any]:
    return policy(statement(Action="sts:AssumeRole", Resource=None, Principal=principal))


def on_condition(condition: dict[str, Any]) -> dict[str, Any]:
    return policy(statement(Condition=condition))


PLAIN = policy(statement())
TWO_BY_TWO = policy(statement(Action=["s3:GetObject", "s3:PutObject"], Resource=["a", "b"]))
VARIABLE = statement(Resource="arn:aws:s3:::home/${aws:username}")
VARIABLE_IN_CONDITION = statement(Condition={"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}})
VARIABLE_IN_OPPOSITE = statement(Resource=None, NotResource=["arn:aws:s3:::home/${aws:username}"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(PLAIN, {"Statement": statement(), "Version": "2012-10-17"}, id="one statement without a list"),
        pytest.param(PLAIN, policy(statement(), statement()), id="a statement twice"),
        pytest.param(PLAIN, policy(statement(Sid="Read"), Id="policy"), id="names of statement and policy"),
        pytest.param(PLAIN, policy(statement(Action=["S3:getobject"])), id="case of an action, and a list of one"),
        pytest.param(PLAIN, policy(statement(Resource=["*", "*"])), id="a resource twice"),
        pytest.param(PLAIN, policy(statement(), statement(Effect="Deny", Action=[])), id="a statement of no action"),
        pytest.param(PLAIN, policy(statement(Condition={})), id="a condition that asks for nothing"),
        pytest.param(policy(), policy(statement(Resource=[])), id="no statement, and one of no resource"),
        pytest.param(
            TWO_BY_TWO,
            policy(
                statement(Action="s3:PutObject", Resource=["b", "a"]),
                statement(Action="s3:GetObject", Resource="b"),
                statement(Action="s3:GetObject", Resource="a"),
            ),
            id="split along actions and resources",
        ),
        pytest.param(
            policy(statement(Action=None, NotAction=["iam:*", "sts:*"])),
            policy(statement(Action=None, NotAction=["STS:*", "iam:*"])),
            id="order and case within NotAction",
        ),
        pytest.param(trust("*"), trust({"AWS": "*"}), id="everybody"),
        pytest.param(
            trust({"AWS": "300000000000"}),
            trust({"AWS": ["arn:aws:iam::300000000000:root"]}),
            id="an account and its root",
        ),
        pytest.param(
            trust({"AWS": "300000000000"}),
            trust({"AWS": ["arn:aws-us-gov:iam::300000000000:root"]}),
            id="an account and its root in another partition",
        ),
        pytest.param(
            trust({"AWS": "300000000000", "Service": ["a.amazonaws.com", "b.amazonaws.com"]}),
            policy(
                *trust({"Service": "b.amazonaws.com"})["Statement"],
                *trust({"AWS": "300000000000"})["Statement"],
                *trust({"Service": "a.amazonaws.com"})["Statement"],
            ),
            id="split along principals",
        ),
        pytest.param(
            on_condition({"StringLike": {"aws:SourceArn": ["a", "b"], "aws:SourceAccount": "1"}}),
            on_condition({"StringLike": {"AWS:sourceaccount": ["1"], "aws:sourcearn": ["b", "a", "b"]}}),
            id="order of keys and values, and case of keys",
        ),
        pytest.param(
            on_condition({"Bool": {"aws:SecureTransport": True}}),
            on_condition({"Bool": {"aws:SecureTransport": ["true"]}}),
            id="a truth value as a string",
        ),
        pytest.param(
            on_condition({"Null": {"aws:TokenIssueTime": False}}),
            on_condition({"Null": {"aws:TokenIssueTime": "false"}}),
            id="the other truth value as a string",
        ),
        pytest.param(
            on_condition({"NumericEquals": {"s3:max-keys": [10, 2.5]}}),
            on_condition({"NumericEquals": {"s3:max-keys": ["2.5", 10.0, "10"]}}),
            id="numbers as strings",
        ),
        pytest.param(
            {"Statement": [statement()]},
            policy(statement(), Version="2008-10-17"),
            id="no version is the first one",
        ),
        pytest.param(PLAIN, {"Statement": [statement()]}, id="a version matters only to variables"),
        pytest.param(
            {"Statement": [VARIABLE]}, policy(VARIABLE, Version="2008-10-17"), id="both versions leave a variable alone"
        ),
    ],
)
def test_same_thing_in_other_words_is_no_difference(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert same_meaning(first, second)
    assert same_meaning(second, first)
    assert describe_difference(first, second) == ""


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        pytest.param(
            TWO_BY_TWO,
            policy(statement(Action="s3:GetObject", Resource=["a", "b"])),
            "lacks s3:PutObject on a, s3:PutObject on b",
            id="an action dropped",
        ),
        pytest.param(
            PLAIN,
            policy(statement(Action=["s3:GetObject", "s3:PutObject"])),
            "also allows s3:PutObject on *",
            id="an action more",
        ),
        pytest.param(
            PLAIN,
            policy(statement(Resource="arn:aws:s3:::logs/*")),
            "lacks s3:GetObject on *; also allows s3:GetObject on arn:aws:s3:::logs/*",
            id="a resource narrowed",
        ),
        pytest.param(
            policy(statement(Resource="arn:aws:s3:::Logs")),
            policy(statement(Resource="arn:aws:s3:::logs")),
            "lacks s3:GetObject on arn:aws:s3:::Logs; also allows s3:GetObject on arn:aws:s3:::logs",
            id="the case of a resource",
        ),
        pytest.param(
            PLAIN,
            policy(statement(), statement(Effect="Deny", Action="s3:PutObject")),
            "also denies s3:PutObject on *",
            id="a deny more",
        ),
        pytest.param(
            policy(statement(Effect="Deny")),
            PLAIN,
            "lacks the denial of s3:GetObject on *; also allows s3:GetObject on *",
            id="the effect turned",
        ),
        pytest.param(
            PLAIN,
            policy(statement(Action=None, NotAction=["S3:GetObject", "iam:*"])),
            "lacks s3:GetObject on *; also allows all but iam:* and s3:getobject on *",
            id="the action turned round",
        ),
        pytest.param(
            PLAIN,
            policy(statement(Resource=None, NotResource="*")),
            "lacks s3:GetObject on *; also allows s3:GetObject on all but *",
            id="the resource turned round",
        ),
        pytest.param(
            trust({"Service": "a.amazonaws.com"}),
            policy(statement(Action="sts:AssumeRole", Resource=None, NotPrincipal={"Service": "a.amazonaws.com"})),
            "lacks sts:AssumeRole for Service a.amazonaws.com; "
            "also allows sts:AssumeRole for all but Service a.amazonaws.com",
            id="the principal turned round",
        ),
        pytest.param(
            trust({"AWS": "300000000000"}),
            trust({"Federated": "300000000000"}),
            "lacks sts:AssumeRole for AWS 300000000000; also allows sts:AssumeRole for Federated 300000000000",
            id="another kind of principal",
        ),
        pytest.param(
            trust({"AWS": "300000000000"}),
            trust({"AWS": "arn:aws:iam::300000000000:root/"}),
            "lacks sts:AssumeRole for AWS 300000000000; "
            "also allows sts:AssumeRole for AWS arn:aws:iam::300000000000:root/",
            id="almost the account's root",
        ),
        pytest.param(
            policy(statement(Action=["a:1", "a:2"], Resource=["x", "y"])),
            policy(statement(Action="a:1", Resource="x"), statement(Action="a:2", Resource="y")),
            "lacks a:1 on y, a:2 on x",
            id="a split that loses two of four",
        ),
        pytest.param(
            on_condition({"StringEquals": {"sts:ExternalId": "300000000000", "aws:SourceOrgID": "o-ex01abcdef"}}),
            on_condition({"StringLike": {"sts:ExternalId": ["300000000000", "*"]}}),
            "lacks s3:GetObject on * if StringEquals aws:sourceorgid o-ex01abcdef and "
            "StringEquals sts:externalid 300000000000; "
            "also allows s3:GetObject on * if StringLike sts:externalid * or 300000000000",
            id="a condition altered",
        ),
        pytest.param(
            PLAIN,
            on_condition({"StringEquals": {}}),
            "lacks s3:GetObject on *; also allows s3:GetObject on * if StringEquals",
            id="an operator without keys, of which nobody knows what it does",
        ),
        pytest.param(
            policy(VARIABLE, VARIABLE_IN_CONDITION, VARIABLE_IN_OPPOSITE),
            {"Statement": [VARIABLE, VARIABLE_IN_CONDITION, VARIABLE_IN_OPPOSITE]},
            "lacks s3:GetObject on * if StringEquals aws:resourcetag/owner …, "
            "s3:GetObject on all but arn:aws:s3:::home/${aws:username}, "
            "s3:GetObject on arn:aws:s3:::home/${aws:username}; "
            "also allows s3:GetObject on * if StringEquals aws:resourcetag/owner … with its variables as plain text, "
            "s3:GetObject on all but arn:aws:s3:::home/${aws:username} with its variables as plain text, "
            "s3:GetObject on arn:aws:s3:::home/${aws:username} with its variables as plain text",
            id="variables that the version does not know",
        ),
        pytest.param(
            policy(statement(Action=["a:5", "a:4", "a:3", "a:2", "a:1"])),
            policy(statement(Action=["b:1", "b:2", "b:3"])),
            "lacks a:1 on *, a:2 on *, a:3 on * and 2 more; also allows b:1 on *, b:2 on *, b:3 on *",
            id="three of each, and how many more",
        ),
    ],
)
def test_difference_is_named(first: dict[str, Any], second: dict[str, Any], words: str) -> None:
    assert not same_meaning(first, second)
    assert not same_meaning(second, first)
    assert describe_difference(first, second) == words


def test_action_is_shown_as_it_was_written() -> None:
    assert describe_difference(policy(), policy(statement(Action="IAM:passrole"))) == "also allows IAM:passrole on *"


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ("AWS arn:aws:iam::300000000000:user/staff/jane.doe", "AWS arn:aws:iam::300000000000:user/…"),
        (
            "AWS arn:aws:sts::300000000000:assumed-role/Admin/jane.doe",
            "AWS arn:aws:sts::300000000000:assumed-role/Admin/…",
        ),
        ("AWS arn:aws:sts::300000000000:federated-user/jane", "AWS arn:aws:sts::300000000000:federated-user/…"),
        ("arn:aws:s3:::home/jane@example.com/*", "…"),
        ("AWS arn:aws:iam::300000000000:role/Admin", "AWS arn:aws:iam::300000000000:role/Admin"),
        ("x" * 160, "x" * 160),
        ("x" * 161, "x" * 159 + "…"),
    ],
)
def test_no_person_and_no_endless_name_is_shown(part: str, shown: str) -> None:
    assert name_part(part) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("300000000000", "300000000000"),
        ("ssm.amazonaws.com", "ssm.amazonaws.com"),
        ("true", "true"),
        ("arn:aws:iam::300000000000:user/jane", "arn:aws:iam::300000000000:user/…"),
        ("jane.doe", "…"),
        ("jane.doe@example.com", "…"),
    ],
)
def test_value_of_a_condition_is_shown_only_where_it_is_an_identifier(value: str, shown: str) -> None:
    assert name_value(value) == shown


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (PLAIN, False),
        (policy(), False),
        (policy(statement(), statement(Effect="Deny")), True),
        ({"Statement": statement(Effect="Deny")}, True),
        ({"Version": "of the future", "Statement": [{"Effect": "Deny", "Novelty": 1}]}, True),
    ],
)
def test_any_statement_that_denies_makes_a_policy_that_denies(document: dict[str, Any], *, expected: bool) -> None:
    assert denies(document) is expected


NO_EFFECT = "Statement 2, Effect is neither Allow nor Deny"


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({}, "the document has no Statement"),
        ("{}", "the document is no JSON object"),
        ({**PLAIN, "statement": []}, "the document has unknown elements: 1"),
        ({**PLAIN, "Version": "2020-01-01"}, "Version is neither 2012-10-17 nor 2008-10-17"),
        ({**PLAIN, "Version": ["2012-10-17"]}, "Version is neither 2012-10-17 nor 2008-10-17"),
        ({"Statement": "*"}, "Statement 1 is no JSON object"),
        ({"Statement": None}, "Statement 1 is no JSON object"),
        (policy(statement(), statement(Effect="allow")), NO_EFFECT),
        (policy(statement(), statement(Effect=None)), NO_EFFECT),
        (policy(statement(), statement(Effect=["Deny"])), NO_EFFECT),
        (policy(statement(Actions="s3:*")), "Statement 1 has unknown elements: 1"),
        (policy(statement(Action=None)), "Statement 1 has neither Action nor NotAction"),
        (policy(statement(NotAction="s3:*")), "Statement 1 has both Action and NotAction"),
        (policy(statement(NotResource="*")), "Statement 1 has both Resource and NotResource"),
        (policy(statement(Action=1)), "Statement 1, Action is neither a string nor a list of strings"),
        (policy(statement(Action=["s3:*", 1])), "Statement 1, Action is neither a string nor a list of strings"),
        (
            policy(statement(Resource=None, NotResource={})),
            "Statement 1, NotResource is neither a string nor a list of strings",
        ),
        (trust("300000000000"), "Statement 1, Principal is neither * nor a JSON object"),
        (
            trust({"Aws": "*"}),
            "Statement 1, Principal has another kind than AWS, CanonicalUser, Federated, Service",
        ),
        (trust({"AWS": None}), "Statement 1, Principal, AWS is neither a string nor a list of strings"),
        (on_condition({"Bool": "true"}), "Statement 1, Condition is no JSON object of operators and keys"),
        (policy(statement(Condition=[])), "Statement 1, Condition is no JSON object of operators and keys"),
        (
            on_condition({"Bool": {"aws:SecureTransport": [None]}}),
            "Statement 1, Condition, Bool has a value that is no string, number or truth value",
        ),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(document: Any, wrong: str) -> None:
    with pytest.raises(PolicyFormError) as refused:
        meaning(document)

    assert str(refused.value) == wrong
    assert wrong.startswith(refused.value.element)


@pytest.mark.parametrize("document", ["{}", {}, {"Statement": ["*"]}, {"Statement": [{"Effect": "Maybe"}]}])
def test_what_is_no_policy_is_not_said_to_allow(document: Any) -> None:
    with pytest.raises(PolicyFormError):
        denies(document)
