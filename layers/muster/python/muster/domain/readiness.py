"""Readiness: whether responders could contain in an account, by the roles themselves and never by a status alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muster.domain.containment import Deployment, DeploymentState
from muster.domain.containment_roles import Defect, remedy_for
from muster.domain.readings import VALID, Reading


class Readiness(StrEnum):
    """What responders could do in an account."""

    READY = "Ready"
    NOT_READY = "NotReady"
    ABSENT_BY_CHOICE = "AbsentByChoice"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class AccountReadiness:
    """The verdict on one account, and why. ``read_at`` is when its roles were read; None where they never were.

    ``remedy`` is what a person does about it; empty where nobody has to do anything. With ``passes`` time alone may
    bring another verdict.
    """

    deployment: Deployment
    state: Readiness
    reason: str
    remedy: str = ""
    read_at: datetime | None = None
    defects: tuple[Defect, ...] = ()
    passes: bool = False

    @property
    def needs_person(self) -> bool:
        """Tell whether no later run brings it about by itself."""
        if self.state in (Readiness.NOT_READY, Readiness.UNKNOWN):
            return not self.passes
        # Roles that are as they should be are so whoever made them, also where the StackSet has no instance.
        return self.deployment.state.needs_person and self.deployment.state is not DeploymentState.MISSING

    @property
    def row(self) -> tuple[str, str]:
        """The word and the reason that a person reads first."""
        deployment = self.deployment
        if self.needs_person and self.state not in (Readiness.NOT_READY, Readiness.UNKNOWN):
            return deployment.state.value, deployment.reason
        # What CloudFormation says of a stack that failed is why its roles are not as they should be.
        is_cause = self.state is Readiness.NOT_READY and deployment.state.needs_person
        cause = f"{deployment.state}, {deployment.reason}" if is_cause else ""
        return self.state.value, "; ".join(filter(None, (self.reason, cause, self.remedy)))


def judge_readiness(
    deployment: Deployment, reading: Reading | None, *, ground: str | None, at: datetime, not_read: str
) -> AccountReadiness:
    """Return the verdict on one account.

    ``ground`` is what a reading has to depend on now, None where that is unknown and any counts; ``not_read`` says why
    there may be no reading.
    """
    pending = deployment.state is DeploymentState.PENDING
    if deployment.state is DeploymentState.ABSENT_BY_CHOICE:
        found = AccountReadiness(deployment, Readiness.ABSENT_BY_CHOICE, deployment.reason)
    elif pending and (reading is None or not reading.is_good):
        found = AccountReadiness(deployment, Readiness.UNKNOWN, "its roles are being deployed", passes=True)
    elif reading is None:
        found = AccountReadiness(deployment, Readiness.UNKNOWN, not_read, _LOOK)
    elif reading.unknown is not None:
        found = AccountReadiness(deployment, Readiness.UNKNOWN, reading.unknown, _LOOK, reading.at)
    elif ground is not None and reading.ground != ground:
        why = "its roles were read before its stack changed, and not since"
        found = AccountReadiness(deployment, Readiness.UNKNOWN, why, "run again", reading.at, passes=pending)
    elif at - reading.at > VALID:
        why = f"its roles were last read on {reading.at:%Y-%m-%d}, more than {VALID.days} days ago"
        found = AccountReadiness(deployment, Readiness.UNKNOWN, why, "run again", reading.at)
    elif reading.defects:
        found = _judge_defects(deployment, reading)
    else:
        found = AccountReadiness(deployment, Readiness.READY, f"as read on {reading.at:%Y-%m-%d}", read_at=reading.at)
    return found


def _judge_defects(deployment: Deployment, reading: Reading) -> AccountReadiness:
    what = "; ".join(f"{each.kind}: {each.detail}" for each in reading.defects)
    remedies = dict.fromkeys(remedy_for(each) for each in reading.defects)
    return AccountReadiness(
        deployment, Readiness.NOT_READY, what, "; ".join(remedies), reading.at, reading.defects
    )  # fmt: skip


_LOOK = "let Muster read the roles there: stacks/member-account.yaml, and MemberAccess=read of the application"


def count_readiness(accounts: Iterable[AccountReadiness]) -> dict[str, int]:
    """Count the accounts of every verdict, zeros included."""
    found = Counter(each.state for each in accounts)
    return {state.value: found[state] for state in Readiness}
