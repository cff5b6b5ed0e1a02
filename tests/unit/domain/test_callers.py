from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.callers import Caller, CallerKind, read_caller, same_person, why_no_person
from tests.fakes.approval import OWN_ROLES, person, schedule

ROLE = "arn:aws:sts::222222222222:assumed-role/Operator/alice@example.com"
USER = "arn:aws:iam::222222222222:user/security/alice@example.com"


def identity(
    kind: str = "AssumedRole", arn: str = ROLE, principal: str = "AROA1:alice@example.com", **over: Any
) -> Any:
    return {"userIdentity": {"type": kind, "arn": arn, "principalId": principal, **over}}


@pytest.mark.parametrize(
    ("recorded", "kind"),
    [
        (identity(), CallerKind.PERSON),
        (identity("IAMUser", USER, "AIDA1"), CallerKind.PERSON),
        (identity("FederatedUser", "arn:aws:sts::222222222222:federated-user/alice", "2:alice"), CallerKind.PERSON),
        (identity(invokedBy="signin.amazonaws.com"), CallerKind.PERSON),
        (identity("Root", "arn:aws:iam::222222222222:root", "222222222222"), CallerKind.ROOT),
        (identity(invokedBy="scheduler.amazonaws.com"), CallerKind.SERVICE),
        ({"userIdentity": {"type": "AWSService", "invokedBy": "events.amazonaws.com"}}, CallerKind.SERVICE),
        (identity(inScopeOf={"issuerType": "AWS::Lambda::Function"}), CallerKind.SERVICE),
        (identity(sessionContext={"ec2RoleDelivery": "2.0"}), CallerKind.SERVICE),
        (identity("WebIdentityUser"), CallerKind.UNKNOWN),
        (identity(arn=""), CallerKind.UNKNOWN),
        (identity(principal=""), CallerKind.UNKNOWN),
        ({"userIdentity": None}, CallerKind.UNKNOWN),
        ({}, CallerKind.UNKNOWN),
    ],
)
def test_only_what_aws_calls_a_user_or_a_session_is_a_person(recorded: dict[str, Any], kind: CallerKind) -> None:
    assert read_caller(recorded).kind is kind


def test_caller_has_the_role_the_name_and_the_source_identity_that_were_recorded() -> None:
    caller = read_caller(identity(sessionContext={"sourceIdentity": "Alice"}))

    assert (caller.role, caller.name) == ("Operator", "alice@example.com")
    assert caller.names == {"alice@example.com", "alice"}
    assert read_caller(identity("IAMUser", USER, "AIDA1")).role is None


def test_caller_shows_no_name_when_it_is_printed() -> None:
    assert "example.com" not in repr(read_caller(identity(sessionContext={"sourceIdentity": "alice@example.com"})))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (person("alice"), True),
        (person("alice", "Administrator"), True),
        (person("ALICE", "Administrator"), True),
        (Caller("arn:aws:iam::222222222222:user/alice@example.com", "AIDA1"), True),
        (Caller("arn:aws:sts::222222222222:assumed-role/Operator/other", "AROAOPERATOR:alice@example.com"), True),
        (person("bob", source_identity="alice@example.com"), True),
        (person("bob"), False),
        (person("bob", "Administrator"), False),
        (Caller("arn:aws:iam::222222222222:user/bob@example.com", "AIDA2"), False),
    ],
)
def test_two_names_are_two_people_and_one_name_is_one_whatever_the_role(other: Caller, expected: bool) -> None:  # noqa: FBT001
    assert same_person(person("alice"), other) is expected


def test_callers_without_a_principal_are_not_the_same_for_that() -> None:
    assert not same_person(Caller("a/x", ""), Caller("a/y", ""))


PEOPLE = st.builds(
    person,
    st.sampled_from(["alice", "bob", "Alice", "carol"]),
    st.sampled_from(["Operator", "Administrator"]),
    source_identity=st.sampled_from([None, "alice@example.com", "dora"]),
)


@given(PEOPLE, PEOPLE)
def test_who_is_the_same_does_not_depend_on_who_comes_first(one: Caller, other: Caller) -> None:
    assert same_person(one, one)
    assert same_person(one, other) == same_person(other, one)


@pytest.mark.parametrize(
    ("caller", "says"),
    [
        (schedule(), "by a service"),
        (person("alice", "muster-report"), "role muster-report is the application's own"),
        (Caller("arn:aws:iam::222222222222:root", "222222222222", None, CallerKind.ROOT), "root user"),
        (Caller("", "", None, CallerKind.UNKNOWN), "does not say which person"),
    ],
)
def test_root_services_own_roles_and_the_unknown_answer_for_nobody(caller: Caller, says: str) -> None:
    assert says in str(why_no_person(caller, OWN_ROLES))


def test_person_answers_also_through_a_role_whose_name_begins_like_ours() -> None:
    assert why_no_person(person("alice", "muster-operators"), OWN_ROLES) is None
