import json
from typing import Any

import pytest

from muster.domain.preference import Entry
from muster.domain.preference_history import PREFERENCE_KEY, to_document
from muster.messages.desired_state import parse
from muster_console.desired_state_file import load
from tests.fakes.preference import BY, ONE, SUSPECTED, TWO, asked, attested, known
from tests.unit.console.fakes import ATTEST_MACHINE, EXAMPLE, NOW, FakeCloud, Operator, refusal
from tests.unit.console.planned import left_state

REPORT: dict[str, Any] = {
    "schema": 1, "run": "r", "at": NOW.isoformat(), "status": "Covered", "membership_id": "m-1234567890ab",
    "settled": True, "counts": {}, "accounts_that_need_a_person": {"total": 0, "first": []},
    "assessment_key": None, "text_key": "t",
}  # fmt: skip
CASE_TYPE = "Technical: Security Incident Response Service / Other"


def push(cloud: FakeCloud, **containment: Any) -> None:
    document: Any = load(EXAMPLE.read_bytes())
    document["containment"] |= {"preference": "ContainConfirmed", **containment}
    cloud.s3.objects["desired-state.json"] = [parse(document).desired_state_json.encode()]


def store(cloud: FakeCloud, *history: Entry) -> None:
    cloud.store(PREFERENCE_KEY, to_document(known(*history)))


@pytest.fixture
def wanted(cloud: FakeCloud) -> FakeCloud:
    push(cloud)
    return cloud


@pytest.fixture
def stored(cloud: FakeCloud) -> Any:
    return lambda: json.loads(cloud.s3.objects[PREFERENCE_KEY][-1])


class TestShowing:
    def test_preference_that_nobody_asked_for_is_told_with_the_case_that_asks(
        self, operator: Operator, wanted: FakeCloud
    ) -> None:
        wanted.store("reports/latest.json", REPORT)

        ran = operator.types("preference")

        assert ran.code == 3
        assert ran.out.splitlines() == [
            "the organization: NotRequested",
            "  ContainConfirmed not requested: AWS contains nothing until it is lodged",
            "",
            f"To send to AWS Support, as a case of the type {CASE_TYPE}:",
            "",
            "Subject: Containment preference of organization o-exampleorg1",
            "",
            "Please set the containment preference of AWS Security Incident Response for our organization as follows,",
            "and tell us in this case which option is set, for the organization and for each account.",
            "",
            "Organization: o-exampleorg1",
            "Membership: m-1234567890ab in account 222222222222, Region eu-west-1",
            "",
            "The preference as it has to be",
            "- the organization: Contain Confirmed",
            "",
            "What that changes against what you confirmed",
            "- the organization: from nothing that we asked for to Contain Confirmed",
            "",
            "If any other account has an option of its own, please tell us which, and change nothing there.",
            "",
            "Then record its number: muster preference --case ID",
        ]
        assert wanted.s3.writes == []

    def test_request_that_waits_is_shown_with_what_to_type_when_aws_has_confirmed(
        self, operator: Operator, wanted: FakeCloud
    ) -> None:
        push(wanted, overrides={ONE: "ContainSuspected"})
        store(wanted, attested(), asked("10002", {ONE: SUSPECTED}))

        ran = operator.types("--stack-name", "muster", "--region", "eu-west-1", "preference")

        assert ran.code == 0
        assert ran.out.splitlines() == [
            "the organization: Attested",
            f"  ContainConfirmed, attested 2027-01-31 by {BY} (case 10001)",
            f"account {ONE}: Requested",
            "  ContainSuspected requested 2027-01-31 (case 10002), not attested yet",
            (
                "  When AWS has confirmed it: muster --region eu-west-1 attest --case 10002 --level ContainSuspected "
                f"--account {ONE}"
            ),
        ]

    def test_all_attested_is_nothing_to_do(self, operator: Operator, wanted: FakeCloud) -> None:
        store(wanted, attested())

        assert operator.types("preference").code == 0

    def test_json_has_every_subject_and_the_case(self, operator: Operator, wanted: FakeCloud) -> None:
        store(wanted, attested(), attested(SUSPECTED, TWO))

        ran = operator.types("preference", "--json")

        document = json.loads(ran.out)
        assert (ran.code, document["organization_id"], document["unknown"]) == (3, "o-exampleorg1", None)
        assert [(each["subject"], each["status"], each["need"]) for each in document["subjects"]] == [
            ("organization", "Attested", "nothing"), (TWO, "DueAgain", "correct"),
        ]  # fmt: skip
        assert document["case"]["type"] == CASE_TYPE
        assert f"- account {TWO}: no option of its own" in document["case"]["body"]

    def test_json_of_what_is_well_has_no_case(self, operator: Operator, wanted: FakeCloud) -> None:
        store(wanted, attested())

        assert json.loads(operator.types("preference", "--json").out)["case"] is None

    def test_state_that_cannot_be_understood_is_unknown_and_never_good(
        self, operator: Operator, wanted: FakeCloud
    ) -> None:
        wanted.s3.objects[PREFERENCE_KEY] = [b"{"]

        ran = operator.types("preference")

        assert ran.code == 3
        assert ran.out.startswith("Unknown: containment/preference.json cannot be understood.")
        assert json.loads(operator.types("preference", "--json").out)["unknown"].endswith("cannot be understood")

    def test_organization_whose_id_may_not_be_read_is_left_to_be_filled_in(
        self, operator: Operator, wanted: FakeCloud
    ) -> None:
        wanted.organizations.fault = refusal("AccessDeniedException", "DescribeOrganization")

        out = operator.types("preference").out

        assert "(in place of ORGANIZATION-ID write what `aws organizations describe-organization` says)" in out
        assert "Organization: ORGANIZATION-ID\nMembership: in account 222222222222, Region eu-west-1" in out

    def test_other_failure_of_organizations_is_told(self, operator: Operator, wanted: FakeCloud) -> None:
        wanted.organizations.fault = refusal("ServiceException", "DescribeOrganization")

        assert operator.types("preference").code == 4

    def test_report_of_another_version_names_no_membership(self, operator: Operator, wanted: FakeCloud) -> None:
        wanted.store("reports/latest.json", {"schema": 2})

        assert "Membership: in account" in operator.types("preference").out

    def test_roles_that_are_off_are_told(self, operator: Operator, wanted: FakeCloud) -> None:
        push(wanted, roles="off")

        assert operator.types("preference").out.startswith("containment.roles is off, so AWS can contain nothing")

    @pytest.mark.parametrize(("body", "code"), [(None, 3), (b"{}", 1)])
    def test_without_a_usable_desired_state_nothing_is_wanted(
        self, operator: Operator, cloud: FakeCloud, body: bytes | None, code: int
    ) -> None:
        if body is not None:
            cloud.s3.objects["desired-state.json"] = [body]

        ran = operator.types("preference")

        assert ran.code == code
        assert "Next: " in ran.err
        assert "muster push FILE" in ran.err


@pytest.mark.parametrize(
    ("preference", "lines"),
    [
        (None, []),
        ({"unknown": "denied", "subjects": []}, ["Preference  unknown, denied"]),
        (
            {"unknown": None, "subjects": [("organization", "ContainConfirmed, attested"), (ONE, "not requested")]},
            ["Preference  ContainConfirmed, attested", f"            {ONE}: not requested"],
        ),
    ],
)
def test_status_says_how_the_preference_stood_in_the_last_report(
    operator: Operator, cloud: FakeCloud, preference: dict[str, Any] | None, lines: list[str]
) -> None:
    rest = {"status": "Attested", "wanted": None, "attested": None, "due": None}
    told = preference and {
        "key": PREFERENCE_KEY,
        "unknown": preference["unknown"],
        "subjects": [{"subject": name, "says": says, **rest} for name, says in preference["subjects"]],
    }
    cloud.store("reports/latest.json", {**REPORT, "preference": told})

    ran = operator.types("status")

    assert ran.out.splitlines() == ["Status      Covered", "Assessed    never", *lines]


class TestRecordingACase:
    def test_case_is_recorded_with_what_it_asks_for(self, operator: Operator, wanted: FakeCloud, stored: Any) -> None:
        push(wanted, overrides={ONE: "ContainSuspected"})
        store(wanted, attested())

        ran = operator.types("preference", "--case", "10002")

        assert stored() == to_document(known(attested(), asked("10002", {ONE: SUSPECTED})))
        assert ran.code == 0
        assert f"account {ONE}: Requested\n" in ran.out
        assert "To send to AWS Support" not in ran.out

    def test_first_case_of_all_makes_the_document(self, operator: Operator, wanted: FakeCloud, stored: Any) -> None:
        assert operator.types("preference", "--case", "case-222222222222-2027").code == 0

        assert stored() == to_document(known(asked("case-222222222222-2027")))
        assert wanted.s3.writes == [PREFERENCE_KEY]

    def test_same_case_again_writes_nothing_and_another_number_corrects_it(
        self, operator: Operator, wanted: FakeCloud, stored: Any
    ) -> None:
        for case in ("10001", "10001", "10002"):
            assert operator.types("preference", "--case", case).code == 0

        assert wanted.s3.writes == [PREFERENCE_KEY, PREFERENCE_KEY]
        assert stored() == to_document(known(asked("10001"), asked("10002")))

    def test_there_has_to_be_something_to_ask(self, operator: Operator, wanted: FakeCloud) -> None:
        store(wanted, attested())

        ran = operator.types("preference", "--case", "10002")

        assert (ran.code, wanted.s3.writes) == (2, [])
        assert ran.err.startswith("There is nothing to ask AWS for")

    def test_what_cannot_be_understood_is_not_added_to(self, operator: Operator, wanted: FakeCloud) -> None:
        wanted.s3.objects[PREFERENCE_KEY] = [b"{"]

        ran = operator.types("preference", "--case", "10002")

        assert (ran.code, wanted.s3.writes) == (3, [])
        assert "so nothing is added to it" in ran.err

    def test_somebody_who_was_faster_is_not_overwritten(
        self, operator: Operator, wanted: FakeCloud, stored: Any
    ) -> None:
        wanted.s3.before_put = lambda: store(wanted, attested())

        ran = operator.types("preference", "--case", "10002")

        assert ran.code == 3
        assert ran.err.startswith("Somebody else recorded something about the preference at the same time.")
        assert stored() == to_document(known(attested()))

    @pytest.mark.parametrize("case", ["Ada Example", "1234", "ada@example.com"])
    def test_number_that_is_none_is_refused(self, operator: Operator, wanted: FakeCloud, case: str) -> None:
        assert operator.types("preference", "--case", case).code == 2
        assert wanted.s3.writes == []


def attesting(**output: Any) -> tuple[list[list[dict[str, Any]]], dict[str, Any]]:
    history = [[left_state("Attest", status="waiting", message="no")], [left_state("Attest", status="recorded")]]
    return history, {"status": "SUCCEEDED", "output": json.dumps(output)}


class TestAttesting:
    def test_what_aws_confirmed_is_attested_by_starting_the_machine(self, operator: Operator, cloud: FakeCloud) -> None:
        cloud.stepfunctions.upcoming = [attesting(status="recorded", message="ContainConfirmed for the organization")]

        ran = operator.types("attest", "--case", "10001", "--level", "ContainConfirmed")

        [request] = cloud.stepfunctions.started
        assert request["stateMachineArn"] == ATTEST_MACHINE
        assert request["name"].startswith("attest-20270131T101500Z-")
        assert json.loads(request["input"]) == {"case": "10001", "level": "ContainConfirmed", "accounts": []}
        assert ran.code == 0
        assert ran.out.splitlines() == [
            "Waiting for AWS's record of who attests (CloudTrail). That takes some minutes.",
            "Attest         AWS has no record yet of who attests",
            "Attest         recorded",
            "Attested: ContainConfirmed for the organization",
            "Next: muster preference",
        ]

    def test_accounts_are_attested_together(self, operator: Operator, cloud: FakeCloud) -> None:
        cloud.stepfunctions.upcoming = [attesting(status="recorded")]
        accounts = ("--account", TWO, "--account", ONE, "--account", TWO)

        assert operator.types("attest", "--case", "10001", "--level", "AsOrganization", *accounts).code == 0

        assert cloud.stepfunctions.inputs == [{"case": "10001", "level": "AsOrganization", "accounts": [ONE, TWO]}]

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--case", "10001"),
            ("--level", "ContainConfirmed"),
            ("--case", "10001", "--level", "Everything"),
            ("--case", "Ada Example", "--level", "ContainConfirmed"),
            ("--case", "10001", "--level", "ContainConfirmed", "--account", "Prod"),
            ("--case", "10001", "--level", "AsOrganization"),
        ],
    )
    def test_what_makes_no_sense_starts_nothing(
        self, operator: Operator, cloud: FakeCloud, arguments: tuple[str, ...]
    ) -> None:
        assert operator.types("attest", *arguments).code == 2
        assert cloud.stepfunctions.started == []

    def test_refusal_ends_with_1_and_its_cause(self, operator: Operator, cloud: FakeCloud) -> None:
        cloud.stepfunctions.upcoming = [attesting(status="refused", message="it was started by a service")]

        ran = operator.types("attest", "--case", "10001", "--level", "ContainConfirmed")

        assert (ran.code, ran.err) == (1, "Refused: it was started by a service\n")

    @pytest.mark.parametrize(
        "end",
        [
            {"status": "FAILED", "error": "States.Runtime", "cause": "odd"},
            {"status": "TIMED_OUT"},
            {"status": "SUCCEEDED", "output": "{}"},
        ],
    )
    def test_what_was_not_recorded_is_never_called_attested(
        self, operator: Operator, cloud: FakeCloud, end: dict[str, Any]
    ) -> None:
        cloud.stepfunctions.upcoming = [([[]], end)]

        ran = operator.types("attest", "--case", "10001", "--level", "ContainConfirmed")

        assert ran.code == 1
        assert ran.err.startswith("Nothing was attested (")

    def test_ctrl_c_takes_nothing_back(self, operator: Operator, cloud: FakeCloud) -> None:
        cloud.stepfunctions.upcoming = [attesting(status="recorded")]
        operator.interrupt = True

        ran = operator.types("attest", "--case", "10001", "--level", "ContainConfirmed")

        assert ran.code == 130
        assert ran.out.endswith("It is recorded all the same. Look at it later with: muster preference\n")

    def test_deployment_without_attestations_is_named(self, operator: Operator, cloud: FakeCloud) -> None:
        del cloud.cloudformation.outputs["AttestMachineArn"]

        ran = operator.types("attest", "--case", "10001", "--level", "ContainConfirmed")

        assert ran.code == 4
        assert ran.err.startswith("The stack has no output AttestMachineArn")
