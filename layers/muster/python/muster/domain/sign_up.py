"""What sign-up needs, what stands in its way, and which membership is the one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from muster.domain import commands
from muster.domain.desired import DesiredMembership, DesiredState
from muster.domain.membership import (
    ACTIVE,
    SERVICE_PRINCIPAL,
    SUPPORTED_REGIONS,
    TRIAGE_ROLE_NAME,
    Home,
    Membership,
    MembershipSummary,
)
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Handoff, HandoffTo
from muster.domain.remediation import EVERYONE, NOBODY, Remediation, RemediationKind, Step
from muster.domain.scope import EntireOrganization
from muster.domain.service_terms import TERMS

type MembershipView = Observed[tuple[MembershipSummary, ...]]
"""What one account saw in one Region."""


def object_to_place(wanted: DesiredMembership, home: Home) -> str | None:
    """Return why there can be no membership where it is wanted from here, with the remedy; None when there can."""
    designated = Home(wanted.account_id, wanted.region)
    if wanted.region not in SUPPORTED_REGIONS:
        return (
            f"membership.region: {wanted.region} is no Region of Security Incident Response; "
            f"choose one of {', '.join(SUPPORTED_REGIONS)}"
        )
    if designated != home:
        return (
            f"the application stands in {home}, but the desired state wants the membership in {designated}; "
            f"deploy the stack there, or correct membership.account and membership.region"
        )
    return None


def object_to_home(wanted: DesiredMembership, home: Home) -> str | None:
    """Return what keeps the membership from being here for life, with the remedy; None when a person confirmed it."""
    if objection := object_to_place(wanted, home):
        return objection
    if wanted.confirmed_as != str(home):
        found = "is not set" if wanted.confirmed_as is None else f'says "{wanted.confirmed_as}"'
        terms = "".join(f"\n{each.subject}: {each.detail}" for each in TERMS)
        return (
            f"membership.confirmed_as {found}; account and Region cannot be changed later, so confirm them once: "
            f'write membership.confirmed_as: "{home}". Know before you do:{terms}'
        )
    return None


@dataclass(frozen=True, slots=True)
class Registered:
    """The designated account is the delegated administrator, and no other is."""


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """No account is delegated yet."""


@dataclass(frozen=True, slots=True)
class NoRegistrationNeeded:
    """The membership lives in the management account, which Organizations never registers."""


@dataclass(frozen=True, slots=True)
class DelegationConflict:
    """An account that was not asked for is delegated; ``remedy`` says what a person can do."""

    remedy: str


type Delegation = Registered | NotRegistered | NoRegistrationNeeded | DelegationConflict | Unknown


def judge_delegation(designated: str, management: str, delegated: Observed[frozenset[str]]) -> Delegation:
    """Compare the delegated administrators with the designated account. A different one is never swapped."""
    match delegated:
        case Unknown() as unknown:
            return unknown
        case Known(accounts) if accounts - {designated} or (accounts and designated == management):
            others = ", ".join(sorted(accounts - {designated} or accounts))
            return DelegationConflict(
                f"account {others} is the delegated administrator for {SERVICE_PRINCIPAL}, not {designated} alone. "
                f"Nothing was changed: deregistering an account ends its membership at once, with all its cases. "
                f"Set membership.account to the account that is registered and deploy the application there, "
                f"or settle with its owner who keeps the membership"
            )
        case Known() if designated == management:
            return NoRegistrationNeeded()
        case Known(accounts):
            return Registered() if accounts else NotRegistered()
    assert_never(delegated)


class Prerequisite(StrEnum):
    """What must be so in the management account, in the order in which it is made so."""

    TRUSTED_ACCESS = "trusted access"
    TRIAGE_ROLE = "triage role"
    DELEGATED_ADMINISTRATOR = "delegated administrator"

    @property
    def blocks_creation(self) -> bool:
        """Tell whether a membership must not be created without it."""
        return self is not Prerequisite.TRIAGE_ROLE


@dataclass(frozen=True, slots=True)
class Lack:
    """A prerequisite that is missing or, when ``unreadable`` gives a reason, may be."""

    prerequisite: Prerequisite
    designated: str
    unreadable: str | None = None

    @property
    def what(self) -> str:
        """The step that ends the lack, in words."""
        match self.prerequisite:
            case Prerequisite.TRUSTED_ACCESS:
                return f"enable trusted access for {SERVICE_PRINCIPAL}"
            case Prerequisite.TRIAGE_ROLE:
                return "create the triage service-linked role in the management account"
            case Prerequisite.DELEGATED_ADMINISTRATOR:
                return f"register account {self.designated} as delegated administrator"
        assert_never(self.prerequisite)

    @property
    def resource(self) -> str:
        """What the step changes."""
        match self.prerequisite:
            case Prerequisite.TRUSTED_ACCESS:
                return SERVICE_PRINCIPAL
            case Prerequisite.TRIAGE_ROLE:
                return "management account"
            case Prerequisite.DELEGATED_ADMINISTRATOR:
                return self.designated
        assert_never(self.prerequisite)

    @property
    def remediation(self) -> Remediation:
        """The write that makes it so."""
        return Remediation(
            Step.SIGN_UP,
            RemediationKind.SIGN_UP,
            self.resource,
            "absent",
            "there",
            self.what,
            "Security Incident Response needs it in the management account",
            place=list(Prerequisite).index(self.prerequisite),
        )

    def hand_off(self, why: str) -> Handoff:
        """Leave the step to the team of the management account, reading first where it could not be read here."""
        look, sign, act = self._commands()
        if self.unreadable is None:
            return Handoff(HandoffTo.MANAGEMENT_TEAM, self.what, why, act)
        return Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"look whether this is still to do: {self.what}",
            f"could not be read from here ({why})",
            commands.unless_shown(look, sign, act),
        )

    def _commands(self) -> tuple[str, str, str]:
        """Return the command that looks, what it shows where there is nothing to do, and the command that does it."""
        match self.prerequisite:
            case Prerequisite.TRUSTED_ACCESS:
                return commands.list_trusted_access(), SERVICE_PRINCIPAL, commands.enable_trusted_access()
            case Prerequisite.TRIAGE_ROLE:
                return commands.read_triage_role(), TRIAGE_ROLE_NAME, commands.create_triage_role()
            case Prerequisite.DELEGATED_ADMINISTRATOR:
                register = commands.register_delegated_administrator(self.designated)
                return commands.list_delegated_administrators(), self.designated, register
        assert_never(self.prerequisite)


def find_lacks(
    designated: str, *, trusted: Observed[frozenset[str]], triage_role: Observed[bool], delegation: Delegation
) -> tuple[Lack, ...]:
    """List what is missing or unreadable in the management account, in the order in which it is to be made so."""
    present: dict[Prerequisite, Observed[bool]] = {
        Prerequisite.TRUSTED_ACCESS: (
            trusted if isinstance(trusted, Unknown) else Known(SERVICE_PRINCIPAL in trusted.value)
        ),
        Prerequisite.TRIAGE_ROLE: triage_role,
        Prerequisite.DELEGATED_ADMINISTRATOR: (
            delegation if isinstance(delegation, Unknown) else Known(not isinstance(delegation, NotRegistered))
        ),
    }
    lacks = []
    for prerequisite, found in present.items():
        if isinstance(found, Unknown):
            lacks.append(Lack(prerequisite, designated, found.why))
        elif not found.value:
            lacks.append(Lack(prerequisite, designated))
    return tuple(lacks)


@dataclass(frozen=True, slots=True)
class MembershipFound:
    """Exactly one membership is Active, and it is at home."""

    summary: MembershipSummary


@dataclass(frozen=True, slots=True)
class NoMembership:
    """Nothing is Active anywhere. ``generation`` counts the memberships that home had before."""

    generation: int


@dataclass(frozen=True, slots=True)
class MembershipConflict:
    """A membership is Active where none was asked for; ``remedy`` says what a person can do."""

    remedy: str


@dataclass(frozen=True, slots=True)
class MembershipUnclear:
    """Nothing Active was seen, but these Regions could not be read from any account.

    ``generation`` counts the memberships that home is known to have had before.
    """

    regions: tuple[str, ...]
    why: str
    generation: int = 0


type MembershipSearch = MembershipFound | NoMembership | MembershipConflict | MembershipUnclear


def judge_memberships(views: Mapping[str, Sequence[MembershipView]], home: Home) -> MembershipSearch:
    """Decide which membership is the one, from what each account saw in each Region.

    Only Active counts: cancelled and terminated ones stay listed. A Region is known when one account could read it.
    """
    seen = {row.id: row for answers in views.values() for answer in answers for row in _rows(answer)}
    active = sorted((row for row in seen.values() if row.status == ACTIVE), key=lambda row: row.id)
    elsewhere = [row for row in active if Home(row.account_id, row.region) != home]
    if len(active) > 1:
        places = "; ".join(f"{row.id} in account {row.account_id}, Region {row.region}" for row in active)
        return MembershipConflict(
            f"more than one membership is Active: {places}. An organization has one; ask AWS Support which is to stay. "
            f"Cancel none lightly: cancelling ends protection at once and makes its cases unreadable"
        )
    if elsewhere:
        row = elsewhere[0]
        return MembershipConflict(
            f"membership {row.id} is Active in account {row.account_id}, Region {row.region}, not in {home}. "
            f'To keep it, set membership.account: "{row.account_id}" and membership.region: {row.region} '
            f"and deploy the application there; otherwise contact AWS Support. "
            f"Do not cancel it lightly: cancelling ends protection at once and makes its cases unreadable"
        )
    if active:
        return MembershipFound(active[0])
    unread = {
        region: answers[0].why
        for region, answers in sorted(views.items())
        if all(isinstance(answer, Unknown) for answer in answers) and isinstance(answers[0], Unknown)
    }
    generation = sum(Home(row.account_id, row.region) == home for row in seen.values())
    if unread:
        return MembershipUnclear(tuple(unread), next(iter(unread.values())), generation)
    return NoMembership(generation)


def _rows(answer: MembershipView) -> tuple[MembershipSummary, ...]:
    match answer:
        case Known(rows):
            return rows
        case Unknown():
            return ()
    assert_never(answer)


def client_token(organization_id: str, home: Home, name: str, generation: int) -> str:
    """Return the token that makes every repeat of one CreateMembership the same request (64 hexadecimal digits).

    It changes once an earlier membership at home has ended, so that a new one can be created.
    """
    parts = json.dumps([organization_id, home.account_id, home.region, name, generation])
    return hashlib.sha256(parts.encode()).hexdigest()[:64]


def plan_creation(desired: DesiredState, home: Home) -> Remediation:
    """Return the write that makes the membership."""
    entire = isinstance(desired.scope, EntireOrganization)
    covers = "the entire organization" if entire else "no unit yet"
    triage = "on" if desired.proactive_response else "off"
    return Remediation(
        Step.SIGN_UP,
        RemediationKind.SIGN_UP,
        str(home),
        "no Active membership",
        f"membership {desired.membership.name}, covers {covers}, proactive response {triage}",
        f"create the membership in {home}",
        "the organization has none",
        concern=EVERYONE if entire else NOBODY,
        place=len(Prerequisite),
    )


def plan_settings(desired: DesiredState, membership: Membership) -> tuple[Remediation, ...]:
    """Return the writes that bring the settings of a membership to what is asked for; what is unknown has none."""
    found = []
    if membership.name != desired.membership.name:
        found.append(
            _setting(
                membership,
                RemediationKind.SET_NAME,
                (f"named {membership.name}", f"named {desired.membership.name}"),
                f"rename the membership to {desired.membership.name}",
            )
        )
    match desired.proactive_response, membership.triage_enabled:
        case True, False:
            found.append(
                _setting(membership, RemediationKind.ENABLE_TRIAGE, ("off", "on"), "enable proactive response")
            )
        case False, True:
            found.append(
                _setting(membership, RemediationKind.DISABLE_TRIAGE, ("on", "off"), "switch proactive response off")
            )
        case _:
            pass
    return tuple(found)


def _setting(membership: Membership, kind: RemediationKind, ground: tuple[str, str], what: str) -> Remediation:
    before, after = ground
    concern = EVERYONE if kind.reduces_protection else NOBODY
    why = "the desired state asks for it"
    return Remediation(Step.SIGN_UP, kind, membership.id, before, after, what, why, concern=concern)


def plan_tags(membership: Membership, missing: Mapping[str, str], found: Mapping[str, str]) -> Remediation:
    """Return the write that sets our tags. Their values stay out of plans, so their digests stand for them."""
    keys = sorted(missing)
    before = ", ".join(f"{key} {_digest(found[key]) if key in found else 'absent'}" for key in keys)
    after = ", ".join(f"{key} {_digest(missing[key])}" for key in keys)
    what = f"set the tags {', '.join(keys)}"
    why = "the desired state asks for it"
    return Remediation(Step.SIGN_UP, RemediationKind.SET_TAGS, membership.id, before, after, what, why)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:8]


def differing_tags(wanted: Sequence[tuple[str, str]], found: Mapping[str, str]) -> dict[str, str]:
    """Return our tags that are missing or have another value; foreign ones and ``aws:`` ones are left alone."""
    return {key: value for key, value in wanted if found.get(key) != value}
