"""Unit tests open no socket, and property tests draw the same examples every time."""

import pytest
from hypothesis import settings

settings.register_profile("unit", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled: None) -> None:
    """Refuse every socket for the time of the test."""
