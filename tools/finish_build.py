"""Finish what `sam build` leaves: bytecode for every module, state machines as JSON, and a look at what was packed.

`sam build` ships no bytecode and Lambda's code folder is read-only, so every cold start would compile again.
"""

import compileall
import json
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import yaml

from tools import check_build

RUNTIME = (3, 13)


def main(folder: str, architecture: str) -> int:
    """Finish the build in a folder; exit status 1 names each thing that is wrong with it."""
    if sys.version_info[:2] != RUNTIME:
        sys.stderr.write(f"finish_build: run it with Python {'.'.join(map(str, RUNTIME))}, the functions' runtime\n")
        return 1
    build = Path(folder)
    precompile(build)
    machines = turn_definitions_into_json(build)
    problems = check_build.problems(build, architecture)
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


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program's own name and two arguments
        sys.exit("usage: python -m tools.finish_build FOLDER ARCHITECTURE")
    sys.exit(main(*sys.argv[1:]))
