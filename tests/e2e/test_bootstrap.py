"""docs/deploy.md, followed to the letter: every command of it, in its order, in an organization that has nothing."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ACCOUNT, MANAGEMENT, REGION, Endpoint, up

GUIDE = Path("docs/deploy.md")
PASSING_TIME = """\
#!/usr/bin/env python3
import json, os, sys, urllib.request
body = json.dumps({"advance_s": float(sys.argv[1])}).encode()
clock = os.environ["EMBEDDED_CLOUD"] + "/_muster/clock"
urllib.request.urlopen(urllib.request.Request(clock, data=body, method="POST"))
"""
"""In place of sleep: waiting is a matter of the embedded cloud's clock."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the guide and its blocks of commands."""

    title: str
    blocks: tuple[str, ...]


def sections() -> list[Section]:
    """Take the guide apart."""
    return [
        Section(
            part.partition("\n")[0].strip("# "), tuple(re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE))
        )
        for part in re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)
    ]


@dataclass(frozen=True, slots=True)
class Desk:
    """A person's folder, profiles and shell: what one block exports the next one has."""

    endpoint: Endpoint
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        tools = [self.home / "bin", Path(".venv/bin").resolve(), Path(".venv-tools/bin").resolve()]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return kept | {
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "HOME": str(self.home),
            "EMBEDDED_CLOUD": self.endpoint.url,
            "AWS_CONFIG_FILE": str(self.home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.1",
        }

    def follow(self, block: str) -> str:
        """Paste one block, and return what it printed; it must not fail."""
        kept = self.home / "exported"
        before = f"set -euo pipefail\n[ ! -f {kept} ] || . {kept}\ncd {self.home / 'muster'}"
        script = f"{before}\n{block}\ndeclare -p > {kept}.new"
        done = subprocess.run(  # noqa: S603 - the guide's own words
            ["/bin/bash", "-c", script], env=self.environment, input="y\n", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        declared = Path(f"{kept}.new").read_text().splitlines()
        kept.write_text("".join(f"{line}\n" for line in declared if re.match(r"declare -[x-]* [A-Z_]+=", line)))
        return done.stdout


def settle_in(endpoint: Endpoint, home: Path, *, security: str) -> Desk:
    """Lay out a clone of the repository and two profiles."""
    clone = home / "muster"
    clone.mkdir(parents=True)
    for item in Path.cwd().iterdir():
        if item.name not in {".git", "my-organization.yaml"}:
            (clone / item.name).symlink_to(item)
    (home / "bin").mkdir()
    (home / "bin" / "sleep").write_text(PASSING_TIME)
    (home / "bin" / "sleep").chmod(0o755)
    profiles = {"management": MANAGEMENT, "security": security}
    (home / "config").write_text(
        "".join(f"[profile {name}]\nregion = {REGION}\nendpoint_url = {endpoint.url}\n" for name in profiles)
    )
    # Root attests nothing, so whoever follows the guide there is a person.
    asked = {"person": "ada@example.com", "account": security}
    keys = profiles | {"security": endpoint.control("POST", "people", asked)["access_key_id"]}
    (home / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = embedded\n" for name, key in keys.items()
        )
    )
    return Desk(endpoint, home)


@dataclass(frozen=True, slots=True)
class Followed:
    """What the guide's blocks printed, by section, and what stood at the end."""

    printed: dict[str, str]
    status: dict[str, Any]
    containment: dict[str, Any]
    writes_of_proposal: list[str]
    again: str


def follow_the_guide(desk: Desk, **names: str) -> Followed:
    """Paste everything, with other names in the first block where they are given."""
    printed: dict[str, str] = {}
    writes_of_proposal: list[str] = []
    for section in sections():
        for block in section.blocks:
            text = block
            for name, value in names.items():
                text = re.sub(rf"^export {name}=\S+", f"export {name}={value}", text, flags=re.MULTILINE)
            printed[section.title] = printed.get(section.title, "") + desk.follow(text)
        if section.title.startswith("5."):
            writes_of_proposal = desk.endpoint.writes()
    muster = 'muster --stack-name "$DEPLOYMENT" --profile security'
    desk.endpoint.control("DELETE", "calls")
    again = desk.follow(f"{muster} onboard --yes")
    assert desk.endpoint.writes() == []
    return Followed(
        printed=printed,
        status=json.loads(desk.follow(f"{muster} status --json")),
        containment=json.loads(
            desk.follow(
                "AWS_PROFILE=security aws s3 cp --quiet s3://$DEPLOYMENT-$ACCOUNT-$REGION/containment/latest.json -"
            )
        ),
        writes_of_proposal=writes_of_proposal,
        again=again,
    )


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with up("--empty") as endpoint:
        desk = settle_in(endpoint, tmp_path_factory.mktemp("desk"), security=ACCOUNT)
        yield follow_the_guide(desk)


def states_of(followed: Followed) -> set[str]:
    return {account["state"] for account in followed.containment["accounts"]}


def test_the_guide_has_something_to_follow() -> None:
    assert sum(len(section.blocks) for section in sections()) > 10


def test_a_proposal_changes_nothing_and_is_the_plan(followed: Followed) -> None:
    assert followed.writes_of_proposal == []
    assert "nothing is applied by this run" in followed.printed["5. Push, and look at what would be done"]


def test_residency_and_price_are_said_before_anything_is_written(followed: Followed) -> None:
    said = followed.printed["1. Look, from the laptop"]
    assert "price of the membership" in said
    assert "residency of findings" in said


def test_preference_is_asked_for_by_a_case_and_attested_by_a_person(followed: Followed) -> None:
    said = followed.printed["9. The containment preference"]
    assert "Subject: Containment preference of organization o-exampleorg1\n" in said
    assert "Attested: ApprovalRequired for the organization, by case 17012345678901\n" in said
    (preference,) = followed.status["report"]["preference"]["subjects"]
    assert preference["status"] == "Attested"
    assert "ada@example.com" not in json.dumps(followed.status)


def test_everybody_is_covered_and_has_the_containment_roles(followed: Followed) -> None:
    accounts = followed.status["assessment"]["accounts"]
    assert {account["coverage"] for account in accounts if account["state"] == "ACTIVE"} == {"Covered"}
    assert states_of(followed) == {"Deployed"}
    assert followed.status["report"]["status"] == "Covered"
    assert "Covered" in followed.again


def test_the_management_account_variant_in_another_region_under_another_name(tmp_path: Path) -> None:
    with up("--empty") as endpoint:
        desk = settle_in(endpoint, tmp_path / "desk", security=MANAGEMENT)
        followed = follow_the_guide(desk, ACCOUNT=MANAGEMENT, REGION="us-east-1", DEPLOYMENT="watch")

    accounts = followed.status["assessment"]["accounts"]
    assert {account["coverage"] for account in accounts if account["state"] == "ACTIVE"} == {"Covered"}
    assert followed.status["assessment"]["membership"]["account_id"] == MANAGEMENT
    assert states_of(followed) == {"Deployed"}
