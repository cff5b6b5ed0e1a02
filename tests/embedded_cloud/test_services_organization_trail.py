from typing import Any

import pytest

from muster_local.organization_trail import NAME
from tests.embedded_cloud.small_world import MANAGEMENT, SECURITY_TOOLING, SmallWorld, client, refused


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_organization_has_a_trail_that_logs_in_every_region(cloud: SmallWorld, region: str) -> None:
    assert cloud
    api = client("cloudtrail", MANAGEMENT, region)
    (trail,) = api.describe_trails()["trailList"]
    assert (trail["Name"], trail["HomeRegion"]) == (NAME, "us-east-1")
    assert trail["IsMultiRegionTrail"] is trail["IsOrganizationTrail"] is True
    assert api.get_trail_status(Name=trail["TrailARN"])["IsLogging"] is True


def test_the_trail_can_be_stopped_and_deleted(cloud: SmallWorld) -> None:
    assert cloud
    api: Any = client("cloudtrail", MANAGEMENT, "us-east-1")
    api.stop_logging(Name=NAME)
    assert api.get_trail_status(Name=NAME)["IsLogging"] is False
    api.delete_trail(Name=NAME)
    assert api.describe_trails()["trailList"] == []
    assert refused(api.get_trail_status, Name=NAME)[0] == "TrailNotFoundException"


def test_an_account_is_described_to_the_management_account_and_to_a_delegated_administrator(cloud: SmallWorld) -> None:
    cloud.prepare()
    for caller in (MANAGEMENT, SECURITY_TOOLING):
        found = cloud.organizations(caller).describe_account(AccountId=SECURITY_TOOLING)["Account"]
        assert (found["Id"], found["State"]) == (SECURITY_TOOLING, "ACTIVE")
