"""Which accounts a membership is meant to cover, as asked for and as resolved."""

from dataclasses import dataclass

type UnitReference = UnitId | UnitPath


@dataclass(frozen=True, slots=True)
class UnitId:
    """A unit named by its id (``ou-…``)."""

    value: str


@dataclass(frozen=True, slots=True)
class UnitPath:
    """A unit named by the names on the way to it from the root: ("Workloads", "Prod")."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntireOrganization:
    """Every account, now and later."""


@dataclass(frozen=True, slots=True)
class UnitReferences:
    """The scope as the operator wrote it: units by id or by path of names, not yet looked up."""

    units: tuple[UnitReference, ...]


@dataclass(frozen=True, slots=True)
class OrganizationalUnits:
    """The accounts below the named units, at any depth. Redundant nested units are not in it."""

    unit_ids: frozenset[str]


type DesiredScope = EntireOrganization | UnitReferences
type Scope = EntireOrganization | OrganizationalUnits
