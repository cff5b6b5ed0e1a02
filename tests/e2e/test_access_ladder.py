"""From every level of access: what Muster may not do it prints, and the printed command, pasted, does it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import ACCOUNT, DESIRED_STATE, MANAGEMENT, Done, Endpoint, settle_preference, up

ROUNDS = 6
"""More than any level needs: each round shows what the one before has made possible."""


def desk(tmp_path: Path) -> Path:
    """Return a folder from which a person works: the repository's stacks, and the team file that handoffs speak of."""
    (tmp_path / "stacks").symlink_to(Path("stacks").resolve())
    contacts = yaml.safe_load(DESIRED_STATE.read_text())["contacts"]
    team = [{"name": each["name"], "jobTitle": each["job_title"], "email": each["email"]} for each in contacts]
    (tmp_path / "team.json").write_text(json.dumps(team))
    return tmp_path


def paste(cloud: Endpoint, command: str, account: str, folder: Path) -> Done:
    """Run a command as somebody who pastes it into a shell with the rights of an account."""
    tools = Path(".venv-tools/bin").resolve()
    environment = cloud.environment(account) | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(  # noqa: S603 - our own words
        ["/bin/bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def report_of(cloud: Endpoint) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(cloud.muster("status", "--json").stdout)["report"]
    return report


def do_by_hand(cloud: Endpoint, printed: str, folder: Path) -> list[str]:
    """Do every step that was left to somebody else, and return what was done."""
    done = []
    for handoff in report_of(cloud)["handoffs"]:
        command = handoff["command"]
        assert all(line in printed for line in command.splitlines()), "the report and the console say the same"
        if not command.startswith("aws "):
            continue
        for account in handoff["accounts"] or [ACCOUNT]:
            pasted = paste(cloud, command, account, folder)
            assert pasted.returncode == 0, (command, pasted.stderr)
        done.append(handoff["what"])
    return done


@pytest.mark.parametrize(
    ("access", "ending"),
    # Nobody has let Muster read the roles of the members, so they are unknown, and a person is told.
    [("forward", "WaitingForHandoff"), *((access, "NeedsAttention") for access in ("read", "onboard", "manage"))],
)
def test_onboarding_completes_when_the_printed_commands_were_run(access: str, ending: str, tmp_path: Path) -> None:
    folder = desk(tmp_path)
    wish = folder / "desired-state.yaml"
    # Deployed by Muster itself, the roles would need a reader in the members first: that way is the guide's.
    wish.write_text(DESIRED_STATE.read_text().replace("  roles: managed", "  roles: verify"))
    with up("--desired-state", str(wish), "--access", access) as cloud:
        settle_preference(cloud)
        for _ in range(ROUNDS):
            printed = cloud.muster("onboard", "--yes").stdout
            report = report_of(cloud)
            if report["status"] != "WaitingForHandoff":
                break
            looks = [handoff for handoff in report["handoffs"] if not handoff["what"].startswith("look whether")]
            if not looks and report["membership_id"]:
                break
            do_by_hand(cloud, printed, folder)
            cloud.control("POST", "clock", {"advance_s": 600})

        assert report["status"] == ending, printed
        assert report["counts"].get("Unknown", 0) == 0
        roles = report["containment"]["accounts_that_need_a_person"]["first"]
        assert {each["state"] for each in roles} <= {"Unknown"}
        assert access == "forward" or all("no reader role is deployed" in each["reason"] for each in roles)
        assert MANAGEMENT not in {account["id"] for account in report["accounts_that_need_a_person"]["first"]}
        cloud.control("DELETE", "calls")
        cloud.muster("onboard", "--yes")
        assert cloud.writes() == []
