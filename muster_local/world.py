"""Make a world: correct moto once per process, then build an organization inside it as often as wanted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import moto.organizations.utils
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.iam.models import iam_backends
from moto.organizations.models import (
    FakeAccount,
    FakeOrganizationalUnit,
    FakePolicy,
    OrganizationsBackend,
    organizations_backends,
)

from muster_local import (
    account_keys,
    aws_policies,
    change_calendar,
    changed_things,
    event_buses,
    event_history,
    object_store,
    organization_trail,
    organizations,
    parameter_store,
    queue_consumers,
    schedules,
    security_ir,
    service_linked_roles,
    stack_sets,
    triage_role_reads,
)
from muster_local.clock import Clock
from muster_local.organization_file import AccountEntry, OrganizationFile, UnitEntry
from muster_local.organization_tree import PARTITION, OrganizationTree
from muster_local.simulation import Delays, NoWorldError, World, current, make_current
from muster_local.switches import Switches
from muster_local.task_tokens import TaskTokens
from muster_local.throttles import Throttles

__all__ = ["Delays", "NoWorldError", "World", "current", "install", "load"]

_MANAGEMENT_ROLE = "OrganizationAccountAccessRole"


@cache
def install() -> None:
    """Register `security-ir` with moto and apply every correction. A second call changes nothing."""
    security_ir.register()
    organizations.correct()
    service_linked_roles.name_the_service()
    service_linked_roles.refuse_an_existing_role_as_iam_does()
    aws_policies.know_the_policies_of_aws()
    aws_policies.attach_a_policy_once()
    aws_policies.encode_documents_of_policy_versions()
    parameter_store.limit_parameter_sizes()
    account_keys.let_an_account_id_be_an_access_key()
    triage_role_reads.settle_before_iam_answers()
    stack_sets.correct()
    object_store.write_objects_one_after_the_other()
    object_store.date_objects_by_the_worlds_clock()
    change_calendar.tell_the_state_of_calendars()
    event_history.look_events_up()
    event_buses.correct()
    queue_consumers.read_queues_by_the_worlds_clock()
    schedules.date_schedules_by_the_worlds_clock()
    changed_things.tell_of_objects()
    changed_things.tell_of_parameters()


def load(organization: OrganizationFile, *, clock: Clock | None = None) -> World:
    """Empty every moto backend, build the organization inside, and make it the present world."""
    install()
    BackendDict.reset()
    reset_model_data()
    organizations_backends.master_accounts.clear()
    clock = clock or Clock()
    world = World(
        clock=clock,
        switches=Switches(),
        organization=organization,
        tree=OrganizationTree(
            clock=clock,
            organization_id=organization.id,
            management_account_id=organization.management_account.id,
            root_id=organization.root.id,
        ),
        throttles=Throttles(clock),
        task_tokens=TaskTokens(clock),
    )
    make_current(world)
    _Builder(world).build()
    organization_trail.lay(organization.management_account.id)
    return world


class _Builder:
    """Builds an organization out of moto's own objects, with the ids of the file."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.file = world.organization
        self.backend: OrganizationsBackend = world.tree.backend
        self.policies: dict[tuple[str, str], FakePolicy] = {}
        self.defaults: list[FakePolicy] = []

    def build(self) -> None:
        management, root = self.file.management_account, self.file.root
        with _next_account_id(management.id):
            self.backend.create_organization(region="us-east-1", FeatureSet="ALL")
        iam_backends[management.id][PARTITION].delete_role(_MANAGEMENT_ROLE)
        self.backend.org.id = self.file.id
        self.backend.org.root_id = root.id
        self.backend.org.master_account_email = _email(management.id)
        self.defaults = list(self.backend.policies)
        (moto_root,) = self.backend.ou
        moto_root.id, moto_root.organization_id = root.id, self.file.id
        (account,) = self.backend.accounts
        self._place(account, management, root.id)
        account.joined_method = "INVITED"
        self._fill(root, moto_root)
        if self.policies:
            self.backend.enable_policy_type(RootId=root.id, PolicyType="SERVICE_CONTROL_POLICY")

    def _fill(self, entry: UnitEntry, unit: FakeOrganizationalUnit) -> None:
        for policy in entry.policies:
            self._attach(self._policy(policy.name, json.dumps(policy.content), policy.description), unit)
        for account in entry.accounts:
            self._add_account(account, entry.id)
        for below in entry.units:
            made = FakeOrganizationalUnit(self.backend.org, Name=below.name, ParentId=entry.id)
            made.id = below.id
            self.backend.ou.append(made)
            self._attach_defaults(made)
            self._fill(below, made)

    def _add_account(self, entry: AccountEntry, parent_id: str) -> None:
        with _next_account_id(entry.id):
            account = FakeAccount(self.backend.org, AccountName=entry.name, Email=_email(entry.id))
        self.backend.accounts.append(account)
        self._attach_defaults(account)
        organizations_backends.master_accounts[entry.id] = (self.file.management_account.id, PARTITION)
        self._place(account, entry, parent_id)

    def _place(self, account: FakeAccount, entry: AccountEntry, parent_id: str) -> None:
        account.organization_id = self.file.id
        account.name, account.email, account.parent_id = entry.name, _email(entry.id), parent_id
        account.create_time = entry.joined.replace(tzinfo=None)
        self.world.tree.record(entry.id, parent_id, entry.state, entry.joined)

    def _policy(self, name: str, content: str, description: str) -> FakePolicy:
        known = self.policies.get((name, content))
        if known is None:
            known = FakePolicy(
                self.backend.org,
                Name=name,
                Content=content,
                Description=description,
                Type="SERVICE_CONTROL_POLICY",
            )
            self.backend.policies.append(known)
            self.policies[name, content] = known
        return known

    def _attach_defaults(self, target: FakeAccount | FakeOrganizationalUnit) -> None:
        for policy in self.defaults:
            self._attach(policy, target)

    @staticmethod
    def _attach(policy: FakePolicy, target: FakeAccount | FakeOrganizationalUnit) -> None:
        """Attach directly: moto's AttachPolicy searches every account for each attachment."""
        target.attached_policies.append(policy)
        policy.attachments.append(target)


@contextmanager
def _next_account_id(account_id: str) -> Iterator[None]:
    """Let moto make the next account under this id, with its access role in the right place."""
    by_chance = moto.organizations.utils.make_random_account_id
    moto.organizations.utils.make_random_account_id = lambda: account_id
    try:
        yield
    finally:
        moto.organizations.utils.make_random_account_id = by_chance


def _email(account_id: str) -> str:
    return f"aws-{account_id}@example.com"
