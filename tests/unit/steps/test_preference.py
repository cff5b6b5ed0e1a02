"""Preference attests what a person says that AWS confirmed, once, and only as somebody whom AWS recorded."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from muster.domain.callers import Caller
from muster.domain.plan import canonical
from muster.domain.preference import PreferenceState
from muster.domain.preference_history import PREFERENCE_KEY, AttestationOutcome, AttestationStatus, to_document
from muster.errors import DeniedError, UnavailableError
from muster.messages.preference import PreferenceDocument
from muster.ports import ExecutionRecord
from muster.steps.preference import MAX_TRIES, Preference
from tests.fakes.approval import (
    ACCOUNT,
    APPROVE,
    OWN_ROLES,
    FakeConditionalDocuments,
    FakeEventHistory,
    FakeExecutions,
    person,
    record,
    schedule,
)
from tests.fakes.preference import AT, EXECUTIONS, ONE, SUSPECTED, TWO, asked, attested, known

SAID = {"case": "10001", "level": "ContainConfirmed"}


@dataclass
class Desk:
    """Everything around the step."""

    documents: FakeConditionalDocuments = field(default_factory=FakeConditionalDocuments)
    history: FakeEventHistory = field(default_factory=FakeEventHistory)
    executions: FakeExecutions = field(default_factory=FakeExecutions)

    def store(self, state: PreferenceState) -> None:
        self.documents.put(PREFERENCE_KEY, canonical(to_document(state)))

    @property
    def stored(self) -> Any:
        found = self.documents.read(PREFERENCE_KEY)
        return None if found is None else json.loads(found.body)

    def start(self, caller: Caller | None, name: str = "a", at: datetime = AT, **said: Any) -> str:
        """Start an execution that attests, with AWS's record of it unless nobody is named; return its ARN."""
        arn = f"{EXECUTIONS}{name}"
        self.executions.found[arn] = ExecutionRecord("RUNNING", at, json.dumps({**SAID, **said}))
        if caller is not None:
            self.history.records[arn] = (record(caller, f"event-{name}", at),)
        return arn

    def attest(self, execution: str, *, last: bool = False) -> AttestationOutcome:
        step = Preference(self.documents, self.history, self.executions, EXECUTIONS, OWN_ROLES)
        return step.attest(execution, last_attempt=last)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused(outcome: AttestationOutcome) -> str:
    assert outcome.status is AttestationStatus.REFUSED
    return outcome.message


def test_attestation_is_kept_with_who_aws_says_has_started_it(desk: Desk) -> None:
    desk.store(known(asked()))

    outcome = desk.attest(desk.start(person("ada")))

    assert outcome == AttestationOutcome(
        AttestationStatus.RECORDED, "ContainConfirmed for the organization, by case 10001"
    )
    assert desk.stored == to_document(known(asked(), attested()))
    assert "ada" not in json.dumps(desk.stored) + outcome.message
    assert desk.history.asked == [(f"{EXECUTIONS}a", AT)]


def test_first_attestation_of_all_needs_no_request(desk: Desk) -> None:
    desk.attest(desk.start(person("ada"), level="ContainSuspected", accounts=[TWO, ONE]))

    assert desk.stored == to_document(known(attested(SUSPECTED, ONE, TWO)))
    PreferenceDocument.model_validate(desk.stored)


def test_level_of_its_own_may_be_gone(desk: Desk) -> None:
    outcome = desk.attest(desk.start(person("ada"), level="AsOrganization", accounts=[ONE]))

    assert outcome.message == f"no level of its own for account {ONE}, by case 10001"
    assert desk.stored == to_document(known(attested(None, ONE)))


def test_record_is_waited_for_and_in_the_end_nothing_is_attested_without_one(desk: Desk) -> None:
    execution = desk.start(None)

    assert desk.attest(execution).status is AttestationStatus.WAITING
    assert "has no record yet of who attests, so nothing is attested" in refused(desk.attest(execution, last=True))
    assert desk.documents.writes == []


def test_repeat_after_a_lost_answer_attests_once(desk: Desk) -> None:
    execution = desk.start(person("ada"))
    first = desk.attest(execution)
    desk.history.records.clear()

    assert desk.attest(execution) == first
    assert desk.documents.writes == [PREFERENCE_KEY]


@pytest.mark.parametrize(
    ("caller", "why"),
    [(person("x", "muster-report"), "the application's own"), (schedule(), "started by a service")],
)
def test_function_attests_nothing(desk: Desk, caller: Caller, why: str) -> None:
    assert why in refused(desk.attest(desk.start(caller)))
    assert desk.documents.writes == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"case": "Ada Example"}, "case is not the id of a support case"),
        ({"level": "Everything"}, "level is none of"),
        ({"accounts": ["Prod"]}, "no list of account ids"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_waited_for(
    desk: Desk, said: dict[str, Any], why: str
) -> None:
    assert why in refused(desk.attest(desk.start(None, **said)))
    assert desk.history.asked == []


@pytest.mark.parametrize("execution", [f"{APPROVE}a", f"{EXECUTIONS}unknown", "arn:aws:states"])
def test_execution_of_another_machine_attests_nothing(desk: Desk, execution: str) -> None:
    desk.executions.found[f"{APPROVE}a"] = ExecutionRecord("RUNNING", AT, json.dumps(SAID))

    assert "is no execution of" in refused(desk.attest(execution))


def test_document_that_cannot_be_understood_is_left_as_it_is(desk: Desk) -> None:
    desk.documents.put(PREFERENCE_KEY, "{")

    why = refused(desk.attest(desk.start(person("ada"))))

    assert "cannot be understood, so nothing is added to it" in why
    assert desk.documents.writes == [PREFERENCE_KEY]


def test_who_started_it_has_to_be_readable(desk: Desk) -> None:
    desk.history.is_denied = True

    assert "Allow the function cloudtrail:LookupEvents" in refused(desk.attest(desk.start(person("ada"))))


def test_write_that_was_overtaken_is_made_on_what_is_there_then(desk: Desk) -> None:
    others: list[Callable[[], object]] = [
        lambda: desk.store(known(asked())), lambda: desk.store(known(asked(), attested(case="10007", execution="b"))),
    ]  # fmt: skip
    desk.documents.before_replacing.extend(others)

    outcome = desk.attest(desk.start(person("ada")))

    assert outcome.status is AttestationStatus.RECORDED
    assert desk.stored == to_document(known(asked(), attested(case="10007", execution="b"), attested()))


def test_own_write_whose_answer_was_lost_is_not_made_again(desk: Desk) -> None:
    desk.documents.before_replacing.append(lambda: desk.store(known(attested())))

    assert desk.attest(desk.start(person("ada"))).status is AttestationStatus.RECORDED
    assert desk.stored == to_document(known(attested()))


def test_document_that_others_change_each_time_is_tried_again_by_the_machine(desk: Desk) -> None:
    desk.documents.before_replacing.extend(
        [partial(desk.store, known(asked(f"2000{number}"))) for number in range(MAX_TRIES)]
    )

    with pytest.raises(UnavailableError, match=r"containment/preference\.json was changed by others"):
        desk.attest(desk.start(person("ada")))


def test_denied_document_fails_loudly(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(_: FakeConditionalDocuments, key: str) -> None:
        raise DeniedError("s3:GetObject", ACCOUNT, key)

    monkeypatch.setattr(FakeConditionalDocuments, "read", deny)

    with pytest.raises(DeniedError):
        desk.attest(desk.start(person("ada")))
