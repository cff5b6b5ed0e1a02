import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster_local import organization_file
from muster_local.organization_file import LONG_AGO, STATES, OrganizationFileError, load, parse

EXAMPLE = Path(organization_file.__file__).parent / "organizations" / "example.yaml"


def document(**root: Any) -> dict[str, Any]:
    return {"id": "o-smallworld1", "management_account": {"id": "111111111111", "name": "Management"}, "root": root}


def nested(depth: int) -> dict[str, Any]:
    return {"name": f"Level {depth}", "units": [nested(depth - 1)] if depth > 1 else []}


def test_the_example_has_every_state_five_levels_and_one_account_directly_under_the_root() -> None:
    example = load(EXAMPLE)
    accounts, units = list(example.accounts()), list(example.units())
    assert (example.id, example.management_account.id) == ("o-exampleorg1", "111111111111")
    assert (len(accounts), len(units)) == (70, 15)
    assert {account.state for account in accounts} == set(STATES)
    assert len(example.root.accounts) == 1
    security = next(unit for unit in units if unit.name == "Security")
    assert security.accounts[0].id == "222222222222"
    assert max(Counter(unit.name for unit in units).values()) == 2
    assert _depth(example.root) == 5


def test_ids_of_units_follow_from_their_names_and_their_place() -> None:
    first, second = load(EXAMPLE), load(EXAMPLE)
    ids = [unit.id for unit in first.units()]
    assert ids == [unit.id for unit in second.units()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"ou-[0-9a-z]{4}-[0-9a-z]{8}", unit_id) for unit_id in ids)
    assert {unit_id.split("-")[1] for unit_id in ids} == {first.root.id.removeprefix("r-")}


def test_an_account_joined_long_ago_unless_the_file_dates_it() -> None:
    accounts = [
        {"id": "300000000001", "name": "Old"},
        {"id": "300000000002", "name": "New", "joined": yaml.safe_load("2026-11-20")},
        {"id": "300000000003", "name": "Newer", "joined": yaml.safe_load("2026-11-20T10:00:00Z")},
    ]
    assert [account.joined for account in parse(document(accounts=accounts)).root.accounts] == [
        LONG_AGO,
        datetime(2026, 11, 20, tzinfo=UTC),
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "file: is not a mapping"),
        ({"id": "o-smallworld1"}, "file.management_account: is missing"),
        (document() | {"id": "small"}, "id: 'small' is not o- and 10 to 32"),
        (document() | {"color": "blue"}, "file.color: is unknown here; known are id, management_account, root"),
        (document() | {"management_account": {"id": "1", "name": "M"}}, "management_account.id: '1' is not 12 digits"),
        (
            document() | {"management_account": {"id": "111111111111", "name": "M", "state": "CLOSED"}},
            "management_account.state: the management account is ACTIVE",
        ),
        (document(accounts={"id": "1"}), "root.accounts: is not a list"),
        (document(accounts=[{"id": 300000000001, "name": "A"}]), "root.accounts[0].id: 300000000001 is not 12 digits"),
        (document(accounts=[{"id": "300000000001"}]), "root.accounts[0].name: is missing"),
        (document(accounts=[{"id": "300000000001", "name": " "}]), "root.accounts[0].name: ' ' is not a text"),
        (
            document(accounts=[{"id": "300000000001", "name": "A", "state": "GONE"}]),
            "root.accounts[0].state: 'GONE' is none of PENDING_ACTIVATION, ACTIVE",
        ),
        (
            document(accounts=[{"id": "300000000001", "name": "A", "joined": "once"}]),
            "root.accounts[0].joined: 'once' is not a date",
        ),
        (
            document(accounts=[{"id": "111111111111", "name": "Twice"}]),
            "root.accounts[0].id: '111111111111' is already management_account.id",
        ),
        (document(units=[{"name": "A"}, {"name": "A"}]), "root.units[1].id: "),
        (
            document(units=[{"name": "A", "id": "ou-abcd-11111111"}, {"name": "A", "id": "ou-abcd-22222222"}]),
            "root.units[1].name: 'A' is there twice",
        ),
        (document(units=[{"name": "A", "id": "unit-1"}]), "root.units[0].id: 'unit-1' is not of the form"),
        (document(units=[nested(6)]), "root.units[0].units[0].units[0].units[0].units[0].units[0]: units nest at most"),
        (document(policies=[{"name": "Deny"}]), "root.policies[0].content: is missing"),
        (document(policies=[{"name": "Deny", "content": "{}"}]), "root.policies[0].content: is the policy document"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(content: object, message: str) -> None:
    with pytest.raises(OrganizationFileError) as caught:
        parse(content)
    assert str(caught.value).startswith(message)
    assert message.startswith(caught.value.field)


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(OrganizationFileError, match=r"absent\.yaml: cannot be read"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("id: [", encoding="utf-8")
    with pytest.raises(OrganizationFileError, match=r"broken\.yaml: is not YAML"):
        load(tmp_path / "broken.yaml")


def _depth(unit: organization_file.UnitEntry) -> int:
    return max((1 + _depth(below) for below in unit.units), default=0)
