"""How the containment roles stand: the latest document of them, as far as it still counts, with the place of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import ClientError

from muster.domain.desired import ContainmentRoles
from muster.domain.organization import AccountState
from muster.domain.readiness import Readiness
from muster.domain.readings import VALID
from muster.messages.assessment import Assessment, load_assessment
from muster.messages.containment import AccountRoles, Containment
from muster.messages.desired_state import InvalidDocumentError, canonical_json, load_stored
from muster_console import documents
from muster_console.aws import Clients, error_code
from muster_console.errors import ConsoleError, ExitCode
from muster_console.stack import ASSESSMENT_KEY, CONTAINMENT_KEY, DESIRED_STATE_KEY, Stack
from muster_console.unit_tree import Unit, read_units, units_from_paths

QUIET: Final = frozenset({Readiness.READY.value, Readiness.ABSENT_BY_CHOICE.value})
"""Verdicts that nobody has to look into by themselves."""

_RUN_AGAIN: Final = "run again"
_LOST: Final = (
    "if that was not meant: move it back, or let the StackSet's targets (containment.canary_unit, where one is set) "
    "cover its unit; then run again"
)
_TELLING: Final = frozenset({"Missing", "Failed", "Outdated"})
"""What CloudFormation says of a deployment that explains why roles are not as they should be."""

_DEPLOYMENT_REMEDIES: Final[Mapping[str, str]] = {
    "Failed": "repair that cause; each run tries once more",
    "Outdated": "bring the StackSet's template and instances up to date; the report of the run has the command",
    "Unknown": "let Muster read the StackSet: stacks/management-account.yaml with Access=read or more and the right "
    "ContainmentStackSetName",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one account now. ``ancestors`` are ids from the root to the parent, None where unknown."""

    id: str
    name: str
    ancestors: tuple[str, ...] | None
    readiness: str
    why: str
    remedy: str = ""
    read_at: datetime | None = None
    needs_person: bool = False
    is_lost: bool = False

    @property
    def is_exception(self) -> bool:
        """Tell whether somebody has to look. A verdict that this version does not know is looked at."""
        return self.is_lost or self.needs_person or self.readiness not in QUIET


@dataclass(frozen=True, slots=True)
class ContainmentStanding:
    """The document, the verdicts as they count now, and the units.

    Units have their present names, or their ids where those could not be read, which ``notices`` then says. ``is_off``
    tells that the desired state has switched the looking off since.
    """

    document: Containment
    verdicts: tuple[Verdict, ...]
    roots: tuple[Unit, ...]
    names: Mapping[str, str]
    notices: tuple[str, ...]
    is_off: bool
    is_old: bool

    def exit_code(self) -> ExitCode:
        """Return DONE only when every account is Ready now, or has no roles by choice."""
        is_open = self.is_off or self.is_old or any(each.is_exception for each in self.verdicts)
        return ExitCode.NEEDS_PERSON if is_open else ExitCode.DONE

    def path(self, ancestors: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the names of the units from the root to the parent; the id of one that is gone."""
        return None if ancestors is None else tuple(self.names.get(each, each) for each in ancestors)

    def as_json(self) -> str:
        """Return the document, with verdicts as of its time, and the place of each account."""
        document = self.document.model_dump(mode="json", by_alias=True)
        places = {each.id: each.ancestors for each in self.verdicts}
        for account in document["accounts"]:
            ancestors = places[account["id"]]
            account |= {"ancestors": ancestors, "unit_path": self.path(ancestors)}
        return canonical_json(document)


def read_containment(clients: Clients, stack: Stack, now: datetime, again: Callable[[str], str]) -> ContainmentStanding:
    """Read it all. Raises ConsoleError when there is no document, or one that this version cannot read."""
    is_off = _is_off(clients, stack)
    document = _read_document(clients, stack, again, is_off=is_off)
    assessment, notices = _read_assessment(clients, stack)
    places = {each.id: each.ancestors for each in assessment.accounts} if assessment else {}
    roots, more = _read_units(clients, places)
    lost = frozenset(document.lost)
    return ContainmentStanding(
        document=document,
        verdicts=(
            *(_judge(each, places.get(each.id), now, is_lost=each.id in lost) for each in document.accounts),
            *_find_newcomers(document, assessment),
        ),
        roots=roots,
        names={unit.id: unit.name for root in roots for unit in root.walk()},
        notices=(*notices, *more),
        is_off=is_off,
        is_old=now - document.at > VALID,
    )


def _read_document(clients: Clients, stack: Stack, again: Callable[[str], str], *, is_off: bool) -> Containment:
    stored = documents.read(clients, stack.state_bucket, CONTAINMENT_KEY)
    if stored is None and is_off:
        raise ConsoleError(
            "containment.roles is off, so nobody looks at the containment roles.",
            f"Write verify or managed there, then: {again('push FILE')} && {again('onboard')}",
            ExitCode.NEEDS_PERSON,
        )
    if stored is None:
        raise ConsoleError(
            "Nobody has looked at the containment roles yet.", f"Run `{again('onboard')}`.", ExitCode.NEEDS_PERSON
        )
    try:
        return Containment.model_validate_json(stored.body)
    except ValueError as error:
        raise ConsoleError(
            "This version of muster cannot read the latest document of the containment roles.",
            f"Use the console of the version that is deployed, or run `{again('onboard')}` again.",
            ExitCode.RUN_FAILED,
        ) from error


def _is_off(clients: Clients, stack: Stack) -> bool:
    stored = documents.read(clients, stack.state_bucket, DESIRED_STATE_KEY)
    try:
        return stored is not None and load_stored(stored.body).containment.roles is ContainmentRoles.OFF
    except InvalidDocumentError:
        # It tells nothing then; whoever pushes or runs is told what is wrong with it.
        return False


def _read_assessment(clients: Clients, stack: Stack) -> tuple[Assessment | None, tuple[str, ...]]:
    """Return where the accounts sit, as far as is known; roles are told of without it too."""
    stored = documents.read(clients, stack.state_bucket, ASSESSMENT_KEY)
    if stored is None:
        return None, ("there is no assessment, so nobody knows in which unit an account is",)
    try:
        return load_assessment(stored.body), ()
    except ValueError:
        return None, ("this version of muster cannot read the latest assessment, which has the unit of each account",)


def _read_units(
    clients: Clients, places: Mapping[str, tuple[str, ...] | None]
) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    paths = [each for each in places.values() if each]
    if not paths:
        return (), ()
    try:
        return read_units(clients), ()
    except ClientError as error:
        why = f"units are shown by id: their names could not be read ({error_code(error)})"
        return units_from_paths(paths), (why,)


def _judge(found: AccountRoles, ancestors: tuple[str, ...] | None, now: datetime, *, is_lost: bool) -> Verdict:
    """Return what a verdict is worth now: a good one lasts as long as the reading that it comes from."""
    readiness, why, remedy = found.readiness, found.why, found.remedy
    if readiness == Readiness.READY and (found.read_at is None or now - found.read_at > VALID):
        day = "an unknown day" if found.read_at is None else f"{found.read_at.astimezone(UTC):%Y-%m-%d}"
        why = f"its roles were last read on {day}, and no reading counts for more than {VALID.days} days"
        readiness, remedy = Readiness.UNKNOWN.value, _RUN_AGAIN
    elif found.needs_person and readiness in QUIET:
        why = f"yet {found.told.state}: {found.told.reason}"
        remedy = remedy or _DEPLOYMENT_REMEDIES.get(found.told.state, _RUN_AGAIN)
    elif found.state in _TELLING and readiness not in QUIET:
        why = f"{why}; deployment {found.state}: {found.reason}"
    if is_lost:
        why = why if found.reason in why else f"{found.reason}; {why}"
        remedy = remedy or _LOST
    return Verdict(
        found.id, found.name, ancestors, readiness, why, remedy, found.read_at, found.needs_person, is_lost
    )  # fmt: skip


def _find_newcomers(document: Containment, assessment: Assessment | None) -> Iterator[Verdict]:
    """Yield the accounts that a later assessment has and the document does not: unknown is not absent."""
    if assessment is None or assessment.at <= document.at:
        return
    known = {each.id for each in document.accounts} | {each.id for each in document.inactive}
    for each in assessment.accounts:
        if each.state == AccountState.ACTIVE and each.id not in known:
            why = "it came, or became active, after the roles were looked at"
            yield Verdict(each.id, each.name, each.ancestors, Readiness.UNKNOWN.value, why, _RUN_AGAIN)
