"""A large change of the scope begins with one unit, and goes on only when nothing went wrong with it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import Guardrails
from muster.domain.diagnosis import Coverage
from muster.domain.plan import PlannedRemediation
from muster.domain.remediation import EVERYONE, Concern, Remediation, RemediationKind, Step
from muster.domain.scoping import AFTER_CLEARING
from muster.domain.waves import (
    Wave,
    WaveKind,
    coverage_of,
    describe_wave,
    judge_wave,
    next_wave,
    wave_from_document,
    wave_to_document,
)

LIMITS = Guardrails(max_accounts=3)
ADD, REMOVE = RemediationKind.ADD_UNIT, RemediationKind.REMOVE_UNIT


def unit(name: str, kind: RemediationKind = ADD, before: str = "not in the membership") -> PlannedRemediation:
    concern = Concern(below=(name,))
    return PlannedRemediation(Remediation(Step.SCOPING, kind, name, before, "after", name, "asked", concern=concern))


def other(kind: RemediationKind, concern: Concern = EVERYONE) -> PlannedRemediation:
    return PlannedRemediation(Remediation(Step.SCOPING, kind, "m-1", "off", "on", kind, "asked", concern=concern))


def accounts(first: int, number: int) -> tuple[str, ...]:
    return tuple(f"{each:012}" for each in range(first, first + number))


SMALL, LARGE, EMPTY = unit("ou-small"), unit("ou-large"), unit("ou-empty")
CONCERNED = {SMALL.id: accounts(0, 1), LARGE.id: accounts(10, 3)}


class TestNextWave:
    def test_the_unit_with_the_fewest_accounts_but_one_at_least_goes_first(self) -> None:
        assert next_wave((LARGE, EMPTY, SMALL), CONCERNED, LIMITS) == (SMALL,)

    def test_of_units_of_one_size_always_the_same_goes_first(self) -> None:
        one, two = unit("ou-one"), unit("ou-two")
        concerned = {one.id: accounts(0, 2), two.id: accounts(5, 2)}

        first = next_wave((one, two), concerned, LIMITS)

        assert first == next_wave((two, one), concerned, LIMITS) == (min(one, two, key=lambda each: each.id),)

    def test_units_that_together_concern_no_more_than_the_limit_go_at_once(self) -> None:
        concerned = {SMALL.id: accounts(0, 1), LARGE.id: accounts(0, 3)}

        assert next_wave((SMALL, LARGE), concerned, LIMITS) == (SMALL, LARGE)
        assert next_wave((SMALL, LARGE), CONCERNED, LIMITS) == (SMALL,)

    @pytest.mark.parametrize("granted", [(), (LARGE,), (EMPTY, unit("ou-empty-too"))])
    def test_one_unit_and_units_without_accounts_go_at_once(self, granted: tuple[PlannedRemediation, ...]) -> None:
        assert next_wave(granted, {LARGE.id: accounts(0, 9)}, LIMITS) == granted

    def test_units_are_removed_in_waves_too(self) -> None:
        small, large = unit("ou-small", REMOVE), unit("ou-large", REMOVE)

        assert next_wave((large, small), {small.id: accounts(0, 1), large.id: accounts(1, 9)}, LIMITS) == (small,)

    def test_what_changes_no_single_unit_is_not_held_back(self) -> None:
        others = (other(ADD), other(RemediationKind.SET_TAGS), other(RemediationKind.CLEAR_ENTIRE_ORGANIZATION))
        concerned = CONCERNED | {each.id: accounts(0, 50) for each in others}

        assert next_wave((others[0], LARGE, SMALL, *others[1:]), concerned, LIMITS) == (others[0], SMALL, *others[1:])

    def test_units_that_come_only_after_the_clearing_come_with_it(self) -> None:
        late = (unit("ou-small", before=AFTER_CLEARING), unit("ou-large", before=AFTER_CLEARING))
        granted = (*late, other(RemediationKind.CLEAR_ENTIRE_ORGANIZATION))

        assert next_wave(granted, {each.id: accounts(10 * n, 9) for n, each in enumerate(late)}, LIMITS) == granted

    @given(
        st.dictionaries(st.integers(0, 9), st.sets(st.sampled_from(accounts(0, 8)), max_size=8), max_size=6),
        st.integers(0, 8),
    )
    def test_waves_end_and_leave_nothing_out(self, units: dict[int, set[str]], limit: int) -> None:
        left = [unit(f"ou-{each}") for each in units]
        concerned = {each.id: tuple(sorted(units[int(each.remediation.resource[3:])])) for each in left}

        for _ in range(len(units) + 1):
            wave = next_wave(left, concerned, Guardrails(max_accounts=limit))
            assert set(wave) <= set(left)
            together = set().union(*(concerned[each.id] for each in left))
            assert len(wave) == (1 if len(left) > 1 and len(together) > limit else len(left))
            left = [each for each in left if each not in wave]

        assert left == []


class TestDescribeWave:
    def test_a_wave_has_its_units_and_their_accounts(self) -> None:
        wave = describe_wave(2, (LARGE, other(RemediationKind.SET_TAGS), SMALL, EMPTY), CONCERNED)

        assert wave == Wave(
            2, tuple(sorted((LARGE.id, SMALL.id, EMPTY.id))), (*accounts(0, 1), *accounts(10, 3)), WaveKind.GAIN
        )

    def test_a_removal_makes_it_one_that_loses(self) -> None:
        wave = describe_wave(1, (unit("ou-small", REMOVE),), {})

        assert wave is not None
        assert (wave.kind, wave.accounts) == (WaveKind.LOSE, ())

    def test_what_changes_no_single_unit_is_no_wave(self) -> None:
        assert describe_wave(1, (other(RemediationKind.SET_TAGS), other(ADD)), {}) is None

    @pytest.mark.parametrize("kind", WaveKind)
    def test_a_wave_survives_being_stored(self, kind: WaveKind) -> None:
        wave = Wave(3, ("0" * 16,), accounts(0, 2), kind)

        assert wave_to_document(wave) == {
            "number": 3, "ids": ["0" * 16], "accounts": list(accounts(0, 2)), "kind": kind.value,
        }  # fmt: skip
        assert wave_from_document(wave_to_document(wave)) == wave


def assessment(**coverage: Coverage) -> dict[str, Any]:
    return {
        "accounts": [
            {"id": key, "coverage": value.value, "reason": f"why {key}"} for key, value in coverage.items()
        ]
    }  # fmt: skip


GAIN, LOSE = Wave(1, (), ("own",), WaveKind.GAIN), Wave(1, (), ("own",), WaveKind.LOSE)
BEFORE = assessment(own=Coverage.NOT_COVERED, other=Coverage.COVERED, never=Coverage.NOT_COVERED)


def test_of_an_assessment_only_the_coverage_is_kept() -> None:
    kept = coverage_of(assessment(own=Coverage.COVERED))

    assert kept == {"accounts": [{"id": "own", "coverage": "Covered"}]}
    assert coverage_of(None) == {"accounts": []}


def after(own: Coverage = Coverage.COVERED, other: Coverage = Coverage.COVERED) -> dict[str, Any]:
    return assessment(own=own, other=other, never=Coverage.NOT_COVERED)


class TestJudgeWave:
    @pytest.mark.parametrize("own", [Coverage.COVERED, Coverage.EXCEPTED, Coverage.INACTIVE, Coverage.OUT_OF_SCOPE])
    def test_a_wave_whose_accounts_are_covered_or_need_not_be_goes_on(self, own: Coverage) -> None:
        assert judge_wave(GAIN, BEFORE, after(own)) is None

    @pytest.mark.parametrize("own", [Coverage.NOT_COVERED, Coverage.UNKNOWN])
    def test_an_account_that_did_not_gain_coverage_stops_the_others(self, own: Coverage) -> None:
        assert judge_wave(GAIN, BEFORE, after(own)) == (
            f"the other units wait, for wave 1 did not end well: 1 account should have coverage by it: "
            f"own is {own} (why own). Look with muster status, and run again: muster onboard"
        )

    def test_an_account_that_settles_is_not_covered_yet(self) -> None:
        found = judge_wave(GAIN, BEFORE, after(Coverage.SETTLING))

        assert found is not None
        assert "1 account should have coverage by it, and not yet: own is Settling (why own)" in found

    def test_an_account_that_is_not_listed_any_more_is_unknown(self) -> None:
        found = judge_wave(GAIN, BEFORE, assessment(other=Coverage.COVERED))

        assert found is not None
        assert "own is not listed any more" in found

    @pytest.mark.parametrize("wave", [GAIN, LOSE])
    @pytest.mark.parametrize(
        "other", [Coverage.NOT_COVERED, Coverage.UNKNOWN, Coverage.SETTLING, Coverage.OUT_OF_SCOPE]
    )
    def test_an_account_outside_that_loses_its_coverage_stops_the_others(self, wave: Wave, other: Coverage) -> None:
        found = judge_wave(wave, BEFORE, after(other=other))

        assert found is not None
        assert f"1 account outside of it had coverage before: other is {other} (why other)" in found

    @pytest.mark.parametrize("wave", [GAIN, LOSE])
    def test_an_account_outside_that_is_gone_from_the_list_stops_the_others(self, wave: Wave) -> None:
        assert "other is not listed any more" in (judge_wave(wave, BEFORE, assessment(own=Coverage.COVERED)) or "")

    @pytest.mark.parametrize("other", [Coverage.EXCEPTED, Coverage.INACTIVE])
    def test_an_account_outside_that_left_in_an_orderly_way_is_no_loss(self, other: Coverage) -> None:
        assert judge_wave(GAIN, BEFORE, after(other=other)) is None

    @pytest.mark.parametrize("own", Coverage)
    def test_a_wave_that_takes_units_away_may_take_its_own_accounts(self, own: Coverage) -> None:
        assert judge_wave(LOSE, assessment(own=Coverage.COVERED, other=Coverage.COVERED), after(own)) is None

    def test_long_lists_are_counted(self) -> None:
        many = {f"a{each}": Coverage.UNKNOWN for each in range(5)}

        found = judge_wave(Wave(1, (), tuple(many), WaveKind.GAIN), assessment(), assessment(**many))

        assert found is not None
        assert "5 accounts should have coverage by it: a0 is Unknown (why a0); a1" in found
        assert "a2 is Unknown (why a2) and 2 more." in found
        assert "a3" not in found
