"""The plan as it lies in S3: what one look found to do, what each write changes, and what is left to others.

Its name is the SHA-256 of its bytes. Readers ignore members that they do not know.
"""

import hashlib
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from muster.domain.plan import SHORT, PlanError

_AGAIN = "plan again: muster plan"


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AffectedAccounts(_Read):
    """The accounts whose protection a write changes."""

    number: int | None = Field(description="How many; null when it is unknown.")
    first: tuple[str, ...] = Field(description="The first of their ids.")
    key: str | None = Field(description="Where all of them are listed in the bucket, by id of the write.")


class PlannedConcern(_Read):
    """Whom a write concerns, as the step that proposed it says."""

    only: tuple[str, ...] = Field(default=(), description="These accounts.")
    everyone: bool = Field(default=False, description="Every account.")
    below: tuple[str, ...] = Field(default=(), description="The accounts below these units.")


class PlannedWrite(_Read):
    """One write of the application: what it changes, from what, to what, and who has to agree."""

    id: str = Field(description="The same for the same write on the same ground.")
    step: str = Field(description="The step that makes it.")
    kind: str
    resource: str
    before: str = Field(description="What was read, and has to be so still when the write is made.")
    after: str
    what: str
    reason: str
    cause: str | None = Field(description="Word of the diagnosis, where there is one.")
    concern: PlannedConcern = PlannedConcern()
    place: int = Field(default=0, description="Its place among the writes of its kind; smaller is first.")
    who: str = Field(default="application", description="Always the application; what others do is in left.")
    affected: AffectedAccounts
    reduces_protection: bool = Field(description="Whether somebody has less protection afterwards.")
    approval: tuple[str, ...] = Field(description="Why a person has to approve it; empty when nobody has to.")
    held: str | None = Field(description="Why it waits now, and what ends the wait; null when it need not.")


class LeftStep(_Read):
    """A step that the application does not make."""

    who: str = Field(description="Who can; nobody where no API does.")
    what: str
    why: str
    command: str
    accounts: tuple[str, ...] = ()


class PlanDocument(_Read):
    """What one look found to do, in the order in which it is to be done."""

    model_config = ConfigDict(title="Muster plan")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution that made it.")
    number: int = Field(description="Which of that execution's plans it is.")
    at: AwareDatetime = Field(description="When the world was read.")
    desired_version: str = Field(description="Version of the desired state that it leads to.")
    mode: str = Field(description="observe, propose or enforce.")
    membership_id: str | None = Field(description="null as long as there is no membership.")
    accounts: int | None = Field(description="How many the organization has; null when they could not be listed.")
    remediations: tuple[PlannedWrite, ...]
    left: tuple[LeftStep, ...] = ()

    @property
    def needs_approval(self) -> tuple[PlannedWrite, ...]:
        """The writes that a person has to approve."""
        return tuple(each for each in self.remediations if each.approval)

    @property
    def reductions(self) -> tuple[PlannedWrite, ...]:
        """The writes that take protection away."""
        return tuple(each for each in self.remediations if each.reduces_protection)


def load_plan(text: str | bytes, sha256: str) -> PlanDocument:
    """Return the plan of a stored text. Raises PlanError for another text than that of the name, or another schema."""
    content = text.encode() if isinstance(text, str) else text
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise PlanError(
            f"plan {sha256[:SHORT]} was changed after it was made: its SHA-256 is {found[:SHORT]}…; {_AGAIN}"
        )
    try:
        return PlanDocument.model_validate_json(content)
    except ValidationError as error:
        raise PlanError(f"plan {sha256[:SHORT]} is not one that this version can read; {_AGAIN}") from error
