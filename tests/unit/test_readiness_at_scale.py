"""Readiness at scale: far fewer reads, nobody forgotten, tampering found in time; and the benchmark counts truly."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import quote

import boto3
import pytest
from botocore.model import OperationModel

from benchmarks import calls, readiness
from benchmarks.organization import LivingOrganization, Shown
from benchmarks.readiness import Result, judge
from benchmarks.simulation import Churn
from muster.adapters.clients import Clients
from muster.adapters.containment_roles import ContainmentRoles
from muster.adapters.stack_sets import StackSets
from muster.domain import kept_instances, readings
from muster.domain.containment_roles import DENY_ALL, EXECUTION_ROLE, RoleDocument
from muster.domain.observed import Known
from muster.domain.stack_sets import StackInstance
from tests.fakes.stack_sets import OURS, Alteration, good_roles
from tests.fakes.world import MANAGEMENT, SECURITY

MEMBER = "300000000001"
FEWER, READ, BY_EVENT, BY_DRIFT, BY_NOTHING, ONCE, WRITES = range(7)
"""Where each promise is among those that are judged."""
CALM = Churn(created=1, moved=1, closed=1, failing=0, by_event=0, by_drift=0, by_nothing=0)
WILD = Churn(created=2, moved=1, closed=1, failing=1, by_event=2, by_drift=2, by_nothing=1)


def broken(result: Result) -> list[int]:
    return [number for number, each in enumerate(judge(result)) if not each.is_kept]


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so few accounts be kept in a list as thousands are."""
    monkeypatch.setattr(kept_instances, "FEW", 20)


class TestDays:
    def test_reads_are_five_times_fewer_and_every_account_is_read_within_seven_days(self) -> None:
        result = readiness.run(130, 8, CALM)
        assert broken(result) == []
        assert result.times_fewer >= 5
        assert timedelta(days=5) < result.oldest <= timedelta(days=7)
        assert result.simulation.organization.written.total() == 0
        assert result.simulation.quiet_runs == 9 * 24

    def test_tampering_is_found_by_the_next_run_once_it_shows_and_within_seven_days_when_nothing_does(self) -> None:
        result = readiness.run(40, 9, WILD)
        assert set(broken(result)) <= {FEWER}  # among so few accounts the damaged ones weigh too much
        for shown in Shown:
            assert len([each for each in result.tamperings(shown) if each.found_at]) >= 4
        assert result.simulation.organization.written["repairs"] >= 10
        assert result.simulation.quiet_runs >= 50

    @pytest.mark.parametrize(
        ("owner", "name", "instead", "promise"),
        [
            (readings, "LATEST", 30 * readings.VALID, READ),
            (LivingOrganization, "hint", lambda *_: None, BY_EVENT),
            (StackInstance, "is_unusual", property(lambda _: False), BY_DRIFT),
            (LivingOrganization, "detect_drift", lambda *_: None, BY_DRIFT),
        ],
    )
    def test_figures_tell_which_promise_is_broken(
        self, owner: object, name: str, instead: object, promise: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(readings, "LEAST", 30 * readings.VALID)  # so few would be read in turn within a day
        monkeypatch.setattr(owner, name, instead)
        assert promise in broken(readiness.run(20, 8, replace(WILD, by_nothing=0)))


@cache
def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="id", aws_secret_access_key="invented", region_name="us-east-1")


@dataclass(slots=True)
class Service:
    """AWS behind the SDK: answers every call as it would be parsed, and counts them."""

    roles: Mapping[str, RoleDocument] = field(default_factory=dict)
    instances: tuple[StackInstance, ...] = ()
    operations: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def clients(self, account_id: str, role: str | None = None) -> Clients:
        return Clients(session(), account_id, role and f"arn:aws:iam::{account_id}:role/{role}")

    def __enter__(self) -> Self:
        session().events.register("before-call", self._answer)  # type: ignore[arg-type] # the stubs want None
        return self

    def __exit__(self, *_: object) -> None:
        session().events.unregister("before-call", self._answer)  # type: ignore[arg-type]

    def _answer(self, model: OperationModel, params: Mapping[str, Any], **_: object) -> tuple[Any, Any]:
        self.calls[f"{model.service_model.service_name}:{model.name}"] += 1
        given = params["body"]
        if (name := given.get("RoleName")) is not None and name not in self.roles:
            absent = {"Error": {"Code": "NoSuchEntity", "Message": "no such role"}}
            return SimpleNamespace(status_code=404), absent
        return SimpleNamespace(status_code=200), self._found(model.name, given)

    def _found(self, operation: str, given: Mapping[str, str]) -> Mapping[str, Any]:
        role = self.roles.get(given.get("RoleName", ""))
        found: Mapping[str, Any]
        match operation, role:
            case "AssumeRole", _:
                found = {"Credentials": dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "invented")}
            case "GetRole", RoleDocument(trust=trust):
                found = {"Role": {"AssumeRolePolicyDocument": _encoded(trust)}}
            case "ListRolePolicies", RoleDocument(inline=inline):
                found = {"PolicyNames": list(inline), "IsTruncated": False}
            case "GetRolePolicy", RoleDocument(inline=inline):
                found = {"PolicyDocument": _encoded(inline[given["PolicyName"]])}
            case "ListAttachedRolePolicies", RoleDocument(attached=attached):
                found = {"AttachedPolicies": [{"PolicyArn": each} for each in attached], "IsTruncated": False}
            case "GetPolicy", _:
                found = {"Policy": {"DefaultVersionId": "v1"}}
            case "GetPolicyVersion", _:
                found = {"PolicyVersion": {"Document": _encoded({"Statement": []})}}
            case "ListStackInstances", _:
                wanted = given.get("Filters.member.1.Values")
                there = [each for each in self.instances if wanted in (None, each.drift, each.detailed)]
                found = self._page([_instance(each) for each in there], given)
            case "ListStackSetOperations", _:
                one = {"OperationId": "one", "Action": "UPDATE", "Status": "SUCCEEDED"}
                found = self._page([one] * self.operations, given)
            case _:
                raise AssertionError(operation)
        return found

    def _page(self, found: list[Any], given: Mapping[str, str]) -> Mapping[str, Any]:
        start = int(given.get("NextToken", 0))
        end = start + calls.PAGE
        return {"Summaries": found[start:end]} | ({"NextToken": str(end)} if end < len(found) else {})


def _encoded(document: object) -> str:
    return quote(json.dumps(document))


def _instance(each: StackInstance) -> Mapping[str, Any]:
    return {
        "Account": each.account_id,
        "Region": each.region,
        "Status": each.status,
        "StackInstanceStatus": {"DetailedStatus": each.detailed},
        "DriftStatus": each.drift,
    }


def with_policies(roles: dict[str, RoleDocument]) -> None:
    role = roles[EXECUTION_ROLE]
    own = f"arn:aws:iam::{MEMBER}:policy/Own"
    more: dict[str, Any] = {own: Known(value={"Statement": []}), f"arn:aws{DENY_ALL}": None}
    roles[EXECUTION_ROLE] = replace(role, attached={**role.attached, **more}, inline={**role.inline, "More": {}})


def without_a_role(roles: dict[str, RoleDocument]) -> None:
    del roles[EXECUTION_ROLE]


class TestBill:
    @pytest.mark.parametrize("account_id", [MEMBER, MANAGEMENT])
    @pytest.mark.parametrize("alter", [dict.copy, with_policies, without_a_role, dict.clear])
    def test_a_reading_is_billed_as_many_calls_as_the_adapter_makes(self, account_id: str, alter: Alteration) -> None:
        roles = good_roles(account_id, ec2_triage=alter is with_policies)
        alter(roles)
        with Service(roles) as service:
            reader = ContainmentRoles(service.clients(SECURITY), service.clients(MANAGEMENT, "reader"), "reader")
            (found,) = reader.roles([account_id]).values()
        assert isinstance(found, Known)
        assert found.value.keys() == roles.keys()
        billed = calls.calls_to_read(found.value, is_management=account_id == MANAGEMENT)
        once = Counter({calls.ASSUME: int(account_id == MANAGEMENT)})
        assert billed + once == service.calls

    @pytest.mark.parametrize("number", [0, 1, 100, 101, 430])
    def test_lists_are_billed_as_many_pages_as_the_adapter_reads(self, number: int) -> None:
        instances = tuple(
            StackInstance(f"{each:012}", OURS.region, "OUTDATED", "FAILED", "", None, "DRIFTED" if each % 2 else None)
            for each in range(number)
        )
        with Service(instances=instances, operations=number) as service:
            reader = StackSets(service.clients(MANAGEMENT))
            assert len(reader.instances(OURS)) == number
            assert service.calls.pop(calls.LIST) == calls.pages(number)
            assert len(reader.unusual_instances(OURS)) == number
            assert service.calls.pop(calls.LIST) == calls.pages_of_unusual(instances)
            assert len(reader.operations(OURS)) == number
            assert service.calls == {calls.LIST_OPERATIONS: calls.pages(number)}

    def test_eight_accounts_are_read_at_once_and_the_inventory_keeps_its_pace(self) -> None:
        bill = calls.Bill()
        bill.add_readings(Counter({"iam:GetRole": 10}) for _ in range(17))
        assert bill.calls == {"iam:GetRole": 170}
        assert bill.seconds == pytest.approx(3 * 10 * calls.LATENCY)
        inventory = calls.list_accounts(10_001)
        assert inventory.calls == {calls.LIST_ACCOUNTS: 501}
        assert inventory.seconds == pytest.approx((501 - 12 * 0.6) / (8 * 0.6) + calls.LATENCY, rel=0.02)
