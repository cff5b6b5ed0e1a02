"""`muster local up` as a person starts it, on the output of `make build`."""

import json
import os
import platform
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
BUILD = Path(".aws-sam") / ARCHITECTURE
EXAMPLE = Path("muster_local/organizations/example.yaml")
DESIRED_STATE = Path("config/desired-state.example.yaml")
ACCOUNT, REGION = "222222222222", "eu-west-1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running embedded cloud."""

    url: str
    process: subprocess.Popen[str]

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
            "AWS_PAGER": "",
        }

    def muster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "muster_console", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)  # noqa: S603

    def aws(self, *arguments: str, account: str = ACCOUNT) -> subprocess.CompletedProcess[str]:
        command = [".venv-tools/bin/aws", *arguments, "--output", "json"]
        return subprocess.run(command, env=self.environment(account), capture_output=True, text=True, check=False)  # noqa: S603

    def control(self, method: str, path: str, document: object = None) -> Any:
        """Ask the embedded cloud itself."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/_muster/{path}", data=body, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.loads(answer.read())

    def advance(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance_s": seconds})

    def client(self, service: str, account: str = ACCOUNT, **config: Any) -> Any:
        return boto3.Session().client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=account,
            aws_secret_access_key="embedded",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@contextmanager
def up(*options: str) -> Iterator[Endpoint]:
    """Start the command and wait for its promise; end it whatever happens."""
    command = [sys.executable, "-m", "muster_console", "local", "up", "--organization", str(EXAMPLE), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            assert ready.startswith("ready http://127.0.0.1:"), ready
            yield Endpoint(ready.split()[1], process)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def built() -> Iterator[Endpoint]:
    """The built application, with the example's desired state pushed."""
    with up("--desired-state", str(DESIRED_STATE), "--build", str(BUILD)) as endpoint:
        yield endpoint
