"""SignUp: one Active membership at home, with all that it needs in the management account."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from muster.domain import commands
from muster.domain.desired import ChangeKind, DesiredState, Mode
from muster.domain.handoffs import ask_to_create_membership, place_commands
from muster.domain.membership import Home, Membership, MembershipSummary
from muster.domain.observed import Known, Unknown
from muster.domain.organization import OrganizationSummary
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice, SignUpOutcome
from muster.domain.preflight import CheckId
from muster.domain.remediation import Remediation, RemediationKind
from muster.domain.responders import IncidentResponseTeam
from muster.domain.scope import EntireOrganization
from muster.domain.sign_up import (
    MembershipFound,
    MembershipUnclear,
    NoMembership,
    Prerequisite,
    client_token,
    differing_tags,
    object_to_home,
    plan_creation,
    plan_settings,
    plan_tags,
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
from muster.ports import (
    DelegationReader,
    ManagementAccount,
    MembershipNarrowing,
    MembershipReader,
    MembershipWriter,
    ResponderReader,
)
from muster.steps.gate import Gate
from muster.steps.memberships_everywhere import MembershipsEverywhere
from muster.steps.prerequisites import Met, Prerequisites
from muster.steps.reading import observe, read_membership, read_organization


@dataclass(slots=True)
class _Pass:
    """One attempt: what is asked, what it did, and what it left, until it becomes an outcome."""

    desired: DesiredState
    gate: Gate
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
    narrowing: MembershipNarrowing
    responders: ResponderReader
    home: Home

    def apply(
        self,
        desired: DesiredState,
        gate: Gate,
        *,
        attempt: int,
        last_attempt: bool,
        accept_unknown: Collection[str] = (),
        known: str | None = None,
    ) -> SignUpOutcome:
        """Bring the organization to one Active membership at home, as far as the gate lets it.

        Conflicts stop before the first write. ``accept_unknown`` with "memberships" in it lets Regions that nobody
        could look into count as empty. What this access does not allow is handed off. ``waiting_for`` asks for another
        attempt, and is not given on the last one unless the membership is there already. ``known`` is the membership
        that this run has found before: as long as it is there, no other Region is looked into again.
        """
        if objection := object_to_home(desired.membership, self.home):
            raise NotConfirmedError(objection)
        organization = self._organization()
        prerequisites = Prerequisites(self.organizations, self.management, self.home.account_id)
        lacks = prerequisites.look(organization)
        everywhere = MembershipsEverywhere(self.reader, self.management, self.home)
        found = everywhere.find(organization.management_account_id, known)

        this = _Pass(desired, gate, attempt, last_attempt, accept_unknown, organization.management_account_id)
        # An unusable team stops the run before the first write, not half-way.
        reads_team = not isinstance(found, MembershipFound) and desired.mode is not Mode.OBSERVE
        team = self.responders.team() if reads_team else ()
        met = prerequisites.meet(lacks, gate, last_attempt=last_attempt)
        this.take(met)

        if isinstance(found, MembershipFound):
            self._adopt(found.summary, this)
            return this.outcome(found.summary.id, waiting_for=met.waiting_for)
        registered = any(lack.prerequisite is Prerequisite.DELEGATED_ADMINISTRATOR for lack in lacks)
        if any(lack.unreadable and lack.prerequisite.blocks_creation for lack in lacks):
            return this.outcome(waiting_for=met.waiting_for)
        if gate.looks and (registered or desired.mode is Mode.OBSERVE):
            # Who is not registered may not see every Region; it is looked at again right before the membership is made.
            gate.takes(plan_creation(desired, self.home))
            return this.outcome()
        if met.waiting_for or (met.blocks_creation and not gate.looks):
            return this.outcome(waiting_for=met.waiting_for)
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
        if not this.gate.takes(plan_creation(desired, self.home)):
            return this.outcome()
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
        """Bring an existing membership's settings to what is asked."""
        membership = read_membership(self.reader, summary.id)
        region = self.home.region
        self._adopt_settings(membership, this)
        match observe(lambda: self.reader.tags(membership.arn)):
            case Unknown(why):
                this.notices.append(Notice("tags of the membership are unknown", why, needs_person=True))
            case Known(found):
                if missing := differing_tags(this.desired.membership.tags, found):
                    _set(
                        this,
                        {plan_tags(membership, missing, found): commands.set_tags(region, membership.arn, missing)},
                        lambda _: self.writer.set_tags(membership.arn, missing),
                    )

    def _adopt_settings(self, membership: Membership, this: _Pass) -> None:
        """Set name and proactive response in one call: the service takes one UpdateMembership a second."""
        region, name = self.home.region, this.desired.membership.name
        command = {
            RemediationKind.SET_NAME: commands.set_name(region, membership.id, name),
            RemediationKind.ENABLE_TRIAGE: commands.enable_triage(region, membership.id),
            RemediationKind.DISABLE_TRIAGE: commands.disable_triage(region, membership.id),
        }
        planned = plan_settings(this.desired, membership)
        _set(
            this,
            {each: command[each.kind] for each in planned if not each.kind.reduces_protection},
            lambda kinds: self.writer.set_settings(
                membership.id,
                name=name if RemediationKind.SET_NAME in kinds else None,
                enable_triage=RemediationKind.ENABLE_TRIAGE in kinds,
            ),
        )
        _set(
            this,
            {each: command[each.kind] for each in planned if each.kind.reduces_protection},
            lambda _: self.narrowing.disable_triage(membership.id),
        )
        if membership.triage_enabled is None:
            why = "the service does not say whether it is on; look yourself"
            this.notices.append(Notice("proactive response is unknown", why, needs_person=True))


def _set(this: _Pass, wanted: Mapping[Remediation, str], write: Callable[[set[RemediationKind]], None]) -> None:
    """Make those changes of an adopted membership that the gate lets through, in one write.

    ``wanted`` has the command of each change for a person, ``write`` is given the kinds to make.
    """
    granted = {each: command for each, command in wanted.items() if this.gate.takes(each)}
    if not granted:
        return
    try:
        write({each.kind for each in granted})
    except ServiceAnswerError as error:
        this.handoffs += [
            Handoff(HandoffTo.PERSON, each.what, str(error), command) for each, command in granted.items()
        ]
    else:
        this.changes += [Change(each.kind, each.resource, each.what) for each in granted]
