"""Whose turn it is: what is new, moved or suspect at once, everybody in turn, and nobody twice on one ground."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.containment_roles import CONTAINMENT_ROLE, Defect, DefectKind
from muster.domain.observed import Known, Unknown
from muster.domain.readings import (
    LATEST,
    LEAST,
    ROUND,
    VALID,
    Reading,
    Readings,
    Turn,
    common_ground,
    digest_defects,
    ground_of,
    readings_from_document,
    shares_after,
    take_turn,
)
from muster.domain.stack_sets import StackInstance, StackSet

NOW = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
BOUNDARY = Defect(DefectKind.BOUNDARY, CONTAINMENT_ROLE, "a boundary", "arn:aws:iam::aws:policy/ReadOnlyAccess")
ALTERED = Defect(DefectKind.TRUST_ALTERED, CONTAINMENT_ROLE, "another trust")
SET = StackSet("roles", "SERVICE_MANAGED", auto_deployment=True, targets=frozenset(), parameters=(), template="a: b")
STACK = StackInstance("300000000001", "us-east-1", "CURRENT", "SUCCEEDED", "", "stack-1", "IN_SYNC")


def reading(age: timedelta = timedelta(days=1), *, run: str = "before", ground: str = "g", **over: object) -> Reading:
    return Reading(run, NOW - age, ground, **over)  # type: ignore[arg-type]


def turn(
    accounts: dict[str, Reading], *, shared: timedelta | None = None, suspects: frozenset[str] = frozenset()
) -> Turn:
    """Take the turn of a run now, of accounts that are all on ground g."""
    readings = Readings(accounts, None if shared is None else NOW - shared)
    return take_turn(dict.fromkeys(["new", *accounts], "g"), readings, run="now", at=NOW, suspects=suspects)


class TestDue:
    def test_account_that_was_never_read_is_due(self) -> None:
        assert turn({}) == Turn(("new",), ())

    @pytest.mark.parametrize(
        ("found", "due"),
        [
            (reading(), False),
            (reading(ground="elsewhere"), True),
            (reading(ground="elsewhere", run="now"), True),
            (reading(defects=(BOUNDARY,)), True),
            (reading(unknown="denied"), True),
            (reading(LATEST - timedelta(seconds=1)), False),
            (reading(LATEST), True),
            (reading(run="now", unknown="denied"), False),
            (reading(run="now", defects=(BOUNDARY,)), False),
        ],
    )
    def test_account_is_due_when_its_reading_says_too_little(self, found: Reading, *, due: bool) -> None:
        assert ("a" in turn({"a": found}).due) is due

    def test_suspect_is_due_once_a_run(self) -> None:
        suspects = frozenset({"a", "b"})
        assert turn({"a": reading(), "b": reading(run="now")}, suspects=suspects).due == ("a", "new")

    def test_account_that_may_not_be_read_now_is_not_due(self) -> None:
        readings = Readings({"a": reading(unknown="denied")})
        assert take_turn({}, readings, run="now", at=NOW, suspects=frozenset({"a"})) == Turn((), ())


class TestShare:
    def test_share_is_what_has_passed_of_the_round_taken_from_the_oldest(self) -> None:
        accounts = {f"{each:02}": reading(timedelta(hours=each)) for each in range(59)}
        found = turn(accounts, shared=ROUND / 10)
        assert found.share == ("53", "54", "55", "56", "57", "58")

    def test_first_run_and_looks_of_one_run_take_no_share(self) -> None:
        accounts = {"a": reading(), "b": reading()}
        assert turn(accounts).share == ()
        assert turn(accounts, shared=LEAST - timedelta(seconds=1)).share == ()
        assert turn(accounts, shared=LEAST).share == ("a",)

    def test_share_is_counted_from_when_it_was_taken(self) -> None:
        assert shares_after(Readings(), NOW) == NOW
        assert shares_after(Readings(shared_at=NOW - LEAST), NOW) == NOW
        short = NOW - LEAST / 2
        assert shares_after(Readings(shared_at=short), NOW) == short

    @given(
        st.integers(min_value=1, max_value=40),
        st.lists(st.integers(min_value=1, max_value=36), min_size=1, max_size=60),
    )
    def test_every_account_is_read_within_its_time_whatever_the_cadence(self, number: int, hours: list[int]) -> None:
        """Runs at most 18 hours apart, the margin that LATEST leaves, let no reading run out between them."""
        readings, at = Readings(), NOW
        grounds = {str(each): "g" for each in range(number)}
        for count, pause in enumerate(hours * 3):
            found = take_turn(grounds, readings, run=str(count), at=at, suspects=frozenset())
            for account_id in (*found.due, *found.share):
                readings.accounts[account_id] = Reading(str(count), at, "g")
            readings.shared_at = shares_after(readings, at)
            assert all(at - each.at < VALID for each in readings.accounts.values())
            at += timedelta(hours=min(pause, 18))
            assert all(at - each.at <= VALID for each in readings.accounts.values())


class TestReading:
    def test_roles_of_an_account_are_there_absent_or_unknown(self) -> None:
        assert reading(names=frozenset({CONTAINMENT_ROLE})).has_roles == Known(value=True)
        assert reading(names=frozenset({CONTAINMENT_ROLE}), unknown="a policy").has_roles == Known(value=True)
        assert reading().has_roles == Known(value=False)
        assert reading(unknown="denied").has_roles == Unknown("denied")

    def test_readings_survive_their_document(self) -> None:
        readings = Readings(
            {
                "1": reading(names=frozenset({CONTAINMENT_ROLE}), defects=(BOUNDARY, ALTERED), tried="12345678"),
                "2": reading(unknown="denied"),
                "3": reading(),
            },
            NOW,
            {"2": 1},
        )
        assert readings_from_document(readings.to_document()) == readings
        assert readings_from_document(Readings().to_document()) == Readings()

    @pytest.mark.parametrize("document", [None, {"schema": 2}])
    def test_without_a_document_of_this_schema_all_are_read_anew(self, document: dict[str, object] | None) -> None:
        assert readings_from_document(document) == Readings()


class TestGround:
    def test_ground_is_another_where_the_reading_may_be(self) -> None:
        common = common_ground(SET, {})
        grounds = {
            ground_of(("r-1", "ou-1"), STACK, common),
            ground_of(("r-1", "ou-2"), STACK, common),
            ground_of(None, STACK, common),
            ground_of(("r-1", "ou-1"), None, common),
            ground_of(("r-1", "ou-1"), STACK, common_ground(None, {})),
            ground_of(
                ("r-1", "ou-1"),
                StackInstance("300000000001", "us-east-1", "OUTDATED", "FAILED", "", "stack-1"),
                common,
            ),
        }
        assert len(grounds) == 6

    def test_drift_is_no_other_ground(self) -> None:
        drifted = StackInstance("300000000001", "us-east-1", "CURRENT", "SUCCEEDED", "", "stack-1", "DRIFTED")
        assert ground_of(None, drifted, "c") == ground_of(None, STACK, "c")

    def test_digest_of_defects_does_not_depend_on_their_order(self) -> None:
        assert digest_defects((BOUNDARY, ALTERED)) == digest_defects((ALTERED, BOUNDARY)) != digest_defects((ALTERED,))
