from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.embedded_cloud import small_world
from tests.embedded_cloud.small_world import SmallWorld


@pytest.fixture
def cloud() -> Iterator[SmallWorld]:
    with mock_aws():
        yield small_world.load()
