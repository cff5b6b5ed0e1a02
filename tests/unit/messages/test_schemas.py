import json
from pathlib import Path

import jsonschema
import pytest

from muster_console.desired_state_file import load
from muster_console.schemas import DOCUMENTS, texts

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_in_docs_is_that_of_the_code(name: str) -> None:
    stored = (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8")

    assert stored == texts()[name], "run `python -m muster_console.schemas`"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(texts()[name]))


def test_the_example_follows_the_schema() -> None:
    example = load((ROOT / "config" / "desired-state.example.yaml").read_bytes())

    jsonschema.Draft202012Validator(json.loads(texts()["desired-state.schema.json"])).validate(example)


@pytest.mark.parametrize(
    "scope", [{}, {"entire_organization": True, "units": ["Workloads"]}, {"entire_organization": False}]
)
def test_the_schema_wants_exactly_one_scope(scope: dict[str, object]) -> None:
    example = load((ROOT / "config" / "desired-state.example.yaml").read_bytes())
    assert isinstance(example, dict)

    validator = jsonschema.Draft202012Validator(json.loads(texts()["desired-state.schema.json"]))

    assert not validator.is_valid({**example, "scope": scope})
