"""AWS Security Incident Response (`security-ir`) as a moto backend, registered from outside moto.

botocore's model says what a request and a response look like and which HTTP status an error has; every request and
every response is checked against it. What the model cannot say follows the service's user guide and quotas page, and
where those are silent, a switch.
"""

import base64
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import moto.backend_index
from botocore.model import OperationModel, StructureShape
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import TYPE_RESPONSE, ActionResult, BaseResponse
from moto.core.utils import get_service_model

from muster_local.coverage import SERVICE_PRINCIPAL, covered_accounts, is_associated, reported_scope, settle
from muster_local.memberships import Case, Membership, Scope
from muster_local.model_check import problems
from muster_local.service_linked_roles import MEMBERSHIP_PRINCIPAL, create_if_missing
from muster_local.simulation import World, current

type Request = Mapping[str, Any]
type Answer = dict[str, Any]

SERVICE = "security-ir"
REGIONS = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-south-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ca-central-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "me-central-1", "me-south-1", "sa-east-1",
    "us-east-1", "us-east-2", "us-west-2",
)  # fmt: skip
"""Where the service has an endpoint (AWS General Reference, Security Incident Response endpoints and quotas)."""

MAX_SELF_MANAGED_CASES = 100
SELF_MANAGED_CASES_QUOTA = "L-87F7FF63"
DEFAULT_PAGE = 25

url_bases = [r"https?://security-ir\.(.+)\.api\.aws", r"https?://security-ir\.(.+)\.amazonaws\.com"]
"""Clients call the first; moto's server makes the second out of a signature."""


class SecurityIncidentResponseError(ServiceException):
    """An error of the service's model; the keyword arguments are the members that the model gives it."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        """Set the modelled members as attributes, where moto's serialiser looks for them."""
        super().__init__(code, message)
        for name, value in members.items():
            setattr(self, name, value)


class ResponseDefectError(AssertionError):
    """The simulation made a response that the model does not allow: a defect of this module, not of its caller."""


def refuse(place: str, message: str) -> SecurityIncidentResponseError:
    """Return a ValidationException about one field."""
    return SecurityIncidentResponseError(
        "ValidationException",
        f"{place}: {message}",
        reason="FIELD_VALIDATION_FAILED",
        fieldList=[{"name": place, "message": message}],
    )


class SecurityIncidentResponseBackend(BaseBackend):
    """The service as one account sees it in one Region. What it keeps is the organization's, and lies in the world."""

    @property
    def _url_module(self) -> Any:
        return sys.modules[__name__]

    @property
    def _world(self) -> World:
        return current()

    # Memberships

    def create_membership(self, request: Request) -> Answer:
        """Subscribe the organization; the caller's account and Region are the membership's for life."""
        world = self._world
        _check_team(request["incidentResponseTeam"])
        if (known := self._repeated("CreateMembership", request)) is not None:
            return {"membershipId": known}
        if not self._may_create():
            raise _denied("This account is not the delegated administrator, or trusted access is not enabled.")
        if (present := _active(world)) is not None:
            raise _second_membership(world, present)
        now = world.clock.now()
        membership = Membership(
            id=f"m-{_digest(world.organization.id, self.account_id, self.region_name, len(world.memberships))[:12]}",
            account_id=self.account_id,
            region=self.region_name,
            name=request["membershipName"],
            team=request["incidentResponseTeam"],
            features=request.get("optInFeatures") or _features_when_omitted(world),
            tags=dict(request.get("tags") or {}),
            activated_at=now,
            scopes=[(now, Scope(entire_organization=bool(request.get("coverEntireOrganization"))))],
        )
        world.memberships.append(membership)
        self._remember("CreateMembership", request, membership.id)
        create_if_missing(self.account_id, MEMBERSHIP_PRINCIPAL)
        return {"membershipId": membership.id}

    def get_membership(self, request: Request) -> Answer:
        """Describe a membership to its account or to the delegated administrator."""
        world = self._world
        membership = self._membership(request)
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

    def list_memberships(self, request: Request) -> Answer:
        """List the memberships of this Region; elsewhere, and to others, there are none."""
        world = self._world
        if not (self._is_entitled() or self._may_create()):
            match world.switches.get("foreign_list_memberships"):
                case "AccessDeniedException":
                    raise _denied("This account is neither the membership's nor the delegated administrator.")
                case "SecurityIncidentResponseNotActiveException":
                    raise _not_active()
                case _:
                    return {"items": []}
        ended_are_listed = world.switches.get("ended_memberships_listed") == "listed"
        items = [
            _summary(membership)
            for membership in world.memberships
            if membership.region == self.region_name
            and self._is_concerned(membership)
            and (membership.is_active or ended_are_listed)
        ]
        return _page(items, request)

    def update_membership(self, request: Request) -> Answer:
        """Change name, team, features or scope; a new scope takes minutes to arrive."""
        world = self._world
        membership = self._active_membership(request)
        if "undoMembershipCancellation" in request:
            raise refuse("undoMembershipCancellation", "there is no cancellation to withdraw")
        scope = self._changed_scope(membership, request.get("membershipAccountsConfigurationsUpdate") or {})
        if "incidentResponseTeam" in request:
            _check_team(request["incidentResponseTeam"])
            membership.team = request["incidentResponseTeam"]
        membership.name = request.get("membershipName", membership.name)
        membership.features = request.get("optInFeatures", membership.features)
        if scope != membership.requested_scope:
            membership.scopes.append((world.clock.now(), scope))
        return {}

    def cancel_membership(self, request: Request) -> Answer:
        """End the membership at once (user guide, cancel membership)."""
        world = self._world
        membership = self._active_membership(request)
        membership.end(world.switches.get("cancelled_status"), world.clock.now())
        return {"membershipId": membership.id}

    def batch_get_member_account_details(self, request: Request) -> Answer:
        """Say of each account whether it is covered; what cannot be said stands under errors, in the same 200."""
        world = self._world
        membership = self._active_membership(request)
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

    # Tags

    def tag_resource(self, request: Request) -> Answer:
        """Add or overwrite tags."""
        self._tagged(request["resourceArn"]).tags.update(request["tags"])
        return {}

    def untag_resource(self, request: Request) -> Answer:
        """Remove tags; one that is not there is no error."""
        tags = self._tagged(request["resourceArn"]).tags
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, request: Request) -> Answer:
        """Return the tags, which GetMembership leaves out."""
        return {"tags": dict(self._tagged(request["resourceArn"]).tags)}

    # Cases

    def create_case(self, request: Request) -> Answer:
        """Open a case."""
        world = self._world
        self._need_active_membership()
        if (known := self._repeated("CreateCase", request)) is not None:
            return {"caseId": known}
        is_open = [case for case in world.cases if case.closed_at is None and case.details["resolverType"] == "Self"]
        if request["resolverType"] == "Self" and len(is_open) >= MAX_SELF_MANAGED_CASES:
            raise SecurityIncidentResponseError(
                "ServiceQuotaExceededException",
                f"At most {MAX_SELF_MANAGED_CASES} self-managed cases are active at once.",
                resourceId=self.account_id,
                resourceType="case",
                serviceCode=SERVICE,
                quotaCode=SELF_MANAGED_CASES_QUOTA,
            )
        kept = {name: value for name, value in request.items() if name not in {"clientToken", "tags"}}
        kept["reportedIncidentStartDate"] = _moment(request["reportedIncidentStartDate"])
        case = Case(
            id=f"{len(world.cases) + 1:010d}",
            account_id=self.account_id,
            region=self.region_name,
            details=kept,
            created_at=world.clock.now(),
            tags=dict(request.get("tags") or {}),
        )
        world.cases.append(case)
        self._remember("CreateCase", request, case.id)
        return {"caseId": case.id}

    def get_case(self, request: Request) -> Answer:
        """Describe a case."""
        case = self._case(request)
        return {**case.details, **_case_state(case), "caseAttachments": []}

    def list_cases(self, request: Request) -> Answer:
        """List the cases of this account and Region, newest first."""
        self._need_active_membership()
        cases = [case for case in reversed(self._world.cases) if self._owns(case)]
        items = [
            {
                "caseId": case.id,
                "title": case.details["title"],
                "engagementType": case.details["engagementType"],
                "resolverType": case.details["resolverType"],
                **_case_state(case),
            }
            for case in cases
        ]
        return {**_page(items, request), "total": len(items)}

    def close_case(self, request: Request) -> Answer:
        """Close a case, which only the customer can."""
        case = self._case(request)
        case.closed_at = case.closed_at or self._world.clock.now()
        return {"caseStatus": case.status, "closedDate": case.closed_at}

    # Who asks, and about what

    def _may_create(self) -> bool:
        """Whether this account may own the membership: the delegated administrator, or management when there is none.

        Trusted access and registration may take some seconds to be seen here.
        """
        world = self._world
        tree = world.tree
        if not _is_seen(world, tree.service_access_since.get(SERVICE_PRINCIPAL)):
            return False
        administrator = tree.administrator(SERVICE_PRINCIPAL)
        if administrator is None:
            return bool(self.account_id == tree.management_account_id)
        registered_at = tree.administrators_since.get((administrator, SERVICE_PRINCIPAL))
        return bool(self.account_id == administrator) and _is_seen(world, registered_at)

    def _is_concerned(self, membership: Membership) -> bool:
        return self.account_id in {membership.account_id, self._world.tree.administrator(SERVICE_PRINCIPAL)}

    def _is_entitled(self) -> bool:
        return any(self._is_concerned(membership) for membership in self._world.memberships)

    def _membership(self, request: Request) -> Membership:
        found = next((one for one in self._world.memberships if one.id == request["membershipId"]), None)
        if found is not None and not self._is_concerned(found):
            raise _denied("This account is neither the membership's nor the delegated administrator.")
        if found is None or found.region != self.region_name:
            if not (self._is_entitled() or self._may_create()):
                raise _denied("This account is neither the membership's nor the delegated administrator.")
            raise SecurityIncidentResponseError(
                "ResourceNotFoundException", f"There is no membership {request['membershipId']} in {self.region_name}."
            )
        return found

    def _active_membership(self, request: Request) -> Membership:
        membership = self._membership(request)
        if not membership.is_active:
            raise _not_active()
        return membership

    def _need_active_membership(self) -> None:
        membership = _active(self._world)
        if membership is None or membership.region != self.region_name or not self._is_concerned(membership):
            raise _not_active()

    def _tagged(self, arn: str) -> Membership | Case:
        resources: list[Membership | Case] = [*self._world.memberships, *self._world.cases]
        found = next((one for one in resources if one.arn == arn), None)
        if isinstance(found, Membership) and not self._is_concerned(found):
            raise _denied("This account is neither the membership's nor the delegated administrator.")
        if found is None or found.region != self.region_name or (isinstance(found, Case) and not self._owns(found)):
            raise SecurityIncidentResponseError("ResourceNotFoundException", f"There is no resource {arn}.")
        return found

    def _case(self, request: Request) -> Case:
        self._need_active_membership()
        found = next((one for one in self._world.cases if one.id == request["caseId"]), None)
        if found is None or not self._owns(found):
            raise SecurityIncidentResponseError("ResourceNotFoundException", f"There is no case {request['caseId']}.")
        return found

    def _owns(self, case: Case) -> bool:
        return bool((case.account_id, case.region) == (self.account_id, self.region_name))

    # Client tokens

    def _repeated(self, operation: str, request: Request) -> str | None:
        """Return what an earlier call with this token made; refuse the token if its parameters were others."""
        token = request.get("clientToken")
        known = self._world.client_tokens.get((self.account_id, self.region_name, operation, token or ""))
        if token is None or known is None:
            return None
        fingerprint, made = known
        if fingerprint != _fingerprint(request):
            raise SecurityIncidentResponseError(
                "ConflictException",
                "The client token was used with other parameters.",
                resourceId=made,
                resourceType="clientToken",
            )
        return made

    def _remember(self, operation: str, request: Request, made: str) -> None:
        if token := request.get("clientToken"):
            key = (self.account_id, self.region_name, operation, token)
            self._world.client_tokens[key] = (_fingerprint(request), made)

    # Scope

    def _changed_scope(self, membership: Membership, change: Mapping[str, Any]) -> Scope:
        switches = self._world.switches
        present = membership.requested_scope
        adds: Sequence[str] = change.get("organizationalUnitsToAdd", ())
        removes: Sequence[str] = change.get("organizationalUnitsToRemove", ())
        entire = change.get("coverEntireOrganization", present.entire_organization)
        if adds and removes and switches.get("add_and_remove_together") == "ValidationException":
            raise refuse("organizationalUnitsToAdd", "units cannot be added and removed in one update")
        if adds and entire and switches.get("units_with_entire_organization") == "ValidationException":
            raise refuse("organizationalUnitsToAdd", "the entire organization is covered")
        self._check_added(present, adds)
        for unit_id in removes:
            if unit_id not in present.unit_ids:
                raise refuse("organizationalUnitsToRemove", f"{unit_id} is not in the membership")
        kept = [unit_id for unit_id in present.unit_ids if unit_id not in removes]
        return Scope(entire_organization=entire, unit_ids=tuple(dict.fromkeys([*kept, *adds])))

    def _check_added(self, present: Scope, adds: Sequence[str]) -> None:
        for unit_id in adds:
            if not self._world.tree.has_unit(unit_id):
                raise refuse("organizationalUnitsToAdd", f"{unit_id} is no unit of the organization")
            if unit_id in present.unit_ids and self._world.switches.get("add_present_unit") == "ConflictException":
                raise SecurityIncidentResponseError(
                    "ConflictException",
                    f"The membership already has the unit {unit_id}.",
                    resourceId=unit_id,
                    resourceType="organizationalUnit",
                )


securityir_backends = BackendDict(
    SecurityIncidentResponseBackend, SERVICE, use_boto3_regions=False, additional_regions=list(REGIONS)
)

_HANDLERS: Mapping[str, Callable[[SecurityIncidentResponseBackend, Request], Answer]] = {
    "CreateMembership": SecurityIncidentResponseBackend.create_membership,
    "GetMembership": SecurityIncidentResponseBackend.get_membership,
    "ListMemberships": SecurityIncidentResponseBackend.list_memberships,
    "UpdateMembership": SecurityIncidentResponseBackend.update_membership,
    "CancelMembership": SecurityIncidentResponseBackend.cancel_membership,
    "BatchGetMemberAccountDetails": SecurityIncidentResponseBackend.batch_get_member_account_details,
    "TagResource": SecurityIncidentResponseBackend.tag_resource,
    "UntagResource": SecurityIncidentResponseBackend.untag_resource,
    "ListTagsForResource": SecurityIncidentResponseBackend.list_tags_for_resource,
    "CreateCase": SecurityIncidentResponseBackend.create_case,
    "GetCase": SecurityIncidentResponseBackend.get_case,
    "ListCases": SecurityIncidentResponseBackend.list_cases,
    "CloseCase": SecurityIncidentResponseBackend.close_case,
}


class SecurityIncidentResponseResponse(BaseResponse):
    """Carries a call from HTTP to the backend and back, by the model."""

    def __init__(self) -> None:
        """Name the service, by which moto finds its model."""
        super().__init__(service_name=SERVICE)

    def call_action(self) -> TYPE_RESPONSE:
        """Answer one call; errors get the status and the members that the model gives them."""
        result: Any
        try:
            result = self._answer(self._get_action())
        except ServiceException as error:
            result = error
        status, headers, body = self.serialized(ActionResult(result))
        if (seconds := getattr(result, "retryAfterSeconds", None)) is not None:
            headers["Retry-After"] = str(seconds)
        headers["status"] = str(status)
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def _answer(self, operation: str | None) -> Answer:
        world = current()
        if operation is None or operation not in _HANDLERS or self.region not in REGIONS:
            raise SecurityIncidentResponseError(
                "ValidationException",
                f"{operation or self.path} is not available in {self.region}.",
                reason="UNKNOWN_OPERATION",
            )
        with world.lock:
            settle(world)
            self._throttle(world, operation)
            model = get_service_model(SERVICE).operation_model(operation)
            request = self._request(model)
            answer = _HANDLERS[operation](securityir_backends[self.current_account][self.region], request)
        if defects := list(problems(model.output_shape, answer)):
            raise ResponseDefectError(f"{operation}: {defects}")
        return answer

    def _throttle(self, world: World, operation: str) -> None:
        wait = world.throttles.seconds_to_wait(
            service=SERVICE, operation=operation, account=self.current_account, region=self.region
        )
        if wait:
            raise SecurityIncidentResponseError(
                "ThrottlingException", "Rate exceeded.", serviceCode=SERVICE, retryAfterSeconds=wait
            )

    def _request(self, model: OperationModel) -> Request:
        """Collect the members from path, query and body, and refuse what the model does not allow."""
        shape = model.input_shape
        if not isinstance(shape, StructureShape):
            return {}
        request = _json(self.body)
        query = parse_qs(self.parsed_url.query)
        for name, member in shape.members.items():
            where = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "uri":
                    request[name] = self.uri_match[where]
                case "querystring" if where in query:
                    request[name] = query[where] if member.type_name == "list" else query[where][0]
        found = list(problems(shape, request))
        if found:
            raise SecurityIncidentResponseError(
                "ValidationException",
                "; ".join(f"{problem.place} {problem.message}" for problem in found),
                reason="FIELD_VALIDATION_FAILED",
                fieldList=[{"name": problem.place, "message": problem.message} for problem in found],
            )
        return request


url_paths = {"{0}/.*$": SecurityIncidentResponseResponse.dispatch}


def register() -> None:
    """Make moto route `security-ir` to this module."""
    sys.modules["moto.securityir"] = sys.modules[__name__]
    patterns = moto.backend_index.backend_url_patterns
    if not any(name == "securityir" for name, _ in patterns):
        patterns[:0] = [("securityir", re.compile(base)) for base in url_bases]


def _active(world: World) -> Membership | None:
    return next((membership for membership in world.memberships if membership.is_active), None)


def _association(world: World, membership: Membership, account_id: str) -> str:
    if is_associated(world, membership, account_id):
        return "Associated"
    return world.switches.get("not_associated_word")


def _is_seen(world: World, since: datetime | None) -> bool:
    if since is None:
        return False
    delayed = world.switches.get("registration_consistency") == "delayed"
    return not delayed or since + world.delays.registration <= world.clock.now()


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


def _case_state(case: Case) -> Answer:
    state: Answer = {
        "caseArn": case.arn,
        "caseStatus": case.status,
        "createdDate": case.created_at,
        "lastUpdatedDate": case.closed_at or case.created_at,
        "pendingAction": "None",
    }
    if case.closed_at is not None:
        state["closedDate"] = case.closed_at
    return state


def _page(items: Sequence[Answer], request: Request) -> Answer:
    start = 0
    if token := request.get("nextToken"):
        try:
            start = int(base64.urlsafe_b64decode(token).decode())
        except ValueError as error:
            raise refuse("nextToken", "is not a token of this service") from error
    end = start + int(request.get("maxResults") or DEFAULT_PAGE)
    page: Answer = {"items": list(items[start:end])}
    if end < len(items):
        page["nextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return page


def _json(body: str) -> dict[str, Any]:
    try:
        content = json.loads(body) if body else {}
    except ValueError as error:
        raise SecurityIncidentResponseError(
            "ValidationException", "The body is not JSON.", reason="CANNOT_PARSE"
        ) from error
    if not isinstance(content, dict):
        raise SecurityIncidentResponseError("ValidationException", "The body is no object.", reason="CANNOT_PARSE")
    return content


def _moment(value: float) -> datetime:
    return datetime.fromtimestamp(value, UTC)


def _fingerprint(request: Request) -> str:
    return _digest(json.dumps(request, sort_keys=True))


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def _denied(message: str) -> SecurityIncidentResponseError:
    return SecurityIncidentResponseError("AccessDeniedException", message)


def _not_active() -> SecurityIncidentResponseError:
    return SecurityIncidentResponseError(
        "SecurityIncidentResponseNotActiveException", "There is no active membership in this account and Region."
    )
