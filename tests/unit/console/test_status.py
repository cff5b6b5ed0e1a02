import json
from typing import Any

import pytest

from muster.domain.plan import SealedPlan
from tests.unit.console.fakes import FakeCloud, Operator
from tests.unit.console.planned import REMOVES, store_plan

PROD = ("r-ab12", "ou-ab12-11111111", "ou-ab12-22222222")


def _account(number: int, coverage: str = "Covered", **more: Any) -> dict[str, Any]:
    account = {"id": f"{number:012}", "name": f"app-{number}", "state": "ACTIVE", "coverage": coverage}
    return {**account, "ancestors": list(PROD), "cause": None, "reason": "", **more}


def _report(status: str, **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "run": "manual-1",
        "at": "2027-01-31T07:16:00Z",
        "status": status,
        "membership_id": None,
        "settled": True,
        "counts": {},
        "accounts_that_need_a_person": {"total": 0, "first": []},
        "assessment_key": None,
        "text_key": "runs/manual-1/report.txt",
        **more,
    }


@pytest.fixture
def assessed(operator: Operator, cloud: FakeCloud) -> Operator:
    cloud.store(
        "assessments/latest.json",
        {
            "schema": 1,
            "run": "manual-1",
            "at": "2027-01-31T07:15:00Z",
            "counts": {"Covered": 2, "NotCovered": 1, "Unknown": 1, "Inactive": 0},
            "membership": {
                "id": "m-1234567890ab",
                "account_id": "222222222222",
                "region": "eu-west-1",
                "status": "Active",
            },
            "scope": {
                "asked": {"entire_organization": False, "unit_ids": ["ou-ab12-11111111"]},
                "found": {"entire_organization": False, "unit_ids": ["ou-ab12-11111111"]},
            },
            "notices": [{"subject": "the service counts other accounts than it lists", "detail": "5 and 2"}],
            "accounts": [
                _account(1),
                _account(2, ancestors=["r-ab12"]),
                _account(
                    3,
                    "NotCovered",
                    reason="in scope, yet Disassociated",
                ),
                _account(4, "Unknown", reason="its path could not be read", ancestors=None),
            ],
            "something_newer": True,
        },
    )
    notice = {"subject": "ou-ab12-33333333", "detail": "is in the membership, yet was not asked for"}
    cloud.store("reports/latest.json", _report("NeedsAttention", notices=[notice]))
    cloud.organizations.units = {
        "r-ab12": [("ou-ab12-44444444", "Sandbox"), ("ou-ab12-11111111", "Production [eu]")],
        "ou-ab12-11111111": [("ou-ab12-22222222", "Payments")],
    }
    return operator


def test_status_says_counts_membership_age_and_who_needs_a_person(assessed: Operator) -> None:
    ran = assessed.types("status")

    assert ran.code == 3
    assert ran.out.splitlines() == [
        "Status      NeedsAttention",
        "Assessed    3 hours ago by run manual-1",
        "Membership  m-1234567890ab (Active) in account 222222222222, eu-west-1, covers 1 unit",
        "Accounts    4: 2 Covered, 1 NotCovered, 1 Unknown",
        "2 accounts need a person:",
        "  000000000003 app-3: NotCovered, in scope, yet Disassociated",
        "  000000000004 app-4: Unknown, its path could not be read",
        "Notice: ou-ab12-33333333: is in the membership, yet was not asked for",
        "Notice: the service counts other accounts than it lists: 5 and 2",
    ]


def test_the_tree_shows_units_by_their_present_names_with_the_coverage_below_each(assessed: Operator) -> None:
    ran = assessed.types("status", "--tree")

    assert ran.out.splitlines()[:8] == [
        "Root  2 Covered, 1 NotCovered",
        "├── Production [eu]  1 Covered, 1 NotCovered",
        "│   └── Payments  1 Covered, 1 NotCovered",
        "│       └── 000000000003 app-3 NotCovered: in scope, yet Disassociated",
        "└── Sandbox  no accounts",
        "Elsewhere (moved since, or the place could not be read)  1 Unknown",
        "└── 000000000004 app-4 Unknown: its path could not be read",
        "",
    ]


def test_json_is_both_documents_on_one_line(assessed: Operator) -> None:
    ran = assessed.types("status", "--json")

    documents = json.loads(ran.out)
    assert documents["assessment"]["counts"]["Covered"] == 2
    assert documents["report"]["status"] == "NeedsAttention"
    assert ran.out.count("\n") == 1


def test_a_covered_organization_ends_with_0(assessed: Operator, cloud: FakeCloud) -> None:
    cloud.store("reports/latest.json", _report("Covered"))

    assert assessed.types("status").code == 0


@pytest.mark.parametrize("options", [(), ("--tree",)])
def test_a_run_that_waits_before_any_assessment_shows_its_handoffs(
    operator: Operator, cloud: FakeCloud, options: tuple[str, ...]
) -> None:
    handoff = {"to": "management team", "what": "enable trusted access", "why": "denied", "command": "aws …"}
    cloud.store("reports/latest.json", _report("WaitingForHandoff", handoffs=[handoff]))

    ran = operator.types("status", *options)

    assert ran.code == 3
    assert ran.out.splitlines() == [
        "Status      WaitingForHandoff",
        "Assessed    never",
        "For the management team: enable trusted access",
        "  because denied",
        "    aws …",
    ]


def test_without_an_assessment_status_says_to_onboard(operator: Operator) -> None:
    ran = operator.types("status")

    assert (ran.code, ran.err) == (3, "There is no assessment yet.\nNext: Run `muster onboard`.\n")


def test_a_document_of_another_version_is_refused_in_words(operator: Operator, cloud: FakeCloud) -> None:
    cloud.store("assessments/latest.json", {"schema": 7})

    ran = operator.types("status")

    assert ran.code == 1
    assert ran.err.startswith("This version of muster cannot read the latest assessment, report or request")


def test_status_says_what_the_accounts_have_of_the_containment_roles(assessed: Operator, cloud: FakeCloud) -> None:
    row = {"id": "000000000003", "name": "app-3", "state": "Failed", "reason": "a role of that name exists"}
    found = {
        "roles": "managed",
        "key": "runs/manual-1/containment.json",
        "counts": {"Deployed": 68, "Failed": 1, "Missing": 0},
        "accounts_that_need_a_person": {"total": 21, "first": [row]},
    }
    cloud.store("reports/latest.json", _report("NeedsAttention", containment=found))

    lines = assessed.types("status").out.splitlines()

    start = lines.index("Roles       68 Deployed, 1 Failed")
    assert lines[start + 1] == "21 accounts need a person for the containment roles:"
    assert lines[start + 2] == "  000000000003 app-3: Failed, a role of that name exists"
    assert lines[start + 3].startswith("  and 20 more in s3://")


def test_status_is_silent_of_roles_that_are_off(assessed: Operator, cloud: FakeCloud) -> None:
    found = {"roles": "off", "key": None, "counts": {}, "accounts_that_need_a_person": {"total": 0, "first": []}}
    cloud.store("reports/latest.json", _report("Covered", containment=found))

    assert "Roles" not in assessed.types("status").out


def _request(plan: SealedPlan, **changed: Any) -> dict[str, Any]:
    answer = {
        "decision": "approve",
        "reason": "agreed",
        "by": "arn:aws:sts::222222222222:assumed-role/Operator/ada@example.com",
        "principal_id": "AROAEXAMPLE:ada@example.com",
        "at": "2027-01-31T10:00:00Z",
        "execution": "arn:aws:states:eu-west-1:222222222222:execution:muster-approve:approve-1",
        "event_id": "e-1",
    }
    return {
        "schema": 1,
        "plan": plan.sha256,
        "run": "manual-1",
        "execution": "arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:manual-1",
        "requested_at": "2027-01-31T09:00:00Z",
        "expires_at": "2027-02-03T09:00:00Z",
        "approvals": 2,
        "state": "waiting",
        "answers": [answer],
        **changed,
    }


def test_status_shows_what_waits_for_approval_with_the_commands_and_without_names(
    operator: Operator, cloud: FakeCloud
) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.store("reports/latest.json", _report("Covered"))
    cloud.store("approvals/latest.json", _request(plan))
    short = plan.sha256[:12]

    ran, shown = operator.types("status"), operator.types("status", "--json")

    assert (ran.code, shown.code) == (3, 3)
    assert ran.out.splitlines()[1:6] == [
        f"Approval    plan {short} of run manual-1 waits until 2027-02-03 09:00 UTC, 1 of 2 approvals so far",
        "            1 write; 1 needs approval; 2 accounts would lose coverage",
        f"    muster plan --show {short}",
        f"    muster approve {short}",
        f'    muster reject {short} --reason "…"',
    ]
    assert json.loads(shown.out)["approval_request"]["approved"] == 1
    assert "ada@example.com" not in ran.out + shown.out


def test_first_onboarding_that_waits_for_approval_has_a_status(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.store("approvals/latest.json", _request(plan, approvals=1, answers=[]))
    del cloud.s3.objects[plan.key]

    ran = operator.types("status")

    assert ran.code == 3
    assert ran.out.splitlines()[:3] == [
        "Status      no report yet",
        f"Approval    plan {plan.sha256[:12]} of run manual-1 waits until 2027-02-03 09:00 UTC, 0 of 1 approval so far",
        "            the plan cannot be read",
    ]


@pytest.mark.parametrize(
    "changed", [{"state": "approved"}, {"state": "closed"}, {"expires_at": "2027-01-31T10:15:00Z"}]
)
def test_request_that_waits_no_longer_is_not_shown(
    operator: Operator, cloud: FakeCloud, changed: dict[str, Any]
) -> None:
    cloud.store("reports/latest.json", _report("Covered"))
    cloud.store("approvals/latest.json", _request(store_plan(cloud, REMOVES), **changed))

    ran = operator.types("status")

    assert ran.code == 0
    assert "Approval" not in ran.out


def test_status_shows_a_freeze_while_it_holds(assessed: Operator, cloud: FakeCloud) -> None:
    assessed.types("freeze", "--until", "4h", "--reason", "incident 1234")

    during, as_json = assessed.types("status"), assessed.types("status", "--json")
    assessed.types("freeze", "--lift")
    after = assessed.types("status")

    assert "Frozen      until 2027-01-31 14:15 UTC: incident 1234\n" in during.out
    assert json.loads(as_json.out)["freeze"]["reason"] == "incident 1234"
    assert "Frozen" not in after.out
    assert json.loads(assessed.types("status", "--json").out)["freeze"] is None
    assert cloud.s3.writes == ["freeze.json", "freeze.json"]


def test_status_says_that_a_freeze_cannot_be_understood(assessed: Operator, cloud: FakeCloud) -> None:
    cloud.s3.objects["freeze.json"] = [b"{"]

    assert "Frozen      perhaps: freeze.json cannot be understood\n" in assessed.types("status").out
    assert json.loads(assessed.types("status", "--json").out)["freeze"] == {
        "unknown": "freeze.json cannot be understood"
    }
