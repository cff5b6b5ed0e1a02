"""EventBridge's event patterns: which are valid, and which events they match. Pure.

An event is flattened into its leaves, as EventBridge does: an empty array or object has none, so that nothing in it
exists. Values of different elements of one array of objects never count together.

Sources: EventBridge user guide (content filtering), and event-ruler, the open library that EventBridge runs.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Any

_MAX_COMBINATIONS = 1000
_MAX_NUMBER = 5_000_000_000
_LOWER, _UPPER = (">", ">="), ("<", "<=")

type Test = Callable[[Any], bool]
type Place = Mapping[str, int]
"""The element of each array that a leaf lies in."""


class InvalidPatternError(ValueError):
    """EventBridge refuses the pattern; the message is its reason."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What a pattern asks of one path: that a leaf passes one of the tests, or that there is none."""

    path: str
    tests: tuple[Test, ...]
    may_be_absent: bool


@dataclass(frozen=True, slots=True)
class EventPattern:
    """A valid pattern: alternatives, of each of which all fields have to match."""

    alternatives: tuple[tuple[_Field, ...], ...]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event matches."""
        leaves: dict[str, list[tuple[Any, Place]]] = {}
        for path, value, place in _leaves(event, "", {}, ""):
            leaves.setdefault(path, []).append((value, place))
        return any(_match(fields, leaves, {}) for fields in self.alternatives)


@lru_cache(maxsize=512)
def parse(text: str) -> EventPattern:
    """Read a pattern. Raises InvalidPatternError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidPatternError("Invalid JSON") from error
    if not isinstance(document, dict):
        raise InvalidPatternError("Filter is not an object")
    alternatives = _alternatives(document, "")
    # EventBridge goes through the fields by name, which decides what an absent field is compared with.
    return EventPattern(tuple(tuple(sorted(fields, key=lambda field: field.path)) for fields in alternatives))


# --- matching ---------------------------------------------------------------------------------------------------------


def _leaves(value: Any, path: str, place: Place, array: str) -> Iterator[tuple[str, Any, Place]]:
    if isinstance(value, dict):
        for name, item in value.items():
            below = f"{path}.{name}" if path else name
            yield from _leaves(item, below, place, f"{array}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            inside = {**place, array: number} if isinstance(item, dict) else place
            yield from _leaves(item, path, inside, f"{array}[{number}]")
    else:
        yield path, value, place


def _match(fields: tuple[_Field, ...], leaves: Mapping[str, list[tuple[Any, Place]]], chosen: Place) -> bool:
    if not fields:
        return True
    field, rest = fields[0], fields[1:]
    found = [(value, place) for value, place in leaves.get(field.path, ()) if _agree(chosen, place)]
    if field.may_be_absent and not found and _match(rest, leaves, chosen):
        return True
    return any(
        _match(rest, leaves, {**chosen, **place}) for value, place in found if any(test(value) for test in field.tests)
    )


def _agree(chosen: Place, place: Place) -> bool:
    return all(chosen.get(array, number) == number for array, number in place.items())


# --- reading ----------------------------------------------------------------------------------------------------------


def _alternatives(node: Mapping[str, Any], path: str) -> list[list[_Field]]:
    if not node:
        raise InvalidPatternError("Empty objects are not allowed")
    parts: list[list[list[_Field]]] = []
    for name, wanted in node.items():
        below = f"{path}.{name}" if path else name
        if name == "$or" and _is_or(wanted):
            parts.append([fields for one in wanted for fields in _alternatives(one, path)])
        elif isinstance(wanted, dict):
            parts.append(_alternatives(wanted, below))
        elif isinstance(wanted, list):
            parts.append([[_field(below, wanted)]])
        else:
            raise InvalidPatternError(f'"{name}" must be an object or an array')
    combined = [[field for fields in choice for field in fields] for choice in product(*parts)]
    if len(combined) > _MAX_COMBINATIONS:
        raise InvalidPatternError(f"Rule has too many combinations: the limit is {_MAX_COMBINATIONS}")
    return combined


def _is_or(wanted: Any) -> bool:
    """Tell whether $or is the operator: at least two objects that are no matchers; else it is a field's name."""
    return (
        isinstance(wanted, list)
        and len(wanted) > 1
        and all(isinstance(one, dict) and not set(one) & set(_MATCHERS) for one in wanted)
    )


def _field(path: str, wanted: list[Any]) -> _Field:
    if not wanted:
        raise InvalidPatternError("Empty arrays are not allowed")
    absent = [one for one in wanted if isinstance(one, dict) and one.get("exists") is False and len(one) == 1]
    return _Field(path, tuple(_test(one) for one in wanted if one not in absent), bool(absent))


def _test(wanted: Any) -> Test:
    if isinstance(wanted, dict):
        return _matcher(wanted, _MATCHERS)
    if isinstance(wanted, list):
        raise InvalidPatternError("Match value must be String, number, true, false, or null")
    return lambda value: _same(value, wanted)


def _matcher(wanted: Mapping[str, Any], known: Mapping[str, Callable[[Any], Test]]) -> Test:
    if len(wanted) != 1:
        raise InvalidPatternError("Only one key allowed in match expression")
    ((name, operand),) = wanted.items()
    if name not in known:
        raise InvalidPatternError(f"Unrecognized match type {name}")
    return known[name](operand)


def _same(value: Any, wanted: Any) -> bool:
    """Tell whether two leaves are equal; JSON's true is no 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(name: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise InvalidPatternError(f"{name} match pattern must be a string")
    return operand


def _exists(operand: Any) -> Test:
    if operand is not True:
        raise InvalidPatternError("exists match pattern must be either true or false.")
    return lambda _: True


def _prefix(operand: Any) -> Test:
    ignored, text = _maybe_ignoring_case("prefix", operand)
    return lambda value: isinstance(value, str) and ignored(value).startswith(text)


def _suffix(operand: Any) -> Test:
    ignored, text = _maybe_ignoring_case("suffix", operand)
    return lambda value: isinstance(value, str) and ignored(value).endswith(text)


def _maybe_ignoring_case(name: str, operand: Any) -> tuple[Callable[[str], str], str]:
    if isinstance(operand, dict):
        if list(operand) != ["equals-ignore-case"]:
            raise InvalidPatternError(f"Unsupported {name} pattern: only equals-ignore-case is allowed in it")
        return str.lower, _text(name, operand["equals-ignore-case"]).lower()
    return str, _text(name, operand)


def _ignoring_case(operand: Any) -> Test:
    text = _text("equals-ignore-case", operand).lower()
    return lambda value: isinstance(value, str) and value.lower() == text


def _wildcard(operand: Any) -> Test:
    text = _text("wildcard", operand)
    if re.search(r"\\(?![*\\])", text.replace("\\\\", "")):
        raise InvalidPatternError(f"Invalid escape character in wildcard pattern {text}")
    pieces = re.findall(r"\\[*\\]|\*|[^*\\]", text)
    if ("*", "*") in pairwise(pieces):
        raise InvalidPatternError(f"Consecutive wildcard characters in wildcard pattern {text}")
    regex = re.compile("".join(".*" if piece == "*" else re.escape(piece[-1]) for piece in pieces), re.DOTALL)
    return lambda value: isinstance(value, str) and regex.fullmatch(value) is not None


def _cidr(operand: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text("cidr", operand), strict=False)
    except ValueError as error:
        raise InvalidPatternError(f"Malformed CIDR: {operand}") from error

    def test(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return test


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or not operand:
        raise InvalidPatternError("Value of numeric must be an array.")
    operators, limits = operand[::2], operand[1::2]
    if len(operators) != len(limits):
        raise InvalidPatternError("Value of a numeric operator is missing")
    for operator, limit in zip(operators, limits, strict=True):
        if operator not in _COMPARE:
            raise InvalidPatternError(f"Unrecognized numeric range operator: {operator}")
        if not _is_number(limit) or abs(limit) > _MAX_NUMBER:
            raise InvalidPatternError(f"Value of {operator} must be numeric, within five billion of zero")
    if len(operators) > 1:
        if len(operators) > 2 or operators[0] not in _LOWER or operators[1] not in _UPPER:  # noqa: PLR2004 - a range
            raise InvalidPatternError("A numeric range is a lower and then an upper bound")
        if limits[0] >= limits[1]:
            raise InvalidPatternError("Bottom must be less than top")
    bounds = [(_COMPARE[operator], limit) for operator, limit in zip(operators, limits, strict=True)]
    return lambda value: _is_number(value) and all(compare(value, limit) for compare, limit in bounds)


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        refused = _matcher(operand, _INSIDE_ANYTHING_BUT)
        return lambda value: not refused(value)
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise InvalidPatternError("Empty arrays are not allowed")
    if not (all(isinstance(one, str) for one in values) or all(_is_number(one) for one in values)):
        raise InvalidPatternError("Inside anything but list, either all values are number or string")
    return lambda value: not any(_same(value, one) for one in values)


def _any_of(matcher: Callable[[Any], Test]) -> Callable[[Any], Test]:
    def read(operand: Any) -> Test:
        if operand == []:
            raise InvalidPatternError("Empty arrays are not allowed")
        tests = [matcher(one) for one in (operand if isinstance(operand, list) else [operand])]
        return lambda value: any(test(value) for test in tests)

    return read


_MATCHERS: Mapping[str, Callable[[Any], Test]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "wildcard": _wildcard,
    "cidr": _cidr,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
_INSIDE_ANYTHING_BUT: Mapping[str, Callable[[Any], Test]] = {
    "prefix": _any_of(_prefix),
    "suffix": _any_of(_suffix),
    "equals-ignore-case": _any_of(_ignoring_case),
    "wildcard": _any_of(_wildcard),
}
