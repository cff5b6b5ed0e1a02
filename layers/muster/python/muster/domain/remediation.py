"""One write that would bring the world nearer to what is asked for: what it changes, from what, to what, for whom.

There is no kind for what ends the membership, nor for what is Unknown: what cannot be said cannot be made.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from muster.domain.desired import ChangeKind


class Step(StrEnum):
    """Who makes a remediation, in the order of a run."""

    SIGN_UP = "sign_up"
    SCOPING = "scoping"
    CONTACT_SETUP = "contact_setup"
    MEMBER_REPAIR = "member_repair"
    CONTAINMENT = "containment"


class RemediationKind(StrEnum):
    """Every kind of write there is: those that ``automatic`` may list, and three that take protection away."""

    SIGN_UP = ChangeKind.SIGN_UP.value
    ADD_UNIT = ChangeKind.ADD_UNIT.value
    ADD_RESPONDER = ChangeKind.ADD_RESPONDER.value
    UPDATE_RESPONDER = ChangeKind.UPDATE_RESPONDER.value
    ENABLE_TRIAGE = ChangeKind.ENABLE_TRIAGE.value
    SET_NAME = ChangeKind.SET_NAME.value
    SET_TAGS = ChangeKind.SET_TAGS.value
    CREATE_TRIAGE_ROLE = ChangeKind.CREATE_TRIAGE_ROLE.value
    DEPLOY_CONTAINMENT_ROLE = ChangeKind.DEPLOY_CONTAINMENT_ROLE.value
    CLEAR_ENTIRE_ORGANIZATION = "clear_entire_organization"
    REMOVE_UNIT = "remove_unit"
    DISABLE_TRIAGE = "disable_triage"

    @property
    def reduces_protection(self) -> bool:
        """Tell whether somebody has less protection afterwards: such a write always needs a person."""
        return self in REDUCTIONS

    @property
    def adds_coverage(self) -> bool:
        """Tell whether it only covers more accounts, which goes on while responders work on an incident."""
        return self in (RemediationKind.SIGN_UP, RemediationKind.ADD_UNIT, RemediationKind.CREATE_TRIAGE_ROLE)

    @property
    def changes_units(self) -> bool:
        """Tell whether the scope has other units afterwards."""
        return self in (RemediationKind.ADD_UNIT, RemediationKind.REMOVE_UNIT)


REDUCTIONS = frozenset(
    {RemediationKind.CLEAR_ENTIRE_ORGANIZATION, RemediationKind.REMOVE_UNIT, RemediationKind.DISABLE_TRIAGE}
)


@dataclass(frozen=True, slots=True)
class Concern:
    """Whose protection a remediation changes: these accounts, everybody, or those below units. Nobody by default."""

    only: tuple[str, ...] = ()
    everyone: bool = False
    below: tuple[str, ...] = ()


NOBODY = Concern()
EVERYONE = Concern(everyone=True)


@dataclass(frozen=True, slots=True)
class Remediation:
    """One write, proposed by the step that can make it.

    ``before`` is what was read and has to be so still when the write is made, ``after`` what holds then; both are words
    for people that are compared as they are, so nothing that changes by itself belongs into them, and no value of a
    responder. ``what`` says what is done, ``reason`` why, ``cause`` is the diagnosis's word where there is one.
    """

    step: Step
    kind: RemediationKind
    resource: str
    before: str
    after: str
    what: str
    reason: str
    cause: str | None = None
    concern: Concern = NOBODY
    place: int = 0

    @property
    def id(self) -> str:
        """Sixteen digits that are the same for the same write on the same ground."""
        ground = json.dumps([self.kind, self.resource, self.before, self.after])
        return hashlib.sha256(ground.encode()).hexdigest()[:16]

    @property
    def target(self) -> tuple[str, str]:
        """What is written, whatever from and to: two remediations with one target exclude each other."""
        return self.kind, self.resource


def to_document(remediation: Remediation) -> dict[str, Any]:
    """Return a remediation as plain JSON."""
    concern = remediation.concern
    return {
        "id": remediation.id,
        "step": remediation.step.value,
        "kind": remediation.kind.value,
        "resource": remediation.resource,
        "before": remediation.before,
        "after": remediation.after,
        "what": remediation.what,
        "reason": remediation.reason,
        "cause": remediation.cause,
        "place": remediation.place,
        "concern": {"only": list(concern.only), "everyone": concern.everyone, "below": list(concern.below)},
    }


def from_document(document: Mapping[str, Any]) -> Remediation:
    """Return the remediation that ``to_document`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    concern = document["concern"]
    found = Remediation(
        step=Step(document["step"]),
        kind=RemediationKind(document["kind"]),
        resource=document["resource"],
        before=document["before"],
        after=document["after"],
        what=document["what"],
        reason=document["reason"],
        cause=document["cause"],
        concern=Concern(tuple(concern["only"]), concern["everyone"], tuple(concern["below"])),
        place=document["place"],
    )
    if found.id != document["id"]:
        raise ValueError(f"remediation {document['id']} is not what its id says")
    return found


def digest_accounts(account_ids: tuple[str, ...]) -> str:
    """Return eight digits that stand for a set of accounts in a text."""
    return hashlib.sha256(json.dumps(sorted(account_ids)).encode()).hexdigest()[:8]
