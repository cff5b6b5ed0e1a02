import json
from dataclasses import replace
from pathlib import Path

import pytest

from muster.domain.plan import Affected, PlannedRemediation
from tests.unit.console.fakes import BUCKET, EXAMPLE, FakeCloud, Operator, refusal
from tests.unit.console.planned import (
    ADD,
    ADDS,
    AFFECTED,
    LEFT,
    NOBODY,
    PROD,
    REDUCES,
    REMOVE,
    REMOVES,
    SANDBOX,
    SETS_TAGS,
    SIGNS_UP,
    TRIAGE,
    account,
    ending,
    entered,
    planning,
    store_organization,
    store_plan,
)


@pytest.fixture
def pushed(operator: Operator) -> Operator:
    operator.types("push", str(EXAMPLE))
    return operator


def test_plan_starts_a_run_that_applies_nothing_and_shows_what_it_found(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, SETS_TAGS)
    cloud.stepfunctions.upcoming = [([[entered("Plan"), planning(plan, "tell")]], ending(plan))]

    ran = pushed.types("plan")

    assert cloud.stepfunctions.inputs == [
        {
            "schema": 1,
            "trigger": {"kind": "manual"},
            "desired": {"key": "desired-state.json", "version": "v1"},
            "applies": False,
        }
    ]
    name, short = cloud.stepfunctions.started[0]["name"], plan.sha256[:12]
    lines = ran.out.splitlines()
    assert lines[:5] == [
        f"Run {name} makes a plan and changes nothing.",
        f"Plan           plan {short}, 1 write, nothing is applied by this run",
        "",
        f"Plan {short}: 1 write.",
        f"Made 2027-01-31 10:10 UTC by run manual-1, mode enforce. SHA-256 {plan.sha256}",
    ]
    assert "set the tags" in ran.out
    assert lines[-1] == f"To apply it: muster apply {short}"
    assert ran.code == 3


def test_empty_plan_ends_with_0(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud)
    cloud.stepfunctions.upcoming = [([[planning(plan, "nothing")]], ending(plan, "nothing"))]

    ran = pushed.types("plan")

    assert ran.code == 0
    assert ran.out.splitlines()[1:] == [
        f"Plan           plan {plan.sha256[:12]}, nothing to do",
        "Nothing to do: the world is as desired.",
    ]


def test_what_takes_protection_away_is_shown_first_with_the_accounts_by_name(
    operator: Operator, cloud: FakeCloud
) -> None:
    store_organization(cloud)
    plan = store_plan(cloud, ADDS, REMOVES, PlannedRemediation(TRIAGE, Affected(6), (REDUCES, "mode is propose")))

    lines = operator.types("plan", "--show", plan.sha256).out.splitlines()

    assert lines[1] == f"Plan {plan.sha256[:12]}: 3 writes; 2 need approval; 2 accounts would lose coverage."
    assert lines[3:8] == [
        f"TAKES PROTECTION AWAY from 2 accounts: remove unit {SANDBOX}",
        "  000000000004 app-4",
        "  000000000005 app-5",
        "TAKES PROTECTION AWAY from 6 accounts: turn proactive response off",
        "  and 6 more",
    ]
    assert cloud.stepfunctions.started == []


def test_the_table_has_each_write_with_before_after_accounts_and_why(operator: Operator, cloud: FakeCloud) -> None:
    held = PlannedRemediation(ADD, Affected(2, (account(1), account(2)), AFFECTED), held="the window is closed")
    plan = store_plan(cloud, REMOVES, held, SIGNS_UP)

    out = " ".join(operator.types("plan", "--show", plan.sha256).out.split())

    assert "# What Before → after Accounts Why" in out
    assert f"Plan {plan.sha256[:12]}: 3 writes; 1 needs approval; 1 waits; 2 accounts would lose coverage." in out
    for words in ("needs approval:", "waits: the window", "unknown", "no Active"):
        assert words in out


def test_long_plan_is_counted_after_its_first_writes(operator: Operator, cloud: FakeCloud) -> None:
    adds = [PlannedRemediation(replace(ADD, resource=f"ou-ab12-{number:08}")) for number in range(60)]
    plan = store_plan(cloud, *adds)

    out = operator.types("plan", "--show", plan.sha256).out

    assert f"Plan {plan.sha256[:12]}: 60 writes." in out
    assert f"\nand 10 more, all in s3://{BUCKET}/plans/{plan.sha256}.json\n" in out


def test_the_tree_says_who_gains_and_who_loses_below_each_unit(operator: Operator, cloud: FakeCloud) -> None:
    store_organization(cloud)
    cloud.organizations.units["r-ab12"].append(("ou-ab12-33333333", "Untouched"))
    plan = store_plan(cloud, ADDS, REMOVES)

    lines = operator.types("plan", "--show", plan.sha256).out.splitlines()

    at = lines.index("Coverage by unit, where it changes:")
    assert lines[at + 1 : at + 6] == [
        "Root  2 lose coverage  2 gain coverage",
        "├── Production  2 gain coverage",
        "└── Sandbox  2 lose coverage",
        "    ├── 000000000004 app-4 loses coverage",
        "    └── 000000000005 app-5 loses coverage",
    ]


def test_units_are_shown_by_id_where_their_names_may_not_be_read(operator: Operator, cloud: FakeCloud) -> None:
    store_organization(cloud)
    cloud.organizations.fault = refusal("AccessDeniedException", "ListRoots")
    plan = store_plan(cloud, ADDS)

    ran = operator.types("plan", "--show", plan.sha256)

    assert f"r-ab12  2 gain coverage\n└── {PROD}  2 gain coverage\n" in ran.out
    assert "Units are shown by id: their names could not be read (AccessDeniedException)." in ran.out
    assert ran.code == 3


def test_before_any_assessment_the_tree_says_what_is_known_of_units(operator: Operator, cloud: FakeCloud) -> None:
    cloud.organizations.units = {"r-ab12": [(SANDBOX, "Sandbox"), (PROD, "Production")]}
    plan = store_plan(cloud, SIGNS_UP, PlannedRemediation(ADD, Affected(None)))

    out = operator.types("plan", "--show", plan.sha256).out

    assert "Root  every account gains coverage\n└── Production  every account below gains coverage\n" in out
    assert "Sandbox" not in out


def test_account_whose_place_is_not_known_is_shown_apart(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, REMOVES)

    out = operator.types("plan", "--show", plan.sha256).out

    assert "Elsewhere (the place is not known)  2 lose coverage\n├── 000000000004 loses coverage\n" in out


def test_accounts_that_do_not_agree_with_the_plan_are_not_believed(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, PlannedRemediation(REMOVE, Affected(30, (account(4),), AFFECTED), (REDUCES,)))

    out = operator.types("plan", "--show", plan.sha256).out

    assert "at least 1 account would lose coverage" in out
    assert (
        "TAKES PROTECTION AWAY from 30 accounts: remove unit ou-ab12-22222222\n  000000000004\n"
        f"  and 29 more, all in s3://{BUCKET}/{AFFECTED}\n"
    ) in out


@pytest.mark.parametrize("body", [b"", b"[]", b'{"x": 1}', b"\xff"])
def test_broken_list_of_accounts_does_not_hide_the_plan(operator: Operator, cloud: FakeCloud, body: bytes) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.s3.objects[AFFECTED] = [body]
    cloud.s3.objects["assessments/latest.json"] = [body]

    ran = operator.types("plan", "--show", plan.sha256)

    assert ran.code == 3
    assert "TAKES PROTECTION AWAY from 2 accounts" in ran.out


def test_an_unknown_number_of_losing_accounts_is_said(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, PlannedRemediation(REMOVE, Affected(None), (REDUCES,)))

    out = operator.types("plan", "--show", plan.sha256).out

    assert "an unknown number of accounts would lose coverage" in out
    assert "TAKES PROTECTION AWAY from an unknown number of accounts" in out


def test_what_others_have_to_do_is_shown_below(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, left=(LEFT, NOBODY))

    ran = operator.types("plan", "--show", plan.sha256)

    assert ran.code == 3
    assert ran.out.splitlines()[1:] == [
        f"Plan {plan.sha256[:12]}: nothing that Muster could do.",
        "",
        "What others have to do:",
        "For the owners of the accounts: create the triage role",
        "  because denied",
        "  in account 000000000003",
        "    aws iam …",
        "Nobody can by themselves: cover 1 accounts (service_side)",
        "  because open a case with AWS Support",
        "  in account 000000000006",
        "",
        "When they are done: muster plan",
    ]


def test_next_commands_name_approval_observe_and_waiting(operator: Operator, cloud: FakeCloud) -> None:
    asks = store_plan(cloud, REMOVES)
    observes = store_plan(cloud, REMOVES, mode="observe")
    waits = store_plan(cloud, PlannedRemediation(ADD, Affected(2), held="the window is closed"))

    shown = [operator.types("plan", "--show", each.sha256).out.splitlines() for each in (asks, observes, waits)]

    assert shown[0][-2:] == [
        f"To apply it: muster apply {asks.sha256[:12]}",
        f"Somebody else then has to approve it: muster approve {asks.sha256[:12]}",
    ]
    assert shown[1][-1].startswith("Mode is observe, so nothing is applied.")
    assert shown[2][-1] == "All of it waits. When the wait is over: muster onboard"


def test_json_is_the_stored_document_with_its_sha256_alone_on_standard_output(
    pushed: Operator, cloud: FakeCloud
) -> None:
    plan = store_plan(cloud, ADDS)
    cloud.stepfunctions.upcoming = [([[planning(plan, "tell")]], ending(plan))]

    ran = pushed.types("plan", "--json")

    assert json.loads(ran.out) == {**json.loads(plan.text), "sha256": plan.sha256}
    assert ran.out.count("\n") == 1
    assert "makes a plan" in ran.err
    assert ran.code == 3


def test_run_that_ends_without_a_plan_is_summed_up(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.stepfunctions.upcoming = [([[]], {"status": "FAILED", "error": "PreflightError", "cause": "no trail"})]

    ran = pushed.types("plan", "--accept-unknown", "memberships")

    assert ran.code == 1
    assert "The run failed with PreflightError.\nno trail\n" in ran.out
    assert cloud.stepfunctions.inputs[0]["accept_unknown"] == ["memberships"]


def test_ctrl_c_while_a_plan_is_made_says_how_to_come_back(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.stepfunctions.upcoming = [([[], []], ending(None))]
    pushed.interrupt = True

    ran = pushed.types("plan")

    assert ran.code == 130
    assert f"onboard --follow {cloud.stepfunctions.started[0]['name']}\n" in ran.out


# --- names of plans ---


def test_plan_is_found_by_twelve_digits_or_more(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, SETS_TAGS)

    for digits in (12, 13, 63, 64):
        ran = operator.types("plan", "--show", plan.sha256[:digits].upper())
        assert f"SHA-256 {plan.sha256}" in ran.out


@pytest.mark.parametrize("name", ["", "3fa9c01b2d4", "3fa9c01b2d4g", "latest", "a" * 65, "../desired-state"])
@pytest.mark.parametrize("command", [("plan", "--show"), ("apply",), ("approve",), ("reject", "--reason", "no")])
def test_what_is_no_name_of_a_plan_is_refused(
    operator: Operator, cloud: FakeCloud, command: tuple[str, ...], name: str
) -> None:
    ran = operator.types(*command, name)

    assert ran.code == 2
    assert ran.err.startswith(f"{name!r} is not the name of a plan.\nNext: ")
    assert cloud.stepfunctions.started == []


@pytest.mark.parametrize("digits", [12, 64])
def test_unknown_plan_is_refused(operator: Operator, digits: int) -> None:
    ran = operator.types("plan", "--show", "3fa9c01b2d4e".ljust(digits, "0")[:digits])

    assert ran.code == 2
    assert ran.err.startswith("There is no plan 3fa9c01b2d4e in this deployment")


def test_ambiguous_plan_is_refused(operator: Operator, cloud: FakeCloud) -> None:
    for last in ("a", "b"):
        cloud.store(f"plans/{'3' * 63}{last}.json", {})

    ran = operator.types("plan", "--show", "3" * 12)

    assert ran.code == 2
    assert ran.err.startswith("More than one plan starts with 333333333333.\nNext: Give more digits")


@pytest.mark.parametrize(
    ("command", "started"),
    [(("plan", "--show"), 0), (("apply",), 0), (("approve",), 0), (("reject", "--reason", "no"), 1)],
)
def test_plan_of_which_a_byte_was_changed_is_neither_shown_nor_applied(
    operator: Operator, cloud: FakeCloud, command: tuple[str, ...], started: int
) -> None:
    plan = store_plan(cloud, ADDS)
    cloud.s3.objects[plan.key] = [plan.text.replace("add unit", "cut unit").encode()]
    cloud.stepfunctions.upcoming = [([[]], {"status": "SUCCEEDED", "output": '{"status": "rejected"}'})]

    ran = operator.types(*command, plan.sha256)

    assert len(cloud.stepfunctions.started) == started
    if not started:
        assert ran.code == 1
        assert ran.err.startswith(f"Plan {plan.sha256[:12]} was changed after it was made: its SHA-256 is ")
        assert ran.err.endswith("Next: Run `muster plan`.\n")


# --- apply ---


def test_apply_starts_a_run_with_the_plan_and_sums_it_up(pushed: Operator, cloud: FakeCloud) -> None:
    plan, last = store_plan(cloud, SETS_TAGS), store_plan(cloud, number=2)
    change = {"kind": "set_tags", "resource": "m-1234567890ab", "detail": "set a tag"}
    cloud.stepfunctions.upcoming = [([[planning(last, "nothing")]], ending(last, "nothing", changes=[change]))]

    ran = pushed.types("apply", plan.sha256[:12])

    assert ran.code == 0
    assert cloud.stepfunctions.inputs[0]["plan"] == plan.sha256
    assert "applies" not in cloud.stepfunctions.inputs[0]
    name = cloud.stepfunctions.started[0]["name"]
    assert ran.out.splitlines()[0] == f"Run {name} applies plan {plan.sha256[:12]}."
    assert "  + set a tag" in ran.out


def test_plan_for_another_desired_state_is_not_applied(pushed: Operator, cloud: FakeCloud, tmp_path: Path) -> None:
    plan = store_plan(cloud, SETS_TAGS)
    changed = tmp_path / "changed.yaml"
    changed.write_text(EXAMPLE.read_text().replace("mode: enforce", "mode: propose"))
    pushed.types("push", str(changed))

    ran = pushed.types("apply", plan.sha256)

    assert ran.code == 3
    assert ran.err.startswith(f"Plan {plan.sha256[:12]} was made for another desired state than")
    assert cloud.stepfunctions.started == []


@pytest.mark.parametrize(
    ("verdict", "decision", "line"),
    [
        ("ask", "rejected", "was rejected, so nothing of it was done"),
        ("ask", "expired", "was not answered in time, so nothing of it was done"),
        ("ask", None, "needs approval"),
        ("hold", None, "waits"),
        ("tell", None, "has more to do"),
        ("apply", None, "has more to do"),
    ],
)
def test_run_that_leaves_something_of_a_plan_ends_with_3_and_a_command(
    pushed: Operator, cloud: FakeCloud, verdict: str, decision: str | None, line: str
) -> None:
    plan = store_plan(cloud, SETS_TAGS)
    cloud.stepfunctions.upcoming = [([[]], ending(plan, verdict, decision=decision))]

    ran = pushed.types("apply", plan.sha256)

    assert ran.code == 3
    assert f"Plan        {plan.sha256[:12]} {line}\nNext: " in ran.out
    assert "the world is as desired" not in ran.out


def test_run_that_was_approved_and_left_nothing_ends_with_0(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, SETS_TAGS)
    cloud.stepfunctions.upcoming = [([[]], ending(plan, "nothing", decision="approved"))]

    ran = pushed.types("apply", plan.sha256)

    assert ran.code == 0
    assert f"Plan        {plan.sha256[:12]}, after an approval\n" in ran.out
