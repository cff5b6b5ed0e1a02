"""Which accounts a membership covers: derived from the tree at the moment of reading, with the delay of propagation.

An account is associated when it is ACTIVE and in scope now, was so a propagation delay ago, and has the triage role.
Asking twice, now and back then, gives what AWS describes: what joins, moves in, is activated or newly selected takes
minutes to be covered; what leaves is out at once; what moves between covered units stays covered.
"""

from datetime import datetime

from moto.iam.models import iam_backends

from muster_local.memberships import Membership, Scope
from muster_local.organization_tree import PARTITION
from muster_local.service_linked_roles import TRIAGE_PRINCIPAL, TRIAGE_ROLE_NAME, create_if_missing
from muster_local.simulation import World

SERVICE_PRINCIPAL = "security-ir.amazonaws.com"


def is_associated(world: World, membership: Membership, account_id: str) -> bool:
    """Whether the account is covered now."""
    now = world.clock.now()
    tree = world.tree
    if account_id == tree.management_account_id:
        covered = world.switches.get("management_account_association") == "associated"
    else:
        covered = True
    return (
        covered
        and _has_triage_role(account_id)
        and _is_eligible(world, membership, account_id, now)
        and _is_eligible(world, membership, account_id, now - world.delays.association)
    )


def covered_accounts(world: World, membership: Membership) -> int:
    """Count the associated accounts."""
    return sum(is_associated(world, membership, account_id) for account_id in world.tree.account_ids())


def reported_scope(world: World, membership: Membership) -> Scope:
    """Return the scope as GetMembership shows it."""
    if world.switches.get("scope_change_visibility") == "at_once":
        scope = membership.requested_scope
    else:
        scope = membership.scope_at(world.clock.now() - world.delays.association)
    if world.switches.get("deleted_unit") == "kept":
        return scope
    return Scope(scope.entire_organization, tuple(unit for unit in scope.unit_ids if world.tree.has_unit(unit)))


def settle(world: World) -> None:
    """Let the service do what it has had time for: the triage role in every member that has been in scope long enough.

    It is not made in the management account: with the API that stays with the customer.
    """
    if world.switches.get("triage_role_creator") != "service" or not world.tree.has_service_access(SERVICE_PRINCIPAL):
        return
    now = world.clock.now()
    for membership in world.memberships:
        if not membership.is_active:
            continue
        for account_id in world.tree.account_ids():
            if account_id in world.triage_roles_made or account_id == world.tree.management_account_id:
                continue
            if _is_eligible(world, membership, account_id, now) and _is_eligible(
                world, membership, account_id, now - world.delays.triage_role
            ):
                create_if_missing(account_id, TRIAGE_PRINCIPAL)
                world.triage_roles_made.add(account_id)


def _is_eligible(world: World, membership: Membership, account_id: str, moment: datetime) -> bool:
    position = world.tree.position(account_id, moment)
    if position is None or position.parent_id is None or position.state != "ACTIVE" or not membership.is_active:
        return False
    scope = membership.scope_at(moment)
    return scope.entire_organization or not set(scope.unit_ids).isdisjoint(world.tree.path_to(position.parent_id))


def _has_triage_role(account_id: str) -> bool:
    return TRIAGE_ROLE_NAME in {role.name for role in iam_backends[account_id][PARTITION].roles.values()}
