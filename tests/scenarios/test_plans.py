"""What is applied is what was planned; what takes protection away, or passes a limit, waits for people."""

import hashlib
import json
import threading
from typing import Any

import pytest

from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, Operator, Run

ADA, BEN, EVE = "ada@example.com", "ben@example.com", "eve@example.com"
NAMED = {"account": DESIGNATED, "region": HOME, "confirmed_as": f"{DESIGNATED}/{HOME}", "tags": {"owner": "security"}}
DAY = 86_400


def renamed(name: str) -> dict[str, Any]:
    """Return what a desired state says of the membership under another name."""
    return {"membership": {**NAMED, "name": name}}


def membership(operator: Operator, membership_id: str) -> dict[str, Any]:
    found: dict[str, Any] = operator.client("security-ir").get_membership(membershipId=membership_id)
    return found


def covered(operator: Operator, **over: Any) -> str:
    """Sign up by hand, over the entire organization, with everything as it is desired, and forget the calls."""
    membership_id = operator.sign_up_by_hand(entire=True)
    operator.push(**over)
    operator.cloud.world.clock.advance(300)
    operator.cloud.clear_calls()
    return membership_id


def planned(operator: Operator) -> str:
    """Plan without applying, and return the plan's name."""
    run = operator.onboard(applies=False)
    assert (run.status, run.output["verdict"]) == ("SUCCEEDED", "tell")
    return str(run.output["plan"])


class TestPlan:
    def test_plan_is_stored_under_its_digest_and_nothing_is_written(self, operator: Operator) -> None:
        covered(operator, **renamed("another name"))

        sha256 = planned(operator)

        text = operator.text(f"plans/{sha256}.json")
        assert hashlib.sha256(text.encode()).hexdigest() == sha256
        (remediation,) = json.loads(text)["remediations"]
        assert (remediation["kind"], remediation["before"], remediation["after"]) == (
            "set_name", "named small-org", "named another name",
        )  # fmt: skip
        assert operator.writes() == []

    def test_plan_edited_by_a_byte_is_refused(self, operator: Operator) -> None:
        covered(operator, **renamed("another name"))
        sha256 = planned(operator)
        key = f"plans/{sha256}.json"
        edited = operator.text(key).replace("another name", "another nam3")
        operator.client("s3").put_object(Bucket=operator.stack.state_bucket, Key=key, Body=edited.encode())

        run = operator.onboard(plan=sha256)

        assert run.error == "PlanUnusableError"
        assert "was changed after it was made" in str(run.cause)
        assert operator.writes() == []

    def test_plan_is_applied_once_and_the_second_time_there_is_nothing_to_do(self, operator: Operator) -> None:
        membership_id = covered(operator, **renamed("another name"))
        sha256 = planned(operator)

        first = operator.onboard(plan=sha256)
        second = operator.onboard(plan=sha256)

        assert (first.outcome, second.outcome) == ("Covered", "Covered")
        assert operator.writes() == ["UpdateMembership"]
        assert second.output["changes"] == []
        assert membership(operator, membership_id)["membershipName"] == "another name"

    def test_plan_does_not_fit_a_world_that_moved(self, operator: Operator) -> None:
        membership_id = covered(operator, **renamed("another name"))
        sha256 = planned(operator)
        operator.client("security-ir").update_membership(membershipId=membership_id, membershipName="by hand")
        operator.cloud.world.clock.advance(5)

        run = operator.onboard(plan=sha256)

        assert run.error == "WorldMovedError"
        assert "planned from 'named small-org'" in str(run.cause)
        assert "named by hand" in str(run.cause)
        assert operator.writes() == []

    def test_plan_for_another_desired_state_or_an_old_one_is_refused(self, operator: Operator) -> None:
        covered(operator, **renamed("another name"))
        sha256 = planned(operator)
        operator.cloud.world.clock.advance(8 * DAY)

        old = operator.onboard(plan=sha256)
        operator.push(**renamed("a third name"))
        other = operator.onboard(plan=sha256)

        assert (old.error, other.error) == ("PlanUnusableError", "PlanUnusableError")
        assert "older than" in str(old.cause)
        assert "another desired state" in str(other.cause)
        assert operator.writes() == []


class TestApproval:
    def test_planner_does_not_approve_and_somebody_else_does(self, operator: Operator) -> None:
        covered(operator, mode="propose", **renamed("another name"))
        arn = operator.start(person=ADA)
        asked = operator.finish(arn)

        own = operator.answer("approve", person=ADA)
        other = operator.answer("approve", person=BEN)
        run = operator.finish(arn)

        assert asked.outcome == "Asks"
        assert own.output["status"] == "refused"
        assert other.output["status"] == "approved"
        assert (run.outcome, run.output["decision"]) == ("Covered", "approved")
        assert operator.writes() == ["UpdateMembership"]
        (message,) = [each for each in operator.messages() if "approval" in each]
        assert "muster approve" in message
        request = operator.request
        assert request["state"] == "approved"
        assert [answer["by"].rpartition("/")[2] for answer in request["answers"]] == [BEN]
        assert BEN not in json.dumps(run.output)

    def test_two_approvals_are_two_people(self, operator: Operator) -> None:
        covered(operator, mode="propose", approvals=2, **renamed("another name"))
        arn = operator.start(person=ADA)
        operator.finish(arn)

        answers = [operator.answer("approve", person=person) for person in (BEN, BEN, EVE)]
        run = operator.finish(arn)

        assert [answer.output["status"] for answer in answers] == ["recorded (1 of 2)", "refused", "approved"]
        assert run.outcome == "Covered"

    def test_rejection_leaves_the_world_as_it_is(self, operator: Operator) -> None:
        covered(operator, mode="propose", **renamed("another name"))
        arn = operator.start(person=ADA)
        operator.finish(arn)

        operator.answer("reject", person=BEN, reason="not before the holidays")
        run = operator.finish(arn)

        assert (run.outcome, run.output["decision"]) == ("NeedsAttention", "rejected")
        assert operator.writes() == []
        assert operator.request["answers"][0]["reason"] == "not before the holidays"

    def test_silence_is_reminded_expires_and_is_too_late_to_answer(self, operator: Operator) -> None:
        covered(operator, mode="propose", **renamed("another name"))
        arn = operator.start(person=ADA)
        operator.finish(arn)

        pause = threading.Event()
        for _ in range(200):
            run = operator.finish(arn)
            if run.status != "RUNNING":
                break
            operator.cloud.world.clock.advance(DAY + 1)
            pause.wait(0.05)
        late = operator.answer("approve", person=BEN)

        assert run.output["decision"] == "expired"
        assert run.states.count("TellApprovers") == 3
        assert late.output["status"] == "refused"
        assert operator.writes() == []

    def test_answer_for_another_plan_is_refused_and_the_run_waits_on(self, operator: Operator) -> None:
        covered(operator, mode="propose", **renamed("another name"))
        arn = operator.start(person=ADA)
        operator.finish(arn)

        answer = operator.answer("approve", person=BEN, plan="f" * 64)

        assert answer.output["status"] == "refused"
        assert operator.finish(arn).outcome == "Asks"
        assert operator.writes() == []


class TestLimits:
    def test_plan_past_a_guardrail_asks_and_says_the_numbers(self, operator: Operator) -> None:
        operator.sign_up_by_hand()
        operator.push(guardrails={"max_accounts": 2, "max_share": 1.0, "max_units": 10}, scope={"units": ["Workloads"]})

        run = operator.onboard()

        assert run.outcome == "Asks"
        (message,) = [each for each in operator.messages() if "approval" in each]
        assert "guardrails.max_accounts: it changes the protection of 4 accounts, and the limit is 2" in message
        assert operator.writes() == []

    def test_while_it_is_frozen_only_coverage_is_added(self, operator: Operator) -> None:
        membership_id = operator.sign_up_by_hand(name="small-org")
        operator.push(scope={"units": ["Security"]}, **renamed("another name"))
        document = {"schema": 1, "until": "2099-01-01T00:00:00+00:00", "reason": "case 4711"}
        operator.client("s3").put_object(
            Bucket=operator.stack.state_bucket, Key="freeze.json", Body=json.dumps(document).encode()
        )
        operator.cloud.clear_calls()

        run = operator.onboard()

        found = membership(operator, membership_id)
        assert found["membershipName"] == "small-org"
        assert found["membershipAccountsConfigurations"]["organizationalUnits"] == [operator.unit_id("Security")]
        assert run.outcome == "NeedsAttention"
        assert any("case 4711" in notice["detail"] for notice in run.output["notices"])

    @pytest.mark.parametrize("state", ["CLOSED", "OPEN"])
    def test_change_window_lets_nothing_through_while_it_is_closed(self, operator: Operator, state: str) -> None:
        covered(operator, change_calendar="Changes", **renamed("another name"))
        operator.cloud.world.calendars["Changes"] = state

        run = operator.onboard()

        assert operator.writes() == (["UpdateMembership"] if state == "OPEN" else [])
        assert run.outcome == ("Covered" if state == "OPEN" else "NeedsAttention")


class TestNarrowing:
    def _approve(self, operator: Operator) -> Run:
        arn = operator.start(person=ADA)
        asked = operator.finish(arn)
        assert asked.outcome == "Asks", asked.cause
        assert operator.answer("approve", person=BEN).output["status"] == "approved"
        return operator.finish(arn)

    def test_units_are_added_and_seen_before_the_whole_organization_is_given_up(self, operator: Operator) -> None:
        membership_id = covered(operator, scope={"units": ["Workloads/Prod"]})

        run = self._approve(operator)

        updates = [
            call["parameters"]["membershipAccountsConfigurationsUpdate"]
            for call in operator.calls("UpdateMembership")
            if call["outcome"] == "ok"
        ]
        prod = operator.unit_id("Workloads", "Prod")
        assert updates == [{"organizationalUnitsToAdd": [prod]}, {"coverEntireOrganization": False}]
        (message,) = [each for each in operator.messages() if "approval" in each]
        assert "300000000006" in message
        assert "6 accounts" in message
        assert run.outcome == "Covered"
        configuration = membership(operator, membership_id)["membershipAccountsConfigurations"]
        assert configuration["coverEntireOrganization"] is False
        assert operator.coverage()["300000000006"] == "OutOfScope"
        assert operator.coverage()["300000000003"] == "Covered"

    def test_where_aws_refuses_that_order_the_gap_is_in_the_text_that_is_approved(self, operator: Operator) -> None:
        operator.cloud.world.switches.set("units_with_entire_organization", "ValidationException")
        covered(operator, scope={"units": ["Workloads/Prod"]})

        run = self._approve(operator)

        taken = [
            next(iter(call["parameters"]["membershipAccountsConfigurationsUpdate"]))
            for call in operator.calls("UpdateMembership")
            if call["outcome"] == "ok"
        ]
        assert taken == ["coverEntireOrganization", "organizationalUnitsToAdd"]
        (message,) = [each for each in operator.messages() if "approval" in each]
        assert "nobody below" in message
        assert run.outcome == "Covered"

    def test_units_are_added_though_the_function_died_right_after_the_clearing(self, operator: Operator) -> None:
        operator.cloud.world.switches.set("units_with_entire_organization", "ValidationException")
        membership_id = covered(operator, scope={"units": ["Workloads/Prod"]})
        arn = operator.start(person=ADA)
        operator.finish(arn)
        operator.cloud.set_faults(
            [{"service": "security-ir", "operation": "UpdateMembership", "kill_function": True, "times": 1}]
        )

        operator.answer("approve", person=BEN)
        run = operator.finish(arn)

        assert operator.cloud.faults.as_list()[0]["hits"] == 1
        assert run.outcome == "Covered", run.cause
        assert membership(operator, membership_id)["membershipAccountsConfigurations"] == {
            "coverEntireOrganization": False,
            "organizationalUnits": [operator.unit_id("Workloads", "Prod")],
        }

    def test_unit_that_nobody_asked_for_is_removed_when_people_approve(self, operator: Operator) -> None:
        membership_id = operator.sign_up_by_hand()
        workloads, security = operator.unit_id("Workloads"), operator.unit_id("Security")
        operator.client("security-ir").update_membership(
            membershipId=membership_id,
            membershipAccountsConfigurationsUpdate={"organizationalUnitsToAdd": [workloads, security]},
        )
        operator.push(scope={"units": ["Security"]})
        operator.cloud.world.clock.advance(300)
        operator.cloud.clear_calls()

        run = self._approve(operator)

        assert operator.writes() == ["UpdateMembership"]
        assert run.outcome == "Covered"
        assert operator.coverage()["300000000003"] == "OutOfScope"

    def test_account_that_moved_after_people_approved_stops_the_run(self, operator: Operator) -> None:
        covered(operator, scope={"units": ["Workloads/Prod"]})
        arn = operator.start(person=ADA)
        operator.finish(arn)
        organizations = operator.client("organizations", MANAGEMENT)
        organizations.move_account(
            AccountId="300000000003",
            SourceParentId=operator.unit_id("Workloads", "Prod"),
            DestinationParentId=operator.unit_id("Sandbox"),
        )
        operator.answer("approve", person=BEN)

        run = operator.finish(arn)

        assert run.error == "WorldMovedError"
        assert "CoverEntireOrganization" not in json.dumps(operator.writes())
        assert all(
            "coverEntireOrganization" not in call["parameters"]["membershipAccountsConfigurationsUpdate"]
            for call in operator.calls("UpdateMembership")
        )
