"""What was read, or why it could not be: a failed read is never an empty answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known[T]:
    """A value as it was read."""

    value: T


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read, and the reason a person would give for it."""

    why: str


type Observed[T] = Known[T] | Unknown
