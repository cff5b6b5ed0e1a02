"""What each account has of the containment roles, as it lies in S3.

Readers ignore members that they do not know, so that an older console reads a newer document.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class FoundStackSet(_Read):
    """The StackSet as it was read; null members could not be read, or there is none."""

    name: str
    region: str
    present: bool | None = Field(description="null when it could not be read.")
    auto_deployment: bool | None = None
    ec2_triage: bool | None = Field(default=None, description="Whether the roles may investigate EC2 instances.")
    targets: tuple[str, ...] = Field(description="The root or units that it deploys to.")
    template: str | None = Field(default=None, description="as in this version, another, or old generation.")


class AccountRoles(_Read):
    """One ACTIVE account."""

    id: str
    name: str
    state: str = Field(
        description=(
            "Deployed, Pending, Missing, Failed, Outdated, Adopted, AbsentByChoice or Unknown. Deployed says that "
            "CloudFormation calls the stack current, not that the roles work."
        )
    )
    reason: str = Field(description="Why, in words; the service's own where an instance failed.")


class InactiveAccount(_Read):
    """An account that is not ACTIVE: no stack reaches it."""

    id: str
    name: str
    state: str


class Containment(_Read):
    """Everything that one run found of the containment roles."""

    model_config = ConfigDict(title="Muster containment roles")

    schema_: Literal[1] = Field(alias="schema")
    run: str = Field(description="Name of the execution.")
    at: AwareDatetime
    roles: str = Field(description="verify or managed, as it was asked for.")
    stack_set: FoundStackSet
    waiting_for: str | None = Field(default=None, description="What was still going on.")
    counts: dict[str, int] = Field(description="ACTIVE accounts by state.")
    accounts: tuple[AccountRoles, ...] = Field(description="The management account first.")
    inactive: tuple[InactiveAccount, ...] = ()
