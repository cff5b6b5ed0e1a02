"""`muster local up` as a person starts it, on the output of `make build`, and what an onboarding in it left."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.scenarios.preferences import KEY, attested_now

ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
BUILD = Path(".aws-sam") / ARCHITECTURE
EXAMPLE = Path("muster_local/organizations/example.yaml")
DESIRED_STATE = Path("config/desired-state.example.yaml")
MANAGEMENT, ACCOUNT, REGION = "111111111111", "222222222222", "eu-west-1"
UP = (sys.executable, "-m", "muster_console", "local", "up", "--organization", str(EXAMPLE))

type Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running embedded cloud."""

    url: str

    def environment(self, account: str = ACCOUNT) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
        }

    def muster(self, *arguments: str) -> Done:
        command = [sys.executable, "-m", "muster_console", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)  # noqa: S603 - our own command

    def aws(self, *arguments: str, account: str = ACCOUNT) -> Done:
        command = [".venv-tools/bin/aws", *arguments, "--output", "json"]
        return subprocess.run(command, env=self.environment(account), capture_output=True, text=True, check=False)  # noqa: S603 - the pinned CLI

    def control(self, method: str, path: str, document: object = None) -> Any:
        """Ask the embedded cloud itself."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/_muster/{path}", data=body, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def writes(self) -> list[str]:
        return [call["operation"] for call in self.control("GET", "calls") if call["write"]]

    def client(self, service: str) -> Any:
        factory: Any = boto3.client
        return factory(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="embedded",
            config=Config(retries={"total_max_attempts": 1}),
        )


@dataclass(frozen=True, slots=True)
class Onboarded(Endpoint):
    """An embedded cloud in which the built application has onboarded the example, and then once more."""

    first: Done
    first_writes: list[str]
    second: Done
    second_writes: list[str]


@contextmanager
def up(*options: str) -> Iterator[Endpoint]:
    """Start the command and wait for its promise; end it whatever happens."""
    with subprocess.Popen([*UP, *options], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            assert ready.startswith("ready http://127.0.0.1:"), ready
            yield Endpoint(ready.split()[1])
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def onboarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Onboarded]:
    with up("--desired-state", str(DESIRED_STATE), "--build", str(BUILD)) as endpoint:
        # Nobody has deployed a reader into the members, so the containment roles go to one unit.
        wish = tmp_path_factory.mktemp("desired") / "canary.yaml"
        line = f"  canary_unit: {first_unit(endpoint)}"
        wish.write_text(re.sub(r"^  # canary_unit: .*$", line, DESIRED_STATE.read_text(), flags=re.MULTILINE))
        pushed = endpoint.muster("push", str(wish))
        assert pushed.returncode == 0, pushed.stderr
        settle_preference(endpoint)
        endpoint.control("DELETE", "calls")
        first = endpoint.muster("onboard", "--yes")
        first_writes = endpoint.writes()
        endpoint.control("DELETE", "calls")
        second = endpoint.muster("onboard", "--yes")
        yield Onboarded(endpoint.url, first, first_writes, second, endpoint.writes())


def settle_preference(endpoint: Endpoint) -> None:
    """Let it be attested that AWS has the preference: no run can bring that about."""
    document = attested_now(datetime.now(UTC).isoformat())
    bucket = f"muster-{ACCOUNT}-{REGION}"
    endpoint.client("s3").put_object(Bucket=bucket, Key=KEY, Body=json.dumps(document).encode())


def first_unit(endpoint: Endpoint) -> str:
    """Return the id of a unit below the root."""
    roots = json.loads(endpoint.aws("organizations", "list-roots", account=MANAGEMENT).stdout)
    below = ("organizations", "list-organizational-units-for-parent", "--parent-id", roots["Roots"][0]["Id"])
    units = json.loads(endpoint.aws(*below, account=MANAGEMENT).stdout)
    return str(units["OrganizationalUnits"][0]["Id"])


def eventually(holds: Callable[[], bool], within: float = 10.0) -> bool:
    """Look until something holds."""
    deadline = time.monotonic() + within
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def link(source: str, target: str) -> None:
    """Copy a file without copying it, where the file system can: whoever changes the copy replaces it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
