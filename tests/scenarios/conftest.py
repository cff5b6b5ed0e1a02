from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from muster_local.server import EmbeddedCloud
from tests.scenarios.operating import DESIGNATED, HOME, Operator

SMALL = Path(__file__).parent / "organizations" / "small.yaml"

type Cloud = Callable[..., Operator]


@pytest.fixture(scope="session")
def embedded_cloud() -> Iterator[EmbeddedCloud]:
    with EmbeddedCloud(SMALL, application_account=DESIGNATED, region=HOME) as cloud:
        yield cloud


@pytest.fixture
def fresh(embedded_cloud: EmbeddedCloud) -> Cloud:
    """Begin anew: a fresh organization with the application in it, its functions kept warm."""

    def begin(**over: Any) -> Operator:
        embedded_cloud.reset(
            **{
                "organization": SMALL,
                "access": "manage",
                "application_account": DESIGNATED,
                "region": HOME,
                "empty": False,
                "parameters": {},
                **over,
            }
        )
        # Shorter than AWS's "several minutes", yet longer than one look: every run has to wait, and none for long.
        embedded_cloud.world.delays.association = timedelta(seconds=45)
        embedded_cloud.world.delays.triage_role = timedelta(seconds=20)
        return Operator(embedded_cloud)

    return begin


@pytest.fixture
def operator(fresh: Cloud) -> Operator:
    return fresh()
