"""Before anything is written: what stands in the way is named, and so is what nobody could find out."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from muster.domain import service_terms
from muster_console import preflight
from muster_console.__main__ import main
from muster_console.commands import Desk
from tests.scenarios.conftest import SMALL, Cloud
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, Operator, Run, desired

CONTAINMENT_ROLE = "AWSSecurityIncidentResponseContainment"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def kept(operator: Operator, run: Run) -> dict[str, Any]:
    """Return what Preflight of a run has stored."""
    document: dict[str, Any] = operator.document(f"runs/{run.name}/preflight.json")
    return document


def not_good(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        check["id"]: (check["status"], check["severity"])
        for check in document["checks"]
        if check["status"] not in {"passed", "not_applicable"}
    }


def look(operator: Operator) -> dict[str, Any]:
    """Let the deployed function check, as `muster preflight` does."""
    return preflight.ask(operator.clients, operator.stack, operator.cloud.world.clock.now(), ()).model_dump()


def test_fresh_organization_has_nothing_in_the_way_and_the_terms_are_told_before_the_first_write(
    operator: Operator,
) -> None:
    operator.push(containment={"roles": "managed"})

    run = operator.onboard()

    document = kept(operator, run)
    assert not_good(document) == {}
    assert [notice["subject"] for notice in document["notices"]] == [notice.subject for notice in service_terms.TERMS]
    assert {notice["subject"] for notice in run.output["notices"]} >= service_terms.SUBJECTS
    order = [call["operation"] for call in operator.cloud.calls()]
    first_write = next(call["operation"] for call in operator.cloud.calls() if call["write"])
    assert order.index("DescribeParameters") < order.index(first_write)
    (told,) = (message for message in operator.messages() if "CreateMembership" not in message)
    assert service_terms.PRICING_PAGE in told


def test_terms_end_with_the_membership_and_that_is_no_news(operator: Operator) -> None:
    operator.push()
    operator.onboard()
    operator.cloud.clear_calls()

    run = operator.onboard()

    assert kept(operator, run)["notices"] == []
    assert (operator.writes(), operator.messages()) == ([], [])


def test_looking_writes_nothing_and_starts_nothing(operator: Operator) -> None:
    operator.push()

    result = look(operator)

    assert not_good(result) == {}
    assert operator.writes() == []
    assert "GetParameter" not in {call["operation"] for call in operator.cloud.calls()}
    machine = operator.stack.onboard_machine_arn
    assert operator.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


def test_without_a_reader_preflight_warns_and_the_run_hands_over(fresh: Cloud) -> None:
    operator = fresh(access="forward")
    operator.push()

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    assert not_good(kept(operator, run)) == {
        "management_access": ("failed", "warning"),
        "designated_account": ("unknown", "warning"),
        "delegated_administrator": ("unknown", "warning"),
        "trusted_access": ("unknown", "warning"),
        "service_linked_roles": ("unknown", "warning"),
        "cloudtrail_trail": ("unknown", "warning"),
        "permissions": ("failed", "warning"),
    }
    assert operator.writes() == []


def test_memberships_that_show_only_to_the_registered_account_are_looked_for_again_then(fresh: Cloud) -> None:
    operator = fresh(access="forward")
    operator.cloud.world.switches.set("foreign_list_memberships", "AccessDeniedException")
    operator.push()

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    assert not_good(kept(operator, run))["memberships"] == ("unknown", "warning")
    assert operator.writes() == []


def test_management_account_that_may_list_only_as_an_owner_needs_a_person_to_know_better(fresh: Cloud) -> None:
    operator = fresh(application_account=MANAGEMENT)
    operator.cloud.world.switches.set("foreign_list_memberships", "AccessDeniedException")
    membership = {"account": MANAGEMENT, "region": HOME, "confirmed_as": f"{MANAGEMENT}/{HOME}"}
    operator.push(membership={"name": "small-org", **membership})

    stopped = operator.onboard()
    assert (stopped.error, operator.writes()) == ("PreflightError", [])
    assert "--accept-unknown memberships" in str(stopped.cause)
    run = operator.onboard(accept_unknown=["memberships"])

    assert run.outcome == "Covered"
    assert kept(operator, run)["accepted"] == ["memberships"]
    assert "preflight: memberships unknown, and accepted" in {notice["subject"] for notice in run.output["notices"]}


def test_unknown_region_that_was_accepted_is_signed_up_all_the_same_and_named(fresh: Cloud) -> None:
    operator = fresh()
    operator.push()
    for account in (DESIGNATED, MANAGEMENT):
        _deny_listing_in(operator, account, "eu-south-1")

    stopped = operator.onboard()
    run = operator.onboard(accept_unknown=["memberships"])

    assert (stopped.error, operator.writes().count("CreateMembership")) == ("PreflightError", 1)
    assert "eu-south-1" in str(stopped.cause)
    assert run.outcome == "Covered"
    (notice,) = (each for each in run.output["notices"] if "elsewhere are unknown" in each["subject"])
    assert "eu-south-1" in notice["detail"]


def test_check_that_does_not_exist_is_refused_with_the_list(operator: Operator) -> None:
    operator.push()

    run = operator.onboard(accept_unknown=["membership"])

    assert run.error == "PreflightError"
    assert "no check membership; the checks are organization, " in str(run.cause)
    assert operator.writes() == []


@pytest.mark.parametrize("remaining", [None, "String"])
def test_contacts_that_are_missing_or_in_the_clear_stop_before_the_first_write(
    operator: Operator, remaining: str | None
) -> None:
    operator.push()
    ssm, name = operator.client("ssm"), operator.stack.contacts_parameter
    ssm.delete_parameter(Name=name)
    if remaining:
        ssm.put_parameter(Name=name, Value="[]", Type=remaining)

    run = operator.onboard()

    assert run.error == "PreflightError"
    assert "- contacts is failed: " in str(run.cause)
    assert operator.writes() == []


@pytest.mark.parametrize("how", ["stopped", "deleted"])
def test_organization_without_a_trail_is_onboarded_and_told(operator: Operator, how: str) -> None:
    trails = operator.client("cloudtrail", MANAGEMENT, "us-east-1")
    (trail,) = trails.describe_trails()["trailList"]
    (trails.stop_logging if how == "stopped" else trails.delete_trail)(Name=trail["Name"])
    operator.push()

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert not_good(kept(operator, run)) == {"cloudtrail_trail": ("failed", "warning")}
    assert "preflight: cloudtrail_trail failed" in {notice["subject"] for notice in run.output["notices"]}


def test_containment_roles_by_hand_and_stack_sets_without_access_are_found(operator: Operator) -> None:
    operator.client("iam", MANAGEMENT).create_role(RoleName=CONTAINMENT_ROLE, AssumeRolePolicyDocument=TRUST)

    operator.push(containment={"roles": "managed"})
    managed = not_good(look(operator))
    operator.push(containment={"roles": "verify"})
    verified = not_good(look(operator))

    assert managed == {"role_name_clashes": ("failed", "warning")}
    assert verified == {"stack_sets_access": ("failed", "warning")}


def test_confirmation_is_asked_for_with_the_terms(operator: Operator) -> None:
    operator.push(membership={"name": "small-org", "account": DESIGNATED, "region": HOME})

    run = operator.onboard()

    assert run.error == "NotConfirmedError"
    assert service_terms.PRICING_PAGE in str(run.cause)
    assert service_terms.RESIDENCY_PAGE in str(run.cause)


class Laptop:
    """A machine with two profiles, and nothing deployed anywhere."""

    def __init__(self, operator: Operator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.operator = operator
        self.file = folder / "desired-state.yaml"
        config = folder / "config"
        config.write_text(
            "\n".join(
                f"[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = embedded\n"
                for name, account in (("security", DESIGNATED), ("management", MANAGEMENT))
            )
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    def look(self, profile: str = "security", **over: Any) -> tuple[int, Any]:
        """Run the command and return its exit code and what it printed, parsed."""
        self.file.write_text(yaml.safe_dump(desired(**over)))
        out, err = StringIO(), StringIO()
        desk = Desk(out=Console(file=out, width=200), err=Console(file=err))
        code = main(
            [
                "--endpoint-url", self.operator.cloud.url, "--profile", profile,
                "preflight", "--json", "--local", str(self.file), "--management-profile", "management",
            ],
            desk,
        )  # fmt: skip
        return code, json.loads(out.getvalue()) if out.getvalue() else err.getvalue()


@pytest.fixture
def laptop(fresh: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    return Laptop(fresh(organization=SMALL, empty=True), tmp_path, monkeypatch)


def test_before_anything_is_deployed_two_profiles_say_whether_it_would_go(laptop: Laptop) -> None:
    code, result = laptop.look(containment={"roles": "managed"})

    assert (code, not_good(result)) == (0, {})
    evidence = {check["id"]: check["evidence"] for check in result["checks"]}
    assert "2 people in the file" in evidence["contacts"]
    assert "profile management" in evidence["management_access"]
    assert {notice["subject"] for notice in result["notices"]} == service_terms.SUBJECTS
    s3 = laptop.operator.client("s3")
    assert not [bucket for bucket in s3.list_buckets()["Buckets"] if "muster" in bucket["Name"]]


def test_from_a_laptop_a_membership_elsewhere_is_found(laptop: Laptop) -> None:
    organizations = laptop.operator.client("organizations", MANAGEMENT)
    organizations.enable_aws_service_access(ServicePrincipal="security-ir.amazonaws.com")
    team = [
        {"name": person["name"], "jobTitle": person["job_title"], "email": person["email"]}
        for person in desired()["contacts"]
    ]
    sir = laptop.operator.client("security-ir", MANAGEMENT, "us-east-1")
    sir.create_membership(membershipName="elsewhere", incidentResponseTeam=team)

    code, result = laptop.look()

    assert code == 1
    assert not_good(result)["memberships"] == ("failed", "blocker")


def test_from_a_laptop_credentials_of_another_account_are_refused(laptop: Laptop) -> None:
    code, said = laptop.look(profile="management")

    assert code == 2
    assert f"is of account {MANAGEMENT}" in said


def _deny_listing_in(operator: Operator, account: str, region: str) -> None:
    """Let no role of the application list memberships in a Region, as a service control policy would."""
    statement = {
        "Effect": "Deny",
        "Action": "security-ir:ListMemberships",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = operator.client("iam", account)
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"].startswith("muster-"):
            iam.put_role_policy(RoleName=role["RoleName"], PolicyName="closed-region", PolicyDocument=policy)
