"""Lint the state machines with statelint, and with the checks that Step Functions itself makes on creation (sfnx).

What neither finds (unknown SDK actions, misspelled error names, missing time-outs) is in ``tests/contract``.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from sfnx.testing import InvalidDefinition, check_valid
from statelint.linter import Linter

SUBSTITUTION = re.compile(r"\$\{\w+\}")
NUMBER = re.compile(r'"\{% (\d+) %\}"')


def problems(text: str) -> list[str]:
    """Return what is wrong with one definition, substitutions filled with a number."""
    # statelint wants a plain number where Step Functions also takes an expression; with the substitution it is one.
    definition: dict[str, Any] = json.loads(NUMBER.sub(r"\1", json.dumps(yaml.safe_load(SUBSTITUTION.sub("1", text)))))
    found: list[str] = Linter.validate(definition)
    try:
        check_valid(definition, frozenset())
    except InvalidDefinition as invalid:
        found.append(str(invalid))
    return found


def main(paths: list[str]) -> int:
    """Print every problem; exit status 1 when there is one, or nothing to look at."""
    found = [f"{path}: {problem}" for path in paths for problem in problems(Path(path).read_text())]
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
