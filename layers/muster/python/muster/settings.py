"""One frozen settings class per function, read from the environment when a handler asks for it, never at import."""

import os
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from muster.domain.member_repair import MemberAccess

type AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]


class Settings(BaseModel):
    """What every function knows: where it runs, and where the documents lie.

    A field is read from the variable of its upper-case name with MUSTER_ in front.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: AccountId
    region: str
    bucket: str
    purpose: Literal["keep", "observe"] = "keep"

    @property
    def keeps(self) -> bool:
        """Tell whether this deployment may write at all: of two that share an account, one only observes."""
        return self.purpose == "keep"

    @classmethod
    def from_environment(cls) -> Self:
        """Read the variables that the template sets. Raises pydantic's ValidationError, which names the missing one."""
        names = {name: f"MUSTER_{name.upper()}" for name in cls.model_fields}
        return cls.model_validate({name: os.environ[key] for name, key in names.items() if key in os.environ})


class ManagementSettings(Settings):
    """Settings of a function that looks into the management account."""

    management_account_id: AccountId
    management_reader_role_arn: str


class PreflightSettings(ManagementSettings):
    """Settings of Preflight. It looks at the contacts parameter, and never into it."""

    contacts_parameter: str

    @property
    def deployment(self) -> str:
        """The deployment's name, which is the front part of every role's."""
        return self.management_reader_role_arn.rpartition("/")[2].removesuffix("-management-reader")


class SignUpSettings(ManagementSettings):
    """Settings of SignUp: it alone writes to the management account."""

    management_onboarding_role_arn: str
    contacts_parameter: str


class ScopingSettings(Settings):
    """Settings of Scoping."""


class PlanSettings(Settings):
    """Settings of Plan. A plan older than ``plan_max_age_seconds`` is not applied any more."""

    plan_max_age_seconds: Annotated[int, Field(ge=60)]


class ContactSetupSettings(Settings):
    """Settings of ContactSetup."""

    contacts_parameter: str


class AssessSettings(ManagementSettings):
    """Settings of Assess. ``member_reader_role_name`` is empty where no reader is deployed in the members."""

    member_reader_role_name: str = ""


class ContainmentSettings(ManagementSettings):
    """Settings of Containment. ``member_reader_role_name`` is empty where no reader is deployed in the members."""

    management_containment_role_arn: str
    member_reader_role_name: str = ""


class MemberRepairSettings(Settings):
    """Settings of MemberRepair. ``member_access`` is what the members let the application do."""

    deployment: str
    member_access: MemberAccess


class LeaseSettings(Settings):
    """Settings of Lease."""


class ReportSettings(Settings):
    """Settings of Report."""


class AttributionSettings(Settings):
    """Settings of a function that finds out who started an execution.

    ``own_roles`` are the names of the application's roles, with commas in between: none of them is a person.
    """

    deployment: str
    own_roles: Annotated[str, Field(pattern=r"^[\w+=.@-]+(,[\w+=.@-]+)*$")]

    def own(self) -> frozenset[str]:
        """Return the names, each."""
        return frozenset(self.own_roles.split(","))


class ApprovalSettings(AttributionSettings):
    """Settings of Approval."""

    plan_max_age_seconds: Annotated[int, Field(ge=1)]


class PreferenceSettings(AttributionSettings):
    """Settings of Preference."""
