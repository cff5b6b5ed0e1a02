"""What CloudFormation makes for events: policies of buses and queues, and schedules. moto has none of them."""

import json
from collections.abc import Mapping
from typing import Any

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.events.models import EventBus, EventBusPolicyStatement, events_backends
from moto.scheduler.models import scheduler_backends
from moto.sqs.models import sqs_backends

from muster_local.resource_errors import ResourceError

type Properties = Mapping[str, Any]


def know_resources_of_events() -> None:
    """Let CloudFormation find the models of this module, however early it has looked, and a bus's name by Ref."""
    EventBus.physical_resource_id = property(lambda bus: bus.name)
    for found in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        getattr(found, "cache_clear", lambda: None)()


class _Resource:
    """A resource that only its own handler knows; ``name`` is its physical id."""

    def __init__(self, name: str, properties: Properties, account_id: str, region_name: str) -> None:
        self.name, self.properties = name, properties
        self.account_id, self.region_name = account_id, region_name
        self.put(properties, is_new=True)

    @property
    def physical_resource_id(self) -> str:
        return self.name

    def put(self, properties: Properties, *, is_new: bool) -> None:
        raise NotImplementedError

    def delete(self, account_id: str, region_name: str) -> None:
        raise NotImplementedError

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        """Make one."""
        return cls(resource_name, cloudformation_json.get("Properties", {}), account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,
        account_id: str,  # noqa: ARG003
        region_name: str,  # noqa: ARG003
    ) -> Any:
        """Change one in place."""
        properties = cloudformation_json.get("Properties", {})
        original_resource.put(properties, is_new=False)
        original_resource.properties = properties
        return original_resource


class EventBusPolicy(_Resource, CloudFormationModel):
    """One statement of a bus's policy."""

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name no property: AWS makes the physical id."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type."""
        return "AWS::Events::EventBusPolicy"

    def put(self, properties: Properties, *, is_new: bool) -> None:
        """Write the statement into the policy of the bus."""
        if not is_new:
            self.delete(self.account_id, self.region_name)
        bus = self._bus(properties)
        if bus is None:
            raise ResourceError(f"Event bus {properties.get('EventBusName')} does not exist.")
        sid = str(properties["StatementId"])
        statement = dict(properties.get("Statement") or {})
        if not statement:
            condition = properties.get("Condition")
            statement = {
                "Effect": "Allow",
                "Action": properties["Action"],
                "Principal": "*" if properties["Principal"] == "*" else {"AWS": properties["Principal"]},
                "Resource": bus.arn,
                **({"Condition": {condition["Type"]: {condition["Key"]: condition["Value"]}}} if condition else {}),
            }
        bus._statements[sid] = EventBusPolicyStatement.from_dict({**statement, "Sid": sid})

    def delete(self, account_id: str, region_name: str) -> None:  # noqa: ARG002 - moto's signature
        """Take the statement out again; a bus that is gone has none."""
        bus = self._bus(self.properties)
        if bus is not None:
            bus._statements.pop(str(self.properties["StatementId"]), None)

    def _bus(self, properties: Properties) -> Any:
        name = str(properties.get("EventBusName") or "default").rpartition("/")[2]
        return events_backends[self.account_id][self.region_name].event_buses.get(name)


class QueuePolicy(_Resource, CloudFormationModel):
    """The policy of queues."""

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name no property: AWS makes the physical id."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type."""
        return "AWS::SQS::QueuePolicy"

    def put(self, properties: Properties, *, is_new: bool) -> None:
        """Give every queue the policy."""
        if not is_new:
            self.delete(self.account_id, self.region_name)
        for queue in self._queues(properties):
            queue.policy = json.dumps(properties["PolicyDocument"])

    def delete(self, account_id: str, region_name: str) -> None:  # noqa: ARG002 - moto's signature
        """Leave the queues without a policy."""
        for queue in self._queues(self.properties):
            queue.policy = None

    def _queues(self, properties: Properties) -> list[Any]:
        queues = sqs_backends[self.account_id][self.region_name].queues
        names = [str(url).rpartition("/")[2] for url in properties["Queues"]]
        return [queues[name] for name in names if name in queues]


class ScheduleResource(_Resource, CloudFormationModel):
    """A schedule."""

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the property that names it."""
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type."""
        return "AWS::Scheduler::Schedule"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Tell which attributes there are."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return the ARN."""
        if attribute_name != "Arn":
            raise ResourceError(f"a schedule has no attribute {attribute_name}")
        return str(self._backend.get_schedule(self.properties.get("GroupName"), self.name).arn)

    def put(self, properties: Properties, *, is_new: bool) -> None:
        """Make or change the schedule."""
        names = {
            "description": "Description",
            "end_date": "EndDate",
            "flexible_time_window": "FlexibleTimeWindow",
            "group_name": "GroupName",
            "kms_key_arn": "KmsKeyArn",
            "schedule_expression": "ScheduleExpression",
            "schedule_expression_timezone": "ScheduleExpressionTimezone",
            "start_date": "StartDate",
            "state": "State",
            "target": "Target",
        }
        request = {name: properties.get(member) for name, member in names.items()}
        if is_new:
            self._backend.create_schedule(name=self.name, action_after_completion=None, **request)
        else:
            self._backend.update_schedule(name=self.name, **request)

    def delete(self, account_id: str, region_name: str) -> None:  # noqa: ARG002 - moto's signature
        """Delete the schedule."""
        self._backend.delete_schedule(self.properties.get("GroupName"), self.name)

    @property
    def _backend(self) -> Any:
        return scheduler_backends[self.account_id][self.region_name]


def change_event_bus(bus: Any, _before: Properties, after: Properties) -> None:
    """Keep the bus, and with it its rules: moto would make a new one."""
    bus.description = after.get("Description")
