"""The embedded cloud as a process: it says when it is ready, and nothing of it outlives whoever started it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner

from muster_local.__main__ import main
from muster_local.lambda_host import FunctionSpec, LambdaHost
from tests.embedded_cloud.runtime.conftest import MANAGEMENT, ORGANIZATION, SAMPLE

SOURCE = Path(__file__).parents[3]
# Starts the embedded cloud as its child, passes on its first line, and waits to be killed.
STARTER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), flush=True)
child.wait()
"""
# The same from a thread that ends, while the process lives on until its standard input does.
STARTER_IN_A_THREAD = """
import subprocess, sys, threading
def start():
    child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    print(child.pid, child.stdout.readline(), flush=True)
thread = threading.Thread(target=start)
thread.start()
thread.join()
print("the thread has ended", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def organization(tmp_path: Path) -> Path:
    file = tmp_path / "organization.yaml"
    file.write_text(ORGANIZATION)
    return file


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    environment = {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]}
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, *command],
        cwd=SAMPLE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def up(organization: Path) -> tuple[str, ...]:
    return ("-m", "muster_local", "up", "--organization", str(organization))


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def client(service: str, url: str) -> Any:
    factory: Any = boto3.client
    return factory(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=MANAGEMENT,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )


def process_of_the_function(url: str) -> int:
    answer = client("lambda", url).invoke(FunctionName="muster-sample", Payload=b"{}")
    return int(json.loads(answer["Payload"].read())["process"])


def is_gone(process: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)  # noqa: S603, S607 - ps is where the system has it
        if not state.stdout.strip() or state.stdout.startswith("Z"):
            return True
        time.sleep(0.02)
    return False


def test_up_says_ready_answers_and_takes_its_functions_along_on_sigterm(organization: Path) -> None:
    with running(*up(organization)) as process:
        ready, _, url = first_line(process).partition(" ")
        assert ready == "ready"
        assert client("organizations", url.strip()).describe_organization()["Organization"]["Id"] == "o-runtime001"
        function = process_of_the_function(url.strip())
        process.terminate()
        assert process.wait(timeout=5) == 0
        assert is_gone(function)
        assert process.stderr is not None
        assert "deploying into account of the management, Region us-east-1" in process.stderr.read()


def test_nothing_outlives_a_parent_that_was_killed(organization: Path) -> None:
    with running("-c", STARTER, sys.executable, *up(organization)) as parent:
        cloud, _, url = first_line(parent).split()
        function = process_of_the_function(url)
        os.kill(parent.pid, signal.SIGKILL)
        assert is_gone(int(cloud))
        assert is_gone(function)


def test_a_cloud_outlives_the_thread_that_started_it_but_not_its_process(organization: Path) -> None:
    with running("-c", STARTER_IN_A_THREAD, sys.executable, *up(organization)) as parent:
        cloud, _, url = first_line(parent).split()
        assert first_line(parent) == "\n"
        assert first_line(parent) == "the thread has ended\n"
        assert not is_gone(int(cloud), within=1.0)
        function = process_of_the_function(url)
        assert parent.stdin is not None
        parent.stdin.close()
        assert parent.wait(timeout=5) == 0
        assert is_gone(int(cloud))
        assert is_gone(function)


def test_functions_do_not_outlive_a_cloud_that_was_killed(organization: Path) -> None:
    with running(*up(organization)) as process:
        function = process_of_the_function(first_line(process).split()[1])
        process.kill()
        assert is_gone(function)


def test_a_port_that_is_taken_is_said_to_be_unusable(organization: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["up", "--organization", str(organization), "--port", port])
    assert result.exit_code == 1
    assert f"Error: port {port} cannot be used" in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--access", "all"], "'all' is not one of"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--application-account", "999999999999", "--region", "eu-west-1"], "account 999999999999 is not in "),
        (["--desired-state", "no-membership.yaml"], "membership.account and membership.region are needed"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_sentence(
    organization: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(organization.parent)
    Path("no-membership.yaml").write_text("mode: observe\n")
    result = CliRunner().invoke(main, ["up", "--organization", str(organization), *arguments])
    assert result.exit_code != 0
    assert complaint in result.output


def test_a_start_sweeps_up_after_clouds_that_were_killed() -> None:
    with subprocess.Popen(["true"]) as ended:  # noqa: S607 - found where the system has it
        ended.wait()
    temporary = Path(tempfile.gettempdir())
    left, in_use = temporary / f"muster-lambda-{ended.pid}-left", temporary / f"muster-lambda-{os.getpid()}-in-use"
    left.mkdir()
    in_use.mkdir()
    LambdaHost(endpoint_url="http://127.0.0.1:1", credentials=lambda _role_arn, _session_name: {}).stop()
    assert (left.exists(), in_use.exists()) == (False, True)
    in_use.rmdir()


def test_a_built_function_sees_its_own_packages_and_nothing_of_ours(tmp_path: Path) -> None:
    code, layer = tmp_path / "function", tmp_path / "layer" / "python"
    code.mkdir()
    layer.mkdir(parents=True)
    (layer / "built_words.py").write_text("WORD = 'built'\n")
    (code / "handler.py").write_text(
        "import importlib.util\n"
        "import built_words\n"
        "def handler(event, context):\n"
        "    return [built_words.WORD, importlib.util.find_spec('moto') is None]\n"
    )

    def credentials(_role_arn: str, _session_name: str) -> Mapping[str, str]:
        return {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}

    spec = FunctionSpec(
        name="built",
        account=MANAGEMENT,
        region="us-east-1",
        role_arn=f"arn:aws:iam::{MANAGEMENT}:role/built",
        handler="handler.handler",
        code=code,
        layers=(layer,),
        environment=(),
        isolated=True,
    )
    host = LambdaHost(endpoint_url="http://127.0.0.1:1", credentials=credentials)
    try:
        host.deploy({spec.arn: spec})
        answer = host.invoke(spec.arn, b"{}")
        assert answer is not None
        assert (answer.error, json.loads(answer.payload)) == (None, ["built", True]), host.logs()
    finally:
        host.stop()
