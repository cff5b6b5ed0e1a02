"""What AWS leaves undocumented, each answer alone and all together."""

import pytest

from muster_local.switches import ALL
from tests.scenarios.operating import MANAGEMENT, Operator

FLIPS = [(switch.name, value) for switch in ALL for value in switch.values[1:]]
OF_UNITS = {
    "triage_role_creator", "scope_change_visibility", "not_associated_word", "add_present_unit",
    "units_with_entire_organization", "add_and_remove_together", "management_account_association",
    "foreign_list_memberships", "registration_consistency", "inactive_account_details", "deleted_unit",
}  # fmt: skip
"""Where a scope of units may come out otherwise than the entire organization does."""


def onboard_and_check(operator: Operator) -> None:
    """Every account ends Covered exactly when the service says Associated, and a second run writes nothing."""
    operator.push()

    run = operator.onboard()

    assert run.status == "SUCCEEDED", run.cause
    assert run.outcome in {"Covered", "NeedsAttention", "WaitingForHandoff"}
    for account in operator.assessment["accounts"]:
        assert (account["coverage"] == "Covered") == (account["association"] == "Associated"), account
    operator.cloud.clear_calls()
    operator.cloud.world.clock.advance(5)
    again = operator.onboard()
    assert again.outcome == run.outcome
    assert operator.writes() == []


def test_defaults_cover_everybody(operator: Operator) -> None:
    onboard_and_check(operator)

    assert set(operator.coverage().values()) == {"Covered", "Inactive"}


@pytest.mark.parametrize(("name", "value"), FLIPS)
def test_flipped_switch_is_survived(operator: Operator, name: str, value: str) -> None:
    operator.cloud.world.switches.set(name, value)

    onboard_and_check(operator)

    if name == "triage_role_creator":
        assert operator.coverage()[MANAGEMENT] == "Covered"
    else:
        uncovered = {account for account, coverage in operator.coverage().items() if coverage == "NotCovered"}
        assert uncovered <= {MANAGEMENT}


def test_all_switches_flipped_together_are_survived(operator: Operator) -> None:
    for switch in ALL:
        operator.cloud.world.switches.set(switch.name, switch.values[-1])

    onboard_and_check(operator)


@pytest.mark.parametrize(("name", "value"), [flip for flip in FLIPS if flip[0] in OF_UNITS])
def test_flipped_switch_is_survived_by_a_scope_of_units(operator: Operator, name: str, value: str) -> None:
    operator.cloud.world.switches.set(name, value)
    operator.push(scope={"units": ["Security", "Workloads/Prod"]})

    run = operator.onboard()

    assert run.status == "SUCCEEDED", run.cause
    if name != "triage_role_creator":
        assert run.outcome == "Covered"
    operator.cloud.clear_calls()
    operator.cloud.world.clock.advance(5)
    operator.onboard()
    assert operator.writes() == []
