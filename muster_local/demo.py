"""`muster local demo`: the main job on one machine, shown with the operator's own command."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from muster_local.server import EmbeddedCloud

ORGANIZATION = Path(__file__).parent / "organizations" / "example.yaml"
MEMBER_TEMPLATE = Path("stacks/member-account.yaml")
READERS = "muster-member-account"
DESIRED_STATE = Path("config/desired-state.example.yaml")

_WANTS_A_LOOK = 3
"""The console's exit code when somebody should look at something."""


def run(
    say: Callable[[str], None],
    *,
    organization: Path = ORGANIZATION,
    desired_state: Path = DESIRED_STATE,
    between: Callable[[EmbeddedCloud], None] = lambda _: None,
) -> int:
    """Onboard an organization twice and count the writes of the second run; return an exit status.

    ``between`` may change the world after the first run, so that a test sees the count change.
    """
    membership = yaml.safe_load(desired_state.read_text())["membership"]
    say(f"Starting the embedded cloud and deploying into account {membership['account']}, {membership['region']} …")
    with EmbeddedCloud(
        organization,
        application_account=membership["account"],
        region=membership["region"],
        access="manage",
        parameters={"MemberAccess": "read"},
    ) as cloud:
        say("\n── The management team lets Muster look into the members: stacks/member-account.yaml, as a StackSet")
        say(f"{_deploy_readers(cloud)} accounts have the reader")
        for title, command, fine in (
            ("The desired state is checked and stored", ["push", str(desired_state)], (0,)),
            ("What must be so before anything is written", ["preflight"], (0, _WANTS_A_LOOK)),
            (
                "The organization is signed up, covered and verified, its containment roles deployed",
                ["onboard", "--yes"],
                (0, _WANTS_A_LOOK),
            ),
            ("Coverage, unit by unit", ["status", "--tree"], (0, _WANTS_A_LOOK)),
            ("What is left to a person, as no API does it: AWS is asked by a case", ["preference"], (_WANTS_A_LOOK,)),
        ):
            say(f"\n── {title}: muster {' '.join(command)}")
            if (status := _muster(cloud, *command)) not in fine:
                return status
        _say_membership(cloud, say)

        between(cloud)
        cloud.clear_calls()
        say("\n── Once more, on an unchanged world: muster onboard --yes")
        if (status := _muster(cloud, "onboard", "--yes")) not in (0, _WANTS_A_LOOK):
            return status
        written = writes(cloud.calls())
        say(f"\n{len(written)} write{'' if len(written) == 1 else 's'} in the second run{_listed(written)}")
    return 0


def _deploy_readers(cloud: EmbeddedCloud) -> int:
    """Deploy the member template to every account by a StackSet, as the management team would; return how many."""
    client = cloud.client("cloudformation", cloud.management_account, cloud.region)
    organizations = cloud.client("organizations", cloud.management_account)
    parameters = {
        "ApplicationAccountId": cloud.application_account,
        "OrganizationId": organizations.describe_organization()["Organization"]["Id"],
    }
    client.activate_organizations_access()
    client.create_stack_set(
        StackSetName=READERS,
        TemplateBody=MEMBER_TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    client.create_stack_instances(
        StackSetName=READERS,
        DeploymentTargets={"OrganizationalUnitIds": [organizations.list_roots()["Roots"][0]["Id"]]},
        Regions=[cloud.region],
        OperationPreferences={"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100},
    )
    cloud.world.clock.advance(cloud.world.delays.stack_set_operation.total_seconds())
    pages = client.get_paginator("list_stack_instances").paginate(StackSetName=READERS)
    return sum(each["Status"] == "CURRENT" for page in pages for each in page["Summaries"])


def writes(calls: list[dict[str, Any]]) -> list[str]:
    """Return the operations of the writes among the recorded calls that took effect."""
    return [f"{call['service']}:{call['operation']}" for call in calls if call["write"] and call["outcome"] == "ok"]


def _listed(written: list[str]) -> str:
    return f": {', '.join(written)}" if written else ""


def _say_membership(cloud: EmbeddedCloud, say: Callable[[str], None]) -> None:
    client: Any = cloud.client("security-ir")
    for found in client.list_memberships()["items"]:
        where = f"account {found['accountId']}, {found['region']}"
        say(f"\nThe service says: membership {found['membershipId']} in {where} is {found['membershipStatus']}")
        team = client.get_membership(membershipId=found["membershipId"])["incidentResponseTeam"]
        say(f"Its team: {', '.join(_masked(person['name']) for person in team)}")


def _masked(name: str) -> str:
    """Show that somebody is there, and not who."""
    return " ".join(f"{word[0]}…" for word in name.split())


def _muster(cloud: EmbeddedCloud, *arguments: str) -> int:
    """Run the console as an operator would, in a process of its own: this package does not import it."""
    command = [sys.executable, "-m", "muster_console", *arguments]
    sys.stdout.flush()
    return subprocess.run(command, env=environment(cloud), stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - our own console


def environment(cloud: EmbeddedCloud) -> Mapping[str, str]:
    """Return an environment in which any AWS tool acts as the application's account of this cloud, and of no other."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": cloud.application_account,
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": cloud.region,
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
