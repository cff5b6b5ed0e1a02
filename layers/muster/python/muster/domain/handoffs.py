"""Steps that a run leaves to somebody else, with the reason and the way to do them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from muster.domain import commands
from muster.domain.desired import DesiredState
from muster.domain.membership import Home
from muster.domain.outcomes import Handoff, HandoffTo
from muster.domain.plan import SHORT, PlannedRemediation
from muster.domain.remediation import RemediationKind
from muster.domain.scope import EntireOrganization
from muster.domain.scoping import name_some

TEAM_FILE = (
    "team.json is a JSON list of the two to ten people in the contacts parameter, "
    "each with name, jobTitle and email as they stand there; delete the file afterwards"
)


def place_commands(handoffs: Iterable[Handoff], *, management: str | None, home: str | None) -> tuple[Handoff, ...]:
    """Say in which account each AWS CLI command is to be run, where the step that left it does not say so itself."""
    places = {HandoffTo.MANAGEMENT_TEAM: management, HandoffTo.PERSON: home}
    placed = []
    for handoff in handoffs:
        place = places.get(handoff.to)
        is_open = place is not None and not handoff.accounts and handoff.command.startswith("aws ")
        placed.append(replace(handoff, accounts=(place,)) if is_open and place else handoff)
    return tuple(placed)


def ask_to_allow(desired: DesiredState, planned: Iterable[PlannedRemediation]) -> tuple[Handoff, ...]:
    """Leave what was planned to a person, because the desired state lets no run make it; one step for each kind."""
    by_kind: dict[RemediationKind, list[str]] = {}
    for each in planned:
        by_kind.setdefault(each.remediation.kind, []).append(each.remediation.what)
    handoffs = []
    for kind, what in by_kind.items():
        listed = () if kind.reduces_protection else (kind.value,)
        automatic = ", ".join(sorted({*desired.automatic, *listed}))
        setting = "mode: propose" if kind.reduces_protection else f"mode: enforce and automatic: [{automatic}]"
        handoffs.append(
            Handoff(
                HandoffTo.PERSON,
                name_some(what),
                f"mode is {desired.mode}, so nothing is changed without a person",
                f"in the desired state set {setting}; then run: muster push FILE && muster onboard",
            )
        )
    return tuple(handoffs)


def ask_to_approve(sha256: str, planned: Sequence[PlannedRemediation]) -> Handoff:
    """Leave the decision about a plan to people."""
    name = sha256[:SHORT]
    reasons = dict.fromkeys(reason for each in planned for reason in each.approval)
    return Handoff(
        HandoffTo.PERSON,
        f"approve or reject plan {name}: {name_some([each.remediation.what for each in planned])}",
        "; ".join(reasons),
        f"muster plan --show {name}; then: muster approve {name}, or: muster reject {name} --reason TEXT",
    )


def ask_to_edit_team(home: Home, membership_id: str, what: str, why: str) -> Handoff:
    """Leave a change of the team to a person, who sees the people; neither the text nor the command shows one."""
    return Handoff(
        HandoffTo.PERSON,
        what,
        f"{why}; the command opens the membership's whole team in an editor and sends it as it is saved: "
        f"whoever is missing in it is removed",
        commands.edit_team(home.region, membership_id),
        accounts=(home.account_id,),
    )


def ask_to_create_membership(
    desired: DesiredState, home: Home, *, client_token: str, tags: dict[str, str], said: str
) -> Handoff:
    """Leave CreateMembership to a person with more rights; the next run adopts the result."""
    return Handoff(
        HandoffTo.PERSON,
        f"create the membership in account {home.account_id}, with administrator rights there",
        f"{said}; {TEAM_FILE}; the next run adopts the membership",
        commands.create_membership(
            home,
            name=desired.membership.name,
            entire_organization=isinstance(desired.scope, EntireOrganization),
            triage=desired.proactive_response,
            tags=tags,
            client_token=client_token,
        ),
    )
