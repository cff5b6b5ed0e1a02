"""The StackSet of the containment roles, as the management account reads it and as its containment role writes it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from muster.adapters.clients import GLOBAL_REGION, Clients
from muster.adapters.stack_sets_access import StackSetsAccess
from muster.adapters.translate import translated
from muster.domain.containment_writes import UpdateStackSet
from muster.domain.desired import DesiredStackSet
from muster.domain.kept_instances import FILTERS
from muster.domain.stack_sets import (
    EC2_TRIAGE,
    REPAIR,
    Accounts,
    StackInstance,
    StackSet,
    StackSetOperation,
)
from muster.errors import AbsentError
from muster.ports import StackSetReader, StackSetWriter

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import DeploymentTargetsTypeDef, StackSetOperationPreferencesTypeDef

CAPABILITIES: "list[CapabilityType]" = ["CAPABILITY_NAMED_IAM"]
PREFERENCES: "StackSetOperationPreferencesTypeDef" = {
    "FailureTolerancePercentage": 100,
    "MaxConcurrentPercentage": 100,
    "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
}
"""One account's failure is that account's alone. The defaults are one account at a time, and none may fail."""


@cache
def read_template() -> str:
    """Return the template of the two roles, which lies in the package so that the function has it."""
    return Path(__file__).with_name("containment-roles.yaml").read_text(encoding="utf-8")


@dataclass(frozen=True)
class StackSets(StackSetsAccess, StackSetReader):
    """Reads as the management account's reader role."""

    def stack_set(self, where: DesiredStackSet) -> StackSet | None:
        """Read DescribeStackSet."""
        try:
            with translated("cloudformation:DescribeStackSet", self.clients.account_id):
                client = self.clients.cloudformation(where.region)
                found = client.describe_stack_set(StackSetName=where.name, CallAs="SELF")["StackSet"]
        except AbsentError:
            return None
        if found.get("Status") == "DELETED":
            return None
        return StackSet(
            name=where.name,
            permission_model=found.get("PermissionModel", ""),
            auto_deployment=bool(found.get("AutoDeployment", {}).get("Enabled")),
            targets=frozenset(found.get("OrganizationalUnitIds", ())),
            parameters=tuple(
                (each["ParameterKey"], each.get("ParameterValue", "")) for each in found.get("Parameters", ())
            ),
            template=found.get("TemplateBody", ""),
            drift_checked_at=found.get("StackSetDriftDetectionDetails", {}).get("LastDriftCheckTimestamp"),
        )

    def names(self, region: str) -> frozenset[str]:
        """Read ListStackSets to its end."""
        found = self._every("list_stack_sets", region, Status="ACTIVE")
        return frozenset(str(each["StackSetName"]) for each in found)

    def instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        """Read ListStackInstances to its end."""
        return tuple(map(_instance, self._every("list_stack_instances", where.region, StackSetName=where.name)))

    def unusual_instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        """Read ListStackInstances once for each filter: a name may be given once a call."""
        found = {
            (each["Account"], each["Region"]): _instance(each)
            for name, value in FILTERS
            for each in self._every(
                "list_stack_instances",
                where.region,
                StackSetName=where.name,
                Filters=[{"Name": name, "Values": value}],
            )
        }
        return tuple(found.values())

    def operations(self, where: DesiredStackSet) -> tuple[StackSetOperation, ...]:
        """Read ListStackSetOperations to its end."""
        return tuple(
            StackSetOperation(each["OperationId"], each["Action"], each["Status"])
            for each in self._every("list_stack_set_operations", where.region, StackSetName=where.name)
        )

    def detect_drift(self, where: DesiredStackSet) -> None:
        """Call DetectStackSetDrift."""
        with translated("cloudformation:DetectStackSetDrift", self.clients.account_id):
            self.clients.cloudformation(where.region).detect_stack_set_drift(
                StackSetName=where.name, OperationPreferences=PREFERENCES, CallAs="SELF"
            )

    def _every(self, method: str, region: str, **arguments: str | list[dict[str, str]]) -> list[dict[str, Any]]:
        client = self.clients.cloudformation(region)
        operation = client.meta.method_to_api_mapping[method]
        pages = client.get_paginator(method).paginate(CallAs="SELF", **arguments)  # type: ignore[call-overload]
        with translated(f"cloudformation:{operation}", self.clients.account_id):
            return [each for page in pages for each in page["Summaries"]]


@dataclass(frozen=True)
class StackSetsAsManager(StackSetWriter):
    """Writes as the management account's containment role. There is no call here that deletes."""

    clients: Clients

    def activate_access(self) -> None:
        """Call ActivateOrganizationsAccess."""
        with translated("cloudformation:ActivateOrganizationsAccess", self.clients.account_id):
            self.clients.cloudformation(GLOBAL_REGION).activate_organizations_access()

    def create(self, where: DesiredStackSet, *, ec2_triage: bool, token: str) -> None:
        """Call CreateStackSet with every choice explicit."""
        with translated("cloudformation:CreateStackSet", self.clients.account_id):
            self.clients.cloudformation(where.region).create_stack_set(
                StackSetName=where.name,
                Description="The containment roles of AWS Security Incident Response; deployed by Muster.",
                TemplateBody=read_template(),
                Parameters=[{"ParameterKey": EC2_TRIAGE, "ParameterValue": str(ec2_triage).lower()}],
                Capabilities=CAPABILITIES,
                PermissionModel="SERVICE_MANAGED",
                AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
                CallAs="SELF",
                ClientRequestToken=token,
            )

    def update(self, where: DesiredStackSet, write: UpdateStackSet, operation_id: str) -> None:
        """Call UpdateStackSet with the template that is there; what is not switched keeps its value."""
        more: dict[str, Any] = {}
        if write.auto_deployment:
            more["AutoDeployment"] = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
        parameters: list[Any] = [
            {"ParameterKey": key, "UsePreviousValue": True}
            for key, _ in write.stack_set.parameters
            if key != EC2_TRIAGE or not write.ec2_triage
        ]
        if write.ec2_triage:
            parameters.append({"ParameterKey": EC2_TRIAGE, "ParameterValue": "true"})
        with translated("cloudformation:UpdateStackSet", self.clients.account_id):
            self.clients.cloudformation(where.region).update_stack_set(
                StackSetName=where.name,
                UsePreviousTemplate=True,
                Parameters=parameters,
                Capabilities=CAPABILITIES,
                OperationPreferences=PREFERENCES,
                OperationId=operation_id,
                CallAs="SELF",
                **more,
            )

    def create_instances(self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str) -> None:
        """Call CreateStackInstances."""
        with translated("cloudformation:CreateStackInstances", self.clients.account_id):
            self.clients.cloudformation(where.region).create_stack_instances(
                StackSetName=where.name,
                DeploymentTargets=_targets(target, accounts),
                Regions=[where.region],
                OperationPreferences=PREFERENCES,
                OperationId=operation_id,
                CallAs="SELF",
            )

    def update_instances(
        self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str, *, repair: str | None = None
    ) -> None:
        """Call UpdateStackInstances, which deploys again what failed, and what a parameter changes."""
        more: dict[str, Any] = {}
        if repair is not None:
            # What the list leaves out would go back to the StackSet's value.
            more["ParameterOverrides"] = [
                {"ParameterKey": REPAIR, "ParameterValue": repair},
                {"ParameterKey": EC2_TRIAGE, "UsePreviousValue": True},
            ]
        with translated("cloudformation:UpdateStackInstances", self.clients.account_id):
            self.clients.cloudformation(where.region).update_stack_instances(
                StackSetName=where.name,
                DeploymentTargets=_targets(target, accounts),
                Regions=[where.region],
                OperationPreferences=PREFERENCES,
                OperationId=operation_id,
                CallAs="SELF",
                **more,
            )


def _instance(found: dict[str, Any]) -> StackInstance:
    return StackInstance(
        account_id=found["Account"],
        region=found["Region"],
        status=found.get("Status", ""),
        detailed=found.get("StackInstanceStatus", {}).get("DetailedStatus"),
        reason=found.get("StatusReason", ""),
        stack_id=found.get("StackId"),
        drift=found.get("DriftStatus"),
    )


def _targets(target: str, accounts: Accounts) -> "DeploymentTargetsTypeDef":
    found: DeploymentTargetsTypeDef = {"OrganizationalUnitIds": [target]}
    if accounts.only:
        found |= {"Accounts": list(accounts.only), "AccountFilterType": "INTERSECTION"}
    if accounts.leave_out:
        found |= {"Accounts": list(accounts.leave_out), "AccountFilterType": "DIFFERENCE"}
    return found
