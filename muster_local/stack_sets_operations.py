"""The operations of StackSets, for sets with service-managed permissions."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from muster_local import stack_sets_answers as answers
from muster_local.simulation import World
from muster_local.stack_sets_answers import Answer, Request, StackSetsError, page, refuse
from muster_local.stack_sets_engine import every_instance, new_id, settle, stop
from muster_local.stack_sets_model import DETECT_DRIFT, Instance, Operation, StackSet, Target
from muster_local.stack_sets_targets import new_targets, preferences_of, present_targets, units_of
from muster_local.stack_sets_templates import check_capabilities, check_parameters, parameters_of, template_of

PRINCIPAL = "member.org.stacksets.cloudformation.amazonaws.com"

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that calls CloudFormation in a Region."""

    world: World
    account: str
    region: str

    def owner(self, request: Request) -> str:
        """Return the account whose sets the call is about. Raises a ValidationError about CallAs."""
        if request.get("CallAs") != "DELEGATED_ADMIN":
            return self.account
        entries = self.world.tree.backend.admins
        if not any(one.account.id == self.account and PRINCIPAL in one.services for one in entries):
            raise refuse("Account used is not a delegated administrator")
        return self.world.tree.management_account_id

    def check_management(self, request: Request) -> None:
        """Raise a ValidationError unless the caller may operate service-managed sets, and they are activated."""
        if self.owner(request) != self.world.tree.management_account_id:
            raise refuse(
                "You must be the management account or delegated admin account of an organization before operating a "
                "SERVICE_MANAGED stack set"
            )
        if not self.world.stack_sets_access:
            raise refuse("You must enable organizations access to operate a service managed stack set")

    def find(self, request: Request) -> StackSet:
        """Return the set that the request names. Raises StackSetNotFoundException."""
        owner, name = self.owner(request), request["StackSetName"]
        for stack_set in self.world.stack_sets:
            if (stack_set.account, stack_set.region) == (owner, self.region) and stack_set.is_called(name):
                return stack_set
        raise StackSetsError("StackSetNotFoundException", f"StackSet {name} not found")


# --- trusted access ---


def activate_organizations_access(caller: Caller, request: Request) -> Answer:
    """Switch on service-managed sets; Organizations then lists the service's principal."""
    _only_management(caller, request)
    caller.world.stack_sets_access = True
    if not caller.world.tree.has_service_access(PRINCIPAL):
        caller.world.tree.backend.enable_aws_service_access(ServicePrincipal=PRINCIPAL)
    return {}


def deactivate_organizations_access(caller: Caller, request: Request) -> Answer:
    """Switch off service-managed sets; what is deployed stays."""
    _only_management(caller, request)
    caller.world.stack_sets_access = False
    if caller.world.tree.has_service_access(PRINCIPAL):
        caller.world.tree.backend.disable_aws_service_access(ServicePrincipal=PRINCIPAL)
    return {}


def describe_organizations_access(caller: Caller, request: Request) -> Answer:
    """Say whether service-managed sets are switched on. EnableAWSServiceAccess alone does not switch them on."""
    _only_management(caller, request)
    return {"Status": "ENABLED" if caller.world.stack_sets_access else "DISABLED"}


def _only_management(caller: Caller, request: Request) -> None:
    if caller.owner(request) != caller.world.tree.management_account_id:
        raise StackSetsError(
            "InvalidOperationException", "This operation can be called by the organization's management account only."
        )


# --- sets ---


def create_stack_set(caller: Caller, request: Request) -> Answer:
    """Create a set without instances. The same token and parameters again return the same set."""
    world, name = caller.world, request["StackSetName"]
    if not _NAME.fullmatch(name):
        raise refuse(
            f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    if request.get("PermissionModel") != "SERVICE_MANAGED":
        raise refuse("The embedded cloud knows stack sets with PermissionModel SERVICE_MANAGED only.")
    caller.check_management(request)
    if (known := _repeated(caller, request)) is not None:
        return {"StackSetId": known}
    auto_deployment = _auto_deployment(request)
    template = template_of(request)
    if template is None:
        raise refuse("Either TemplateBody or TemplateURL must be specified.")
    values = parameters_of(request, template, {})
    check_capabilities(template, request.get("Capabilities", ()))
    owner = caller.owner(request)
    if any((one.account, one.region) == (owner, caller.region) and one.is_called(name) for one in world.stack_sets):
        raise StackSetsError("NameAlreadyExistsException", f"StackSet {name} already exists")
    number = uuid.uuid5(uuid.NAMESPACE_OID, f"{world.organization.id}/{caller.region}/{name}/{len(world.stack_sets)}")
    stack_set = StackSet(
        id=f"{name}:{number}",
        name=name,
        account=owner,
        region=caller.region,
        template=template,
        parameters=values,
        capabilities=list(request.get("Capabilities", ())),
        tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", ())},
        auto_deployment=auto_deployment,
        managed_execution=bool(request.get("ManagedExecution", {}).get("Active")),
        description=request.get("Description", ""),
    )
    world.stack_sets.append(stack_set)
    if token := request.get("ClientRequestToken"):
        world.client_tokens[owner, caller.region, "CreateStackSet", token] = (_fingerprint(request), stack_set.id)
    return {"StackSetId": stack_set.id}


def describe_stack_set(caller: Caller, request: Request) -> Answer:
    """Describe a set."""
    return {"StackSet": answers.set_description(caller.find(request))}


def list_stack_sets(caller: Caller, request: Request) -> Answer:
    """List the sets of an account in this Region, deleted ones included unless a status is asked for."""
    owner, status = caller.owner(request), request.get("Status")
    found = [
        answers.set_summary(stack_set)
        for stack_set in caller.world.stack_sets
        if (stack_set.account, stack_set.region) == (owner, caller.region) and status in {None, stack_set.status}
    ]
    return page(found, request)


def update_stack_set(caller: Caller, request: Request) -> Answer:
    """Change a set and start the operation that brings its instances up to date.

    A change of template or parameters makes every instance OUTDATED, those that the operation leaves out included.
    INOPERABLE ones are left out.
    """
    stack_set = _for_an_operation(caller, request)
    if "AutoDeployment" in request and ("DeploymentTargets" in request or request.get("Regions")):
        raise refuse("If you specify AutoDeployment, don't specify DeploymentTargets or Regions.")
    auto_deployment = _auto_deployment(request) if "AutoDeployment" in request else stack_set.auto_deployment
    if request.get("PermissionModel", "SERVICE_MANAGED") != "SERVICE_MANAGED":
        raise refuse("The permission model cannot be changed.")
    template = template_of(request)
    if template is None:
        if not request.get("UsePreviousTemplate"):
            raise refuse("Either TemplateBody, TemplateURL or UsePreviousTemplate must be specified.")
        template = stack_set.template
    values = parameters_of(request, template, stack_set.parameters)
    check_capabilities(template, request.get("Capabilities", ()))
    active = request.get("ManagedExecution", {}).get("Active", stack_set.managed_execution)
    if active != stack_set.managed_execution and stack_set.unfinished() is not None:
        raise StackSetsError(
            "InvalidOperationException", "The execution configuration cannot change while operations run or wait."
        )
    targets = [
        target
        for target in present_targets(caller.world, stack_set, request)
        if stack_set.instances[target.account, target.region].status != "INOPERABLE"
    ]
    operation = _operation(caller, stack_set, request, "UPDATE", targets)
    if (template, values) != (stack_set.template, stack_set.parameters):
        for instance in stack_set.instances.values():
            if instance.status == "CURRENT":
                instance.status = "OUTDATED"
    stack_set.template, stack_set.parameters = template, values
    stack_set.capabilities = list(request.get("Capabilities", ()))
    stack_set.auto_deployment, stack_set.managed_execution = auto_deployment, bool(active)
    stack_set.description = request.get("Description", stack_set.description)
    if "Tags" in request:
        stack_set.tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    stack_set.is_modified = True
    return _start(caller, stack_set, operation)


def delete_stack_set(caller: Caller, request: Request) -> Answer:
    """Delete a set without instances; one that does not exist is no error."""
    try:
        stack_set = caller.find(request)
    except StackSetsError as error:
        if error.code != "StackSetNotFoundException":
            raise
        return {}
    if stack_set.unfinished() is not None:
        raise _in_progress(stack_set)
    if stack_set.instances:
        raise StackSetsError("StackSetNotEmptyException", "StackSet is not empty")
    stack_set.status = "DELETED"
    return {}


# --- instances ---


def create_stack_instances(caller: Caller, request: Request) -> Answer:
    """Start the operation that creates instances in the accounts below units, and target these units from now on.

    AWS does not document what becomes of an account that has an instance already. Here its stack is updated, which
    changes nothing when it is current.
    """
    stack_set = _for_an_operation(caller, request)
    overrides = _overrides(stack_set, request)
    operation = _operation(caller, stack_set, request, "CREATE", new_targets(caller.world, request))
    operation.overrides = overrides
    for region in request["Regions"]:
        known = stack_set.units.setdefault(region, [])
        known += [unit for unit in units_of(caller.world, request) if unit not in known]
    stack_set.is_modified = True
    return _start(caller, stack_set, operation)


def update_stack_instances(caller: Caller, request: Request) -> Answer:
    """Start the operation that overrides parameters in existing instances. Raises StackInstanceNotFoundException."""
    stack_set = _for_an_operation(caller, request)
    overrides = _overrides(stack_set, request)
    units_of(caller.world, request)
    targets = present_targets(caller.world, stack_set, request)
    if not targets:
        raise _no_instance()
    operation = _operation(caller, stack_set, request, "UPDATE", targets)
    operation.overrides = overrides
    return _start(caller, stack_set, operation)


def delete_stack_instances(caller: Caller, request: Request) -> Answer:
    """Start the operation that deletes instances; units deleted without a filter are no targets any more."""
    stack_set = _for_an_operation(caller, request)
    units = units_of(caller.world, request)
    operation = _operation(caller, stack_set, request, "DELETE", present_targets(caller.world, stack_set, request))
    operation.retain_stacks = bool(request["RetainStacks"])
    if request["DeploymentTargets"].get("AccountFilterType", "NONE") in {"NONE", "UNION"}:
        for region in request["Regions"]:
            stack_set.units[region] = [unit for unit in stack_set.units.get(region, ()) if unit not in units]
    return _start(caller, stack_set, operation)


def detect_stack_set_drift(caller: Caller, request: Request) -> Answer:
    """Start the operation that looks in every instance whether it has drifted; a second one does not even queue."""
    stack_set = _for_an_operation(caller, request)
    if any(operation.is_detection and operation.is_unfinished for operation in stack_set.operations):
        raise _in_progress(stack_set)
    return _start(caller, stack_set, _operation(caller, stack_set, request, DETECT_DRIFT, every_instance(stack_set)))


def list_stack_instances(caller: Caller, request: Request) -> Answer:
    """List instances by account and Region, filtered by all the filters that are given, one of a name."""
    stack_set = caller.find(request)
    names = [one["Name"] for one in request.get("Filters", ())]
    if len(set(names)) < len(names):
        raise refuse("Filters must not name the same filter twice")
    found = [
        answers.instance_summary(stack_set, instance)
        for _, instance in sorted(stack_set.instances.items())
        if request.get("StackInstanceAccount") in {None, instance.account}
        and request.get("StackInstanceRegion") in {None, instance.region}
        and all(_passes(instance, one) for one in request.get("Filters", ()))
    ]
    return page(found, request)


def describe_stack_instance(caller: Caller, request: Request) -> Answer:
    """Describe one instance. Raises StackInstanceNotFoundException."""
    stack_set = caller.find(request)
    instance = stack_set.instances.get((request["StackInstanceAccount"], request["StackInstanceRegion"]))
    if instance is None:
        raise _no_instance()
    return {"StackInstance": answers.instance_description(stack_set, instance)}


# --- operations ---


def list_stack_set_operations(caller: Caller, request: Request) -> Answer:
    """List the operations on a set, the latest first."""
    operations = reversed(caller.find(request).operations)
    return page([answers.operation_summary(operation) for operation in operations], request)


def describe_stack_set_operation(caller: Caller, request: Request) -> Answer:
    """Describe one operation. Raises OperationNotFoundException."""
    stack_set = caller.find(request)
    operation = _find_operation(stack_set, request)
    return {"StackSetOperation": answers.operation_description(stack_set, operation)}


def list_stack_set_operation_results(caller: Caller, request: Request) -> Answer:
    """List how an operation went in each account and Region."""
    operation = _find_operation(caller.find(request), request)
    found = [
        answers.result_summary(target)
        for target in operation.targets
        if all(target.status in one["Values"] for one in request.get("Filters", ()))
    ]
    return page(found, request)


def stop_stack_set_operation(caller: Caller, request: Request) -> Answer:
    """Stop an operation: what has not started is cancelled. Raises InvalidOperationException when it has ended."""
    stack_set = caller.find(request)
    operation = _find_operation(stack_set, request)
    if not operation.is_unfinished:
        raise StackSetsError("InvalidOperationException", f"Operation {operation.id} is not running")
    stop(stack_set, operation, caller.world.clock.now())
    return {}


HANDLERS: Mapping[str, Callable[[Caller, Request], Answer]] = {
    "ActivateOrganizationsAccess": activate_organizations_access,
    "DeactivateOrganizationsAccess": deactivate_organizations_access,
    "DescribeOrganizationsAccess": describe_organizations_access,
    "CreateStackSet": create_stack_set,
    "DescribeStackSet": describe_stack_set,
    "ListStackSets": list_stack_sets,
    "UpdateStackSet": update_stack_set,
    "DeleteStackSet": delete_stack_set,
    "CreateStackInstances": create_stack_instances,
    "UpdateStackInstances": update_stack_instances,
    "DeleteStackInstances": delete_stack_instances,
    "DetectStackSetDrift": detect_stack_set_drift,
    "ListStackInstances": list_stack_instances,
    "DescribeStackInstance": describe_stack_instance,
    "ListStackSetOperations": list_stack_set_operations,
    "DescribeStackSetOperation": describe_stack_set_operation,
    "ListStackSetOperationResults": list_stack_set_operation_results,
    "StopStackSetOperation": stop_stack_set_operation,
}


def _for_an_operation(caller: Caller, request: Request) -> StackSet:
    """Return the set that the request is to work on, once nothing stands in the way of an operation."""
    stack_set = caller.find(request)
    caller.check_management(request)
    operation_id = request.get("OperationId")
    if any(operation.id == operation_id for operation in stack_set.operations):
        raise StackSetsError("OperationIdAlreadyExistsException", f"Operation {operation_id} already exists")
    if stack_set.unfinished() is not None and not stack_set.managed_execution:
        raise _in_progress(stack_set)
    return stack_set


def _operation(caller: Caller, stack_set: StackSet, request: Request, action: str, targets: list[Target]) -> Operation:
    return Operation(
        id=request.get("OperationId") or new_id(stack_set),
        action=action,
        requested_at=caller.world.clock.now(),
        targets=targets,
        preferences=preferences_of(request),
        deployment_targets=request.get("DeploymentTargets"),
    )


def _start(caller: Caller, stack_set: StackSet, operation: Operation) -> Answer:
    stack_set.operations.append(operation)
    settle(caller.world)
    return {"OperationId": operation.id}


def _overrides(stack_set: StackSet, request: Request) -> dict[str, str | None] | None:
    given = request.get("ParameterOverrides")
    if given is None:
        return None
    if any(one.get("UsePreviousValue") and "ParameterValue" in one for one in given):
        raise refuse("Cannot specify both ParameterValue and UsePreviousValue.")
    values = {
        one["ParameterKey"]: None if one.get("UsePreviousValue") else one.get("ParameterValue", "") for one in given
    }
    check_parameters(values, stack_set.template)
    return values


def _auto_deployment(request: Request) -> dict[str, Any]:
    given = request.get("AutoDeployment")
    if given is None or "Enabled" not in given:
        raise refuse("AutoDeployment is required if PermissionModel is SERVICE_MANAGED")
    if not given["Enabled"]:
        if "RetainStacksOnAccountRemoval" in given:
            raise refuse("RetainStacksOnAccountRemoval can be specified only if AutoDeployment is enabled")
        return {"Enabled": False}
    if "RetainStacksOnAccountRemoval" not in given:
        raise refuse("RetainStacksOnAccountRemoval must be specified if AutoDeployment is enabled")
    return dict(given)


def _passes(instance: Instance, condition: Mapping[str, str]) -> bool:
    match condition["Name"]:
        case "DETAILED_STATUS":
            return instance.detailed_status == condition["Values"]
        case "LAST_OPERATION_ID":
            return instance.last_operation_id == condition["Values"]
        case _:
            return instance.drift_status == condition["Values"]


def _find_operation(stack_set: StackSet, request: Request) -> Operation:
    found = next((one for one in stack_set.operations if one.id == request["OperationId"]), None)
    if found is None:
        raise StackSetsError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
    return found


def _in_progress(stack_set: StackSet) -> StackSetsError:
    running = stack_set.unfinished()
    return StackSetsError(
        "OperationInProgressException",
        f"Another Operation on StackSet {stack_set.arn} is in progress: {running.id if running else ''}",
    )


def _no_instance() -> StackSetsError:
    return StackSetsError("StackInstanceNotFoundException", "The specified stack instance does not exist.")


def _repeated(caller: Caller, request: Request) -> str | None:
    """Return the set that an earlier call with this token made.

    Raises CreatedButModifiedException when that set has changed since, or the parameters are others.
    """
    key = (caller.owner(request), caller.region, "CreateStackSet", request.get("ClientRequestToken") or "")
    fingerprint, made = caller.world.client_tokens.get(key, ("", ""))
    stack_set = next((one for one in caller.world.stack_sets if one.id == made and one.status == "ACTIVE"), None)
    if stack_set is None:
        return None
    if stack_set.is_modified or fingerprint != _fingerprint(request):
        raise StackSetsError("CreatedButModifiedException", f"StackSet {stack_set.name} exists, but has been changed.")
    return made


def _fingerprint(request: Request) -> str:
    return json.dumps(request, sort_keys=True, default=str)
