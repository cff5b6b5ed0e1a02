"""The proof of least privilege: no call without a permission, and no permission without a call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

_EXCEPTION_KEYS = {"role", "action", "reason"}


class ExceptionsFileError(ValueError):
    """The file of exceptions is not what it has to be."""


class Verdict(StrEnum):
    """What the policies and the calls say of one action of one role."""

    USED = "allowed, called"
    MISSING = "called, not allowed"
    UNUSED = "allowed, not called"
    EXCEPTED = "allowed, not called, excepted"
    STALE = "excepted without need"

    @property
    def fails(self) -> bool:
        """Whether this ends the proof."""
        return self in {Verdict.MISSING, Verdict.UNUSED, Verdict.STALE}


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One line of the proof. ``action`` is written as the policy writes it, or as it was called."""

    role: str
    action: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The whole table, roles by actions."""

    rows: tuple[Row, ...]

    @property
    def fails(self) -> bool:
        """Tell whether some call had no permission, some permission no call, or some exception no need."""
        return any(row.verdict.fails for row in self.rows)

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have a verdict."""
        return sum(row.verdict is verdict for row in self.rows)

    def render(self) -> str:
        """Return the table as text, with its totals and the outcome in the last lines."""
        roles = max((len(row.role) for row in self.rows), default=0)
        actions = max((len(row.action) for row in self.rows), default=0)
        lines = [
            f"{'FAIL' if row.verdict.fails else 'ok':4}  {row.role:{roles}}  {row.action:{actions}}  {row.verdict}"
            + (f"  ({row.why})" if row.why else "")
            for row in self.rows
        ]
        totals = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in Verdict)
        outcome = "the permissions differ from the calls" if self.fails else "the permissions are exactly the calls"
        return "\n".join([*lines, "", totals, f"exceptions: {self.count(Verdict.EXCEPTED)}", outcome])


def prove(
    policies: Mapping[str, Iterable[Mapping[str, Any]]],
    seen: Iterable[Mapping[str, Any]],
    exceptions: Iterable[Mapping[str, str]] = (),
) -> Proof:
    """Compare what each role's policies allow with what ``/_muster/permissions`` saw it need."""
    granted = {(role, action) for role, documents in policies.items() for action in _granted(documents)}
    needed = [(entry["role"], entry["action"], entry["resource"], entry["allowed"]) for entry in seen]
    reasons = {(entry["role"], entry["action"]): entry["reason"] for entry in exceptions}
    used = {
        (role, pattern)
        for role, pattern in granted
        if any(caller == role and allowed and _matches(action, pattern) for caller, action, _, allowed in needed)
    }
    rows = [Row(role, action, Verdict.MISSING, resource) for role, action, resource, allowed in needed if not allowed]
    rows += [Row(role, action, Verdict.USED) for role, action in used - set(reasons)]
    for role, action in granted - used:
        reason = reasons.get((role, action))
        rows.append(Row(role, action, Verdict.UNUSED if reason is None else Verdict.EXCEPTED, reason or ""))
    rows += [
        Row(role, action, Verdict.STALE, "called" if (role, action) in used else "not allowed at all")
        for role, action in set(reasons) - (granted - used)
    ]
    return Proof(tuple(sorted(rows)))


def load_exceptions(path: Path) -> list[dict[str, str]]:
    """Read the exceptions, each with its reason. Raises ExceptionsFileError."""
    document = yaml.safe_load(path.read_text()) or []
    if not isinstance(document, list):
        raise ExceptionsFileError(f"{path}: exceptions are a list")
    for index, entry in enumerate(document):
        if not isinstance(entry, dict) or set(entry) != _EXCEPTION_KEYS or not all(entry.values()):
            raise ExceptionsFileError(f"{path}: entry {index} needs a role, an action and a reason, and nothing else")
    return document


def _granted(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    granted: set[str] = set()
    for document in documents:
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            if statement["Effect"] == "Allow":
                actions = statement.get("Action", [])
                granted.update([actions] if isinstance(actions, str) else actions)
    return granted


def _matches(action: str, pattern: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())
