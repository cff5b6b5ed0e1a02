"""The output of `make build`, run as Lambda runs it, and the end of everything that ran it."""

import importlib.util
import json
import os
import py_compile
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.conftest import BUILD, UP, Endpoint, Onboarded, eventually, link, up

FUNCTIONS = (
    "muster-preflight", "muster-sign-up", "muster-scoping", "muster-contact-setup", "muster-assess",
    "muster-member-repair", "muster-containment", "muster-report",
)  # fmt: skip
# Starts the embedded cloud as its child, passes on its promise, and lives until its standard input ends.
STARTER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), child.pid, flush=True)
sys.stdin.read()
"""


def test_the_build_covers_the_organization(onboarded: Onboarded) -> None:
    # Nobody has deployed a reader into the members, so a person is told that their roles are unknown.
    assert onboarded.first.returncode == 3, onboarded.first.stdout + onboarded.first.stderr
    assert "CreateMembership" in onboarded.first_writes
    status = json.loads(onboarded.muster("status", "--json").stdout)
    roles = status["report"]["containment"]["accounts_that_need_a_person"]["first"]
    assert all("no reader role is deployed in the member accounts" in each["reason"] for each in roles)
    coverages = [account["coverage"] for account in status["assessment"]["accounts"] if account["state"] == "ACTIVE"]
    assert coverages
    assert set(coverages) == {"Covered"}


def test_the_build_deploys_the_containment_roles(onboarded: Onboarded) -> None:
    assert "CreateStackInstances" in onboarded.first_writes
    status = json.loads(onboarded.muster("status", "--json").stdout)
    counts = status["report"]["containment"]["counts"]
    assert counts["Deployed"] > 0
    assert {state for state, number in counts.items() if number} == {"Deployed", "AbsentByChoice"}


def test_the_build_writes_nothing_in_the_second_run(onboarded: Onboarded) -> None:
    assert onboarded.second.returncode == 3, onboarded.second.stdout + onboarded.second.stderr
    assert onboarded.second_writes == []


def test_every_function_runs_the_bytecode_of_the_build(tmp_path: Path) -> None:
    build = shutil.copytree(BUILD, tmp_path / "build", copy_function=link)
    package = build / "MusterLayer" / "python" / "muster" / "__init__.py"
    source = package.read_text()
    package.unlink()
    Path(importlib.util.cache_from_source(str(package))).unlink()
    package.write_text(source + "\nprint('running', __file__)\n")
    py_compile.compile(str(package), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    package.write_text("raise ImportError('this is the source, not its bytecode')\n")

    with up("--build", str(build)) as endpoint:
        for function in FUNCTIONS:
            endpoint.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        logs = endpoint.control("GET", "logs")

    assert {name: f"running {package}" in logs[name] for name in FUNCTIONS} == dict.fromkeys(FUNCTIONS, True)


def killed(parent: subprocess.Popen[str]) -> None:
    os.kill(parent.pid, signal.SIGKILL)


def ended(parent: subprocess.Popen[str]) -> None:
    pipe(parent.stdin).close()


def pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


@pytest.mark.parametrize("how", [killed, ended])
def test_nothing_outlives_the_parent(how: Callable[[subprocess.Popen[str]], None]) -> None:
    command = [sys.executable, "-c", STARTER, *UP, "--build", str(BUILD)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 - our own command
        _, url, cloud = pipe(parent.stdout).readline().split()
        for function in FUNCTIONS[:2]:
            Endpoint(url).client("lambda").invoke(FunctionName=function, Payload=b"{}")
        family = {int(cloud), *descendants(int(cloud))}
        assert len(family) >= 3

        how(parent)
        parent.wait(timeout=5)

        assert eventually(lambda: not family & living().keys()), family & living().keys()


def living() -> dict[int, int]:
    """Return every process that is no zombie, with its parent."""
    table = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)  # noqa: S607 - found where the system has it
    rows = [line.split() for line in table.stdout.splitlines()]
    return {int(process): int(parent) for process, parent, state in rows if not state.startswith("Z")}


def descendants(process: int) -> set[int]:
    children = {child for child, parent in living().items() if parent == process}
    return children.union(*map(descendants, children))
