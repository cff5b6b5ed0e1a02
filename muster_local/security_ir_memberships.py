"""The operations of `security-ir` on memberships."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.utils import get_service_model

from muster_local.coverage import covered_accounts, is_associated, reported_scope
from muster_local.memberships import Membership, Scope
from muster_local.security_ir_answers import (
    SERVICE,
    Answer,
    Request,
    SecurityIncidentResponseError,
    not_active,
    not_entitled,
    page,
    refuse,
)
from muster_local.security_ir_caller import Caller, active_membership, digest
from muster_local.service_linked_roles import MEMBERSHIP_PRINCIPAL, create_if_missing
from muster_local.simulation import World


def create_membership(caller: Caller, request: Request) -> Answer:
    """Subscribe the organization; the caller's account and Region are the membership's for life."""
    world = caller.world
    _check_team(request["incidentResponseTeam"])
    if (known := caller.repeated("CreateMembership", request)) is not None:
        return {"membershipId": known}
    if not caller.may_create():
        raise SecurityIncidentResponseError(
            "AccessDeniedException",
            "This account is not the delegated administrator, or trusted access is not enabled.",
        )
    if (present := active_membership(world)) is not None:
        raise _second_membership(world, present)
    now = world.clock.now()
    membership = Membership(
        id=f"m-{digest(world.organization.id, caller.account_id, caller.region, len(world.memberships))[:12]}",
        account_id=caller.account_id,
        region=caller.region,
        name=request["membershipName"],
        team=request["incidentResponseTeam"],
        features=request.get("optInFeatures") or _features_when_omitted(world),
        tags=dict(request.get("tags") or {}),
        activated_at=now,
        scopes=[(now, Scope(entire_organization=bool(request.get("coverEntireOrganization"))))],
    )
    world.memberships.append(membership)
    caller.remember("CreateMembership", request, membership.id)
    create_if_missing(caller.account_id, MEMBERSHIP_PRINCIPAL)
    return {"membershipId": membership.id}


def get_membership(caller: Caller, request: Request) -> Answer:
    """Describe a membership to its account or to the delegated administrator."""
    world = caller.world
    membership = _find(caller, request)
    scope = reported_scope(world, membership)
    answer: Answer = {
        **_summary(membership),
        "membershipName": membership.name,
        "membershipActivationTimestamp": membership.activated_at,
        "customerType": "Organization",
        "numberOfAccountsCovered": covered_accounts(world, membership),
        "incidentResponseTeam": _team(world, membership.team),
        "membershipAccountsConfigurations": {
            "coverEntireOrganization": scope.entire_organization,
            "organizationalUnits": list(scope.unit_ids),
        },
    }
    if membership.features is not None:
        answer["optInFeatures"] = list(membership.features)
    if membership.ended_at is not None:
        answer["membershipDeactivationTimestamp"] = membership.ended_at
    return answer


def list_memberships(caller: Caller, request: Request) -> Answer:
    """List the memberships of this Region; elsewhere, and to others, there are none."""
    world = caller.world
    if not (caller.is_entitled() or caller.may_create()):
        match world.switches.get("foreign_list_memberships"):
            case "AccessDeniedException":
                raise not_entitled()
            case "SecurityIncidentResponseNotActiveException":
                raise not_active()
            case _:
                return {"items": []}
    ended_are_listed = world.switches.get("ended_memberships_listed") == "listed"
    items = [
        _summary(membership)
        for membership in world.memberships
        if membership.region == caller.region
        and caller.is_concerned(membership)
        and (membership.is_active or ended_are_listed)
    ]
    return page(items, request)


def update_membership(caller: Caller, request: Request) -> Answer:
    """Change name, team, features or scope; a new scope takes minutes to arrive."""
    world = caller.world
    membership = _find_active(caller, request)
    if "undoMembershipCancellation" in request:
        raise refuse("undoMembershipCancellation", "there is no cancellation to withdraw")
    scope = _changed_scope(caller, membership, request.get("membershipAccountsConfigurationsUpdate") or {})
    if "incidentResponseTeam" in request:
        _check_team(request["incidentResponseTeam"])
        membership.team = request["incidentResponseTeam"]
    membership.name = request.get("membershipName", membership.name)
    membership.features = request.get("optInFeatures", membership.features)
    if scope != membership.requested_scope:
        membership.scopes.append((world.clock.now(), scope))
    return {}


def cancel_membership(caller: Caller, request: Request) -> Answer:
    """End the membership at once (user guide, cancel membership)."""
    world = caller.world
    membership = _find_active(caller, request)
    membership.end(world.switches.get("cancelled_status"), world.clock.now())
    return {"membershipId": membership.id}


def batch_get_member_account_details(caller: Caller, request: Request) -> Answer:
    """Say of each account whether it is covered; what cannot be said stands under errors, in the same 200."""
    world = caller.world
    membership = _find_active(caller, request)
    answer: Answer = {"items": [], "errors": []}
    for account_id in dict.fromkeys(request["accountIds"]):
        position = world.tree.position(account_id)
        how = "item"
        if position is None:
            how = world.switches.get("foreign_account_details")
        elif position.state != "ACTIVE":
            how = world.switches.get("inactive_account_details")
        if how == "item":
            answer["items"].append(
                {
                    "accountId": account_id,
                    "relationshipStatus": (
                        "Unassociated" if position is None else _association(world, membership, account_id)
                    ),
                    "relationshipType": "Unrelated" if position is None else "Organization",
                }
            )
        elif how == "error":
            answer["errors"].append(
                {
                    "accountId": account_id,
                    "error": "ResourceNotFoundException",
                    "message": "The account is not an active account of the organization.",
                }
            )
    return answer


def _find(caller: Caller, request: Request) -> Membership:
    found = next((one for one in caller.world.memberships if one.id == request["membershipId"]), None)
    if found is not None and not caller.is_concerned(found):
        raise not_entitled()
    if found is None or found.region != caller.region:
        if not (caller.is_entitled() or caller.may_create()):
            raise not_entitled()
        raise SecurityIncidentResponseError(
            "ResourceNotFoundException", f"There is no membership {request['membershipId']} in {caller.region}."
        )
    return found


def _find_active(caller: Caller, request: Request) -> Membership:
    membership = _find(caller, request)
    if not membership.is_active:
        raise not_active()
    return membership


def _changed_scope(caller: Caller, membership: Membership, change: Mapping[str, Any]) -> Scope:
    switches = caller.world.switches
    present = membership.requested_scope
    adds: Sequence[str] = change.get("organizationalUnitsToAdd", ())
    removes: Sequence[str] = change.get("organizationalUnitsToRemove", ())
    entire = change.get("coverEntireOrganization", present.entire_organization)
    if adds and removes and switches.get("add_and_remove_together") == "ValidationException":
        raise refuse("organizationalUnitsToAdd", "units cannot be added and removed in one update")
    if adds and entire and switches.get("units_with_entire_organization") == "ValidationException":
        raise refuse("organizationalUnitsToAdd", "the entire organization is covered")
    _check_added(caller, present, adds)
    for unit_id in removes:
        if unit_id not in present.unit_ids:
            raise refuse("organizationalUnitsToRemove", f"{unit_id} is not in the membership")
    kept = [unit_id for unit_id in present.unit_ids if unit_id not in removes]
    return Scope(entire_organization=entire, unit_ids=tuple(dict.fromkeys([*kept, *adds])))


def _check_added(caller: Caller, present: Scope, adds: Sequence[str]) -> None:
    for unit_id in adds:
        if not caller.world.tree.has_unit(unit_id):
            raise refuse("organizationalUnitsToAdd", f"{unit_id} is no unit of the organization")
        if unit_id in present.unit_ids and caller.world.switches.get("add_present_unit") == "ConflictException":
            raise SecurityIncidentResponseError(
                "ConflictException",
                f"The membership already has the unit {unit_id}.",
                resourceId=unit_id,
                resourceType="organizationalUnit",
            )


def _association(world: World, membership: Membership, account_id: str) -> str:
    if is_associated(world, membership, account_id):
        return "Associated"
    return world.switches.get("not_associated_word")


def _second_membership(world: World, present: Membership) -> SecurityIncidentResponseError:
    message = "The organization already has an active membership."
    match world.switches.get("second_membership"):
        case "ValidationException":
            return SecurityIncidentResponseError("ValidationException", message, reason="OTHER")
        case "ServiceQuotaExceededException":
            return SecurityIncidentResponseError(
                "ServiceQuotaExceededException",
                message,
                resourceId=present.id,
                resourceType="membership",
                serviceCode=SERVICE,
                quotaCode="membership",
            )
        case _:
            return SecurityIncidentResponseError(
                "ConflictException", message, resourceId=present.id, resourceType="membership"
            )


def _features_when_omitted(world: World) -> list[dict[str, Any]] | None:
    match world.switches.get("triage_when_omitted"):
        case "unreported":
            return None
        case value:
            return [{"featureName": "Triage", "isEnabled": value == "enabled"}]


def _check_team(team: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two responders with one address. The error does not repeat it."""
    if max(Counter(responder["email"].casefold() for responder in team).values()) > 1:
        raise SecurityIncidentResponseError(
            "ConflictException",
            "Two members of the incident response team have the same e-mail address.",
            resourceId="incidentResponseTeam",
            resourceType="incidentResponder",
        )


def _team(world: World, team: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = list(team)
    match world.switches.get("responder_order"):
        case "by_email":
            shown.sort(key=lambda responder: str(responder["email"]))
        case "reversed":
            shown.reverse()
    if world.switches.get("omitted_preferences") == "all":
        shown = [{"communicationPreferences": _all_preferences(), **responder} for responder in shown]
    return shown


def _all_preferences() -> list[str]:
    return list(get_service_model(SERVICE).shape_for("CommunicationType").enum)


def _summary(membership: Membership) -> Answer:
    return {
        "membershipId": membership.id,
        "accountId": membership.account_id,
        "region": membership.region,
        "membershipArn": membership.arn,
        "membershipStatus": membership.status,
    }
