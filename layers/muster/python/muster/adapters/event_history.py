"""CloudTrail's event history: who called StartExecution. It is on in every account, without a trail, for 90 days."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from muster.adapters.translate import translated
from muster.domain.callers import StartRecord, read_caller
from muster.ports import EventHistory

AROUND = timedelta(minutes=2)
"""The call is recorded with the time at which it was made, which is within seconds of the execution's start."""

SOURCE = "states.amazonaws.com"
OPERATION = "StartExecution"


@dataclass(frozen=True)
class EventHistoryOfRegion(EventHistory):
    """The event history of one account and Region, which has the calls to Step Functions there."""

    cloudtrail: Any  # there are no stubs for it here
    account_id: str

    def starts(self, execution_arn: str, started_at: datetime) -> tuple[StartRecord, ...]:
        """Read LookupEvents, every page of the minutes around the start."""
        with translated("cloudtrail:LookupEvents", self.account_id):
            pages = self.cloudtrail.get_paginator("lookup_events").paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": OPERATION}],
                StartTime=started_at - AROUND,
                EndTime=started_at + AROUND,
            )
            records = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
        return tuple(
            StartRecord(read_caller(record), record["eventID"], datetime.fromisoformat(record["eventTime"]))
            for record in records
            if _started(record) == execution_arn
        )


def _started(record: dict[str, Any]) -> str | None:
    """Return the execution that a record's call started; a call that failed has none."""
    if record.get("eventSource") != SOURCE or record.get("errorCode"):
        return None
    found = (record.get("responseElements") or {}).get("executionArn")
    return found if isinstance(found, str) else None
