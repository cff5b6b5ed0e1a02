from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.embedded_cloud import small_world
from tests.embedded_cloud.small_world import SmallWorld
from tests.embedded_cloud.stack_set_world import StackSets


@pytest.fixture
def cloud() -> Iterator[SmallWorld]:
    with mock_aws():
        yield small_world.load()


@pytest.fixture
def stack_sets(cloud: SmallWorld) -> StackSets:
    """StackSets, activated."""
    found = StackSets(cloud)
    found.api().activate_organizations_access()
    return found
