"""The assessment as it lies in S3: every account of the organization, and whether scope and association agree on it.

Readers ignore members that they do not know, so that an older console reads a newer assessment.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AssessedAccount(_Read):
    """One account. It has no e-mail address: those are dropped on reading."""

    id: str
    name: str
    state: str = Field(description="Life-cycle state, Organizations' word.")
    coverage: str = Field(
        description="Covered, NotCovered, OutOfScope, Settling, Excepted, Inactive or Unknown.",
    )
    reason: str = Field(default="", description="Why, in words.")
    cause: str | None = Field(default=None, description="Diagnosis of an account that should be covered and is not.")
    remedy: str | None = Field(default=None, description="What repairs it, in words.")
    needs_person: bool = Field(default=False, description="No later run repairs it by itself.")
    ancestors: tuple[str, ...] | None = Field(
        default=None, description="Ids from the root to the parent; null when the path could not be read."
    )


class AssessedMembership(_Read):
    """The membership as it was read."""

    id: str
    account_id: str
    region: str
    name: str | None = None
    status: str
    covers_entire_organization: bool = False
    unit_ids: tuple[str, ...] = ()


class AssessedScope(_Read):
    """The scope as it was resolved."""

    kind: Literal["entire_organization", "organizational_units"]
    unit_ids: tuple[str, ...] = ()


class Assessment(_Read):
    """Everything that one assessment found."""

    model_config = ConfigDict(title="Muster assessment")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution.")
    at: AwareDatetime = Field(description="When the assessment was begun.")
    settled: bool = Field(description="False while an account still has time to become associated.")
    counts: dict[str, int] = Field(description="Accounts by coverage.")
    membership: AssessedMembership | None = None
    scope: AssessedScope | None = None
    accounts: tuple[AssessedAccount, ...]


def load_assessment(text: str | bytes) -> Assessment:
    """Return an assessment from its JSON. Raises ValueError."""
    return Assessment.model_validate_json(text)
