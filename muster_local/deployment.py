"""Deployments: stacks in, functions out. However a stack came to be, what it says runs in the Lambda host."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.iam.models import iam_backends

from muster_local import change_sets, stack_events, stack_resources, stacks
from muster_local.authorization import identity_policies
from muster_local.code_store import CodeStore
from muster_local.lambda_host import FunctionSpec
from muster_local.templates import DeploymentError, Source, parsed

__all__ = ["DeploymentError", "deploy", "functions", "install", "role_policies"]


def install(store: CodeStore, changed: Callable[[Any], None]) -> None:
    """Fill CloudFormation's gaps; ``changed`` is told of every stack that was created, updated or deleted."""
    stack_events.know_resources_of_events()
    stack_resources.version_buckets_of_templates()
    stack_resources.attach_managed_policies_of_templates()
    stack_resources.write_policies_of_templates_as_text()
    stack_resources.substitute_in_definitions_of_templates()
    stack_resources.refuse_roles_that_lambda_may_not_assume()
    stack_resources.leave_no_value_out_of_lists()
    stacks.expand_templates(store)
    stacks.check_parameters_as_declared()
    stacks.change_stacks_resource_by_resource(changed)
    change_sets.keep_change_sets_by_stack()
    change_sets.answer_with_the_stack_that_fails()
    change_sets.summarize_templates()
    change_sets.read_templates_at_any_endpoint(store)


def deploy(text: str, *, name: str, account: str, region: str, parameters: Mapping[str, str]) -> None:
    """Create a stack; of the parameters it gets those that it declares. Raises DeploymentError, TemplateError."""
    declared = parsed(text).get("Parameters", {})
    given = {key: value for key, value in parameters.items() if key in declared}
    try:
        cloudformation_backends[account][region].create_stack(name, text, given, tags={})
    except Exception as error:
        raise DeploymentError(f"stack {name}: {stacks.reason(error)}") from error


def functions() -> dict[str, FunctionSpec]:
    """Return the functions of all stacks, by ARN."""
    fingerprints: dict[Path, str] = {}
    specs = (
        _spec(function, source, stack, fingerprints)
        for stack in stacks.deployed()
        for function, source in stacks.functions_of(stack)
    )
    return {spec.arn: spec for spec in specs}


def role_policies() -> dict[str, list[Mapping[str, Any]]]:
    """Return the identity policies of every role of a stack, by its name, as IAM has them, without those of AWS.

    A role that was deployed into several accounts is there once: its policies are one template's.
    """
    roles = [role for backends in list(iam_backends.values()) for role in list(backends["aws"].roles.values())]
    return {
        str(role.name): list(identity_policies(str(role.arn), also_by_aws=False))
        for role in roles
        if hasattr(role, "cf_resource_type")
    }


def _spec(function: Any, source: Source, stack: Any, fingerprints: dict[Path, str]) -> FunctionSpec:
    return FunctionSpec(
        name=function.function_name,
        account=stack.account_id,
        region=stack.region_name,
        role_arn=function.role,
        handler=function.handler,
        code=source.code,
        layers=source.layers,
        environment=tuple(sorted((key, str(value)) for key, value in function.environment_vars.items())),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
        isolated=source.is_complete,
        fingerprint=_fingerprint(source, fingerprints),
    )


def _fingerprint(source: Source, known: dict[Path, str]) -> str:
    """Say whether code changed: a child keeps running the code that it has read."""
    for folder in (source.code, *source.layers):
        if folder not in known:
            seen = hashlib.sha256()
            for file in sorted(folder.rglob("*.py")):
                status = file.stat()
                seen.update(f"{file}:{status.st_mtime_ns}:{status.st_size}\n".encode())
            known[folder] = seen.hexdigest()
    return "".join(known[folder] for folder in (source.code, *source.layers))
