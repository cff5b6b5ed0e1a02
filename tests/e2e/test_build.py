"""The output of `make build`, run as Lambda runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ACCOUNT, BUILD, DESIRED_STATE, EXAMPLE, Endpoint
from tools.check_build import problems

START_AND_DIE = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), child.pid, flush=True)
"""


def descendants(pid: int) -> set[int]:
    """Return the live children of a process, and theirs."""
    found: set[int] = set()
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    for child in map(int, children.stdout.split()):
        found |= {child} | descendants(child)
    return found


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


@pytest.mark.parametrize("architecture", sorted({BUILD.name, "arm64"}))
def test_build_is_what_the_repository_says_for_its_architecture(architecture: str) -> None:
    assert list(problems(BUILD.parent / architecture, architecture)) == []


def test_build_onboards_and_then_writes_nothing(built: Endpoint) -> None:
    first = built.muster("onboard")
    assert first.returncode == 0, first.stdout + first.stderr
    writes = [call["operation"] for call in built.control("GET", "calls") if call["write"]]
    built.control("DELETE", "calls")

    second = built.muster("onboard")

    assert second.returncode == 0, second.stdout + second.stderr
    assert len(writes) == 4
    assert [call for call in built.control("GET", "calls") if call["write"]] == []
    status = json.loads(built.muster("status", "--json").stdout)
    assert status["assessment"]["counts"]["Covered"] == 59


def test_code_that_runs_is_the_built_one(built: Endpoint) -> None:
    built.muster("onboard")
    functions = [pid for pid in descendants(built.process.pid) if b"awslambdaric" in _command_line(pid)]

    assert functions
    for pid in functions:
        variables = dict(
            item.split("=", 1) for item in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item
        )
        path = variables["PYTHONPATH"].split(os.pathsep)
        assert variables["AWS_REGION"] == "eu-west-1"
        assert {
            Path(entry).parts[Path(entry).parts.index(".aws-sam") + 1] for entry in path if ".aws-sam" in entry
        } == {BUILD.name}
        assert not [entry for entry in path if entry.endswith(("layers/muster/python", "functions"))]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_end_of_the_parent_ends_the_cloud_and_its_children() -> None:
    command = [
        sys.executable, "-m", "muster_console", "local", "up",
        "--organization", str(EXAMPLE), "--desired-state", str(DESIRED_STATE),
    ]  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", START_AND_DIE, *command], stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        assert parent.stdout is not None
        _, url, pid = parent.stdout.readline().split()

    cloud = int(pid)
    children = descendants(cloud)
    for _ in range(200):
        if not alive(cloud) and not any(alive(child) for child in children):
            break
        _tick()
    assert not alive(cloud), url
    assert not any(alive(child) for child in children)


def _tick() -> None:
    """Let a tenth of a second pass without a sleep of our own: wait for a signal that nobody sends."""
    signal.sigtimedwait([signal.SIGUSR2], 0.1)


def test_account_of_the_desired_state_is_where_the_application_lives(built: Endpoint) -> None:
    stack = built.client("cloudformation").describe_stacks(StackName="muster")["Stacks"][0]

    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["OnboardMachineArn"] == f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:muster-onboard"
