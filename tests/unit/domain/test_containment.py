"""What could not be read of the StackSet is said to be unknown, in the documents too."""

from datetime import UTC, datetime

from muster.domain.containment import Inventory, Member, judge, note
from muster.domain.containment_document import to_document
from muster.domain.desired import ContainmentRoles, DesiredContainment
from muster.domain.observed import Unknown
from muster.domain.organization import AccountState
from muster.domain.readiness import judge_readiness
from muster.domain.readings import Reading

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MANAGEMENT = Member("111111111111", "management", AccountState.ACTIVE, ("r-ex01",))
INVENTORY = Inventory(
    MANAGEMENT, (Member("300000000000", "shop", AccountState.ACTIVE, ("r-ex01", "ou-ex01-wlprod00")),), (), "r-ex01"
)
WITH_CANARY = DesiredContainment(roles=ContainmentRoles.MANAGED, canary_unit="ou-ex01-sandbox0")


def test_stack_set_that_could_not_be_read_is_neither_there_nor_absent() -> None:
    unknown = Unknown("AccessDenied")
    deployments = judge(WITH_CANARY, INVENTORY, unknown, {}, waiting_for=None)

    document = to_document(
        [judge_readiness(each, None, ground=None, at=AT, not_read="not read") for each in deployments],
        run="run-1",
        at="2026-11-24T12:00:00+00:00",
        wanted=WITH_CANARY,
        inventory=INVENTORY,
        seen=unknown,
        template="{}",
        waiting_for=None,
        lost=(),
    )

    assert document["stack_set"]["present"] is None
    assert [each["state"] for each in document["accounts"]] == ["Unknown", "Unknown"]


def test_targets_that_could_not_be_read_are_not_held_against_the_canary_unit() -> None:
    unknown = Unknown("AccessDenied")
    readings = {MANAGEMENT.id: Reading("run-1", AT, "")}
    deployments = judge(WITH_CANARY, INVENTORY, unknown, readings, waiting_for=None)

    assert [each.subject for each in note(WITH_CANARY, deployments, unknown)] == [
        "the management account has no containment roles",
        "the containment roles are unknown",
    ]
