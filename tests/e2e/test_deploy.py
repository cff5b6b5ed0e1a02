"""docs/deploy.md, followed to the letter by AWS's own tools in an organization in which nothing is deployed."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import ACCOUNT, ARCHITECTURE, BUILD, DESIRED_STATE, MANAGEMENT, REGION, Done, Endpoint, up

MEMBER = "300000000011"
ORGANIZATION = "o-exampleorg1"


@dataclass(slots=True)
class Guide:
    """What was seen on the way."""

    endpoint: Endpoint
    roles: list[set[str]] = field(default_factory=list)
    again: Done | None = None
    refused: Done | None = None
    onboarded: Done | None = None
    status: dict[str, Any] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    left_roles: set[str] = field(default_factory=set)
    left_buckets: set[str] = field(default_factory=set)

    def sam(self, stack: str, *overrides: str) -> Done:
        return passed(self.try_sam(stack, *overrides))

    def try_sam(self, stack: str, *overrides: str) -> Done:
        command = [".venv-tools/bin/sam", "deploy", "--template-file", str(BUILD / "template.yaml"), "--stack-name"]
        command += [stack, "--resolve-s3", "--capabilities", "CAPABILITY_NAMED_IAM", "--region", REGION]
        command += ["--parameter-overrides", *overrides]
        quick = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.1"}
        environment = self.endpoint.environment(ACCOUNT) | quick
        return subprocess.run(command, env=environment, input="y\n", capture_output=True, text=True, check=False)  # noqa: S603 - the pinned CLI

    def deploy(self, file: str, stack: str, *overrides: str, account: str) -> Done:
        arguments = ["--template-file", f"stacks/{file}", "--stack-name", stack]
        arguments += ["--capabilities", "CAPABILITY_NAMED_IAM", "--region", REGION]
        if overrides:
            arguments += ["--parameter-overrides", *overrides]
        return passed(self.endpoint.aws("cloudformation", "deploy", *arguments, account=account))

    def access(self, level: str, *more: str) -> Done:
        given = (f"Access={level}", f"ApplicationAccountId={ACCOUNT}", f"OrganizationId={ORGANIZATION}", *more)
        return self.deploy("management-account.yaml", "muster-management", *given, account=MANAGEMENT)

    def delete(self, stack: str, account: str) -> None:
        for arguments in (("delete-stack",), ("wait", "stack-delete-complete")):
            passed(self.endpoint.aws("cloudformation", *arguments, "--stack-name", stack, account=account))

    def names(self, service: str, operation: str, members: str, name: str, account: str = ACCOUNT) -> set[str]:
        found = json.loads(passed(self.endpoint.aws(service, operation, account=account)).stdout)[members]
        return {item[name] for item in found}

    def roles_of(self, account: str) -> set[str]:
        return self.names("iam", "list-roles", "Roles", "RoleName", account)


def passed(done: Done) -> Done:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def guide() -> Iterator[Guide]:
    with up("--empty") as endpoint:
        seen = Guide(endpoint)
        application = (f"ManagementAccountId={MANAGEMENT}", f"Architecture={ARCHITECTURE}")
        seen.sam("muster", *application)
        seen.access("read")
        seen.roles.append(seen.roles_of(MANAGEMENT))
        passed(endpoint.muster("push", str(DESIRED_STATE)))
        seen.access("onboard")
        seen.roles.append(seen.roles_of(MANAGEMENT))
        seen.onboarded = endpoint.muster("onboard", "--yes")
        seen.access("read")
        seen.roles.append(seen.roles_of(MANAGEMENT))
        seen.again = seen.access("read", "--no-fail-on-empty-changeset")
        seen.status = json.loads(endpoint.muster("status", "--json").stdout)

        seen.refused = seen.try_sam("muster-c", *application, "DeploymentName=muster-c")
        seen.sam("muster-b", *application, "DeploymentName=muster-b", "Purpose=observe")
        seen.functions = seen.names("lambda", "list-functions", "Functions", "FunctionName")
        seen.deploy("containment-roles.yaml", "containment", account=MEMBER)
        reader = (f"ApplicationAccountId={ACCOUNT}", f"OrganizationId={ORGANIZATION}")
        seen.deploy("member-account.yaml", "muster-member", *reader, account=MEMBER)
        seen.members = seen.roles_of(MEMBER)

        seen.delete("muster-management", MANAGEMENT)
        seen.delete("muster", ACCOUNT)
        seen.left_roles = seen.roles_of(MANAGEMENT) | seen.roles_of(ACCOUNT)
        seen.left_buckets = seen.names("s3api", "list-buckets", "Buckets", "Name")
        yield seen


def test_the_guide_ends_in_full_coverage(guide: Guide) -> None:
    assert guide.onboarded is not None
    # Covered, while the containment roles wait for a reader in the members or another access.
    assert guide.onboarded.returncode == 3, guide.onboarded.stdout + guide.onboarded.stderr
    accounts = guide.status["assessment"]["accounts"]
    assert {account["coverage"] for account in accounts if account["state"] == "ACTIVE"} == {"Covered"}


def test_access_lets_the_onboarding_role_appear_and_disappear(guide: Guide) -> None:
    ours = [{name for name in seen if name.startswith("muster-")} for seen in guide.roles]
    reader = {"muster-management-reader"}
    assert ours == [reader, {*reader, "muster-management-onboarding"}, reader]


def test_a_deployment_without_changes_says_so(guide: Guide) -> None:
    assert guide.again is not None
    assert "No changes to deploy" in guide.again.stdout + guide.again.stderr


def test_two_deployments_share_an_account(guide: Guide) -> None:
    first = {name for name in guide.functions if not name.startswith("muster-b-")}
    assert "muster-sign-up" in first
    assert guide.functions - first == {name.replace("muster-", "muster-b-", 1) for name in first}


def test_a_second_deployment_that_would_keep_the_membership_too_is_refused(guide: Guide) -> None:
    assert guide.refused is not None
    assert guide.refused.returncode != 0
    assert "already exists" in guide.refused.stdout + guide.refused.stderr


def test_the_templates_for_member_accounts_deploy_into_one(guide: Guide) -> None:
    wanted = {"AWSSecurityIncidentResponseContainment", "AWSSecurityIncidentResponseContainmentExecution"}
    assert {*wanted, "muster-member-reader"} <= guide.members


def test_what_is_deleted_takes_its_roles_along_and_leaves_the_bucket(guide: Guide) -> None:
    assert {name for name in guide.left_roles if name.startswith("muster-") and "muster-b-" not in name} == set()
    assert f"muster-{ACCOUNT}-{REGION}" in guide.left_buckets
