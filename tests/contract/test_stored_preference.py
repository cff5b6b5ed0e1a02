"""The containment preference that is stored is what the schema in ``docs`` says, and what it has of nobody."""

import json
from typing import Any

import jsonschema
import pytest

from muster.domain.observed import Unknown
from muster.domain.preference import ORGANIZATION
from muster.domain.preference_history import read_state, to_document
from muster.messages.preference import PreferenceDocument
from muster_console.schemas import texts
from tests.fakes.preference import ONE, SUSPECTED, asked, attested, known

SCHEMA: dict[str, Any] = json.loads(texts()["preference.schema.json"])
STATE = known(asked(), attested(), asked("10002", {ORGANIZATION: SUSPECTED, ONE: None}), attested(None, ONE))


def test_state_that_is_stored_follows_its_schema() -> None:
    stored = to_document(STATE)

    jsonschema.Draft202012Validator(SCHEMA).validate(stored)
    assert stored.keys() == SCHEMA["properties"].keys()
    kinds = {"requested": "RequestedEntry", "attested": "AttestedEntry"}
    for entry in stored["history"]:
        assert entry.keys() == SCHEMA["$defs"][kinds[entry["kind"]]]["properties"].keys()


def test_state_that_is_stored_is_the_one_that_is_read() -> None:
    stored = to_document(STATE)

    read = PreferenceDocument.model_validate(stored).model_dump(mode="json", by_alias=True)

    assert read_state(json.dumps(read)) == read_state(json.dumps(stored))


@pytest.mark.parametrize(
    "change", [{"level": "Everything"}, {"at": "2027-01-31T10:15:00"}, {"kind": "verified"}, {"by": None}]
)
def test_what_is_no_such_state_is_read_by_neither(change: dict[str, Any]) -> None:
    stored = to_document(known(attested()))
    stored["history"][0] |= change

    with pytest.raises(ValueError, match="validation error"):
        PreferenceDocument.model_validate(stored)
    assert isinstance(read_state(json.dumps(stored)), Unknown)
