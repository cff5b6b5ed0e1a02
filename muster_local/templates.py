"""From the text of a template to what moto's CloudFormation can create: SAM expanded, code and definitions found.

A template of this machine is packaged as `sam package` does it, but nothing is uploaded: its locations are folders.
After that there is one way for every template, whoever sent it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.cloudformation.parsing import NULL_MODELS, get_model_map
from samtranslator.parser.parser import Parser
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from muster_local.code_store import CodeError, CodeStore, Location, of_this_machine

_SERVERLESS = "AWS::Serverless-2016-10-31"
# What SAM calls the place of a resource's files, by type.
_FILES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class DeploymentError(Exception):
    """A template cannot be deployed here; the message says which and why."""


class TemplateError(DeploymentError):
    """A template cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the code of a function lies, and its layers."""

    code: Path
    layers: tuple[Path, ...]
    is_complete: bool
    """Whether the function sees nothing but these."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template without the SAM transform, as moto can create it."""

    body: dict[str, Any]
    functions: Mapping[str, Source]
    """The functions by logical id."""
    not_emulated: tuple[str, ...]
    """The types of resources that were left out, because moto has none of them."""


@dataclass(frozen=True, slots=True)
class Package:
    """A template of this machine with locations in place of relative paths."""

    text: str
    files: tuple[Path, ...]
    """The files that it was made of, code aside."""


def package(path: Path, *, built: bool) -> Package:
    """Read a template of this machine. Raises TemplateError."""
    try:
        document = yaml_parse(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path}: {error}") from error
    if not _is_serverless(document):
        return Package(json.dumps(document), (path,))
    default = document.get("Globals", {}).get("Function", {}).get("CodeUri", ".")
    files = [path]
    for resource in document["Resources"].values():
        member = _FILES.get(resource["Type"])
        properties = resource.setdefault("Properties", {})
        relative = properties.get(member, default if member == "CodeUri" else None)
        if member is None or not isinstance(relative, str):
            continue
        location = of_this_machine(path.parent / relative, built=built)
        properties[member] = {"Bucket": location.bucket, "Key": location.key}
        if member == "DefinitionUri":
            files.append(Path(location.key))
    return Package(json.dumps(document), tuple(files))


def parsed(text: str) -> dict[str, Any]:
    """Return a template as it was written. Raises TemplateError."""
    document: dict[str, Any] = json.loads(_as_json(text))
    return document


def prepare(text: str, store: CodeStore) -> Template:
    """Expand a template and find what it points at. Raises TemplateError."""
    body: dict[str, Any] = json.loads(_expanded(text))
    resources = body["Resources"]
    try:
        _take_definitions_in(resources, store)
        functions = _take_code_out(resources, store)
    except CodeError as error:
        raise TemplateError(str(error)) from error
    return Template(body, functions, _drop_what_moto_lacks(resources))


@lru_cache(maxsize=16)
def _as_json(text: str) -> str:
    try:
        document = yaml_parse(text)
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    # Dates that nobody quoted, as in a policy's Version, are text.
    return json.dumps(document, default=str)


@lru_cache(maxsize=16)
def _expanded(text: str) -> str:
    document = json.loads(_as_json(text))
    if not _is_serverless(document):
        return _as_json(text)
    try:
        body = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1")).translate(document, {})
    except InvalidDocumentException as error:
        raise TemplateError("; ".join(cause.message for cause in error.causes)) from error
    return json.dumps(body)


def _is_serverless(document: Mapping[str, Any]) -> bool:
    return _SERVERLESS in str(document.get("Transform", ""))


# --- what the template points at --------------------------------------------------------------------------------------


def _of_type(resources: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.setdefault("Properties", {})


def _take_definitions_in(resources: Mapping[str, Any], store: CodeStore) -> None:
    """Give each machine its definition as one string, whose substitutions are made when it is created."""
    for _, properties in _of_type(resources, "AWS::StepFunctions::StateMachine"):
        if "DefinitionS3Location" in properties:
            location = properties.pop("DefinitionS3Location")
            content = store.content(Location(location["Bucket"], location["Key"], location.get("Version")))
            properties["DefinitionString"] = _definition(content)
        elif "Definition" in properties:
            properties["DefinitionString"] = json.dumps(properties.pop("Definition"), ensure_ascii=False)


@lru_cache(maxsize=16)
def _definition(content: bytes) -> str:
    try:
        return json.dumps(yaml.safe_load(content), ensure_ascii=False)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"a definition of a state machine is neither JSON nor YAML: {error}") from error


def _take_code_out(resources: dict[str, Any], store: CodeStore) -> dict[str, Source]:
    """Drop layers and give functions an archive that only names their code: the Lambda host runs it from a folder."""
    layers = {name: properties["Content"] for name, properties in _of_type(resources, "AWS::Lambda::LayerVersion")}
    for name in layers:
        del resources[name]
    functions = {}
    for name, properties in _of_type(resources, "AWS::Lambda::Function"):
        used = properties.pop("Layers", [])
        if unknown := [reference for reference in used if reference.get("Ref") not in layers]:
            raise TemplateError(f"{name}: the embedded cloud knows no layers but the template's own, not {unknown[0]}")
        if "S3Bucket" not in properties.get("Code", {}):
            continue
        code, *below = [_location(content) for content in (properties["Code"], *(layers[it["Ref"]] for it in used))]
        folders = [store.folder(location) / "python" for location in below]
        functions[name] = Source(
            store.folder(code), tuple(folder for folder in folders if folder.is_dir()), code.is_complete
        )
        properties["Code"] = {"ZipFile": "\n".join(f"# {location}" for location in (code, *below))}
    if any(reference in layers for reference in references(resources)):
        raise TemplateError("a resource other than a function refers to a layer, which is not deployed here")
    return functions


def _location(content: Mapping[str, Any]) -> Location:
    return Location(content["S3Bucket"], content["S3Key"], content.get("S3ObjectVersion"))


def _drop_what_moto_lacks(resources: dict[str, Any]) -> tuple[str, ...]:
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


def references(value: Any) -> Iterator[str]:
    """Yield the names that intrinsic functions and DependsOn point at, parameters and pseudo parameters included."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from _placeholders(text)
        case {"Fn::Sub": [str(text), variables]}:
            yield from _placeholders(text)
            yield from references(variables)
        case dict():
            needed = value.get("DependsOn", ())
            yield from [needed] if isinstance(needed, str) else [name for name in needed if isinstance(name, str)]
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)
        case _:
            pass


def _placeholders(text: str) -> Iterator[str]:
    for piece in text.split("${")[1:]:
        yield piece.partition("}")[0].partition(".")[0]
