from pathlib import Path

import yaml

from muster_console.preference_page import ORGANIZATION_ID, PAGE, text

ORGANIZATION = Path("muster_local/organizations/example.yaml")


def test_page_is_what_the_code_writes_for_the_example() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run python -m muster_console.preference_page"


def test_page_names_the_example_organization_and_nobody() -> None:
    organization = yaml.safe_load(ORGANIZATION.read_text())
    people = yaml.safe_load(Path("config/desired-state.example.yaml").read_text())["contacts"]

    assert organization["id"] == ORGANIZATION_ID
    assert text().count(f"Organization: {ORGANIZATION_ID}\n") == 3
    assert not [person for person in people if person["name"] in text() or person["email"] in text()]
    for account in ("300000000094", "300000000201"):
        assert account in ORGANIZATION.read_text()
        assert account in text()
