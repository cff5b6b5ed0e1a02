"""An operator who drives the embedded cloud by AWS APIs, with the console's own push."""

import itertools
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from muster.messages.desired_state import parse
from muster_console.aws import Connection
from muster_console.pushing import Push, push
from muster_console.stack import Stack, find_stack
from muster_local.server import EmbeddedCloud

MANAGEMENT = "111111111111"
DESIGNATED = "222222222222"
HOME = "eu-west-1"

RESPONDERS = [
    {"name": "Ada Canary", "job_title": "Head of Security", "email": "ada.canary@example.com", "role": "primary"},
    {"name": "Ben Canary", "job_title": "Incident Manager", "email": "ben.canary@example.com", "role": "secondary"},
]


def desired(**over: Any) -> dict[str, Any]:
    """Return a desired state for the small organization; keywords replace whole keys."""
    document: dict[str, Any] = {
        "mode": "enforce",
        "automatic": "all",
        "membership": {
            "name": "small-org",
            "account": DESIGNATED,
            "region": HOME,
            "tags": {"owner": "security"},
            "confirmed_as": f"{DESIGNATED}/{HOME}",
        },
        "scope": {"entire_organization": True},
        "contacts": RESPONDERS,
        "containment": {"roles": "off"},
        # Wide open: the limits have scenarios of their own.
        "guardrails": {"max_accounts": 1000, "max_share": 1.0, "max_units": 1000},
    }
    return {**document, **over}


@dataclass(frozen=True, slots=True)
class Run:
    """One finished execution."""

    name: str
    status: str
    output: dict[str, Any]
    error: str | None
    cause: str | None
    states: list[str]

    @property
    def outcome(self) -> str:
        """The status that the run reports, the error it failed with, or Asks while it waits for an approval."""
        return "Asks" if self.status == "RUNNING" else str(self.output.get("status", self.error))


class OperatorClients:
    """The console's clients, acting as the application's account."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloudformation: Any = cloud.client("cloudformation")
        self.s3: Any = cloud.client("s3")
        self.ssm: Any = cloud.client("ssm")
        self.stepfunctions: Any = cloud.client("stepfunctions")
        self.lambda_: Any = cloud.client("lambda")
        self.organizations: Any = cloud.client("organizations")
        self.security_ir: Any = cloud.client("security-ir")


class Operator:
    """Pushes, starts runs, and reads what they left."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.clients = OperatorClients(cloud)
        self._runs = 0

    # --- what an operator does ---

    def push(self, **over: Any) -> Push:
        """Push a desired state."""
        return self.push_document(desired(**over))

    def push_document(self, document: dict[str, Any]) -> Push:
        return push(self.clients, self.stack, parse(document))

    def start(self, *, person: str | None = None, **over: Any) -> str:
        """Start an onboarding by the API, as somebody, and return the execution's ARN."""
        self._runs += 1
        client = self.cloud.client("stepfunctions", person=person) if person else self.client("stepfunctions")
        started = client.start_execution(
            stateMachineArn=self.stack.onboard_machine_arn,
            name=f"run-{self._runs}-{datetime.now(UTC):%H%M%S%f}",
            input=json.dumps(over),
        )
        return str(started["executionArn"])

    def finish(self, arn: str) -> Run:
        """Wait for an execution to end, or to wait for an approval."""
        machines = self.client("stepfunctions")
        pause = threading.Event()
        for look in itertools.count():
            found = machines.describe_execution(executionArn=arn)
            # Whether it waits for people takes more calls to see, so that is looked at less often.
            if found["status"] != "RUNNING" or (look % 10 == 9 and self._waits_for_answer(arn)):
                break
            pause.wait(0.02)
        pages = machines.get_paginator("get_execution_history").paginate(executionArn=arn)
        entered = [
            event["stateEnteredEventDetails"]["name"]
            for page in pages
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]
        return Run(
            name=arn.rpartition(":")[2],
            status=found["status"],
            output=json.loads(found.get("output", "{}")),
            error=found.get("error"),
            cause=found.get("cause"),
            states=entered,
        )

    def onboard(self, **over: Any) -> Run:
        """Run an onboarding to its end."""
        return self.finish(self.start(**over))

    def sign_up_by_hand(self, **over: Any) -> str:
        """Sign the organization up past the application, and return the membership."""
        organizations = self.client("organizations", MANAGEMENT)
        organizations.enable_aws_service_access(ServicePrincipal="security-ir.amazonaws.com")
        self.client("iam", MANAGEMENT).create_service_linked_role(AWSServiceName="triage.security-ir.amazonaws.com")
        organizations.register_delegated_administrator(
            AccountId=DESIGNATED, ServicePrincipal="security-ir.amazonaws.com"
        )
        return self.create_membership(**over)

    def create_membership(
        self, *, name: str = "small-org", entire: bool = False, tags: dict[str, str] | None = None
    ) -> str:
        """Create the membership past the application, as its desired state has it, and return its id."""
        created = self.client("security-ir").create_membership(
            membershipName=name,
            incidentResponseTeam=[
                {"name": person["name"], "jobTitle": person["job_title"], "email": person["email"]}
                for person in RESPONDERS
            ],
            optInFeatures=[{"featureName": "Triage", "isEnabled": True}],
            tags={"owner": "security"} if tags is None else tags,
            coverEntireOrganization=entire,
        )
        self.cloud.world.clock.advance(5)
        return str(created["membershipId"])

    def _waits_for_answer(self, arn: str) -> bool:
        """Tell whether the run has asked, and keeps a token for the answer."""
        request = self.request
        if request is None or request["execution"] != arn or request["state"] != "waiting":
            return False
        found = self.client("s3").list_objects_v2(Bucket=self.stack.state_bucket, Prefix=f"tokens/{request['plan']}")
        return bool(found["KeyCount"])

    def answer(self, decision: str, *, person: str, plan: str | None = None, reason: str = "") -> Run:
        """Answer the request, or another plan, as somebody, and wait until the answer is taken or refused."""
        self._runs += 1
        asked = plan or (self.request or {})["plan"]
        started = self.cloud.client("stepfunctions", person=person).start_execution(
            stateMachineArn=self.stack.approve_machine_arn,
            name=f"answer-{self._runs}-{datetime.now(UTC):%H%M%S%f}",
            input=json.dumps({"plan": asked, "decision": decision, "reason": reason}),
        )
        return self.finish(str(started["executionArn"]))

    # --- what can be seen afterwards ---

    @property
    def request(self) -> Any:
        """The newest request for an approval, or None."""
        return self.find("approvals/latest.json")

    def find(self, key: str) -> Any:
        """Return a JSON document of the state bucket, or None when there is none."""
        client = self.client("s3")
        try:
            return json.loads(client.get_object(Bucket=self.stack.state_bucket, Key=key)["Body"].read())
        except client.exceptions.NoSuchKey:
            return None

    def client(self, service: str, account: str | None = None, region: str | None = None) -> Any:
        return self.cloud.client(service, account, region)

    @property
    def stack(self) -> Stack:
        return find_stack(self.clients, "muster", Connection(region=self.cloud.region, endpoint_url=self.cloud.url))

    def document(self, key: str) -> Any:
        """Return a JSON document of the state bucket."""
        body = self.client("s3").get_object(Bucket=self.stack.state_bucket, Key=key)["Body"].read()
        return json.loads(body)

    def text(self, key: str) -> str:
        return str(self.client("s3").get_object(Bucket=self.stack.state_bucket, Key=key)["Body"].read().decode())

    @property
    def assessment(self) -> Any:
        return self.document("assessments/latest.json")

    def coverage(self) -> dict[str, str]:
        """Return the coverage of each account in the latest assessment."""
        return {account["id"]: account["coverage"] for account in self.assessment["accounts"]}

    def causes(self) -> dict[str, str]:
        return {account["id"]: account["cause"] for account in self.assessment["accounts"] if account.get("cause")}

    def calls(self, operation: str) -> list[dict[str, Any]]:
        return [call for call in self.cloud.calls() if call["operation"] == operation]

    def writes(self) -> list[str]:
        """Return the operations of every write that the application made and that took effect."""
        return [call["operation"] for call in self.cloud.calls() if call["write"] and call["outcome"] == "ok"]

    def unit_id(self, *names: str) -> str:
        """Return the id of a unit by the names on the way to it."""
        organizations = self.client("organizations", MANAGEMENT)
        parent = organizations.list_roots()["Roots"][0]["Id"]
        for name in names:
            pages = organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent)
            (parent,) = (unit["Id"] for page in pages for unit in page["OrganizationalUnits"] if unit["Name"] == name)
        return str(parent)

    def memberships(self, account: str = DESIGNATED, region: str = HOME) -> list[dict[str, Any]]:
        return list(self.client("security-ir", account, region).list_memberships()["items"])

    def messages(self) -> list[str]:
        """Return what was published to the notification topic."""
        return [call["parameters"]["Message"] for call in self.calls("Publish")]
