import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from muster.domain.desired import (
    ChangeKind,
    ContainmentPreference,
    CoverageException,
    DesiredMembership,
    DesiredState,
    Guardrails,
    Mode,
)
from muster.domain.responders import COMMUNICATION_PREFERENCES
from muster.domain.scope import EntireOrganization, UnitId, UnitPath, UnitReferences
from muster.messages.desired_state import (
    MAX_CONTACTS_BYTES,
    InvalidDocumentError,
    load_contacts,
    load_contacts_key,
    load_stored,
    parse,
    stored_contacts,
)
from muster.messages.desired_state_documents import ContactDocument
from muster.messages.desired_state_problems import REMEDIES
from muster_console.desired_state_file import read

EXAMPLE = Path(__file__).parents[3] / "config" / "desired-state.example.yaml"
ADA = {"name": "Ada Example", "job_title": "Head of Security", "email": "ada@example.com"}
BEN = {"name": "Ben Example", "job_title": "Incident Manager", "email": "ben@example.com"}


def _smallest(**changed: Any) -> dict[str, Any]:
    membership = {"name": "example", "account": "012345678901", "region": "eu-west-1"}
    return {"membership": membership, "scope": {"entire_organization": True}, "contacts": [ADA, BEN], **changed}


def test_what_may_be_left_out_has_the_defaults_of_the_domain() -> None:
    assert parse(_smallest()).desired == DesiredState(
        membership=DesiredMembership("example", "012345678901", "eu-west-1"), scope=EntireOrganization()
    )


def test_the_stored_document_is_canonical_and_has_every_default_and_no_person() -> None:
    assert parse(_smallest()).desired_state_json == (
        '{"approvals":1,"automatic":[],'
        '"containment":{"attest_every_days":180,"ec2_triage":false,"existing":"stop","overrides":{},"preference":"ApprovalRequired","quarantine_units":[],'
        '"roles":"verify","stack_set":{"name":"SIR-Containment-Roles","region":"us-east-1"}},'
        '"exceptions":[],'
        '"guardrails":{"inventory_drop":0.1,"max_accounts":25,"max_share":0.05,"max_units":10},'
        '"membership":{"account":"012345678901","name":"example","region":"eu-west-1","tags":{}},'
        '"mode":"propose","proactive_response":true,"schema":1,"scope":{"entire_organization":true}}'
    )


def test_the_stored_contacts_are_canonical() -> None:
    assert json.loads(parse(_smallest()).contacts_json) == [
        {**ADA, "role": "member", "notify": "all"},
        {**BEN, "role": "member", "notify": "all"},
    ]


def test_everything_that_can_be_said_reaches_the_domain() -> None:
    document = _smallest(
        mode="enforce",
        automatic=["add_unit"],
        scope={"units": ["Workloads/Prod", "ou-ab12-11111111", "Sandbox"]},
        proactive_response=False,
        containment={"overrides": {"333333333333": "ContainSuspected"}, "attest_every_days": 30},
        exceptions=[
            {"account": "333333333333", "owner": "platform", "reason": "closing", "until": "2027-03-31"},
            {"unit": "ou-ab12-22222222", "owner": "platform", "reason": "sandbox", "until": "2028-02-29"},
        ],
        guardrails={"max_accounts": 0, "max_share": 1},
        approvals=2,
        change_calendar="example-change-windows",
    )
    document["membership"] |= {"tags": {"b": "2", "a": ""}, "confirmed_as": "012345678901/eu-west-1"}

    desired = parse(document).desired

    assert desired.mode is Mode.ENFORCE
    assert desired.automatic == {ChangeKind.ADD_UNIT}
    assert desired.membership.tags == (("a", ""), ("b", "2"))
    assert desired.membership.confirmed_as == "012345678901/eu-west-1"
    assert desired.scope == UnitReferences(
        (UnitPath(("Workloads", "Prod")), UnitId("ou-ab12-11111111"), UnitPath(("Sandbox",)))
    )
    assert not desired.proactive_response
    assert desired.containment.overrides == (("333333333333", ContainmentPreference.CONTAIN_SUSPECTED),)
    assert desired.containment.attest_every_days == 30
    assert desired.exceptions == (
        CoverageException("333333333333", "platform", "closing", date(2027, 3, 31)),
        CoverageException("ou-ab12-22222222", "platform", "sandbox", date(2028, 2, 29)),
    )
    assert desired.guardrails == Guardrails(max_accounts=0, max_share=1)
    assert (desired.approvals, desired.change_calendar) == (2, "example-change-windows")


@pytest.mark.parametrize(
    "calendar",
    ["abc", "Example_Change.Windows-1", "arn:aws:ssm:eu-west-1:222222222222:document/example-change-windows"],
)
def test_a_change_calendar_is_named_or_given_by_its_arn(calendar: str) -> None:
    parsed = parse(_smallest(change_calendar=calendar))

    assert load_stored(parsed.desired_state_json).change_calendar == calendar


def test_all_is_every_kind_of_change() -> None:
    assert parse(_smallest(automatic="all")).desired.automatic == frozenset(ChangeKind)


def test_what_is_stored_is_read_back_the_same() -> None:
    parsed = read(EXAMPLE)

    assert load_stored(parsed.desired_state_json) == parsed.desired
    assert load_stored(parsed.desired_state_json.encode()) == parsed.desired
    assert load_contacts(parsed.contacts_json) == parsed.team


def test_the_team_is_in_the_order_of_its_roles() -> None:
    people = [{**ADA, "role": "secondary"}, BEN, {**ADA, "name": "Cleo", "email": "c@example.com", "role": "primary"}]

    assert [person.name for person in parse(_smallest(contacts=people)).team] == ["Cleo", "Ada Example", "Ben Example"]


def test_all_sixteen_kinds_of_message_are_the_same_as_all() -> None:
    every = {**ADA, "notify": list(COMMUNICATION_PREFERENCES)}
    few = {**BEN, "notify": ["Case Created"]}

    first, second = parse(_smallest(contacts=[every, few])).team

    assert first.preferences is None
    assert second.preferences == frozenset({"Case Created"})


def test_a_stored_document_without_its_version_is_refused() -> None:
    with pytest.raises(InvalidDocumentError, match=r"schema: is missing\. Store the desired state again"):
        load_stored("{}")


@pytest.mark.parametrize("text", ['{"name": "Ada Example"', b"\xff", ""])
def test_stored_text_that_is_not_json_is_refused_without_quoting_it(text: str | bytes) -> None:
    for load, name in ((load_stored, "desired-state.json"), (load_contacts, "contacts")):
        with pytest.raises(InvalidDocumentError) as caught:
            load(text)

        assert str(caught.value) == f"{name}: is not JSON. Store it again with `muster push`."
        assert caught.value.__context__ is None


def test_stored_contacts_that_are_wrong_are_refused_without_quoting_them() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        load_contacts(json.dumps([ADA, {**BEN, "email": "ben at example"}]))

    assert [(problem.field, problem.problem) for problem in caught.value.problems] == [
        ("contacts[1].email", "is not an e-mail address that the service takes")
    ]
    assert "ben at" not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_stored_contacts_have_a_key_that_is_read_apart() -> None:
    parsed = parse(_smallest())
    stored = stored_contacts(parsed.contacts_json, "0f" * 32)

    assert load_contacts(stored) == parsed.team
    assert load_contacts_key(stored) == b"\x0f" * 32
    assert json.loads(stored) == {"contacts": json.loads(parsed.contacts_json), "key": "0f" * 32}


@pytest.mark.parametrize("stored", ["{contacts}", '{{"contacts":{contacts}}}', '{{"contacts":{contacts},"key":null}}'])
def test_contacts_without_a_key_are_read_and_the_key_is_asked_for(stored: str) -> None:
    parsed = parse(_smallest())
    text = stored.format(contacts=parsed.contacts_json)

    assert load_contacts(text) == parsed.team
    with pytest.raises(InvalidDocumentError) as caught:
        load_contacts_key(text)
    assert str(caught.value) == (
        "key: is missing in the stored contacts. Store the contacts again with `muster push FILE`, which makes one."
    )


@pytest.mark.parametrize("key", ["", "0f", "0F" * 32, "0f" * 33, "zz" * 32, "0f" * 32 + "\n"])
def test_a_key_of_another_form_is_refused_without_quoting_it(key: str) -> None:
    text = json.dumps({"contacts": [ADA, BEN], "key": key})

    with pytest.raises(InvalidDocumentError) as caught:
        load_contacts_key(text)

    assert [problem.field for problem in caught.value.problems] == ["key"]
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("text", ['"Ada"', "7", "null", "{}", '{"contacts": {"name": "Ada Example"}}'])
def test_stored_contacts_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        load_contacts(text)

    assert [problem.field for problem in caught.value.problems] == ["contacts"]
    assert "Ada" not in str(caught.value)


def _people_of(size: int) -> list[dict[str, Any]]:
    """Return ten people who take so many bytes as they are stored with a key."""
    wide = {"job_title": "分" * 50, "notify": list(COMMUNICATION_PREFERENCES[:-1])}
    people: list[dict[str, Any]] = [
        {**wide, "name": f"{n}" + "分" * 49, "email": "e" * 230 + f"{n}@x.org"} for n in range(8)
    ]
    people += [{"name": f"Person {n}", "job_title": "Analyst", "email": "e" * 20 + f"{n}@x.org"} for n in range(2)]
    stored = stored_contacts(parse(_smallest(contacts=people)).contacts_json, "0f" * 32)
    people[-1]["email"] = "x" * (size - len(stored.encode())) + people[-1]["email"]
    return people


def test_the_limit_counts_the_whole_value_with_its_key() -> None:
    stored = stored_contacts(parse(_smallest(contacts=_people_of(MAX_CONTACTS_BYTES))).contacts_json, "0f" * 32)

    assert len(stored.encode()) == MAX_CONTACTS_BYTES
    with pytest.raises(InvalidDocumentError, match="take 8,193 bytes"):
        parse(_smallest(contacts=_people_of(MAX_CONTACTS_BYTES + 1)))


def test_no_person_shows_in_a_repr() -> None:
    parsed = parse(_smallest())

    shown = repr((parsed, parsed.team, ContactDocument.model_validate(ADA)))

    assert not any(value in shown for person in (ADA, BEN) for value in person.values())


def test_every_field_has_a_remedy_of_one_line() -> None:
    assert all(remedy.endswith(".") for remedy in REMEDIES.values())
    assert all("\n" not in remedy for remedy in REMEDIES.values())
