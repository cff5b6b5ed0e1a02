import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.domain.containment import Deployment, DeploymentState, Inventory, Member, Observation
from muster.domain.containment_document import to_document
from muster.domain.containment_roles import CONTAINMENT_ROLE, Defect, DefectKind, remedy_for
from muster.domain.desired import DesiredContainment
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.readiness import AccountReadiness, Readiness
from muster.domain.stack_sets import StackSet
from muster.messages.desired_state import parse
from muster_console.desired_state_file import load
from tests.unit.console.fakes import BUCKET, EXAMPLE, NOW, FakeCloud, Operator, refusal
from tests.unit.console.planned import PROD, SANDBOX, account

KEY = f"s3://{BUCKET}/containment/latest.json"
PAYMENTS = "ou-ab12-33333333"
ROOT = ("r-ab12",)
AT = datetime(2027, 1, 31, 7, 15, tzinfo=UTC)
READ = datetime(2027, 1, 30, 7, 15, tzinfo=UTC)

STACK_SET = StackSet("SIR-Containment-Roles", "SERVICE_MANAGED", True, frozenset(ROOT), (), "template")  # noqa: FBT003
IN_VERIFY = Known(Observation(True, STACK_SET))  # noqa: FBT003 - what was read of the StackSet
EXTERNAL_ID = Defect(DefectKind.EXTERNAL_ID_MISSING, CONTAINMENT_ROLE, "the trust policy asks for no external id")
DENIED = Defect(DefectKind.ATTACHED_DENY, CONTAINMENT_ROLE, "the policy denies everything", "arn:aws:iam::aws:policy/X")
NO_READER = "no reader role is deployed in the member accounts"


def deployed(
    number: int, state: DeploymentState = DeploymentState.DEPLOYED, reason: str = "its stack is current"
) -> Any:
    return Deployment(Member(account(number), f"app-{number}", "ACTIVE", None), state, reason)


def ready(number: int, read_at: datetime | None = READ, **other: Any) -> AccountReadiness:
    day = f"as read on {read_at:%Y-%m-%d}" if read_at else "as read"
    return AccountReadiness(deployed(number, **other), Readiness.READY, day, read_at=read_at)


def defective(number: int, defect: Defect = EXTERNAL_ID, read_at: datetime = READ, **other: Any) -> AccountReadiness:
    remedy = remedy_for(defect)
    why = f"{defect.kind}: {defect.detail}"
    return AccountReadiness(deployed(number, **other), Readiness.NOT_READY, why, remedy, read_at, (defect,))


def unread(number: int, **other: Any) -> AccountReadiness:
    return AccountReadiness(deployed(number, **other), Readiness.UNKNOWN, NO_READER, "let Muster read the roles there")


def absent(number: int, reason: str = "StackSets leave the management account out") -> AccountReadiness:
    return AccountReadiness(
        deployed(number, state=DeploymentState.ABSENT_BY_CHOICE, reason=reason), Readiness.ABSENT_BY_CHOICE, reason
    )


def store_roles(
    cloud: FakeCloud,
    *accounts: AccountReadiness,
    at: datetime = AT,
    seen: Observed[Observation] = IN_VERIFY,
    waiting_for: str | None = None,
    lost: Sequence[int] = (),
    inactive: Sequence[int] = (),
    **changed: Any,
) -> None:
    """Store the document as a run does."""
    members = tuple(each.deployment.account for each in accounts)
    gone = tuple(Member(account(number), f"app-{number}", "SUSPENDED", None) for number in inactive)
    document = to_document(
        accounts,
        run="manual-1",
        at=at.isoformat(),
        wanted=DesiredContainment(),
        inventory=Inventory(members[0], members[1:], gone, ROOT[0]),
        seen=seen,
        template="template",
        waiting_for=waiting_for,
        lost=[each.deployment for each in accounts if each.deployment.account.id in map(account, lost)],
    )
    cloud.store("containment/latest.json", {**document, **changed})


def store_places(cloud: FakeCloud, places: dict[int, Sequence[str] | None], at: datetime = AT, **states: str) -> None:
    """Store an assessment that says where the accounts sit, by their numbers."""
    scope = {"entire_organization": True, "unit_ids": []}
    cloud.store(
        "assessments/latest.json",
        {
            "schema": 1, "run": "manual-1", "at": at.isoformat(), "counts": {},
            "membership": {"id": "m-1234567890ab", "account_id": account(2), "region": "eu-west-1", "status": "Active"},
            "scope": {"asked": scope, "found": scope},
            "accounts": [
                {
                    "id": account(number), "name": f"app-{number}", "state": states.get(f"state_{number}", "ACTIVE"),
                    "ancestors": path and list(path), "coverage": "Covered", "cause": None, "reason": "",
                }
                for number, path in places.items()
            ],
        },
    )  # fmt: skip


@pytest.fixture
def organization(cloud: FakeCloud) -> FakeCloud:
    """Six accounts: the management account, three below two units that are one in the other, one apart, one unknown."""
    cloud.organizations.units = {
        ROOT[0]: [(SANDBOX, "Sandbox"), (PROD, "Production [eu]")],
        PROD: [(PAYMENTS, "Payments")],
    }
    store_places(
        cloud,
        {
            1: ROOT, 2: (*ROOT, PROD), 3: (*ROOT, PROD, PAYMENTS), 4: (*ROOT, PROD, PAYMENTS), 5: (*ROOT, SANDBOX),
            6: None,
        },
    )  # fmt: skip
    return cloud


def push_roles(cloud: FakeCloud, roles: str) -> None:
    document: Any = load(EXAMPLE.read_bytes())
    document["containment"] |= {"roles": roles}
    cloud.s3.objects["desired-state.json"] = [parse(document).desired_state_json.encode()]


class TestShowing:
    def test_everything_is_ready_or_absent_by_choice_and_nothing_is_to_do(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        store_roles(organization, absent(1), *map(ready, range(2, 7)), inactive=[7, 8])

        ran = operator.types("containment")

        assert (ran.code, ran.err) == (0, "")
        assert ran.out.splitlines() == [
            "Looked at   2027-01-31 07:15 UTC by run manual-1",
            "Roles       verify, StackSet SIR-Containment-Roles in us-east-1 is there",
            "Readiness   5 Ready, 1 AbsentByChoice",
            "Inactive    2 accounts, which no stack reaches",
            "",
            "Root  4 Ready, 1 AbsentByChoice",
            "├── Production [eu]  3 Ready",
            "│   └── Payments  2 Ready",
            "├── Sandbox  1 Ready",
            "└── directly under the root  1 AbsentByChoice",
            "Elsewhere (moved since, or the place could not be read)  1 Ready",
            "",
            "No account needs a person.",
        ]

    def test_each_exception_has_its_unit_verdict_cause_day_and_remedy_with_what_is_surely_bad_first(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        store_roles(
            organization, unread(1), ready(2), ready(3), defective(4), defective(5, DENIED), unread(6),
            waiting_for="operation 1a2b (UPDATE) of SIR-Containment-Roles",
        )  # fmt: skip

        ran = operator.types("containment")

        assert ran.code == 3
        assert ran.out.splitlines() == [
            "Looked at   2027-01-31 07:15 UTC by run manual-1",
            "Roles       verify, StackSet SIR-Containment-Roles in us-east-1 is there",
            "Waits for   operation 1a2b (UPDATE) of SIR-Containment-Roles",
            "Readiness   2 Ready, 2 NotReady, 2 Unknown",
            "",
            "Root  2 Ready, 2 NotReady, 1 Unknown",
            "├── Production [eu]  2 Ready, 1 NotReady",
            "│   └── Payments  1 Ready, 1 NotReady",
            "├── Sandbox  1 NotReady",
            "└── directly under the root  1 Unknown",
            "Elsewhere (moved since, or the place could not be read)  1 Unknown",
            "",
            "4 accounts are not Ready, or need a person:",
            (
                "  000000000004 app-4, Production [eu]/Payments: NotReady, external_id_missing: the trust policy "
                "asks for no external id (read on 2027-01-30)"
            ),
            f"    {remedy_for(EXTERNAL_ID)}",
            "  000000000005 app-5, Sandbox: NotReady, attached_deny: the policy denies everything (read on 2027-01-30)",
            (
                "    as an administrator of the account: aws iam detach-role-policy --role-name "
                "AWSSecurityIncidentResponseContainment --policy-arn arn:aws:iam::aws:policy/X"
            ),
            f"  000000000001 app-1, directly under the root: Unknown, {NO_READER} (no reading)",
            "    let Muster read the roles there",
            f"  000000000006 app-6, place not known: Unknown, {NO_READER} (no reading)",
            "    let Muster read the roles there",
            "To look again: muster onboard",
        ]

    @pytest.mark.parametrize(("number", "told_together"), [(3, False), (4, True), (12, True)])
    def test_more_than_three_accounts_that_are_alike_are_one_entry(
        self, operator: Operator, cloud: FakeCloud, number: int, *, told_together: bool
    ) -> None:
        store_roles(cloud, *map(unread, range(1, number + 1)))

        lines = operator.types("containment").out.splitlines()

        together = [
            f"  {number} accounts: Unknown, {NO_READER} (no reading)",
            (
                "    000000000001 app-1, place not known; 000000000002 app-2, place not known; "
                f"000000000003 app-3, place not known; and {number - 3} more"
            ),
            "    let Muster read the roles there",
        ]
        at = lines.index(f"{number} accounts are not Ready, or need a person:") + 1
        assert (lines[at : at + 3] == together) == told_together
        assert len(lines) == at + (3 if told_together else 2 * number) + 1

    def test_alike_is_the_same_verdict_cause_and_remedy(self, operator: Operator, cloud: FakeCloud) -> None:
        store_roles(cloud, *(defective(each, DENIED) for each in (1, 2)), *map(defective, (3, 4)), *map(unread, (5, 6)))

        out = operator.types("containment").out

        assert " accounts: " not in out
        assert out.count("(read on 2027-01-30)") == 4

    def test_entry_of_many_says_from_when_to_when_they_were_read(self, operator: Operator, cloud: FakeCloud) -> None:
        store_roles(cloud, *(defective(each, read_at=READ - timedelta(days=each)) for each in range(1, 5)))

        out = operator.types("containment").out

        assert "  4 accounts: NotReady, external_id_missing: the trust policy asks for no external id " in out
        assert "(read from 2027-01-26 to 2027-01-29)\n" in out

    def test_twenty_entries_are_told_and_the_accounts_of_the_others_are_counted(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        alone = [defective(each, replace(DENIED, detail=f"policy {each} denies")) for each in range(1, 21)]
        store_roles(cloud, *alone, *map(unread, range(21, 28)))

        lines = operator.types("containment").out.splitlines()

        assert sum(line.startswith("  0") for line in lines) == 20
        assert lines[-2] == f"  and 7 more in {KEY}"

    def test_text_that_looks_like_markup_or_pictures_is_printed_as_it_is(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        condition = Defect(DefectKind.TRUST_ALTERED, CONTAINMENT_ROLE, "the condition on a:key:b [bold] is not ours")
        store_roles(cloud, defective(1, condition))
        store_places(cloud, {1: (*ROOT, PROD)})
        cloud.organizations.units = {ROOT[0]: [(PROD, "Prod :lock: [red]")]}

        out = operator.types("containment").out

        assert "the condition on a:key:b [bold] is not ours" in out
        assert "└── Prod :lock: [red]  1 NotReady" in out

    @pytest.mark.parametrize(
        ("seen", "words"),
        [
            (Known(Observation(True, None)), "does not exist"),  # noqa: FBT003
            (Unknown("denied"), "could not be read"),
        ],
    )
    def test_stack_set_that_is_not_there_is_told_from_one_that_could_not_be_read(
        self, operator: Operator, cloud: FakeCloud, seen: Observed[Observation], words: str
    ) -> None:
        store_roles(cloud, ready(1), seen=seen)

        assert f"StackSet SIR-Containment-Roles in us-east-1 {words}\n" in operator.types("containment").out


class TestLostRoles:
    def test_accounts_that_lost_their_roles_are_told_first_with_what_to_do(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        outside = f"it is not below the canary unit {PROD}"
        store_roles(organization, ready(1), defective(4), absent(5, outside), lost=[5])

        ran = operator.types("containment")

        assert ran.code == 3
        lines = ran.out.splitlines()
        at = lines.index("1 account has lost its containment roles:")
        assert lines[at + 1] == f"  000000000005 app-5, Sandbox: AbsentByChoice, {outside} (no reading)"
        assert lines[at + 2].startswith("    if that was not meant: move it back, or let the StackSet's targets")
        assert lines[at + 3] == "1 account is not Ready, or needs a person:"
        assert lines[at + 4].startswith("  000000000004 app-4")

    def test_lost_roles_say_why_the_stack_is_gone_as_well_as_what_the_roles_are(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        gone = Defect(DefectKind.ROLE_MISSING, CONTAINMENT_ROLE, "there is no such role")
        reason = "StackSet SIR-Containment-Roles has no instance in it"
        store_roles(
            cloud,
            *(defective(each, gone, state=DeploymentState.MISSING, reason=reason) for each in (1, 2)),
            lost=[1, 2],
        )

        lines = operator.types("containment").out.splitlines()

        at = lines.index("2 accounts have lost their containment roles:")
        assert lines[at + 1].startswith(
            "  000000000001 app-1, place not known: NotReady, role_missing: there is no such"
        )
        assert lines[at + 1].count(reason) == 1
        assert lines[at + 2] == f"    {remedy_for(gone)}"

    def test_when_the_lost_ones_take_all_the_room_the_others_are_counted(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        lost = range(1, 22)
        store_roles(cloud, *(absent(each, f"reason {each}") for each in lost), unread(30), lost=lost)

        assert operator.types("containment").out.splitlines()[-4:] == [
            f"  and 1 more in {KEY}",
            "1 account is not Ready, or needs a person:",
            f"  all of them in {KEY}",
            "To look again: muster onboard",
        ]


class TestDeployments:
    @pytest.mark.parametrize(
        ("state", "remedy"),
        [
            (DeploymentState.FAILED, "repair that cause; each run tries once more"),
            (DeploymentState.OUTDATED, "bring the StackSet's template and instances up to date"),
            (DeploymentState.UNKNOWN, "let Muster read the StackSet: stacks/management-account.yaml"),
        ],
    )
    def test_good_roles_with_a_deployment_that_needs_a_person_are_an_exception(
        self, operator: Operator, cloud: FakeCloud, state: DeploymentState, remedy: str
    ) -> None:
        store_roles(cloud, ready(1, state=state, reason="the service says so"))

        ran = operator.types("containment")

        assert ran.code == 3
        assert f": Ready, yet {state}: the service says so (read on 2027-01-30)\n    {remedy}" in ran.out

    def test_failed_deployment_explains_roles_that_are_not_there(self, operator: Operator, cloud: FakeCloud) -> None:
        gone = Defect(DefectKind.ROLE_MISSING, CONTAINMENT_ROLE, "there is no such role")
        store_roles(cloud, defective(1, gone, state=DeploymentState.FAILED, reason="an explicit deny"))

        assert "role_missing: there is no such role; deployment Failed: an explicit deny (read on" in (
            operator.types("containment").out
        )

    def test_roles_on_their_way_are_unknown_and_not_done(self, operator: Operator, cloud: FakeCloud) -> None:
        why = "its roles are being deployed"
        on_its_way = deployed(1, state=DeploymentState.PENDING, reason="an operation is on its way to it")
        store_roles(cloud, AccountReadiness(on_its_way, Readiness.UNKNOWN, why, passes=True))

        ran = operator.types("containment")

        assert ran.code == 3
        assert f": Unknown, {why} (no reading)\nTo look again: muster onboard\n" in ran.out


class TestAge:
    def test_reading_older_than_seven_days_makes_nobody_ready(self, operator: Operator, cloud: FakeCloud) -> None:
        early = NOW - timedelta(days=7, seconds=1)
        store_roles(cloud, ready(1, early), ready(2, NOW - timedelta(days=7)))

        ran = operator.types("containment")

        assert ran.code == 3
        assert "Readiness   1 Ready, 1 Unknown\n" in ran.out
        assert (
            "  000000000001 app-1, place not known: Unknown, its roles were last read on 2027-01-24, and no reading "
            "counts for more than 7 days (read on 2027-01-24)\n    run again\n"
        ) in ran.out
        assert "days ago" not in ran.out

    def test_document_older_than_seven_days_is_told_with_its_age_and_is_never_done(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        store_roles(cloud, absent(1), at=NOW - timedelta(days=9, hours=1))

        ran = operator.types("containment")

        assert ran.code == 3
        assert ran.out.startswith(
            "Looked at   2027-01-22 09:15 UTC by run manual-1, 9 days ago; no reading counts for more than 7 days\n"
        )
        assert ran.out.endswith("No account needs a person.\nTo look again: muster onboard\n")

    def test_ready_without_a_day_is_not_ready(self, operator: Operator, cloud: FakeCloud) -> None:
        store_roles(cloud, ready(1, None))

        assert "Unknown, its roles were last read on an unknown day" in operator.types("containment").out

    def test_old_defect_stays_a_defect(self, operator: Operator, cloud: FakeCloud) -> None:
        store_roles(cloud, defective(1, read_at=NOW - timedelta(days=20)))

        assert "Readiness   1 NotReady\n" in operator.types("containment").out


class TestPlaces:
    def test_units_are_shown_by_id_when_their_names_may_not_be_read(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        organization.organizations.fault = refusal("AccessDeniedException", "ListRoots")
        store_roles(organization, *map(ready, range(1, 5)), defective(5))

        ran = operator.types("containment")

        lines = ran.out.splitlines()
        assert lines[4:11] == [
            "r-ab12  4 Ready, 1 NotReady",
            f"├── {PROD}  3 Ready",
            f"│   └── {PAYMENTS}  2 Ready",
            f"├── {SANDBOX}  1 NotReady",
            "└── directly under the root  1 Ready",
            "Notice: units are shown by id: their names could not be read (AccessDeniedException)",
            "",
        ]
        assert f"  000000000005 app-5, {SANDBOX}: NotReady" in ran.out
        assert (ran.code, ran.err) == (3, "")

    def test_account_in_a_unit_that_is_gone_is_elsewhere_with_the_id_of_the_unit(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        organization.organizations.units = {}
        store_roles(organization, defective(3))

        out = operator.types("containment").out

        assert "Elsewhere (moved since, or the place could not be read)  1 NotReady\n" in out
        assert f"  000000000003 app-3, {PROD}/{PAYMENTS}: NotReady" in out

    @pytest.mark.parametrize(
        ("assessment", "notice"),
        [
            (None, "there is no assessment, so nobody knows in which unit an account is"),
            ({"schema": 7}, "this version of muster cannot read the latest assessment"),
        ],
    )
    def test_without_a_readable_assessment_roles_are_told_without_units(
        self, operator: Operator, cloud: FakeCloud, assessment: Any, notice: str
    ) -> None:
        if assessment:
            cloud.store("assessments/latest.json", assessment)
        store_roles(cloud, ready(1), defective(2))

        out = operator.types("containment").out

        assert "Elsewhere (moved since, or the place could not be read)  1 Ready, 1 NotReady\n" in out
        assert f"Notice: {notice}" in out

    def test_account_that_came_after_the_roles_were_looked_at_is_unknown(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        store_roles(cloud, ready(1), inactive=[3])
        places: dict[int, Sequence[str] | None] = dict.fromkeys(range(1, 5), ROOT)
        store_places(cloud, places, AT + timedelta(hours=1), state_4="SUSPENDED")

        ran = operator.types("containment")

        assert ran.code == 3
        assert "Readiness   1 Ready, 1 Unknown\n" in ran.out
        assert (
            "  000000000002 app-2, directly under the root: Unknown, it came, or became active, after the roles were "
            "looked at (no reading)\n    run again\n"
        ) in ran.out

    def test_account_that_only_an_assessment_of_the_same_run_has_is_none(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        store_roles(cloud, ready(1))
        store_places(cloud, {1: ROOT, 2: ROOT})

        assert operator.types("containment").code == 0


class TestNothingToShow:
    def test_without_a_document_it_says_to_onboard_with_the_options_that_were_given(self, operator: Operator) -> None:
        ran = operator.types("--region", "eu-west-1", "containment")

        assert (ran.code, ran.out) == (3, "")
        assert ran.err == (
            "Nobody has looked at the containment roles yet.\nNext: Run `muster --region eu-west-1 onboard`.\n"
        )

    def test_without_a_document_because_roles_are_off_it_says_so(self, operator: Operator, cloud: FakeCloud) -> None:
        push_roles(cloud, "off")

        ran = operator.types("containment")

        assert ran.code == 3
        assert ran.err == (
            "containment.roles is off, so nobody looks at the containment roles.\n"
            "Next: Write verify or managed there, then: muster push FILE && muster onboard\n"
        )

    def test_document_from_before_roles_were_switched_off_is_shown_and_never_done(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        push_roles(cloud, "off")
        store_roles(cloud, ready(1))

        ran = operator.types("containment")

        assert ran.code == 3
        assert "Since then  containment.roles was set to off, so nobody looks at the roles any more\n" in ran.out

    @pytest.mark.parametrize("roles", ["verify", "managed"])
    def test_roles_that_are_looked_at_are_not_called_off(
        self, operator: Operator, cloud: FakeCloud, roles: str
    ) -> None:
        push_roles(cloud, roles)
        store_roles(cloud, ready(1))

        ran = operator.types("containment")

        assert (ran.code, "Since then" in ran.out) == (0, False)

    def test_desired_state_that_is_not_valid_is_no_reason_to_show_nothing(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        cloud.s3.objects["desired-state.json"] = [b"{"]
        store_roles(cloud, ready(1))

        assert operator.types("containment").code == 0

    @pytest.mark.parametrize("options", [(), ("--json",)])
    @pytest.mark.parametrize(
        "changed",
        [{"schema": 7}, {"accounts": [{"id": account(1), "name": "app-1", "state": "Deployed", "reason": "current"}]}],
        ids=["of a later version", "of a version without readiness"],
    )
    def test_document_of_another_version_is_refused_in_words(
        self, operator: Operator, cloud: FakeCloud, changed: dict[str, Any], options: tuple[str, ...]
    ) -> None:
        store_roles(cloud, ready(1), **changed)

        ran = operator.types("containment", *options)

        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("This version of muster cannot read the latest document of the containment roles.\n")

    def test_verdict_that_this_version_does_not_know_is_looked_at(self, operator: Operator, cloud: FakeCloud) -> None:
        store_roles(cloud, ready(1))
        document = json.loads(cloud.s3.objects["containment/latest.json"][-1])
        document["accounts"][0]["readiness"] = "Perhaps"
        cloud.store("containment/latest.json", document)

        ran = operator.types("containment")

        assert ran.code == 3
        assert "Readiness   1 Perhaps\n" in ran.out


class TestJson:
    def test_json_is_the_document_with_the_units_of_each_account_on_one_line(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        store_roles(organization, absent(1), defective(4, DENIED), unread(6), lost=[4], inactive=[7])
        stored = json.loads(organization.s3.objects["containment/latest.json"][-1])

        ran = operator.types("containment", "--json")

        shown = json.loads(ran.out)
        assert (ran.code, ran.err, ran.out.count("\n")) == (3, "", 1)
        assert [(each.pop("ancestors"), each.pop("unit_path")) for each in shown["accounts"]] == [
            (list(ROOT), ["Root"]),
            ([*ROOT, PROD, PAYMENTS], ["Root", "Production [eu]", "Payments"]),
            (None, None),
        ]
        assert _times(shown) == _times(stored)

    def test_json_has_the_ids_of_units_whose_names_may_not_be_read_and_says_so_apart(
        self, operator: Operator, organization: FakeCloud
    ) -> None:
        organization.organizations.fault = refusal("AccessDeniedException", "ListRoots")
        store_roles(organization, ready(5))

        ran = operator.types("containment", "--json")

        assert json.loads(ran.out)["accounts"][0]["unit_path"] == [*ROOT, SANDBOX]
        assert ran.err == "Notice: units are shown by id: their names could not be read (AccessDeniedException)\n"
        assert ran.code == 0

    def test_json_has_verdicts_as_of_its_time_but_ends_with_3_when_they_are_too_old(
        self, operator: Operator, cloud: FakeCloud
    ) -> None:
        store_roles(cloud, ready(1, NOW - timedelta(days=8)))

        ran = operator.types("containment", "--json")

        assert (ran.code, json.loads(ran.out)["accounts"][0]["readiness"]) == (3, "Ready")

    def test_json_keeps_texts_with_colons_as_they_are(self, operator: Operator, cloud: FakeCloud) -> None:
        condition = Defect(DefectKind.TRUST_ALTERED, CONTAINMENT_ROLE, "the condition on a:key:b is not ours")
        store_roles(cloud, defective(1, condition))

        shown = json.loads(operator.types("containment", "--json").out)

        assert shown["accounts"][0]["defects"][0]["detail"] == condition.detail


def _times(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document whose times are written in one way."""

    def same(value: Any) -> Any:
        return value and datetime.fromisoformat(value)

    accounts = [{**each, "read_at": same(each["read_at"])} for each in document["accounts"]]
    return {**document, "at": same(document["at"]), "accounts": accounts}
