"""The desired state: what the operator asked for, checked and without personal data."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from muster.domain.scope import DesiredScope


class Mode(StrEnum):
    """How far a run may go by itself."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    ENFORCE = "enforce"


class ChangeKind(StrEnum):
    """The kinds of change that ``automatic`` may list; none of them reduces protection."""

    SIGN_UP = "sign_up"
    ADD_UNIT = "add_unit"
    ADD_RESPONDER = "add_responder"
    UPDATE_RESPONDER = "update_responder"
    ENABLE_TRIAGE = "enable_triage"
    SET_NAME = "set_name"
    SET_TAGS = "set_tags"
    CREATE_TRIAGE_ROLE = "create_triage_role"
    DEPLOY_CONTAINMENT_ROLE = "deploy_containment_role"


class ContainmentRoles(StrEnum):
    """What Muster does about the containment roles."""

    OFF = "off"
    VERIFY = "verify"
    MANAGED = "managed"


class ExistingRoles(StrEnum):
    """What happens to containment roles that somebody else made."""

    STOP = "stop"
    ADOPT = "adopt"


class ContainmentPreference(StrEnum):
    """How far AWS may contain by itself (user guide's terms)."""

    APPROVAL_REQUIRED = "ApprovalRequired"
    CONTAIN_CONFIRMED = "ContainConfirmed"
    CONTAIN_SUSPECTED = "ContainSuspected"


@dataclass(frozen=True, slots=True)
class DesiredMembership:
    """The membership that should exist. ``confirmed_as`` is "ACCOUNT/REGION", typed once by a person, or None."""

    name: str
    account_id: str
    region: str
    tags: tuple[tuple[str, str], ...] = ()
    confirmed_as: str | None = None


@dataclass(frozen=True, slots=True)
class DesiredStackSet:
    """The StackSet of the containment roles, in the management account.

    ``region`` is where it lives and the one Region of its instances: roles are global, and us-east-1 may be closed.
    """

    name: str = "SIR-Containment-Roles"
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class DesiredContainment:
    """Containment roles and preference; ``overrides`` maps account ids to their own preference.

    The roles are for every account under the root, or only for those below ``canary_unit`` (an id) while it is set.
    ``quarantine_units`` (ids) are where compromised accounts are moved to: they have to be in scope and get the roles.
    What people attested of the preference is asked for again after ``attest_every_days``.
    """

    roles: ContainmentRoles = ContainmentRoles.VERIFY
    stack_set: DesiredStackSet = DesiredStackSet()
    canary_unit: str | None = None
    quarantine_units: tuple[str, ...] = ()
    ec2_triage: bool = False
    existing: ExistingRoles = ExistingRoles.STOP
    preference: ContainmentPreference = ContainmentPreference.APPROVAL_REQUIRED
    overrides: tuple[tuple[str, ContainmentPreference], ...] = ()
    attest_every_days: int = 180


@dataclass(frozen=True, slots=True)
class CoverageException:
    """An account or a unit (by id) that may stay uncovered until the end of a day (UTC)."""

    target_id: str
    owner: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Limits past which a run stops and asks. Shares are fractions of 1."""

    max_accounts: int = 25
    max_share: float = 0.05
    max_units: int = 10
    inventory_drop: float = 0.10


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything asked for, but the responders: they are a secret of their own.

    ``approvals`` is how many different people have to approve what needs approval; ``change_calendar`` is the name or
    ARN of the SSM Change Calendar outside of whose open times nothing is written, None where there is none.
    """

    membership: DesiredMembership
    scope: DesiredScope
    mode: Mode = Mode.PROPOSE
    automatic: frozenset[ChangeKind] = frozenset()
    proactive_response: bool = True
    containment: DesiredContainment = DesiredContainment()
    exceptions: tuple[CoverageException, ...] = ()
    guardrails: Guardrails = Guardrails()
    approvals: int = 1
    change_calendar: str | None = None
