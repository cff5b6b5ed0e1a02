"""The full list of a StackSet's instances, kept for a day: in between only what is unusual is listed again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from muster.domain.desired import DesiredStackSet
from muster.domain.stack_sets import DRIFTED, DetailedStatus, StackInstance, StackSetOperation

SCHEMA = 1
INSTANCES_KEY = "containment/instances.json"

KEPT: Final = timedelta(days=1)
FEW: Final = 1_000
"""Up to so many instances, ten pages of them, the full list is no more calls than the filtered ones."""

FILTERS: Final = (
    ("DRIFT_STATUS", DRIFTED),
    *(
        ("DETAILED_STATUS", status.value)
        for status in DetailedStatus
        if status not in (DetailedStatus.SUCCEEDED, DetailedStatus.PENDING, DetailedStatus.RUNNING)
    ),
)
"""What is unusual while no operation goes on (``StackInstanceFilter``: name and value)."""


@dataclass(frozen=True, slots=True)
class KeptInstances:
    """A full list as it was read, and the newest operation that could have changed it by then."""

    name: str
    region: str
    at: datetime
    operation: str | None
    instances: tuple[StackInstance, ...]

    def holds(self, where: DesiredStackSet, operations: Sequence[StackSetOperation], at: datetime) -> bool:
        """Tell whether nothing can have changed since: an instance comes, goes and changes by an operation only."""
        return (
            (self.name, self.region) == (where.name, where.region)
            and self.operation == newest_change(operations)
            and timedelta() <= at - self.at < KEPT
            and len(self.instances) > FEW
        )

    def overlaid(self, unusual: Iterable[StackInstance]) -> tuple[StackInstance, ...]:
        """Return the list with what was listed again in its place; drift that is not listed any more is none."""
        found = {(each.account_id, each.region): _without_drift(each) for each in self.instances}
        return tuple((found | {(each.account_id, each.region): each for each in unusual}).values())


def newest_change(operations: Iterable[StackSetOperation]) -> str | None:
    """Return the id of the newest operation that may have changed instances; the service lists the newest first."""
    return next((each.id for each in operations if each.changes_instances), None)


def kept_to_document(kept: KeptInstances) -> dict[str, Any]:
    """Return the list as plain JSON."""
    return {
        "schema": SCHEMA,
        "name": kept.name,
        "region": kept.region,
        "at": kept.at.isoformat(),
        "operation": kept.operation,
        "instances": [asdict(each) for each in kept.instances],
    }


def kept_from_document(document: Mapping[str, Any] | None) -> KeptInstances | None:
    """Return what ``kept_to_document`` wrote; None where there is nothing, or something of another schema."""
    if document is None or document.get("schema") != SCHEMA:
        return None
    return KeptInstances(
        name=document["name"],
        region=document["region"],
        at=datetime.fromisoformat(document["at"]),
        operation=document["operation"],
        instances=tuple(StackInstance(**each) for each in document["instances"]),
    )


def _without_drift(instance: StackInstance) -> StackInstance:
    if instance.drift is None:
        return instance
    return StackInstance(
        instance.account_id, instance.region, instance.status, instance.detailed, instance.reason, instance.stack_id
    )
