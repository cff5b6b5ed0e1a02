"""No call without a permission, no permission without a call: one table over runs that use everything."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.domain.containment_roles import ROLES
from muster_console import preflight
from muster_local.permissions import load_exceptions, prove
from muster_local.server import EmbeddedCloud
from tests.scenarios.conftest import Cloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, RESPONDERS, Operator

SHOP = "300000000003"
HARMLESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}
MEMBERSHIP = {"account": DESIGNATED, "region": HOME, "confirmed_as": f"{DESIGNATED}/{HOME}"}
EXCEPTIONS = Path("tests/architecture/permissions-exceptions.yaml")


def sign_up_everything(fresh: Cloud) -> None:
    operator = fresh()
    operator.onboard()  # before anything is pushed
    operator.push()
    operator.onboard()
    operator.onboard()


def sign_up_units(fresh: Cloud) -> None:
    operator = fresh()
    operator.push(scope={"units": ["Security", operator.unit_id("Workloads", "Prod", "Europe")]})
    operator.onboard()
    operator.onboard(desired={"key": "desired-state.json", "version": _version(operator)})


def adopt(fresh: Cloud) -> None:
    operator = fresh()
    operator.push()
    operator.onboard()
    operator.cloud.world.clock.advance(5)
    operator.push(
        membership={
            "name": "renamed",
            "account": operator.cloud.application_account,
            "region": HOME,
            "tags": {"owner": "somebody else"},
            "confirmed_as": f"{operator.cloud.application_account}/{HOME}",
        }
    )
    operator.onboard()


def live_in_the_management_account(fresh: Cloud) -> None:
    operator = fresh(application_account=MANAGEMENT)
    operator.push(
        membership={"name": "small-org", "account": MANAGEMENT, "region": HOME, "confirmed_as": f"{MANAGEMENT}/{HOME}"}
    )
    operator.onboard()


def read_the_members(fresh: Cloud) -> None:
    operator = fresh(parameters={"MemberAccess": "read"})
    operator.cloud.world.switches.set("triage_role_creator", "nobody")
    operator.cloud.world.switches.set("management_account_association", "not_associated")
    deploy_readers(operator, "300000000003")
    operator.push()
    operator.onboard()


def change_the_team(fresh: Cloud) -> None:
    operator = fresh()
    operator.push()
    operator.onboard()
    operator.cloud.world.clock.advance(5)
    newcomer = {"name": "Eve Example", "job_title": "Analyst", "email": "eve@example.com"}
    operator.push(contacts=[*RESPONDERS, newcomer])
    operator.onboard()


def repair_the_members(fresh: Cloud) -> None:
    operator = fresh(parameters={"MemberAccess": "repair"})
    operator.cloud.world.switches.set("triage_role_creator", "nobody")
    deploy_readers(operator, "300000000003", access="repair")
    operator.push()
    operator.onboard()


def look_before_everything(fresh: Cloud) -> None:
    operator = fresh()
    operator.push(containment={"roles": "managed"})
    preflight.ask(operator.clients, operator.stack, operator.cloud.world.clock.now(), ())


def contain(fresh: Cloud) -> None:
    operator = fresh(parameters={"MemberAccess": "read"})
    deploy_readers(operator, "300000000003")
    operator.push(containment={"roles": "managed", "canary_unit": operator.unit_id("Workloads", "Prod")})
    operator.onboard()
    operator.cloud.world.stack_set_failures["300000000003"] = "odd"
    operator.push(
        containment={
            "roles": "managed", "canary_unit": operator.unit_id("Workloads", "Prod"), "ec2_triage": True
        }
    )  # fmt: skip
    operator.onboard()


def read_roles_with_policies_of_somebody_else(fresh: Cloud) -> None:
    """In a member and in the management account somebody has attached a policy of the account's own, and one of AWS."""
    operator = fresh(parameters={"MemberAccess": "read"})
    deploy_readers(operator, SHOP)
    for account in (SHOP, MANAGEMENT):
        operator.client("cloudformation", account, "us-east-1").create_stack(
            StackName="roles",
            TemplateBody=Path("stacks/containment-roles.yaml").read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        iam = operator.client("iam", account)
        own = iam.create_policy(PolicyName="Own", PolicyDocument=json.dumps(HARMLESS))["Policy"]["Arn"]
        for arn in (own, "arn:aws:iam::aws:policy/ReadOnlyAccess"):
            iam.attach_role_policy(RoleName="AWSSecurityIncidentResponseContainment", PolicyArn=arn)
    operator.push(containment={"roles": "verify"})
    operator.onboard()


def ask_people(fresh: Cloud) -> None:
    operator = fresh()
    operator.sign_up_by_hand(entire=True)
    operator.cloud.world.calendars["Changes"] = "OPEN"
    operator.push(scope={"units": ["Security"]}, change_calendar="Changes")
    arn = operator.start(person="ada@example.com")
    operator.finish(arn)
    operator.answer("approve", person="ben@example.com")
    operator.finish(arn)


def attest_the_preference(fresh: Cloud) -> None:
    operator = fresh()
    started = operator.cloud.client("stepfunctions", person="ada@example.com").start_execution(
        stateMachineArn=operator.stack.attest_machine_arn,
        input=json.dumps({"case": "17012345678901", "level": "ApprovalRequired"}),
    )
    operator.finish(started["executionArn"])


def succeed_a_run_that_died(fresh: Cloud) -> None:
    operator = fresh()
    operator.push()
    dead = operator.start()
    operator.finish(dead)
    lease = operator.document("lease.json") | {"holder": dead, "state": "held"}
    operator.client("s3").put_object(
        Bucket=operator.stack.state_bucket, Key="lease.json", Body=json.dumps(lease).encode()
    )
    operator.cloud.world.clock.advance(5)
    operator.push(proactive_response=True, membership={**MEMBERSHIP, "name": "renamed"})
    operator.onboard()


RUNS: list[Callable[[Cloud], None]] = [
    sign_up_everything, sign_up_units, adopt, live_in_the_management_account, read_the_members,
    change_the_team, repair_the_members, look_before_everything, contain, read_roles_with_policies_of_somebody_else,
    ask_people, attest_the_preference, succeed_a_run_that_died,
]  # fmt: skip


def _version(operator: Operator) -> str:
    found = operator.client("s3").head_object(Bucket=operator.stack.state_bucket, Key="desired-state.json")
    return str(found["VersionId"])


def test_permissions_are_exactly_the_calls(
    fresh: Cloud, embedded_cloud: EmbeddedCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    policies: dict[str, list[object]] = {}
    for run in RUNS:
        run(fresh)
        for role, documents in embedded_cloud.role_policies().items():
            if role not in ROLES:  # the two containment roles are AWS's to use
                policies.setdefault(role, []).extend(documents)

    proof = prove(policies, embedded_cloud.permissions(), load_exceptions(EXCEPTIONS))  # type: ignore[arg-type]

    with capsys.disabled():
        print(f"\n{proof.render()}")  # noqa: T201 - the table is what this is run for
    assert not proof.fails
