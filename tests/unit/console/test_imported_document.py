"""What exists becomes a document that is read back as it was meant, whatever the texts in it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.responders import COMMUNICATION_PREFERENCES, IncidentResponder
from muster_console.desired_state_file import load
from muster_console.imported_document import (
    Containment,
    CoveredUnit,
    ExistingMembership,
    ExistingStackSet,
    NoStackSet,
    quoted,
    write_document,
)

ADA = IncidentResponder("Ada Example", "Head of Security", "ada@example.com")
BEN = IncidentResponder(
    "Ben Example", "Incident Manager", "ben@example.com", frozenset({"Case Closed", "Case Created"})
)
CAY = IncidentResponder("Cay Example", "Analyst", "cay@example.com", frozenset(COMMUNICATION_PREFERENCES))
MEMBERSHIP = ExistingMembership(
    id="m-0123456789ab",
    account_id="012345678901",
    region="eu-west-1",
    name="example-org",
    entire_organization=True,
    units=(),
    triage=True,
    team=(ADA, BEN, CAY),
    tags=(("owner", "security"),),
)
NONE = NoStackSet("Nobody looked.")

texts = st.text(st.characters(exclude_categories=["Cs"]))


def document(membership: ExistingMembership = MEMBERSHIP, containment: Containment = NONE) -> Any:
    return load(write_document(membership, containment).encode())


@given(texts)
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    assert load(f"key: {quoted(text)}\n".encode()) == {"key": text}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=128, max_size=128))
def test_the_longest_key_is_read_back_as_it_was(text: str) -> None:
    assert load(f"tags:\n  {quoted(text)}: 1\n".encode()) == {"tags": {text: 1}}


@given(texts)
def test_any_name_of_a_unit_stays_a_comment(name: str) -> None:
    units = (CoveredUnit("ou-ab12-11111111", name), CoveredUnit("ou-ab12-22222222"))
    scope = document(replace(MEMBERSHIP, entire_organization=False, units=units))["scope"]

    assert scope == {"units": ["ou-ab12-11111111", "ou-ab12-22222222"]}


def test_the_document_says_all_of_the_membership_in_the_order_of_the_example() -> None:
    found = document()

    assert list(found) == ["mode", "automatic", "membership", "scope", "proactive_response", "contacts", "containment"]
    assert found == {
        "mode": "propose",
        "automatic": [],
        "membership": {
            "name": "example-org",
            "account": "012345678901",
            "region": "eu-west-1",
            "tags": {"owner": "security"},
            "confirmed_as": "012345678901/eu-west-1",
        },
        "scope": {"entire_organization": True},
        "proactive_response": True,
        "contacts": [
            {
                "name": "Ada Example",
                "job_title": "Head of Security",
                "email": "ada@example.com",
                "role": "primary",
                "notify": "all",
            },
            {
                "name": "Ben Example",
                "job_title": "Incident Manager",
                "email": "ben@example.com",
                "role": "secondary",
                "notify": ["Case Created", "Case Closed"],
            },
            {
                "name": "Cay Example",
                "job_title": "Analyst",
                "email": "cay@example.com",
                "role": "member",
                "notify": "all",
            },
        ],
        "containment": {"roles": "off"},
    }


def test_kinds_of_message_that_are_new_are_kept_for_the_check_to_refuse() -> None:
    team = (replace(ADA, preferences=frozenset({"Case Reopened", "Case Closed"})), BEN)

    assert document(replace(MEMBERSHIP, team=team))["contacts"][0]["notify"] == ["Case Closed", "Case Reopened"]


@pytest.mark.parametrize(("said", "written"), [(True, True), (False, False), (None, True)])
def test_triage_is_written_as_it_is_and_as_on_when_the_service_does_not_say(said: bool | None, written: bool) -> None:  # noqa: FBT001
    assert document(replace(MEMBERSHIP, triage=said))["proactive_response"] is written


def test_no_tags_are_an_empty_group() -> None:
    assert document(replace(MEMBERSHIP, tags=()))["membership"]["tags"] == {}


@pytest.mark.parametrize("ec2_triage", [True, False])
def test_the_stack_set_that_is_there_is_verified_and_adopted(ec2_triage: bool) -> None:  # noqa: FBT001
    found = document(containment=ExistingStackSet("SecurityIRContainmentRoles", "us-east-1", ec2_triage))

    assert found["containment"] == {
        "roles": "verify",
        "stack_set": {"name": "SecurityIRContainmentRoles", "region": "us-east-1"},
        "ec2_triage": ec2_triage,
        "existing": "adopt",
    }


def test_why_there_is_no_stack_set_stands_in_the_document_in_lines_of_a_screen() -> None:
    lines = write_document(MEMBERSHIP, NoStackSet("Nobody looked " + "far " * 40 + "enough.")).splitlines()

    assert any("Nobody looked far" in line for line in lines)
    assert max(map(len, lines)) <= 120


def test_no_person_shows_in_what_a_log_would_say_of_it() -> None:
    assert "Example" not in repr(MEMBERSHIP)
    assert "example.com" not in repr(MEMBERSHIP)
