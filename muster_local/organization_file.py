"""The simulated organization as a YAML file, read strictly: what is wrong is named by its place in the file."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

STATES = ("PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED")
LONG_AGO = datetime(2024, 1, 15, 9, tzinfo=UTC)
MAX_DEPTH = 5
"""Units nest five deep below the root (Organizations quotas)."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{10,32}")
_UNIT_ID = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")


class OrganizationFileError(ValueError):
    """The file does not describe an organization; ``field`` is the place, such as ``root.units[2].accounts[0].id``."""

    def __init__(self, place: str, problem: str) -> None:
        """Name the place in the file and what is wrong there."""
        super().__init__(f"{place}: {problem}")
        self.field = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """A service control policy attached to a unit or to the root."""

    name: str
    content: Mapping[str, Any]
    description: str = ""


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account as the file gives it."""

    id: str
    name: str
    state: str = "ACTIVE"
    joined: datetime = LONG_AGO


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit, or the root, with what lies directly below it."""

    id: str
    name: str
    accounts: tuple[AccountEntry, ...] = ()
    units: tuple["UnitEntry", ...] = ()
    policies: tuple[PolicyEntry, ...] = ()

    def walk(self) -> Iterator["UnitEntry"]:
        """Yield this unit and every unit below it, parents first."""
        yield self
        for unit in self.units:
            yield from unit.walk()


@dataclass(frozen=True, slots=True)
class OrganizationFile:
    """A whole organization. The management account sits directly under the root."""

    id: str
    management_account: AccountEntry
    root: UnitEntry

    def accounts(self) -> Iterator[AccountEntry]:
        """Yield every account, the management account first."""
        yield self.management_account
        for unit in self.root.walk():
            yield from unit.accounts

    def units(self) -> Iterator[UnitEntry]:
        """Yield every unit without the root, parents first."""
        yield from (unit for unit in self.root.walk() if unit is not self.root)


def load(path: Path | str) -> OrganizationFile:
    """Read an organization from a YAML file; raise OrganizationFileError when it is not one."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OrganizationFileError(str(path), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise OrganizationFileError(str(path), f"is not YAML: {error}") from error
    return parse(document)


def parse(document: object) -> OrganizationFile:
    """Read an organization from what YAML made of the file."""
    return _Reader().organization(document)


@dataclass(slots=True)
class _Reader:
    """Reads one document and remembers which ids it has met."""

    root_id: str = ""
    seen: dict[str, str] = field(default_factory=dict)

    def organization(self, document: object) -> OrganizationFile:
        content = _mapping(document, "file", required=("id", "management_account", "root"))
        organization_id = _text(content["id"], "id")
        if not _ORGANIZATION_ID.fullmatch(organization_id):
            raise OrganizationFileError("id", f"{organization_id!r} is not o- and 10 to 32 letters or digits")
        management = self.account(content["management_account"], "management_account")
        if management.state != "ACTIVE":
            raise OrganizationFileError("management_account.state", "the management account is ACTIVE")
        self.root_id = f"r-{_digest(organization_id, 4)}"
        return OrganizationFile(id=organization_id, management_account=management, root=self.root(content["root"]))

    def root(self, value: object) -> UnitEntry:
        content = _mapping(value, "root", optional=("accounts", "units", "policies"))
        accounts, units, policies = self.below(content, "root", self.root_id, depth=0)
        return UnitEntry(id=self.root_id, name="Root", accounts=accounts, units=units, policies=policies)

    def below(
        self, content: Mapping[str, Any], place: str, unit_id: str, depth: int
    ) -> tuple[tuple[AccountEntry, ...], tuple[UnitEntry, ...], tuple[PolicyEntry, ...]]:
        accounts = tuple(self.account(item, at) for item, at in _items(content, "accounts", place))
        units = tuple(self.unit(item, at, unit_id, depth + 1) for item, at in _items(content, "units", place))
        policies = tuple(_policy(item, at) for item, at in _items(content, "policies", place))
        names: set[str] = set()
        for index, unit in enumerate(units):
            if unit.name in names:
                raise OrganizationFileError(f"{place}.units[{index}].name", f"{unit.name!r} is there twice")
            names.add(unit.name)
        return accounts, units, policies

    def unit(self, value: object, place: str, parent_id: str, depth: int) -> UnitEntry:
        if depth > MAX_DEPTH:
            raise OrganizationFileError(place, f"units nest at most {MAX_DEPTH} deep")
        content = _mapping(value, place, required=("name",), optional=("id", "accounts", "units", "policies"))
        name = _text(content["name"], f"{place}.name")
        derived = f"ou-{self.root_id.removeprefix('r-')}-{_digest(f'{parent_id}/{name}', 8)}"
        unit_id = _text(content.get("id", derived), f"{place}.id")
        if not _UNIT_ID.fullmatch(unit_id):
            raise OrganizationFileError(f"{place}.id", f"{unit_id!r} is not of the form ou-xxxx-xxxxxxxx")
        self.once(unit_id, f"{place}.id")
        accounts, units, policies = self.below(content, place, unit_id, depth)
        return UnitEntry(id=unit_id, name=name, accounts=accounts, units=units, policies=policies)

    def account(self, value: object, place: str) -> AccountEntry:
        content = _mapping(value, place, required=("id", "name"), optional=("state", "joined"))
        account_id = content["id"]
        if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
            raise OrganizationFileError(f"{place}.id", f"{account_id!r} is not 12 digits in quotes")
        self.once(account_id, f"{place}.id")
        state = content.get("state", "ACTIVE")
        if state not in STATES:
            raise OrganizationFileError(f"{place}.state", f"{state!r} is none of {', '.join(STATES)}")
        return AccountEntry(
            id=account_id,
            name=_text(content["name"], f"{place}.name"),
            state=state,
            joined=_moment(content.get("joined", LONG_AGO), f"{place}.joined"),
        )

    def once(self, identifier: str, place: str) -> None:
        if identifier in self.seen:
            raise OrganizationFileError(place, f"{identifier!r} is already {self.seen[identifier]}")
        self.seen[identifier] = place


def _policy(value: object, place: str) -> PolicyEntry:
    content = _mapping(value, place, required=("name", "content"), optional=("description",))
    if not isinstance(content["content"], Mapping):
        raise OrganizationFileError(f"{place}.content", "is the policy document, written as a mapping")
    return PolicyEntry(
        name=_text(content["name"], f"{place}.name"),
        content=content["content"],
        description=str(content.get("description", "")),
    )


def _mapping(
    value: object, place: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise OrganizationFileError(place, "is not a mapping")
    for key in value:
        if key not in required + optional:
            known = ", ".join(required + optional)
            raise OrganizationFileError(f"{place}.{key}", f"is unknown here; known are {known}")
    for key in required:
        if key not in value:
            raise OrganizationFileError(f"{place}.{key}", "is missing")
    return value


def _items(content: Mapping[str, Any], key: str, place: str) -> Iterator[tuple[object, str]]:
    items = content.get(key) or []
    if not isinstance(items, list):
        raise OrganizationFileError(f"{place}.{key}", "is not a list")
    for index, item in enumerate(items):
        yield item, f"{place}.{key}[{index}]"


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OrganizationFileError(place, f"{value!r} is not a text")
    return value


def _moment(value: object, place: str) -> datetime:
    match value:
        case datetime():
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case _:
            raise OrganizationFileError(place, f"{value!r} is not a date")


def _digest(text: str, length: int) -> str:
    """Return a stable identifier of lower-case letters and digits: the same file always gives the same ids."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_BASE36))
        digits.append(_BASE36[digit])
    return "".join(digits)
