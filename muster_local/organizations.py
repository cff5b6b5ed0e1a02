"""Organizations: where moto departs from AWS in what the application can notice, each departure a named correction.

Sources: Organizations API reference, its quotas and throttling page, and the account state page.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import TYPE_RESPONSE, ActionResult
from moto.core.utils import unix_time
from moto.organizations.exceptions import (
    AccountAlreadyClosedException,
    AccountAlreadyRegisteredException,
    AWSOrganizationsNotInUseException,
    DuplicateOrganizationalUnitException,
)
from moto.organizations.models import (
    FakeAccount,
    FakeDelegatedAdministrator,
    FakeOrganizationalUnit,
    FakeServiceAccess,
    OrganizationsBackend,
    organizations_backends,
)
from moto.organizations.responses import OrganizationsResponse

from muster_local.coverage import SERVICE_PRINCIPAL, settle
from muster_local.organization_file import MAX_DEPTH
from muster_local.organizations_requests import OrganizationsError, check_input, constraint, page, paged, throttle
from muster_local.simulation import World, current

_READS = ("List", "Describe")
_NEVER_PAGED_BY_MOTO: Mapping[str, str] = {
    "ListChildren": "Children",
    "ListParents": "Parents",
    "ListRoots": "Roots",
    "ListTargetsForPolicy": "Targets",
    "ListDelegatedAdministrators": "DelegatedAdministrators",
    "ListDelegatedServicesForAccount": "DelegatedServices",
    "ListAWSServiceAccessForOrganization": "EnabledServicePrincipals",
}
_STATUS_OF_STATE: Mapping[str, str] = {
    "PENDING_ACTIVATION": "ACTIVE",
    "ACTIVE": "ACTIVE",
    "SUSPENDED": "SUSPENDED",
    "PENDING_CLOSURE": "PENDING_CLOSURE",
    "CLOSED": "SUSPENDED",
}
unpatched: Mapping[str, Any] = {
    "call_action": OrganizationsResponse.call_action,
    "organizations_backend": OrganizationsResponse.organizations_backend,
    "list_accounts": OrganizationsResponse.list_accounts,
    "list_organizational_units_for_parent": OrganizationsResponse.list_organizational_units_for_parent,
    "describe_account": FakeAccount.describe,
    "describe_unit": FakeOrganizationalUnit.describe,
    "create_organizational_unit": OrganizationsBackend.create_organizational_unit,
    "delete_organizational_unit": OrganizationsBackend.delete_organizational_unit,
    "create_account": OrganizationsBackend.create_account,
    "close_account": OrganizationsBackend.close_account,
    "move_account": OrganizationsBackend.move_account,
    "remove_account_from_organization": OrganizationsBackend.remove_account_from_organization,
    "register_delegated_administrator": OrganizationsBackend.register_delegated_administrator,
    "deregister_delegated_administrator": OrganizationsBackend.deregister_delegated_administrator,
    "describe_administrator": FakeDelegatedAdministrator.describe,
    "enable_aws_service_access": OrganizationsBackend.enable_aws_service_access,
    "disable_aws_service_access": OrganizationsBackend.disable_aws_service_access,
    "trusted_services": tuple(FakeServiceAccess.TRUSTED_SERVICES),
    "delegable_services": tuple(FakeDelegatedAdministrator.SUPPORTED_SERVICES),
}
"""What moto does on its own, kept so that the corrections can build on it and the tests can look at it."""


def correct() -> None:
    """Apply every correction once."""
    know_security_ir()
    let_administrators_read()
    check_and_throttle_every_call()
    page_accounts_by_twenty()
    show_paths_and_states()
    keep_the_tree_sound()
    close_accounts_in_steps()
    check_the_source_of_a_move()
    guard_delegated_administrators()
    follow_service_access()


def know_security_ir() -> None:
    """Accept the principal of Security Incident Response for trusted access and delegated administration."""
    for services in (FakeServiceAccess.TRUSTED_SERVICES, FakeDelegatedAdministrator.SUPPORTED_SERVICES):
        if SERVICE_PRINCIPAL not in services:
            services.append(SERVICE_PRINCIPAL)


def let_administrators_read() -> None:
    """Let any delegated administrator read, let every member describe its organization, and refuse members the rest."""

    def organizations_backend(response: OrganizationsResponse) -> OrganizationsBackend:
        account = response.current_account
        membership = organizations_backends.master_accounts.get(account)
        if membership is None or membership[0] == account:
            return organizations_backends[account][response.partition]
        management, partition = membership
        backend = organizations_backends[management][partition]
        action = response._get_action()
        reads = action.startswith(_READS)
        is_administrator = any(entry.account.id == account for entry in backend.admins)
        if action == "DescribeOrganization" or (reads and is_administrator):
            return backend
        raise OrganizationsError("AccessDeniedException", "You don't have permissions to access this resource.")

    OrganizationsResponse.organizations_backend = property(organizations_backend)


def check_and_throttle_every_call() -> None:
    """Check each request against the model, count it against the published rate, and page by twenty."""

    def call_action(response: OrganizationsResponse) -> TYPE_RESPONSE:
        action = response._get_action()
        try:
            throttle(response.current_account, action)
            check_input(action, response.request_params)
            if not action.startswith(_READS):
                _settle_before_a_change()
            status, headers, body = unpatched["call_action"](response)
            if action in _NEVER_PAGED_BY_MOTO and int(status) < 300:  # noqa: PLR2004 - HTTP: below 300 is success
                body = paged(body, _NEVER_PAGED_BY_MOTO[action], response.request_params)
        except ServiceException as error:
            status, headers, body = response.serialized(ActionResult(error))
            headers["status"] = str(status)
        return status, headers, body

    OrganizationsResponse.call_action = call_action


def page_accounts_by_twenty() -> None:
    """ListAccounts: 20 at most, and a token that stays good when many accounts joined in the same second."""

    def list_accounts(response: OrganizationsResponse) -> str:
        backend = response.organizations_backend
        if backend.org is None:
            raise AWSOrganizationsNotInUseException
        accounts, token = page(backend.accounts, response.request_params)
        return json.dumps({"Accounts": [account.describe() for account in accounts], "NextToken": token})

    OrganizationsResponse.list_accounts = list_accounts


def show_paths_and_states() -> None:
    """Accounts carry Paths and State as of the world's clock; units carry Path."""

    def describe_account(account: FakeAccount) -> dict[str, Any]:
        description: dict[str, Any] = unpatched["describe_account"](account)
        world = current()
        position = world.tree.position(account.id)
        if position is None:
            return description
        description["State"] = position.state
        description["Status"] = _STATUS_OF_STATE[position.state]
        if world.switches.get("account_status") == "retired":
            del description["Status"]
        description["Paths"] = [world.tree.account_path(account.id)]
        return description

    def describe_unit(unit: FakeOrganizationalUnit) -> dict[str, Any]:
        description: dict[str, Any] = unpatched["describe_unit"](unit)
        description["OrganizationalUnit"]["Path"] = current().tree.unit_path(unit.id)
        return description

    def list_organizational_units_for_parent(response: OrganizationsResponse) -> str:
        found = json.loads(unpatched["list_organizational_units_for_parent"](response))
        for unit in found["OrganizationalUnits"]:
            unit["Path"] = current().tree.unit_path(unit["Id"])
        return json.dumps(found)

    def describe_administrator(administrator: FakeDelegatedAdministrator) -> dict[str, Any]:
        description: dict[str, Any] = unpatched["describe_administrator"](administrator)
        description.pop("Paths", None)
        return description

    FakeAccount.describe = describe_account
    FakeOrganizationalUnit.describe = describe_unit
    OrganizationsResponse.list_organizational_units_for_parent = list_organizational_units_for_parent
    FakeDelegatedAdministrator.describe = describe_administrator


def keep_the_tree_sound() -> None:
    """Names are unique below one parent, units nest five deep, only empty units go, and joins and leaves are dated."""

    def create_organizational_unit(backend: OrganizationsBackend, **request: Any) -> dict[str, Any]:
        parent, name = backend.validate_parent_id(request["ParentId"]), request["Name"]
        if any(unit.parent_id == parent and unit.name == name for unit in _units(backend)):
            raise DuplicateOrganizationalUnitException
        if len(current().tree.path_to(parent)) > MAX_DEPTH:
            raise constraint("OU_DEPTH_LIMIT_EXCEEDED", f"Units nest at most {MAX_DEPTH} deep.")
        created: dict[str, Any] = unpatched["create_organizational_unit"](backend, **request)
        return created

    def delete_organizational_unit(backend: OrganizationsBackend, **request: Any) -> None:
        unit = backend.get_organizational_unit_by_id(request["OrganizationalUnitId"])
        children = [*backend.accounts, *_units(backend)]
        if any(child.parent_id == unit.id for child in children):
            raise OrganizationsError("OrganizationalUnitNotEmptyException", "Move or delete what is in the unit first.")
        unpatched["delete_organizational_unit"](backend, **request)

    def create_account(backend: OrganizationsBackend, **request: Any) -> dict[str, Any]:
        created: dict[str, Any] = unpatched["create_account"](backend, **request)
        tree = current().tree
        account = backend.accounts[-1]
        now = tree.clock.now()
        account.create_time = _naive(now)
        tree.record(account.id, account.parent_id, "ACTIVE", now)
        return created

    def remove_account_from_organization(backend: OrganizationsBackend, **request: Any) -> None:
        account_id, tree = request["AccountId"], current().tree
        if account_id == tree.management_account_id:
            raise OrganizationsError("MasterCannotLeaveOrganizationException", "The management account stays.")
        if tree.is_any_administrator(account_id):
            raise constraint(
                "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", "Deregister the delegated administrator first."
            )
        unpatched["remove_account_from_organization"](backend, **request)
        tree.leave(account_id)

    OrganizationsBackend.create_organizational_unit = create_organizational_unit
    OrganizationsBackend.delete_organizational_unit = delete_organizational_unit
    OrganizationsBackend.create_account = create_account
    OrganizationsBackend.remove_account_from_organization = remove_account_from_organization


def close_accounts_in_steps() -> None:
    """Let a closed account be PENDING_CLOSURE for a while, then CLOSED; moto says SUSPENDED at once."""

    def close_account(backend: OrganizationsBackend, **request: Any) -> None:
        account, tree = backend.get_account_by_id(request["AccountId"]), current().tree
        if account.id == tree.management_account_id:
            raise constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "The management account cannot be closed.")
        position = tree.position(account.id)
        if position is None or position.state in {"CLOSED", "SUSPENDED"}:
            raise AccountAlreadyClosedException
        if position.state == "PENDING_CLOSURE":
            raise OrganizationsError("ConflictException", "The account is being closed.")
        tree.close(account.id)

    OrganizationsBackend.close_account = close_account


def check_the_source_of_a_move() -> None:
    """MoveAccount needs the true source parent, another destination, and says which of them is wrong."""

    def move_account(backend: OrganizationsBackend, **request: Any) -> None:
        account = backend.get_account_by_id(request["AccountId"])
        source, destination = request["SourceParentId"], request["DestinationParentId"]
        if account.parent_id != source:
            raise OrganizationsError("SourceParentNotFoundException", "The account is not below that source parent.")
        if not any(unit.id == destination for unit in _units(backend)):
            raise OrganizationsError("DestinationParentNotFoundException", "The destination parent does not exist.")
        if source == destination:
            raise OrganizationsError("DuplicateAccountException", "The account is already below that parent.")
        account.parent_id = destination
        current().tree.move(account.id, destination)

    OrganizationsBackend.move_account = move_account


def guard_delegated_administrators() -> None:
    """Register and deregister as AWS does for a service with one administrator, which moto does not know."""

    def register_delegated_administrator(backend: OrganizationsBackend, **request: str) -> None:
        world = current()
        account_id, principal = request["AccountId"], request["ServicePrincipal"]
        if principal == SERVICE_PRINCIPAL:
            _check_registration(world, account_id)
        now = world.clock.now()
        unpatched["register_delegated_administrator"](backend, **request)
        world.tree.administrators_since[account_id, principal] = now
        entry = next(one for one in backend.admins if one.account.id == account_id)
        entry.services[principal]["DelegationEnabledDate"] = unix_time(_naive(now))
        if len(entry.services) == 1:
            entry.enabled_date = _naive(now)

    def deregister_delegated_administrator(backend: OrganizationsBackend, **request: str) -> None:
        world = current()
        unpatched["deregister_delegated_administrator"](backend, **request)
        world.tree.administrators_since.pop((request["AccountId"], request["ServicePrincipal"]), None)
        if request["ServicePrincipal"] == SERVICE_PRINCIPAL:
            _end_memberships(world, "Terminated")

    OrganizationsBackend.register_delegated_administrator = register_delegated_administrator
    OrganizationsBackend.deregister_delegated_administrator = deregister_delegated_administrator


def follow_service_access() -> None:
    """Date the enabling of trusted access, and let its end reach the memberships when the switch says so."""

    def enable_aws_service_access(backend: OrganizationsBackend, **request: str) -> None:
        world = current()
        unpatched["enable_aws_service_access"](backend, **request)
        world.tree.service_access_since.setdefault(request["ServicePrincipal"], world.clock.now())

    def disable_aws_service_access(backend: OrganizationsBackend, **request: str) -> None:
        world = current()
        unpatched["disable_aws_service_access"](backend, **request)
        world.tree.service_access_since.pop(request["ServicePrincipal"], None)
        ends = world.switches.get("disabled_service_access") == "terminated"
        if request["ServicePrincipal"] == SERVICE_PRINCIPAL and ends:
            _end_memberships(world, "Terminated")

    OrganizationsBackend.enable_aws_service_access = enable_aws_service_access
    OrganizationsBackend.disable_aws_service_access = disable_aws_service_access


def _check_registration(world: World, account_id: str) -> None:
    tree = world.tree
    if account_id == tree.management_account_id:
        raise constraint(
            "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
            "You cannot register master account/yourself as delegated administrator for your organization.",
        )
    before_enable_is_refused = world.switches.get("register_before_enable") == "refused"
    if before_enable_is_refused and not tree.has_service_access(SERVICE_PRINCIPAL):
        raise constraint("SERVICE_ACCESS_NOT_ENABLED", "Enable access for the service first.")
    registered = tree.administrator(SERVICE_PRINCIPAL)
    if registered == account_id:
        raise AccountAlreadyRegisteredException
    position = tree.position(account_id)
    if position is not None and position.state != "ACTIVE":
        raise constraint("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR", "The account is not active.")
    if registered is not None and position is not None:
        raise constraint(
            world.switches.get("second_delegated_administrator"),
            "The service already has a delegated administrator.",
        )


def _end_memberships(world: World, status: str) -> None:
    for membership in world.memberships:
        if membership.is_active:
            membership.end(status, world.clock.now())


def _settle_before_a_change() -> None:
    """Let the service finish what it would have done by now, before the world under it changes."""
    world = current()
    with world.lock:
        settle(world)


def _units(backend: OrganizationsBackend) -> Iterable[Any]:
    units: list[Any] = backend.ou
    return units


def _naive(moment: datetime) -> datetime:
    """Return the moment as moto keeps moments: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)
