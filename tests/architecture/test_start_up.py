"""What a cold start pays for, and what an import may not do. Counts, because they are the same on every machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HANDLERS = sorted(path.parent.name for path in Path("functions").glob("*/handler.py"))
FORBIDDEN = {
    "aws_xray_sdk",  # 240 ms of start-up, and in maintenance
    "aws_lambda_powertools.utilities.idempotency",  # brings a client of its own; client tokens do the job
    "aws_lambda_powertools.utilities.parser",
    "requests",
    "yaml",
    "click",
    "rich",
    "moto",
    "muster_console",
    "muster_local",
    "pydantic.v1",
    "mypy_boto3_iam",
}
MOST_MODULES = 600

PROBE = """
import json, os, sys, time
import boto3

def refuse(*_, **__):
    raise AssertionError("a session or client is made at import")

boto3.Session.__init__ = boto3.client = boto3.resource = refuse
time.time_ns = time.time = refuse

class Watched(type(os.environ)):
    def __getitem__(self, key):
        read.append(key)
        return super().__getitem__(key)

read = []
os.environ.__class__ = Watched
import handler
print(json.dumps({"modules": sorted(sys.modules), "read": read}))
"""


@pytest.fixture(scope="module", params=HANDLERS)
def imported(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    path = [f"functions/{request.param}", "layers/muster/python"]
    done = subprocess.run(  # noqa: S603 - our own handler
        [sys.executable, "-c", PROBE],
        env={"PYTHONPATH": ":".join(path), "POWERTOOLS_METRICS_NAMESPACE": "Muster"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_there_are_handlers() -> None:
    assert HANDLERS == [
        "approval",
        "assess",
        "contact_setup",
        "containment",
        "lease",
        "member_repair",
        "plan",
        "preference",
        "preflight",
        "report",
        "scoping",
        "sign_up",
    ]


def test_handler_imports_nothing_that_is_forbidden(imported: dict[str, list[str]]) -> None:
    assert not FORBIDDEN & set(imported["modules"])


def test_handler_imports_no_more_modules_than_it_does(imported: dict[str, list[str]]) -> None:
    assert len(imported["modules"]) <= MOST_MODULES


def test_import_makes_no_client_and_reads_no_clock_and_no_setting_of_ours(imported: dict[str, list[str]]) -> None:
    assert not [key for key in imported["read"] if key.startswith("MUSTER_")]


@pytest.mark.parametrize("name", HANDLERS)
def test_handler_is_short_and_does_not_branch(name: str) -> None:
    text = Path(f"functions/{name}/handler.py").read_text()

    assert len(text.splitlines()) <= 45
    assert not {"if", "for", "while", "try"} & set(text.split())
