"""The operations of `security-ir` on cases."""

from datetime import UTC, datetime

from muster_local.memberships import Case
from muster_local.security_ir_answers import SERVICE, Answer, Request, SecurityIncidentResponseError, page
from muster_local.security_ir_caller import Caller

MAX_SELF_MANAGED_CASES = 100
SELF_MANAGED_CASES_QUOTA = "L-87F7FF63"


def create_case(caller: Caller, request: Request) -> Answer:
    """Open a case."""
    world = caller.world
    caller.need_active_membership()
    if (known := caller.repeated("CreateCase", request)) is not None:
        return {"caseId": known}
    active = [case for case in world.cases if case.closed_at is None and case.details["resolverType"] == "Self"]
    if request["resolverType"] == "Self" and len(active) >= MAX_SELF_MANAGED_CASES:
        raise SecurityIncidentResponseError(
            "ServiceQuotaExceededException",
            f"At most {MAX_SELF_MANAGED_CASES} self-managed cases are active at once.",
            resourceId=caller.account_id,
            resourceType="case",
            serviceCode=SERVICE,
            quotaCode=SELF_MANAGED_CASES_QUOTA,
        )
    kept = {name: value for name, value in request.items() if name not in {"clientToken", "tags"}}
    kept["reportedIncidentStartDate"] = datetime.fromtimestamp(request["reportedIncidentStartDate"], UTC)
    case = Case(
        id=f"{len(world.cases) + 1:010d}",
        account_id=caller.account_id,
        region=caller.region,
        details=kept,
        created_at=world.clock.now(),
        tags=dict(request.get("tags") or {}),
    )
    world.cases.append(case)
    caller.remember("CreateCase", request, case.id)
    return {"caseId": case.id}


def get_case(caller: Caller, request: Request) -> Answer:
    """Describe a case."""
    case = _case(caller, request)
    return {**case.details, **_case_state(case), "caseAttachments": []}


def list_cases(caller: Caller, request: Request) -> Answer:
    """List the cases of this account and Region, newest first."""
    caller.need_active_membership()
    cases = [case for case in reversed(caller.world.cases) if owns(caller, case)]
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
    return {**page(items, request), "total": len(items)}


def close_case(caller: Caller, request: Request) -> Answer:
    """Close a case, which only the customer can."""
    case = _case(caller, request)
    case.closed_at = case.closed_at or caller.world.clock.now()
    return {"caseStatus": case.status, "closedDate": case.closed_at}


def owns(caller: Caller, case: Case) -> bool:
    """Tell whether a case is of this account and Region."""
    return (case.account_id, case.region) == (caller.account_id, caller.region)


def _case(caller: Caller, request: Request) -> Case:
    caller.need_active_membership()
    found = next((one for one in caller.world.cases if one.id == request["caseId"]), None)
    if found is None or not owns(caller, found):
        raise SecurityIncidentResponseError("ResourceNotFoundException", f"There is no case {request['caseId']}.")
    return found


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
