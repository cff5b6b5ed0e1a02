"""Scoping: the membership covers what was asked for, by additions only, one UpdateMembership a call."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from muster.domain import commands
from muster.domain.desired import ChangeKind, DesiredState
from muster.domain.handoffs import ask_to_allow
from muster.domain.membership import ACTIVE, Membership
from muster.domain.organization import OrganizationalUnit
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice, ScopingOutcome
from muster.domain.scope import EntireOrganization, OrganizationalUnits, UnitId, UnitPath, UnitReference, UnitReferences
from muster.domain.scoping import (
    NoSuchUnit,
    choose_child,
    drop_nested,
    find_missing,
    name_some,
    nested_from_document,
    next_batch,
    note_scope,
    scope_from_document,
    scope_to_document,
)
from muster.errors import AbsentError, AlreadyThereError, RefusedError, ScopeError, ServiceAnswerError
from muster.ports import InventoryReader, MembershipReader, MembershipWriter, RunDocuments
from muster.steps.reading import read_membership

PATHS_KEY = "units/paths.json"
MAX_LOOKUPS = 300
"""Organizations answers two DescribeOrganizationalUnit a second: more than this does not fit into one invocation."""

MAX_UNITS_PER_HANDOFF = 50
"""A command for a person stays readable, and an execution's state small; the next run lists what is left."""


@dataclass(slots=True)
class _Lookups:
    """Looks units up, remembers where they sit (no API moves a unit), and counts what it asks."""

    organizations: InventoryReader
    known: dict[str, Any]
    asked: int = 0
    children: dict[str, tuple[OrganizationalUnit, ...]] = field(default_factory=dict)
    root_id: str | None = None

    @property
    def exhausted(self) -> bool:
        """Tell whether this invocation has asked enough."""
        return self.asked >= MAX_LOOKUPS

    def by_reference(self, reference: UnitReference) -> OrganizationalUnit:
        """Return the unit. Raises ScopeError."""
        try:
            match reference:
                case UnitId(unit_id):
                    return self._by_id(unit_id)
                case UnitPath(names):
                    return self._by_path(names)
        except ServiceAnswerError as error:
            raise ScopeError(
                f"the units of the organization could not be read: {error}. Allow organizations:ListRoots, "
                f"ListOrganizationalUnitsForParent and DescribeOrganizationalUnit, and run again"
            ) from error

    def _by_id(self, unit_id: str) -> OrganizationalUnit:
        if unit_id in self.known:
            return OrganizationalUnit(unit_id, self.known[unit_id]["name"], tuple(self.known[unit_id]["ancestors"]))
        self.asked += 1
        try:
            return self._remember(self.organizations.unit(unit_id))
        except AbsentError as error:
            raise ScopeError(
                f'scope.units: "{unit_id}": there is no such unit in the organization; correct the id, or write the '
                f'path of names ("Workloads/Prod")'
            ) from error

    def _by_path(self, names: tuple[str, ...]) -> OrganizationalUnit:
        """Walk down from the root: a unit may have been renamed, so the memory is not asked."""
        if self.root_id is None:
            self.root_id = self.organizations.root_id()
        parent_id = self.root_id
        found: OrganizationalUnit | NoSuchUnit = NoSuchUnit('scope.units: a path of no names; write "Workloads/Prod"')
        for depth in range(len(names)):
            found = choose_child(names, depth, self._children(parent_id))
            if isinstance(found, NoSuchUnit):
                break
            parent_id = found.id
        if isinstance(found, NoSuchUnit):
            raise ScopeError(found.remedy)
        return found

    def _children(self, parent_id: str) -> tuple[OrganizationalUnit, ...]:
        if parent_id not in self.children:
            self.asked += 1
            self.children[parent_id] = self.organizations.child_units(parent_id)
            for unit in self.children[parent_id]:
                self._remember(unit)
        return self.children[parent_id]

    def _remember(self, unit: OrganizationalUnit) -> OrganizationalUnit:
        self.known[unit.id] = {"name": unit.name, "ancestors": list(unit.ancestors)}
        return unit


@dataclass(frozen=True, slots=True)
class Scoping:
    """Resolves what was asked for once a run, then adds what the membership lacks, five units a call."""

    organizations: InventoryReader
    reader: MembershipReader
    writer: MembershipWriter
    documents: RunDocuments

    def apply(self, desired: DesiredState, *, run: str, membership_id: str, cursor: str | None) -> ScopingOutcome:
        """Make at most one UpdateMembership. While ``more``, call again with the returned cursor, a second later.

        Every outcome has all notices, so that the last one is enough. Raises ScopeError for units that cannot be meant.
        """
        key = f"runs/{run}/scope.json"
        document = self.documents.read(key)
        if document is None:
            resolved = self._resolve(desired, run)
            if isinstance(resolved, int):
                return ScopingOutcome(cursor, more=True, resolved=resolved)
            document = resolved
            self.documents.write(key, document)
        scope = scope_from_document(document)
        membership = read_membership(self.reader, membership_id)
        notices = note_scope(scope, membership, nested_from_document(document))
        if membership.status != ACTIVE:
            stays = Notice(
                "the scope was left as it is", f"membership {membership.id} is {membership.status}, not {ACTIVE}"
            )
            return ScopingOutcome(None, more=False, notices=(*notices, stays))
        match scope:
            case EntireOrganization():
                return self._cover_everything(desired, membership, notices)
            case OrganizationalUnits():
                return self._add_units(desired, scope, membership, cursor, notices)

    def _resolve(self, desired: DesiredState, run: str) -> dict[str, Any] | int:
        """Return the resolved scope, or how many units are resolved so far when there are too many for one call."""
        match desired.scope:
            case EntireOrganization():
                return scope_to_document(desired.scope)
            case UnitReferences(references):
                return self._resolve_units(references, run)

    def _resolve_units(self, references: tuple[UnitReference, ...], run: str) -> dict[str, Any] | int:
        progress_key = f"runs/{run}/units.json"
        lookups = _Lookups(self.organizations, self.documents.read(PATHS_KEY) or {})
        resolved: list[str] = self.documents.read(progress_key) or []
        units = [lookups.by_reference(UnitId(unit_id)) for unit_id in resolved]
        try:
            for reference in references[len(resolved) :]:
                if lookups.exhausted:
                    self.documents.write(progress_key, [unit.id for unit in units])
                    return len(units)
                units.append(lookups.by_reference(reference))
        finally:  # a stop loses nothing of what was learnt
            if lookups.asked:
                self.documents.write(PATHS_KEY, lookups.known)
        return scope_to_document(*drop_nested(units))

    def _cover_everything(
        self, desired: DesiredState, membership: Membership, notices: tuple[Notice, ...]
    ) -> ScopingOutcome:
        if membership.covers_entire_organization:
            return ScopingOutcome(None, more=False, notices=notices)
        what = "cover the entire organization"
        change, handoff = self._write(
            desired,
            Change(ChangeKind.ADD_UNIT, membership.id, what),
            lambda: self.writer.cover_entire_organization(membership.id),
            commands.cover_entire_organization(membership.region, membership.id),
        )
        return ScopingOutcome(None, more=False, changes=change, handoffs=handoff, notices=notices)

    def _add_units(
        self,
        desired: DesiredState,
        scope: OrganizationalUnits,
        membership: Membership,
        cursor: str | None,
        notices: tuple[Notice, ...],
    ) -> ScopingOutcome:
        resolved = len(scope.unit_ids)
        batch = next_batch(scope, membership, cursor)
        if membership.covers_entire_organization or not batch.unit_ids:
            return ScopingOutcome(None, more=False, resolved=resolved, notices=notices)
        missing = find_missing(scope, membership)
        if not desired.applies_by_itself(ChangeKind.ADD_UNIT):
            what = f"add {len(missing)} units to the membership: {name_some(missing)}"
            handoffs = (ask_to_allow(desired, ChangeKind.ADD_UNIT, what),)
            return ScopingOutcome(
                None, more=False, resolved=resolved, remaining=len(missing), handoffs=handoffs, notices=notices
            )
        change, handoff = self._write(
            desired,
            Change(ChangeKind.ADD_UNIT, membership.id, f"add units {', '.join(batch.unit_ids)}"),
            lambda: self._send(membership.id, batch.unit_ids),
            commands.add_units(membership.region, membership.id, missing[:MAX_UNITS_PER_HANDOFF]),
        )
        if handoff:
            what = f"add {len(missing)} units to the membership ({MAX_UNITS_PER_HANDOFF} at most are in the command)"
            handoff = tuple(replace(each, what=what) for each in handoff)
        more = batch.remaining > 0 and not handoff
        return ScopingOutcome(
            batch.unit_ids[-1] if more else None,
            more=more,
            resolved=resolved,
            remaining=len(missing) if handoff else batch.remaining,
            changes=change,
            handoffs=handoff,
            notices=notices,
        )

    def _write(
        self, desired: DesiredState, change: Change, write: Callable[[], None], command: str
    ) -> tuple[tuple[Change, ...], tuple[Handoff, ...]]:
        """Make a change, or leave it to a person: returns what was done and what is left."""
        if not desired.applies_by_itself(ChangeKind.ADD_UNIT):
            return (), (ask_to_allow(desired, ChangeKind.ADD_UNIT, change.detail),)
        try:
            write()
        except AlreadyThereError:
            return (), ()
        except ServiceAnswerError as error:
            return (), (
                Handoff(
                    HandoffTo.PERSON, change.detail, str(error), command, accounts=(desired.membership.account_id,)
                ),
            )
        return (change,), ()

    def _send(self, membership_id: str, unit_ids: tuple[str, ...]) -> None:
        """Add the units. A refusal may come from a unit that was deleted after it was remembered: Raises ScopeError."""
        try:
            self.writer.add_units(membership_id, unit_ids)
        except (RefusedError, AbsentError) as error:
            gone = [unit_id for unit_id in unit_ids if not self._exists(unit_id)]
            if gone:
                known = self.documents.read(PATHS_KEY) or {}
                self.documents.write(PATHS_KEY, {key: value for key, value in known.items() if key not in gone})
                raise ScopeError(
                    f"scope.units: {', '.join(gone)} was deleted from the organization; take it out of scope.units"
                ) from error
            raise

    def _exists(self, unit_id: str) -> bool:
        try:
            self.organizations.unit(unit_id)
        except AbsentError:
            return False
        except ServiceAnswerError:
            return True  # not known to be gone
        return True
