"""Which accounts an operation works on, and whether its targets and preferences are allowed.

Sources: CloudFormation API reference (DeploymentTargets, StackSetOperationPreferences).
"""

from collections.abc import Mapping
from typing import Any

from muster_local.simulation import World
from muster_local.stack_sets_answers import Request, refuse
from muster_local.stack_sets_model import Preferences, StackSet, Target

MAX_UNITS = 50


def preferences_of(request: Request) -> Preferences:
    """Return the preferences of an operation. Raises a ValidationError for those that exclude each other."""
    given: Mapping[str, Any] = request.get("OperationPreferences") or {}
    for kind in ("FailureTolerance", "MaxConcurrent"):
        if {f"{kind}Count", f"{kind}Percentage"} <= given.keys():
            raise refuse(f"Cannot specify both {kind}Count and {kind}Percentage")
    if unknown := set(given.get("RegionOrder", ())) - set(request.get("Regions", given.get("RegionOrder", ()))):
        raise refuse(f"RegionOrder names Regions that are not in Regions: {', '.join(sorted(unknown))}")
    return Preferences(given)


def units_of(world: World, request: Request) -> list[str]:
    """Return the root or the units that a request targets. Raises a ValidationError."""
    if request.get("Accounts"):
        raise refuse("StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target")
    targets: Mapping[str, Any] = request.get("DeploymentTargets") or {}
    if "AccountsUrl" in targets:
        raise refuse("AccountsUrl is not supported by the embedded cloud: name the accounts in Accounts.")
    units = list(dict.fromkeys(targets.get("OrganizationalUnitIds", ())))
    if not units:
        raise refuse("OrganizationalUnitIds are required")
    if len(units) > MAX_UNITS:
        raise refuse(f"DeploymentTargets has {len(units)} OrganizationalUnitIds; at most {MAX_UNITS} are supported.")
    if unknown := [unit for unit in units if unit != world.tree.root_id and not world.tree.has_unit(unit)]:
        raise refuse(f"Organizational unit {unknown[0]} not found")
    return units


def accounts_of(request: Request, units: list[str], below: Mapping[str, str], *, creates: bool) -> dict[str, str]:
    """Return the accounts that a request selects, each with the unit it is targeted by. Raises a ValidationError.

    ``below`` has every account below the units, with that unit. UNION is the default of everything but a creation,
    which does not know it, and has to name a filter when it names accounts.
    """
    targets: Mapping[str, Any] = request.get("DeploymentTargets") or {}
    named: list[str] = list(targets.get("Accounts", ()))
    how = targets.get("AccountFilterType")
    if how is None and named and creates:
        raise refuse("AccountFilterType should be specified when both OrganizationalUnitIds and Accounts are provided")
    if how == "UNION" and creates:
        raise refuse("AccountFilterType UNION is not supported for CreateStackInstances")
    if how in {"INTERSECTION", "DIFFERENCE"} and not named:
        raise refuse(f"Accounts must be specified when AccountFilterType is {how}")
    match how or ("UNION" if named else "NONE"):
        case "INTERSECTION":
            return {account: unit for account, unit in below.items() if account in named}
        case "DIFFERENCE":
            return {account: unit for account, unit in below.items() if account not in named}
        case "UNION":
            return {**dict.fromkeys(named, units[0]), **below}
        case _:
            return dict(below)


def below(world: World, units: list[str]) -> dict[str, str]:
    """Return the accounts below the units now, child units included, never the management account.

    Each comes with the unit nearest to it. Suspended accounts are among them: the operation skips them.
    """
    found: dict[str, str] = {}
    for account in world.tree.account_ids():
        position = world.tree.position(account)
        if account == world.tree.management_account_id or position is None or position.parent_id is None:
            continue
        nearest = [unit for unit in world.tree.path_to(position.parent_id) if unit in units]
        if nearest:
            found[account] = nearest[-1]
    return found


def new_targets(world: World, request: Request) -> list[Target]:
    """Return what CreateStackInstances works on. Raises a ValidationError."""
    units = units_of(world, request)
    accounts = accounts_of(request, units, below(world, units), creates=True)
    return [Target(account, region, unit) for region in request["Regions"] for account, unit in accounts.items()]


def present_targets(world: World, stack_set: StackSet, request: Request) -> list[Target]:
    """Return the instances that a request selects among those that exist, for a change or a deletion.

    An instance counts as below a unit by where its account is now, or by the unit it was deployed for: so those of
    accounts that have left can still be deleted. Raises a ValidationError.
    """
    instances = stack_set.instances.values()
    if "DeploymentTargets" in request or request.get("Accounts"):
        units = units_of(world, request)
        now_below = below(world, units)
        deployed_for = {one.account: one.unit_id for one in instances if one.unit_id in units}
        accounts = set(accounts_of(request, units, {**deployed_for, **now_below}, creates=False))
    else:
        accounts = {instance.account for instance in instances}
    regions = request.get("Regions") or {instance.region for instance in instances}
    return [
        Target(instance.account, instance.region, instance.unit_id)
        for instance in instances
        if instance.account in accounts and instance.region in regions
    ]
