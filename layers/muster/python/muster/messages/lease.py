"""Request and response of Lease."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from muster.domain.lease import LeaseAction
from muster.messages.steps import Message

type ExecutionArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:execution:[^:]{1,80}:[A-Za-z0-9_-]{1,80}$")
]


class LeaseRequest(Message):
    """Input of Lease. ``execution`` is the ARN of the run, ``at`` when the state was entered.

    ``attempt`` counts the looks before this one; ``last_attempt`` says that nobody will look again.
    """

    run: str
    execution: ExecutionArn
    action: LeaseAction
    at: AwareDatetime
    attempt: Annotated[int, Field(ge=0)] = 0
    last_attempt: bool = False

    @model_validator(mode="after")
    def _is_of_one_run(self) -> Self:
        if not self.execution.endswith(f":{self.run}"):
            raise ValueError(f"execution {self.execution} is not that of run {self.run}")
        return self


class LeaseResponse(Message):
    """Output of Lease: whether the run has it, and what it waits for otherwise. After a release it has none."""

    acquired: bool
    waiting_for: str | None
