from pathlib import Path
from typing import Any

import pytest

from tests.embedded_cloud.runtime.conftest import APPLICATION, Driver

MEMBER = "333333333333"
STACKS = Path(__file__).parents[3] / "stacks"
FORBIDDEN = "muster-member-forbidden-calls"


def deploy(driver: Driver, file: str, account: str = MEMBER, **parameters: str) -> str:
    """Create the stack as its account would, and return its status."""
    stacks = driver.cloud.client("cloudformation", account)
    stacks.create_stack(
        StackName=Path(file).stem,
        TemplateBody=(STACKS / file).read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    return str(stacks.describe_stacks(StackName=Path(file).stem)["Stacks"][0]["StackStatus"])


def policies(driver: Driver, role: str, account: str = MEMBER) -> tuple[list[str], list[str]]:
    """The names of a role's inline policies and of the attached ones."""
    iam = driver.cloud.client("iam", account)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return iam.list_role_policies(RoleName=role)["PolicyNames"], [policy["PolicyName"] for policy in attached]


def roles(driver: Driver, account: str = MEMBER) -> set[str]:
    return {role["RoleName"] for role in driver.cloud.client("iam", account).list_roles()["Roles"]}


def repair(driver: Driver, account: str = MEMBER) -> str:
    organization: Any = driver.cloud.world.organization
    return deploy(
        driver,
        "member-account.yaml",
        account,
        ApplicationAccountId=APPLICATION,
        OrganizationId=organization.id,
        Access="repair",
    )


@pytest.mark.parametrize(
    ("ec2_triage", "more"), [("false", []), ("true", ["AWSSecurityIncidentResponseInvestigationPolicy"])]
)
def test_containment_roles_are_deployed_into_a_member_account(driver: Driver, ec2_triage: str, more: list[str]) -> None:
    assert deploy(driver, "containment-roles.yaml", Ec2Triage=ec2_triage) == "CREATE_COMPLETE"

    name = "AWSSecurityIncidentResponseContainment"
    assert policies(driver, name)[0] == [f"{name}Policy", *more]
    assert policies(driver, f"{name}Execution")[0] == [f"{name}ExecutionPolicy"]
    found = driver.cloud.client("iam", MEMBER).get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    assert found["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": MEMBER}}


def test_member_roles_are_deployed_into_a_member_account_with_what_they_are_denied(driver: Driver) -> None:
    assert repair(driver) == "CREATE_COMPLETE"

    assert policies(driver, "muster-member-reader") == (["read"], [FORBIDDEN])
    assert policies(driver, "muster-member-repair") == (["repair"], [FORBIDDEN])


def test_the_applications_own_account_gets_the_reader_alone(driver: Driver) -> None:
    before = roles(driver, APPLICATION)

    assert repair(driver, APPLICATION) == "CREATE_COMPLETE"

    assert roles(driver, APPLICATION) - before == {"muster-member-reader"}
