"""Unit tests open no socket, and property tests draw the same examples every time."""

import pytest
from hypothesis import settings
from pytest_socket import disable_socket

settings.register_profile("unit", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_sockets() -> None:
    disable_socket()
