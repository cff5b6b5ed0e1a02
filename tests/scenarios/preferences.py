"""The containment preference as people and AWS Support would have settled it before a scenario begins."""

import json
from typing import Any

from tests.scenarios.operating import DESIGNATED, HOME, Operator

KEY = "containment/preference.json"
CASE = "17012345678901"


def attested_now(at: str, level: str = "ApprovalRequired") -> dict[str, Any]:
    """Return the document that says: AWS has confirmed a level for the organization."""
    entry = {
        "kind": "attested",
        "case": CASE,
        "at": at,
        "level": level,
        "subjects": ["organization"],
        "by": f"arn:aws:sts::{DESIGNATED}:assumed-role/Operator",
        "execution": f"arn:aws:states:{HOME}:{DESIGNATED}:execution:muster-attest:before",
        "event_id": "before",
    }
    return {"schema": 1, "history": [entry]}


def attest_preference(operator: Operator, level: str = "ApprovalRequired") -> None:
    """Let it be attested, so that a run has nothing left to say of the preference."""
    document = attested_now(operator.cloud.world.clock.now().isoformat(), level)
    operator.client("s3").put_object(
        Bucket=operator.stack.state_bucket, Key=KEY, Body=json.dumps(document).encode(), ContentType="application/json"
    )
