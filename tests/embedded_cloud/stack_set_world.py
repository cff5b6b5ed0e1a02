"""The small organization with a stack set of the containment roles, as the management account drives it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.embedded_cloud.small_world import HOME, MANAGEMENT, SmallWorld, client

NAME = "containment"
ROLE = "AWSSecurityIncidentResponseContainment"
EXECUTION_ROLE = f"{ROLE}Execution"
CONTAINMENT = (Path(__file__).parents[2] / "stacks" / "containment-roles.yaml").read_text()
AT_ONCE = {"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100}
WITHOUT_AUTO_DEPLOYMENT = {"Enabled": False}
AUTO_DEPLOYMENT = {"Enabled": True, "RetainStacksOnAccountRemoval": False}

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def template(*names: str, **resources: Any) -> str:
    """A template of named roles, and of further resources."""
    roles = {
        f"Role{number}": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": name, "AssumeRolePolicyDocument": TRUST},
        }
        for number, name in enumerate(names)
    }
    return json.dumps({"Resources": {**roles, **resources}})


OWN_POLICY = "Own"
DENIAL = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
SECURITY_AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"


def role(name: str, action: str | list[str], resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A role with one policy, whose description names the parameter Repair."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    policy = {"PolicyName": OWN_POLICY, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    properties = {
        "RoleName": name,
        "Description": {"Fn::Sub": "Repair: ${Repair}"},
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [policy],
    }
    return {"Type": "AWS::IAM::Role", "Properties": properties | more}


def repairable(**more: Any) -> str:
    """The two roles of a template that a parameter changes; the first needs the second, which has a policy of AWS."""
    first = role(ROLE, "iam:PassRole", {"Fn::GetAtt": ["Execution", "Arn"]}, **more)
    second = role(EXECUTION_ROLE, ["s3:GetObject", "iam:GetRole"], ManagedPolicyArns=[SECURITY_AUDIT])
    parameter = {"Type": "String", "Default": "none", "AllowedPattern": "^[a-z]{1,8}$"}
    parameters = dict.fromkeys(("Repair", "Other"), parameter)
    return json.dumps({"Parameters": parameters, "Resources": {"Containment": first, "Execution": second}})


@dataclass(frozen=True, slots=True)
class StackSets:
    """StackSets of the small organization, switched on."""

    cloud: SmallWorld

    @property
    def root(self) -> str:
        return self.cloud.world.tree.root_id

    def api(self, account: str = MANAGEMENT, region: str = HOME) -> Any:
        return client("cloudformation", account, region)

    def create(self, **more: Any) -> str:
        wish: dict[str, Any] = {
            "StackSetName": NAME,
            "TemplateBody": template(ROLE),
            "PermissionModel": "SERVICE_MANAGED",
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "AutoDeployment": WITHOUT_AUTO_DEPLOYMENT,
        }
        return str(self.api().create_stack_set(**(wish | more))["StackSetId"])

    def deploy(self, *units: str, regions: tuple[str, ...] = (HOME,), **more: Any) -> str:
        """Create instances below the units, all at once and with every failure tolerated."""
        request = instances(*(units or (self.root,)), regions=regions)
        return str(self.api().create_stack_instances(**(request | more))["OperationId"])

    def deployed(self, *units: str, **more: Any) -> None:
        """Create the set and its instances, and let the operation end."""
        self.create(**more)
        self.deploy(*units)
        self.cloud.advance(seconds=40)

    def instances(self, **more: Any) -> dict[str, Any]:
        found = self.api().list_stack_instances(StackSetName=NAME, **more)["Summaries"]
        return {instance["Account"]: instance for instance in found}

    def states(self, **more: Any) -> dict[str, tuple[str, str]]:
        """Status and detailed status of every instance, by account."""
        return {
            account: (instance["Status"], instance["StackInstanceStatus"]["DetailedStatus"])
            for account, instance in self.instances(**more).items()
        }

    def operation(self, operation_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api().describe_stack_set_operation(StackSetName=NAME, OperationId=operation_id)
        operation: dict[str, Any] = found["StackSetOperation"]
        return operation

    def operations(self) -> list[tuple[str, str]]:
        """Action and status of every operation, the earliest first."""
        found = self.api().list_stack_set_operations(StackSetName=NAME)["Summaries"]
        return [(operation["Action"], operation["Status"]) for operation in reversed(found)]

    def results(self, operation_id: str, **more: Any) -> dict[str, str]:
        found = self.api().list_stack_set_operation_results(StackSetName=NAME, OperationId=operation_id, **more)
        return {result["Account"]: result["Status"] for result in found["Summaries"]}

    def roles(self, account: str) -> set[str]:
        """The roles of an account without the one that every member has."""
        found = {role["RoleName"] for role in self.cloud.iam(account).list_roles()["Roles"]}
        return found - {"OrganizationAccountAccessRole"}

    def override(self, *accounts: str, unit: str, **values: str | None) -> str:
        """Override parameters in these accounts alone, all at once; None keeps the value that there is."""
        targets = {"OrganizationalUnitIds": [unit], "Accounts": [*accounts], "AccountFilterType": "INTERSECTION"}
        parameters = [
            {"ParameterKey": key, "UsePreviousValue": True}
            if value is None
            else {"ParameterKey": key, "ParameterValue": value}
            for key, value in values.items()
        ]
        request = instances(unit) | {"DeploymentTargets": targets, "ParameterOverrides": parameters}
        return str(self.api().update_stack_instances(**request)["OperationId"])

    def overrides(self, account: str) -> dict[str, str]:
        place = {"StackInstanceAccount": account, "StackInstanceRegion": HOME}
        found = self.api().describe_stack_instance(StackSetName=NAME, **place)["StackInstance"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in found["ParameterOverrides"]}

    def create_role_by_hand(self, account: str, name: str = ROLE) -> str:
        made = self.cloud.iam(account).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        return str(made["Role"]["RoleId"])


def instances(*units: str, regions: tuple[str, ...] = (HOME,)) -> dict[str, Any]:
    """A request for instances below units."""
    return {
        "StackSetName": NAME,
        "Regions": list(regions),
        "DeploymentTargets": {"OrganizationalUnitIds": list(units)},
        "OperationPreferences": AT_ONCE,
    }
