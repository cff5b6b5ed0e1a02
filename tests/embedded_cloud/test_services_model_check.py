from typing import Any

import pytest
from botocore.model import Shape
from botocore.session import get_session

from muster_local.model_check import Rule, problems

MODEL = get_session().get_service_model("security-ir")


def shape(name: str) -> Shape:
    found: Shape = MODEL.shape_for(name)
    return found


@pytest.mark.parametrize(
    ("name", "value", "place", "rule"),
    [
        ("IncidentResponder", {"name": "Ada", "jobTitle": "Lead"}, "email", Rule.REQUIRED),
        ("IncidentResponder", [], "", Rule.TYPE),
        ("OptInFeature", {"featureName": "Triage", "isEnabled": True, "x": 1}, "x", Rule.UNKNOWN),
        ("OptInFeature", {"featureName": "Triage", "isEnabled": "yes"}, "isEnabled", Rule.TYPE),
        ("OptInFeature", {"featureName": "Other", "isEnabled": True}, "featureName", Rule.ENUM),
        ("MembershipName", "ab", "", Rule.MINIMUM),
        ("MembershipName", "a" * 51, "", Rule.MAXIMUM),
        ("MembershipName", 3, "", Rule.TYPE),
        ("OrganizationalUnitId", "r-abcd", "", Rule.PATTERN),
        ("TagMap", {"key": "v" * 257}, ".key", Rule.MAXIMUM),
        ("TagMap", {"": "value"}, " key", Rule.MINIMUM),
        ("TagMap", [], "", Rule.TYPE),
        ("OptInFeatures", "Triage", "", Rule.TYPE),
        ("ListMembershipsRequest", {"maxResults": 26}, "maxResults", Rule.MAXIMUM),
        ("ListMembershipsRequest", {"maxResults": True}, "maxResults", Rule.TYPE),
        ("Timestamp", [], "", Rule.TYPE),
    ],
)
def test_a_value_that_breaks_one_constraint_is_named_by_place_and_rule(
    name: str, value: Any, place: str, rule: Rule
) -> None:
    assert [(problem.place, problem.rule) for problem in problems(shape(name), value)] == [(place, rule)]


def test_a_value_that_fits_has_no_problems() -> None:
    fitting = {
        "membershipName": "small-world",
        "incidentResponseTeam": [
            {"name": "Ada", "jobTitle": "Lead", "email": f"{name}@example.com", "communicationPreferences": []}
            for name in ("ada", "grace")
        ],
        "optInFeatures": [{"featureName": "Triage", "isEnabled": True}],
        "tags": {"owner": "security"},
        "coverEntireOrganization": None,
    }
    assert list(problems(shape("CreateMembershipRequest"), fitting)) == []


def test_no_message_repeats_a_sensitive_value() -> None:
    secret = {"name": "Ada", "jobTitle": "Lead", "email": "not-an-address-of-ada"}
    assert "ada" not in "".join(problem.message for problem in problems(shape("IncidentResponder"), secret))
