"""A plan is sealed: whoever changes a byte of it, or puts another in its place, is found out."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from muster.domain.plan import (
    NOBODY_AFFECTED,
    Affected,
    LeftStep,
    Plan,
    PlanError,
    PlannedRemediation,
    canonical,
    from_document,
    open_sealed,
    plan_key,
    seal,
    to_document,
)
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step

ADD = PlannedRemediation(
    Remediation(
        Step.SCOPING,
        RemediationKind.ADD_UNIT,
        "ou-1",
        "out",
        "in",
        "add ou-1",
        "asked",
        concern=Concern(below=("ou-1",)),
    ),
    Affected(2, ("1", "2"), "runs/run-1/affected/1.json"),
    held="change calendar office-hours is CLOSED",
)
REMOVE = PlannedRemediation(
    Remediation(Step.SCOPING, RemediationKind.REMOVE_UNIT, "ou-2", "in", "out", "remove ou-2", "not asked"),
    Affected(None),
    ("it takes protection away",),
)
PLAN = Plan(
    run="run-1",
    number=2,
    at=datetime(2026, 11, 24, 12, tzinfo=UTC),
    desired_version="version-1",
    mode="enforce",
    membership_id="m-0123456789ab",
    accounts=3,
    remediations=(ADD, REMOVE, PlannedRemediation(replace(ADD.remediation, resource="Ünit"))),
    left=(LeftStep("management team", "look", "denied", "aws iam get-role", ("1",)), LeftStep("nobody", "wait", "why")),
)


class TestPlan:
    def test_a_plan_says_what_people_are_asked_for_and_what_takes_protection_away(self) -> None:
        assert PLAN.asked == (REMOVE,)
        assert PLAN.reductions == (REMOVE,)
        assert replace(PLAN, remediations=()).asked == replace(PLAN, remediations=()).reductions == ()

    def test_what_waits_is_no_part_of_the_question(self) -> None:
        waiting = replace(REMOVE, held="the automation is frozen")
        assert replace(PLAN, remediations=(waiting,)).asked == ()

    def test_a_planned_write_has_the_id_of_its_write_and_concerns_nobody_unless_it_says_so(self) -> None:
        planned = PlannedRemediation(ADD.remediation)

        assert planned.id == ADD.id == ADD.remediation.id
        assert (planned.affected, planned.approval, planned.held) == (NOBODY_AFFECTED, (), None)


class TestDocument:
    @pytest.mark.parametrize("plan", [PLAN, replace(PLAN, membership_id=None, accounts=None, remediations=(), left=())])
    def test_a_plan_survives_being_stored(self, plan: Plan) -> None:
        assert from_document(json.loads(canonical(to_document(plan)))) == plan

    def test_what_takes_protection_away_is_marked(self) -> None:
        marked = [each["reduces_protection"] for each in to_document(PLAN)["remediations"]]

        assert marked == [False, True, False]

    def test_equal_documents_are_equal_texts(self) -> None:
        assert (
            canonical({"b": 1, "a": [None, "ü"]}) == canonical({"a": [None, "ü"], "b": 1}) == '{"a":[null,"ü"],"b":1}'
        )

    def test_what_is_no_number_is_no_json(self) -> None:
        with pytest.raises(ValueError, match="JSON compliant"):
            canonical({"share": float("nan")})


def put(change: dict[str, Any]) -> tuple[str, str]:
    """Return a text with its own digest that is not what ``seal`` would write."""
    return put_text(canonical(to_document(PLAN) | change))


def put_text(text: str) -> tuple[str, str]:
    return text, hashlib.sha256(text.encode()).hexdigest()


class TestSeal:
    def test_a_plan_is_named_by_the_digest_of_its_bytes(self) -> None:
        sealed = seal(PLAN)

        assert sealed.sha256 == hashlib.sha256(sealed.text.encode()).hexdigest()
        assert sealed.key == plan_key(sealed.sha256) == f"plans/{sealed.sha256}.json"
        assert seal(replace(PLAN, number=3)).sha256 != sealed.sha256

    def test_a_sealed_plan_opens_to_what_it_was(self) -> None:
        sealed = seal(PLAN)

        assert open_sealed(sealed.text, sealed.sha256) == sealed

    def test_a_plan_of_which_a_byte_was_changed_does_not_open(self) -> None:
        sealed = seal(PLAN)
        text = sealed.text.replace('"ou-2"', '"ou-3"')

        with pytest.raises(PlanError, match=rf"^plan {sealed.sha256[:12]} was changed after .*; plan again"):
            open_sealed(text, sealed.sha256)

    def test_a_plan_of_another_schema_does_not_open(self) -> None:
        with pytest.raises(PlanError, match="is of schema 2, not 1; plan again"):
            open_sealed(*put({"schema": 2}))

    @pytest.mark.parametrize(
        ("text", "sha256"),
        [
            put_text("no json"),
            put_text("[]"),
            put_text("{}"),
            put({"at": "yesterday"}),
            put({"at": 5}),
            put({"remediations": None}),
            put({"remediations": [to_document(PLAN)["remediations"][0] | {"resource": "another"}]}),
            put({"remediations": [to_document(PLAN)["remediations"][0] | {"kind": "cancel_membership"}]}),
        ],
    )
    def test_what_this_version_cannot_read_does_not_open(self, text: str, sha256: str) -> None:
        with pytest.raises(PlanError, match=rf"^plan {sha256[:12]} is not one that this version can read; plan again$"):
            open_sealed(text, sha256)
