"""What exists in AWS, written as the operator's document: the same keys in the same order as the example."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from muster.domain.desired import ContainmentRoles, ExistingRoles, Mode
from muster.domain.responders import COMMUNICATION_PREFERENCES, IncidentResponder, IncidentResponseTeam
from muster.messages.desired_state_documents import ContactRole


@dataclass(frozen=True, slots=True)
class CoveredUnit:
    """A unit of the membership's scope; ``name`` is None when it could not be read."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ExistingMembership:
    """The membership that is there. ``triage`` is None when the service does not say; tags of AWS's own are left out.

    ``units`` is what is selected, and empty where ``entire_organization`` says it all.
    """

    id: str
    account_id: str
    region: str
    name: str = field(repr=False)
    entire_organization: bool
    units: tuple[CoveredUnit, ...]
    triage: bool | None
    team: IncidentResponseTeam = field(repr=False)
    tags: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ExistingStackSet:
    """The StackSet of the containment roles that is there already; ``region`` is where it lives."""

    name: str
    region: str
    ec2_triage: bool


@dataclass(frozen=True, slots=True)
class NoStackSet:
    """None is known; ``why`` is a sentence for the document."""

    why: str


type Containment = ExistingStackSet | NoStackSet


def write_document(membership: ExistingMembership, containment: Containment) -> str:
    """Return the document as YAML with comments. It is right only as far as what exists can be desired: check it."""
    return "".join(f"{line}\n" for line in _lines(membership, containment))


def quoted(text: str) -> str:
    """Return a text in YAML's double quotes, in which nothing means anything but itself."""
    return '"' + "".join(map(_shown, text)) + '"'


def _shown(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    # Of what cannot be seen, the rare part that takes eight digits stays as it is: YAML's keys have a limit.
    return char if char.isprintable() or ord(char) > 0xFFFF else f"\\u{ord(char):04x}"  # noqa: PLR2004 - four digits


def _lines(membership: ExistingMembership, containment: Containment) -> Iterator[str]:
    home = f"{membership.account_id}/{membership.region}"
    yield f"# What `muster import` found: membership {membership.id} in {home}. Read it, then:"
    yield "#   muster validate FILE && muster push FILE && muster onboard"
    yield "# It holds names and addresses of people: keep it where only operators can read it, out of version control."
    yield "# Every key is explained in config/desired-state.example.yaml; what is left out here has its default."
    yield ""
    yield "# A run says what it would do and asks. `mode: enforce` lets it make the kinds of change under `automatic`."
    yield f"mode: {Mode.PROPOSE}"
    yield "automatic: []"
    yield ""
    yield "membership:"
    yield f"  name: {quoted(membership.name)}"
    yield f"  account: {quoted(membership.account_id)}"
    yield f"  region: {quoted(membership.region)}"
    yield from _tags(membership.tags)
    yield "  # The membership exists, so account and Region are chosen already, for life."
    yield f"  confirmed_as: {quoted(home)}"
    yield ""
    yield "scope:"
    yield from _scope(membership)
    yield ""
    yield from _triage(membership.triage)
    yield ""
    yield "# In the order in which the service lists them; role is nothing but that order."
    yield "contacts:"
    for position, responder in enumerate(membership.team):
        yield from _contact(responder, position)
    yield ""
    yield "containment:"
    yield from _containment(containment)


def _tags(tags: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not tags:
        yield "  tags: {}"
        return
    yield "  # All that it has now. A tag that is taken out of here is left alone from then on, not removed."
    yield "  tags:"
    for key, value in tags:
        yield f"    {quoted(key)}: {quoted(value)}"


def _scope(membership: ExistingMembership) -> Iterator[str]:
    if membership.entire_organization:
        yield "  entire_organization: true"
        return
    yield "  units:"
    for unit in membership.units:
        yield f"    - {quoted(unit.id)}" + (f"  # {quoted(unit.name)}" if unit.name else "")


def _triage(enabled: bool | None) -> Iterator[str]:  # noqa: FBT001 - what the service says, in its own three values
    match enabled:
        case None:
            yield "# The service does not say whether it is on."
            yield "proactive_response: true"
        case True:
            yield "proactive_response: true"
        case False:
            yield "# Off: AWS triages nothing and opens no case by itself. A run switches it on once this says true."
            yield "proactive_response: false"


def _contact(responder: IncidentResponder, position: int) -> Iterator[str]:
    first, second, rest = ContactRole
    role = (first, second)[position] if position < 2 else rest  # noqa: PLR2004 - two have a role of their own
    yield f"  - name: {quoted(responder.name)}"
    yield f"    job_title: {quoted(responder.job_title)}"
    yield f"    email: {quoted(responder.email)}"
    yield f"    role: {role}"
    yield f"    notify: {_notify(responder)}"


def _notify(responder: IncidentResponder) -> str:
    if responder.hears == frozenset(COMMUNICATION_PREFERENCES):
        return "all"
    known = [kind for kind in COMMUNICATION_PREFERENCES if kind in responder.hears]
    new = sorted(responder.hears.difference(known))
    return f"[{', '.join(map(quoted, (*known, *new)))}]"


_GO_ON = (
    "To go on: verify looks for the roles and hands over the commands that are missing, managed deploys them. "
    "Where a StackSet of another name or Region has deployed them, write verify, existing: adopt, and its name and "
    "region under stack_set."
)


def _containment(containment: Containment) -> Iterator[str]:
    match containment:
        case ExistingStackSet():
            yield "  # The roles are deployed by the StackSet below: a run looks whether every account has them."
            yield f"  roles: {ContainmentRoles.VERIFY}"
            yield "  stack_set:"
            yield f"    name: {quoted(containment.name)}"
            yield f"    region: {quoted(containment.region)}"
            yield f"  ec2_triage: {'true' if containment.ec2_triage else 'false'}"
            yield "  # They were there before Muster."
            yield f"  existing: {ExistingRoles.ADOPT}"
        case NoStackSet(why):
            yield from wrap(f"{why} {_GO_ON}", width=118, initial_indent="  # ", subsequent_indent="  # ")
            yield f"  roles: {quoted(ContainmentRoles.OFF)}"
