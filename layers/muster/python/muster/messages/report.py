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
    accounts: tuple[str, ...] = ()


class ReportedNotice(_Read):
    """Something to know although nothing waits for it."""

    subject: str
    detail: str
    needs_person: bool = False


class AccountInNeed(_Read):
    """An account that no later run repairs by itself."""

    id: str
    name: str
    coverage: str
    cause: str | None
    reason: str


class AccountsInNeed(_Read):
    """How many there are, and the first of them; the assessment has them all."""

    total: int
    first: tuple[AccountInNeed, ...]


class RolesInNeed(_Read):
    """An account whose containment roles no later run brings about by itself."""

    id: str
    name: str
    state: str
    reason: str


class AllRolesInNeed(_Read):
    """How many there are, and the first of them; the run's containment document has them all."""

    total: int
    first: tuple[RolesInNeed, ...]


class ReportedContainment(_Read):
    """What the accounts have of the containment roles. It says nothing of coverage, nor coverage of it."""

    roles: str = Field(description="off, verify or managed, as it was asked for.")
    key: str | None = Field(description="Where every account's state lies in the bucket; null when none was looked at.")
    counts: dict[str, int] = Field(description="Accounts by state; empty when none was looked at.")
    readiness: dict[str, int] = Field(
        default_factory=dict, description="Accounts by readiness; empty in a report of a version that read no roles."
    )
    accounts_that_need_a_person: AllRolesInNeed


class ReportedPreference(_Read):
    """How the containment preference of one subject stands."""

    subject: str = Field(description="organization, or an account id.")
    status: str = Field(description="NotRequested, Requested, Attested or DueAgain; nothing of it is verified.")
    wanted: str | None = Field(description="The level that is wanted; null is no level of its own.")
    attested: str | None = Field(description="The level that AWS has, as a person attested it last.")
    due: str | None = Field(description="Until when the attestation counts, as a day; null without one that fits.")
    says: str = Field(description="All of it in one line.")


class ReportedPreferences(_Read):
    """How the containment preference stands, or why that is unknown."""

    key: str = Field(description="Where the history lies in the bucket.")
    unknown: str | None = Field(description="Why it is unknown; null when it is known.")
    subjects: tuple[ReportedPreference, ...] = Field(description="The organization first; empty when it is unknown.")


class Report(_Read):
    """What one run did and found."""

    model_config = ConfigDict(title="Muster report")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution.")
    at: AwareDatetime = Field(description="When the report was written.")
    status: str = Field(description="Covered, NeedsAttention, WaitingForHandoff or NotSettled.")
    membership_id: str | None = Field(description="null as long as there is no membership.")
    settled: bool = Field(description="False while an account still has time to become associated.")
    counts: dict[str, int] = Field(description="Accounts by coverage; empty when nothing was assessed.")
    causes: dict[str, int] = Field(default_factory=dict, description="Accounts by cause.")
    accounts_that_need_a_person: AccountsInNeed
    containment: ReportedContainment | None = Field(
        default=None, description="Containment roles; null in a report of a version that did not know them."
    )
    preference: ReportedPreferences | None = Field(
        default=None, description="The containment preference; null where no roles are wanted, or by an older version."
    )
    changes: tuple[ReportedChange, ...] = ()
    handoffs: tuple[ReportedHandoff, ...] = ()
    notices: tuple[ReportedNotice, ...] = ()
    assessment_key: str | None = Field(description="Where the assessment lies in the bucket.")
    text_key: str = Field(description="Where the report for people lies in the bucket.")
    fingerprint: str = Field(default="", description="Two reports with the same one tell the same.")
    fingerprint_before: str | None = Field(
        default=None, description="That of the report which people were told before."
    )


def load_report(text: str | bytes) -> Report:
    """Return a report from its JSON. Raises ValueError."""
    return Report.model_validate_json(text)
