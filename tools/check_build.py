"""Look at what was packed: what the repository says, complete, for the right machine, and nothing more.

Every check returns one sentence for each thing that is wrong.
"""

import csv
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

REPOSITORY = Path(__file__).resolve().parents[1]
DEPENDENCIES_LAYER = "DependenciesLayer"
WHEEL_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}

_ELF_MACHINE = {"arm64": 0xB7, "x86_64": 0x3E}
_STRANGERS = ("muster_local", "muster_console", "moto", "pytest", "tests")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", re.MULTILINE)
_MANYLINUX = re.compile(r"manylinux(?:1|2010|2014|_2_(?P<minor>\d+))_(?P<machine>\w+)")
_GLIBC_MINOR = 34
"""Amazon Linux 2023, on which the runtime lives, has glibc 2.34."""
_UNCHECKED_HASH = 0b01
"""The flags of bytecode that holds its source's hash and is used without looking at the source (PEP 552)."""


def problems(build: Path, architecture: str) -> list[str]:
    """Return everything that is wrong with a finished build."""
    return [
        *unusable_bytecode(build),
        *foreign_binaries(build, architecture),
        *foreign_wheels(build, architecture),
        *unpinned_packages(build),
        *incomplete_packages(build),
        *other_code(build),
        *other_definitions(build),
        *stray_files(build),
    ]


def unusable_bytecode(build: Path) -> Iterator[str]:
    """Name every module without bytecode of the runtime's version, of this very source, to be used without a look."""
    for module in sorted(build.rglob("*.py")):
        place = module.relative_to(build)
        compiled = Path(importlib.util.cache_from_source(str(module)))
        if not compiled.exists():
            yield f"no bytecode for {place}"
            continue
        header = compiled.read_bytes()[:16]
        if header[:4] != importlib.util.MAGIC_NUMBER:
            yield f"the bytecode of {place} is another version's"
        elif int.from_bytes(header[4:8], "little") != _UNCHECKED_HASH:
            yield f"the bytecode of {place} would be checked against its source"
        elif header[8:16] != importlib.util.source_hash(module.read_bytes()):
            yield f"the bytecode of {place} was made of another source"


def foreign_binaries(build: Path, architecture: str) -> Iterator[str]:
    """Name every extension module that is not of the functions' architecture, by its ELF header."""
    binaries = sorted(build.rglob("*.so"))
    if not binaries:
        yield "no extension module at all: pydantic_core is missing"
    for binary in binaries:
        header = binary.read_bytes()[:20]
        if header[:4] != b"\x7fELF" or int.from_bytes(header[18:20], "little") != _ELF_MACHINE[architecture]:
            yield f"{binary.relative_to(build)} is not for {architecture}"


def foreign_wheels(build: Path, architecture: str) -> Iterator[str]:
    """Name every package whose wheel the runtime would not install."""
    for information in _packages(build):
        tags = re.findall(r"^Tag: (\S+)$", (information / "WHEEL").read_text(), re.MULTILINE)
        for tag in tags or ["(none)"]:
            if not _fits(tag, architecture):
                yield f"{information.name} has the wheel tag {tag}, which is not for {architecture}"


def _fits(tag: str, architecture: str) -> bool:
    interpreter, _, rest = tag.partition("-")
    platform = rest.rpartition("-")[2]
    if platform == "any":
        return interpreter in {"py2", "py3", "cp313"}
    match = _MANYLINUX.fullmatch(platform)
    return (
        match is not None
        and interpreter.startswith("cp3")
        and match["machine"] == WHEEL_MACHINE[architecture]
        and int(match["minor"] or 0) <= _GLIBC_MINOR
    )


def unpinned_packages(build: Path) -> Iterator[str]:
    """Name every difference between the packages in the layer and those that are pinned for it."""
    pinned_in = Path("layers") / "dependencies" / "requirements.txt"
    pinned = {_normal(name): version for name, version in _PINNED.findall((REPOSITORY / pinned_in).read_text())}
    packed = {}
    for information in _packages(build):
        name, _, version = information.name.removesuffix(".dist-info").partition("-")
        packed[_normal(name)] = version
    for name in sorted(pinned.keys() | packed.keys()):
        if pinned.get(name) != packed.get(name):
            yield f"{name} is packed as {packed.get(name, 'nothing')}, {pinned_in} says {pinned.get(name, 'nothing')}"


def incomplete_packages(build: Path) -> Iterator[str]:
    """Name every file that a package's own record lists and the layer lacks."""
    for information in _packages(build):
        with (information / "RECORD").open(newline="") as record:
            for file, *_ in csv.reader(record):
                if not (information.parent / file).exists():
                    yield f"{file} is missing, which {information.name} lists"


def _packages(build: Path) -> list[Path]:
    return sorted((build / DEPENDENCIES_LAYER / "python").glob("*.dist-info"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def other_code(build: Path) -> Iterator[str]:
    """Name every module of ours that is not packed as it lies in the repository, and every one that is only packed."""
    for name, packed, source in _code(build):
        ours, theirs = _modules(source), _modules(packed)
        for module in sorted(ours.keys() | theirs.keys()):
            if module not in theirs:
                yield f"{name} lacks {module}"
            elif module not in ours:
                yield f"{name} has {module}, which is not in the repository"
            elif ours[module] != theirs[module]:
                yield f"{module} in {name} is not the repository's"


def _code(build: Path) -> Iterator[tuple[str, Path, Path]]:
    packed = _resources(build)
    for name, resource in _resources(REPOSITORY).items():
        member = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}.get(
            resource["Type"]
        )
        if member and name != DEPENDENCIES_LAYER:
            built = packed[name]["Properties"][member]
            yield name, build / built, REPOSITORY / resource["Properties"][member]


def _modules(folder: Path) -> dict[str, bytes]:
    return {str(module.relative_to(folder)): module.read_bytes() for module in folder.rglob("*.py")}


def other_definitions(build: Path) -> Iterator[str]:
    """Name every state machine whose JSON does not mean what the repository's YAML means."""
    packed = _resources(build)
    for name, resource in _resources(REPOSITORY).items():
        if resource["Type"] != "AWS::Serverless::StateMachine":
            continue
        definition = build / packed[name]["Properties"]["DefinitionUri"]
        source = REPOSITORY / resource["Properties"]["DefinitionUri"]
        if definition.suffix != ".json" or json.loads(definition.read_text()) != yaml.safe_load(source.read_text()):
            yield f"{definition.name} is not {source.name} as JSON"


def _resources(folder: Path) -> dict[str, Any]:
    resources: dict[str, Any] = yaml_parse((folder / "template.yaml").read_text())["Resources"]
    return resources


def stray_files(build: Path) -> Iterator[str]:
    """Name what must not be shipped: tests, the emulator, the console."""
    for stranger in _STRANGERS:
        for path in sorted(build.glob(f"*/**/{stranger}")):
            yield f"{path.relative_to(build)} must not be shipped"
