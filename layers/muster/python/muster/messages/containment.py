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


class FoundDefect(_Read):
    """One thing that is wrong with a role."""

    kind: str = Field(description="Such as role_missing, external_id_foreign or boundary.")
    role: str
    detail: str


class Told(_Read):
    """The word and the reason that a person reads first."""

    state: str
    reason: str


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
    readiness: str = Field(description="Ready, NotReady, AbsentByChoice or Unknown: by the roles as they were read.")
    why: str = Field(description="Why, in words.")
    remedy: str = Field(default="", description="What a person does about it; empty where there is nothing to do.")
    read_at: AwareDatetime | None = Field(default=None, description="When the roles were read; it counts for 7 days.")
    defects: tuple[FoundDefect, ...] = ()
    needs_person: bool = Field(description="Whether no later run brings it about by itself.")
    told: Told


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
    readiness: dict[str, int] = Field(description="ACTIVE accounts by readiness.")
    accounts: tuple[AccountRoles, ...] = Field(description="The management account first.")
    lost: tuple[str, ...] = Field(default=(), description="Accounts that had the roles at the last look and have none.")
    inactive: tuple[InactiveAccount, ...] = ()
