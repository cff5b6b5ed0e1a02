"""What may be added to the history of the containment preference, by whom, and how it is stored."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from muster.domain.callers import Caller, CallerKind, StartRecord
from muster.domain.observed import Known, Unknown
from muster.domain.preference import ORGANIZATION, PreferenceState
from muster.domain.preference_history import (
    AttestationRefused,
    Attested,
    attest,
    identify,
    read_attested,
    read_state,
    record_request,
    to_document,
)
from tests.fakes.approval import OWN_ROLES, person, record, schedule
from tests.fakes.preference import (
    AT,
    BY,
    CONFIRMED,
    EXECUTIONS,
    ONE,
    SUSPECTED,
    TWO,
    asked,
    attested,
    known,
)
from tests.unit.domain.test_preference import HISTORIES

SAID = Attested("10001", CONFIRMED, (ORGANIZATION,))


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({"case": "10001", "level": "ContainConfirmed"}, SAID),
            ({"case": "10001", "level": "ContainConfirmed", "accounts": []}, SAID),
            ({"case": "10001", "level": "ContainConfirmed", "accounts": None, "more": 1}, SAID),
            (
                {"case": "case-1234", "level": "ContainSuspected", "accounts": [TWO, ONE, TWO]},
                Attested("case-1234", SUSPECTED, (ONE, TWO)),
            ),
            ({"case": "10001", "level": "AsOrganization", "accounts": [ONE]}, Attested("10001", None, (ONE,))),
        ],
    )
    def test_is_case_level_and_for_whom(self, said: Any, expected: Attested) -> None:
        assert read_attested(json.dumps(said)) == expected

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("no JSON", "the input is no JSON object"),
            ("[]", "the input is no JSON object"),
            ("{}", "case is not the id of a support case"),
            ('{"case": 10001, "level": "ContainConfirmed"}', "case is not the id of a support case"),
            ('{"case": "ada@example.com", "level": "ContainConfirmed"}', "case is not the id of a support case"),
            ('{"case": "10001"}', "level is none of ApprovalRequired, ContainConfirmed, ContainSuspected, AsOrg"),
            ('{"case": "10001", "level": ["ContainConfirmed"]}', "level is none of"),
            ('{"case": "10001", "level": "ContainConfirmed", "accounts": "300000000001"}', "no list of account ids"),
            ('{"case": "10001", "level": "ContainConfirmed", "accounts": [300000000001]}', "no list of account ids"),
            ('{"case": "10001", "level": "ContainConfirmed", "accounts": ["Prod"]}', "no list of account ids"),
            ('{"case": "10001", "level": "AsOrganization"}', "AsOrganization is for accounts"),
        ],
    )
    def test_has_to_be_right_and_what_is_wrong_is_named(self, text: str, why: str) -> None:
        found = read_attested(text)

        assert isinstance(found, AttestationRefused)
        assert why in found.why


def take(state: PreferenceState, *starts: StartRecord, execution: str = "a") -> PreferenceState | AttestationRefused:
    return attest(state, SAID, execution=f"{EXECUTIONS}{execution}", starts=starts, own_roles=OWN_ROLES)


class TestAttesting:
    def test_adds_what_was_confirmed_with_who_aws_says_has_started_it(self) -> None:
        before = known(asked())

        after = take(before, record(person("ada"), "event-a", AT))

        assert after == known(asked(), attested())

    def test_happens_once_for_an_execution(self) -> None:
        before = known(asked(), attested())

        assert take(before, record(person("ben"), "event-b")) is before
        assert take(before, record(person("ben"), "event-b", AT), execution="b") == known(
            asked(), attested(), attested(execution="b")
        )

    def test_counts_the_first_record_by_time(self) -> None:
        late, early = AT + timedelta(seconds=1), AT
        after = take(
            known(), record(person("ben"), "event-b", late), record(person("ada", "Security"), "event-a", early)
        )

        assert after == known(replace(attested(), by=BY.replace("Operator", "Security")))

    @pytest.mark.parametrize(
        ("caller", "why"),
        [
            (person("x", "muster-report"), "role muster-report is the application's own"),
            (schedule(), "it was started by a service"),
            (Caller("arn:aws:iam::222222222222:root", "222222222222", None, CallerKind.ROOT), "root user"),
            (Caller("", "", None, CallerKind.UNKNOWN), "does not say which person"),
        ],
    )
    def test_is_for_people(self, caller: Caller, why: str) -> None:
        for starts in ((record(caller),), (record(person("ada")), record(caller, "event-2"))):
            found = take(known(), *starts)
            assert isinstance(found, AttestationRefused)
            assert why in found.why
            assert "attest with the credentials of a person" in found.why


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (person("ada"), BY),
        (
            Caller("arn:aws:iam::222222222222:user/team/ada", "AIDAEXAMPLE"),
            "arn:aws:iam::222222222222:user/AIDAEXAMPLE",
        ),
        (
            Caller("arn:aws:sts::222222222222:federated-user/ada", "222222222222:ada"),
            "arn:aws:sts::222222222222:federated-user/222222222222",
        ),
        (
            Caller("arn:aws:sts::222222222222:assumed-role/ada@example.com/ada@example.com", "AROA1:ada@example.com"),
            "arn:aws:sts::222222222222:assumed-role/AROA1",
        ),
    ],
)
def test_person_is_identified_without_a_name(caller: Caller, expected: str) -> None:
    assert identify(caller) == expected
    assert "ada" not in identify(caller)


class TestRequests:
    def test_case_is_added_with_what_it_asks_for(self) -> None:
        after = record_request(known(attested()), "10002", [(ORGANIZATION, SUSPECTED), (ONE, None)], AT)

        assert after == known(attested(), asked("10002", {ORGANIZATION: SUSPECTED, ONE: None}))

    def test_same_case_again_changes_nothing_and_another_one_does(self) -> None:
        before = known(asked(days=3))

        assert record_request(before, "10001", [(ORGANIZATION, CONFIRMED)], AT) is before
        assert len(record_request(before, "10002", [(ORGANIZATION, CONFIRMED)], AT).history) == 2
        assert len(record_request(before, "10001", [(ORGANIZATION, SUSPECTED)], AT).history) == 2
        assert len(record_request(known(attested()), "10001", [(ORGANIZATION, CONFIRMED)], AT).history) == 2


class TestStored:
    @given(HISTORIES)
    def test_state_comes_back_as_it_was_stored(self, state: PreferenceState) -> None:
        text = json.dumps(to_document(state), sort_keys=True)

        assert read_state(text) == Known(state)
        assert read_state(text.encode()) == Known(state)

    def test_nothing_stored_is_an_empty_history(self) -> None:
        assert read_state(None) == Known(PreferenceState())

    def test_another_version_is_unknown(self) -> None:
        assert read_state('{"schema": 2, "history": []}') == Unknown(
            "containment/preference.json is of another version"
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"at": "2027-01-31T10:15:00"},
            {"at": 1},
            {"case": "Ada Example"},
            {"case": 10001},
            {"level": "Everything"},
            {"level": None},
            {"subjects": ["Prod"]},
            {"subjects": [1]},
            {"subjects": 1},
            {"by": None},
            {"kind": "verified"},
            {"kind": "requested"},
            {"kind": "requested", "levels": []},
            {"kind": "requested", "levels": {"organization": None}},
            {"kind": "requested", "levels": {"Prod": "ContainConfirmed"}},
        ],
    )
    def test_what_cannot_be_understood_is_unknown(self, change: dict[str, Any]) -> None:
        document = to_document(known(attested()))
        document["history"][0] |= change

        assert read_state(json.dumps(document)) == Unknown("containment/preference.json cannot be understood")

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"schema": 1}', '{"schema": 1, "history": [1]}'])
    def test_what_is_no_such_document_is_unknown(self, text: str) -> None:
        assert isinstance(read_state(text), Unknown)
