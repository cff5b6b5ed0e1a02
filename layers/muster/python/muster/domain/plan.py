"""The plan of a run: everything between the world as it was read and what is asked for, sealed by its digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from muster.domain import remediation as remediations
from muster.domain.remediation import Remediation

SCHEMA = 1
MAX_NAMED = 20
"""How many of the affected accounts a plan names; the document of the run has them all."""

SHORT = 12
"""So many digits of a plan's SHA-256 are its name in commands."""


@dataclass(frozen=True, slots=True)
class Affected:
    """The accounts whose protection changes; ``key`` is where all are listed. ``number`` None: unknown."""

    number: int | None
    first: tuple[str, ...] = ()
    key: str | None = None


NOBODY_AFFECTED = Affected(0)


@dataclass(frozen=True, slots=True)
class PlannedRemediation:
    """A write of the application. ``approval`` are the reasons to ask a person for it, ``held`` why it waits."""

    remediation: Remediation
    affected: Affected = NOBODY_AFFECTED
    approval: tuple[str, ...] = ()
    held: str | None = None

    @property
    def id(self) -> str:
        """The id of the write."""
        return self.remediation.id


@dataclass(frozen=True, slots=True)
class LeftStep:
    """A step that the application does not make: who can (``nobody`` where no API does), and with which command."""

    who: str
    what: str
    why: str
    command: str = ""
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look found to do, in the order in which it is to be done.

    ``accounts`` counts those of the organization, None where they could not be listed.
    """

    run: str
    number: int
    at: datetime
    desired_version: str
    mode: str
    membership_id: str | None
    accounts: int | None
    remediations: tuple[PlannedRemediation, ...]
    left: tuple[LeftStep, ...] = ()

    @property
    def asked(self) -> tuple[PlannedRemediation, ...]:
        """The writes that people are asked for: what waits for something else is no part of the question."""
        return tuple(each for each in self.remediations if each.approval and each.held is None)

    @property
    def reductions(self) -> tuple[PlannedRemediation, ...]:
        """The writes that take protection away."""
        return tuple(each for each in self.remediations if each.remediation.kind.reduces_protection)


@dataclass(frozen=True, slots=True)
class SealedPlan:
    """A plan as it is stored: canonical JSON, and the digest of its bytes, which is also its name."""

    plan: Plan
    text: str
    sha256: str

    @property
    def key(self) -> str:
        """Where it lies in the bucket."""
        return plan_key(self.sha256)


class PlanError(ValueError):
    """What lies under a plan's name is not that plan; the message says what is wrong."""


def plan_key(sha256: str) -> str:
    """Return where the plan of a digest lies in the bucket."""
    return f"plans/{sha256}.json"


def seal(plan: Plan) -> SealedPlan:
    """Write a plan down for good."""
    text = canonical(to_document(plan))
    return SealedPlan(plan, text, hashlib.sha256(text.encode()).hexdigest())


def open_sealed(text: str, sha256: str) -> SealedPlan:
    """Return the plan of a stored text. Raises PlanError when a byte of it is not what was sealed."""
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != sha256:
        raise PlanError(
            f"plan {sha256[:SHORT]} was changed after it was made: its SHA-256 is {found[:SHORT]}…; plan again"
        )
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise PlanError(f"plan {sha256[:SHORT]} is of schema {document['schema']}, not {SCHEMA}; plan again")
        return SealedPlan(from_document(document), text, sha256)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError(f"plan {sha256[:SHORT]} is not one that this version can read; plan again") from error


def to_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain JSON (``docs/schemas/plan.schema.json``)."""
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "number": plan.number,
        "at": plan.at.isoformat(),
        "desired_version": plan.desired_version,
        "mode": plan.mode,
        "membership_id": plan.membership_id,
        "accounts": plan.accounts,
        "remediations": [
            {
                **remediations.to_document(each.remediation),
                "who": "application",
                "affected": {
                    "number": each.affected.number,
                    "first": list(each.affected.first),
                    "key": each.affected.key,
                },
                "reduces_protection": each.remediation.kind.reduces_protection,
                "approval": list(each.approval),
                "held": each.held,
            }
            for each in plan.remediations
        ],
        "left": [asdict(each) | {"accounts": list(each.accounts)} for each in plan.left],
    }


def from_document(document: Mapping[str, Any]) -> Plan:
    """Return the plan that ``to_document`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return Plan(
        run=document["run"],
        number=document["number"],
        at=datetime.fromisoformat(document["at"]),
        desired_version=document["desired_version"],
        mode=document["mode"],
        membership_id=document["membership_id"],
        accounts=document["accounts"],
        remediations=tuple(
            PlannedRemediation(
                remediation=remediations.from_document(each),
                affected=Affected(
                    each["affected"]["number"], tuple(each["affected"]["first"]), each["affected"]["key"]
                ),
                approval=tuple(each["approval"]),
                held=each["held"],
            )
            for each in document["remediations"]
        ),
        left=tuple(
            LeftStep(each["who"], each["what"], each["why"], each["command"], tuple(each["accounts"]))
            for each in document["left"]
        ),
    )


def canonical(document: object) -> str:
    """Return JSON with sorted keys and no blanks, so that equal documents are equal texts."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
