"""The result of Preflight as it lies in S3 and as the function returns it. Readers ignore members they do not know."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)


class CheckedItem(_Read):
    """One check."""

    id: str = Field(description="Name of the check, as --accept-unknown takes it.")
    title: str = Field(description="What is so when it has passed.")
    status: str = Field(description="passed, failed, unknown or not_applicable.")
    severity: str | None = Field(
        description="blocker or warning, of a result that is not good; null when there is nothing to do."
    )
    evidence: str = Field(description="What was seen, in words.")
    remedy: str | None = Field(description="A command or a link; null when there is nothing to do.")


class PreflightNotice(_Read):
    """Something to know: price and residency before there is a membership, and every warning."""

    subject: str
    detail: str


class PreflightResult(_Read):
    """What the checks found."""

    checks: tuple[CheckedItem, ...]
    notices: tuple[PreflightNotice, ...]
    accepted: tuple[str, ...] = Field(description="Checks whose unknown outcome a person has accepted for this run.")


class PreflightDocument(PreflightResult):
    """What the checks of one run found."""

    model_config = ConfigDict(title="Muster preflight")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution, or of the look that somebody took.")
