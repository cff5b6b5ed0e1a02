"""The events that follow from calls: by CloudTrail, by Organizations, and by Security Incident Response itself.

Only what changes Organizations, IAM or Security Incident Response is told, and only while some rule listens. Calls that
CloudFormation makes inside the cloud are no calls here.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from muster_local import organization_trail
from muster_local.callers import Caller
from muster_local.event_buses import emit, is_listening
from muster_local.http_answers import Answer
from muster_local.memberships import Membership
from muster_local.operations import Call
from muster_local.recorded_events import HIDDEN, record_of
from muster_local.simulation import World

BY_CALL = "AWS API Call via CloudTrail"
BY_SERVICE = "AWS Service Event via CloudTrail"
SECURITY_IR = "aws.security-ir"
ORGANIZATIONS = "organizations.amazonaws.com"

_TOLD = frozenset({"organizations", "iam", "security-ir"})


def tell(world: World, call: Call, caller: Caller, answer: Answer, *, address: str, agent: str) -> None:
    """Emit the events of a call that the service has seen."""
    if call.service not in _TOLD or not call.is_write or not is_listening():
        return
    if _is_logged(world, call.account, call.region):
        record = record_of(call, caller, answer, world.clock.now(), address=address, agent=agent)
        if call.operation == "CreateAccount" and record["responseElements"]:
            status = record["responseElements"].get("createAccountStatus", {})
            status.pop("accountId", None)
            status |= {"state": "IN_PROGRESS", "accountName": HIDDEN}
        emit(
            world,
            account=call.account,
            region=call.region,
            source=f"aws.{call.service}",
            detail_type=BY_CALL,
            detail=record,
        )
    if answer.outcome == "ok":
        said = json.loads(answer.body) if answer.body.startswith(b"{") else {}
        if call.service == "organizations":
            _tell_of_accounts(world, call, said)
        if call.service == "security-ir":
            _tell_of_memberships(world, call, said)
        _tell_of_terminations(world)


def _is_logged(world: World, account: str, region: str) -> bool:
    management = world.tree.management_account_id
    is_member = world.tree.position(account) is not None
    return organization_trail.is_logged(account, region, management if is_member else None)


# --- Organizations ----------------------------------------------------------------------------------------------------


def _tell_of_accounts(world: World, call: Call, said: Mapping[str, Any]) -> None:
    now = world.clock.now()
    match call.operation:
        case "CreateAccount":
            status = said["CreateAccountStatus"]
            account = status.get("AccountId") or _account_of(world, status["Id"])
            result = {
                "id": status["Id"],
                "state": "SUCCEEDED",
                "accountName": HIDDEN,
                "accountId": account,
                "requestedTimestamp": _date(now),
                "completedTimestamp": _date(now),
            }
            _service_event(world, "CreateAccountResult", {"createAccountStatus": result}, now)
            _joined_or_departed(world, "Joined", account, {"joinedMethod": "CREATED", "joinedTime": _date(now)}, now)
        case "CloseAccount":
            result = {
                "accountId": call.parameters["AccountId"],
                "state": "SUCCEEDED",
                "requestedTimestamp": _date(now),
                "completedTimestamp": _date(now),
            }
            _service_event(world, "CloseAccountResult", {"closeAccountStatus": result}, now)
        case "RemoveAccountFromOrganization":
            how = {"departureMethod": "REMOVED", "departureTime": _date(now)}
            _joined_or_departed(world, "Departed", str(call.parameters["AccountId"]), how, now)


def _account_of(world: World, request_id: str) -> str:
    accounts = world.tree.backend.accounts
    return next(str(one.id) for one in accounts if one.create_account_status_id == request_id)


def _joined_or_departed(world: World, which: str, account: str, how: Mapping[str, str], now: datetime) -> None:
    details: dict[str, Any]
    match world.switches.get("joined_and_departed_events"):
        case "undelivered":
            return
        case "nowhere":
            details = dict(how)
        case "nested":
            details = {f"account{which}Organization": {"accountId": account, **how}}
        case _:
            details = {"accountId": account, **how}
    _service_event(world, f"Account{which}Organization", details, now)


def _service_event(world: World, name: str, details: Mapping[str, Any], now: datetime) -> None:
    management, region = world.tree.management_account_id, organization_trail.HOME
    if not _is_logged(world, management, region):
        return
    record = {
        "eventVersion": "1.08",
        "userIdentity": {"accountId": management, "invokedBy": ORGANIZATIONS},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": ORGANIZATIONS,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": ORGANIZATIONS,
        "userAgent": ORGANIZATIONS,
        "requestParameters": None,
        "responseElements": None,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": management,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }
    emit(world, account=management, region=region, source="aws.organizations", detail_type=BY_SERVICE, detail=record)


def _date(moment: datetime) -> str:
    return f"{moment:%b} {moment.day}, {moment.year} {moment.hour % 12 or 12}:{moment:%M:%S %p}"


# --- Security Incident Response ---------------------------------------------------------------------------------------


def _tell_of_memberships(world: World, call: Call, said: Mapping[str, Any]) -> None:
    named = said.get("membershipId") or call.parameters.get("membershipId")
    for membership in world.memberships:
        if membership.id != named:
            continue
        match call.operation:
            case "CreateMembership":
                _membership_event(world, membership, "Membership Created")
            case "UpdateMembership":
                _membership_event(world, membership, "Membership Updated")
            case "CancelMembership":
                world.traffic.terminated.add(membership.id)
                _membership_event(world, membership, world.switches.get("membership_end_event"))


def _tell_of_terminations(world: World) -> None:
    """Tell of memberships that something else has ended, such as the end of the registration."""
    for membership in world.memberships:
        if not membership.is_active and membership.id not in world.traffic.terminated:
            world.traffic.terminated.add(membership.id)
            _membership_event(world, membership, "Membership Terminated")


def _membership_event(world: World, membership: Membership, detail_type: str) -> None:
    emit(
        world,
        account=membership.account_id,
        region=membership.region,
        source=SECURITY_IR,
        detail_type=detail_type,
        detail={"membershipId": membership.id},
        resources=[membership.arn],
    )
