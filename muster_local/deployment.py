"""From the templates as they are deployed to running resources: SAM, CloudFormation, and where functions' code lies."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError as CloudFormationError
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import NULL_MODELS, get_model_map
from moto.iam.models import Role, iam_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.stepfunctions.parser.api import InvalidDefinition
from samtranslator.parser.parser import Parser
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from muster_local.authorization import trust_policy, trusts
from muster_local.lambda_host import FunctionSpec

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_EMPTY_MACHINE = {"StartAt": "Empty", "States": {"Empty": {"Type": "Succeed"}}}


class DeploymentError(Exception):
    """A template cannot be deployed here; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the code of a function lies, and its layers."""

    code: Path
    layers: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class MachineSource:
    """The definition of a state machine, the file it came from, and its substitutions."""

    definition: Any
    file: Path | None
    substitutions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template without the SAM transform, and what it leaves on disk."""

    body: Mapping[str, Any]
    functions: Mapping[str, Source]
    not_emulated: tuple[str, ...]
    """The types of resources that were left out, because moto has none of them."""
    files: tuple[Path, ...]
    """The files that the template was read from."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack."""

    name: str
    outputs: Mapping[str, str]
    functions: Mapping[str, FunctionSpec]


def load(path: Path) -> Template:
    """Read a template and expand it. Raises DeploymentError."""
    try:
        document = yaml_parse(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DeploymentError(f"{path}: {error}") from error
    if "AWS::Serverless-2016-10-31" not in str(document.get("Transform", "")):
        return Template(document, {}, _drop_what_moto_lacks(document), (path,))
    functions, layers, machines = _take_files_out(document, path.parent)
    for source in functions.values():
        if not source.code.is_dir():
            raise DeploymentError(f"{path}: there is no folder {source.code}")
    try:
        body = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1")).translate(document, {})
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise DeploymentError(f"{path}: {causes}") from error
    _put_definitions_back(body, machines, path)
    _leave_code_on_disk(body, layers)
    files = (path, *(machine.file for machine in machines.values() if machine.file))
    return Template(body, functions, _drop_what_moto_lacks(body), files)


def deploy(
    template: Template, *, name: str, account: str, region: str, parameters: Mapping[str, str], isolated: bool = False
) -> Stack:
    """Create a stack; of the parameters it gets those that it declares. Raises DeploymentError."""
    declared = template.body.get("Parameters", {})
    given = {key: value for key, value in parameters.items() if key in declared}
    missing = [key for key, declaration in declared.items() if key not in given and "Default" not in declaration]
    if missing:
        raise DeploymentError(f"stack {name}: no value for the parameter {missing[0]}")
    backend = cloudformation_backends[account][region]
    try:
        stack = backend.create_stack(name=name, template=json.dumps(template.body), parameters=given, tags={})
    except (InvalidDefinition, CloudFormationError) as error:
        raise DeploymentError(f"stack {name}: {error}") from error
    if stack.status != "CREATE_COMPLETE":
        raise DeploymentError(f"stack {name} is {stack.status}: {stack.status_reason}")
    functions = {
        logical_id: _spec(stack.resource_map[logical_id], source, account, region, isolated=isolated)
        for logical_id, source in template.functions.items()
        if logical_id in stack.resource_map
    }
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in stack.outputs or ()}
    return Stack(name, outputs, functions)


def version_buckets_of_templates() -> None:
    """Let CloudFormation switch on a bucket's versioning: moto ignores that property."""

    def version(bucket: FakeBucket, properties: Mapping[str, Any]) -> None:
        status = properties.get("VersioningConfiguration", {}).get("Status")
        if status:
            s3_backends[bucket.account_id]["aws"].put_bucket_versioning(bucket.name, status)

    _after_creation(FakeBucket, version)


def attach_managed_policies_of_templates() -> None:
    """Let CloudFormation attach managed policies to a role: moto ignores that property.

    Policies that AWS manages are not known here, so they allow nothing: what they are for (logs) nobody calls.
    """

    def attach(role: Role, properties: Mapping[str, Any]) -> None:
        backend = iam_backends[role.account_id]["aws"]
        for arn in properties.get("ManagedPolicyArns", ()):
            if not arn.startswith("arn:aws:iam::aws:"):
                backend.attach_role_policy(arn, role.name)

    _after_creation(Role, attach)


def leave_no_value_out_of_lists() -> None:
    """Let AWS::NoValue remove an element of a list, as it removes a property: moto leaves None in its place."""
    original = getattr(parsing.clean_json, "wraps", parsing.clean_json)

    def clean(resource_json: Any, resources_map: Any) -> Any:
        cleaned = original(resource_json, resources_map)
        return [item for item in cleaned if item is not None] if isinstance(resource_json, list) else cleaned

    clean.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    parsing.clean_json = clean


def _after_creation(model: Any, then: Callable[[Any, Mapping[str, Any]], None]) -> None:
    """Do something with every resource of a model that CloudFormation has created."""
    inner = model.create_from_cloudformation_json
    original = getattr(inner.__func__, "wraps", inner)

    def create(_model: Any, resource_name: str, cloudformation_json: Any, *more: Any, **named: Any) -> Any:
        created = original(resource_name, cloudformation_json, *more, **named)
        then(created, cloudformation_json.get("Properties", {}))
        return created

    create.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    model.create_from_cloudformation_json = classmethod(create)


# --- what SAM would upload --------------------------------------------------------------------------------------------


def _take_files_out(
    document: dict[str, Any], base: Path
) -> tuple[dict[str, Source], set[str], dict[str, MachineSource]]:
    """Replace files by placeholders that SAM accepts; return functions, layers and machine definitions."""
    resources = document["Resources"]
    defaults = document.get("Globals", {}).get("Function", {})
    folders = {
        name: (base / resource["Properties"]["ContentUri"]).resolve()
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    functions: dict[str, Source] = {}
    machines: dict[str, MachineSource] = {}
    for name, resource in resources.items():
        properties = resource.setdefault("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                used = [*defaults.get("Layers", ()), *properties.get("Layers", ())]
                layers = tuple(folders[layer["Ref"]] / "python" for layer in used)
                code = (base / properties.get("CodeUri", defaults.get("CodeUri", "."))).resolve()
                functions[name] = Source(code, tuple(layer for layer in layers if layer.is_dir()))
                properties["CodeUri"] = "s3://embedded/function"
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = "s3://embedded/layer"
            case "AWS::Serverless::StateMachine":
                uri = properties.pop("DefinitionUri", None)
                file = (base / uri).resolve() if uri else None
                definition = yaml.safe_load(file.read_text()) if file else properties["Definition"]
                machines[name] = MachineSource(definition, file, properties.pop("DefinitionSubstitutions", {}))
                properties["Definition"] = _EMPTY_MACHINE
            case _:
                pass
    return functions, set(folders), machines


def _put_definitions_back(body: Mapping[str, Any], machines: Mapping[str, MachineSource], path: Path) -> None:
    """Give each machine its definition as one string, with its substitutions as intrinsic functions."""
    for name, machine in machines.items():
        pieces = _PLACEHOLDER.split(json.dumps(machine.definition, ensure_ascii=False))
        if unknown := sorted(set(pieces[1::2]) - set(machine.substitutions)):
            raise DeploymentError(f"{path}: {name} has no substitution for ${{{unknown[0]}}}")
        joined = [machine.substitutions[piece] if index % 2 else piece for index, piece in enumerate(pieces)]
        properties = body["Resources"][name]["Properties"]
        for other in ("Definition", "DefinitionS3Location", "DefinitionSubstitutions"):
            properties.pop(other, None)
        properties["DefinitionString"] = {"Fn::Join": ["", joined]}


def _leave_code_on_disk(body: Mapping[str, Any], layers: set[str]) -> None:
    """Drop layers and give functions an empty archive: the Lambda host runs them from where they lie."""
    resources = body["Resources"]
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::LayerVersion"]:
        del resources[name]
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = {"ZipFile": "# the code lies on disk"}
            resource["Properties"].pop("Layers", None)
    if layers and any(str(reference) in layers for reference in _references(resources)):
        raise DeploymentError("a resource other than a function refers to a layer, which is not deployed here")


def _drop_what_moto_lacks(body: Mapping[str, Any]) -> tuple[str, ...]:
    resources = body["Resources"]
    known = set(get_model_map())
    dropped = {name: resource["Type"] for name, resource in resources.items() if resource["Type"] not in known}
    for name in dropped:
        del resources[name]
    for resource in resources.values():
        needed = resource.get("DependsOn", [])
        kept = [name for name in ([needed] if isinstance(needed, str) else needed) if name not in dropped]
        resource.pop("DependsOn", None)
        if kept:
            resource["DependsOn"] = kept
    return tuple(sorted(set(dropped.values()) - set(NULL_MODELS)))


def _references(value: Any) -> list[Any]:
    match value:
        case {"Ref": name}:
            return [name]
        case dict():
            return [found for item in value.values() for found in _references(item)]
        case list():
            return [found for item in value for found in _references(item)]
        case _:
            return []


def _spec(function: Any, source: Source, account: str, region: str, *, isolated: bool) -> FunctionSpec:
    trust = trust_policy(function.role)
    if trust is None or not trusts(trust, "lambda.amazonaws.com", {}):
        raise DeploymentError(f"the role of {function.function_name} cannot be assumed by Lambda")
    return FunctionSpec(
        name=function.function_name,
        account=account,
        region=region,
        role_arn=function.role,
        handler=function.handler,
        code=source.code,
        layers=source.layers,
        environment=tuple(sorted((key, str(value)) for key, value in function.environment_vars.items())),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
        isolated=isolated,
        fingerprint=_fingerprint(source),
    )


def _fingerprint(source: Source) -> str:
    """Say whether code changed: a child keeps running the code that it has read."""
    seen = hashlib.sha256()
    for folder in (source.code, *source.layers):
        for file in sorted(folder.rglob("*.py")):
            status = file.stat()
            seen.update(f"{file}:{status.st_mtime_ns}:{status.st_size}\n".encode())
    return seen.hexdigest()
