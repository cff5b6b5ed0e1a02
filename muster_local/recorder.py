"""What the application did: its calls, and the permissions that each of them asked for."""

import threading
from dataclasses import dataclass
from typing import Any

from muster_local.operations import Call

IN_FLIGHT = "in flight"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One permission that a role was seen to need, and whether its policies give it."""

    role: str
    action: str
    resource: str
    allowed: bool


class Recorder:
    """Keeps every call made by a role session, in order, and every distinct permission since the start."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._calls: list[dict[str, Any]] = []
        self._permissions: dict[Permission, None] = {}

    def begin(self, call: Call, *, time: str) -> dict[str, Any]:
        """Keep a call that has just come in and return its entry for ``end``; calls stay in the order they came in."""
        entry: dict[str, Any] = {
            "service": call.service,
            "operation": call.operation,
            "account": call.account,
            "region": call.region,
            "role": role_name(call.role_arn),
            "parameters": call.masked_parameters(),
            "outcome": IN_FLIGHT,
            "write": call.is_write,
            "time": time,
        }
        with self._lock:
            self._calls.append(entry)
        return entry

    def end(self, entry: dict[str, Any], outcome: str) -> None:
        """Say how a call ended: "ok" or the service's error code."""
        with self._lock:
            entry["outcome"] = outcome

    def saw(self, permission: Permission) -> None:
        """Keep one evaluated permission."""
        with self._lock:
            self._permissions[permission] = None

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls since the last clearing."""
        with self._lock:
            return [dict(entry) for entry in self._calls]

    def permissions(self) -> list[Permission]:
        """Return the distinct permissions seen since the start."""
        with self._lock:
            return sorted(self._permissions)

    def clear_calls(self) -> None:
        """Forget the calls; the permissions stay, because they are a proof over many runs."""
        with self._lock:
            self._calls.clear()


def role_name(role_arn: str | None) -> str | None:
    """Return a role's name without its path, or None for somebody who is no role."""
    return role_arn.rpartition("/")[2] if role_arn else None
