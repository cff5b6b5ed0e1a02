"""What people are told of the containment preference, once, and the case that they send."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ContainmentPreference, DesiredContainment
from muster.domain.membership import Home
from muster.domain.observed import Known, Unknown
from muster.domain.preference import ORGANIZATION, Entry, PreferenceNeed, PreferenceState, judge
from muster.domain.preference_case import CaseContext, CaseText, wish, write_case
from muster.domain.preference_texts import PreferenceReport, report_preference
from tests.fakes.preference import (
    APPROVAL,
    AT,
    BY,
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
from tests.unit.domain.test_preference import HISTORIES, WISHES

CONTEXT = CaseContext("o-exampleorg1", "m-1234567890ab", Home("222222222222", "eu-west-1"))


def told(*history: Entry, days: float = 0, wish_for: DesiredContainment | None = None) -> PreferenceReport:
    return report_preference(wish_for or wanted(), Known(known(*history)), AT + days * DAY)


class TestReport:
    @pytest.mark.parametrize(
        ("history", "days", "line"),
        [
            ([], 0, "ContainConfirmed not requested: AWS contains nothing until it is lodged"),
            ([asked()], 0, "ContainConfirmed requested 2027-01-31 (case 10001), not attested yet"),
            ([attested()], 1, f"ContainConfirmed, attested 2027-01-31 by {BY} (case 10001)"),
            (
                [attested()],
                170,
                f"ContainConfirmed, attested 2027-01-31 by {BY} (case 10001), to be attested again before 2027-07-30",
            ),
            (
                [attested()],
                190,
                f"ContainConfirmed, attested 2027-01-31 by {BY} (case 10001), which counted until 2027-07-30",
            ),
            (
                [attested(APPROVAL)],
                0,
                f"ApprovalRequired, attested 2027-01-31 by {BY} (case 10001); ContainConfirmed is wanted",
            ),
            (
                [attested(APPROVAL, days=30), asked("10002")],
                0,
                (
                    f"ContainConfirmed requested 2027-01-31 (case 10002), not attested yet; "
                    f"ApprovalRequired, attested 2027-01-01 by {BY} (case 10001)"
                ),
            ),
            (
                [asked(levels={ORGANIZATION: SUSPECTED})],
                0,
                "ContainSuspected requested 2027-01-31 (case 10001), not attested yet; ContainConfirmed is wanted",
            ),
        ],
    )
    def test_says_attested_and_never_verified(self, history: list[Entry], days: float, line: str) -> None:
        assert told(*history, days=days).lines == [f"Containment preference: {line}"]
        assert "verified" not in line

    def test_accounts_have_a_line_each_up_to_twenty(self) -> None:
        accounts = {f"{300_000_000_000 + each}": SUSPECTED for each in range(22)}
        lines = told(attested(), wish_for=wanted(CONFIRMED, accounts)).lines

        assert lines[1] == (
            "  300000000000: ContainSuspected not requested: the organization's applies until it is lodged"
        )
        assert (len(lines), lines[-1]) == (22, "  ... and 2 more, `muster preference` shows them")

    def test_state_that_is_unknown_is_never_good(self) -> None:
        found = report_preference(wanted(), Unknown("denied"), AT)

        assert found.lines == ["Containment preference: unknown, denied"]
        (notice,) = found.notices
        assert (notice.subject, notice.needs_person) == ("the containment preference is unknown", True)
        assert notice.detail.startswith("denied, so nobody knows")
        assert found.to_document() == {"key": "containment/preference.json", "unknown": "denied", "subjects": []}

    def test_json_has_a_row_for_each_subject(self) -> None:
        found = told(attested(), wish_for=wanted(CONFIRMED, {ONE: SUSPECTED}))

        assert found.to_document() == {
            "key": "containment/preference.json",
            "unknown": None,
            "subjects": [
                {
                    "subject": "organization",
                    "status": "Attested",
                    "wanted": "ContainConfirmed",
                    "attested": "ContainConfirmed",
                    "due": "2027-07-30",
                    "says": f"ContainConfirmed, attested 2027-01-31 by {BY} (case 10001)",
                },
                {
                    "subject": ONE,
                    "status": "NotRequested",
                    "wanted": "ContainSuspected",
                    "attested": None,
                    "due": None,
                    "says": "ContainSuspected not requested: the organization's applies until it is lodged",
                },
            ],
        }

    def test_account_that_shall_have_no_level_is_told_as_such(self) -> None:
        found = told(attested(), attested(SUSPECTED, ONE), asked("10002", {TWO: SUSPECTED}))
        rows = {row["subject"]: row for row in found.to_document()["subjects"]}

        assert rows[ONE]["wanted"] is None
        assert rows[ONE]["says"].endswith("; no level of its own is wanted")
        (_, notice) = found.notices
        assert notice.subject == (
            f"containment preference of account {TWO} was requested otherwise, and no level of its own is wanted"
        )


class TestNotices:
    @pytest.mark.parametrize(
        ("history", "days", "subject", "remedy", "needs_person"),
        [
            ([], 0, "is not requested", "`muster preference` writes the case that asks AWS", True),
            ([asked()], 1, "is requested", "`muster attest --case 10001 --level ContainConfirmed`", False),
            (
                [asked()],
                8,
                "is requested, and nobody has attested it in time",
                "look at case 10001; when AWS has confirmed it: `muster attest --case 10001 --level ContainConfirmed`",
                True,
            ),
            (
                [asked(levels={ORGANIZATION: SUSPECTED})],
                0,
                "was requested otherwise, and ContainConfirmed is wanted",
                "nothing is raised or lowered by itself: `muster preference` writes the case that asks anew",
                True,
            ),
            (
                [attested(SUSPECTED)],
                0,
                "is ContainSuspected with AWS, and ContainConfirmed is wanted",
                "AWS goes further than is wanted, and nothing is raised or lowered by itself",
                True,
            ),
            ([attested(APPROVAL)], 0, "is ApprovalRequired with AWS, and", "AWS goes less far than is wanted", True),
            ([attested()], 170, "is to be attested again soon", "`muster attest --case CASE --level", False),
            ([attested()], 180, "is to be attested again", "ask AWS whether it is set still", True),
        ],
    )
    def test_what_is_to_be_done_is_told_with_its_command(
        self,
        history: list[Entry],
        days: float,
        subject: str,
        remedy: str,
        needs_person: bool,  # noqa: FBT001
    ) -> None:
        (notice,) = told(*history, days=days).notices

        assert notice.subject.startswith(f"containment preference of the organization {subject}")
        assert remedy in notice.detail
        assert notice.needs_person is needs_person

    def test_what_is_well_is_not_told(self) -> None:
        assert told(attested()).notices == ()

    def test_account_is_told_with_its_own_command(self) -> None:
        history = (attested(), asked("10002", {ONE: None}), attested(SUSPECTED, TWO))
        waits, differs = told(*history).notices

        assert waits.detail.endswith(f"`muster attest --case 10002 --level AsOrganization --account {ONE}`")
        assert "AWS has another level than is wanted" in differs.detail

    @given(WISHES, HISTORIES, st.integers(0, 600), st.integers(0, 600))
    def test_day_that_passes_is_no_news_by_itself(
        self, wish_for: DesiredContainment, state: PreferenceState, one: int, other: int
    ) -> None:
        reports = [report_preference(wish_for, Known(state), AT + timedelta(days=days)) for days in (one, other)]
        needs = [
            [(each.subject, each.need) for each in report.standings.value]
            for report in reports
            if isinstance(report.standings, Known)
        ]
        subjects = [[notice.subject for notice in report.notices] for report in reports]

        assert (subjects[0] == subjects[1]) == (needs[0] == needs[1])


def case_for(*history: Entry, days: float = 0, **over: Any) -> CaseText | None:
    standings = judge(over.get("wish_for") or wanted(), known(*history), AT + days * DAY)
    return write_case(standings, over.get("context", CONTEXT))


class TestCase:
    def test_first_one_names_organization_membership_and_every_level(self) -> None:
        overrides = {ONE: APPROVAL, TWO: APPROVAL, "300000000003": SUSPECTED}

        found = case_for(wish_for=wanted(CONFIRMED, overrides))

        assert found is not None
        assert (found.type, found.subject) == (
            "Technical: Security Incident Response Service / Other",
            "Containment preference of organization o-exampleorg1",
        )
        assert found.body.splitlines()[2:] == [
            "",
            "Organization: o-exampleorg1",
            "Membership: m-1234567890ab in account 222222222222, Region eu-west-1",
            "",
            "The preference as it has to be",
            "- the organization: Contain Confirmed",
            "- accounts 300000000001, 300000000002: Approval Required",
            "- account 300000000003: Contain Suspected",
            "",
            "What that changes against what you confirmed",
            "- the organization: from nothing that we asked for to Contain Confirmed",
            "- account 300000000001: from nothing that we asked for to Approval Required",
            "- account 300000000002: from nothing that we asked for to Approval Required",
            "- account 300000000003: from nothing that we asked for to Contain Suspected",
            "",
            "If any other account has an option of its own, please tell us which, and change nothing there.",
        ]

    def test_later_one_says_what_changes_and_leaves_out_what_does_not(self) -> None:
        history = (attested(APPROVAL), attested(SUSPECTED, ONE, case="10002"), attested(SUSPECTED, TWO, case="10003"))

        found = case_for(*history, wish_for=wanted(CONFIRMED, {TWO: SUSPECTED}))

        assert found is not None
        wanted_lines, changes = (part.splitlines() for part in found.body.split("\n\n")[2:4])
        assert wanted_lines[1:] == [
            "- the organization: Contain Confirmed",
            f"- account {TWO}: Contain Suspected",
            f"- account {ONE}: no option of its own",
        ]
        assert changes[1:] == [
            "- the organization: from Approval Required (case 10001, 2027-01-31) to Contain Confirmed",
            f"- account {ONE}: from Contain Suspected (case 10002, 2027-01-31) to no option of its own",
        ]

    def test_renewal_asks_whether_it_is_set_still(self) -> None:
        for days in (170, 200):
            found = case_for(attested(), days=days)
            assert found is not None
            assert (
                "- the organization: nothing. You confirmed Contain Confirmed (case 10001, 2027-01-31): please look "
                "whether it is set still"
            ) in found.body

    @pytest.mark.parametrize(
        ("history", "known_before"),
        [([], ""), ([attested(APPROVAL)], "; you confirmed Approval Required (case 10001, 2027-01-31)")],
    )
    def test_request_that_is_not_wanted_any_more_is_taken_back(self, history: list[Entry], known_before: str) -> None:
        found = case_for(*history, asked("10002", {ORGANIZATION: SUSPECTED}))

        assert found is not None
        assert (
            "- the organization: Contain Confirmed. Case 10002 of 2027-01-31 asked for Contain Suspected, which is not "
            f"wanted any more{known_before}\n"
        ) in found.body

    def test_membership_that_nobody_found_yet_is_left_out(self) -> None:
        found = case_for(context=CaseContext("o-1", None, CONTEXT.home))

        assert found is not None
        assert "Membership: in account 222222222222, Region eu-west-1" in found.body

    @pytest.mark.parametrize("history", [[asked()], [attested()]])
    def test_there_is_none_when_nothing_is_to_be_asked(self, history: list[Entry]) -> None:
        assert case_for(*history) is None

    def test_it_asks_for_what_is_open_or_for_what_waits_as_its_number_may_have_been_wrong(self) -> None:
        def wished(*history: Entry) -> Sequence[tuple[str, ContainmentPreference | None]]:
            return wish(judge(wanted(CONFIRMED, {ONE: SUSPECTED}), known(*history), AT))

        assert wished() == ((ORGANIZATION, CONFIRMED), (ONE, SUSPECTED))
        assert wished(attested(), asked("10002", {ONE: SUSPECTED})) == ((ONE, SUSPECTED),)
        assert wished(asked()) == ((ONE, SUSPECTED),)
        assert wished(attested(), attested(SUSPECTED, ONE)) == ()


def test_every_need_can_be_told() -> None:
    seen = {
        standing.need
        for history, days in (
            ([], 0), ([asked()], 0), ([asked()], 9), ([asked(levels={ORGANIZATION: SUSPECTED})], 0),
            ([attested(APPROVAL)], 0), ([attested()], 0), ([attested()], 170), ([attested()], 180),
        )
        for standing in judge(wanted(), known(*history), AT + days * DAY)
    }  # fmt: skip

    assert seen == set(PreferenceNeed)
