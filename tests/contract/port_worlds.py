"""The two worlds behind the ports: the fakes, and the real adapters on the embedded cloud with the application's roles.

Both hold the example organization, so that one assertion fits both. A fresh one has seen nothing of the service.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3

from muster import errors, wiring
from muster.adapters.membership import TeamOfMembership
from muster.adapters.organizations import AccountFromEither
from muster.adapters.pacing import Pacer
from muster.domain.containment_roles import CONTAINMENT_ROLE, RoleDocument
from muster.domain.organization import AccountState
from muster.domain.responders import IncidentResponder
from muster.messages.steps import DesiredReference, WritingRequest
from muster.settings import (
    AssessSettings,
    ContactSetupSettings,
    ContainmentSettings,
    MemberRepairSettings,
    PlanSettings,
    PreflightSettings,
    ScopingSettings,
    Settings,
    SignUpSettings,
)
from muster_local import organization_file
from muster_local.server import EmbeddedCloud
from tests.fakes import ports as fakes
from tests.fakes.stack_sets import FakeStackSets
from tests.fakes.world import World
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, Operator

EXAMPLE = Path("muster_local/organizations/example.yaml")
TEAM = tuple(IncidentResponder(f"Person {each}", "Analyst", f"person{each}@example.com") for each in range(2))
ACTIONS_IN_MANAGEMENT = (
    "sts:AssumeRole", "organizations:DescribeAccount", "cloudtrail:DescribeTrails",
    "cloudformation:DescribeOrganizationsAccess",
    "iam:GetRole", "security-ir:ListMemberships", "organizations:EnableAWSServiceAccess",
    "iam:CreateServiceLinkedRole", "organizations:RegisterDelegatedAdministrator",
)  # fmt: skip
CONTACTS = [{"name": each.name, "job_title": each.job_title, "email": each.email} for each in TEAM]
KEY = "ab" * 32
CONTACTS_WITH_KEY = {"contacts": CONTACTS, "key": KEY}


type Side = FakeSide | EmbeddedSide


class FakeSide:
    """The in-memory ports, and what a test may do to the world behind them."""

    def __init__(self) -> None:
        file = organization_file.load(EXAMPLE)
        self.world = World(organization_id=file.id, root_id=file.root.id)
        self._names: dict[tuple[str, ...], str] = {}
        self._fill(file.root, ())
        self.world.add_account(MANAGEMENT, file.root.id, name=file.management_account.name, triage_role=False)
        self.world.contacts = errors.NotConfiguredError("there are no contacts: run `muster push FILE`")
        self.world.unreadable_roles = set(self.world.accounts) - {MANAGEMENT, DESIGNATED}
        self.delegations = self.units = self.accounts = fakes.FakeOrganizations(self.world)
        self.management = self.survey = fakes.FakeManagement(self.world)
        self.designated = AccountFromEither(self.units, fakes.FakeOrganizations(self.world, MANAGEMENT))
        self.trails = fakes.FakeTrails(self.world)
        self.stack_sets_access = fakes.FakeStackSetsAccess(self.world)
        self.kept_contacts = fakes.FakeContacts(self.world)
        self.reader = self.associations = fakes.FakeReader(self.world)
        self.writer = self.units_writer = self.narrowing = self.triage_switch = fakes.FakeWriter(self.world)
        self.team = fakes.FakeTeam(self.world)
        self.member_roles = fakes.FakeTriageRoleWriter(self.world)
        self.triage_roles = fakes.FakeTriageRoles(self.world)
        self.responders = self.responders_with_key = fakes.FakeResponders(self.world)
        self.calendars = fakes.FakeChangeCalendars(self.world)
        self.documents = fakes.FakeDocuments(self.world)
        self.stack_sets = self.stack_sets_writer = self.containment_roles = FakeStackSets(
            self.world, access=False, unreadable=set(self.world.accounts) - {MANAGEMENT}
        )

    def _fill(self, unit: organization_file.UnitEntry, names: tuple[str, ...]) -> None:
        for account in unit.accounts:
            self.world.add_account(
                account.id, unit.id, name=account.name, state=AccountState(account.state), joined_at=account.joined
            )
        for below in unit.units:
            path = (*names, below.name)
            self._names[path] = self.world.add_unit(below.id, below.name, unit.id)
            self._fill(below, path)

    def unit_id(self, *names: str) -> str:
        return self._names[names]

    def fail(self, operation: str, kind: str) -> None:
        """Let every call of an operation fail in one of the ways of ``EmbeddedSide.fail``, until it recovers."""
        makers: dict[str, Callable[[str, str], Exception]] = {
            "denied": lambda op, account: errors.DeniedError(op, account, "no"),
            "no organization": lambda op, account: errors.AbsentError(op, account, "no organization"),
            "not active": lambda op, account: errors.NotYetConsistentError(op, account, "not active"),
            "throttled": lambda op, _: errors.ThrottledError(op),
            "unavailable": lambda op, _: errors.UnavailableError(op),
            "lost": lambda op, _: errors.UnavailableError(op),
            "answer lost": lambda op, _: errors.UnavailableError(op),
        }
        self.world.fail(operation, makers[kind], after=kind == "answer lost")

    def recover(self) -> None:
        self.world.faults.clear()

    def settle(self) -> None:
        """Nothing takes time here but the operations of StackSets."""
        self.stack_sets.finish()

    def alter_trust(self, account_id: str) -> None:
        """Let the external id not be asked for any more."""

        def alter(roles: dict[str, RoleDocument]) -> None:
            role = roles[CONTAINMENT_ROLE]
            roles[CONTAINMENT_ROLE] = replace(role, trust=without_external_id(role.trust))

        self.stack_sets.altered[account_id] = alter

    def disable_region(self, account_id: str, region: str) -> None:
        self.world.disabled_regions.add((account_id, region))

    def store_contacts(self, document: object) -> None:
        is_usable = document in (CONTACTS, CONTACTS_WITH_KEY)
        self.world.contacts = TEAM if is_usable else errors.DesiredStateError("contacts[0].email: wrong")
        self.world.contacts_key = bytes.fromhex(KEY) if document == CONTACTS_WITH_KEY else None

    def set_calendar(self, name: str, state: str) -> None:
        self.world.calendars[name] = state

    def lose_half(self, account_ids: Sequence[str], how: str) -> None:  # noqa: ARG002 - either is Unknown here
        """Let the associations of about half of the accounts be "errors" or "missing"."""
        self.world.unreadable_associations |= set(account_ids[::2])

    def empty_first_page(self) -> None:
        self.world.empty_pages.add(0)

    def lose_triage_role(self) -> None:
        """Let no member have the triage role."""
        self.world.triage_roles &= {MANAGEMENT}

    def close_management_account(self) -> None:
        """Let no role of the management account be assumed."""
        for action in ACTIONS_IN_MANAGEMENT:
            self.world.fail(action, lambda op, account: errors.DeniedError(op, account, "no"), account=MANAGEMENT)

    def close_to_strangers(self) -> None:
        """They are shut out here at all times."""

    def add_units_below(self, parent_id: str, names: Sequence[str]) -> None:
        for name in names:
            self.world.add_unit(f"ou-more-{len(self.world.units):08d}", name, parent_id)

    def deploy_reader(self, account_id: str) -> None:
        """Deploy the reader and the repairer in a member account."""
        self.world.unreadable_roles.discard(account_id)
        self.stack_sets.unreadable.discard(account_id)

    def create_elsewhere(self, region: str) -> str:
        """Create a membership in another Region, past the application."""
        return self.world.add_membership("m-elsewhere00", region=region)

    def cancel(self, membership_id: str) -> None:
        """Cancel the membership, past the application."""
        found = self.world.membership(membership_id)
        assert found is not None
        found.membership = replace(found.membership, status="Cancelled")

    def stored(self, key: str) -> str:
        """Return what lies in the bucket."""
        return self.world.documents[key]


class EmbeddedSide:
    """The adapters as the functions wire them, from their deployed environment, each with its function's role."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self._is_denied = False
        sign_up = self._wire_writer("sign-up", SignUpSettings, wiring.build_sign_up)
        preflight = self._wire("preflight", PreflightSettings, wiring.build_preflight)
        self.survey, self.designated, self.trails = preflight.management, preflight.accounts, preflight.trails
        self.stack_sets_access, self.kept_contacts = preflight.stack_sets, preflight.contacts
        scoping = self._wire_writer("scoping", ScopingSettings, wiring.build_scoping)
        contact_setup = self._wire_writer("contact-setup", ContactSetupSettings, wiring.build_contact_setup)
        assess = self._wire("assess", AssessSettings, wiring.build_assess)
        self.delegations, self.units, self.accounts = sign_up.organizations, scoping.organizations, assess.organizations
        self.management = sign_up.management
        self.reader, self.writer = sign_up.reader, sign_up.writer
        self.units_writer, self.associations = scoping.writer, assess.reader
        self.narrowing, self.triage_switch = scoping.narrowing, sign_up.narrowing
        assert isinstance(contact_setup.reader, TeamOfMembership)
        self.team = contact_setup.reader
        self.member_roles = self._wire_writer("member-repair", MemberRepairSettings, wiring.build_member_repair).roles
        self.triage_roles = assess.triage_roles
        self.responders, self.responders_with_key = sign_up.responders, contact_setup.responders
        self.calendars = self._wire("plan", PlanSettings, wiring.build_planning).calendars
        self.documents = assess.documents
        containment = self._wire_writer(
            "containment", ContainmentSettings, partial(wiring.build_containment, ec2_triage=False)
        )  # fmt: skip
        self.stack_sets, self.stack_sets_writer = containment.reader, containment.writer
        self.containment_roles = containment.roles.reader
        for adapter in (self.units, self.accounts, self.associations):
            for pacer in vars(adapter).values():
                if isinstance(pacer, Pacer):
                    pacer.sleep = cloud.world.clock.sleep

    def _wire[S: Settings, Step](self, function: str, settings: type[S], build: Callable[[S], Step]) -> Step:
        environment, session = _deployed(self.cloud, function)
        # Each function has a process of its own, and keeps its clients in it.
        wiring._client.cache_clear()
        with patch.dict(os.environ, environment), patch.object(wiring, "_session", lambda _: session):
            return build(settings.from_environment())

    def _wire_writer[S: Settings, Step](
        self, function: str, settings: type[S], build: Callable[[S, WritingRequest], Step]
    ) -> Step:
        """Wire a step that can write, outside of any run, so that no lease has to be held."""
        request = WritingRequest(run="run-1", desired=DesiredReference(key="desired-state.json", version="1"))
        return self._wire(function, settings, lambda found: build(found, request))

    def unit_id(self, *names: str) -> str:
        organization = self.cloud.world.organization
        unit = organization.root
        for name in names:
            (unit,) = (below for below in unit.units if below.name == name)
        return str(unit.id)

    def fail(self, operation: str, kind: str) -> None:
        """Let every call of an operation fail, until it recovers: denied by IAM, or by a fault of the cloud."""
        if kind == "denied":
            self._deny(operation)
            return
        service, _, name = operation.partition(":")
        throttled = {"organizations": "TooManyRequestsException", "s3": "SlowDown", "iam": "Throttling"}
        broken = {"iam": "ServiceFailure", "s3": "InternalError", "organizations": "ServiceException"}
        codes = {
            "no organization": "AWSOrganizationsNotInUseException",
            "not active": "SecurityIncidentResponseNotActiveException",
            "throttled": throttled.get(service, "ThrottlingException"),
            "unavailable": broken.get(service, "InternalServerException"),
            "lost": "Timeout",
        }
        effect: dict[str, Any] = {"drop_response": True} if kind == "answer lost" else {"error": codes[kind]}
        self.cloud.set_faults([{"service": service, "operation": name, **effect, "rate": 1}])

    def _deny(self, action: str) -> None:
        """Deny an action to every role of the application, as a boundary or an SCP would."""
        statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        for account, role in self._roles():
            self.cloud.client("iam", account).put_role_policy(
                RoleName=role, PolicyName="denied", PolicyDocument=document
            )
        self._is_denied = True

    def _roles(self) -> list[tuple[str, str]]:
        return [
            (account, role["RoleName"])
            for account in (MANAGEMENT, DESIGNATED)
            for role in self.cloud.client("iam", account).list_roles()["Roles"]
            if role["RoleName"].startswith("muster-")
        ]

    def recover(self) -> None:
        self.cloud.set_faults([])
        if self._is_denied:
            for account, role in self._roles():
                self.cloud.client("iam", account).delete_role_policy(RoleName=role, PolicyName="denied")
            self._is_denied = False

    def settle(self) -> None:
        self.cloud.world.clock.advance(600)

    def alter_trust(self, account_id: str) -> None:
        iam: Any = self.cloud.client("iam", account_id)
        trust = iam.get_role(RoleName=CONTAINMENT_ROLE)["Role"]["AssumeRolePolicyDocument"]
        iam.update_assume_role_policy(
            RoleName=CONTAINMENT_ROLE, PolicyDocument=json.dumps(without_external_id(trust))
        )  # fmt: skip

    def disable_region(self, account_id: str, region: str) -> None:
        self.cloud.world.disable_region(account_id, region)

    def store_contacts(self, document: object) -> None:
        ssm: Any = self.cloud.client("ssm")
        ssm.put_parameter(Name="/muster/contacts", Value=json.dumps(document), Type="SecureString", Overwrite=True)

    def set_calendar(self, name: str, state: str) -> None:
        self.cloud.world.calendars[name] = state

    def lose_half(self, account_ids: Sequence[str], how: str) -> None:  # noqa: ARG002 - the service chooses which
        operation, partial = "BatchGetMemberAccountDetails", "missing" if how == "missing" else True
        self.cloud.set_faults([{"service": "security-ir", "operation": operation, "partial": partial, "rate": 1}])

    def empty_first_page(self) -> None:
        operation = "ListAccounts"
        self.cloud.set_faults([{"service": "organizations", "operation": operation, "empty_page": True, "times": 1}])

    def lose_triage_role(self) -> None:
        self.cloud.world.switches.set("triage_role_creator", "nobody")

    def close_management_account(self) -> None:
        self._deny("sts:AssumeRole")

    def close_to_strangers(self) -> None:
        self.cloud.world.switches.set("foreign_list_memberships", "AccessDeniedException")

    def add_units_below(self, parent_id: str, names: Sequence[str]) -> None:
        organizations = self.cloud.client("organizations", MANAGEMENT)
        for name in names:
            organizations.create_organizational_unit(ParentId=parent_id, Name=name)

    def deploy_reader(self, account_id: str) -> None:
        deploy_readers(Operator(self.cloud), account_id, access="repair")

    def create_elsewhere(self, region: str) -> str:
        team = [{"name": each.name, "jobTitle": each.job_title, "email": each.email} for each in TEAM]
        service = self.cloud.client("security-ir", DESIGNATED, region)
        created = service.create_membership(membershipName="elsewhere", incidentResponseTeam=team)
        return str(created["membershipId"])

    def cancel(self, membership_id: str) -> None:
        self.cloud.client("security-ir").cancel_membership(membershipId=membership_id)

    def stored(self, key: str) -> str:
        found = self.cloud.client("s3").get_object(Bucket=f"muster-{DESIGNATED}-{HOME}", Key=key)
        return str(found["Body"].read().decode())


def without_external_id(trust: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trust policy that lets everybody's service in."""
    statements = [{key: each for key, each in one.items() if key != "Condition"} for one in trust["Statement"]]
    return {**trust, "Statement": statements}


@cache
def _deployed(cloud: EmbeddedCloud, function: str) -> tuple[dict[str, str], boto3.Session]:
    """Return a function's environment and a session of its role, which outlives resets."""
    found = cloud.client("lambda").get_function_configuration(FunctionName=f"muster-{function}")
    assumed = cloud.session_of(found["Role"])
    session = boto3.Session(
        aws_access_key_id=assumed["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=assumed["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=assumed["AWS_SESSION_TOKEN"],
        region_name=HOME,
    )
    # Lambda keeps texts alone; moto keeps a number of the template as it is.
    return {name: str(value) for name, value in found["Environment"]["Variables"].items()}, session
