"""What the steps store is what the console reads, and what the schemas in ``docs`` say."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from muster.domain.assessment import InventoryRow, assess_accounts, to_document
from muster.domain.containment import Observation, inventory_from_assessment, judge
from muster.domain.containment_document import to_document as contained_to_document
from muster.domain.containment_roles import CONTAINMENT_ROLE, ROLES, Defect, DefectKind
from muster.domain.desired import DesiredContainment, DesiredMembership, DesiredState
from muster.domain.diagnosis import Circumstances, Coverage
from muster.domain.membership import Association, Membership
from muster.domain.observed import Known, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice
from muster.domain.plan import Affected, LeftStep, Plan, PlanError, PlannedRemediation, SealedPlan, seal
from muster.domain.readiness import judge_readiness
from muster.domain.readings import Reading
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step
from muster.domain.scope import EntireOrganization, OrganizationalUnits
from muster.domain.stack_sets import StackSet
from muster.messages.assessment import AssessedAccount, load_assessment
from muster.messages.containment import Containment
from muster.messages.plan import load_plan
from muster.messages.report import load_report
from muster.steps.report import Report
from muster_console.schemas import texts

AT = datetime(2027, 1, 31, 10, 15, tzinfo=UTC)
UNIT = "ou-ab12-11111111"


def _account(number: int, state: AccountState = AccountState.ACTIVE, *ancestors: str) -> Account:
    return Account(id=f"{number:012}", name=f"app-{number}", state=state, ancestors=ancestors or None, joined_at=AT)


def _assessment() -> dict[str, Any]:
    membership = Membership(
        id="m-1234567890ab",
        arn="arn:aws:security-ir:eu-west-1:222222222222:membership/m-1234567890ab",
        account_id="222222222222",
        region="eu-west-1",
        name="example",
        status="Active",
        activated_at=AT,
        accounts_covered=1,
        triage_enabled=True,
        covers_entire_organization=False,
        unit_ids=frozenset({UNIT}),
    )
    around = Circumstances(
        scope=OrganizationalUnits(frozenset({UNIT})), membership=membership, at=AT, settle=timedelta(hours=1)
    )
    active = AccountState.ACTIVE
    rows = [
        InventoryRow(_account(1, active, "r-ab12", UNIT), Known(Association.ASSOCIATED)),
        InventoryRow(_account(2, active, "r-ab12", UNIT), Unknown("denied")),
        InventoryRow(_account(3, active, "r-ab12"), Known(Association.UNASSOCIATED)),
        InventoryRow(_account(4, AccountState.CLOSED, "r-ab12"), None),
        InventoryRow(_account(5), Known(Association.DISASSOCIATED)),
    ]
    assessed = assess_accounts(rows, {}, around=around, earlier=None)
    return to_document(assessed, run="manual-1", management="000000000003", around=around)


def test_the_assessment_that_is_stored_is_the_one_that_is_read() -> None:
    stored = _assessment()

    read = load_assessment(json.dumps(stored))

    assert read.model_dump(mode="json", by_alias=True, exclude_defaults=True).keys() <= stored.keys()
    assert [account.coverage for account in read.accounts] == [account["coverage"] for account in stored["accounts"]]
    assert [account.id for account in read.accounts if account.management] == ["000000000003"]
    assert read.scope.found.unit_ids == (UNIT,)


def test_the_assessment_that_is_stored_follows_its_schema() -> None:
    jsonschema.Draft202012Validator(json.loads(texts()["assessment.schema.json"])).validate(_assessment())


def test_the_schema_of_the_assessment_names_every_member() -> None:
    schema = json.loads(texts()["assessment.schema.json"])
    stored = _assessment()

    assert stored.keys() == schema["properties"].keys()
    assert stored["membership"].keys() == schema["$defs"]["AssessedMembership"]["properties"].keys()
    named = schema["$defs"]["AssessedAccount"]["properties"].keys()
    assert all(account.keys() <= named for account in stored["accounts"])


class _Documents:
    """The run's documents, as they come back from JSON."""

    def __init__(self, **documents: object) -> None:
        self.stored: dict[str, Any] = dict(documents)

    def read(self, key: str) -> Any | None:
        return self.stored.get(key)

    def read_text(self, key: str) -> str | None:
        return self.stored.get(key)

    def write(self, key: str, document: Any) -> None:
        self.stored[key] = json.loads(json.dumps(document))

    def write_text(self, key: str, text: str) -> None:
        self.stored[key] = text


def _containment() -> dict[str, Any]:
    wanted = DesiredContainment()
    inventory = inventory_from_assessment(_assessment())
    assert inventory is not None
    stack_set = StackSet(
        "SIR-Containment-Roles",
        "SERVICE_MANAGED",
        auto_deployment=True,
        targets=frozenset({"r-ab12"}),
        parameters=(),
        template="Resources: {}",
    )
    seen = Known(Observation(access=True, stack_set=stack_set))
    boundary = Defect(DefectKind.BOUNDARY, CONTAINMENT_ROLE, "a boundary", "arn:aws:iam::aws:policy/ReadOnlyAccess")
    readings = {inventory.management.id: Reading("manual-1", AT, "ground", ROLES, (boundary,))}
    deployments = judge(wanted, inventory, seen, readings, waiting_for=None)
    return contained_to_document(
        [
            judge_readiness(each, readings.get(each.account.id), ground=None, at=AT, not_read="it was not read")
            for each in deployments
        ],
        run="manual-1",
        at=AT.isoformat(),
        wanted=wanted,
        inventory=inventory,
        seen=seen,
        template="Resources: {}",
        waiting_for=None,
        lost=deployments[1:],
    )


def test_the_containment_roles_that_are_stored_follow_their_schema() -> None:
    stored = _containment()
    schema = json.loads(texts()["containment.schema.json"])

    jsonschema.Draft202012Validator(schema).validate(stored)
    assert stored.keys() == schema["properties"].keys()
    assert stored["stack_set"].keys() == schema["$defs"]["FoundStackSet"]["properties"].keys()
    for kind in ("AccountRoles", "FoundDefect", "Told"):
        assert (
            schema["$defs"][kind]["properties"].keys()
            == {
                "AccountRoles": stored["accounts"][0],
                "FoundDefect": stored["accounts"][0]["defects"][0],
                "Told": stored["accounts"][0]["told"],
            }[kind].keys()
        )
    assert Containment.model_validate(stored).readiness == stored["readiness"]


def _report() -> dict[str, Any]:
    documents = _Documents(
        **{"runs/manual-1/assessment.json": _assessment(), "runs/manual-1/containment.json": _containment()}
    )
    Report(documents).apply(
        DesiredState(DesiredMembership("example", "222222222222", "eu-west-1"), EntireOrganization()),
        run="manual-1",
        at=AT,
        membership_id="m-1234567890ab",
        changes=[Change("add_unit", UNIT, "added a unit")],
        handoffs=[Handoff(HandoffTo.PERSON, "look", "it is odd", "aws …")],
        notices=[Notice("a unit", "was left out")],
        assessment_key="runs/manual-1/assessment.json",
        containment_key="runs/manual-1/containment.json",
        settled=True,
    )
    stored: dict[str, Any] = documents.stored["reports/latest.json"]
    return stored


def test_the_report_that_is_stored_is_the_one_that_is_read() -> None:
    stored = _report()

    assert load_report(json.dumps(stored)).model_dump(mode="json", by_alias=True) == {
        **stored,
        "at": "2027-01-31T10:15:00Z",
    }


def test_the_report_that_is_stored_follows_its_schema() -> None:
    schema = json.loads(texts()["report.schema.json"])

    jsonschema.Draft202012Validator(schema).validate(_report())
    assert _report().keys() == schema["properties"].keys()


def _plan() -> SealedPlan:
    adds = Remediation(
        Step.SCOPING, RemediationKind.ADD_UNIT, UNIT, "not in the membership", "in the membership", "add unit Prod",
        "asked for", cause="unit_missing", concern=Concern(below=(UNIT,)),
    )  # fmt: skip
    removes = Remediation(
        Step.SCOPING, RemediationKind.REMOVE_UNIT, "ou-ab12-22222222", "in the membership", "not in the membership",
        "remove unit Sandbox", "not asked for", concern=Concern(only=("000000000003",)),
    )  # fmt: skip
    key = "runs/manual-1/affected/1.json"
    return seal(
        Plan(
            run="manual-1",
            number=1,
            at=AT,
            desired_version="v1",
            mode="enforce",
            membership_id="m-1234567890ab",
            accounts=5,
            remediations=(
                PlannedRemediation(adds, Affected(None)),
                PlannedRemediation(
                    removes, Affected(1, ("000000000003",), key), ("it takes protection away",), "the window is closed"
                ),
            ),
            left=(LeftStep("the management team", "enable access", "denied", "aws …", ("000000000001",)),),
        )
    )


def test_the_plan_that_is_stored_is_the_one_that_is_read() -> None:
    sealed = _plan()

    read = load_plan(sealed.text, sealed.sha256)

    assert read.model_dump(mode="json", by_alias=True) == {**json.loads(sealed.text), "at": "2027-01-31T10:15:00Z"}
    assert [each.id for each in read.reductions] == [each.id for each in sealed.plan.reductions]
    assert [each.id for each in read.needs_approval] == [each.id for each in sealed.plan.remediations if each.approval]


def test_the_plan_that_is_stored_follows_its_schema() -> None:
    schema = json.loads(texts()["plan.schema.json"])
    stored = json.loads(_plan().text)

    jsonschema.Draft202012Validator(schema).validate(stored)
    assert stored.keys() == schema["properties"].keys()
    for write in stored["remediations"]:
        assert write.keys() == schema["$defs"]["PlannedWrite"]["properties"].keys()


def test_plan_of_which_a_byte_was_changed_is_not_read() -> None:
    sealed = _plan()

    with pytest.raises(PlanError, match=f"plan {sealed.sha256[:12]} was changed after it was made"):
        load_plan(sealed.text.replace("Sandbox", "sandbox"), sealed.sha256)


def test_plan_of_another_schema_is_not_read() -> None:
    text = _plan().text.replace('"schema":1', '"schema":2')

    with pytest.raises(PlanError, match="not one that this version can read"):
        load_plan(text.encode(), hashlib.sha256(text.encode()).hexdigest())


def test_console_and_domain_agree_on_who_needs_a_person() -> None:
    for coverage in Coverage:
        account = AssessedAccount(
            id="1", name="a", state="ACTIVE", ancestors=None, coverage=coverage, cause=None, reason=""
        )

        assert account.needs_person == coverage.needs_person
