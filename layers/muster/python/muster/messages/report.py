"""The report as it lies in S3: what one run changed, what it left to others, and how it ended.

Readers ignore members that they do not know, so that an older console reads a newer report.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ReportedChange(_Read):
    """One write that was made."""

    kind: str
    resource: str
    detail: str


class ReportedHandoff(_Read):
    """A step for somebody else."""

    to: str
    what: str
    why: str
    command: str


class ReportedNotice(_Read):
    """Something to know although nothing waits for it."""

    subject: str
    detail: str


class Report(_Read):
    """What one run did and found."""

    model_config = ConfigDict(title="Muster report")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution.")
    at: AwareDatetime = Field(description="When the report was written.")
    status: str = Field(description="Covered, NeedsAttention, WaitingForHandoff or NotSettled.")
    membership_id: str | None = None
    settled: bool = True
    counts: dict[str, int] = Field(default_factory=dict, description="Accounts by coverage.")
    changes: tuple[ReportedChange, ...] = ()
    handoffs: tuple[ReportedHandoff, ...] = ()
    notices: tuple[ReportedNotice, ...] = ()
    assessment_key: str | None = Field(default=None, description="Where the assessment lies in the bucket.")


def load_report(text: str | bytes) -> Report:
    """Return a report from its JSON. Raises ValueError."""
    return Report.model_validate_json(text)
