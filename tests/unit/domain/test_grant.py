"""A grant lets a step make exactly what was sealed in it."""

import hashlib
from typing import Any

import pytest

from muster.domain.grant import Grant, open_grant, seal_grant
from muster.domain.plan import PlanError, canonical
from muster.domain.remediation import Remediation, RemediationKind, Step, to_document

TAGS = Remediation(Step.SIGN_UP, RemediationKind.SET_TAGS, "m-1", "team absent", "team 1", "set tags", "asked")
UNIT = Remediation(Step.SCOPING, RemediationKind.ADD_UNIT, "ou-1", "out", "in", "add ou-1", "asked")


def put(document: Any) -> tuple[str, str]:
    text = document if isinstance(document, str) else canonical(document)
    return text, hashlib.sha256(text.encode()).hexdigest()


def test_a_grant_opens_to_what_was_sealed() -> None:
    assert open_grant(*seal_grant("5" * 64, [TAGS, UNIT])) == Grant("5" * 64, (TAGS, UNIT))
    assert open_grant(*seal_grant("5" * 64, [])) == Grant("5" * 64, ())


def test_each_step_sees_its_own_part() -> None:
    grant = Grant("5" * 64, (TAGS, UNIT))

    assert grant.of(Step.SIGN_UP) == (TAGS,)
    assert grant.of(Step.SCOPING) == (UNIT,)
    assert grant.of(Step.CONTAINMENT) == ()


def test_a_grant_of_which_a_byte_was_changed_does_not_open() -> None:
    text, sha256 = seal_grant("5" * 64, [UNIT])

    with pytest.raises(PlanError, match="was changed after it was made; nothing was written by it"):
        open_grant(text.replace("5" * 64, "6" * 64), sha256)


def test_a_grant_of_another_schema_does_not_open() -> None:
    with pytest.raises(PlanError, match="is of schema 2, not 1"):
        open_grant(*put({"schema": 2, "plan": "5" * 64, "remediations": []}))


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        [],
        {},
        {"schema": 1, "plan": "5" * 64},
        {"schema": 1, "plan": "5" * 64, "remediations": [to_document(UNIT) | {"resource": "ou-2"}]},
    ],
)
def test_what_this_version_cannot_read_does_not_open(document: Any) -> None:
    with pytest.raises(PlanError, match="the grant of this run is not one that this version can read"):
        open_grant(*put(document))
