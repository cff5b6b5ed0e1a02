"""One embedded cloud for all cells of a process, and the table of what came of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster_local.server import EmbeddedCloud
from tests.faults.cells import Kind, call_sites
from tests.faults.preparing import PARAMETERS, begin
from tests.scenarios.operating import DESIGNATED, HOME, Operator

ORGANIZATION = Path(__file__).parent / "organization.yaml"


@pytest.fixture(scope="session")
def embedded_cloud() -> Iterator[EmbeddedCloud]:
    with EmbeddedCloud(ORGANIZATION, application_account=DESIGNATED, region=HOME, parameters=PARAMETERS) as cloud:
        yield cloud


@pytest.fixture
def operator(embedded_cloud: EmbeddedCloud) -> Operator:
    return begin(embedded_cloud)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table: a row for each call site, a column for each thing that happened to it."""
    outcomes = {
        name: value
        for report in [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
        for name, value in report.user_properties
    }
    if not outcomes:
        return
    sites, kinds = call_sites(), list(Kind)
    table = [["call site", *kinds]]
    table += [[str(site), *(outcomes.get(f"{site} {kind}", "") for kind in kinds)] for site in sites]
    widths = [max(len(row[column]) for row in table) for column in range(len(kinds) + 1)]
    terminalreporter.write_line("")
    for row in table:
        terminalreporter.write_line(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    terminalreporter.write_line(f"{len(outcomes)} cells; an empty one cannot happen there")
