"""Plans as a run leaves them in the bucket, for an organization of six accounts in two units."""

import json
from datetime import UTC, datetime
from typing import Any

from muster.domain.plan import Affected, LeftStep, Plan, PlannedRemediation, SealedPlan, seal
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step
from tests.unit.console.fakes import FakeCloud

AT = datetime(2027, 1, 31, 10, 10, tzinfo=UTC)
PROD, SANDBOX = "ou-ab12-11111111", "ou-ab12-22222222"
AFFECTED = "runs/manual-1/affected/1.json"
REDUCES = "it takes protection away"


def account(number: int) -> str:
    return f"{number:012}"


ADD = Remediation(
    Step.SCOPING, RemediationKind.ADD_UNIT, PROD, "not in the membership", "in the membership",
    f"add unit {PROD}", "the desired state asks for it", "unit_missing", Concern(below=(PROD,)),
)  # fmt: skip
REMOVE = Remediation(
    Step.SCOPING, RemediationKind.REMOVE_UNIT, SANDBOX, "in the membership", "not in the membership",
    f"remove unit {SANDBOX}", "the desired state does not ask for it", None, Concern(only=(account(4), account(5))),
)  # fmt: skip
TRIAGE = Remediation(
    Step.SIGN_UP, RemediationKind.DISABLE_TRIAGE, "m-1234567890ab", "on", "off",
    "turn proactive response off", "the desired state asks for it", None, Concern(everyone=True),
)  # fmt: skip
TAGS = Remediation(
    Step.SIGN_UP, RemediationKind.SET_TAGS, "m-1234567890ab", "owner absent", "owner 1a2b3c4d",
    "set the tags owner", "the desired state asks for it",
)  # fmt: skip
SIGN_UP = Remediation(
    Step.SIGN_UP, RemediationKind.SIGN_UP, "222222222222/eu-west-1", "no Active membership", "membership example",
    "create the membership in 222222222222/eu-west-1", "the organization has none", None, Concern(everyone=True),
)  # fmt: skip

ADDS = PlannedRemediation(ADD, Affected(2, (account(1), account(2)), AFFECTED))
REMOVES = PlannedRemediation(REMOVE, Affected(2, (account(4), account(5)), AFFECTED), (REDUCES,))
SETS_TAGS = PlannedRemediation(TAGS)
SIGNS_UP = PlannedRemediation(SIGN_UP, Affected(None))
LEFT = LeftStep("owners of the accounts", "create the triage role", "denied", "aws iam …", (account(3),))
NOBODY = LeftStep("nobody", "cover 1 accounts (service_side)", "open a case with AWS Support", accounts=(account(6),))


def store_plan(
    cloud: FakeCloud,
    *writes: PlannedRemediation,
    left: tuple[LeftStep, ...] = (),
    mode: str = "enforce",
    desired_version: str = "v1",
    number: int = 1,
) -> SealedPlan:
    """Store a plan, and the accounts of its writes."""
    sealed = seal(Plan("manual-1", number, AT, desired_version, mode, "m-1234567890ab", 6, writes, left))
    cloud.s3.objects[sealed.key] = [sealed.text.encode()]
    cloud.store(AFFECTED, {ADD.id: [account(1), account(2)], REMOVE.id: [account(4), account(5)]})
    return sealed


def store_organization(cloud: FakeCloud) -> None:
    """Store an assessment, and name the units."""
    places = {1: PROD, 2: PROD, 3: PROD, 4: SANDBOX, 5: SANDBOX, 6: None}
    scope = {"entire_organization": False, "unit_ids": [SANDBOX]}
    cloud.store(
        "assessments/latest.json",
        {
            "schema": 1,
            "run": "manual-1",
            "at": "2027-01-31T10:09:00Z",
            "counts": {"Covered": 2, "NotCovered": 4},
            "membership": {
                "id": "m-1234567890ab", "account_id": "222222222222", "region": "eu-west-1", "status": "Active",
            },
            "scope": {"asked": scope, "found": scope},
            "accounts": [
                {
                    "id": account(number), "name": f"app-{number}", "state": "ACTIVE", "coverage": "Covered",
                    "ancestors": ["r-ab12", unit] if unit else ["r-ab12"], "cause": None, "reason": "",
                }
                for number, unit in places.items()
            ],
        },
    )  # fmt: skip
    cloud.organizations.units = {"r-ab12": [(SANDBOX, "Sandbox"), (PROD, "Production")]}


def entered(name: str, kind: str = "Task") -> dict[str, Any]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def left_state(name: str, **output: Any) -> dict[str, Any]:
    return {"type": "TaskStateExited", "stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}


def ending(
    plan: SealedPlan | None, verdict: str | None = "tell", status: str = "Covered", **more: Any
) -> dict[str, Any]:
    """Return how a run ends."""
    output = {"status": status, "membership_id": "m-1234567890ab", "plan": plan and plan.sha256, "verdict": verdict}
    return {"status": "SUCCEEDED", "output": json.dumps({**output, "decision": None, **more})}


def planning(plan: SealedPlan, verdict: str, **more: Any) -> dict[str, Any]:
    """Return the event of the Plan state."""
    number = len(plan.plan.remediations)
    return left_state("Plan", plan=plan.sha256, verdict=verdict, open=number, todo=[], **more)
