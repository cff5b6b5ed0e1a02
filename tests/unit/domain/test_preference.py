"""Where the containment preference stands: what is wanted, what was asked, what was attested, and since when."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ContainmentPreference, DesiredContainment
from muster.domain.preference import (
    ORGANIZATION,
    Entry,
    PreferenceNeed,
    PreferenceStanding,
    PreferenceState,
    PreferenceStatus,
    is_broader,
    is_case_id,
    judge,
)
from tests.fakes.preference import (
    APPROVAL,
    AT,
    CONFIRMED,
    DAY,
    ONE,
    SUSPECTED,
    TWO,
    asked,
    attested,
    known,
    wanted,
)


def of_organization(*history: Entry, days: float = 0, level: ContainmentPreference = CONFIRMED) -> PreferenceStanding:
    """Return how the organization stands, so many days from now."""
    (found,) = judge(wanted(level), known(*history), AT + days * DAY)
    assert found.subject == ORGANIZATION
    return found


def of_account(*history: Entry, level: ContainmentPreference | None = SUSPECTED) -> PreferenceStanding | None:
    """Return how the first account stands, beside an organization that is well; None where it is no subject."""
    found = judge(
        wanted(CONFIRMED, {} if level is None else {ONE: level}), known(attested(CONFIRMED, case="10000"), *history), AT
    )
    assert (found[0].subject, found[0].need) == (ORGANIZATION, PreferenceNeed.NOTHING)
    return next(iter(found[1:]), None)


def test_preference_that_nobody_asked_for_is_not_requested() -> None:
    found = of_organization()

    assert (found.status, found.need, found.wanted) == (
        PreferenceStatus.NOT_REQUESTED, PreferenceNeed.ASK, CONFIRMED,
    )  # fmt: skip
    assert (found.attested, found.pending, found.due) == (None, None, None)


def test_default_has_to_be_lodged_like_every_other_level() -> None:
    assert of_organization(level=APPROVAL).need is PreferenceNeed.ASK


@pytest.mark.parametrize(("days", "need"), [(0, "await"), (7, "await"), (7.001, "chase"), (30, "chase")])
def test_request_has_a_week_to_be_answered(days: float, need: str) -> None:
    found = of_organization(asked(days=days))

    assert (found.status, found.need) == (PreferenceStatus.REQUESTED, PreferenceNeed(need))
    assert found.need.needs_person == (need == "chase")
    assert not found.need.asks
    assert found.pending == asked(days=days)


@pytest.mark.parametrize(
    ("days", "need", "status"),
    [
        (0, "nothing", "Attested"),
        (165.9, "nothing", "Attested"),
        (166, "renew_soon", "Attested"),
        (179.9, "renew_soon", "Attested"),
        (180, "renew", "DueAgain"),
        (400, "renew", "DueAgain"),
    ],
)
def test_attestation_counts_for_a_period_and_its_end_is_told_two_weeks_before(
    days: float, need: str, status: str
) -> None:
    found = of_organization(attested(), days=days)

    assert (found.need, found.status) == (PreferenceNeed(need), PreferenceStatus(status))
    assert found.due == AT + 180 * DAY
    assert found.need.needs_person == (need == "renew")
    assert found.need.asks == (need != "nothing")


def test_period_is_the_desired_states() -> None:
    short = DesiredContainment(preference=CONFIRMED, attest_every_days=30)

    needs = [judge(short, known(attested(days=days)), AT)[0].need for days in (15, 16, 30)]

    assert needs == [PreferenceNeed.NOTHING, PreferenceNeed.RENEW_SOON, PreferenceNeed.RENEW]


def test_renewal_that_was_asked_for_waits_for_its_answer_and_is_chased_when_the_attestation_is_too_old() -> None:
    early = (attested(), asked(days=-160))
    history = (attested(), asked(days=-170, case="10002"))

    assert of_organization(*early, days=161).need is PreferenceNeed.NOTHING
    assert of_organization(*history, days=179).need is PreferenceNeed.AWAIT
    assert of_organization(*history, days=180).need is PreferenceNeed.CHASE
    late = (attested(), asked(days=-179))
    assert of_organization(*late, days=180).need is PreferenceNeed.AWAIT
    assert of_organization(*history, attested(days=-180), days=181).need is PreferenceNeed.NOTHING


@pytest.mark.parametrize("found", [APPROVAL, SUSPECTED])
def test_level_that_differs_from_what_is_wanted_is_due_again_whoever_changed_it(found: ContainmentPreference) -> None:
    standing = of_organization(asked(), attested(found))

    assert (standing.status, standing.need) == (PreferenceStatus.DUE_AGAIN, PreferenceNeed.CORRECT)
    assert standing.need.needs_person
    assert standing.need.asks
    assert (standing.attested, standing.pending, standing.due) == (attested(found), None, None)


def test_wish_that_changed_after_the_request_has_to_be_asked_anew() -> None:
    standing = of_organization(asked(levels={ORGANIZATION: SUSPECTED}))

    assert (standing.status, standing.need) == (PreferenceStatus.DUE_AGAIN, PreferenceNeed.ASK_OTHERWISE)
    assert standing.need.needs_person
    assert standing.need.asks


def test_request_that_is_not_wanted_any_more_is_told_although_the_wanted_level_is_attested() -> None:
    history = (attested(), asked("10002", {ORGANIZATION: SUSPECTED}))

    assert of_organization(*history).need is PreferenceNeed.ASK_OTHERWISE
    assert of_organization(*history, asked("10003")).need is PreferenceNeed.NOTHING
    assert of_organization(*history, attested(case="10004")).need is PreferenceNeed.NOTHING


def test_late_answer_to_an_earlier_case_does_not_answer_the_later_one() -> None:
    asked_twice = (asked("10001", {ORGANIZATION: SUSPECTED}), asked("10002"))

    late = of_organization(*asked_twice, attested(SUSPECTED, case="10001"))
    assert (late.need, late.pending) == (PreferenceNeed.AWAIT, asked("10002"))
    answered = of_organization(*asked_twice, attested(SUSPECTED, case="10001"), attested(case="10002"))
    assert (answered.need, answered.pending) == (PreferenceNeed.NOTHING, None)


def test_answer_in_another_case_answers_by_its_level() -> None:
    found = of_organization(asked("10001", {ORGANIZATION: SUSPECTED}), attested(SUSPECTED, case="10007"))

    assert (found.need, found.pending) == (PreferenceNeed.CORRECT, None)


def test_answer_in_the_same_case_with_another_level_answers_too() -> None:
    found = of_organization(asked("10001"), attested(APPROVAL, case="10001"))

    assert (found.need, found.pending) == (PreferenceNeed.CORRECT, None)


class TestAccounts:
    def test_level_of_its_own_is_asked_and_attested_apart(self) -> None:
        found = of_account()
        assert found is not None
        assert (found.subject, found.need, found.wanted) == (ONE, PreferenceNeed.ASK, SUSPECTED)
        waits = of_account(asked("10002", {ONE: SUSPECTED}))
        assert waits is not None
        assert waits.need is PreferenceNeed.AWAIT
        well = of_account(attested(SUSPECTED, ONE, TWO))
        assert well is not None
        assert well.need is PreferenceNeed.NOTHING

    def test_account_without_a_level_of_its_own_is_no_subject(self) -> None:
        assert of_account(level=None) is None

    def test_level_that_is_not_wanted_any_more_is_told_until_it_is_attested_to_be_gone(self) -> None:
        had = attested(SUSPECTED, ONE)

        found = of_account(had, level=None)
        assert found is not None
        assert (found.need, found.wanted, found.status) == (
            PreferenceNeed.CORRECT, None, PreferenceStatus.DUE_AGAIN,
        )  # fmt: skip
        waits = of_account(had, asked("10002", {ONE: None}), level=None)
        assert waits is not None
        assert waits.need is PreferenceNeed.AWAIT
        assert of_account(had, attested(None, ONE, case="10002"), level=None) is None

    def test_removed_level_that_is_the_organizations_is_as_good_as_none_while_it_counts(self) -> None:
        found = of_account(attested(CONFIRMED, ONE), level=None)
        assert found is not None
        assert (found.need, found.due) == (PreferenceNeed.NOTHING, AT + 180 * DAY)
        old = of_account(attested(CONFIRMED, ONE, days=200), level=None)
        assert old is not None
        assert old.need is PreferenceNeed.RENEW

    def test_level_that_was_asked_for_and_is_not_wanted_any_more_may_still_come(self) -> None:
        found = of_account(asked("10002", {ONE: SUSPECTED}), level=None)
        assert found is not None
        assert (found.need, found.wanted) == (PreferenceNeed.ASK_OTHERWISE, None)
        again = of_account(attested(None, ONE), asked("10002", {ONE: SUSPECTED}), level=None)
        assert again is not None
        assert again.need is PreferenceNeed.ASK_OTHERWISE

    def test_account_that_was_attested_without_anybody_asking_is_told(self) -> None:
        found = judge(wanted(), known(attested(), attested(SUSPECTED, TWO)), AT)

        assert [(each.subject, each.need) for each in found] == [
            (ORGANIZATION, PreferenceNeed.NOTHING), (TWO, PreferenceNeed.CORRECT),
        ]  # fmt: skip

    def test_account_whose_own_level_is_gone_has_to_get_the_wanted_one(self) -> None:
        found = of_account(attested(None, ONE))
        assert found is not None
        assert found.need is PreferenceNeed.CORRECT

    def test_organization_comes_first_and_accounts_by_their_id(self) -> None:
        found = judge(wanted(CONFIRMED, {TWO: SUSPECTED, ONE: SUSPECTED}), known(), AT)

        assert [each.subject for each in found] == [ORGANIZATION, ONE, TWO]


def test_every_need_has_a_status_and_only_three_are_well() -> None:
    assert {need for need in PreferenceNeed if not need.needs_person} == {
        PreferenceNeed.NOTHING, PreferenceNeed.AWAIT, PreferenceNeed.RENEW_SOON,
    }  # fmt: skip
    assert {need.status for need in PreferenceNeed} == set(PreferenceStatus)


def test_levels_have_an_order() -> None:
    assert is_broader(SUSPECTED, CONFIRMED)
    assert is_broader(CONFIRMED, APPROVAL)
    assert not is_broader(CONFIRMED, CONFIRMED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17012345678901", True),
        ("case-222222222222-muen-2027-c0ffee", True),
        ("12345", True),
        ("1234", False),
        ("123456789012345678901", False),
        ("case-", False),
        ("case-ada@example.com", False),
        ("Ada Example", False),
        ("12345\n", False),
    ],
)
def test_case_is_named_as_aws_support_does(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_case_id(text) is expected


LEVELS = st.sampled_from(ContainmentPreference)
CASES = st.sampled_from(["10001", "10002", "10003"])
DAYS = st.integers(-500, 0)
REQUESTS = st.builds(
    lambda case, days, levels: asked(case, levels, days=days),
    CASES, DAYS,
    st.dictionaries(st.sampled_from([ONE, TWO]), LEVELS | st.none(), min_size=1)
    | LEVELS.map(lambda level: {ORGANIZATION: level}),
)  # fmt: skip
ATTESTATIONS = st.builds(
    lambda level, subjects, case, days: attested(level, *subjects, case=case, days=days),
    LEVELS, st.just([ORGANIZATION]) | st.lists(st.sampled_from([ONE, TWO]), min_size=1, unique=True), CASES, DAYS,
)  # fmt: skip
HISTORIES = st.lists(REQUESTS | ATTESTATIONS, max_size=8).map(lambda entries: PreferenceState(tuple(entries)))
WISHES = st.builds(
    lambda level, accounts, days: DesiredContainment(
        preference=level, overrides=tuple(sorted(accounts.items())), attest_every_days=days
    ),
    LEVELS, st.dictionaries(st.sampled_from([ONE, TWO]), LEVELS), st.integers(30, 400),
)  # fmt: skip


@given(WISHES, HISTORIES, DAYS)
def test_nobody_is_called_attested_but_by_the_last_attestation_at_the_wanted_level(
    wish: DesiredContainment, state: PreferenceState, days: int
) -> None:
    at = AT - days * DAY
    for each in judge(wish, state, at):
        if each.status is PreferenceStatus.ATTESTED:
            assert each.attested is not None
            assert each.attested.level == (each.wanted or wish.preference)
            assert at < each.attested.at + timedelta(days=wish.attest_every_days)


@given(WISHES, HISTORIES)
def test_every_wish_is_judged_once_and_when_all_is_attested_there_is_nothing_to_do(
    wish: DesiredContainment, state: PreferenceState
) -> None:
    found = judge(wish, state, AT)
    subjects = [each.subject for each in found]

    assert len(subjects) == len(set(subjects))
    assert {ORGANIZATION, *dict(wish.overrides)} <= set(subjects)
    answers = [attested(each.wanted, each.subject, case="10009") for each in found]
    after = judge(wish, PreferenceState((*state.history, *answers)), AT)
    assert {each.need for each in after} == {PreferenceNeed.NOTHING}
    assert [each.subject for each in after] == [each.subject for each in found if each.wanted is not None]


@given(WISHES, HISTORIES)
def test_what_is_asked_for_waits_and_is_not_asked_again(wish: DesiredContainment, state: PreferenceState) -> None:
    open_ones = {each.subject: each.wanted for each in judge(wish, state, AT) if each.need.asks}
    request = asked("10009", open_ones)

    after = judge(wish, PreferenceState((*state.history, request)), AT) if open_ones else ()

    assert not [each for each in after if each.need.asks]
