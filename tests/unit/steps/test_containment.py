"""Containment brings the two roles to every account by one StackSet, one write a pass, and takes none away."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from muster.domain import kept_instances
from muster.domain.containment import DeploymentState
from muster.domain.containment_roles import CONTAINMENT_ROLE, ROLES, RoleDocument
from muster.domain.desired import ContainmentRoles, DesiredState, ExistingRoles, Mode
from muster.domain.observed import Unknown
from muster.domain.outcomes import ContainmentOutcome, HandoffTo
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step
from muster.domain.stack_sets import DETECT_DRIFT, Accounts, StackInstance, instances_by_account, operation_id
from muster.errors import (
    AlreadyThereError,
    DeniedError,
    ImplausibleInventoryError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    WorldMovedError,
)
from muster.steps import role_readings
from muster.steps.gate import Gate, Looking
from tests.fakes.containment import contain, contain_until_done, containing
from tests.fakes.gates import grant
from tests.fakes.stack_sets import OURS, TEMPLATE, FakeStackSets
from tests.fakes.steps import desired_state
from tests.fakes.world import MANAGEMENT, ROOT, SECURITY, example_world

CREATE, DEPLOY = "cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"
UPDATE, AGAIN = "cloudformation:UpdateStackSet", "cloudformation:UpdateStackInstances"
ACTIVATE = "cloudformation:ActivateOrganizationsAccess"
SANDBOX, PROD, SHOP = "ou-ex01-sandbox0", "ou-ex01-wlprod00", "300000000000"
MEMBERS = [SECURITY, SHOP, "300000000001", "300000000002", "400000000000", "500000000000", "600000000000"]
OLD = "ssm:*:*:automation-definition/AWSSupport-ContainEC2Instance:$DEFAULT"
WRITES = {CREATE, DEPLOY, UPDATE, AGAIN, ACTIVATE}


@pytest.fixture
def stack_sets() -> FakeStackSets:
    return FakeStackSets(example_world())


def instance(account_id: str, **over: Any) -> StackInstance:
    return replace(StackInstance(account_id, OURS.region, "CURRENT", "SUCCEEDED", ""), **over)


def deployed(stack_sets: FakeStackSets, **over: Any) -> FakeStackSets:
    """Let everything be as it is asked for."""
    stack_sets.put(**{"instances": tuple(map(instance, MEMBERS)), **over})
    return stack_sets


def writes(stack_sets: FakeStackSets) -> list[str]:
    return [call.operation for call in stack_sets.world.calls if call.operation in WRITES]


def deployments(stack_sets: FakeStackSets) -> list[Any]:
    return [call.detail for call in stack_sets.world.calls if call.operation in (DEPLOY, AGAIN)]


def rows(stack_sets: FakeStackSets) -> dict[str, tuple[str, str]]:
    document = stack_sets.world.read_document("containment/latest.json")
    return {each["id"]: (each["state"], each["reason"]) for each in document["accounts"]}


def states(stack_sets: FakeStackSets) -> dict[str, str]:
    return {account_id: state for account_id, (state, _) in rows(stack_sets).items()}


def counted(outcome: ContainmentOutcome) -> dict[str, int]:
    return {state: number for state, number in outcome.counts.items() if number}


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


def verifying(**over: Any) -> DesiredState:
    return containing(**{"roles": ContainmentRoles.VERIFY, **over})


class TestOff:
    def test_nothing_is_read_and_nothing_is_said(self, stack_sets: FakeStackSets) -> None:
        assert contain(stack_sets, containing(roles=ContainmentRoles.OFF)) == ContainmentOutcome()
        assert [call.operation for call in stack_sets.world.calls] == ["s3:PutObject"]


class TestInventory:
    def test_assessment_that_is_gone_stops_the_run(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.accounts.pop(MANAGEMENT)
        with pytest.raises(ImplausibleInventoryError, match="lacks the management account"):
            contain(stack_sets)

    def test_without_any_path_nothing_is_deployed(self, stack_sets: FakeStackSets) -> None:
        for account_id, account in stack_sets.world.accounts.items():
            stack_sets.world.accounts[account_id] = replace(account, ancestors=None)
        outcome = contain(stack_sets)
        assert outcome.notices[0].subject == "the containment roles were not deployed"
        assert writes(stack_sets) == []

    def test_suspended_accounts_are_apart(self, stack_sets: FakeStackSets) -> None:
        contain_until_done(stack_sets)
        document = stack_sets.world.read_document("runs/run-1/containment.json")
        assert [each["id"] for each in document["inactive"]] == ["700000000000"]
        assert "700000000000" not in states(stack_sets)


class TestVerify:
    def test_absent_stack_set_is_handed_over_with_every_command_in_order(self, stack_sets: FakeStackSets) -> None:
        stack_sets.access = False
        (handoff,) = contain(stack_sets, verifying()).handoffs
        assert handoff.to is HandoffTo.MANAGEMENT_TEAM
        assert handoff.command == (
            "aws cloudformation activate-organizations-access --region us-east-1\n"
            "aws cloudformation create-stack-set --stack-set-name SIR-Containment-Roles"
            " --template-body file://stacks/containment-roles.yaml --permission-model SERVICE_MANAGED"
            " --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false --capabilities CAPABILITY_NAMED_IAM"
            " --parameters ParameterKey=Ec2Triage,ParameterValue=false --region us-east-1\n"
            "aws cloudformation create-stack-instances --stack-set-name SIR-Containment-Roles"
            " --deployment-targets OrganizationalUnitIds=r-ex01 --regions us-east-1 --operation-preferences"
            " FailureTolerancePercentage=100,MaxConcurrentPercentage=100,ConcurrencyMode=SOFT_FAILURE_TOLERANCE"
            " --region us-east-1"
        )
        assert writes(stack_sets) == []

    def test_without_a_stack_set_every_member_lacks_the_roles(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(stack_sets, verifying())
        assert counted(outcome) == {"Missing": 7, "AbsentByChoice": 1}
        assert rows(stack_sets)[SHOP] == ("Missing", "there is no StackSet SIR-Containment-Roles in us-east-1")

    def test_stack_set_that_is_there_is_verified(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(deployed(stack_sets), verifying())
        assert (counted(outcome), outcome.handoffs) == ({"Deployed": 7, "AbsentByChoice": 1}, ())
        assert outcome.document_key == "runs/run-1/containment.json"
        assert writes(stack_sets) == []

    def test_what_differs_is_told_and_left(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, auto_deployment=False)
        stack_sets.access = False
        outcome = contain(stack_sets, verifying(ec2_triage=True))
        subjects = [notice.subject for notice in outcome.notices]
        assert (
            "to do about the containment roles: switch on automatic deployment and EC2 triage of StackSet "
            "SIR-Containment-Roles"
        ) in subjects
        assert (outcome.handoffs, writes(stack_sets)) == ((), [])

    def test_old_generation_is_outdated_and_needs_no_handoff(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(deployed(stack_sets, template=OLD, parameters=()), verifying())
        assert (counted(outcome), outcome.handoffs) == ({"Outdated": 7, "AbsentByChoice": 1}, ())
        assert "update-stack-set" in outcome.notices[0].detail

    def test_stack_set_of_single_accounts_is_told(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(deployed(stack_sets, permission_model="SELF_MANAGED"), verifying())
        assert outcome.notices[0].subject == "name another StackSet than SIR-Containment-Roles"
        assert outcome.handoffs == ()

    def test_operation_of_somebody_else_is_waited_for(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.start("theirs")
        assert contain(stack_sets, verifying()).waiting_for == "operation theirs (UPDATE) of SIR-Containment-Roles"
        stack_sets.finish()
        assert contain(stack_sets, verifying()).waiting_for is None


class TestManaged:
    def test_everything_is_made_one_write_a_pass(self, stack_sets: FakeStackSets) -> None:
        stack_sets.access = False
        outcomes = contain_until_done(stack_sets)
        assert writes(stack_sets) == [ACTIVATE, CREATE, DEPLOY]
        assert [[change.detail for change in outcome.changes] for outcome in outcomes] == [
            ["activate trusted access of CloudFormation StackSets"],
            ["create StackSet SIR-Containment-Roles in us-east-1"],
            ["deploy the containment roles to every account below r-ex01"],
            [],
        ]
        assert counted(outcomes[-1]) == {"Deployed": 7, "AbsentByChoice": 1}
        assert outcomes[-1].handoffs == ()

    def test_unchanged_world_sees_no_write(self, stack_sets: FakeStackSets) -> None:
        contain_until_done(stack_sets)
        stack_sets.world.calls.clear()
        contain_until_done(stack_sets, run="run-2")
        assert writes(stack_sets) == []

    def test_operation_that_is_going_on_is_waited_for_without_reading_more(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.start("theirs")
        assert contain(stack_sets).waiting_for == "operation theirs (UPDATE) of SIR-Containment-Roles"
        assert stack_sets.world.count("cloudformation:ListStackInstances") == 0

    def test_last_attempt_judges_what_is_there_and_says_what_it_waits_for(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, instances=(instance(SHOP),))
        stack_sets.start("theirs")
        outcome = contain(stack_sets, last_attempt=True)
        assert outcome.waiting_for == "operation theirs (UPDATE) of SIR-Containment-Roles"
        assert counted(outcome) == {"Deployed": 1, "Pending": 6, "AbsentByChoice": 1}

    def test_last_attempt_starts_nothing_that_nobody_would_wait_for(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(stack_sets, last_attempt=True)
        assert outcome.waiting_for == "another run, to create StackSet SIR-Containment-Roles in us-east-1"
        assert (counted(outcome), writes(stack_sets)) == ({"Pending": 7, "AbsentByChoice": 1}, [])

    def test_next_run_takes_up_what_an_earlier_one_has_left(self, stack_sets: FakeStackSets) -> None:
        contain(stack_sets, run="run-1")
        contain(stack_sets, run="run-1")
        stack_sets.finish()
        contain_until_done(stack_sets, run="run-2")
        assert writes(stack_sets) == [CREATE, DEPLOY]

    def test_instance_that_is_on_its_way_is_waited_for(self, stack_sets: FakeStackSets) -> None:
        running = tuple(instance(each, status="OUTDATED", detailed="RUNNING") for each in MEMBERS)
        deployed(stack_sets, instances=running)
        stack_sets.start(operation_id("run-1", "again"))
        stack_sets.operations_of[OURS.name][-1] = replace(stack_sets.operations_of[OURS.name][-1], status="SUCCEEDED")
        assert contain(stack_sets).waiting_for == "7 instances of StackSet SIR-Containment-Roles"

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("operation", [CREATE, DEPLOY])
    def test_lost_answer_makes_nothing_twice(self, stack_sets: FakeStackSets, operation: str, *, after: bool) -> None:
        stack_sets.world.fail(operation, lambda op, _: UnavailableError(op), times=1, after=after)
        for _ in range(6):
            try:
                contain_until_done(stack_sets)
            except UnavailableError:
                stack_sets.finish()
        operations = stack_sets.operations_of[OURS.name]
        assert [each.id for each in operations if each.action != DETECT_DRIFT] == [operation_id("run-1", "instances")]
        assert stack_sets.world.count(operation) == (1 if after else 2)

    def test_operation_that_is_ours_already_is_looked_at_again(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail(CREATE, lambda op, account: AlreadyThereError(op, account, "the name exists"), times=1)
        outcome = contain(stack_sets)
        assert (outcome.changes, outcome.handoffs) == ((), ())
        assert outcome.waiting_for == "cloudformation:CreateStackSet in account 111111111111: the name exists"

    def test_access_that_is_too_low_hands_over_all_that_is_left(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail(CREATE, denied)
        (handoff,) = contain(stack_sets).handoffs
        assert handoff.to is HandoffTo.MANAGEMENT_TEAM
        assert [line.split()[2] for line in handoff.command.splitlines()] == [
            "create-stack-set",
            "create-stack-instances",
        ]
        assert handoff.why == "cloudformation:CreateStackSet in account 111111111111: not allowed"

    def test_refusal_is_handed_over_with_its_words(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail(DEPLOY, lambda op, account: RefusedError(op, account, "ValidationError (too many)"))
        contain(stack_sets)
        (handoff,) = contain(stack_sets).handoffs
        assert "ValidationError (too many)" in handoff.why

    def test_what_is_not_automatic_is_left_to_the_plan_without_a_handoff(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(stack_sets, containing(desired_state(mode=Mode.PROPOSE)))
        assert (outcome.handoffs, outcome.waiting_for, writes(stack_sets)) == ((), None, [])
        assert counted(outcome) == {"Missing": 7, "AbsentByChoice": 1}

    def test_access_alone_is_of_use_to_nobody(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.access = False
        contain_until_done(stack_sets)
        assert writes(stack_sets) == []

    def test_new_account_that_automatic_deployment_missed_is_deployed_to_alone(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.world.add_account("800000000000", SANDBOX)
        contain_until_done(stack_sets)
        assert deployments(stack_sets) == [(ROOT, Accounts(("800000000000",)))]

    def test_failed_instance_is_tried_once_more_in_each_run(self, stack_sets: FakeStackSets) -> None:
        stack_sets.failing[SHOP] = "ResourceLimitExceeded: too many roles"
        outcomes = contain_until_done(stack_sets)
        assert deployments(stack_sets) == [(ROOT, Accounts()), (ROOT, Accounts((SHOP,)))]
        assert counted(outcomes[-1]) == {"Deployed": 6, "Failed": 1, "AbsentByChoice": 1}
        assert rows(stack_sets)[SHOP] == ("Failed", "ResourceLimitExceeded: too many roles")

    def test_failed_instance_that_succeeds_is_deployed(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.instances_of[OURS.name][SHOP] = instance(SHOP, status="OUTDATED", detailed="FAILED", reason="odd")
        outcomes = contain_until_done(stack_sets)
        assert [change.detail for change in outcomes[0].changes] == [
            "deploy the containment roles again to 1 account where it failed"
        ]
        assert counted(outcomes[-1]) == {"Deployed": 7, "AbsentByChoice": 1}

    def test_more_accounts_than_can_be_named_are_all_below_the_target(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        for number in range(501):
            stack_sets.world.add_account(f"{900_000_000_000 + number}", SANDBOX)
            stack_sets.failing[f"{900_000_000_000 + number}"] = "odd"
        outcomes = contain_until_done(stack_sets)
        assert deployments(stack_sets) == [(ROOT, Accounts()), (ROOT, Accounts())]
        assert "deploy the containment roles again to all the accounts where it failed" in [
            change.detail for outcome in outcomes for change in outcome.changes
        ]

    def test_whoever_may_not_deploy_hands_over_the_accounts_by_id(self, stack_sets: FakeStackSets) -> None:
        stack_sets.failing[SHOP] = "odd"
        stack_sets.world.fail(AGAIN, denied)
        (handoff,) = contain_until_done(stack_sets)[-1].handoffs
        assert f"OrganizationalUnitIds=r-ex01,Accounts={SHOP},AccountFilterType=INTERSECTION" in handoff.command

    def test_closed_region_names_the_key_to_change(self, stack_sets: FakeStackSets) -> None:
        for member in MEMBERS:
            stack_sets.failing[member] = "AccessDenied: with an explicit deny in a service control policy"
        outcomes = contain_until_done(stack_sets)
        assert all("containment.stack_set.region" in rows(stack_sets)[member][1] for member in MEMBERS)
        assert [notice.subject for notice in outcomes[-1].notices][-1] == "a policy closes us-east-1 to StackSets"


def look(stack_sets: FakeStackSets, desired: DesiredState | None = None, **over: Any) -> list[Remediation]:
    gate = Looking()
    contain(stack_sets, desired, gate=gate, **over)
    return gate.proposed


def run_through(stack_sets: FakeStackSets, desired: DesiredState, gate: Gate) -> list[ContainmentOutcome]:
    """Run passes with one gate, as the machine does, until nothing is waited for."""
    outcomes = [contain(stack_sets, desired, gate=gate)]
    while outcomes[-1].waiting_for:
        stack_sets.finish()
        outcomes.append(contain(stack_sets, desired, gate=gate))
    return outcomes


def locked(stack_sets: FakeStackSets) -> FakeStackSets:
    stack_sets.access = False
    return stack_sets


def with_gap(stack_sets: FakeStackSets) -> FakeStackSets:
    return deployed(stack_sets, auto_deployment=False, instances=tuple(map(instance, MEMBERS[1:])))


def with_failure(stack_sets: FakeStackSets) -> FakeStackSets:
    deployed(stack_sets)
    stack_sets.instances_of[OURS.name][SHOP] = instance(SHOP, status="OUTDATED", detailed="FAILED", reason="odd")
    return stack_sets


class TestLook:
    """What a look proposes is what is written when all of it is granted, and then there is nothing to propose."""

    @pytest.mark.parametrize(
        ("arrange", "desired", "proposed", "made"),
        [
            pytest.param(
                locked,
                containing(),
                ["access", "stack-set", "instances"],
                [ACTIVATE, CREATE, DEPLOY],
                id="from nothing",
            ),
            pytest.param(
                lambda found: found,
                containing(canary_unit=SANDBOX),
                ["stack-set", "instances"],
                [CREATE, DEPLOY],
                id="a canary unit",
            ),
            pytest.param(
                with_gap, containing(ec2_triage=True), ["update", "missing"], [UPDATE, DEPLOY], id="switches and a gap"
            ),
            pytest.param(with_failure, containing(), ["again"], [AGAIN], id="a failure"),
            pytest.param(deployed, containing(), [], [], id="all is as it is asked for"),
            pytest.param(
                deployed, containing(canary_unit=SANDBOX), [], [], id="more than is asked for is not taken away"
            ),
        ],
    )
    def test_what_is_proposed_is_written_in_that_order_and_not_proposed_again(
        self,
        stack_sets: FakeStackSets,
        arrange: Callable[[FakeStackSets], FakeStackSets],
        desired: DesiredState,
        proposed: list[str],
        made: list[str],
    ) -> None:
        arrange(stack_sets)

        found = look(stack_sets, desired)
        where = "of StackSet SIR-Containment-Roles in us-east-1"
        assert [each.resource for each in found] == [f"{purpose} {where}" for purpose in proposed]
        assert [each.place for each in found] == sorted(each.place for each in found)
        assert {(each.step, each.kind) for each in found} <= {
            (Step.CONTAINMENT, RemediationKind.DEPLOY_CONTAINMENT_ROLE)
        }
        assert writes(stack_sets) == []

        gate = grant(Step.CONTAINMENT, found)
        outcomes = run_through(stack_sets, desired, gate)
        assert writes(stack_sets) == made
        assert (set(gate.made), gate.left) == ({each.id for each in found}, {})
        assert [change.detail for outcome in outcomes for change in outcome.changes] == [each.what for each in found]
        assert look(stack_sets, desired) == look(stack_sets, desired, run="run-2") == []

    def test_look_judges_what_is_there_and_waits_for_nothing(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(stack_sets, gate=Looking())
        assert (outcome.waiting_for, outcome.changes, outcome.handoffs) == (None, (), ())
        assert counted(outcome) == {"Missing": 7, "AbsentByChoice": 1}

    def test_look_waits_for_an_operation_of_somebody_else_before_it_proposes_anything(
        self, stack_sets: FakeStackSets
    ) -> None:
        with_failure(stack_sets)
        stack_sets.start("theirs")
        gate = Looking()
        outcome = contain(stack_sets, gate=gate)
        assert (outcome.waiting_for, gate.proposed) == ("operation theirs (UPDATE) of SIR-Containment-Roles", [])
        assert look(stack_sets, last_attempt=True) == []
        stack_sets.finish()
        assert len(look(stack_sets)) == 1

    def test_last_attempt_of_a_look_proposes_and_says_nothing_of_another_run(self, stack_sets: FakeStackSets) -> None:
        gate = Looking()
        outcome = contain(stack_sets, gate=gate, last_attempt=True)
        assert (len(gate.proposed), outcome.waiting_for) == (2, None)
        assert counted(outcome) == {"Missing": 7, "AbsentByChoice": 1}

    def test_last_attempt_of_a_grant_starts_nothing_that_nobody_would_wait_for(self, stack_sets: FakeStackSets) -> None:
        gate = grant(Step.CONTAINMENT, look(stack_sets))
        outcome = contain(stack_sets, gate=gate, last_attempt=True)
        assert outcome.waiting_for == "another run, to create StackSet SIR-Containment-Roles in us-east-1"
        assert writes(stack_sets) == []

    @pytest.mark.parametrize(("kept", "made"), [("update", [UPDATE]), ("missing", [DEPLOY])])
    def test_part_that_is_granted_is_written_alone(self, stack_sets: FakeStackSets, kept: str, made: list[str]) -> None:
        wanted = containing(ec2_triage=True)
        found = look(with_gap(stack_sets), wanted)
        gate = grant(Step.CONTAINMENT, [each for each in found if each.resource.startswith(kept)])

        outcomes = run_through(stack_sets, wanted, gate)

        assert (writes(stack_sets), outcomes[-1].handoffs) == (made, ())
        assert [each.id for each in look(stack_sets, wanted)] == [
            each.id for each in found if not each.resource.startswith(kept)
        ]

    def test_whoever_may_not_write_hands_over_only_what_was_granted(self, stack_sets: FakeStackSets) -> None:
        found = look(stack_sets)
        stack_sets.world.fail(CREATE, denied)
        (handoff,) = contain(stack_sets, gate=grant(Step.CONTAINMENT, found[:1])).handoffs
        assert handoff.what == "create StackSet SIR-Containment-Roles in us-east-1"

    def test_other_accounts_than_were_planned_stop_before_the_write(self, stack_sets: FakeStackSets) -> None:
        found = look(with_gap(stack_sets))
        stack_sets.world.add_account("800000000000", SANDBOX)
        with pytest.raises(WorldMovedError, match=r"no instance in 1 account .*found 'no instance in 2 accounts"):
            contain(stack_sets, gate=grant(Step.CONTAINMENT, found))
        assert writes(stack_sets) == []

    def test_roles_made_by_hand_since_the_plan_of_another_run_stop_before_the_write(
        self, stack_sets: FakeStackSets
    ) -> None:
        adopting = containing(existing=ExistingRoles.ADOPT)
        found = look(stack_sets, adopting)
        stack_sets.made_by_hand[SHOP] = ROLES
        with pytest.raises(WorldMovedError, match="but 1 account"):
            contain(stack_sets, adopting, gate=grant(Step.CONTAINMENT, found[1:]), run="run-2")
        assert writes(stack_sets) == []

    def test_switch_that_somebody_turned_meanwhile_stops_before_the_write(self, stack_sets: FakeStackSets) -> None:
        wanted = containing(ec2_triage=True)
        found = look(deployed(stack_sets, auto_deployment=False), wanted)
        stack_sets.sets[OURS.name] = replace(stack_sets.sets[OURS.name], auto_deployment=True)
        with pytest.raises(WorldMovedError, match="found 'automatic deployment True, EC2 triage False'"):
            contain(stack_sets, wanted, gate=grant(Step.CONTAINMENT, found))
        assert writes(stack_sets) == []

    def test_failure_of_a_deployment_is_proposed_by_the_next_look_and_tried_once_a_run(
        self, stack_sets: FakeStackSets
    ) -> None:
        stack_sets.failing[SHOP] = "odd"
        run_through(stack_sets, containing(), grant(Step.CONTAINMENT, look(stack_sets)))

        (again,) = look(stack_sets)
        assert (again.what, again.concern) == (
            "deploy the containment roles again to 1 account where it failed", Concern(only=(SHOP,), below=(ROOT,))
        )  # fmt: skip
        run_through(stack_sets, containing(), grant(Step.CONTAINMENT, [again]))

        assert writes(stack_sets) == [CREATE, DEPLOY, AGAIN]
        assert (look(stack_sets), [each.id for each in look(stack_sets, run="run-2")]) == ([], [again.id])

    def test_deployment_that_other_accounts_are_left_out_of_says_how_many(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[SHOP] = ROLES
        deploy = look(stack_sets, containing(existing=ExistingRoles.ADOPT))[-1]
        assert "all below r-ex01, but 1 account (" in deploy.before
        assert SHOP not in deploy.before + deploy.after

    def test_what_is_left_to_people_is_told_by_a_look_and_not_proposed(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, parameters=(("Ec2Triage", "true"),))
        gate = Looking()
        (handoff,) = contain(stack_sets, gate=gate).handoffs
        assert (handoff.what, gate.proposed) == ("switch off EC2 triage of StackSet SIR-Containment-Roles", [])

    def test_verifying_proposes_nothing(self, stack_sets: FakeStackSets) -> None:
        assert look(with_gap(stack_sets), verifying()) == []

    def test_what_could_not_be_read_is_not_proposed_to_be_changed(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail("cloudformation:DescribeStackSet", denied)
        assert look(stack_sets) == []


class TestSwitches:
    def test_automatic_deployment_is_switched_on(self, stack_sets: FakeStackSets) -> None:
        contain_until_done(deployed(stack_sets, auto_deployment=False))
        assert (writes(stack_sets), stack_sets.sets[OURS.name].auto_deployment) == ([UPDATE], True)

    def test_ec2_triage_is_switched_on(self, stack_sets: FakeStackSets) -> None:
        contain_until_done(deployed(stack_sets), containing(ec2_triage=True))
        assert (writes(stack_sets), stack_sets.sets[OURS.name].has_ec2_triage) == ([UPDATE], True)

    def test_ec2_triage_is_not_switched_off_by_a_run(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, parameters=(("Ec2Triage", "true"),))
        (handoff,) = contain(stack_sets).handoffs
        assert (handoff.what, writes(stack_sets)) == ("switch off EC2 triage of StackSet SIR-Containment-Roles", [])
        assert "ParameterKey=Ec2Triage,ParameterValue=false" in handoff.command

    def test_whoever_may_not_switch_hands_the_switches_over(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail(UPDATE, denied)
        (handoff,) = contain(deployed(stack_sets, auto_deployment=False), containing(ec2_triage=True)).handoffs
        assert "--use-previous-template --auto-deployment Enabled=true" in handoff.command
        assert "ParameterKey=Ec2Triage,ParameterValue=true" in handoff.command

    @pytest.mark.parametrize("template", [TEMPLATE, '{"Parameters": {\n  "Ec2Triage": {}}}'])
    def test_parameter_that_nobody_gave_a_value_is_off(self, stack_sets: FakeStackSets, template: str) -> None:
        template += "AWSSecurityIncidentResponseInvestigationPolicy"
        deployed(stack_sets, parameters=(), template=template)
        assert not stack_sets.sets[OURS.name].has_ec2_triage
        contain_until_done(stack_sets, containing(ec2_triage=True, existing=ExistingRoles.ADOPT))
        assert stack_sets.sets[OURS.name].has_ec2_triage

    def test_template_of_aws_with_ec2_triage_has_it_without_a_parameter(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, parameters=(), template="AWSSecurityIncidentResponseInvestigationPolicy")
        assert stack_sets.sets[OURS.name].has_ec2_triage

    def test_stack_set_without_the_parameter_keeps_its_parameters(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, parameters=(), template="another", auto_deployment=False)
        contain_until_done(stack_sets, containing(ec2_triage=True, existing=ExistingRoles.ADOPT))
        assert [call.detail for call in stack_sets.world.calls if call.operation == UPDATE] == [(True, None)]

    @pytest.mark.parametrize(
        ("template", "existing", "handed"),
        [
            (OLD, ExistingRoles.STOP, True),
            (OLD, ExistingRoles.ADOPT, True),
            ("another", ExistingRoles.STOP, True),
            ("another", ExistingRoles.ADOPT, False),
        ],
    )
    def test_template_is_never_replaced_by_a_run(
        self, stack_sets: FakeStackSets, template: str, existing: ExistingRoles, *, handed: bool
    ) -> None:
        deployed(stack_sets, template=template)
        outcome = contain(stack_sets, containing(existing=existing))
        assert [handoff.what for handoff in outcome.handoffs] == (
            ["replace the template of StackSet SIR-Containment-Roles"] if handed else []
        )
        assert writes(stack_sets) == []

    def test_stack_set_with_a_foreign_template_is_deployed_further_only_when_it_is_adopted(
        self, stack_sets: FakeStackSets
    ) -> None:
        deployed(stack_sets, template="another")
        stack_sets.instances_of[OURS.name].pop(SHOP)
        contain_until_done(stack_sets, containing(existing=ExistingRoles.STOP))
        assert writes(stack_sets) == []
        contain_until_done(stack_sets, containing(existing=ExistingRoles.ADOPT))
        assert writes(stack_sets) == [DEPLOY]

    def test_line_ends_and_trailing_blanks_are_no_difference(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, template=TEMPLATE.replace("\n", "  \r\n") + "\n")
        assert contain(stack_sets).handoffs == ()

    def test_stack_set_of_single_accounts_is_handed_over(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, permission_model="SELF_MANAGED")
        (handoff,) = contain(stack_sets).handoffs
        assert (handoff.what, writes(stack_sets)) == ("name another StackSet than SIR-Containment-Roles", [])


class TestCanary:
    def test_canary_unit_is_first_and_the_root_follows(self, stack_sets: FakeStackSets) -> None:
        outcomes = contain_until_done(stack_sets, containing(canary_unit=SANDBOX))
        assert deployments(stack_sets) == [(SANDBOX, Accounts())]
        assert counted(outcomes[-1]) == {"Deployed": 1, "AbsentByChoice": 7}
        outcomes = contain_until_done(stack_sets, run="run-2")
        assert deployments(stack_sets)[1:] == [(ROOT, Accounts())]
        assert counted(outcomes[-1]) == {"Deployed": 7, "AbsentByChoice": 1}

    def test_targets_are_never_narrowed(self, stack_sets: FakeStackSets) -> None:
        outcome = contain(deployed(stack_sets), containing(canary_unit=SANDBOX))
        assert writes(stack_sets) == []
        assert "the containment roles are deployed to more than the canary unit" in [
            notice.subject for notice in outcome.notices
        ]

    def test_account_without_a_path_may_be_below_it_or_not(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.accounts[SHOP] = replace(stack_sets.world.accounts[SHOP], ancestors=None)
        contain_until_done(stack_sets, containing(canary_unit=SANDBOX))
        assert states(stack_sets)[SHOP] == "Unknown"

    def test_unread_accounts_below_it_are_tried(self, stack_sets: FakeStackSets) -> None:
        stack_sets.reaches_members = False
        outcomes = contain_until_done(stack_sets, containing(canary_unit=SANDBOX))
        assert (writes(stack_sets), outcomes[-1].handoffs) == ([CREATE, DEPLOY], ())


class TestRolesMadeByHand:
    def test_they_stop_the_deployment_before_it_begins(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[SHOP] = frozenset({CONTAINMENT_ROLE})
        outcome = contain(stack_sets)
        (handoff,) = outcome.handoffs
        assert (handoff.what, handoff.accounts) == (
            "decide about the containment roles that were made by hand in 1 account",
            (SHOP,),
        )
        assert writes(stack_sets) == []
        assert rows(stack_sets)[SHOP] == ("Missing", "its roles were made by hand, and containment.existing is stop")

    def test_they_are_left_out_when_they_are_adopted(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[SHOP] = ROLES
        adopting = containing(existing=ExistingRoles.ADOPT)
        outcomes = contain_until_done(stack_sets, adopting)
        assert deployments(stack_sets) == [(ROOT, Accounts(leave_out=(SHOP,)))]
        assert counted(outcomes[-1]) == {"Deployed": 6, "Adopted": 1, "AbsentByChoice": 1}
        stack_sets.world.calls.clear()
        assert counted(contain_until_done(stack_sets, adopting, run="run-2")[-1]) == counted(outcomes[-1])
        assert writes(stack_sets) == []

    def test_command_of_a_person_leaves_them_out_too(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[SHOP] = ROLES
        stack_sets.world.fail(CREATE, denied)
        (handoff,) = contain(stack_sets, containing(existing=ExistingRoles.ADOPT)).handoffs
        assert f"OrganizationalUnitIds=r-ex01,Accounts={SHOP},AccountFilterType=DIFFERENCE" in handoff.command

    def test_account_that_cannot_be_looked_into_stops_the_deployment(self, stack_sets: FakeStackSets) -> None:
        stack_sets.unreadable.add(SHOP)
        (handoff,) = contain(stack_sets).handoffs
        assert "stacks/member-account.yaml" in handoff.command
        assert "in 1 account they could not be looked for" in handoff.why
        assert writes(stack_sets) == []

    def test_without_a_reader_nobody_is_asked_and_nothing_is_deployed(self, stack_sets: FakeStackSets) -> None:
        stack_sets.reaches_members = False
        (handoff,) = contain(stack_sets).handoffs
        assert "no reader role is deployed in the member accounts" in handoff.why
        assert writes(stack_sets) == []

    def test_many_accounts_are_looked_into_in_several_passes_and_each_once(
        self, stack_sets: FakeStackSets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(role_readings, "MAX_ROLE_READS", 200)
        for number in range(450):
            stack_sets.world.add_account(f"{900_000_000_000 + number}", SANDBOX)
        outcomes = contain_until_done(stack_sets, verifying())
        assert [outcome.more for outcome in outcomes] == [True, True, False]
        assert stack_sets.world.count("iam:GetRole") == 457 + 1

    def test_they_do_not_keep_switches_from_being_turned_on(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[SHOP] = ROLES
        deployed(stack_sets, auto_deployment=False, instances=tuple(instance(each) for each in MEMBERS if each != SHOP))
        outcomes = contain_until_done(stack_sets)
        assert writes(stack_sets) == [UPDATE]
        assert [handoff.accounts for handoff in outcomes[-1].handoffs] == [(SHOP,)]


class TestOtherStackSets:
    @pytest.mark.parametrize("existing", ExistingRoles)
    @pytest.mark.parametrize("roles", [ContainmentRoles.VERIFY, ContainmentRoles.MANAGED])
    def test_known_one_of_another_name_stops_the_deployment(
        self, stack_sets: FakeStackSets, existing: ExistingRoles, roles: ContainmentRoles
    ) -> None:
        stack_sets.put("SecurityIRContainmentRoles", template=OLD)
        stack_sets.put("Something-Else")
        (handoff,) = contain(stack_sets, containing(existing=existing, roles=roles)).handoffs
        assert handoff.what == (
            "decide about StackSet SecurityIRContainmentRoles in us-east-1, which also deploys the containment roles"
        )
        assert "containment.stack_set.name: SecurityIRContainmentRoles" in handoff.command
        assert ("delete it yourself" in handoff.command) == (existing is ExistingRoles.STOP)
        assert writes(stack_sets) == []


class TestManagementAccount:
    @pytest.mark.parametrize(
        ("found", "state"),
        [
            (ROLES, DeploymentState.DEPLOYED),
            (frozenset({CONTAINMENT_ROLE}), DeploymentState.MISSING),
            (frozenset(), DeploymentState.ABSENT_BY_CHOICE),
        ],
    )
    def test_its_copy_is_what_people_deployed(
        self, stack_sets: FakeStackSets, found: frozenset[str], state: DeploymentState
    ) -> None:
        stack_sets.made_by_hand[MANAGEMENT] = found
        outcome = contain(deployed(stack_sets))
        assert states(stack_sets)[MANAGEMENT] == state
        commands = [notice.detail for notice in outcome.notices if "aws cloudformation deploy" in notice.detail]
        assert bool(commands) == (state is DeploymentState.ABSENT_BY_CHOICE)

    def test_it_is_unknown_where_it_cannot_be_read(self, stack_sets: FakeStackSets) -> None:
        stack_sets.unreadable.add(MANAGEMENT)
        contain(deployed(stack_sets))
        assert states(stack_sets)[MANAGEMENT] == "Unknown"


class TestUnknown:
    @pytest.mark.parametrize(
        "operation",
        ["DescribeOrganizationsAccess", "DescribeStackSet", "ListStackInstances", "ListStackSetOperations"],
    )
    def test_denied_read_is_unknown_and_never_absent(self, stack_sets: FakeStackSets, operation: str) -> None:
        deployed(stack_sets)
        stack_sets.world.fail(f"cloudformation:{operation}", denied)
        outcome = contain(stack_sets)
        assert counted(outcome) == {"Unknown": 7, "AbsentByChoice": 1}
        assert (outcome.waiting_for, outcome.handoffs, writes(stack_sets)) == (None, (), [])
        assert "ContainmentStackSetName=SIR-Containment-Roles" in outcome.notices[-1].detail

    def test_denied_list_of_stack_sets_is_unknown(self, stack_sets: FakeStackSets) -> None:
        stack_sets.world.fail("cloudformation:ListStackSets", denied)
        assert counted(contain(stack_sets)) == {"Unknown": 7, "AbsentByChoice": 1}
        assert writes(stack_sets) == []


@pytest.mark.parametrize(
    ("status", "detailed", "state", "reason"),
    [
        ("CURRENT", "SUCCEEDED", "Deployed", "its stack in us-east-1 is current"),
        ("CURRENT", None, "Deployed", "its stack in us-east-1 is current"),
        ("OUTDATED", None, "Outdated", "the service gives no reason"),
        ("OUTDATED", "SUCCEEDED", "Outdated", "the service gives no reason"),
        ("OUTDATED", "PENDING", "Pending", "an operation is on its way to it"),
        ("OUTDATED", "RUNNING", "Pending", "an operation is on its way to it"),
        ("OUTDATED", "FAILED", "Failed", "the service gives no reason"),
        ("OUTDATED", "CANCELLED", "Failed", "the service gives no reason"),
        ("OUTDATED", "FAILED_IMPORT", "Failed", "the service gives no reason"),
        ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT", "Failed", "it was suspended when the last operation came by"),
        ("INOPERABLE", "INOPERABLE", "Failed", "the service gives no reason"),
        ("BRAND_NEW", None, "Unknown", "CloudFormation calls its stack BRAND_NEW"),
    ],
)
def test_state_of_an_account_is_that_of_its_instance(
    stack_sets: FakeStackSets, status: str, detailed: str | None, state: str, reason: str
) -> None:
    deployed(stack_sets)
    stack_sets.instances_of[OURS.name][SHOP] = instance(SHOP, status=status, detailed=detailed)
    contain(stack_sets, verifying(), last_attempt=True)
    assert rows(stack_sets)[SHOP] == (state, reason)


def test_current_instance_in_any_region_speaks_for_the_account() -> None:
    here = instance(SHOP, status="OUTDATED", detailed="FAILED")
    there = instance(SHOP, region="eu-central-1")
    assert instances_by_account((there, here), OURS.region) == {SHOP: there}
    assert instances_by_account((here, replace(there, status="OUTDATED")), OURS.region) == {SHOP: here}


def test_document_says_what_the_stack_set_is(stack_sets: FakeStackSets) -> None:
    contain(deployed(stack_sets))
    document = stack_sets.world.read_document("runs/run-1/containment.json")
    assert document == stack_sets.world.read_document("containment/latest.json")
    assert document["stack_set"] == {
        "name": "SIR-Containment-Roles",
        "region": "us-east-1",
        "present": True,
        "auto_deployment": True,
        "ec2_triage": False,
        "targets": ["r-ex01"],
        "template": "as in this version",
    }
    assert document["readiness"] == {"Ready": 7, "NotReady": 0, "AbsentByChoice": 1, "Unknown": 0}


def without_external_id(roles: dict[str, RoleDocument]) -> None:
    """Alter the trust of the containment role, as somebody in the account would."""
    role = roles[CONTAINMENT_ROLE]
    statements = [{**each, "Condition": {}} for each in role.trust["Statement"]]
    roles[CONTAINMENT_ROLE] = replace(role, trust={**role.trust, "Statement": statements})


def with_boundary(roles: dict[str, RoleDocument]) -> None:
    roles[CONTAINMENT_ROLE] = replace(roles[CONTAINMENT_ROLE], boundary="arn:aws:iam::aws:policy/ReadOnlyAccess")


def without_the_role(roles: dict[str, RoleDocument]) -> None:
    del roles[CONTAINMENT_ROLE]


def with_a_policy_that_nobody_may_read(roles: dict[str, RoleDocument]) -> None:
    role = roles[CONTAINMENT_ROLE]
    attached = {**role.attached, f"arn:aws:iam::{SHOP}:policy/Own": Unknown("iam:GetPolicy was denied")}
    roles[CONTAINMENT_ROLE] = replace(role, attached=attached)


def verdicts(stack_sets: FakeStackSets) -> dict[str, tuple[str, list[str]]]:
    document = stack_sets.world.read_document("containment/latest.json")
    return {each["id"]: (each["readiness"], [one["kind"] for one in each["defects"]]) for each in document["accounts"]}


def reads(stack_sets: FakeStackSets) -> list[str]:
    return [call.account_id for call in stack_sets.world.calls if call.operation == "iam:GetRole"]


class TestReadiness:
    def test_every_role_is_read_once_and_only_the_share_again(self, stack_sets: FakeStackSets) -> None:
        stack_sets.made_by_hand[MANAGEMENT] = ROLES
        deployed(stack_sets)
        contain_until_done(stack_sets, verifying())
        assert sorted(reads(stack_sets)) == sorted([MANAGEMENT, *MEMBERS])
        assert verdicts(stack_sets)[SHOP] == ("Ready", [])
        stack_sets.world.calls.clear()
        contain(stack_sets, verifying(), run="run-2")
        assert reads(stack_sets) == []
        stack_sets.world.now += timedelta(days=1)
        contain(stack_sets, verifying(), run="run-3")
        assert len(reads(stack_sets)) == 2  # a sixth of eight accounts

    def test_account_that_cannot_be_read_is_unknown_and_tried_by_every_run_once(
        self, stack_sets: FakeStackSets
    ) -> None:
        deployed(stack_sets).unreadable.add(SHOP)
        for run in ("run-1", "run-1", "run-2"):
            contain(stack_sets, verifying(), run=run)
        assert verdicts(stack_sets)[SHOP] == ("Unknown", [])
        assert reads(stack_sets).count(SHOP) == 2

    def test_role_with_a_policy_that_cannot_be_read_is_unknown(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).altered[SHOP] = with_a_policy_that_nobody_may_read
        contain(stack_sets, verifying())
        assert verdicts(stack_sets)[SHOP] == ("Unknown", [])
        kept = stack_sets.world.read_document("containment/readings.json")["accounts"][SHOP]
        assert "iam:GetPolicy was denied" in kept["unknown"]
        assert CONTAINMENT_ROLE in kept["names"]

    def test_nothing_is_read_while_stacks_are_on_their_way(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).start("theirs")
        outcome = contain(stack_sets, verifying(), last_attempt=True)
        assert reads(stack_sets) == [MANAGEMENT]
        assert "theirs" in (outcome.waiting_for or "")

    def test_roles_are_read_although_the_stack_set_cannot_be(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).world.fail("cloudformation:DescribeStackSet", denied)
        contain(stack_sets, verifying())
        assert verdicts(stack_sets)[SHOP] == ("Ready", [])
        assert states(stack_sets)[SHOP] == "Unknown"

    @pytest.mark.parametrize("after", [False, True])
    def test_account_that_fails_for_a_time_is_tried_again_and_no_other_is(
        self, stack_sets: FakeStackSets, *, after: bool
    ) -> None:
        deployed(stack_sets)
        stack_sets.world.fail(
            "iam:GetRole", lambda op, _: ThrottledError(op), times=2, account=SHOP, after=after
        )  # fmt: skip
        for _ in range(2):
            with pytest.raises(UnavailableError, match="the roles of 1 accounts could not be read yet"):
                contain(stack_sets, verifying())
        contain(stack_sets, verifying())
        assert verdicts(stack_sets)[SHOP] == ("Ready", [])
        assert len(reads(stack_sets)) == len(MEMBERS) + 1 + 2

    def test_account_that_goes_on_failing_is_unknown_and_stops_no_run(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).world.fail("iam:GetRole", lambda op, _: ThrottledError(op), account=SHOP)
        for _ in range(4):
            with pytest.raises(UnavailableError):
                contain(stack_sets, verifying())
        contain(stack_sets, verifying())
        assert verdicts(stack_sets)[SHOP] == ("Unknown", [])

    def test_drifted_stack_and_suspect_show_where_to_look(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), verifying())
        stack_sets.altered[SHOP] = without_external_id
        stack_sets.altered[SECURITY] = with_boundary
        stack_sets.drifted.add(SHOP)
        contain(stack_sets, verifying(), run="run-2", suspects=frozenset({SECURITY}))
        assert verdicts(stack_sets)[SHOP] == ("NotReady", ["external_id_missing"])
        assert verdicts(stack_sets)[SECURITY] == ("NotReady", ["boundary"])

    def test_hint_to_a_run_that_may_not_read_is_kept_for_the_next_one(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), verifying())
        stack_sets.altered[SHOP] = with_boundary
        stack_sets.finish()
        stack_sets.start("theirs")
        contain(stack_sets, verifying(), run="run-2", suspects=frozenset({SHOP}), last_attempt=True)
        assert verdicts(stack_sets)[SHOP] != ("NotReady", ["boundary"])
        stack_sets.finish()
        contain(stack_sets, verifying(), run="run-3")
        assert verdicts(stack_sets)[SHOP] == ("NotReady", ["boundary"])

    def test_share_is_not_lost_on_a_run_that_may_not_read(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), verifying())
        stack_sets.finish()
        stack_sets.world.now += timedelta(days=2)
        stack_sets.start("theirs")
        contain(stack_sets, verifying(), run="run-2", last_attempt=True)
        stack_sets.finish()
        stack_sets.world.calls.clear()
        contain(stack_sets, verifying(), run="run-3")
        assert (
            len([each for each in reads(stack_sets) if each != MANAGEMENT]) == 3
        )  # two days of six, of eight accounts

    def test_account_that_left_is_forgotten(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), verifying())
        stack_sets.world.accounts.pop(SHOP)
        stack_sets.altered[SECURITY] = with_boundary
        contain(stack_sets, verifying(), run="run-2", suspects=frozenset({SECURITY}))
        assert SHOP not in stack_sets.world.read_document("containment/readings.json")["accounts"]

    def test_roles_that_nobody_deployed_by_a_stack_set_are_ready_when_they_are_well(
        self, stack_sets: FakeStackSets
    ) -> None:
        stack_sets.made_by_hand = dict.fromkeys([MANAGEMENT, *MEMBERS], ROLES)
        outcome = contain(stack_sets, verifying())
        assert (outcome.handoffs, {word for word, _ in verdicts(stack_sets).values()}) == ((), {"Ready"})


class TestRepair:
    def test_altered_roles_are_written_anew_in_those_accounts_alone(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).altered[SHOP] = without_external_id
        outcomes = contain_until_done(stack_sets)
        assert deployments(stack_sets) == [(ROOT, Accounts(only=(SHOP,)))]
        assert [change.detail for outcome in outcomes for change in outcome.changes] == [
            "write the altered containment roles anew in 1 account"
        ]
        assert (verdicts(stack_sets)[SHOP], outcomes[-1].handoffs) == (("Ready", []), ())
        stack_sets.world.calls.clear()
        contain_until_done(stack_sets, run="run-2")
        assert writes(stack_sets) == []

    def test_repair_that_changes_nothing_is_not_tried_again_and_handed_over(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, instances=tuple(instance(each, stack_id="s") for each in MEMBERS)).writes_anew = False
        stack_sets.altered[SHOP] = without_external_id
        (handoff,) = contain_until_done(stack_sets)[-1].handoffs
        assert writes(stack_sets) == [AGAIN]
        assert handoff.to is HandoffTo.MANAGEMENT_TEAM
        assert "delete-stack-instances" in handoff.command
        assert SHOP in handoff.command
        for run in ("run-2", "run-3"):
            assert contain_until_done(stack_sets, run=run)[-1].handoffs == (handoff,)
        assert writes(stack_sets) == [AGAIN]

    def test_run_that_dies_right_after_a_repair_repairs_no_second_time_and_calls_nothing_ready(
        self, stack_sets: FakeStackSets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployed(stack_sets).altered[SHOP] = without_external_id

        def die(*_: object) -> None:
            raise UnavailableError("the function has died")

        with monkeypatch.context() as dying:
            dying.setattr(role_readings.RoleReadings, "remember_repair", die)
            with pytest.raises(UnavailableError):
                contain_until_done(stack_sets)
        stack_sets.finish()
        contain_until_done(stack_sets)
        assert (writes(stack_sets), verdicts(stack_sets)[SHOP][0]) == ([AGAIN], "NotReady")  # as it was read before
        contain_until_done(stack_sets, run="run-2")
        assert (writes(stack_sets), verdicts(stack_sets)[SHOP]) == ([AGAIN], ("Ready", []))

    def test_another_alteration_after_a_vain_repair_is_tried(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).writes_anew = False
        stack_sets.altered[SHOP] = without_external_id
        contain_until_done(stack_sets)
        stack_sets.writes_anew = True
        stack_sets.altered[SHOP] = lambda roles: roles.update(
            {CONTAINMENT_ROLE: replace(roles[CONTAINMENT_ROLE], inline={})}
        )
        contain_until_done(stack_sets, run="run-2")
        assert (writes(stack_sets), verdicts(stack_sets)[SHOP]) == ([AGAIN, AGAIN], ("Ready", []))

    def test_deleted_role_is_handed_over_at_once(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets, instances=tuple(instance(each, stack_id="s") for each in MEMBERS))
        stack_sets.altered[SHOP] = without_the_role
        (handoff,) = contain_until_done(stack_sets)[-1].handoffs
        assert (writes(stack_sets), f"Accounts={SHOP}," in handoff.command) == ([], True)
        assert verdicts(stack_sets)[SHOP] == ("NotReady", ["role_missing"])

    def test_whoever_may_not_repair_hands_over_the_command_that_keeps_what_the_instance_was_given(
        self, stack_sets: FakeStackSets
    ) -> None:
        deployed(stack_sets).altered[SHOP] = without_external_id
        stack_sets.world.fail(AGAIN, denied)
        (handoff,) = contain_until_done(stack_sets)[-1].handoffs
        assert "update-stack-instances" in handoff.command
        assert f"Accounts={SHOP}," in handoff.command
        assert "--parameter-overrides ParameterKey=Repair,ParameterValue=" in handoff.command
        assert "ParameterKey=Ec2Triage,UsePreviousValue=true" in handoff.command

    def test_what_an_update_does_not_touch_is_left_to_people(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).altered[SHOP] = with_boundary
        outcome = contain_until_done(stack_sets)[-1]
        assert (writes(stack_sets), outcome.handoffs, verdicts(stack_sets)[SHOP][1]) == ([], (), ["boundary"])

    def test_verify_and_a_foreign_template_repair_nothing(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets).altered[SHOP] = without_external_id
        contain_until_done(stack_sets, verifying())
        deployed(stack_sets, template="another")
        contain_until_done(stack_sets, containing(existing=ExistingRoles.ADOPT), run="run-2")
        assert writes(stack_sets) == []

    def test_template_without_the_parameter_leaves_it_to_people(self, stack_sets: FakeStackSets) -> None:
        old = TEMPLATE.replace("  Repair: x\n", "")
        deployed(stack_sets, template=old).altered[SHOP] = without_external_id
        contain_until_done(stack_sets, template=old)
        assert writes(stack_sets) == []

    def test_account_that_was_never_deployed_is_driven_again_and_not_deleted(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        stack_sets.instances_of[OURS.name][SHOP] = instance(SHOP, status="OUTDATED", detailed="FAILED")
        outcomes = contain_until_done(stack_sets)
        assert (writes(stack_sets), outcomes[-1].handoffs) == ([AGAIN], ())


class TestDrift:
    DETECT = "cloudformation:DetectStackSetDrift"

    def test_drift_is_looked_for_once_a_day(self, stack_sets: FakeStackSets) -> None:
        deployed(stack_sets)
        for run in ("run-1", "run-2"):
            contain_until_done(stack_sets, verifying(), run=run)
        assert stack_sets.world.count(self.DETECT) == 1
        stack_sets.finish()
        stack_sets.world.now += timedelta(days=1)
        contain_until_done(stack_sets, verifying(), run="run-3")
        assert stack_sets.world.count(self.DETECT) == 2

    @pytest.mark.parametrize("error", [DeniedError, None])
    def test_run_is_as_good_without_it(self, stack_sets: FakeStackSets, error: type[DeniedError] | None) -> None:
        deployed(stack_sets).world.fail(self.DETECT, denied if error else lambda op, _: UnavailableError(op))
        assert counted(contain(stack_sets, verifying())) == {"Deployed": 7, "AbsentByChoice": 1}

    def test_whoever_only_observes_starts_none(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), replace(verifying(), mode=Mode.OBSERVE))
        assert stack_sets.world.count(self.DETECT) == 0

    def test_detection_that_goes_on_hinders_no_look_and_a_write_waits_for_it(self, stack_sets: FakeStackSets) -> None:
        contain(deployed(stack_sets), verifying())
        stack_sets.altered[SHOP] = without_external_id
        outcome = contain(stack_sets, run="run-2", suspects=frozenset({SHOP}))
        assert (writes(stack_sets), "DETECT_DRIFT" in (outcome.waiting_for or "")) == ([], True)
        stack_sets.finish()
        contain_until_done(stack_sets, run="run-2")
        assert writes(stack_sets) == [AGAIN]


class TestManyInstances:
    def test_list_of_the_day_is_kept_and_only_what_is_unusual_is_listed_again(
        self, stack_sets: FakeStackSets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kept_instances, "FEW", 3)
        deployed(stack_sets)
        lists = "cloudformation:ListStackInstances"
        contain(stack_sets, verifying())
        stack_sets.altered[SHOP] = without_external_id
        stack_sets.drifted.add(SHOP)
        contain(stack_sets, verifying(), run="run-2")
        assert [call.detail for call in stack_sets.world.calls if call.operation == lists] == [None, "filtered"]
        assert verdicts(stack_sets)[SHOP] == ("NotReady", ["external_id_missing"])
        stack_sets.finish()
        stack_sets.world.now += timedelta(days=1)
        contain(stack_sets, verifying(), run="run-3")
        assert [call.detail for call in stack_sets.world.calls if call.operation == lists][2:] == [None]


def test_account_that_loses_its_stack_is_told_at_once(stack_sets: FakeStackSets) -> None:
    contain(deployed(stack_sets), verifying())
    stack_sets.instances_of[OURS.name].pop(SHOP)
    told = [contain(stack_sets, verifying(), run=run).notices for run in ("run-2", "run-2", "run-3")]
    losses = [[each.detail for each in notices if "have lost" in each.subject] for notices in told]
    assert [len(each) for each in losses] == [1, 1, 0]
    assert f"1 account: {SHOP}" in losses[0][0]
