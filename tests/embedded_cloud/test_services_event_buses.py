import json
from typing import Any

import pytest

from tests.embedded_cloud import event_world as on
from tests.embedded_cloud.event_world import ANY, ORGANIZATION_ID, bodies, events, messages, put, queue, role, rule
from tests.embedded_cloud.small_world import HOME, LEDGER, MANAGEMENT, SECURITY_TOOLING, SHOP, SmallWorld, refused

pytestmark = pytest.mark.usefixtures("cloud")

BUS = f"arn:aws:events:{HOME}:{SECURITY_TOOLING}:event-bus/muster"
FORWARDER = f"arn:aws:events:us-east-1:{MANAGEMENT}:rule/forwarder"
ORGANIZATIONS = {"source": ["aws.organizations"]}


def bus(statement: dict[str, Any] | None = None, *, account: str = SECURITY_TOOLING, name: str = "muster") -> None:
    events(account).create_event_bus(Name=name)
    if statement is not None:
        base = {"Sid": "one", "Effect": "Allow", "Action": "events:PutEvents"}
        arn = f"arn:aws:events:{HOME}:{account}:event-bus/{name}"
        policy = {"Version": "2012-10-17", "Statement": [base | {"Resource": arn} | statement]}
        events(account).put_permission(EventBusName=name, Policy=json.dumps(policy))


def of_the_forwarder(**more: Any) -> dict[str, Any]:
    """Allow what the forwarder in the management account sends, and nothing else."""
    return {
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
        "Condition": {
            "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID, "events:source": "aws.organizations"},
            "ArnEquals": {"aws:SourceArn": FORWARDER, "aws:PrincipalArn": f"arn:aws:iam::{MANAGEMENT}:role/forward"},
        },
        **more,
    }


def forwarder(*, source: str = "shop", dead: str | None = None, name: str = "forwarder", target: str = BUS) -> None:
    own = role("forward" if name == "forwarder" else name, "events:PutEvents", target)
    letters = {"DeadLetterConfig": {"Arn": dead}} if dead else {}
    rule(
        {"Arn": target, "RoleArn": own, **letters},
        pattern={"source": [source]},
        name=name,
        place=(MANAGEMENT, "us-east-1"),
    )


def put_in_virginia(source: str = "shop") -> None:
    entry = {"Source": source, "DetailType": "Order", "Detail": "{}"}
    answer = events(MANAGEMENT, "us-east-1").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


# --- rules ---


def test_an_event_comes_to_the_queue_of_a_rule_as_it_travels() -> None:
    arn = queue("all")
    rule(arn, pattern={"source": ["shop"], "detail": {"order": [{"numeric": [">", 1]}]}})
    answer = put({"order": 2}, Resources=["arn:one"])
    put({"order": 1})
    (event,) = bodies(arn)
    assert event == {
        "version": "0",
        "id": answer["EventId"],
        "detail-type": "Order",
        "source": "shop",
        "account": SECURITY_TOOLING,
        "time": "2026-11-24T09:00:00Z",
        "region": HOME,
        "resources": ["arn:one"],
        "detail": {"order": 2},
    }


def test_a_disabled_rule_matches_nothing_until_it_is_enabled() -> None:
    arn = queue("all")
    rule(arn)
    events().disable_rule(Name="rule")
    put()
    assert bodies(arn) == []
    events().enable_rule(Name="rule")
    put()
    assert len(bodies(arn)) == 1


def test_a_rule_listens_to_its_own_bus_account_and_region() -> None:
    bus()
    here, there, elsewhere = queue("here"), queue("there"), queue("elsewhere", region="us-east-1")
    rule(here, name="here")
    rule(there, name="there", bus="muster")
    rule(elsewhere, place=(SECURITY_TOOLING, "us-east-1"))
    put(bus="muster")
    assert [len(bodies(one)) for one in (here, there, elsewhere)] == [0, 1, 0]
    put()
    assert [len(bodies(one)) for one in (here, there, elsewhere)] == [1, 0, 0]


def test_an_invalid_pattern_is_refused_when_the_rule_is_put() -> None:
    pattern = json.dumps({"source": [{"begins": "aws"}]})
    assert refused(events().put_rule, Name="rule", EventPattern=pattern) == ("InvalidEventPatternException", 400)
    assert events().list_rules()["Rules"] == []


def test_a_pattern_can_be_tried() -> None:
    event = dict.fromkeys(("id", "account", "time", "region", "detail-type"), "x") | {"source": "shop", "resources": []}
    ask = events().test_event_pattern
    assert ask(EventPattern=json.dumps({"source": ["shop"]}), Event=json.dumps(event))["Result"] is True
    assert ask(EventPattern=json.dumps({"source": ["else"]}), Event=json.dumps(event))["Result"] is False
    assert refused(ask, EventPattern="{}", Event=json.dumps(event))[0] == "InvalidEventPatternException"
    assert refused(ask, EventPattern=json.dumps(ANY), Event="{}")[0] == "ValidationException"


# --- what clients put ---


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Source": "aws.organizations"}, "NotAuthorizedForSource"),
        ({"Source": ""}, "InvalidArgument"),
        ({"Detail": "[]"}, "MalformedDetail"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"EventBusName": "none"}, "ResourceNotFoundException"),
    ],
)
def test_an_entry_is_refused_alone(more: dict[str, Any], code: str) -> None:
    arn = queue("all")
    rule(arn)
    entry = {"Source": "shop", "DetailType": "Order", "Detail": "{}"}
    answer = events().put_events(Entries=[{**entry, **more}, entry])
    assert [one.get("ErrorCode") for one in answer["Entries"]] == [code, None]
    assert answer["FailedEntryCount"] == 1
    assert len(bodies(arn)) == 1


def test_more_than_ten_entries_are_refused_together() -> None:
    entry = {"Source": "shop", "DetailType": "Order", "Detail": "{}"}
    assert refused(events().put_events, Entries=[entry] * 11) == ("ValidationException", 400)


# --- what a target gets ---


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Input": '{"constant": 1}'}, {"constant": 1}),
        ({"InputPath": "$.detail"}, {"account": "1", "list": ["a", "b"]}),
        ({"InputPath": "$.detail.list[1]"}, "b"),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"who": "$.detail.account", "list": "$.detail.list", "none": "$.detail.none"},
                    "InputTemplate": '{"who": <who>, "text": "of <who>: <list>", "list": <list>, "none": "<none>"}',
                }
            },
            {"who": "1", "text": 'of 1: ["a", "b"]', "list": ["a", "b"], "none": ""},
        ),
        ({"InputTransformer": {"InputTemplate": '"<aws.events.rule-name> <unknown>"'}}, "rule <unknown>"),
    ],
)
def test_a_target_gets_what_it_asks_for(target: dict[str, Any], expected: Any) -> None:
    arn = queue("all")
    rule({"Arn": arn, **target})
    put({"account": "1", "list": ["a", "b"]})
    assert bodies(arn) == [expected]


def test_a_state_machine_is_started_with_the_event_by_the_rules_role() -> None:
    machine = on.machine("reconcile")
    own = role("starter", "states:StartExecution", machine, account=SECURITY_TOOLING)
    rule({"Arn": machine, "RoleArn": own, "InputPath": "$.detail"})
    put({"account": "1"})
    assert on.inputs(machine) == [{"account": "1"}]


@pytest.mark.parametrize(
    ("service", "action"),
    [("lambda.amazonaws.com", "states:StartExecution"), ("events.amazonaws.com", "states:StopExecution")],
)
def test_a_role_that_may_not_start_the_machine_sends_the_event_to_the_dead_letters(service: str, action: str) -> None:
    machine, dead = on.machine("reconcile"), queue("dead")
    own = role("starter", action, "*", account=SECURITY_TOOLING, service=service)
    rule({"Arn": machine, "RoleArn": own, "DeadLetterConfig": {"Arn": dead}})
    put({"account": "1"})
    (letter,) = messages(dead)
    assert json.loads(letter["Body"])["detail"] == {"account": "1"}
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"] == machine
    assert on.inputs(machine) == []


def test_what_cannot_be_delivered_anywhere_is_told_to_whoever_drives_the_cloud(cloud: SmallWorld) -> None:
    gone = f"arn:aws:sqs:{HOME}:{SECURITY_TOOLING}:gone"
    far = queue("far", region="us-east-1")
    rule({"Arn": gone, "DeadLetterConfig": {"Arn": far}}, name="one")
    rule(far, name="two")
    put()
    first, second = cloud.world.traffic.undelivered
    assert (first.target, first.code, first.is_kept) == (gone, "INVALID_PARAMETER", False)
    assert (second.target, second.code, second.is_kept) == (far, "INVALID_PARAMETER", False)


# --- from bus to bus ---


def test_a_rule_forwards_to_a_bus_of_another_account_and_region_whose_policy_allows_it() -> None:
    arn = queue("muster")
    statement = of_the_forwarder()
    statement["Condition"]["StringEquals"]["events:source"] = "shop"
    bus(statement)
    rule(arn, bus="muster")
    forwarder()
    put_in_virginia()
    (event,) = bodies(arn)
    assert (event["source"], event["account"], event["region"]) == ("shop", MANAGEMENT, "us-east-1")


@pytest.mark.parametrize(
    "statement",
    [
        None,
        of_the_forwarder(),
        {"Principal": {"AWS": f"arn:aws:iam::{SHOP}:root"}},
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-another"}}},
        {"Principal": {"AWS": MANAGEMENT}, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/x"}}},
    ],
)
def test_a_bus_refuses_what_no_statement_allows(statement: dict[str, Any] | None) -> None:
    arn, dead = queue("muster"), queue("dead", MANAGEMENT, "us-east-1")
    bus(statement)
    rule(arn, bus="muster")
    forwarder(dead=dead)
    put_in_virginia()
    assert bodies(arn) == []
    assert len(bodies(dead)) == 1


def test_without_a_role_nothing_is_forwarded() -> None:
    arn = queue("muster")
    bus({"Principal": "*"})
    rule(arn, bus="muster")
    rule(BUS, place=(MANAGEMENT, "us-east-1"))
    put_in_virginia()
    assert bodies(arn) == []


def test_an_event_is_forwarded_once_and_no_further() -> None:
    near, far = queue("near"), queue("far", LEDGER)
    for account in (SECURITY_TOOLING, LEDGER):
        bus({"Principal": {"AWS": "*"}}, account=account)
    rule(near, bus="muster", name="near")
    last = f"arn:aws:events:{HOME}:{LEDGER}:event-bus/muster"
    own = role("further", "events:PutEvents", last, account=SECURITY_TOOLING)
    rule({"Arn": last, "RoleArn": own}, bus="muster", name="further")
    rule(far, bus="muster", place=(LEDGER, HOME))
    forwarder()
    put_in_virginia()
    assert (len(bodies(near)), len(bodies(far))) == (1, 0)
    put(bus="muster")
    assert (len(bodies(near)), len(bodies(far))) == (1, 1)


def test_a_client_puts_on_a_bus_of_another_account_what_the_policy_allows() -> None:
    arn = queue("muster")
    bus({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}}})
    rule(arn, bus="muster")
    assert "EventId" in put(bus=BUS, account=SHOP)
    assert put(bus=BUS, account="999999999999")["ErrorCode"] == "AccessDeniedException"
    assert [event["account"] for event in bodies(arn)] == [SHOP]


def test_a_policy_takes_the_place_of_the_one_before() -> None:
    bus({"Principal": {"AWS": SHOP}})
    base = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS, "Principal": {"AWS": LEDGER}}
    policy = {"Statement": [{**base, "Sid": "a"}, {**base, "Sid": "b"}]}
    events().put_permission(EventBusName="muster", Policy=json.dumps(policy))
    found = json.loads(events().describe_event_bus(Name="muster")["Policy"])["Statement"]
    assert [one["Sid"] for one in found] == ["a", "b"]
