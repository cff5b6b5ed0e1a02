"""Check a value against a shape of botocore's models, with the maxima, patterns and enumerations it skips."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape


class Rule(Enum):
    """Which constraint of the model a value breaks."""

    REQUIRED = "required"
    UNKNOWN = "unknown"
    TYPE = "type"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    PATTERN = "pattern"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken constraint: the place in the value, such as ``incidentResponseTeam[1].email``, and what is wrong."""

    place: str
    rule: Rule
    message: str


def problems(shape: Shape, value: object, place: str = "") -> Iterator[Problem]:
    """Yield every way in which ``value`` departs from ``shape``. Values of sensitive members are never repeated."""
    match shape:
        case StructureShape():
            yield from _structure_problems(shape, value, place)
        case ListShape():
            yield from _list_problems(shape, value, place)
        case MapShape():
            yield from _map_problems(shape, value, place)
        case StringShape():
            yield from _string_problems(shape, value, place)
        case _:
            yield from _scalar_problems(shape, value, place)


def _structure_problems(shape: StructureShape, value: object, place: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(place, Rule.TYPE, "is not a structure")
        return
    prefix = f"{place}." if place else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield Problem(f"{prefix}{name}", Rule.REQUIRED, "is required")
    for name, member in value.items():
        if name not in shape.members:
            yield Problem(f"{prefix}{name}", Rule.UNKNOWN, "is not a member of the model")
        elif member is not None:
            yield from problems(shape.members[name], member, f"{prefix}{name}")


def _list_problems(shape: ListShape, value: object, place: str) -> Iterator[Problem]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield Problem(place, Rule.TYPE, "is not a list")
        return
    yield from _size_problems(shape, len(value), "items", place)
    for index, item in enumerate(value):
        yield from problems(shape.member, item, f"{place}[{index}]")


def _map_problems(shape: MapShape, value: object, place: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(place, Rule.TYPE, "is not a map")
        return
    yield from _size_problems(shape, len(value), "entries", place)
    for key, item in value.items():
        yield from problems(shape.key, key, f"{place} key")
        yield from problems(shape.value, item, f"{place}.{key}")


def _string_problems(shape: StringShape, value: object, place: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(place, Rule.TYPE, "is not a string")
        return
    yield from _size_problems(shape, len(value), "characters", place)
    if shape.enum and value not in shape.enum:
        yield Problem(place, Rule.ENUM, f"is none of {', '.join(shape.enum)}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield Problem(place, Rule.PATTERN, f"does not match {pattern}")


_SCALARS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, datetime),
    "blob": (str, bytes),
}


def _scalar_problems(shape: Shape, value: object, place: str) -> Iterator[Problem]:
    expected = _SCALARS[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        yield Problem(place, Rule.TYPE, f"is not a {shape.type_name}")
    elif shape.type_name in {"integer", "long"} and isinstance(value, int):
        yield from _size_problems(shape, value, "", place)


def _size_problems(shape: Shape, size: int, unit: str, place: str) -> Iterator[Problem]:
    metadata: Mapping[str, Any] = shape.metadata
    noun = f" {unit}" if unit else ""
    if size < metadata.get("min", size):
        yield Problem(place, Rule.MINIMUM, f"has {size}{noun}, and at least {metadata['min']} are needed")
    if size > metadata.get("max", size):
        yield Problem(place, Rule.MAXIMUM, f"has {size}{noun}, and at most {metadata['max']} are allowed")
