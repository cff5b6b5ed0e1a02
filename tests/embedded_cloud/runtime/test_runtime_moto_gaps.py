"""Each of moto's gaps that the embedded cloud fills is still one; a red test here means that a hook can go."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from muster_local import lambda_invoke, machines, sessions, stack_resources
from tests.embedded_cloud.runtime.moto_as_it_is import GAPS

SCRIPT = Path(__file__).parent / "moto_as_it_is.py"
NAMES = [gap.__name__ for gap in GAPS]


@pytest.fixture(scope="module")
def gaps() -> dict[str, bool]:
    asked = subprocess.run([sys.executable, str(SCRIPT)], check=True, capture_output=True, text=True)  # noqa: S603
    answer: dict[str, bool] = json.loads(asked.stdout)
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_moto_still_has_the_gap(gaps: dict[str, bool], name: str) -> None:
    assert gaps[name], f"moto has closed the gap: delete the hook {name}"


def test_every_hook_names_a_gap_that_is_watched() -> None:
    source = ast.parse(Path(machines.__file__).read_text())
    (install,) = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "install"]
    hooks = {
        node.func.id for node in ast.walk(install) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    others = {
        sessions.name_accounts_as_their_root.__name__,
        stack_resources.version_buckets_of_templates.__name__,
        stack_resources.attach_managed_policies_of_templates.__name__,
        stack_resources.leave_no_value_out_of_lists.__name__,
        lambda_invoke.run_functions_in_the_lambda_host.__name__,
    }
    assert hooks | others == set(NAMES)
