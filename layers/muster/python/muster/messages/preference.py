"""The containment preference as it lies in S3, and the payloads of the function that records attestations.

Readers ignore members that they do not know, so that an older console reads a newer document.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from muster.domain.preference_history import AttestationStatus
from muster.messages.approval import ExecutionArn
from muster.messages.steps import Message


class AttestRequest(Message):
    """Input of the function: the execution that attests, whose own input says what.

    ``last_attempt`` says that nobody will look for AWS's record again.
    """

    execution: ExecutionArn
    last_attempt: bool = False


class AttestResponse(Message):
    """Output of the function: recorded, refused, or waiting for AWS's record of who attests."""

    status: AttestationStatus
    message: str


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


type PreferenceLevel = Literal["ApprovalRequired", "ContainConfirmed", "ContainSuspected"] | None


class RequestedEntry(_Read):
    """A case that was sent, as whoever sent it recorded it."""

    kind: Literal["requested"]
    case: str = Field(description="Id of the support case.")
    at: AwareDatetime = Field(description="When it was recorded.")
    levels: dict[str, PreferenceLevel] = Field(
        description="What it asks for, by subject: organization or an account id; null is no level of its own."
    )


class AttestedEntry(_Read):
    """What AWS confirmed, as a person attested it. It names no person: AWS's record does."""

    kind: Literal["attested"]
    case: str = Field(description="Id of the support case.")
    at: AwareDatetime = Field(description="When the attestation was started.")
    level: PreferenceLevel = Field(description="What AWS has; null is no level of its own.")
    subjects: tuple[str, ...] = Field(description="organization, or account ids.")
    by: str = Field(description="Who attested it: a role or the unique id of a user, as AWS recorded it.")
    execution: str = Field(description="ARN of the execution that attested it.")
    event_id: str = Field(description="Id of CloudTrail's record of who started it.")


class PreferenceDocument(_Read):
    """Everything that AWS was asked about the containment preference, and everything that was attested.

    The last entry of a subject counts; no entry is ever changed.
    """

    model_config = ConfigDict(title="Muster containment preference")

    schema_: Literal[1] = Field(alias="schema")
    history: tuple[Annotated[RequestedEntry | AttestedEntry, Field(discriminator="kind")], ...] = Field(
        description="The oldest first."
    )
