"""Who started an execution, as AWS recorded it, and when two callers count as one person.

Sources: CloudTrail User Guide, "CloudTrail userIdentity element"; IAM User Guide, "Monitor and control actions taken
with assumed roles".
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never


class CallerKind(StrEnum):
    """What stands behind the credentials."""

    PERSON = "person"
    ROOT = "root"
    """The account's root user: everybody who knows its password."""

    SERVICE = "service"
    """An AWS service, or code that runs in one: a schedule, a function, an instance."""

    UNKNOWN = "unknown"


_PEOPLE = frozenset({"AssumedRole", "IAMUser", "FederatedUser"})
_CONSOLE = "signin.amazonaws.com"
"""Some services record the console of a person as if it were a service."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. Its words can be an e-mail address, so ``repr`` has none of them.

    For an assumed role, ``principal_id`` is the role's id and the session's name, and ``arn`` ends in that name.
    """

    arn: str = field(repr=False)
    principal_id: str = field(repr=False)
    source_identity: str | None = field(default=None, repr=False)
    kind: CallerKind = CallerKind.PERSON

    @property
    def name(self) -> str:
        """The session's name of an assumed role, or the user's."""
        return self.arn.rpartition("/")[2]

    @property
    def role(self) -> str | None:
        """The name of the role that was assumed, if one was."""
        match self.arn.rpartition(":")[2].split("/"):
            case ["assumed-role", role, _]:
                return role
            case _:
                return None

    @property
    def names(self) -> frozenset[str]:
        """All names that say who it is, without regard to upper and lower case."""
        return frozenset(name.casefold() for name in (self.name, self.source_identity) if name)


@dataclass(frozen=True, slots=True)
class StartRecord:
    """CloudTrail's record of one StartExecution."""

    caller: Caller
    event_id: str
    at: datetime


def read_caller(record: Mapping[str, Any]) -> Caller:
    """Return the caller of a CloudTrail record. Who cannot be recognized is UNKNOWN, and never a person."""
    identity = _members(record.get("userIdentity"))
    context = _members(identity.get("sessionContext"))
    arn, principal_id = _text(identity.get("arn")), _text(identity.get("principalId"))
    kind_of_identity, invoked_by = identity.get("type"), identity.get("invokedBy")
    if (
        kind_of_identity == "AWSService"
        or invoked_by not in (None, _CONSOLE)
        or identity.get("inScopeOf")
        or context.get("ec2RoleDelivery")
    ):
        kind = CallerKind.SERVICE
    elif kind_of_identity == "Root":
        kind = CallerKind.ROOT
    elif kind_of_identity in _PEOPLE and arn and principal_id:
        kind = CallerKind.PERSON
    else:
        kind = CallerKind.UNKNOWN
    return Caller(arn, principal_id, _text(context.get("sourceIdentity")) or None, kind)


def same_person(one: Caller, other: Caller) -> bool:
    """Tell whether two callers have to be taken for one person.

    They are when AWS recorded the same principal or the same ARN, and also when they share a name: a session of one
    role and a session of another, or an IAM user, with the same session name, user name or source identity. So somebody
    with two roles does not count twice. Two sessions of one role with two names are two people. Who may choose the
    session's name freely can therefore appear as two: trust policies should demand ``sts:RoleSessionName`` or
    ``sts:SourceIdentity``; IAM Identity Center sets the session's name itself.
    """
    if one.principal_id and one.principal_id == other.principal_id:
        return True
    return not one.names.isdisjoint(other.names)


def why_no_person(caller: Caller, own_roles: AbstractSet[str]) -> str | None:
    """Return why a caller cannot answer for a person, or None when it can. The words have no name of anybody."""
    if caller.role in own_roles:
        return f"role {caller.role} is the application's own"
    match caller.kind:
        case CallerKind.PERSON:
            return None
        case CallerKind.ROOT:
            return "the account's root user stands for nobody in particular"
        case CallerKind.SERVICE:
            return "it was started by a service, or by code that runs in one"
        case CallerKind.UNKNOWN:
            return "AWS's record does not say which person it was"
        case _:
            assert_never(caller.kind)


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
