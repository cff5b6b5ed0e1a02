"""From a desired state to a covered, verified organization, by the real machine and the real functions."""

from tests.scenarios.conftest import Cloud
from tests.scenarios.operating import DESIGNATED, HOME, MANAGEMENT, RESPONDERS, Operator

EVERYBODY = {
    "111111111111": "Covered",
    "222222222222": "Covered",
    "300000000001": "Covered",
    "300000000002": "Covered",
    "300000000003": "Covered",
    "300000000004": "Covered",
    "300000000005": "Covered",
    "300000000006": "Covered",
    "300000000007": "Inactive",
    "300000000008": "Covered",
    "300000000009": "Inactive",
    "300000000010": "Inactive",
}
OUT = "OutOfScope"


def test_entire_organization_is_signed_up_covered_and_told(operator: Operator) -> None:
    operator.push()

    run = operator.onboard()

    assert (run.status, run.outcome) == ("SUCCEEDED", "Covered")
    assert operator.coverage() == EVERYBODY
    assert operator.writes() == [
        "EnableAWSServiceAccess",
        "CreateServiceLinkedRole",
        "RegisterDelegatedAdministrator",
        "CreateMembership",
    ]
    (membership,) = operator.memberships()
    assert membership["membershipStatus"] == "Active"
    (message,) = operator.messages()
    assert "Covered" in message
    assert operator.document(run.output["report"]["json_key"])["status"] == "Covered"
    assert "Covered" in operator.text(run.output["report"]["text_key"])


def test_membership_is_made_as_asked(operator: Operator) -> None:
    operator.push()

    run = operator.onboard()

    sir = operator.client("security-ir")
    found = sir.get_membership(membershipId=run.output["membership_id"])
    tags = sir.list_tags_for_resource(resourceArn=found["membershipArn"])["tags"]
    assert found["membershipName"] == "small-org"
    assert found["optInFeatures"] == [{"featureName": "Triage", "isEnabled": True}]
    assert found["membershipAccountsConfigurations"]["coverEntireOrganization"] is True
    assert [member["email"] for member in found["incidentResponseTeam"]] == [person["email"] for person in RESPONDERS]
    assert tags == {"owner": "security"}


def test_unchanged_world_is_run_again_without_a_write_or_a_message(operator: Operator) -> None:
    operator.push()
    operator.onboard()
    operator.cloud.clear_calls()

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert operator.writes() == []
    assert operator.messages() == []


def test_behind_its_back_one_setting_is_put_right_by_one_write(operator: Operator) -> None:
    operator.push()
    membership = operator.onboard().output["membership_id"]
    operator.cloud.world.clock.advance(5)
    operator.client("security-ir").update_membership(
        membershipId=membership, optInFeatures=[{"featureName": "Triage", "isEnabled": False}]
    )
    operator.cloud.clear_calls()
    operator.cloud.world.clock.advance(5)

    run = operator.onboard()

    assert operator.writes() == ["UpdateMembership"]
    assert [change["kind"] for change in run.output["changes"]] == ["enable_triage"]
    assert len(operator.messages()) == 1


def test_units_by_path_and_by_id_are_covered_and_nested_ones_are_dropped(operator: Operator) -> None:
    prod = operator.unit_id("Workloads", "Prod")
    europe = operator.unit_id("Workloads", "Prod", "Europe")
    operator.push(scope={"units": ["Workloads/Prod", europe, "Security"]})

    run = operator.onboard()

    assert run.outcome == "Covered"
    found = operator.client("security-ir").get_membership(membershipId=run.output["membership_id"])
    assert sorted(found["membershipAccountsConfigurations"]["organizationalUnits"]) == sorted(
        [prod, operator.unit_id("Security")]
    )
    assert any(europe in notice["subject"] + notice["detail"] for notice in run.output["notices"])
    assert operator.coverage() == {
        **EVERYBODY,
        "111111111111": OUT,
        "300000000001": OUT,
        "300000000006": OUT,
        "300000000008": OUT,
    }
    assert operator.causes()["300000000001"] == "cannot_be_selected"


def test_more_than_five_units_take_more_than_one_call(operator: Operator) -> None:
    organizations = operator.client("organizations", MANAGEMENT)
    parent = operator.unit_id("Sandbox")
    names = [f"Team {number}" for number in range(12)]
    for name in names:
        organizations.create_organizational_unit(ParentId=parent, Name=name)
    operator.push(scope={"units": [f"Sandbox/{name}" for name in names]})

    run = operator.onboard()

    assert run.outcome == "Covered"
    sizes = [
        len(call["parameters"]["membershipAccountsConfigurationsUpdate"]["organizationalUnitsToAdd"])
        for call in operator.calls("UpdateMembership")
    ]
    assert sizes == [5, 5, 2]


def test_unknown_unit_stops_with_near_names_before_any_unit_is_added(operator: Operator) -> None:
    operator.push(scope={"units": ["Workloads/Prood"]})

    run = operator.onboard()

    assert (run.status, run.error) == ("FAILED", "ScopeError")
    assert "Prod" in str(run.cause)
    assert "UpdateMembership" not in operator.writes()
    assert any("Prood" in message for message in operator.messages())


def test_management_account_can_hold_the_membership_without_an_administrator(fresh: Cloud) -> None:
    operator = fresh(application_account=MANAGEMENT)
    operator.push(
        membership={
            "name": "small-org",
            "account": MANAGEMENT,
            "region": HOME,
            "confirmed_as": f"{MANAGEMENT}/{HOME}",
        }
    )

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert "RegisterDelegatedAdministrator" not in operator.writes()
    assert [item["accountId"] for item in operator.memberships(MANAGEMENT)] == [MANAGEMENT]
    assert operator.coverage() == EVERYBODY


def test_existing_membership_is_adopted_and_its_settings_are_put_right(operator: Operator) -> None:
    operator.sign_up_by_hand(name="made by hand", tags={})
    operator.push()

    run = operator.onboard()

    assert run.outcome == "Covered"
    assert "CreateMembership" not in operator.writes()
    found = operator.client("security-ir").get_membership(membershipId=run.output["membership_id"])
    assert found["membershipName"] == "small-org"
    assert found["membershipAccountsConfigurations"]["coverEntireOrganization"] is True
    assert {change["kind"] for change in run.output["changes"]} >= {"set_name", "set_tags", "add_unit"}


def test_no_desired_state_is_a_beginning_and_not_an_error(operator: Operator) -> None:
    run = operator.onboard()

    assert (run.status, run.outcome) == ("SUCCEEDED", "NotConfigured")
    assert operator.writes() == []


def test_nothing_is_changed_in_observe_and_propose(operator: Operator) -> None:
    operator.push(mode="observe")

    observed = operator.onboard()

    assert observed.outcome == "WaitingForHandoff"
    assert any("sign_up" in handoff["command"] for handoff in observed.output["handoffs"])

    operator.push(mode="propose")

    asked = operator.onboard()

    assert asked.outcome == "Asks"
    assert operator.writes() == []


def test_region_and_account_need_a_person_once(operator: Operator) -> None:
    operator.push(membership={"name": "small-org", "account": DESIGNATED, "region": HOME})

    run = operator.onboard()

    assert run.error == "NotConfirmedError"
    assert f'confirmed_as: "{DESIGNATED}/{HOME}"' in str(run.cause)
    assert operator.writes() == []


def test_denied_creation_is_handed_to_a_person_and_then_adopted(operator: Operator) -> None:
    operator.push()
    operator.cloud.set_faults(
        [{"service": "security-ir", "operation": "CreateMembership", "error": "AccessDeniedException", "rate": 1}]
    )

    waiting = operator.onboard()

    assert waiting.outcome == "WaitingForHandoff"
    (handoff,) = waiting.output["handoffs"]
    assert handoff["command"].startswith("aws security-ir create-membership --region eu-west-1")
    assert all(person["email"] not in str(waiting.output) for person in RESPONDERS)

    operator.cloud.set_faults([])
    operator.create_membership(name="small-org")
    run = operator.onboard()

    assert run.outcome == "Covered"
    assert "CreateMembership" not in operator.writes()


def test_reader_in_the_members_tells_a_missing_role_from_an_unknown_one(operator: Operator) -> None:
    operator.cloud.world.switches.set("triage_role_creator", "nobody")
    operator.push()

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    causes = operator.causes()
    # The management account has the role that sign-up made; the application may read its own account.
    assert causes[DESIGNATED] == "role_missing"
    assert causes["300000000003"] == "unknown"
    assert operator.coverage()[MANAGEMENT] == "Covered"
    assert operator.coverage()["300000000003"] == "NotCovered"
