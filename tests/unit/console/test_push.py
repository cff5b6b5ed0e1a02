import json
from pathlib import Path
from typing import Any

import pytest

from muster.messages.desired_state import load_contacts, load_contacts_key
from tests.unit.console.fakes import EXAMPLE, FakeCloud, Operator, refusal

PEOPLE = ("Ada Example", "ada@example.com", "Head of Security", "Ben Example", "ben@example.com")


def _without_people(text: str) -> bool:
    return not any(value in text for value in PEOPLE)


def test_validate_reaches_no_cloud(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("validate", str(EXAMPLE))

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{EXAMPLE} is valid: mode enforce, 3 contacts.\n"
    assert cloud.connections == []


def test_a_first_push_stores_the_contacts_as_a_secret_and_the_rest_in_the_bucket(
    operator: Operator, cloud: FakeCloud
) -> None:
    ran = operator.types("push", str(EXAMPLE))

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Contacts       created (3 people, /muster/contacts)",
        "Desired state  created, version v1",
        "Next: muster onboard",
    ]
    [written] = cloud.ssm.written
    assert (written["Type"], written["Tier"], written["Overwrite"]) == ("SecureString", "Advanced", True)
    assert [person["name"] for person in json.loads(written["Value"])["contacts"]] == [
        "Ada Example",
        "Ben Example",
        "Security Hotline",
    ]
    [stored] = cloud.s3.objects["desired-state.json"]
    assert json.loads(stored)["schema"] == 1
    assert _without_people(stored.decode() + ran.out + ran.err)


def test_a_second_push_of_the_same_file_writes_nothing(operator: Operator, cloud: FakeCloud) -> None:
    operator.types("push", str(EXAMPLE))
    ran = operator.types("push", str(EXAMPLE))

    assert ran.out.splitlines() == [
        "Contacts       unchanged (3 people, /muster/contacts)",
        "Desired state  unchanged, version v1",
    ]
    assert (len(cloud.ssm.written), cloud.s3.writes) == (1, ["desired-state.json"])


def test_a_push_names_the_keys_that_changed_and_leaves_the_contacts(
    operator: Operator, cloud: FakeCloud, tmp_path: Path
) -> None:
    operator.types("push", str(EXAMPLE))
    changed = tmp_path / "changed.yaml"
    changed.write_text(EXAMPLE.read_text().replace("mode: enforce", "mode: observe").replace("units: 10", "units: 9"))

    ran = operator.types("push", str(changed))

    assert "Desired state  changed (guardrails, mode), version v2" in ran.out
    assert len(cloud.ssm.written) == 1


def test_the_contacts_get_a_random_key_that_nobody_sees(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("push", str(EXAMPLE))
    key = load_contacts_key(cloud.ssm.values["/muster/contacts"]).hex()
    another = Operator()
    another.types("push", str(EXAMPLE))

    assert load_contacts_key(another.cloud.ssm.values["/muster/contacts"]).hex() != key
    assert key not in ran.out + ran.err
    assert key not in cloud.s3.objects["desired-state.json"][-1].decode()


def test_the_key_stays_when_the_contacts_change(operator: Operator, cloud: FakeCloud, tmp_path: Path) -> None:
    operator.types("push", str(EXAMPLE))
    changed = tmp_path / "changed.yaml"
    changed.write_text(EXAMPLE.read_text().replace("ada@example.com", "ada.new@example.com"))

    operator.types("push", str(changed))

    before, after = (load_contacts_key(written["Value"]) for written in cloud.ssm.written)
    assert before == after


@pytest.mark.parametrize("key", [{}, {"key": "short"}, {"key": None}])
def test_contacts_of_an_earlier_version_are_given_a_key(
    operator: Operator, cloud: FakeCloud, key: dict[str, Any]
) -> None:
    operator.types("push", str(EXAMPLE))
    people = json.loads(cloud.ssm.values["/muster/contacts"])["contacts"]
    cloud.ssm.values["/muster/contacts"] = json.dumps({"contacts": people, **key} if key else people)

    ran = operator.types("push", str(EXAMPLE))

    assert ran.out.splitlines()[0] == "Contacts       unchanged, given a key (3 people, /muster/contacts)"
    assert len(load_contacts_key(cloud.ssm.values["/muster/contacts"])) == 32
    assert operator.types("push", str(EXAMPLE)).out.startswith("Contacts       unchanged (3 people")


@pytest.mark.parametrize("value", ["", "{", "7", '{"contacts": []}'])
def test_a_broken_parameter_is_replaced(operator: Operator, cloud: FakeCloud, value: str) -> None:
    cloud.ssm.values["/muster/contacts"] = value

    ran = operator.types("push", str(EXAMPLE))

    assert ran.out.startswith("Contacts       changed (3 people")
    assert len(load_contacts(cloud.ssm.values["/muster/contacts"])) == 3


def test_the_key_of_contacts_that_were_broken_by_hand_is_kept(operator: Operator, cloud: FakeCloud) -> None:
    cloud.ssm.values["/muster/contacts"] = json.dumps({"contacts": "oops", "key": "0f" * 32})

    operator.types("push", str(EXAMPLE))

    assert load_contacts_key(cloud.ssm.values["/muster/contacts"]) == b"\x0f" * 32


def test_changed_contacts_are_told_without_saying_what_they_are(
    operator: Operator, cloud: FakeCloud, tmp_path: Path
) -> None:
    operator.types("push", str(EXAMPLE))
    changed = tmp_path / "changed.yaml"
    changed.write_text(EXAMPLE.read_text().replace("ada@example.com", "ada.new@example.com"))

    ran = operator.types("push", str(changed))

    assert ran.out.splitlines()[:2] == [
        "Contacts       changed (3 people, /muster/contacts)",
        "Desired state  unchanged, version v1",
    ]
    assert cloud.s3.writes == ["desired-state.json"]


def test_an_unusable_file_is_answered_before_anything_is_reached(
    operator: Operator, cloud: FakeCloud, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        EXAMPLE.read_text().replace('"222222222222"', "222222222222", 1).replace("mode: enforce", "mode: off")
    )

    ran = operator.types("push", str(wrong))

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "mode: is not one of the possible words. Write observe, propose or enforce.",
        'membership.account: is a number, not text. Write the 12 digits in quotes: "123456789012".',
        f"{wrong} is not valid: 2 problems. Nothing was stored.",
    ]
    assert cloud.connections == []


def test_contacts_that_the_service_refuses_are_not_quoted_not_even_by_debug(
    operator: Operator, cloud: FakeCloud
) -> None:
    cloud.ssm.fault = refusal("ValidationException", "PutParameter", "Value 'ada@example.com' is not valid")

    ran = operator.types("--debug", "push", str(EXAMPLE))

    assert ran.code == 4
    assert "could not be written to parameter /muster/contacts (ValidationException)" in ran.err
    assert _without_people(ran.out + ran.err)
    assert cloud.s3.writes == []


def test_a_push_that_was_overtaken_overwrites_nothing(operator: Operator, cloud: FakeCloud) -> None:
    cloud.s3.before_put = lambda: cloud.store("desired-state.json", {"by": "somebody else"})

    ran = operator.types("push", str(EXAMPLE))

    assert ran.code == 3
    assert ran.err.startswith("Somebody else stored a desired state at the same time.\nNext: ")
    assert cloud.s3.writes == []
