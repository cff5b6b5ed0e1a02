"""SignUp: one Active membership at home, with all that it needs in the management account."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from muster.domain import commands
from muster.domain.desired import ChangeKind, DesiredState
from muster.domain.handoffs import ask_to_allow, ask_to_create_membership, place_commands
from muster.domain.membership import Home, Membership, MembershipSummary
from muster.domain.observed import Known, Unknown
from muster.domain.organization import OrganizationSummary
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice, SignUpOutcome
from muster.domain.preflight import CheckId
from muster.domain.responders import IncidentResponseTeam
from muster.domain.scope import EntireOrganization
from muster.domain.sign_up import (
    Lack,
    MembershipFound,
    MembershipUnclear,
    NoMembership,
    Prerequisite,
    client_token,
    differing_tags,
    object_to_home,
)
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DeniedError,
    DesiredStateError,
    MembershipConflictError,
    MembershipUnknownError,
    NotConfirmedError,
    NotYetConsistentError,
    OrganizationNotReadyError,
    RefusedError,
    ServiceAnswerError,
)
from muster.ports import DelegationReader, ManagementAccount, MembershipReader, MembershipWriter, ResponderReader
from muster.steps.memberships_everywhere import MembershipsEverywhere
from muster.steps.prerequisites import Met, Prerequisites
from muster.steps.reading import observe, read_membership, read_organization


@dataclass(slots=True)
class _Pass:
    """One attempt: what is asked, what it did, and what it left, until it becomes an outcome."""

    desired: DesiredState
    attempt: int
    last_attempt: bool
    accepted: Collection[str]
    management: str
    changes: list[Change] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def take(self, met: Met) -> None:
        self.changes += met.changes
        self.handoffs += met.handoffs

    def may(self, change: Change) -> bool:
        return self.desired.applies_by_itself(ChangeKind(change.kind))

    def outcome(self, membership_id: str | None = None, *, waiting_for: str | None = None) -> SignUpOutcome:
        waiting_for = waiting_for and f"{waiting_for} (attempt {self.attempt})"
        handoffs = place_commands(self.handoffs, management=self.management, home=self.desired.membership.account_id)
        return SignUpOutcome(membership_id, tuple(self.changes), handoffs, tuple(self.notices), waiting_for)


@dataclass(frozen=True, slots=True)
class SignUp:
    """Reads first, writes only the difference, and can be repeated after any failure."""

    organizations: DelegationReader
    management: ManagementAccount
    reader: MembershipReader
    writer: MembershipWriter
    responders: ResponderReader
    home: Home

    def apply(
        self, desired: DesiredState, *, attempt: int, last_attempt: bool, accept_unknown: Collection[str] = ()
    ) -> SignUpOutcome:
        """Bring the organization to one Active membership at home. Conflicts stop before the first write.

        ``accept_unknown`` with "memberships" in it lets Regions that nobody could look into count as empty.
        What this access or mode does not allow is handed off. ``waiting_for`` asks for another attempt, and is not
        given on the last one unless the membership is there already.
        """
        if objection := object_to_home(desired.membership, self.home):
            raise NotConfirmedError(objection)
        organization = self._organization()
        prerequisites = Prerequisites(self.organizations, self.management, self.home.account_id)
        lacks = prerequisites.look(organization)
        everywhere = MembershipsEverywhere(self.reader, self.management, self.home)
        everywhere.look(organization.management_account_id)
        found = everywhere.judge_or_retry()

        this = _Pass(desired, attempt, last_attempt, accept_unknown, organization.management_account_id)
        allowed = desired.applies_by_itself(ChangeKind.SIGN_UP)
        # An unusable team stops the run before the first write, not half-way.
        team = None if isinstance(found, MembershipFound) or not allowed else self.responders.team()
        met = prerequisites.meet(lacks, allowed=allowed, last_attempt=last_attempt)
        this.take(met)
        if not allowed:
            _ask_for_sign_up(this, lacks, create=not isinstance(found, MembershipFound))

        if isinstance(found, MembershipFound):
            self._adopt(found.summary, this)
            return this.outcome(found.summary.id, waiting_for=met.waiting_for)
        if team is None or met.waiting_for or met.blocks_creation:
            return this.outcome(waiting_for=met.waiting_for)

        registered = any(lack.prerequisite is Prerequisite.DELEGATED_ADMINISTRATOR for lack in lacks)
        if registered:
            everywhere.look_again_where_unknown()
            found = everywhere.judge_or_retry()
        return self._finish(found, everywhere, this, team=team, organization=organization, just_registered=registered)

    def _organization(self) -> OrganizationSummary:
        organization = read_organization(self.organizations)
        if organization.management_account_id != self.management.account_id:
            raise OrganizationNotReadyError(
                f"the stack was deployed with ManagementAccountId={self.management.account_id}, but the management "
                f"account of organization {organization.id} is {organization.management_account_id}. Deploy the stack "
                f"again with that account"
            )
        if not organization.has_all_features:
            raise OrganizationNotReadyError(
                f"organization {organization.id} has only consolidated billing. Enable all features first, in "
                f"management account {organization.management_account_id}: aws organizations enable-all-features; "
                f"it takes effect when every invited account has accepted"
            )
        return organization

    def _finish(
        self,
        found: MembershipFound | NoMembership | MembershipUnclear,
        everywhere: MembershipsEverywhere,
        this: _Pass,
        *,
        team: IncidentResponseTeam,
        organization: OrganizationSummary,
        just_registered: bool,
    ) -> SignUpOutcome:
        """Adopt or create, once it is certain that there is no other membership."""
        own = everywhere.from_home[self.home.region]
        if isinstance(found, MembershipFound):
            self._adopt(found.summary, this)
            return this.outcome(found.summary.id)
        accepted = CheckId.MEMBERSHIPS in this.accepted
        if isinstance(own, Unknown) and not this.last_attempt:
            return this.outcome(waiting_for=f"account {self.home.account_id} to be let into {self.home.region}")
        if isinstance(own, Unknown) and not accepted:
            raise MembershipUnknownError(
                f"account {self.home.account_id} may not list memberships in {self.home.region}, its own Region: "
                f"{own.why}. Allow security-ir:ListMemberships there and run again"
            )
        match found:
            case NoMembership(generation):
                token = client_token(organization.id, self.home, this.desired.membership.name, generation)
                return self._create(team, token, everywhere, this)
            case MembershipUnclear() if just_registered and not this.last_attempt:
                return this.outcome(waiting_for=f"account {self.home.account_id} to be let into every Region")
            case MembershipUnclear(regions, why, generation) if accepted:
                places = ", ".join(regions)
                this.notices.append(
                    Notice(
                        "memberships elsewhere are unknown, and that was accepted",
                        f"nobody could look into {places} ({why})",
                    )
                )
                token = client_token(organization.id, self.home, this.desired.membership.name, generation)
                return self._create(team, token, everywhere, this)
            case MembershipUnclear(regions, why):
                raise MembershipUnknownError(
                    f"whether a membership exists could not be read in {', '.join(regions)} ({why}), and unknown is "
                    f"not absent. Allow security-ir:ListMemberships there for the management account's reader or for "
                    f"account {self.home.account_id}, and run again; or, if you know that there is none, accept it for "
                    f"one run: muster onboard --accept-unknown {CheckId.MEMBERSHIPS}"
                )

    def _create(
        self, team: IncidentResponseTeam, token: str, everywhere: MembershipsEverywhere, this: _Pass
    ) -> SignUpOutcome:
        desired = this.desired
        tags = dict(desired.membership.tags)
        try:
            membership_id = self.writer.create_membership(
                name=desired.membership.name,
                team=team,
                entire_organization=isinstance(desired.scope, EntireOrganization),
                triage=desired.proactive_response,
                tags=tags,
                client_token=token,
            )
        except (DeniedError, AbsentError, NotYetConsistentError) as error:
            if not this.last_attempt:
                return this.outcome(waiting_for=f"the service to let {self.home} create a membership")
            this.handoffs.append(
                ask_to_create_membership(desired, self.home, client_token=token, tags=tags, said=str(error))
            )
            return this.outcome()
        except AlreadyThereError as error:
            return self._adopt_what_was_first(error, everywhere, this)
        except RefusedError as error:
            raise DesiredStateError(
                f"the service refused the membership as it was asked for ({error.said}). "
                f"Correct membership or contacts, then: muster push FILE && muster onboard"
            ) from error
        this.changes.append(Change(ChangeKind.SIGN_UP, membership_id, f"create the membership in {self.home}"))
        return this.outcome(membership_id)

    def _adopt_what_was_first(
        self, error: AlreadyThereError, everywhere: MembershipsEverywhere, this: _Pass
    ) -> SignUpOutcome:
        """Look again when the service says that there is a membership already."""
        everywhere.look_again_at_home()
        found = everywhere.judge()
        if isinstance(found, MembershipFound):
            self._adopt(found.summary, this)
            return this.outcome(found.summary.id)
        if not this.last_attempt:
            return this.outcome(waiting_for="the membership that the service speaks of to be listed as Active")
        raise MembershipConflictError(
            f"the service says that a membership exists ({error.said}), but no Active one is listed in {self.home}. "
            f"Look for one in the console of every account that ever ran Security Incident Response, or ask AWS "
            f"Support; look also for a person who is listed twice in the contacts, which gives the same answer"
        ) from error

    def _adopt(self, summary: MembershipSummary, this: _Pass) -> None:
        """Bring an existing membership's settings to what is asked; nothing that would reduce protection."""
        desired = this.desired
        membership = read_membership(self.reader, summary.id)
        region = self.home.region
        self._adopt_settings(membership, this)
        match observe(lambda: self.reader.tags(membership.arn)):
            case Unknown(why):
                this.notices.append(Notice("tags of the membership are unknown", why, needs_person=True))
            case Known(found):
                if missing := differing_tags(desired.membership.tags, found):
                    change = Change(ChangeKind.SET_TAGS, membership.id, f"set the tags {', '.join(sorted(missing))}")
                    _set(
                        this,
                        {change: commands.set_tags(region, membership.arn, missing)},
                        lambda _: self.writer.set_tags(membership.arn, missing),
                    )

    def _adopt_settings(self, membership: Membership, this: _Pass) -> None:
        """Set name and proactive response in one call: the service takes one UpdateMembership a second."""
        desired, region = this.desired, self.home.region
        name, wanted = desired.membership.name, {}
        if membership.name != name:
            change = Change(ChangeKind.SET_NAME, membership.id, f"rename the membership to {name}")
            wanted[change] = commands.set_name(region, membership.id, name)
        if desired.proactive_response and membership.triage_enabled is False:
            change = Change(ChangeKind.ENABLE_TRIAGE, membership.id, "enable proactive response")
            wanted[change] = commands.enable_triage(region, membership.id)
        _set(
            this,
            wanted,
            lambda kinds: self.writer.set_settings(
                membership.id,
                name=name if ChangeKind.SET_NAME in kinds else None,
                enable_triage=ChangeKind.ENABLE_TRIAGE in kinds,
            ),
        )
        match desired.proactive_response, membership.triage_enabled:
            case False, True:
                this.notices.append(
                    Notice(
                        "proactive response stays on",
                        "the desired state says false, but switching it off reduces protection and is left to a person",
                        needs_person=True,
                    )
                )
            case _, None:
                why = "the service does not say whether it is on; look yourself"
                this.notices.append(Notice("proactive response is unknown", why, needs_person=True))
            case _:
                return


def _set(this: _Pass, wanted: Mapping[Change, str], write: Callable[[set[str]], None]) -> None:
    """Make those changes of an adopted membership that may be made, in one write, or leave them to a person.

    ``wanted`` has the command of each change, ``write`` is given the kinds to make.
    """
    allowed = {change: command for change, command in wanted.items() if this.may(change)}
    this.handoffs += [
        ask_to_allow(this.desired, ChangeKind(change.kind), change.detail) for change in wanted if change not in allowed
    ]
    if not allowed:
        return
    try:
        write({change.kind for change in allowed})
    except ServiceAnswerError as error:
        this.handoffs += [
            Handoff(HandoffTo.PERSON, change.detail, str(error), command) for change, command in allowed.items()
        ]
    else:
        this.changes += allowed


def _ask_for_sign_up(this: _Pass, lacks: tuple[Lack, ...], *, create: bool) -> None:
    steps = [lack.what for lack in lacks if lack.unreadable is None]
    if create:
        steps.append("create the membership")
    if steps:
        this.handoffs.append(ask_to_allow(this.desired, ChangeKind.SIGN_UP, "; ".join(steps)))
