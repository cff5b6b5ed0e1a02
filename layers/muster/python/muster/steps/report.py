"""Report: write down what the run did and found, and say what of it is new."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster.domain.desired import ContainmentRoles, DesiredState
from muster.domain.membership import Home
from muster.domain.observed import Unknown
from muster.domain.outcomes import Change, Handoff, Notice, ReportOutcome
from muster.domain.preference_history import PREFERENCE_KEY, read_state
from muster.domain.preference_texts import PreferenceReport, report_preference
from muster.domain.report import (
    RunReport,
    accounts_in_need,
    containment_from_document,
    has_news,
    last_fingerprint,
    to_document,
    told_from_document,
    write_subject,
    write_text,
)
from muster.errors import DeniedError
from muster.ports import RunDocuments

LATEST_KEY = "reports/latest.json"


@dataclass(frozen=True, slots=True)
class Report:
    """Writes documents only. Sending the message is the machine's part."""

    documents: RunDocuments

    def apply(
        self,
        desired: DesiredState,
        *,
        run: str,
        at: datetime,
        membership_id: str | None,
        changes: Iterable[Change],
        handoffs: Iterable[Handoff],
        notices: Iterable[Notice],
        assessment_key: str | None,
        containment_key: str | None,
        settled: bool,
    ) -> ReportOutcome:
        """Store the report as text and as JSON, and return a message when there is something new to tell.

        A repeat of the same run compares with what was told before that run, so that a lost answer loses no message.
        """
        assessment: Any = self.documents.read(assessment_key) if assessment_key else None
        containment: Any = self.documents.read(containment_key) if containment_key else None
        preference = self._preference(desired, at) if membership_id else None
        report = RunReport(
            run=run,
            at=at,
            mode=desired.mode,
            home=Home(desired.membership.account_id, desired.membership.region),
            membership_id=membership_id,
            changes=tuple(changes),
            handoffs=tuple(handoffs),
            notices=(*notices, *_notices_of(assessment), *(preference.notices if preference else ())),
            assessment_key=None if assessment is None else assessment_key,
            settled=settled,
            counts={} if assessment is None else assessment["counts"],
            causes={} if assessment is None else assessment["causes"],
            in_need=() if assessment is None else accounts_in_need(assessment),
            text_key=f"runs/{run}/report.txt",
            json_key=f"runs/{run}/report.json",
            roles=desired.containment.roles,
            containment=(
                containment_from_document(containment_key, containment) if containment_key and containment else None
            ),
            preference=preference,
        )
        before = last_fingerprint(told_from_document(self.documents.read(LATEST_KEY)), run)
        document, text = to_document(report, before=before), write_text(report)
        self.documents.write_text(report.text_key, text)
        self.documents.write(report.json_key, document)
        self.documents.write(LATEST_KEY, document)
        news = has_news(report, before)
        return ReportOutcome(
            status=report.status,
            text_key=report.text_key,
            json_key=report.json_key,
            subject=write_subject(report) if news else None,
            message=text if news else None,
        )

    def _preference(self, desired: DesiredState, at: datetime) -> PreferenceReport | None:
        """Return how the containment preference stands; one that cannot be read is unknown."""
        if desired.containment.roles is ContainmentRoles.OFF:
            return None
        try:
            state = read_state(self.documents.read_text(PREFERENCE_KEY))
        except DeniedError as error:
            state = Unknown(str(error))
        return report_preference(desired.containment, state, at)


def _notices_of(assessment: Any) -> tuple[Notice, ...]:  # noqa: ANN401 - JSON
    return (
        () if assessment is None else tuple(Notice(each["subject"], each["detail"]) for each in assessment["notices"])
    )
