"""The containment roles of a whole organization, by one StackSet: told, handed over, deployed, taken from nobody."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster.domain.containment_roles import CONTAINMENT_ROLE, EXECUTION_ROLE
from tests.scenarios.conftest import Cloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, MANAGEMENT, Operator, Run
from tests.scenarios.preferences import attest_preference

NAME, OLD_NAME = "SIR-Containment-Roles", "SecurityIRContainmentRoles"
UNDER_THE_ROOT, SHOP, PLAYGROUND, SUSPENDED = "300000000001", "300000000003", "300000000008", "300000000009"
MEMBERS = [DESIGNATED, *(f"30000000000{each}" for each in range(1, 7)), PLAYGROUND]
WRITES = {
    "ActivateOrganizationsAccess",
    "CreateStackSet",
    "UpdateStackSet",
    "CreateStackInstances",
    "UpdateStackInstances",
}
OLD_TEMPLATE = Path("stacks/containment-roles.yaml").read_text().replace("::document/", ":*:automation-definition/")


def begin(fresh: Cloud, *, readers: bool = True, signed_up: bool = False, **over: Any) -> Operator:
    """Begin with an organization whose members have a reader, signed up already or by the run that deploys."""
    parameters = {**({"MemberAccess": "read"} if readers else {}), **over.pop("parameters", {})}
    operator = fresh(parameters=parameters, **over)
    if readers:
        deploy_readers(operator, *MEMBERS)
    if signed_up:
        operator.push()
        operator.onboard()
    attest_preference(operator)
    operator.cloud.clear_calls()
    return operator


def contain(
    operator: Operator, roles: str = "managed", *, more: dict[str, Any] | None = None, **containment: Any
) -> Run:
    """Push what is wanted of the roles, and run to the end."""
    operator.push(containment={"roles": roles, **containment}, **(more or {}))
    return operator.onboard()


def writes(operator: Operator) -> list[str]:
    return [operation for operation in operator.writes() if operation in WRITES]


def states(operator: Operator) -> dict[str, str]:
    return {each["id"]: each["state"] for each in operator.document("containment/latest.json")["accounts"]}


def counted(run: Run) -> dict[str, int]:
    return {state: number for state, number in run.output["containment"].items() if number}


def roles_in(operator: Operator, account: str) -> set[str]:
    found = operator.client("iam", account).list_roles()["Roles"]
    return {role["RoleName"] for role in found} & {CONTAINMENT_ROLE, EXECUTION_ROLE}


def make_role_by_hand(operator: Operator, account: str) -> None:
    operator.client("iam", account).create_role(
        RoleName=CONTAINMENT_ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
    )


def stack_sets(operator: Operator, region: str = "us-east-1") -> Any:
    return operator.client("cloudformation", MANAGEMENT, region)


def do_by_hand(operator: Operator, run: Run) -> None:
    """Do what the handoffs say, word by word, as the management account."""
    for handoff in run.output["handoffs"]:
        for line in handoff["command"].splitlines():
            _, _, operation, *options = shlex.split(line.replace("--no-retain-stacks", "--retain-stacks false"))
            given = dict(zip(options[::2], options[1::2], strict=True))
            client = stack_sets(operator, given.pop("--region"))
            getattr(client, operation.replace("-", "_"))(**dict(_argument(*pair) for pair in given.items()))
            operator.cloud.world.clock.advance(60)


def _argument(option: str, value: str) -> tuple[str, Any]:
    """Read one option as the AWS CLI does, as far as these commands use it."""
    name = "".join(word.capitalize() for word in option.strip("-").split("-"))
    pairs = dict(part.split("=", 1) for part in re.split(r",(?=[A-Za-z]+=)", value)) if "=" in value else {}
    values: dict[str, Any] = {
        "AutoDeployment": {key: word == "true" for key, word in pairs.items()},
        "OperationPreferences": {key: int(word) if word.isdigit() else word for key, word in pairs.items()},
        "DeploymentTargets": {
            key: word if key == "AccountFilterType" else word.split(",") for key, word in pairs.items()
        },
        "RetainStacks": value == "true",
        "Parameters": [pairs],
        "ParameterOverrides": [pairs],
        "Regions": [value],
        "Capabilities": [value],
    }
    if value.startswith("file://"):
        return name, Path(value.removeprefix("file://")).read_text()
    return name, values.get(name, value)


def put_stack_set(
    operator: Operator, name: str = NAME, *, template: str | None = None, parameters: dict[str, str] | None = None
) -> None:
    """Deploy a StackSet to every account past the application, and let it end."""
    client = stack_sets(operator)
    client.activate_organizations_access()
    client.create_stack_set(
        StackSetName=name,
        TemplateBody=template or Path("stacks/containment-roles.yaml").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    operator.cloud.world.clock.advance(5)
    client.create_stack_instances(
        StackSetName=name,
        DeploymentTargets={"OrganizationalUnitIds": [root_of(operator)]},
        Regions=["us-east-1"],
        OperationPreferences={"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100},
    )
    operator.cloud.world.clock.advance(120)
    client.list_stack_instances(StackSetName=name)  # what time has brought shows when somebody looks
    operator.cloud.clear_calls()


def root_of(operator: Operator) -> str:
    return str(operator.client("organizations", MANAGEMENT).list_roots()["Roots"][0]["Id"])


# --- told and handed over ---


def test_absent_stack_set_is_handed_over_and_found_when_people_have_deployed_it(fresh: Cloud) -> None:
    operator = begin(fresh, signed_up=True)
    set_access(operator, "read")

    waiting = contain(operator, "verify")

    assert waiting.outcome == "WaitingForHandoff"
    assert (counted(waiting), operator.writes()) == ({"Missing": 8, "AbsentByChoice": 1}, [])
    do_by_hand(operator, waiting)
    operator.cloud.clear_calls()
    done = operator.onboard()
    assert (done.outcome, counted(done)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})
    assert (done.output["handoffs"], operator.writes()) == ([], [])


@pytest.mark.parametrize("access", ["read", "onboard"])
def test_less_access_than_manage_hands_over_every_command(fresh: Cloud, access: str) -> None:
    operator = begin(fresh, signed_up=True)
    set_access(operator, access)

    waiting = contain(operator)

    assert (waiting.outcome, writes(operator)) == ("WaitingForHandoff", [])
    do_by_hand(operator, waiting)
    done = operator.onboard()
    assert (done.outcome, counted(done)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})


def set_access(operator: Operator, access: str) -> None:
    """Set the management stack to another step of the ladder."""
    kept = ("DeploymentName", "ApplicationAccountId", "OrganizationId")
    stack_sets(operator, operator.cloud.region).update_stack(
        StackName="muster-management",
        TemplateBody=Path("stacks/management-account.yaml").read_text(),
        Parameters=[
            {"ParameterKey": "Access", "ParameterValue": access},
            *({"ParameterKey": each, "UsePreviousValue": True} for each in kept),
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    operator.cloud.clear_calls()


def test_mode_that_asks_names_what_it_would_do(fresh: Cloud) -> None:
    operator = begin(fresh, signed_up=True)

    run = contain(operator, more={"mode": "propose"})

    assert run.outcome == "Asks"
    assert "create StackSet SIR-Containment-Roles in us-east-1" in operator.messages()[-1]
    assert writes(operator) == []


def test_denied_reads_are_unknown_and_nothing_is_written(fresh: Cloud) -> None:
    operator = begin(fresh)
    operator.cloud.set_faults(
        [{"service": "cloudformation", "operation": "DescribeStackSet", "error": "AccessDenied", "rate": 1}]
    )

    run = contain(operator)

    assert (run.outcome, counted(run)) == ("NeedsAttention", {"Unknown": 8, "AbsentByChoice": 1})
    assert writes(operator) == []


# --- deployed ---


def test_roles_are_deployed_to_every_member_and_an_unchanged_world_sees_no_write(fresh: Cloud) -> None:
    operator = begin(fresh)

    run = contain(operator)

    assert (run.outcome, counted(run)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})
    assert writes(operator) == ["ActivateOrganizationsAccess", "CreateStackSet", "CreateStackInstances"]
    assert all(len(roles_in(operator, account)) == 2 for account in MEMBERS)
    assert roles_in(operator, MANAGEMENT) == set()
    assert states(operator)[UNDER_THE_ROOT] == "Deployed"
    assert SUSPENDED in {each["id"] for each in operator.document("containment/latest.json")["inactive"]}
    operator.cloud.clear_calls()
    again = operator.onboard()
    assert (again.outcome, operator.writes(), operator.messages()) == ("Covered", [], [])


def test_people_deploy_the_management_accounts_own_copy(fresh: Cloud) -> None:
    operator = begin(fresh)
    stack_sets(operator).create_stack(
        StackName=NAME,
        TemplateBody=Path("stacks/containment-roles.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    assert counted(contain(operator)) == {"Deployed": 9}


def test_operation_of_somebody_else_is_waited_for(fresh: Cloud) -> None:
    operator = begin(fresh, signed_up=True)
    put_stack_set(operator)
    stack_sets(operator).update_stack_set(
        StackSetName=NAME, UsePreviousTemplate=True, Capabilities=["CAPABILITY_NAMED_IAM"], Description="theirs"
    )
    operator.cloud.clear_calls()

    run = contain(operator)

    assert "WaitForContainment" in run.states
    assert (run.outcome, writes(operator)) == ("Covered", [])


def test_operation_that_does_not_end_in_time_leaves_the_run_unsettled_and_the_next_one_goes_on(fresh: Cloud) -> None:
    operator = begin(fresh, parameters={"ContainmentAttempts": "2", "ContainmentWaitSeconds": "1"})

    first = contain(operator)
    operator.cloud.world.clock.advance(120)
    for _ in range(3):
        last = operator.onboard()
        operator.cloud.world.clock.advance(120)

    assert first.outcome == "NeedsAttention"
    assert "the next run looks again" in operator.text(first.output["report"]["text_key"])
    assert last.outcome == "Covered"
    assert Counter(writes(operator)) == {
        "ActivateOrganizationsAccess": 1, "CreateStackSet": 1, "CreateStackInstances": 1
    }  # fmt: skip


def test_one_of_seventy_that_fails_is_one_row_and_the_others_are_deployed(fresh: Cloud, tmp_path: Path) -> None:
    operator = begin(fresh, readers=False, organization=seventy(tmp_path), parameters={"MemberAccess": "read"})
    put_stack_set(
        operator,
        "muster-member-account",
        template=Path("stacks/member-account.yaml").read_text(),
        parameters={"ApplicationAccountId": DESIGNATED, "OrganizationId": "o-seventyorg1"},
    )
    operator.cloud.world.stack_set_failures["310000000042"] = "Resource limit exceeded"

    run = contain(operator)

    assert (run.outcome, counted(run)) == ("NeedsAttention", {"Deployed": 70, "Failed": 1, "AbsentByChoice": 1})
    (row,) = operator.document(run.output["report"]["json_key"])["containment"]["accounts_that_need_a_person"]["first"]
    assert (row["id"], row["state"]) == ("310000000042", "NotReady")
    assert "Resource limit exceeded" in row["reason"]
    assert writes(operator)[-2:] == ["CreateStackInstances", "UpdateStackInstances"]
    operator.cloud.world.stack_set_failures.clear()
    operator.cloud.clear_calls()
    assert operator.onboard().outcome == "Covered"
    assert writes(operator) == ["UpdateStackInstances"]


def seventy(folder: Path) -> Path:
    """Write an organization of seventy members beside the designated account."""
    accounts = [{"id": f"3100000000{number:02}", "name": f"Account {number}"} for number in range(70)]
    file = folder / "seventy.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "id": "o-seventyorg1",
                "management_account": {"id": MANAGEMENT, "name": "Management"},
                "root": {
                    "accounts": [{"id": DESIGNATED, "name": "Security Tooling"}],
                    "units": [{"name": "Workloads", "accounts": accounts}],
                },
            }
        )
    )
    return file


def test_closed_region_is_named_and_another_one_does(fresh: Cloud) -> None:
    operator = begin(fresh)
    operator.cloud.world.denied_regions.add("us-east-1")

    run = contain(operator)

    assert (run.outcome, counted(run)) == ("NeedsAttention", {"Failed": 8, "AbsentByChoice": 1})
    assert "containment.stack_set.region" in operator.text(run.output["report"]["text_key"])
    run = contain(operator, stack_set={"region": "eu-central-1"})
    assert (run.outcome, counted(run)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})
    assert all(len(roles_in(operator, account)) == 2 for account in MEMBERS)


def test_canary_unit_is_first_and_the_root_follows(fresh: Cloud) -> None:
    operator = begin(fresh)

    run = contain(operator, canary_unit=operator.unit_id("Sandbox"))

    assert counted(run) == {"Deployed": 1, "AbsentByChoice": 8}
    assert [account for account in MEMBERS if roles_in(operator, account)] == [PLAYGROUND]
    operator.cloud.clear_calls()
    run = contain(operator)
    assert (counted(run), writes(operator)) == ({"Deployed": 8, "AbsentByChoice": 1}, ["CreateStackInstances"])


def test_new_account_gets_its_roles_by_itself(fresh: Cloud) -> None:
    operator = begin(fresh)
    contain(operator)
    created = operator.client("organizations", MANAGEMENT).create_account(AccountName="New", Email="new@example.com")
    account = created["CreateAccountStatus"]["AccountId"]
    operator.cloud.world.clock.advance(300)
    operator.cloud.clear_calls()

    operator.onboard()

    assert (states(operator)[account], writes(operator)) == ("Deployed", [])


def test_ec2_triage_is_switched_on_by_a_run_and_off_by_people(fresh: Cloud) -> None:
    operator = begin(fresh)
    contain(operator)
    operator.cloud.clear_calls()

    assert contain(operator, ec2_triage=True).outcome == "Covered"
    assert writes(operator) == ["UpdateStackSet"]
    policies = operator.client("iam", SHOP).list_role_policies(RoleName=CONTAINMENT_ROLE)["PolicyNames"]
    assert "AWSSecurityIncidentResponseInvestigationPolicy" in policies

    waiting = contain(operator, ec2_triage=False)
    (handoff,) = waiting.output["handoffs"]
    assert handoff["what"] == "switch off EC2 triage of StackSet SIR-Containment-Roles"


# --- what others made ---


def test_role_made_by_hand_stops_the_deployment_before_it_begins(fresh: Cloud) -> None:
    operator = begin(fresh)
    make_role_by_hand(operator, SHOP)

    run = contain(operator)

    (handoff,) = run.output["handoffs"]
    assert (handoff["accounts"], writes(operator)) == ([SHOP], [])
    assert stack_sets(operator).list_stack_sets(Status="ACTIVE")["Summaries"] == []


def test_role_made_by_hand_is_left_out_and_listed_when_it_is_adopted(fresh: Cloud) -> None:
    operator = begin(fresh)
    make_role_by_hand(operator, SHOP)

    run = contain(operator, existing="adopt")

    # Adopted does not mean well: what was made by hand is read like everything else.
    assert (run.outcome, counted(run)) == ("NeedsAttention", {"Deployed": 7, "Adopted": 1, "AbsentByChoice": 1})
    assert roles_in(operator, SHOP) == {CONTAINMENT_ROLE}
    operator.cloud.clear_calls()
    again = operator.onboard()
    assert (counted(again), operator.writes()) == (counted(run), [])


def test_without_a_reader_nothing_is_deployed_but_to_a_canary_unit(fresh: Cloud) -> None:
    operator = begin(fresh, readers=False)

    run = contain(operator)
    assert (run.outcome, writes(operator)) == ("WaitingForHandoff", [])
    assert "stacks/member-account.yaml" in run.output["handoffs"][0]["command"]

    run = contain(operator, canary_unit=operator.unit_id("Sandbox"))
    # Nobody may read the role that was deployed, so nobody calls it ready.
    assert (run.outcome, counted(run)) == ("NeedsAttention", {"Deployed": 1, "AbsentByChoice": 8})


@pytest.mark.parametrize("existing", ["stop", "adopt"])
def test_old_generation_stops_the_deployment_and_is_adopted_by_its_name(fresh: Cloud, existing: str) -> None:
    operator = begin(fresh, parameters={"ContainmentStackSetName": OLD_NAME})
    put_stack_set(operator, OLD_NAME, template=OLD_TEMPLATE)

    stopped = contain(operator, existing=existing, stack_set={"name": OLD_NAME + "-2"})
    assert (
        stopped.outcome == "NeedsAttention"
    )  # the reader may read the one StackSet that the stack names, and no other
    assert writes(operator) == []

    run = contain(operator, "verify", existing=existing, stack_set={"name": OLD_NAME})
    assert counted(run) == {"Outdated": 8, "AbsentByChoice": 1}
    run = contain(operator, existing=existing, stack_set={"name": OLD_NAME})
    assert [handoff["what"] for handoff in run.output["handoffs"]] == [f"replace the template of StackSet {OLD_NAME}"]
    assert writes(operator) == []


@pytest.mark.parametrize("existing", ["stop", "adopt"])
def test_stack_set_of_the_old_name_stops_the_deployment(fresh: Cloud, existing: str) -> None:
    operator = begin(fresh)
    put_stack_set(operator, OLD_NAME, template=OLD_TEMPLATE)

    run = contain(operator, existing=existing)

    (handoff,) = run.output["handoffs"]
    assert (OLD_NAME in handoff["what"], OLD_NAME in handoff["command"]) == (True, True)
    assert writes(operator) == []


# --- crashes ---


@pytest.mark.parametrize("operation", ["CreateStackSet", "CreateStackInstances"])
@pytest.mark.parametrize("fault", [{"kill_function": True}, {"drop_response": True}])
def test_crash_after_a_write_makes_nothing_twice(fresh: Cloud, operation: str, fault: dict[str, bool]) -> None:
    operator = begin(fresh)
    operator.cloud.set_faults([{"service": "cloudformation", "operation": operation, "times": 1, **fault}])

    run = contain(operator)

    assert (run.outcome, counted(run)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})
    client = stack_sets(operator)
    assert len(client.list_stack_sets(Status="ACTIVE")["Summaries"]) == 1
    operations = client.list_stack_set_operations(StackSetName=NAME)["Summaries"]
    assert [each["Action"] for each in operations if each["Action"] != "DETECT_DRIFT"] == ["CREATE"]


def test_execution_that_is_stopped_is_taken_up_by_the_next_one(fresh: Cloud) -> None:
    operator = begin(fresh)
    operator.push(containment={"roles": "managed"})
    machines = operator.client("stepfunctions")
    for operation in ("CreateStackSet", "CreateStackInstances"):
        execution = operator.start()
        while not operator.calls(operation):
            assert machines.describe_execution(executionArn=execution)["status"] == "RUNNING"
        machines.stop_execution(executionArn=execution)

    run = operator.onboard()

    assert (run.outcome, counted(run)) == ("Covered", {"Deployed": 8, "AbsentByChoice": 1})
    assert Counter(writes(operator))["CreateStackSet"] == 1
    assert Counter(writes(operator))["CreateStackInstances"] == 1
