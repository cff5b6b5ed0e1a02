"""Every port, answered from a ``World``, with the application's own errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.domain.membership import (
    ACTIVE,
    MAX_UNITS_PER_UPDATE,
    SERVICE_PRINCIPAL,
    Association,
    Membership,
    MembershipSummary,
)
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, OrganizationalUnit, OrganizationSummary
from muster.domain.preflight_checks import Contacts, ContactsParameter, Trail
from muster.domain.responders import MAX_TEAM, MIN_TEAM, IncidentResponseTeam
from muster.domain.responders import Contacts as StoredContacts
from muster.domain.team import TeamInMembership
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DeniedError,
    DesiredStateError,
    NotYetConsistentError,
    RefusedError,
    RegionNotEnabledError,
    StoppedError,
)
from muster.ports import AccountPage
from tests.fakes.world import HOME_REGION, SECURITY, SimulatedMembership, World

MIN_NAME, MAX_NAME = 3, 50


@dataclass(frozen=True, slots=True)
class FakeOrganizations:
    """Organizations as the application's account reads it."""

    world: World
    account_id: str = SECURITY

    def organization(self) -> OrganizationSummary:
        with self.world.call("organizations:DescribeOrganization", self.account_id):
            pass
        return OrganizationSummary(
            self.world.organization_id, self.world.management_account_id, self.world.has_all_features
        )

    def trusted_services(self) -> frozenset[str]:
        with self.world.call("organizations:ListAWSServiceAccessForOrganization", self.account_id):
            return frozenset(self.world.trusted)

    def delegated_administrators(self) -> frozenset[str]:
        with self.world.call("organizations:ListDelegatedAdministrators", self.account_id):
            return frozenset(self.world.delegated)

    def account(self, account_id: str) -> Account:
        operation = "organizations:DescribeAccount"
        with self.world.call(operation, self.account_id, account_id):
            self._check_administrator(operation)
            if account_id not in self.world.accounts:
                raise AbsentError(operation, self.account_id, f"no account {account_id}")
            return self.world.accounts[account_id]

    def root_id(self) -> str:
        with self.world.call("organizations:ListRoots", self.account_id):
            self._check_administrator("organizations:ListRoots")
            return self.world.root_id

    def child_units(self, parent_id: str) -> tuple[OrganizationalUnit, ...]:
        operation = "organizations:ListOrganizationalUnitsForParent"
        with self.world.call(operation, self.account_id, parent_id):
            self._check_administrator(operation)
            if parent_id != self.world.root_id and parent_id not in self.world.units:
                raise AbsentError(operation, self.account_id, f"no parent {parent_id}")
            return tuple(unit for unit in self.world.units.values() if unit.ancestors[-1] == parent_id)

    def unit(self, unit_id: str) -> OrganizationalUnit:
        operation = "organizations:DescribeOrganizationalUnit"
        with self.world.call(operation, self.account_id, unit_id):
            self._check_administrator(operation)
            if unit_id not in self.world.units:
                raise AbsentError(operation, self.account_id, f"no unit {unit_id}")
            return self.world.units[unit_id]

    def account_page(self, token: str | None) -> AccountPage:
        number = int(token or 0)
        with self.world.call("organizations:ListAccounts", self.account_id, number):
            self._check_administrator("organizations:ListAccounts")
            if number in self.world.empty_pages:
                self.world.empty_pages.remove(number)
                return AccountPage((), str(number))
            accounts = list(self.world.accounts.values())
            start = number * self.world.page_size
            end = start + self.world.page_size
            return AccountPage(tuple(accounts[start:end]), str(number + 1) if end < len(accounts) else None)

    def _check_administrator(self, operation: str) -> None:
        if self.account_id not in {self.world.management_account_id, *self.world.delegated}:
            raise DeniedError(operation, self.account_id, "neither management nor a delegated administrator")


@dataclass(frozen=True, slots=True)
class FakeManagement:
    """The management account, through its roles; ``told`` is the account that the application takes for it."""

    world: World
    told: str | None = None

    @property
    def account_id(self) -> str:
        return self.told or self.world.management_account_id

    def enter(self) -> None:
        with self.world.call("sts:AssumeRole", self.world.management_account_id):
            return

    def has_triage_role(self) -> bool:
        with self.world.call("iam:GetRole", self.world.management_account_id):
            return self.world.management_account_id in self.world.triage_roles

    def has_role(self, name: str) -> bool:
        with self.world.call("iam:GetRole", self.world.management_account_id, name):
            return name in self.world.management_roles

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        return _listed(self.world, self.world.management_account_id, region)

    def enable_trusted_access(self) -> None:
        with self.world.call("organizations:EnableAWSServiceAccess", self.world.management_account_id):
            self.world.trusted.add(SERVICE_PRINCIPAL)

    def create_triage_role(self) -> None:
        account_id, operation = self.world.management_account_id, "iam:CreateServiceLinkedRole"
        with self.world.call(operation, account_id):
            if account_id in self.world.triage_roles:
                raise AlreadyThereError(operation, account_id, "the role exists")
            self.world.triage_roles.add(account_id)

    def register_delegated_administrator(self, account_id: str) -> None:
        management, operation = self.world.management_account_id, "organizations:RegisterDelegatedAdministrator"
        with self.world.call(operation, management, account_id):
            if SERVICE_PRINCIPAL not in self.world.trusted:
                raise NotYetConsistentError(operation, management, "service access is not enabled")
            if self.world.delegated:
                raise AlreadyThereError(operation, management, "an account is registered")
            self.world.delegated.add(account_id)


@dataclass(frozen=True, slots=True)
class FakeReader:
    """Security Incident Response as the membership's account reads it."""

    world: World
    account_id: str = SECURITY
    region: str = HOME_REGION

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        return _listed(self.world, self.account_id, region)

    def membership(self, membership_id: str) -> Membership:
        operation = "security-ir:GetMembership"
        with self.world.call(operation, self.account_id):
            found = _membership(self, operation, membership_id)
            covered = sum(
                self.world.association(found.membership, account_id) is Association.ASSOCIATED
                for account_id in self.world.accounts
            )
            return replace(found.membership, accounts_covered=covered)

    def tags(self, membership_arn: str) -> Mapping[str, str]:
        operation = "security-ir:ListTagsForResource"
        with self.world.call(operation, self.account_id):
            return dict(_membership(self, operation, _id_in(membership_arn)).tags)

    def associations(self, membership_id: str, account_ids: Sequence[str]) -> Mapping[str, Observed[Association]]:
        operation = "security-ir:BatchGetMemberAccountDetails"
        answers: dict[str, Observed[Association]] = {}
        for start in range(0, len(account_ids), 100):
            batch = account_ids[start : start + 100]
            try:
                with self.world.call(operation, self.account_id, len(batch)):
                    found = _active(self, operation, membership_id).membership
                    for account_id in batch:
                        unreadable = account_id in self.world.unreadable_associations
                        answers[account_id] = (
                            Unknown("the service gave an error for this account")
                            if unreadable
                            else Known(self.world.association(found, account_id))
                        )
            except DeniedError as error:
                answers.update(dict.fromkeys(batch, Unknown(str(error))))
        return answers


@dataclass(frozen=True, slots=True)
class FakeWriter:
    """Security Incident Response as the membership's account writes it."""

    world: World
    account_id: str = SECURITY
    region: str = HOME_REGION

    def create_membership(
        self, *, name: str, team: IncidentResponseTeam, entire_organization: bool, triage: bool,
        tags: Mapping[str, str], client_token: str,
    ) -> str:  # fmt: skip
        operation = "security-ir:CreateMembership"
        with self.world.call(operation, self.account_id, client_token):
            if not MIN_NAME <= len(name) <= MAX_NAME:
                raise RefusedError(operation, self.account_id, "membershipName")
            _check_team(operation, self.account_id, team)
            for each in self.world.memberships:
                if each.client_token == client_token:
                    return each.membership.id
            if not self.world.may_sign_up(self.account_id):
                raise DeniedError(operation, self.account_id, "the account is not the delegated administrator")
            for each in self.world.memberships:
                if each.membership.status == ACTIVE:
                    raise AlreadyThereError(operation, self.account_id, "a membership is configured")
            return self.world.add_membership(
                f"m-created{len(self.world.memberships):06d}",
                account_id=self.account_id,
                region=self.region,
                name=name,
                triage_enabled=triage,
                entire_organization=entire_organization,
                tags=tags,
                client_token=client_token,
                activated_at=self.world.now,
                team=team,
            )

    def set_settings(self, membership_id: str, *, name: str | None, enable_triage: bool) -> None:
        operation = "security-ir:UpdateMembership"
        with self.world.call(operation, self.account_id, ("settings", name, enable_triage)):
            if name is not None and not MIN_NAME <= len(name) <= MAX_NAME:
                raise RefusedError(operation, self.account_id, "membershipName")
            values: dict[str, Any] = {} if name is None else {"name": name}
            self._update(membership_id, **values, **({"triage_enabled": True} if enable_triage else {}))

    def cover_entire_organization(self, membership_id: str) -> None:
        with self.world.call("security-ir:UpdateMembership", self.account_id, ("entire", True)):
            self._update(membership_id, covers_entire_organization=True)

    def add_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        operation = "security-ir:UpdateMembership"
        with self.world.call(operation, self.account_id, tuple(unit_ids)):
            if not 1 <= len(unit_ids) <= MAX_UNITS_PER_UPDATE or not set(unit_ids) <= set(self.world.units):
                raise RefusedError(operation, self.account_id, "organizationalUnitsToAdd")
            found = _active(self, operation, membership_id).membership
            if found.covers_entire_organization and not self.world.takes_units_beside_flag:
                raise RefusedError(operation, self.account_id, "the membership covers the entire organization")
            self._update(membership_id, unit_ids=found.unit_ids | set(unit_ids))

    def cover_only_units(self, membership_id: str) -> None:
        with self.world.call("security-ir:UpdateMembership", self.account_id, ("entire", False)):
            self._update(membership_id, covers_entire_organization=False)

    def remove_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        operation = "security-ir:UpdateMembership"
        with self.world.call(operation, self.account_id, ("remove", *unit_ids)):
            if not 1 <= len(unit_ids) <= MAX_UNITS_PER_UPDATE:
                raise RefusedError(operation, self.account_id, "organizationalUnitsToRemove")
            found = _active(self, operation, membership_id).membership
            if not set(unit_ids) <= found.unit_ids:
                raise RefusedError(operation, self.account_id, "organizationalUnitsToRemove")
            self._update(membership_id, unit_ids=found.unit_ids - set(unit_ids))

    def disable_triage(self, membership_id: str) -> None:
        with self.world.call("security-ir:UpdateMembership", self.account_id, ("triage", False)):
            self._update(membership_id, triage_enabled=False)

    def set_tags(self, membership_arn: str, tags: Mapping[str, str]) -> None:
        operation = "security-ir:TagResource"
        with self.world.call(operation, self.account_id, dict(tags)):
            _membership(self, operation, _id_in(membership_arn)).tags.update(tags)

    def _update(self, membership_id: str, **values: Any) -> None:
        found = _active(self, "security-ir:UpdateMembership", membership_id)
        found.membership = replace(found.membership, **values)


@dataclass(frozen=True, slots=True)
class FakeTeam:
    """The team of the membership."""

    world: World
    account_id: str = SECURITY
    region: str = HOME_REGION

    def team_in(self, membership_id: str) -> TeamInMembership:
        operation = "security-ir:GetMembership"
        with self.world.call(operation, self.account_id, "team"):
            found = _membership(self, operation, membership_id)
            return TeamInMembership(found.membership.status, found.team)

    def replace_team(self, membership_id: str, team: IncidentResponseTeam) -> None:
        operation = "security-ir:UpdateMembership"
        with self.world.call(operation, self.account_id, ("team", len(team))):
            found = _active(self, operation, membership_id)
            _check_team(operation, self.account_id, team)
            found.team = Known(team)


@dataclass(frozen=True, slots=True)
class FakeTriageRoles:
    """The triage role of each account, where a reader exists."""

    world: World

    def exists(self, account_id: str) -> Observed[bool]:
        try:
            with self.world.call("iam:GetRole", account_id):
                if account_id in self.world.unreadable_roles:
                    return Unknown("no reader is deployed there")
                return Known(account_id in self.world.triage_roles)
        except DeniedError as error:
            return Unknown(str(error))


@dataclass(frozen=True, slots=True)
class FakeTriageRoleWriter:
    """The triage role of each account, where a repairer exists."""

    world: World

    def create(self, account_id: str) -> None:
        operation = "iam:CreateServiceLinkedRole"
        with self.world.call(operation, account_id):
            if account_id in self.world.unreadable_roles:
                raise DeniedError(operation, account_id, "no repairer is deployed there")
            if account_id in self.world.triage_roles:
                raise AlreadyThereError(operation, account_id, "the role exists")
            self.world.triage_roles.add(account_id)


@dataclass(frozen=True, slots=True)
class FakeResponders:
    """The contacts parameter."""

    world: World

    def team(self) -> IncidentResponseTeam:
        with self.world.call("ssm:GetParameter", SECURITY):
            if isinstance(self.world.contacts, StoppedError):
                raise self.world.contacts
            return self.world.contacts

    def contacts(self) -> StoredContacts:
        team = self.team()
        if self.world.contacts_key is None:
            raise DesiredStateError("the contacts have no key")
        return StoredContacts(team, self.world.contacts_key)


@dataclass(frozen=True, slots=True)
class FakeChangeCalendars:
    """The change calendars of the world."""

    world: World

    def state(self, calendar: str) -> str:
        operation = "ssm:GetCalendarState"
        with self.world.call(operation, SECURITY, calendar):
            if calendar not in self.world.calendars:
                raise AbsentError(operation, SECURITY, f"no calendar {calendar}")
            return self.world.calendars[calendar]


@dataclass(frozen=True, slots=True)
class FakeContacts:
    """How the contacts are kept."""

    world: World

    def contacts(self) -> Contacts:
        with self.world.call("ssm:DescribeParameters", SECURITY):
            if isinstance(self.world.contacts, StoppedError):
                return None
            return ContactsParameter("/muster/contacts", self.world.contacts_kind, "Advanced")


@dataclass(frozen=True, slots=True)
class FakeTrails:
    """The management account's trails."""

    world: World

    def trails(self) -> tuple[Trail, ...]:
        with self.world.call("cloudtrail:DescribeTrails", self.world.management_account_id):
            return tuple(self.world.trails)


@dataclass(frozen=True, slots=True)
class FakeStackSetsAccess:
    """Whether StackSets may work in the organization."""

    world: World

    def organizations_access(self) -> bool:
        with self.world.call("cloudformation:DescribeOrganizationsAccess", self.world.management_account_id):
            return self.world.stack_sets_access


@dataclass(frozen=True, slots=True)
class FakeDocuments:
    """The bucket. What is stored is text, so that nothing but JSON survives."""

    world: World

    def read(self, key: str) -> Any | None:
        with self.world.call("s3:GetObject", SECURITY, key):
            text = self.world.documents.get(key)
            return None if text is None else json.loads(text)

    def write(self, key: str, document: Any) -> None:
        with self.world.call("s3:PutObject", SECURITY, key):
            self.world.documents[key] = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def read_text(self, key: str) -> str | None:
        with self.world.call("s3:GetObject", SECURITY, key):
            return self.world.documents.get(key)

    def write_text(self, key: str, text: str) -> None:
        with self.world.call("s3:PutObject", SECURITY, key):
            self.world.documents[key] = text


def _check_team(operation: str, account_id: str, team: IncidentResponseTeam) -> None:
    if not MIN_TEAM <= len(team) <= MAX_TEAM:
        raise RefusedError(operation, account_id, "incidentResponseTeam")
    if len({responder.key for responder in team}) < len(team):
        raise AlreadyThereError(operation, account_id, "a responder is listed twice")


def _listed(world: World, account_id: str, region: str) -> tuple[MembershipSummary, ...]:
    operation = "security-ir:ListMemberships"
    with world.call(operation, account_id, region):
        if (account_id, region) in world.disabled_regions:
            raise RegionNotEnabledError(operation, account_id, f"{region} is not enabled")
        if not world.is_let_in(account_id) and account_id != world.management_account_id:
            raise DeniedError(operation, account_id, "the account is not the delegated administrator")
        return tuple(
            each.summary
            for each in world.memberships
            if each.membership.region == region and world.is_concerned(account_id, each.membership)
        )


def _membership(asking: FakeReader | FakeWriter | FakeTeam, operation: str, membership_id: str) -> SimulatedMembership:
    world, account_id = asking.world, asking.account_id
    found = world.membership(membership_id)
    if not (world.is_concerned(account_id, found.membership) if found else world.is_let_in(account_id)):
        raise DeniedError(operation, account_id, "the account is not the delegated administrator")
    if found is None or found.membership.region != asking.region:
        raise AbsentError(operation, account_id, f"no membership {membership_id}")
    return found


def _active(asking: FakeReader | FakeWriter | FakeTeam, operation: str, membership_id: str) -> SimulatedMembership:
    found = _membership(asking, operation, membership_id)
    if found.membership.status != ACTIVE:
        raise NotYetConsistentError(operation, asking.account_id, "the membership is not active")
    return found


def _id_in(membership_arn: str) -> str:
    return membership_arn.rpartition("/")[2]
