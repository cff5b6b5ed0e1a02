"""A run stops and asks before it changes more than the desired state lets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import Guardrails
from muster.domain.guardrails import BlastRadius, Refusal, refuse

LIMITS = Guardrails(max_accounts=25, max_share=0.05, max_units=10)
NOTHING_ELSE = 10_000


def radius(number: int, total: int | None = NOTHING_ELSE, units: int = 0) -> BlastRadius:
    return BlastRadius(frozenset(f"{each:012}" for each in range(number)), total, units)


@pytest.mark.parametrize(
    "within", [radius(0), radius(25), radius(5, 100), radius(0, units=10), radius(25, 500, units=10)]
)
def test_a_change_up_to_each_limit_passes(within: BlastRadius) -> None:
    assert refuse(LIMITS, within) == ()


@pytest.mark.parametrize(
    ("beyond", "guardrail", "numbers"),
    [
        (radius(26), "max_accounts", "of 26 accounts, and the limit is 25"),
        (radius(1_200, 1_000_000), "max_accounts", "of 1,200 accounts, and the limit is 25"),
        (radius(6, 100), "max_share", "of 6 of 100 accounts (6.0%), and the limit is 5.0%"),
        (radius(1, 0), "max_share", "of 1 of 0 accounts (100.0%), and the limit is 5.0%"),
        (radius(0, units=11), "max_units", "adds or removes 11 units, and the limit is 10"),
    ],
)
def test_a_change_past_a_limit_is_refused_by_that_one_with_its_numbers(
    beyond: BlastRadius, guardrail: str, numbers: str
) -> None:
    (refusal,) = refuse(LIMITS, beyond)

    assert refusal.guardrail == guardrail
    assert refusal.reason.startswith(f"guardrails.{guardrail}: ")
    assert refusal.reason.endswith(numbers)


def test_every_limit_that_is_passed_is_said() -> None:
    assert [each.guardrail for each in refuse(LIMITS, radius(26, 100, units=11))] == [
        "max_accounts",
        "max_share",
        "max_units",
    ]


def test_a_share_of_an_unknown_number_of_accounts_is_not_small() -> None:
    assert refuse(LIMITS, radius(1, None)) == (
        Refusal(
            "max_share",
            "guardrails.max_share: it changes the protection of 1 accounts, and how many there are in all is unknown",
        ),
    )


def test_accounts_that_are_unknown_are_within_no_limit() -> None:
    assert refuse(LIMITS, BlastRadius(None, 100, 0)) == (
        Refusal("max_accounts", "guardrails.max_accounts: how many accounts' protection it changes is unknown"),
    )
    assert [each.guardrail for each in refuse(LIMITS, BlastRadius(None, None, 11))] == ["max_accounts", "max_units"]


def test_what_concerns_no_account_needs_no_number_of_accounts() -> None:
    assert refuse(LIMITS, radius(0, None, units=10)) == ()
    assert refuse(Guardrails(max_accounts=0, max_share=0.0, max_units=0), radius(0, None)) == ()


@given(st.integers(0, 60), st.none() | st.integers(0, 2_000), st.integers(0, 20))
def test_a_larger_change_passes_no_more_than_a_smaller_one(number: int, total: int | None, units: int) -> None:
    smaller = {each.guardrail for each in refuse(LIMITS, radius(number, total, units))}

    assert smaller <= {each.guardrail for each in refuse(LIMITS, radius(number + 1, total, units + 1))}
