"""When the roles of each account were read and what was found there; and whose turn it is to be read again."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from muster.domain.containment_roles import Defect, DefectKind, PinnedRoles
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.stack_sets import StackInstance, StackSet, digest

SCHEMA = 1
READINGS_KEY = "containment/readings.json"

VALID: Final = timedelta(days=7)
"""How long a reading counts."""

ROUND: Final = timedelta(days=6)
"""In which time a rolling share comes round to every account."""

LATEST: Final = VALID - timedelta(hours=18)
"""At which age an account is read whatever its share: no reading shall run out between two runs."""

MAX_TRIES: Final = 5
"""How often an account is tried that fails for a reason of time; then it is Unknown until the next run."""

LEAST: Final = timedelta(minutes=10)
"""No share is taken sooner after the last one: the looks of one run are minutes apart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one account, in a run and at a time.

    ``ground`` is a digest of what the reading depends on: on another ground the account has to be read again. ``names``
    are those of the two roles that exist, ``defects`` what is wrong with them, ``unknown`` why nobody knows. ``tried``
    is a digest of defects that an operation of the StackSet was to repair already.
    """

    run: str
    at: datetime
    ground: str
    names: frozenset[str] = frozenset()
    defects: tuple[Defect, ...] = ()
    unknown: str | None = None
    tried: str | None = None

    @property
    def is_good(self) -> bool:
        """Tell whether both roles were as they should be."""
        return self.unknown is None and not self.defects

    @property
    def has_roles(self) -> Observed[bool]:
        """Tell whether any role of the two names was there."""
        return Known(bool(self.names)) if self.names or self.unknown is None else Unknown(self.unknown)


@dataclass(slots=True)
class Readings:
    """The newest reading of every account, when the last rolling share was taken, and vain tries of late."""

    accounts: dict[str, Reading] = field(default_factory=dict)
    shared_at: datetime | None = None
    tries: dict[str, int] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Return them as plain JSON."""
        return {
            "schema": SCHEMA,
            "shared_at": None if self.shared_at is None else self.shared_at.isoformat(),
            "tries": self.tries,
            "accounts": {account_id: _to_document(each) for account_id, each in self.accounts.items()},
        }


def readings_from_document(document: Mapping[str, Any] | None) -> Readings:
    """Return what ``to_document`` wrote; nothing where there is none, or one of another schema: all are read anew."""
    if document is None or document.get("schema") != SCHEMA:
        return Readings()
    shared_at = document["shared_at"]
    return Readings(
        {account_id: _from_document(each) for account_id, each in document["accounts"].items()},
        None if shared_at is None else datetime.fromisoformat(shared_at),
        dict(document["tries"]),
    )


def common_ground(stack_set: StackSet | None, pinned: PinnedRoles) -> str:
    """Return the digest of what all readings depend on: the StackSet, and what the roles should be."""
    parts = [
        None if stack_set is None else [digest(stack_set.template), sorted(stack_set.parameters)],
        {name: [role.trust, dict(role.inline), sorted(role.attached)] for name, role in pinned.items()},
    ]
    return _digest(parts)


def ground_of(ancestors: Sequence[str] | None, instance: StackInstance | None, common: str) -> str:
    """Return the digest of what one reading depends on: where the account is, its stack, and the common ground."""
    stack = None if instance is None else [instance.stack_id, instance.status, instance.detailed]
    return _digest([list(ancestors) if ancestors else None, stack, common])


def digest_defects(defects: Iterable[Defect]) -> str:
    """Return eight digits that stand for a set of defects."""
    words = sorted([each.kind.value, each.role, each.detail] for each in defects)
    return _digest(words)[:8]


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is: those that have to be read now, then the rolling share of the others; each sorted."""

    due: tuple[str, ...]
    share: tuple[str, ...]


def take_turn(
    grounds: Mapping[str, str], readings: Readings, *, run: str, at: datetime, suspects: AbstractSet[str]
) -> Turn:
    """Return which of the accounts in ``grounds`` are to be read by this run now; none of them twice on one ground.

    Due is what is new, moved or changed, what was not good when it was read, what somebody or CloudFormation suspects,
    and what would soon be too old. The share is taken from those read longest ago, as much as time has passed.
    """
    due, rest = [], []
    for account_id, ground in sorted(grounds.items()):
        reading = readings.accounts.get(account_id)
        if reading is None or reading.ground != ground:
            due.append(account_id)
        elif reading.run == run:
            continue
        elif not reading.is_good or account_id in suspects or at - reading.at >= LATEST:
            due.append(account_id)
        else:
            rest.append((reading.at, account_id))
    passed = timedelta() if readings.shared_at is None else at - readings.shared_at
    number = math.ceil(len(grounds) * (passed / ROUND)) if passed >= LEAST else 0
    return Turn(tuple(due), tuple(sorted(account_id for _, account_id in sorted(rest)[:number])))


def shares_after(readings: Readings, at: datetime) -> datetime:
    """Return from when the next share counts, once all of the present one is read."""
    due = readings.shared_at is None or at - readings.shared_at >= LEAST
    return at if due or readings.shared_at is None else readings.shared_at


def _digest(parts: Any) -> str:  # noqa: ANN401 - JSON
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _to_document(reading: Reading) -> dict[str, Any]:
    document: dict[str, Any] = {"run": reading.run, "at": reading.at.isoformat(), "ground": reading.ground}
    if reading.names:
        document["names"] = sorted(reading.names)
    if reading.defects:
        document["defects"] = [[each.kind.value, each.role, each.detail, each.policy] for each in reading.defects]
    if reading.unknown is not None:
        document["unknown"] = reading.unknown
    if reading.tried is not None:
        document["tried"] = reading.tried
    return document


def _from_document(document: Mapping[str, Any]) -> Reading:
    return Reading(
        run=document["run"],
        at=datetime.fromisoformat(document["at"]),
        ground=document["ground"],
        names=frozenset(document.get("names", ())),
        defects=tuple(Defect(DefectKind(kind), *rest) for kind, *rest in document.get("defects", ())),
        unknown=document.get("unknown"),
        tried=document.get("tried"),
    )
