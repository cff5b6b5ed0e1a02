"""Each gap of moto's CloudFormation that the embedded cloud fills is still one, as in `test_runtime_moto_gaps`."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from muster_local import deployment
from tests.embedded_cloud.runtime import moto_as_it_is
from tests.embedded_cloud.runtime.cloudformation_as_it_is import GAPS

SCRIPT = Path(__file__).parent / "cloudformation_as_it_is.py"
NAMES = [gap.__name__ for gap in GAPS]


@pytest.fixture(scope="module")
def gaps() -> dict[str, bool]:
    asked = subprocess.run([sys.executable, str(SCRIPT)], check=True, capture_output=True, text=True)  # noqa: S603
    answer: dict[str, bool] = json.loads(asked.stdout)
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_moto_still_has_the_gap(gaps: dict[str, bool], name: str) -> None:
    assert gaps[name], f"moto has closed the gap: delete the hook {name}"


def test_every_hook_of_deployments_names_a_gap_that_is_watched() -> None:
    source = ast.parse(Path(deployment.__file__).read_text())
    (install,) = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "install"]
    called = [node.func for node in ast.walk(install) if isinstance(node, ast.Call)]
    hooks = {call.attr for call in called if isinstance(call, ast.Attribute)}
    watched = {gap.__name__ for gap in moto_as_it_is.GAPS}
    assert len(hooks) == len(called)
    assert set(NAMES) <= hooks <= set(NAMES) | watched
