"""Faults that can be switched on for calls of the application, and how each one looks from outside."""

import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from muster_local import empty_pages
from muster_local.operations import Call, UnrecognizedRequestError, service_model
from muster_local.recorder import role_name

TIMEOUT = "Timeout"

_EFFECTS = ("error", "latency_ms", "partial", "empty_page", "drop_response", "kill_function")
_KEYS = frozenset({"service", "operation", "account", "role", "times", "rate", "seed", *_EFFECTS})
_ALIASES = {"stepfunctions": "states"}


class FaultError(ValueError):
    """A list of faults that cannot be understood; the message says where and why."""


@dataclass(slots=True)
class Fault:
    """One fault: which calls it hits, how often, and what happens to them."""

    service: str
    operation: str
    account: str | None = None
    role: str | None = None
    error: str | None = None
    latency_ms: int = 0
    partial: Literal[False, True, "missing"] = False
    empty_page: bool = False
    drop_response: bool = False
    kill_function: bool = False
    times: int | None = None
    rate: float | None = None
    seed: int = 0
    hits: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Give the fault its own, repeatable chance."""
        self._random = random.Random(self.seed)

    def hit(self, call: Call) -> bool:
        """Tell whether this call is hit, and count it."""
        if not self._is_about(call):
            return False
        if self.empty_page and empty_pages.continues(call):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.rate is not None and self._random.random() >= self.rate:
            return False
        self.hits += 1
        return True

    def _is_about(self, call: Call) -> bool:
        return (
            self.service == call.service
            and self.operation in {"*", call.operation}
            and self.account in {None, call.account}
            and self.role in {None, role_name(call.role_arn)}
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as it was asked for, with its hits."""
        shown = {
            "service": self.service,
            "operation": self.operation,
            "account": self.account,
            "role": self.role,
            "error": self.error,
            "latency_ms": self.latency_ms or None,
            "partial": self.partial or None,
            "empty_page": self.empty_page or None,
            "drop_response": self.drop_response or None,
            "kill_function": self.kill_function or None,
            "times": self.times,
            "rate": self.rate,
            "seed": self.seed or None,
        }
        return {key: value for key, value in shown.items() if value is not None} | {"hits": self.hits}


class Faults:
    """The present list of faults."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def replace(self, document: Any) -> None:
        """Replace the list by one that came in as JSON. Raises FaultError and changes nothing if it is not valid."""
        if not isinstance(document, list):
            raise FaultError("faults are a list")
        faults = [_fault(index, item) for index, item in enumerate(document)]
        with self._lock:
            self._faults = faults

    def as_list(self) -> list[dict[str, Any]]:
        """Return the present list with hit counts."""
        with self._lock:
            return [fault.as_dict() for fault in self._faults]

    def hitting(self, call: Call) -> list[Fault]:
        """Return the faults that hit this call: latencies add up, and at most one other effect applies."""
        hits: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                decided = any(not hit.latency_ms for hit in hits)
                if (fault.latency_ms or not decided) and fault.hit(call):
                    hits.append(fault)
        return hits


def partly(body: bytes, partial: Literal[False, True, "missing"]) -> bytes:
    """Return an answer of BatchGetMemberAccountDetails of which every second item became an error, or is gone."""
    document = json.loads(body)
    items = document.get("items", [])
    lost = [] if partial == "missing" else items[1::2]
    errors = [
        {"accountId": item["accountId"], "error": "InternalServerException", "message": "Internal error"}
        for item in lost
    ]
    return json.dumps(document | {"items": items[::2], "errors": document.get("errors", []) + errors}).encode()


def _fault(index: int, item: Any) -> Fault:
    where = f"fault {index}"
    if not isinstance(item, Mapping):
        raise FaultError(f"{where}: each fault is an object")
    if unknown := sorted(set(item) - _KEYS):
        raise FaultError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    values = {key: value for key, value in item.items() if value is not None}
    for key, kinds in _TYPES.items():
        value = values.get(key)
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise FaultError(f"{where}: {key} must be of type {' or '.join(kind.__name__ for kind in kinds)}")
    if "service" not in values or "operation" not in values:
        raise FaultError(f"{where}: service and operation are required")
    values["service"] = _ALIASES.get(values["service"], values["service"])
    _check_effect(where, values)
    _check_operation(where, values["service"], values["operation"], empty_page=bool(values.get("empty_page")))
    return Fault(**values)


def _check_effect(where: str, values: Mapping[str, Any]) -> None:
    effects = [key for key in _EFFECTS if values.get(key)]
    if len(effects) != 1:
        raise FaultError(f"{where}: exactly one of {', '.join(_EFFECTS)} is needed, not {len(effects)}")
    if "times" in values and "rate" in values:
        raise FaultError(f"{where}: times and rate exclude each other")
    if values.get("times", 1) < 1:
        raise FaultError(f"{where}: times must be at least 1")
    if not 0 <= values.get("rate", 0) <= 1:
        raise FaultError(f"{where}: rate must lie between 0 and 1")
    if values.get("latency_ms", 0) < 0:
        raise FaultError(f"{where}: latency_ms must not be negative")
    if isinstance(values.get("partial"), str) and values["partial"] != "missing":
        raise FaultError(f'{where}: partial is true or "missing"')
    if values.get("partial") and values["operation"] != "BatchGetMemberAccountDetails":
        raise FaultError(f"{where}: partial exists for BatchGetMemberAccountDetails only")


def _check_operation(where: str, service: str, operation: str, *, empty_page: bool) -> None:
    try:
        model = service_model(service)
    except UnrecognizedRequestError as error:
        raise FaultError(f"{where}: {error}") from error
    if operation != "*" and operation not in model.operation_names:
        raise FaultError(f"{where}: {service} has no operation {operation!r}")
    if empty_page and not empty_pages.has_pages(service, operation):
        raise FaultError(f"{where}: empty_page exists for operations with pages, which {operation} is not")


_TYPES: dict[str, tuple[type, ...]] = {
    "service": (str,),
    "operation": (str,),
    "account": (str,),
    "role": (str,),
    "error": (str,),
    "latency_ms": (int,),
    "partial": (bool, str),
    "empty_page": (bool,),
    "drop_response": (bool,),
    "kill_function": (bool,),
    "times": (int,),
    "rate": (int, float),
    "seed": (int,),
}
