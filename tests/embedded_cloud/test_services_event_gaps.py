"""What moto does with events on its own. A test that fails here means that moto has closed a gap."""

import inspect

import pytest
from moto.events.models import EventPattern, events_backends
from moto.scheduler.models import EventBridgeSchedulerBackend
from moto.sqs.models import Queue

from muster_local import event_buses, queue_consumers
from tests.embedded_cloud.event_world import bodies, queue, rule
from tests.embedded_cloud.small_world import HOME, SECURITY_TOOLING

pytestmark = pytest.mark.usefixtures("cloud")


def test_moto_matches_no_array_of_objects() -> None:
    pattern = EventPattern("{}", {"detail": {"parties": {"id": ["1"]}}})
    event = {"detail": {"parties": [{"id": "1"}]}}
    assert not event_buses.unpatched_matches_event(pattern, event)


def test_moto_sees_an_empty_array_as_something_that_exists() -> None:
    pattern = EventPattern("{}", {"detail": {"list": [{"exists": True}]}})
    assert event_buses.unpatched_matches_event(pattern, {"detail": {"list": []}})


def test_moto_takes_sources_that_only_aws_has() -> None:
    rule(queue("all"), pattern={"source": ["aws.organizations"]})
    backend = events_backends[SECURITY_TOOLING][HOME]
    entry = {"Source": "aws.organizations", "DetailType": "x", "Detail": "{}"}
    (answer,) = event_buses.unpatched_put_events(backend, [entry])
    assert "EventId" in answer
    assert len(bodies(f"arn:aws:sqs:{HOME}:{SECURITY_TOOLING}:all")) == 1


def test_moto_never_fires_a_schedule() -> None:
    assert not [name for name in dir(EventBridgeSchedulerBackend) if "fire" in name or "invoke" in name]


def test_moto_invokes_functions_while_a_message_is_sent() -> None:
    assert "send_sqs_batch" in inspect.getsource(queue_consumers.unpatched_add_message)
    assert Queue.add_message is not queue_consumers.unpatched_add_message
