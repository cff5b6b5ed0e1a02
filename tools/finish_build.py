"""Finish what `sam build` leaves: bytecode for every module, state machines as JSON, and a look at what was packed.

`sam build` ships no bytecode and Lambda's code folder is read-only, so every cold start would compile again.
"""

import compileall
import importlib.util
import json
import platform
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import yaml

RUNTIME = (3, 13)
WHEEL_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


def main(folder: str, architecture: str) -> int:
    """Finish the build in a folder; exit status 1 names each thing that is wrong with it."""
    if sys.version_info[:2] != RUNTIME:
        sys.stderr.write(f"finish_build: run it with Python {'.'.join(map(str, RUNTIME))}, the functions' runtime\n")
        return 1
    build = Path(folder)
    precompile(build)
    machines = turn_definitions_into_json(build)
    problems = [*missing_bytecode(build), *foreign_binaries(build, architecture), *stray_files(build)]
    for problem in problems:
        sys.stderr.write(f"finish_build: {problem}\n")
    size = sum(path.stat().st_size for path in build.rglob("*") if path.is_file())
    sys.stdout.write(f"{build}: {machines} state machine(s) as JSON, {size / 1e6:.1f} MB, {architecture}\n")
    return 1 if problems else 0


def precompile(build: Path) -> None:
    """Write bytecode that stays valid whatever the files' times become in the archive."""
    compileall.compile_dir(build, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, stripdir=str(build))


def turn_definitions_into_json(build: Path) -> int:
    """Write each state machine's definition as JSON beside the template, and point the template to it."""
    template = build / "template.yaml"
    text = template.read_text()
    count = 0
    for line in text.splitlines():
        key, _, value = line.strip().partition(": ")
        if key != "DefinitionUri" or not value.endswith(".asl.yaml"):
            continue
        source = (build / value).resolve()
        target = source.name.removesuffix(".yaml") + ".json"
        (build / target).write_text(json.dumps(yaml.safe_load(source.read_text()), indent=1) + "\n")
        text = text.replace(value, target)
        count += 1
    template.write_text(text)
    return count


def missing_bytecode(build: Path) -> list[str]:
    """Name every module without bytecode of the runtime's version."""
    return [
        f"no bytecode for {module.relative_to(build)}"
        for module in build.rglob("*.py")
        if not Path(importlib.util.cache_from_source(str(module))).exists()
    ]


def foreign_binaries(build: Path, architecture: str) -> list[str]:
    """Name every extension module that is not of the functions' architecture, by its name and its ELF header."""
    machine = {"aarch64": 0xB7, "x86_64": 0x3E}[WHEEL_MACHINE[architecture]]
    wrong = []
    for binary in build.rglob("*.so"):
        header = binary.read_bytes()[:20]
        if header[:4] != b"\x7fELF" or int.from_bytes(header[18:20], "little") != machine:
            wrong.append(f"{binary.relative_to(build)} is not for {architecture}")
    if not any(build.rglob("*.so")):
        wrong.append("no extension module at all: pydantic_core is missing")
    return wrong


def stray_files(build: Path) -> list[str]:
    """Name what must not be shipped: tests, the emulator, the console."""
    strangers = ("muster_local", "muster_console", "moto", "pytest", "tests")
    return [
        f"{path.relative_to(build)} must not be shipped" for name in strangers for path in build.glob(f"*/**/{name}")
    ]


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program's own name and two arguments
        sys.exit(f"usage: python -m tools.finish_build FOLDER ARCHITECTURE (this machine: {platform.machine()})")
    sys.exit(main(*sys.argv[1:]))
