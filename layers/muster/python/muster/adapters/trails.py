"""The management account's trails, as CloudTrail lists them where the events of Organizations are."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.translate import translated
from muster.domain.preflight_checks import Trail
from muster.ports import TrailReader


@dataclass(frozen=True)
class Trails(TrailReader):
    """Reads in us-east-1, which lists its own trails and those of other Regions that record every Region."""

    clients: Clients

    def trails(self) -> tuple[Trail, ...]:
        """Read DescribeTrails, and GetTrailStatus of each."""
        with translated("cloudtrail:DescribeTrails", self.clients.account_id):
            found = self.clients.cloudtrail.describe_trails()["trailList"]
        return tuple(
            Trail(
                arn=item["TrailARN"],
                home_region=item["HomeRegion"],
                is_logging=self._is_logging(item["TrailARN"]),
                has_own_selectors=bool(item.get("HasCustomEventSelectors")),
            )
            for item in found
        )

    def _is_logging(self, arn: str) -> bool:
        with translated("cloudtrail:GetTrailStatus", self.clients.account_id):
            return bool(self.clients.cloudtrail.get_trail_status(Name=arn)["IsLogging"])
