"""The membership's team follows the contacts: people are added and brought up to date, and nobody is ever lost."""

import threading
from typing import Any

import pytest

from tests.scenarios.operating import DESIGNATED, RESPONDERS, Operator, Run

ADA, BEN = RESPONDERS
EVE = {"name": "Eve Canary", "job_title": "Analyst", "email": "eve.canary@example.com"}
IDA = {"name": "Ida Canary", "job_title": "Analyst", "email": "ida.canary@example.com"}
ROLE = "muster-contact-setup"


def signed_up(operator: Operator, *contacts: dict[str, Any]) -> str:
    """Onboard with these contacts, then forget the calls."""
    operator.push(contacts=[*(contacts or RESPONDERS)])
    membership = operator.onboard().output["membership_id"]
    rest(operator)
    return str(membership)


def rest(operator: Operator) -> None:
    operator.cloud.clear_calls()
    operator.cloud.world.clock.advance(5)


def team(operator: Operator, membership: str) -> list[dict[str, Any]]:
    found = operator.client("security-ir").get_membership(membershipId=membership)
    return list(found["incidentResponseTeam"])


def addresses(operator: Operator, membership: str) -> list[str]:
    return [person["email"] for person in team(operator, membership)]


def replace_team(operator: Operator, membership: str, people: list[dict[str, Any]]) -> None:
    """Write the team past the application."""
    operator.client("security-ir").update_membership(membershipId=membership, incidentResponseTeam=people)


def as_the_service_has_it(person: dict[str, Any]) -> dict[str, Any]:
    return {"name": person["name"], "jobTitle": person["job_title"], "email": person["email"]}


def about_the_team(run: Run) -> list[dict[str, Any]]:
    return [each for each in run.output["notices"] if "responder" in each["subject"] or "team" in each["subject"]]


def details(rows: list[dict[str, Any]]) -> list[str]:
    return [row["detail"] for row in rows]


def test_new_contact_is_added_to_the_team_and_told(operator: Operator) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[*RESPONDERS, EVE])

    run = operator.onboard()

    assert (run.outcome, operator.writes()) == ("Covered", ["UpdateMembership"])
    assert details(run.output["changes"]) == ["add responder 3"]
    assert addresses(operator, membership) == [ADA["email"], BEN["email"], EVE["email"]]
    assert len(operator.messages()) == 1
    rest(operator)
    operator.onboard()
    assert (operator.writes(), operator.messages()) == ([], [])


def test_new_name_title_and_person_are_one_write(operator: Operator) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[ADA, {**BEN, "name": "Benedict Canary", "job_title": "Lead"}, EVE])

    run = operator.onboard()

    assert operator.writes() == ["UpdateMembership"]
    assert details(run.output["changes"]) == [
        "set job title of responder 2", "set name of responder 2", "add responder 3"
    ]  # fmt: skip
    assert [(person["name"], person["jobTitle"]) for person in team(operator, membership)] == [
        ("Ada Canary", "Head of Security"), ("Benedict Canary", "Lead"), ("Eve Canary", "Analyst")
    ]  # fmt: skip


def test_more_messages_are_sent_and_fewer_are_left_to_a_person(operator: Operator) -> None:
    membership = signed_up(operator, ADA, {**BEN, "notify": ["Case Created"]})
    operator.push(contacts=[{**ADA, "notify": ["Case Created"]}, {**BEN, "notify": ["Case Created", "Case Closed"]}])

    run = operator.onboard()

    assert operator.writes() == ["UpdateMembership"]
    assert details(run.output["changes"]) == ["send more kinds of message to responder 2"]
    assert [notice["subject"] for notice in about_the_team(run)] == [
        "responder 1 gets more kinds of message than are asked for"
    ]
    ada, ben = team(operator, membership)
    assert "communicationPreferences" not in ada
    assert ben["communicationPreferences"] == ["Case Closed", "Case Created"]


def test_contact_that_was_removed_stays_in_the_team_and_is_named_by_its_place(operator: Operator) -> None:
    membership = signed_up(operator, ADA, BEN, EVE)
    operator.push(contacts=[ADA, BEN])

    run = operator.onboard()

    assert (run.outcome, operator.writes()) == ("NeedsAttention", [])
    assert addresses(operator, membership) == [ADA["email"], BEN["email"], EVE["email"]]
    (notice,) = about_the_team(run)
    assert notice["subject"] == "the membership's team has 1 of 3 people who are not in the desired state"
    assert "responder 3 of the membership" in notice["detail"]


def test_address_that_changed_is_settled_by_a_person(operator: Operator) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[{**ADA, "email": "ada.new@example.com"}, BEN])

    run = operator.onboard()

    assert (run.outcome, operator.writes()) == ("WaitingForHandoff", [])
    (handoff,) = run.output["handoffs"]
    assert handoff["what"] == "e-mail differs: settle the address of responder 1"
    assert handoff["accounts"] == [DESIGNATED]
    assert addresses(operator, membership) == [ADA["email"], BEN["email"]]


def test_nobody_is_added_to_a_full_team(operator: Operator) -> None:
    crowd = [{"name": f"Person {each}", "job_title": "Analyst", "email": f"p{each}@example.com"} for each in range(9)]
    membership = signed_up(operator, *crowd)
    operator.push(contacts=[ADA, BEN])

    run = operator.onboard()

    assert addresses(operator, membership) == [*(person["email"] for person in crowd), ADA["email"]]
    assert [handoff["what"] for handoff in run.output["handoffs"]] == ["make room in the team for responder 2"]


def test_change_that_is_not_automatic_is_asked_for(operator: Operator) -> None:
    membership = signed_up(operator)
    operator.push(automatic=["add_responder"], contacts=[{**ADA, "job_title": "Lead"}, BEN, EVE])

    run = operator.onboard()

    assert run.outcome == "Asks"
    assert "set job title of responder 1" in operator.messages()[-1]
    assert [person["jobTitle"] for person in team(operator, membership)] == [
        "Head of Security", "Incident Manager", "Analyst"
    ]  # fmt: skip


def test_proposal_writes_nothing(operator: Operator) -> None:
    signed_up(operator)
    operator.push(mode="propose", contacts=[*RESPONDERS, EVE])

    run = operator.onboard()

    assert (run.outcome, operator.writes()) == ("Asks", [])
    (message,) = operator.messages()
    assert "add responder 3" in message
    assert EVE["name"] not in message


def test_what_somebody_else_writes_meanwhile_stops_the_run_and_the_next_one_adds_to_it(operator: Operator) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[*RESPONDERS, EVE])
    # One reading to plan and two to write: the last is held up until somebody else has written.
    operator.cloud.set_faults(
        [{"service": "security-ir", "operation": "GetMembership", "role": ROLE, "latency_ms": 1000, "times": 3}]
    )

    arn = operator.start()
    pause = threading.Event()
    while sum(call["role"] == ROLE for call in operator.calls("GetMembership")) < 3:
        pause.wait(0.02)
    replace_team(operator, membership, [as_the_service_has_it(person) for person in (ADA, BEN, IDA)])
    stopped = operator.finish(arn)
    written = operator.writes()
    run = operator.onboard()

    assert (stopped.error, written) == ("WorldMovedError", [])
    assert run.status == "SUCCEEDED", run.cause
    assert sorted(addresses(operator, membership)) == sorted(person["email"] for person in (ADA, BEN, EVE, IDA))


@pytest.mark.parametrize("error", ["AccessDeniedException", "ValidationException", "ConflictException"])
def test_write_that_is_not_taken_is_handed_off(operator: Operator, error: str) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[*RESPONDERS, EVE])
    operator.cloud.set_faults(
        [{"service": "security-ir", "operation": "UpdateMembership", "role": ROLE, "error": error, "rate": 1}]
    )

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    (handoff,) = run.output["handoffs"]
    assert (handoff["what"], handoff["accounts"]) == ("add responder 3", [DESIGNATED])
    assert f"--membership-id {membership} --incident-response-team file://team.json" in handoff["command"]
    operator.cloud.set_faults([])
    rest(operator)
    assert operator.onboard().outcome == "Covered"
    assert len(addresses(operator, membership)) == 3


@pytest.mark.parametrize(
    "fault",
    [{"kill_function": True}, {"drop_response": True}, {"error": "ThrottlingException"}, {"error": "Timeout"}],
    ids=lambda fault: str(*fault.values()),
)
def test_write_that_is_cut_short_takes_effect_once(operator: Operator, fault: dict[str, Any]) -> None:
    membership = signed_up(operator)
    operator.push(contacts=[*RESPONDERS, EVE])
    operator.cloud.set_faults(
        [{"service": "security-ir", "operation": "UpdateMembership", "role": ROLE, "times": 1, **fault}]
    )

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert operator.writes() == ["UpdateMembership"]
    assert addresses(operator, membership) == [ADA["email"], BEN["email"], EVE["email"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("omitted_preferences", "all"), ("responder_order", "by_email"), ("responder_order", "reversed")],
)
def test_what_the_service_does_not_promise_makes_no_difference(operator: Operator, name: str, value: str) -> None:
    operator.cloud.world.switches.set(name, value)
    signed_up(operator, BEN, ADA, EVE)

    run = operator.onboard()

    assert (run.outcome, operator.writes(), operator.messages()) == ("Covered", [], [])
