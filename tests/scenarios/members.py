"""The footprint in the member accounts, as the management team's StackSet would deploy it: the template as it is."""

from pathlib import Path

from tests.scenarios.operating import DESIGNATED, MANAGEMENT, Operator

READER, REPAIRER = "muster-member-reader", "muster-member-repair"
STACK = "muster-member-account"
TRIAGE_ROLE = "AWSServiceRoleForSecurityIncidentResponse_Triage"
TEMPLATE = Path("stacks/member-account.yaml")


def deploy_readers(operator: Operator, *accounts: str, access: str = "read") -> None:
    """Deploy the template in each account, as that account."""
    organization = operator.client("organizations", MANAGEMENT).describe_organization()["Organization"]["Id"]
    parameters = {"ApplicationAccountId": DESIGNATED, "OrganizationId": organization, "Access": access}
    for account in accounts:
        operator.client("cloudformation", account, "us-east-1").create_stack(
            StackName=STACK,
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )


def has_triage_role(operator: Operator, account: str) -> bool:
    """Tell whether the account has the role, as its owner sees it."""
    iam = operator.client("iam", account)
    pages = iam.get_paginator("list_roles").paginate()
    return any(role["RoleName"] == TRIAGE_ROLE for page in pages for role in page["Roles"])
