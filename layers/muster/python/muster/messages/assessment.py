"""The assessment as it lies in S3: every account of the organization, and whether scope and association agree on it.

Readers ignore members that they do not know, so that an older console reads a newer assessment.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_PEACEFUL = frozenset({"Covered", "OutOfScope", "Excepted", "Inactive", "Settling"})


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AssessedAccount(_Read):
    """One account. It has no e-mail address: those are dropped on reading."""

    id: str
    name: str
    state: str = Field(description="Life-cycle state, Organizations' word.")
    ancestors: tuple[str, ...] | None = Field(
        description="Ids from the root to the parent; null when the path could not be read."
    )
    coverage: str = Field(description="Covered, NotCovered, OutOfScope, Settling, Excepted, Inactive or Unknown.")
    cause: str | None = Field(description="Diagnosis of an account whose coverage is not as it was asked for.")
    reason: str = Field(description="Why, in words.")
    association: str | None = Field(
        default=None, description="What the service says, or Unknown; null where it was not asked."
    )
    since: AwareDatetime | None = Field(default=None, description="When this coverage was first seen.")
    arrived_at: AwareDatetime | None = Field(
        default=None, description="When it was first seen active where it now sits, if we saw it come."
    )
    management: bool = Field(default=False, description="Whether it is the management account.")

    @property
    def needs_person(self) -> bool:
        """Tell whether no later run repairs it by itself. A coverage that this version does not know does."""
        return self.coverage not in _PEACEFUL


class AssessedMembership(_Read):
    """The membership as it was read."""

    id: str
    account_id: str
    region: str
    status: str
    activated_at: AwareDatetime | None = None
    triage_enabled: bool | None = Field(default=None, description="null when the service does not say.")
    accounts_covered: int | None = Field(default=None, description="As the service counts them.")
    accounts_associated: int | None = Field(default=None, description="As the service lists them, counted by us.")


class AssessedScope(_Read):
    """One scope: all accounts, or those below the units."""

    entire_organization: bool
    unit_ids: tuple[str, ...]


class ComparedScope(_Read):
    """The scope that was asked for, and the one that the membership has."""

    asked: AssessedScope
    found: AssessedScope


class AssessedNotice(_Read):
    """Something to know of the whole."""

    subject: str
    detail: str


class Assessment(_Read):
    """Everything that one assessment found."""

    model_config = ConfigDict(title="Muster assessment")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution.")
    at: AwareDatetime = Field(description="The time that the assessment speaks of.")
    membership: AssessedMembership
    scope: ComparedScope
    scope_changed_at: AwareDatetime | None = Field(
        default=None, description="When the membership's scope last changed, as far as is known."
    )
    counts: dict[str, int] = Field(description="Accounts by coverage.")
    causes: dict[str, int] = Field(default_factory=dict, description="Accounts by cause.")
    notices: tuple[AssessedNotice, ...] = ()
    accounts: tuple[AssessedAccount, ...]

    @property
    def settled(self) -> bool:
        """Tell whether no account still has time to become associated."""
        return not self.counts.get("Settling")


def load_assessment(text: str | bytes) -> Assessment:
    """Return an assessment from its JSON. Raises ValueError."""
    return Assessment.model_validate_json(text)
