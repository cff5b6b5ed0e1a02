"""What was set up by hand is imported, pushed, and found as it is: nothing to write, nothing to hand over."""

import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from muster.domain.responders import COMMUNICATION_PREFERENCES
from muster_console.__main__ import main
from muster_console.aws import Clients, Connection
from muster_console.commands import Desk
from muster_console.desired_state_file import load
from tests.scenarios.conftest import Cloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, RESPONDERS, Operator
from tests.scenarios.preferences import attest_preference
from tests.scenarios.test_conflicts import TEAM, trust
from tests.scenarios.test_containment import MEMBERS

ABROAD = "eu-central-1"
TRIAGE_PRINCIPAL = "triage.security-ir.amazonaws.com"
ODD_TEAM = [
    {"name": 'Łucja "O\'Hara": #1 → 林', "jobTitle": "- yes: {no} & *all | >", "email": "o'hara+sir@example.com"},
    {"name": "null", "jobTitle": "~", "email": "1e5@example.com", "communicationPreferences": ["Case Created"]},
    {"name": "0123", "jobTitle": "%TAG ! tag:\\n ?", "email": "#hash@example.com"},
]
MIXED_TEAM = [
    {**TEAM[0], "communicationPreferences": list(COMMUNICATION_PREFERENCES)},
    {**TEAM[1], "communicationPreferences": ["Case Closed", "Case Created"]},
    {"name": "Cay Canary", "jobTitle": "Analyst", "email": "cay.canary@example.com"},
]
ODD_TAGS = {"owner:team": "a: b # c", "Kö/ln=+-@": "", "yes": "no", "007": "0899", "quote": "\"'\\", "e": "1e5"}


class ByProfile:
    """The console's clients of one connection: the profile says which account, and no profile is the application's."""

    def __init__(self, operator: Operator, connection: Connection) -> None:
        account = {None: operator.cloud.application_account, "management": MANAGEMENT}[connection.profile]
        for name, service in (("security_ir", "security-ir"), ("organizations", "organizations"), ("s3", "s3")):
            setattr(self, name, operator.client(service, account, connection.region))
        self.cloudformation = operator.client("cloudformation", account, connection.region)


def import_into(operator: Operator, file: Path, *options: str) -> str:
    """Run the command and return what it printed, which names nobody."""
    out, err = io.StringIO(), io.StringIO()
    desk = Desk(
        connect=lambda connection: cast("Clients", ByProfile(operator, connection)),
        out=Console(file=out),
        err=Console(file=err),
    )
    code = main(["--region", operator.cloud.region, "import", "--output", str(file), *options], desk)
    printed = out.getvalue() + err.getvalue()
    assert code == 0, printed
    return printed


def set_up(operator: Operator, *, units: tuple[tuple[str, ...], ...] = (), **over: Any) -> str:
    """Sign the organization up by hand, as the console or a script would have, and let it settle."""
    account, region = operator.cloud.application_account, operator.cloud.region
    trust(operator, None if account == MANAGEMENT else account)
    operator.client("iam", MANAGEMENT).create_service_linked_role(AWSServiceName=TRIAGE_PRINCIPAL)
    sir = operator.client("security-ir", account, region)
    wanted = {
        "membershipName": "found here",
        "incidentResponseTeam": TEAM,
        "optInFeatures": [{"featureName": "Triage", "isEnabled": True}],
        "coverEntireOrganization": not units,
        "tags": {"owner": "somebody"},
        **over,
    }
    membership = str(sir.create_membership(**wanted)["membershipId"])
    operator.cloud.world.clock.advance(5)
    if units:
        ids = []
        for names in units:
            ids.append(operator.unit_id(*names))
            operator.cloud.world.clock.advance(5)  # Organizations counts the calls of the test as well
        sir.update_membership(
            membershipId=membership, membershipAccountsConfigurationsUpdate={"organizationalUnitsToAdd": ids}
        )
    operator.cloud.world.clock.advance(timedelta(days=2).total_seconds())
    return membership


def is_found_as_it_is(operator: Operator, file: Path, *options: str, outcome: str = "Covered") -> dict[str, Any]:
    """Import, push and run, enforcing everything and then proposing; return the document."""
    printed = import_into(operator, file, *options)
    assert not any(person["email"] in printed or person["name"] in printed for person in RESPONDERS)
    document = cast("dict[str, Any]", load(file.read_bytes()))
    attest_preference(operator)
    for how in ({"mode": "enforce", "automatic": "all"}, {}):
        operator.push_document({**document, **how})
        operator.cloud.clear_calls()
        operator.cloud.world.clock.advance(5)

        run = operator.onboard()

        assert run.status == "SUCCEEDED", run.cause
        assert (operator.writes(), run.output["handoffs"], run.output["changes"]) == ([], [], [])
        assert run.outcome == outcome, run.output
        subjects = {notice["subject"] for notice in run.output["notices"]}
        assert not {subject for subject in subjects if "not asked for" in subject or "responder" in subject}
    return document


type SetUp = dict[str, Any]
SET_UPS: dict[str, SetUp] = {
    "entire organization": {},
    "units": {"units": (("Security",), ("Workloads", "Prod"))},
    "nested units": {"units": (("Workloads",), ("Workloads", "Prod"), ("Workloads", "Prod", "Europe"))},
    "no tags": {"tags": {}},
    "odd tags": {"tags": ODD_TAGS},
    "triage off": {"optInFeatures": [{"featureName": "Triage", "isEnabled": False}]},
    "mixed preferences": {"incidentResponseTeam": MIXED_TEAM},
    "odd contacts": {"incidentResponseTeam": ODD_TEAM, "membershipName": "yes: # 'no'"},
}


@pytest.mark.parametrize("name", SET_UPS)
def test_what_exists_is_imported_and_left_as_it_is(operator: Operator, tmp_path: Path, name: str) -> None:
    membership = set_up(operator, **SET_UPS[name])

    is_found_as_it_is(operator, tmp_path / "imported.yaml")

    assert [row["membershipId"] for row in operator.memberships()] == [membership]


def test_membership_of_the_management_account_is_imported(fresh: Cloud, tmp_path: Path) -> None:
    operator = fresh(application_account=MANAGEMENT)
    set_up(operator)

    document = is_found_as_it_is(operator, tmp_path / "imported.yaml")

    assert document["membership"]["confirmed_as"] == f"{MANAGEMENT}/{HOME}"


def test_membership_in_another_region_is_imported_there(fresh: Cloud, tmp_path: Path) -> None:
    operator = fresh(region=ABROAD)
    set_up(operator)

    document = is_found_as_it_is(operator, tmp_path / "imported.yaml")

    assert document["membership"]["confirmed_as"] == f"{DESIGNATED}/{ABROAD}"


@pytest.mark.parametrize("status", ["Cancelled", "Terminated"])
def test_ended_membership_beside_the_active_one_is_ignored(operator: Operator, tmp_path: Path, status: str) -> None:
    operator.cloud.world.switches.set("cancelled_status", status)
    ended = set_up(operator, membershipName="long gone", tags={"of": "the old one"})
    sir = operator.client("security-ir")
    sir.cancel_membership(membershipId=ended)
    operator.cloud.world.clock.advance(5)
    sir.create_membership(
        membershipName="the new one",
        incidentResponseTeam=TEAM,
        coverEntireOrganization=True,
        optInFeatures=[{"featureName": "Triage", "isEnabled": True}],
    )
    operator.cloud.world.clock.advance(3600)

    document = is_found_as_it_is(operator, tmp_path / "imported.yaml")

    assert (document["membership"]["name"], document["membership"]["tags"]) == ("the new one", {})


@pytest.mark.parametrize(
    ("switch", "value"),
    [("omitted_preferences", "all"), ("responder_order", "by_email"), ("responder_order", "reversed")],
)
def test_team_is_the_same_however_the_service_tells_it(
    operator: Operator, tmp_path: Path, switch: str, value: str
) -> None:
    operator.cloud.world.switches.set(switch, value)
    set_up(operator, incidentResponseTeam=MIXED_TEAM)

    document = is_found_as_it_is(operator, tmp_path / "imported.yaml")

    assert [contact["role"] for contact in document["contacts"]] == ["primary", "secondary", "member"]


def test_unit_that_was_deleted_is_left_out(operator: Operator, tmp_path: Path) -> None:
    set_up(operator, units=(("Security",), ("Sandbox", "Prod")))
    gone = operator.unit_id("Sandbox", "Prod")
    operator.client("organizations", MANAGEMENT).delete_organizational_unit(OrganizationalUnitId=gone)
    operator.cloud.world.clock.advance(5)

    printed = import_into(operator, tmp_path / "imported.yaml")

    document = cast("dict[str, Any]", load((tmp_path / "imported.yaml").read_bytes()))
    assert document["scope"] == {"units": [operator.unit_id("Security")]}
    assert f"Unit {gone} of the membership does not exist any more" in printed
    operator.push_document({**document, "mode": "enforce", "automatic": "all"})
    # The membership still lists it; to take it out is a person's decision, though nobody is below it.
    assert operator.onboard().outcome == "Asks"
    assert operator.writes() == []


ROLES = (Path(__file__).parents[2] / "stacks" / "containment-roles.yaml").read_text()
CONDITIONAL_POLICY = re.compile(r" {8}- !If\n {10}- HasEc2Triage\n(?P<policy>.*?) {10}- !Ref AWS::NoValue\n", re.DOTALL)


def as_awss_own(*, ec2_triage: bool) -> str:
    """Our template without its parameter, as AWS's two are: one has the policy, the other does not."""
    found = CONDITIONAL_POLICY.search(ROLES)
    assert found
    policy = found["policy"].replace("\n  ", "\n").removeprefix("  ") if ec2_triage else ""
    parameters, conditions, resources = (
        ROLES.index(f"\n{key}:\n") for key in ("Parameters", "Conditions", "Resources")
    )
    assert parameters < conditions < resources
    described = CONDITIONAL_POLICY.sub(lambda _: policy, ROLES[resources:])
    return ROLES[:parameters] + re.sub(r"^ +Description: .*\n", "", described, flags=re.MULTILINE)


@pytest.fixture
def seeing(fresh: Cloud) -> Operator:
    """Begin with a reader in every member, so that roles are read and not only their stacks."""
    operator = fresh(parameters={"MemberAccess": "read"})
    deploy_readers(operator, *MEMBERS)
    return operator


def deploy_roles(operator: Operator, name: str, body: str, region: str = "us-east-1", **parameters: str) -> None:
    """Deploy the roles to all below the root, as the guide says."""
    cloudformation = operator.client("cloudformation", MANAGEMENT, region)
    cloudformation.activate_organizations_access()
    cloudformation.create_stack_set(
        StackSetName=name,
        TemplateBody=body,
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    cloudformation.create_stack_instances(
        StackSetName=name,
        DeploymentTargets={"OrganizationalUnitIds": [operator.unit_id()]},
        Regions=[region],
        OperationPreferences={"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100},
    )
    operator.cloud.world.clock.advance(3600)
    instances = cloudformation.list_stack_instances(StackSetName=name)["Summaries"]
    states = {(each["Status"], each["StackInstanceStatus"]["DetailedStatus"]) for each in instances}
    assert states == {("CURRENT", "SUCCEEDED"), ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")}


@pytest.mark.parametrize(
    ("region", "given"),
    [("us-east-1", {"Ec2Triage": "true"}), (HOME, {"Ec2Triage": "false"}), ("us-east-1", {})],
)
def test_stack_set_of_our_template_is_adopted(
    seeing: Operator, tmp_path: Path, region: str, given: dict[str, str]
) -> None:
    set_up(seeing)
    deploy_roles(seeing, "SIR-Containment-Roles", ROLES, region, **given)

    document = is_found_as_it_is(seeing, tmp_path / "imported.yaml", "--management-profile", "management")

    assert document["containment"] == {
        "roles": "verify",
        "stack_set": {"name": "SIR-Containment-Roles", "region": region},
        "ec2_triage": given == {"Ec2Triage": "true"},
        "existing": "adopt",
    }


@pytest.mark.parametrize("ec2_triage", [True, False])
def test_stack_set_of_awss_own_template_is_adopted(seeing: Operator, tmp_path: Path, *, ec2_triage: bool) -> None:
    set_up(seeing)
    deploy_roles(seeing, "SIR-Containment-Roles", as_awss_own(ec2_triage=ec2_triage))

    document = is_found_as_it_is(seeing, tmp_path / "imported.yaml", "--management-profile", "management")

    assert document["containment"]["ec2_triage"] is ec2_triage


def test_stack_set_of_the_old_generation_is_adopted_and_called_outdated(operator: Operator, tmp_path: Path) -> None:
    body = as_awss_own(ec2_triage=False)
    for runbook in ("ContainEC2Instance", "ContainS3Resource", "ContainIAMPrincipal"):
        body = body.replace(
            f"ssm:*::document/AWSSupport-{runbook}", f"ssm:*::automation-definition/AWSSupport-{runbook}:$DEFAULT"
        )
    set_up(operator)
    deploy_roles(operator, "SecurityIRContainmentRoles", body)

    # Nothing is replaced, and nobody is told to; that the roles are outdated is said of every account.
    document = is_found_as_it_is(
        operator, tmp_path / "imported.yaml", "--management-profile", "management", outcome="NeedsAttention"
    )

    assert document["containment"]["stack_set"] == {"name": "SecurityIRContainmentRoles", "region": "us-east-1"}


def test_profiles_of_the_sdk_reach_both_accounts(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(operator)
    deploy_roles(operator, "SIR-Containment-Roles", ROLES)
    profiles = {"security": DESIGNATED, "management": MANAGEMENT}
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {account}\naws_secret_access_key = invented\n"
            for name, account in profiles.items()
        )
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    file = tmp_path / "imported.yaml"
    out, err = io.StringIO(), io.StringIO()

    code = main(
        [
            *("--profile", "security", "--region", HOME, "--endpoint-url", operator.cloud.url),
            *("import", "--output", str(file), "--management-profile", "management"),
        ],
        Desk(out=Console(file=out), err=Console(file=err)),
    )

    assert code == 0, err.getvalue()
    document = cast("dict[str, Any]", load(file.read_bytes()))
    assert document["membership"]["confirmed_as"] == f"{DESIGNATED}/{HOME}"
    assert document["containment"]["roles"] == "verify"


def test_import_reads_only(operator: Operator, tmp_path: Path) -> None:
    set_up(operator, units=(("Security",),))
    called: list[str] = []

    def note(model: Any, **_: Any) -> None:
        called.append(model.name)

    clients = [operator.client(service) for service in ("security-ir", "organizations")]
    clients += [operator.client("cloudformation", MANAGEMENT, region) for region in ("us-east-1", HOME)]
    for client in clients:
        client.meta.events.register("before-call", note, unique_id="test-import")
    import_into(operator, tmp_path / "imported.yaml", "--management-profile", "management")
    for client in clients:
        client.meta.events.unregister("before-call", unique_id="test-import")

    assert called == [
        "ListMemberships",
        "GetMembership",
        "ListTagsForResource",
        "DescribeOrganizationalUnit",
        "ListStackSets",
        "ListStackSets",
    ]
