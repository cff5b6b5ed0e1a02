"""The checks of Preflight: each a decision over what was read, Unknown included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from muster.domain import commands, stack_set_commands
from muster.domain.containment_roles import CONTAINMENT_ROLE, EXECUTION_ROLE
from muster.domain.desired import ContainmentRoles, DesiredState, ExistingRoles, Mode
from muster.domain.membership import OPT_IN_REGIONS, SERVICE_PRINCIPAL, SUPPORTED_REGIONS, Home
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, AccountState, OrganizationSummary
from muster.domain.preflight import Check, CheckId, CheckStatus, Severity
from muster.domain.sign_up import (
    Delegation,
    DelegationConflict,
    MembershipConflict,
    MembershipFound,
    MembershipSearch,
    MembershipUnclear,
    NoMembership,
    NoRegistrationNeeded,
    NotRegistered,
    Registered,
    object_to_place,
)

CONTAINMENT_ROLES: Final = (CONTAINMENT_ROLE, EXECUTION_ROLE)
SECURE: Final = "SecureString"
TRAIL_GUIDE: Final = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/creating-trail-organization.html"
BLOCKER, WARNING = Severity.BLOCKER, Severity.WARNING


@dataclass(frozen=True, slots=True)
class Vantage:
    """From where is looked: ``own`` and ``reader`` name the identities in the designated and the management account.

    ``deployment`` is None before anything is deployed.
    """

    home: Home
    management_account_id: str
    own: str
    reader: str
    deployment: str | None

    def deploy_reader(self, organization: Observed[OrganizationSummary | None]) -> str:
        """Return the command that gives the management account its reader role."""
        found = organization.value if isinstance(organization, Known) else None
        return commands.deploy_management_stack(
            self.deployment or "muster", self.home, organization_id=found.id if found else None
        )


@dataclass(frozen=True, slots=True)
class Trail:
    """A trail that records us-east-1, where Organizations has its events.

    ``has_own_selectors`` says that it was told which events to record, so that management events may be left out.
    """

    arn: str
    home_region: str
    is_logging: bool
    has_own_selectors: bool


@dataclass(frozen=True, slots=True)
class ContactsParameter:
    """The contacts in Parameter Store: what kind of parameter, and of which tier. The value is not read here."""

    name: str
    kind: str
    tier: str


@dataclass(frozen=True, slots=True)
class ContactsFile:
    """Contacts that are not stored yet, and valid in their file."""

    people: int


type Contacts = ContactsParameter | ContactsFile | None


@dataclass(frozen=True, slots=True)
class Denial:
    """A read that was denied: "service:Operation", and the account that it was asked of."""

    operation: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Seen:
    """All that Preflight reads. None in place of a value means that it was not asked for, or is not there."""

    organization: Observed[OrganizationSummary | None]
    reader_refused: str | None
    designated: Observed[Account | None]
    region_enabled: Observed[bool]
    memberships: MembershipSearch
    delegation: Delegation
    trusted: Observed[frozenset[str]]
    triage_role: Observed[bool]
    stack_sets_access: Observed[bool] | None
    containment_roles: Observed[frozenset[str]] | None
    trails: Observed[tuple[Trail, ...]]
    contacts: Observed[Contacts]
    denials: tuple[Denial, ...] = ()


def check_all(desired: DesiredState, seen: Seen, vantage: Vantage) -> tuple[Check, ...]:
    """Make every check, in the order of the table."""
    checks: Sequence[Callable[[DesiredState, Seen, Vantage], Check]] = (
        _organization, _management_access, _designated_account, _region, _region_enabled, _memberships,
        _delegated_administrator, _trusted_access, _service_linked_roles, _stack_sets_access, _role_name_clashes,
        _cloudtrail_trail, _contacts, _permissions,
    )  # fmt: skip
    return tuple(_shortened(check(desired, seen, vantage), seen) for check in checks)


def _shortened(check: Check, seen: Seen) -> Check:
    """Say once why the reader lets nobody in, and refer to it from everything that it would have read."""
    if check.id is CheckId.MANAGEMENT_ACCESS or check.evidence != seen.reader_refused:
        return check
    return replace(check, evidence=f"the management account could not be read: see {CheckId.MANAGEMENT_ACCESS}")


def _passed(check: CheckId, evidence: str) -> Check:
    return Check(check, CheckStatus.PASSED, evidence)


def _not_applicable(check: CheckId, evidence: str) -> Check:
    return Check(check, CheckStatus.NOT_APPLICABLE, evidence)


def _failed(check: CheckId, severity: Severity, evidence: str, remedy: str) -> Check:
    return Check(check, CheckStatus.FAILED, evidence, severity, remedy)


def _unknown(check: CheckId, severity: Severity, evidence: str, remedy: str) -> Check:
    return Check(check, CheckStatus.UNKNOWN, evidence, severity, remedy)


def _organization(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check, look = CheckId.ORGANIZATION, commands.describe_organization()
    if isinstance(seen.organization, Unknown):
        return _unknown(check, BLOCKER, seen.organization.why, look)
    match seen.organization.value:
        case None:
            return _failed(check, BLOCKER, f"account {vantage.home.account_id} is in no organization", look)
        case OrganizationSummary() as found if found.management_account_id != vantage.management_account_id:
            return _failed(
                check,
                BLOCKER,
                f"the management account of organization {found.id} is {found.management_account_id}, "
                f"not {vantage.management_account_id} as it was told here",
                f"deploy the stack again with ManagementAccountId={found.management_account_id}"
                if vantage.deployment is not None
                else f"name a profile of account {found.management_account_id}: --management-profile NAME",
            )
        case OrganizationSummary() as found if not found.has_all_features:
            return _failed(
                check,
                BLOCKER,
                f"organization {found.id} has only consolidated billing; all features take effect when every invited "
                f"account has accepted",
                commands.enable_all_features(),
            )
        case OrganizationSummary() as found:
            return _passed(check, f"{found.id}, all features, management account {found.management_account_id}")
    assert_never(seen.organization.value)


def _management_access(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check = CheckId.MANAGEMENT_ACCESS
    if vantage.deployment is None:
        return _not_applicable(check, f"nothing is deployed yet: read as {vantage.reader}")
    if seen.reader_refused is None:
        return _passed(
            check,
            f"{vantage.reader} lets us in; whether the onboarding role does shows when sign-up has something to write",
        )
    return _failed(check, WARNING, seen.reader_refused, vantage.deploy_reader(seen.organization))


def _designated_account(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check, account_id = CheckId.DESIGNATED_ACCOUNT, vantage.home.account_id
    look = commands.describe_account(account_id)
    if isinstance(seen.designated, Unknown):
        return _unknown(check, WARNING, seen.designated.why, look)
    match seen.designated.value:
        case None:
            return _failed(check, BLOCKER, f"account {account_id} is not in the organization", look)
        case Account(state=AccountState.ACTIVE):
            return _passed(check, f"account {account_id} is ACTIVE")
        case Account(state=AccountState.UNDOCUMENTED):
            return _unknown(check, WARNING, f"account {account_id} is in a state that is not documented", look)
        case Account(state=state):
            return _failed(check, BLOCKER, f"account {account_id} is {state}", look)
    assert_never(seen.designated.value)


def _region(desired: DesiredState, _: Seen, vantage: Vantage) -> Check:
    objection = object_to_place(desired.membership, vantage.home)
    if objection is None:
        return _passed(CheckId.REGION, f"{vantage.home} is where the membership is wanted")
    remedy = "correct membership.account or membership.region, then: muster push FILE"
    return _failed(CheckId.REGION, BLOCKER, objection, remedy)


def _region_enabled(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check, home = CheckId.REGION_ENABLED, vantage.home
    match seen.region_enabled:
        case Known(value=False):
            return _failed(
                check,
                BLOCKER,
                f"Region {home.region} is not enabled in account {home.account_id}",
                commands.enable_region(home.region),
            )
        case Known() | Unknown() if home.region not in OPT_IN_REGIONS:
            return _not_applicable(check, f"{home.region} is on by default")
        case Known():
            return _passed(check, f"the service answers account {home.account_id} in {home.region}")
        case Unknown() if vantage.deployment is not None:
            return _passed(check, f"the application runs in {home.region}")
        case Unknown(why):
            return _unknown(check, WARNING, why, commands.read_region(home.region))
    assert_never(seen.region_enabled)


def _memberships(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check, look = CheckId.MEMBERSHIPS, commands.list_memberships(vantage.home.region)
    match seen.memberships:
        case MembershipFound(summary):
            return _passed(check, f"{summary.id} is Active where it is wanted, and no other")
        case NoMembership(generation):
            ended = f"; {generation} ended here before" if generation else ""
            return _passed(check, f"none is Active in any Region{ended}")
        case MembershipConflict(remedy):
            return _failed(check, BLOCKER, remedy, look)
        case MembershipUnclear(regions, why):
            again = _looks_again(seen)
            when = "sign-up looks again once the account is registered" if again else "unknown is not absent"
            return _unknown(
                check,
                WARNING if again else BLOCKER,
                f"no account could look into {_places(regions)} ({why}), and {when}",
                commands.list_memberships_in(regions),
            )
    assert_never(seen.memberships)


def _looks_again(seen: Seen) -> bool:
    """Tell whether this look is not the last: the service may let the designated account in once it is registered.

    Before that its own Region is closed to it, and sign-up creates nothing: it registers the account and looks again,
    or hands the registration off.
    """
    return isinstance(seen.region_enabled, Unknown) and isinstance(seen.delegation, NotRegistered | Unknown)


def _places(regions: Sequence[str]) -> str:
    return "any Region" if len(regions) == len(SUPPORTED_REGIONS) else ", ".join(regions)


def _delegated_administrator(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check, account_id = CheckId.DELEGATED_ADMINISTRATOR, vantage.home.account_id
    look = commands.list_delegated_administrators()
    match seen.delegation:
        case Registered():
            return _passed(check, f"account {account_id} is registered, and no other")
        case NotRegistered():
            return _passed(check, f"none is registered; {account_id} will be, or sign-up hands it off")
        case NoRegistrationNeeded():
            return _passed(check, "none is registered, and the management account needs no registration")
        case DelegationConflict(remedy):
            return _failed(check, BLOCKER, remedy, look)
        case Unknown(why):
            return _unknown(check, WARNING, why, look)
    assert_never(seen.delegation)


def _trusted_access(_: DesiredState, seen: Seen, __: Vantage) -> Check:
    check = CheckId.TRUSTED_ACCESS
    match seen.trusted:
        case Unknown(why):
            return _unknown(check, WARNING, why, commands.list_trusted_access())
        case Known(services) if SERVICE_PRINCIPAL in services:
            return _passed(check, f"{SERVICE_PRINCIPAL} is trusted")
        case Known():
            return _passed(check, "not enabled yet; sign-up enables it or hands it off")
    assert_never(seen.trusted)


def _service_linked_roles(_: DesiredState, seen: Seen, __: Vantage) -> Check:
    check = CheckId.SERVICE_LINKED_ROLES
    match seen.triage_role:
        case Unknown(why):
            return _unknown(check, WARNING, why, commands.read_triage_role())
        case Known(value=True):
            return _passed(check, "the triage role is there")
        case Known():
            return _passed(check, "not there yet; sign-up creates the triage role or hands it off")
    assert_never(seen.triage_role)


def _stack_sets_access(desired: DesiredState, seen: Seen, __: Vantage) -> Check:
    check = CheckId.STACK_SETS_ACCESS
    match seen.stack_sets_access:
        case None:
            return _not_applicable(check, f"containment.roles is {desired.containment.roles}")
        case Unknown(why):
            return _unknown(check, WARNING, why, commands.read_stack_sets_access())
        case Known(value=True):
            return _passed(check, "trusted access of StackSets is enabled")
        case Known() if desired.containment.roles is ContainmentRoles.MANAGED:
            return _passed(check, "not enabled yet; Containment enables it or hands it off")
        case Known():
            return _failed(
                check,
                WARNING,
                "trusted access of StackSets is not enabled, so none brings the containment roles to the members",
                stack_set_commands.activate_access(desired.containment.stack_set.region),
            )
    assert_never(seen.stack_sets_access)


def _role_name_clashes(desired: DesiredState, seen: Seen, __: Vantage) -> Check:
    check = CheckId.ROLE_NAME_CLASHES
    match seen.containment_roles:
        case None:
            return _not_applicable(check, f"containment.roles is {desired.containment.roles}")
        case Unknown(why):
            return _unknown(check, WARNING, why, commands.read_role(CONTAINMENT_ROLES[0]))
        case Known(found) if not found:
            return _passed(check, "neither role is in the management account; Containment looks into the members")
        case Known(found) if desired.containment.existing is ExistingRoles.ADOPT:
            return _passed(check, f"{len(found)} of 2 roles are there, and containment.existing is adopt")
        case Known(found) if len(found) < len(CONTAINMENT_ROLES):
            (alone,) = found
            return _failed(
                check,
                WARNING,
                f"role {alone} is in the management account without the other, so no stack of ours made it, and the "
                f"stack that would make both fails",
                f"{commands.find_stack_of(alone)}  # then delete the role, or set containment.existing: adopt",
            )
        case Known():
            return _unknown(
                check,
                WARNING,
                "both roles are in the management account, and who made them does not show",
                f"{commands.find_stack_of(CONTAINMENT_ROLES[0])}  # set containment.existing: adopt to keep them",
            )
    assert_never(seen.containment_roles)


def _cloudtrail_trail(_: DesiredState, seen: Seen, __: Vantage) -> Check:
    check = CheckId.CLOUDTRAIL_TRAIL
    if isinstance(seen.trails, Unknown):
        return _unknown(check, WARNING, seen.trails.why, commands.describe_trails())
    trails = seen.trails.value
    logging = [trail for trail in trails if trail.is_logging]
    if sure := [trail for trail in logging if not trail.has_own_selectors]:
        return _passed(check, f"{sure[0].arn} records management events of us-east-1")
    if logging:
        return _unknown(
            check,
            WARNING,
            f"{logging[0].arn} has event selectors of its own, and whether they take management events was not read",
            commands.get_event_selectors(logging[0].arn, logging[0].home_region),
        )
    so = "Organizations' events reach nobody; a schedule still finds what changed"
    if trails:
        return _failed(
            check,
            WARNING,
            f"{trails[0].arn} does not log: {so}",
            commands.start_logging(trails[0].arn, trails[0].home_region),
        )
    return _failed(check, WARNING, f"no trail of the management account records us-east-1: {so}", TRAIL_GUIDE)


def _contacts(desired: DesiredState, seen: Seen, _: Vantage) -> Check:
    check, push = CheckId.CONTACTS, "muster push FILE"
    creates = desired.mode is not Mode.OBSERVE and not isinstance(seen.memberships, MembershipFound)
    severity = BLOCKER if creates else WARNING
    if isinstance(seen.contacts, Unknown):
        # Sign-up reads the contacts themselves before its first write, so this look need not stop it.
        return _unknown(check, WARNING, seen.contacts.why, push)
    match seen.contacts.value:
        case None:
            return _failed(check, severity, "there are no contacts", push)
        case ContactsFile(people):
            return _passed(check, f"{people} people in the file, to be stored by muster push")
        case ContactsParameter(name, kind, tier) if kind == SECURE:
            return _passed(check, f"{name} is a {SECURE} of the {tier} tier")
        case ContactsParameter(name, kind):
            return _failed(
                check,
                severity,
                f"{name} is a {kind}, so names and addresses lie there in the clear",
                f"{commands.delete_parameter(name)} && {push}",
            )
    assert_never(seen.contacts.value)


def _permissions(_: DesiredState, seen: Seen, vantage: Vantage) -> Check:
    check = CheckId.PERMISSIONS
    if not seen.denials:
        return _passed(check, f"nothing was denied to {vantage.own} and {vantage.reader}")
    in_management = [denial.account_id == vantage.management_account_id for denial in seen.denials]
    listed = [_name_denial(denial, vantage) for denial in seen.denials]
    if vantage.deployment is None:
        remedy = "let both read what PreflightRole (template.yaml) and ReaderRole (stacks/management-account.yaml) read"
    elif any(in_management):
        remedy = vantage.deploy_reader(seen.organization)
    else:
        remedy = f"look for a service control policy or a boundary that denies it to {vantage.own}"
    return _failed(check, WARNING, f"denied: {', '.join(dict.fromkeys(listed))}", remedy)


def _name_denial(denial: Denial, vantage: Vantage) -> str:
    if denial.operation == "sts:AssumeRole":
        return f"{denial.operation} of {vantage.reader} to {vantage.own}"
    of_reader = denial.account_id == vantage.management_account_id
    return f"{denial.operation} to {vantage.reader if of_reader else vantage.own}"


def wants_stack_sets(desired: DesiredState) -> bool:
    """Tell whether the organization's StackSets matter to what is desired."""
    return desired.containment.roles is not ContainmentRoles.OFF


def wants_role_names(desired: DesiredState) -> bool:
    """Tell whether the names of the containment roles matter: only who makes the roles can clash with others."""
    return desired.containment.roles is ContainmentRoles.MANAGED
