"""The containment preference: asked by a case, attested by a person, due again, never raised or called verified."""

import io
import json
import threading
from datetime import timedelta
from typing import Any, cast

import boto3
from botocore.config import Config
from rich.console import Console

from muster_console.__main__ import main
from muster_console.aws import Clients
from muster_console.desk import Desk
from tests.scenarios.conftest import Cloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, HOME, Operator, OperatorClients, Run
from tests.scenarios.preferences import KEY, attest_preference
from tests.scenarios.test_containment import MEMBERS

ADA = "ada@example.com"
CASE = "17012345678901"
SHOP = "300000000003"
OF_ALL = "containment preference of the organization "


class PersonsClients(OperatorClients):
    """The console's clients, with a person's credentials for the state machines."""

    def __init__(self, operator: Operator, person: str) -> None:
        super().__init__(operator.cloud)
        self.stepfunctions = operator.cloud.client("stepfunctions", person=person)


def muster(operator: Operator, *arguments: str, person: str | None = None) -> tuple[int, str]:
    """Run the console as the account, or as a person, and return its exit code and what it printed."""
    out = io.StringIO()
    operator.cloud.world.clock.advance(5)  # Organizations counts the calls of the console as well
    clients = PersonsClients(operator, person) if person else operator.clients
    console = Console(file=out, width=400)
    desk = Desk(
        connect=lambda _: cast("Clients", clients),
        out=console,
        err=console,
        now=operator.cloud.world.clock.now,
        sleep=lambda _: pause(),
    )
    return main(arguments, desk), out.getvalue()


def pause() -> None:
    threading.Event().wait(0.02)


def attest(operator: Operator, level: str, *accounts: str, person: str | None = ADA) -> tuple[int, str]:
    named = [argument for account in accounts for argument in ("--account", account)]
    return muster(operator, "attest", "--case", CASE, "--level", level, *named, person=person)


def pass_days(operator: Operator, days: float) -> None:
    operator.cloud.world.clock.advance(timedelta(days=days).total_seconds())


def want(operator: Operator, level: str, overrides: dict[str, str] | None = None) -> None:
    operator.push(containment={"roles": "verify", "preference": level, "overrides": overrides or {}})


def notices(operator: Operator) -> list[tuple[str, bool]]:
    """Return what the last report tells of the preference, and whether it needs a person."""
    told = operator.document("reports/latest.json")["notices"]
    return [(each["subject"], each["needs_person"]) for each in told if "containment preference" in each["subject"]]


def told(operator: Operator, run: Run) -> bool:
    """Tell whether a run has sent a message."""
    return any(f"run {run.name}," in message for message in operator.messages())


def history(operator: Operator) -> Any:
    return operator.document(KEY)["history"]


def said_in_report(operator: Operator, run: Run) -> str:
    lines = operator.text(run.output["report"]["text_key"]).splitlines()
    (line,) = (each for each in lines if each.startswith("Containment preference: "))
    return line


def test_whole_life_of_the_organizations_preference(operator: Operator) -> None:
    want(operator, "ContainConfirmed")
    is_told_once_while_nobody_has_asked(operator)
    is_asked_for_by_a_case_that_has_a_week_to_be_answered(operator)
    is_attested_by_a_person_whom_aws_names_and_nothing_of_ours_does(operator)
    is_due_again_after_its_period(operator)
    is_asked_for_anew_when_the_wish_changes_and_never_raised(operator)
    assert_names_nobody(operator)


def is_told_once_while_nobody_has_asked(operator: Operator) -> None:
    first, second = operator.onboard(), operator.onboard()

    assert notices(operator) == [(f"{OF_ALL}is not requested", True)]
    assert (told(operator, first), told(operator, second)) == (True, False)
    code, shown = muster(operator, "preference")
    (membership,) = operator.memberships()
    operator.cloud.world.clock.advance(5)
    organization = operator.client("organizations").describe_organization()["Organization"]["Id"]
    assert code == 3
    assert f"Organization: {organization}\n" in shown
    assert f"Membership: {membership['membershipId']} in account {DESIGNATED}, Region {HOME}\n" in shown
    assert "- the organization: from nothing that we asked for to Contain Confirmed\n" in shown


def is_asked_for_by_a_case_that_has_a_week_to_be_answered(operator: Operator) -> None:
    assert muster(operator, "preference", "--case", CASE)[0] == 0
    waits = operator.onboard()
    assert notices(operator) == [(f"{OF_ALL}is requested", False)]
    assert told(operator, waits)

    pass_days(operator, 7.5)
    late = operator.onboard()
    assert notices(operator) == [(f"{OF_ALL}is requested, and nobody has attested it in time", True)]
    assert (told(operator, late), muster(operator, "preference")[0]) == (True, 3)


def is_attested_by_a_person_whom_aws_names_and_nothing_of_ours_does(operator: Operator) -> None:
    code, shown = attest(operator, "ContainConfirmed")

    assert (code, "Attested: ContainConfirmed for the organization" in shown) == (0, True)
    asked, attested = history(operator)
    assert (asked["kind"], asked["case"], asked["levels"]) == ("requested", CASE, {"organization": "ContainConfirmed"})
    assert (attested["level"], attested["subjects"], attested["case"]) == ("ContainConfirmed", ["organization"], CASE)
    assert attested["by"] == f"arn:aws:sts::{DESIGNATED}:assumed-role/Operator"
    assert recorded_by_aws(operator, attested) == f"arn:aws:sts::{DESIGNATED}:assumed-role/Operator/{ADA}"

    well, day = operator.onboard(), attested["at"][:10]
    assert notices(operator) == []
    said = f"ContainConfirmed, attested {day} by {attested['by']} (case {CASE})"
    assert said_in_report(operator, well) == f"Containment preference: {said}"
    assert f"Preference  {said}\n" in muster(operator, "status")[1]
    assert muster(operator, "preference")[0] == 0


def is_due_again_after_its_period(operator: Operator) -> None:
    pass_days(operator, 170)
    soon = operator.onboard()
    assert notices(operator) == [(f"{OF_ALL}is to be attested again soon", False)]
    pass_days(operator, 11)
    due, again = operator.onboard(), operator.onboard()

    assert notices(operator) == [(f"{OF_ALL}is to be attested again", True)]
    assert [told(operator, run) for run in (soon, due, again)] == [True, True, False]
    code, shown = muster(operator, "preference")
    assert (code, "please look whether it is set still" in shown) == (3, True)
    assert attest(operator, "ContainConfirmed")[0] == 0
    assert muster(operator, "preference")[0] == 0


def is_asked_for_anew_when_the_wish_changes_and_never_raised(operator: Operator) -> None:
    operator.cloud.clear_calls()
    want(operator, "ContainSuspected")
    operator.onboard()
    assert notices(operator) == [(f"{OF_ALL}is ContainConfirmed with AWS, and ContainSuspected is wanted", True)]
    assert operator.writes() == []
    assert "to Contain Suspected\n" in muster(operator, "preference")[1]

    # What AWS has is recorded also where nobody wanted it, and the difference is told.
    assert attest(operator, "ApprovalRequired")[0] == 0
    operator.onboard()
    assert notices(operator) == [(f"{OF_ALL}is ApprovalRequired with AWS, and ContainSuspected is wanted", True)]

    assert attest(operator, "ContainSuspected")[0] == 0
    operator.onboard()
    assert notices(operator) == []


def recorded_by_aws(operator: Operator, attested: dict[str, Any]) -> str:
    """Return who started the execution, as CloudTrail says of the event that is named."""
    (event,) = operator.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": attested["event_id"]}]
    )["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert record["responseElements"]["executionArn"] == attested["execution"]
    return str(record["userIdentity"]["arn"])


def assert_names_nobody(operator: Operator) -> None:
    """See that no document about the preference, no report, no message and no output of an execution has a person."""
    machines = operator.client("stepfunctions")
    outputs = [
        machines.describe_execution(executionArn=each["executionArn"]).get("output", "")
        for arn in (operator.stack.attest_machine_arn, operator.stack.onboard_machine_arn)
        for each in machines.list_executions(stateMachineArn=arn)["executions"]
    ]
    report = operator.document("reports/latest.json")
    texts = [operator.text(KEY), operator.text(report["text_key"]), json.dumps(report), *operator.messages(), *outputs]
    assert len(outputs) > 2
    assert not [text for text in texts if ADA in text or "@" in text]


def test_unattested_preference_alone_keeps_a_run_from_being_well(fresh: Cloud) -> None:
    operator = fresh(parameters={"MemberAccess": "read"})
    deploy_readers(operator, *MEMBERS)
    operator.push(containment={"roles": "managed"})

    before = operator.onboard()
    assert before.outcome == "NeedsAttention"
    assert notices(operator) == [(f"{OF_ALL}is not requested", True)]

    assert attest(operator, "ApprovalRequired")[0] == 0
    assert operator.onboard().outcome == "Covered"


def test_account_with_a_level_of_its_own_is_asked_for_until_it_is_attested_to_have_none(operator: Operator) -> None:
    of_shop = f"containment preference of account {SHOP} "
    attest_preference(operator, "ContainConfirmed")
    want(operator, "ContainConfirmed", {SHOP: "ApprovalRequired"})
    operator.onboard()
    assert notices(operator) == [(f"{of_shop}is not requested", True)]
    assert muster(operator, "preference", "--case", CASE)[0] == 0
    assert attest(operator, "ApprovalRequired", SHOP)[0] == 0
    operator.onboard()
    assert notices(operator) == []

    want(operator, "ContainConfirmed")
    operator.onboard()
    assert notices(operator) == [(f"{of_shop}is ApprovalRequired with AWS, and no level of its own is wanted", True)]
    code, shown = muster(operator, "preference")
    assert (code, f"- account {SHOP}: no option of its own\n" in shown) == (3, True)
    assert attest(operator, "AsOrganization", SHOP)[0] == 0
    operator.onboard()
    assert notices(operator) == []
    assert muster(operator, "preference")[1].splitlines()[0] == "the organization: Attested"


def test_root_and_functions_attest_nothing(operator: Operator) -> None:
    want(operator, "ApprovalRequired")

    code, shown = attest(operator, "ApprovalRequired", person=None)
    assert (code, "Refused: the account's root user stands for nobody" in shown) == (1, True)

    ended = operator.finish(start_as_function(operator, "muster-report"))
    assert ended.output["status"] == "refused"
    assert "role muster-report is the application's own" in ended.output["message"]
    assert operator.find(KEY) is None


def start_as_function(operator: Operator, role: str) -> str:
    """Let somebody with too many rights give a function's role the permission to attest, and let it use that."""
    machine = operator.stack.attest_machine_arn
    statement = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine}
    operator.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="too-much",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    session = operator.cloud.session_of(f"arn:aws:iam::{DESIGNATED}:role/{role}")
    factory: Any = boto3.client
    machines = factory(
        "stepfunctions",
        region_name=HOME,
        endpoint_url=operator.cloud.url,
        aws_access_key_id=session["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=session["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=session["AWS_SESSION_TOKEN"],
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
    said = {"case": CASE, "level": "ApprovalRequired", "accounts": []}
    return str(machines.start_execution(stateMachineArn=machine, name="x", input=json.dumps(said))["executionArn"])


def test_document_that_cannot_be_understood_is_unknown_and_an_earlier_version_of_it_helps(operator: Operator) -> None:
    s3, bucket = operator.client("s3"), operator.stack.state_bucket
    attest_preference(operator)
    good = s3.head_object(Bucket=bucket, Key=KEY)["VersionId"]
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"{")
    want(operator, "ApprovalRequired")

    run = operator.onboard()
    assert notices(operator) == [("the containment preference is unknown", True)]
    assert said_in_report(operator, run).startswith("Containment preference: unknown, ")
    assert attest(operator, "ApprovalRequired")[0] == 1
    assert operator.text(KEY) == "{"
    assert muster(operator, "preference")[0] == 3

    s3.copy_object(Bucket=bucket, Key=KEY, CopySource={"Bucket": bucket, "Key": KEY, "VersionId": good})
    operator.onboard()
    assert notices(operator) == []
