"""Preference: keep what a person attests that AWS confirmed, with who AWS says the person is."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from muster.domain.callers import StartRecord
from muster.domain.observed import Known, Unknown
from muster.domain.plan import canonical
from muster.domain.preference import PreferenceState
from muster.domain.preference_history import (
    PREFERENCE_KEY,
    AttestationOutcome,
    AttestationRefused,
    AttestationStatus,
    Attested,
    attest,
    read_attested,
    read_state,
    to_document,
)
from muster.domain.preference_texts import name_level, name_subject
from muster.errors import AlreadyThereError, DeniedError, UnavailableError
from muster.ports import ConditionalDocuments, EventHistory, ExecutionRecord, ExecutionRecords

MAX_TRIES = 5
"""How often the document is read again after a write that was overtaken."""


class _RefusedError(Exception):
    """Ends an attestation; its text is what the person is told."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Attests. It may be repeated, also after a lost answer: an execution attests once.

    ``attest_executions`` is what the ARNs of the executions begin with that may attest; what they were started with is
    what is attested, whoever invokes the function.
    """

    documents: ConditionalDocuments
    history: EventHistory
    executions: ExecutionRecords
    attest_executions: str
    own_roles: AbstractSet[str]

    def attest(self, execution: str, *, last_attempt: bool) -> AttestationOutcome:
        """Record what an execution was started to attest, once AWS's record of who started it is there."""
        try:
            record = self._own_execution(execution)
            attested = _accepted(read_attested(record.input))
            state, _ = self._read()
            if state.attestation_of(execution) is None:
                starts = self._starts(execution, record)
                if not starts:
                    return _waiting(last_attempt=last_attempt)
                self._write(attested, execution, starts)
        except _RefusedError as refused:
            return AttestationOutcome(AttestationStatus.REFUSED, str(refused))
        return AttestationOutcome(AttestationStatus.RECORDED, _say(attested))

    def _own_execution(self, execution: str) -> ExecutionRecord:
        found = self.executions.find(execution) if execution.startswith(self.attest_executions) else None
        if found is None:
            machine = self.attest_executions.removesuffix(":")
            raise _RefusedError(
                f"{execution} is no execution of {machine}: run `muster attest --case ID --level LEVEL`"
            )
        return found

    def _starts(self, execution: str, record: ExecutionRecord) -> tuple[StartRecord, ...]:
        try:
            return self.history.starts(execution, record.started_at)
        except DeniedError as error:
            raise _RefusedError(
                f"who started {execution} cannot be read ({error}), so nothing is attested. Allow the function "
                f"cloudtrail:LookupEvents, also in the organization's service control policies, and attest again"
            ) from error

    def _read(self) -> tuple[PreferenceState, str | None]:
        stored = self.documents.read(PREFERENCE_KEY)
        match read_state(stored.body if stored else None):
            case Unknown(why):
                raise _RefusedError(
                    f"{why}, so nothing is added to it: put an earlier version of it in its place, as "
                    f"docs/operations.md says, and attest again"
                )
            case Known(state):
                return state, stored.tag if stored else None

    def _write(self, attested: Attested, execution: str, starts: tuple[StartRecord, ...]) -> None:
        """Add the attestation to the history as it is now; when somebody else was first, read it again."""
        for _ in range(MAX_TRIES):
            state, tag = self._read()
            wanted = _accepted(attest(state, attested, execution=execution, starts=starts, own_roles=self.own_roles))
            if wanted == state:
                return
            try:
                self.documents.replace(PREFERENCE_KEY, canonical(to_document(wanted)), tag)
            except AlreadyThereError:
                continue
            return
        raise UnavailableError(f"{PREFERENCE_KEY} was changed by others each time it was written")


def _accepted[T](found: T | AttestationRefused) -> T:
    if isinstance(found, AttestationRefused):
        raise _RefusedError(found.why)
    return found


def _waiting(*, last_attempt: bool) -> AttestationOutcome:
    if not last_attempt:
        return AttestationOutcome(AttestationStatus.WAITING, "CloudTrail has no record yet of who attests")
    look = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartExecution"
    return AttestationOutcome(
        AttestationStatus.REFUSED,
        f"CloudTrail has no record yet of who attests, so nothing is attested. See that records arrive (`{look}`), and "
        f"attest again",
    )


def _say(attested: Attested) -> str:
    subjects = ", ".join(map(name_subject, attested.subjects))
    return f"{name_level(attested.level)} for {subjects}, by case {attested.case}"
