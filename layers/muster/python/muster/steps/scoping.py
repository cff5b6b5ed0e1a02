"""Scoping: the membership covers what was asked for, one UpdateMembership a call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import batched
from typing import Any

from muster.domain import commands
from muster.domain.desired import DesiredState
from muster.domain.membership import ACTIVE, MAX_UNITS_PER_UPDATE, Membership
from muster.domain.organization import Account, OrganizationalUnit
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice, ScopingOutcome
from muster.domain.quarantine import (
    QuarantineUnit,
    note_quarantine,
    quarantine_from_document,
    quarantine_to_document,
)
from muster.domain.remediation import Remediation, RemediationKind
from muster.domain.scope import EntireOrganization, OrganizationalUnits, UnitId, UnitPath, UnitReference, UnitReferences
from muster.domain.scoping import (
    NestedUnit,
    NoSuchUnit,
    choose_child,
    drop_nested,
    find_extra,
    find_missing,
    name_some,
    nested_from_document,
    note_scope,
    plan_addition,
    plan_clearing,
    plan_removal,
    plan_whole,
    scope_from_document,
    scope_to_document,
)
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    ImplausibleInventoryError,
    RefusedError,
    ScopeError,
    ServiceAnswerError,
)
from muster.ports import InventoryReader, MembershipNarrowing, MembershipReader, MembershipWriter, RunDocuments
from muster.steps.gate import Gate
from muster.steps.reading import read_membership

PATHS_KEY = "units/paths.json"
MAX_LOOKUPS = 300
"""Organizations answers two DescribeOrganizationalUnit a second: more than this does not fit into one invocation."""

MAX_UNITS_PER_HANDOFF = 50
"""A command for a person stays readable, and an execution's state small; the next run lists what is left."""


MAX_PAGES = 100_000
"""Far more than 50,000 accounts fill: past it the service hands out tokens without end."""


@dataclass(frozen=True, slots=True)
class _Write:
    """One UpdateMembership, its place in the order, and the command with which a person makes it."""

    place: str
    remediations: tuple[Remediation, ...]
    make: Callable[[], None]
    command: str


@dataclass(frozen=True, slots=True)
class _Units:
    """The units that are asked for, and the membership that is to have them and no others."""

    scope: OrganizationalUnits
    nested: tuple[NestedUnit, ...]
    membership: Membership


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
    """Resolves what was asked for once a run, then brings the membership there, five units a call."""

    organizations: InventoryReader
    reader: MembershipReader
    writer: MembershipWriter
    narrowing: MembershipNarrowing
    documents: RunDocuments

    def apply(
        self, desired: DesiredState, gate: Gate, *, run: str, membership_id: str, cursor: str | None
    ) -> ScopingOutcome:
        """Make at most one UpdateMembership. While ``more``, call again with the returned cursor, a second later.

        Every outcome has all notices, so that the last one is enough. Raises ScopeError for units that cannot be meant,
        and ImplausibleInventoryError where it is not known who would lose coverage.
        """
        key = f"runs/{run}/scope.json"
        document = self.documents.read(key)
        if document is None:
            resolved = self._resolve(desired, run)
            if isinstance(resolved, int):
                return ScopingOutcome(cursor, more=True, resolved=resolved)
            document = resolved | {"quarantine": quarantine_to_document(self._quarantine(desired))}
            self.documents.write(key, document)
        scope = scope_from_document(document)
        membership = read_membership(self.reader, membership_id)
        units = quarantine_from_document(document["quarantine"])
        notices = (
            *note_scope(scope, membership, nested_from_document(document)),
            *note_quarantine(units, scope, desired.containment.canary_unit),
        )
        if membership.status != ACTIVE:
            stays = Notice(
                "the scope was left as it is", f"membership {membership.id} is {membership.status}, not {ACTIVE}"
            )
            return ScopingOutcome(None, more=False, notices=(*notices, stays))
        match scope:
            case EntireOrganization():
                return self._cover_everything(membership, gate, notices)
            case OrganizationalUnits():
                wanted = _Units(scope, nested_from_document(document), membership)
                return self._bring_to_units(wanted, gate, run=run, cursor=cursor, notices=notices)

    def _quarantine(self, desired: DesiredState) -> tuple[QuarantineUnit, ...]:
        """Return where the quarantine units are, as they are now: one that was deleted is told."""
        found = []
        for unit_id in desired.containment.quarantine_units:
            try:
                found.append(QuarantineUnit(unit_id, self.organizations.unit(unit_id).ancestors))
            except AbsentError:
                found.append(QuarantineUnit(unit_id, None))
            except ServiceAnswerError as error:
                raise ScopeError(
                    f"quarantine unit {unit_id} could not be read: {error}. Allow "
                    f"organizations:DescribeOrganizationalUnit, and run again"
                ) from error
        return tuple(found)

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

    def _cover_everything(self, membership: Membership, gate: Gate, notices: tuple[Notice, ...]) -> ScopingOutcome:
        if membership.covers_entire_organization:
            return ScopingOutcome(None, more=False, notices=notices)
        planned = plan_whole(membership)
        if not gate.takes(planned):
            return ScopingOutcome(None, more=False, notices=notices)
        write = _Write(
            "whole",
            (planned,),
            lambda: self.writer.cover_entire_organization(membership.id),
            commands.cover_entire_organization(membership.region, membership.id),
        )
        changes, handoffs = self._make([write], membership)
        return ScopingOutcome(None, more=False, changes=changes, handoffs=handoffs, notices=notices)

    def _bring_to_units(
        self, units: "_Units", gate: Gate, *, run: str, cursor: str | None, notices: tuple[Notice, ...]
    ) -> ScopingOutcome:
        """Make the next write that the gate lets through: additions before what narrows, unless AWS refuses that."""
        scope, membership = units.scope, units.membership
        is_refused = self.documents.read(_refused_key(run)) is not None
        missing = find_missing(scope, membership)
        additions = [plan_addition(unit_id, after_clearing=is_refused) for unit_id in missing]
        gap = missing if is_refused else ()
        outcome = ScopingOutcome(None, more=False, resolved=len(scope.unit_ids), notices=notices)
        if gate.looks:
            for each in (*additions, *self._plan_narrowing(units, gap=gap)):
                gate.takes(each)
            return replace(outcome, remaining=len(missing))
        narrowing = self._plan_narrowing(units, gap=gap) if is_refused or not missing else ()
        narrower = [each for each in narrowing if gate.takes(each)]
        clears = any(each.kind is RemediationKind.CLEAR_ENTIRE_ORGANIZATION for each in narrower)
        # Beside the flag they would be refused again: they wait for the next look, and for the clearing.
        wait = is_refused and membership.covers_entire_organization and not clears
        granted = [] if wait else [each for each in additions if gate.takes(each)]
        writes = self._order(membership, granted, narrower, clears_first=is_refused)
        ahead = [each for each in writes if cursor is None or each.place > cursor]
        if not ahead:
            return outcome
        changes, handoffs = self._make(ahead, membership, run=None if is_refused else run)
        more = len(ahead) > 1 and not handoffs
        return replace(
            outcome,
            cursor=ahead[0].place if more else None,
            more=more,
            remaining=sum(len(each.remediations) for each in (ahead if handoffs else ahead[1:])),
            changes=changes,
            handoffs=handoffs,
        )

    def _plan_narrowing(self, units: "_Units", *, gap: tuple[str, ...]) -> tuple[Remediation, ...]:
        """Return the writes that take coverage away. Accounts are read anew each time: one may have moved."""
        scope, membership = units.scope, units.membership
        extra = find_extra(scope, membership, units.nested)
        if not extra and not membership.covers_entire_organization:
            return ()
        accounts = self._read_accounts()
        clearing = [plan_clearing(membership, scope, accounts, gap=gap)] * membership.covers_entire_organization
        return (*clearing, *(plan_removal(unit_id, scope, accounts) for unit_id in extra))

    def _read_accounts(self) -> list[Account]:
        """Return every account. Raises ImplausibleInventoryError: who would lose coverage must be known."""
        accounts: list[Account] = []
        token = None
        for _ in range(MAX_PAGES):
            try:
                page = self.organizations.account_page(token)
            except ServiceAnswerError as error:
                raise ImplausibleInventoryError(
                    f"the accounts that would lose their coverage could not be read: {error}. Allow "
                    f"organizations:ListAccounts and run again"
                ) from error
            accounts += page.accounts
            token = page.next_token
            if token is None:
                return accounts
        raise ImplausibleInventoryError(f"the list of accounts has no end: {len(accounts)} rows so far")

    def _order(
        self, membership: Membership, additions: list[Remediation], narrower: list[Remediation], *, clears_first: bool
    ) -> list["_Write"]:
        """Return the writes in their order; ``place`` grows, so that a repeat goes on behind what was sent."""
        here = (membership.region, membership.id)
        clearing = [
            _Write(
                "0" if clears_first else "2",
                (each,),
                lambda: self.narrowing.cover_only_units(membership.id),
                commands.cover_only_units(*here),
            )
            for each in narrower
            if each.kind is RemediationKind.CLEAR_ENTIRE_ORGANIZATION
        ]
        adding = [
            _Write(
                f"1/{batch[-1].resource}",
                tuple(batch),
                partial(self._send, membership.id, tuple(each.resource for each in batch)),
                commands.add_units(*here, [each.resource for each in additions][:MAX_UNITS_PER_HANDOFF]),
            )
            for batch in batched(additions, MAX_UNITS_PER_UPDATE, strict=False)
        ]
        removals = [each for each in narrower if each.kind is RemediationKind.REMOVE_UNIT]
        removing = [
            _Write(
                f"3/{batch[-1].resource}",
                tuple(batch),
                partial(self.narrowing.remove_units, membership.id, tuple(each.resource for each in batch)),
                commands.remove_units(*here, [each.resource for each in removals][:MAX_UNITS_PER_HANDOFF]),
            )
            for batch in batched(removals, MAX_UNITS_PER_UPDATE, strict=False)
        ]
        return sorted([*clearing, *adding, *removing], key=lambda each: each.place)

    def _make(
        self, writes: Sequence[_Write], membership: Membership, *, run: str | None = None
    ) -> tuple[tuple[Change, ...], tuple[Handoff, ...]]:
        """Make the first write, or leave it and all of its kind to a person: returns what was done and what is left.

        With a ``run``, units that are refused beside the entire organization are left to the run's next look.
        """
        write = writes[0]
        first = write.remediations[0]
        try:
            write.make()
        except AlreadyThereError:
            return (), ()
        except ServiceAnswerError as error:
            adds = first.kind is RemediationKind.ADD_UNIT
            if isinstance(error, RefusedError) and run and adds and membership.covers_entire_organization:
                # The next look asks people for the other order, in which there is a gap.
                self.documents.write(_refused_key(run), {"schema": 1, "said": str(error)})
                return (), ()
            left = [each for one in writes if one.command == write.command for each in one.remediations]
            what = _describe(left[:MAX_UNITS_PER_HANDOFF])
            return (), (Handoff(HandoffTo.PERSON, what, str(error), write.command, accounts=(membership.account_id,)),)
        return (Change(first.kind, membership.id, _describe(write.remediations)),), ()

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


def _refused_key(run: str) -> str:
    return f"runs/{run}/units-refused.json"


def _describe(remediations: Sequence[Remediation]) -> str:
    """Say what one write does, or several of one kind."""
    whats = [each.what for each in remediations]
    if all(what == f"add unit {each.resource}" for what, each in zip(whats, remediations, strict=True)):
        return f"add units {name_some([each.resource for each in remediations])}"
    return name_some(whats)
