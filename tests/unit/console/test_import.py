import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from botocore.exceptions import ClientError

from muster.domain.responders import COMMUNICATION_PREFERENCES
from muster.messages.desired_state import parse
from muster_console.aws import Clients, Connection
from muster_console.desired_state_file import load, read
from tests.unit.console.fakes import FakeCloud, FakeOrganizations, Operator, Pages, Ran, refusal

ADA = {"name": "Ada Canary", "jobTitle": "Head of Security", "email": "ada.canary@example.com"}
BEN = {"name": "Ben Canary", "jobTitle": "Incident Manager", "email": "ben.canary@example.com"}
ID = "m-0123456789ab"
ARN = f"arn:aws:security-ir:eu-west-1:222222222222:membership/{ID}"
UNITS = ("ou-ab12-11111111", "ou-ab12-22222222", "ou-ab12-33333333")


def membership(**over: Any) -> dict[str, Any]:
    return {
        "membershipId": ID,
        "membershipArn": ARN,
        "accountId": "222222222222",
        "region": "eu-west-1",
        "membershipStatus": "Active",
        "membershipName": "example-org",
        "incidentResponseTeam": [ADA, BEN],
        "optInFeatures": [{"featureName": "Triage", "isEnabled": True}],
        "membershipAccountsConfigurations": {"coverEntireOrganization": True, "organizationalUnits": []},
        **over,
    }


@dataclass
class FakeSecurityIncidentResponse:
    """Memberships one a page, the first page empty."""

    memberships: list[dict[str, Any]] = field(default_factory=lambda: [membership()])
    tags: dict[str, str] = field(default_factory=lambda: {"owner": "security"})
    fault: ClientError | None = None
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="eu-west-1"))

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_memberships"
        return Pages(self._list)

    def _list(self) -> list[Mapping[str, Any]]:
        if self.fault:
            raise self.fault
        rows = [{key: row[key] for key in ("membershipId", "membershipStatus")} for row in self.memberships]
        return [{"items": []}, *({"items": [row]} for row in rows), {}]

    def get_membership(self, *, membershipId: str) -> Any:  # noqa: N803 - AWS's spelling
        return next(one for one in self.memberships if one["membershipId"] == membershipId)

    def list_tags_for_resource(self, *, resourceArn: str) -> Any:  # noqa: N803 - AWS's spelling
        assert resourceArn == ARN
        return {"tags": self.tags}


@dataclass
class FakeUnits(FakeOrganizations):
    """Names of units; what is not in it was deleted."""

    names: dict[str, str] = field(default_factory=dict)
    fault: ClientError | None = None
    asked: list[str] = field(default_factory=list)

    def describe_organizational_unit(self, *, OrganizationalUnitId: str) -> Any:  # noqa: N803 - AWS's spelling
        self.asked.append(OrganizationalUnitId)
        if self.fault:
            raise self.fault
        if OrganizationalUnitId not in self.names:
            raise refusal("OrganizationalUnitNotFoundException", "DescribeOrganizationalUnit")
        return {"OrganizationalUnit": {"Id": OrganizationalUnitId, "Name": self.names[OrganizationalUnitId]}}


@dataclass
class FakeStackSets:
    """StackSets of one Region by name, one a page."""

    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    fault: ClientError | None = None

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_stack_sets"
        return Pages(self._list)

    def _list(self, *, Status: str) -> list[Mapping[str, Any]]:  # noqa: N803 - AWS's spelling
        assert Status == "ACTIVE"
        if self.fault:
            raise self.fault
        model = "PermissionModel"
        rows = [{"StackSetName": name, model: one[model]} for name, one in self.sets.items()]
        return [{}, *({"Summaries": [row]} for row in rows)]

    def describe_stack_set(self, *, StackSetName: str) -> Any:  # noqa: N803 - AWS's spelling
        return {"StackSet": self.sets[StackSetName]}


def stack_set(**over: Any) -> dict[str, Any]:
    return {"PermissionModel": "SERVICE_MANAGED", "TemplateBody": "Resources: {}", **over}


@dataclass
class Brownfield(FakeCloud):
    """A cloud in which a membership exists, and a management account with StackSets by Region."""

    security_ir: FakeSecurityIncidentResponse = field(default_factory=FakeSecurityIncidentResponse)
    organizations: FakeUnits = field(default_factory=FakeUnits)
    stack_sets: dict[str, FakeStackSets] = field(default_factory=dict)

    def connect(self, connection: Connection) -> Clients:
        self.connections.append(connection)
        if connection.profile == "management":
            there = self.stack_sets.setdefault(connection.region or "", FakeStackSets())
            return cast("Clients", SimpleNamespace(cloudformation=there))
        return cast("Clients", self)


@pytest.fixture
def cloud() -> Brownfield:
    return Brownfield()


@pytest.fixture
def operator(cloud: Brownfield, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(cloud=cloud)


FILE = Path("desired-state.yaml")


def written(ran: Ran, path: Path = FILE) -> Any:
    assert ran.code == 0, ran.err
    return load(path.read_bytes())


def without_people(ran: Ran) -> bool:
    return not any(word in ran.out + ran.err for word in ("Canary", "canary", "Head of", "Incident Manager"))


def test_the_membership_that_exists_becomes_a_private_file_that_is_valid(operator: Operator, cloud: Brownfield) -> None:
    ran = operator.types("--region", "eu-west-1", "import")

    assert ran.code == 0
    again = "muster --region eu-west-1"
    assert ran.out.splitlines() == [
        f"Membership {ID}, 2 contacts: written to desired-state.yaml.",
        f"Next: read it, then: {again} validate desired-state.yaml && {again} push desired-state.yaml",
    ]
    assert ran.err.splitlines() == [
        "Notice: containment.roles is off. Nobody looked for the containment roles: no --management-profile was given.",
        "It holds names and addresses of people: keep it private and out of version control.",
    ]
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    parsed = read(FILE)
    assert (parsed.desired.membership.confirmed_as, parsed.desired.mode) == ("222222222222/eu-west-1", "propose")
    assert [person.email for person in parsed.team] == [ADA["email"], BEN["email"]]
    assert cloud.connections == [Connection("eu-west-1")]
    assert without_people(ran)


def test_a_file_that_is_there_stays_and_nothing_is_reached(operator: Operator, cloud: Brownfield) -> None:
    FILE.write_text("mine")

    ran = operator.types("import")

    assert ran.code == 2
    assert ran.err.splitlines() == [
        "desired-state.yaml is there already.",
        "Next: Name another file with --output, or overwrite it with --force.",
    ]
    assert FILE.read_text() == "mine"
    assert cloud.connections == []


def test_a_file_that_appears_meanwhile_stays(
    operator: Operator, cloud: Brownfield, monkeypatch: pytest.MonkeyPatch
) -> None:
    def appear(**_: Any) -> Any:
        FILE.write_text("somebody else's")
        return {"tags": {}}

    monkeypatch.setattr(cloud.security_ir, "list_tags_for_resource", appear)

    assert operator.types("import").code == 2
    assert FILE.read_text() == "somebody else's"


def test_force_overwrites_and_makes_the_file_private(operator: Operator) -> None:
    FILE.write_text("mine")
    FILE.chmod(0o644)

    written(operator.types("import", "--force"))

    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    assert list(Path().iterdir()) == [FILE]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_file_that_cannot_be_written_is_a_sentence(operator: Operator, force: tuple[str, ...]) -> None:
    ran = operator.types("import", "--output", "nowhere/file.yaml", *force)

    assert ran.code == 2
    assert ran.err.splitlines()[0] == "nowhere/file.yaml cannot be written (No such file or directory)."


def test_a_failure_in_the_middle_leaves_no_half_file_and_the_old_one_as_it_was(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, *_: Any, **__: Any) -> None:
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("muster_console.importing.os.fdopen", full)
        fresh = operator.types("import")
        left = list(Path().iterdir())
    FILE.write_text("mine")
    with monkeypatch.context() as patched:
        patched.setattr("muster_console.importing.os.fdopen", full)
        forced = operator.types("import", "--force")

    assert (fresh.code, forced.code, left) == (2, 2, [])
    assert [(path.name, path.read_text()) for path in Path().iterdir()] == [(FILE.name, "mine")]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    FILE.write_text("mine")

    assert operator.types("import", "--force").code == 2
    assert [path.name for path in FILE.absolute().parent.iterdir()] == [FILE.name]


def test_a_dash_prints_the_document_exactly_and_the_warning_apart(operator: Operator, cloud: Brownfield) -> None:
    cloud.security_ir.tags = {"mood": ":smile: [bold]", "long": "x y " * 60}

    ran = operator.types("import", "--output", "-")

    assert ran.code == 0
    assert parse(load(ran.out.encode())).desired.membership.tags == tuple(sorted(cloud.security_ir.tags.items()))
    assert "keep it private" in ran.err
    assert list(Path().iterdir()) == []


def test_tags_of_aws_are_left_out(operator: Operator, cloud: Brownfield) -> None:
    cloud.security_ir.tags = {"aws:createdBy": "x", "AWS:other": "y", "owner": "security"}

    assert written(operator.types("import"))["membership"]["tags"] == {"owner": "security"}


def test_texts_that_yaml_would_read_otherwise_stay_texts(operator: Operator, cloud: Brownfield) -> None:
    odd = {"a": "0899", "b": "1e5", "c": "no", "d": "~", "e": "", "f": "# x", "g": "a: b", "h": "*x", "007": "\u2028"}
    cloud.security_ir.tags = odd
    cloud.security_ir.memberships = [membership(membershipName="00123")]

    found = written(operator.types("import"))["membership"]

    assert (found["name"], found["tags"]) == ("00123", odd)
    assert yaml.safe_load(FILE.read_bytes())["membership"] == found  # any other reader understands the same


def test_units_are_named_in_comments_and_those_that_are_gone_left_out(operator: Operator, cloud: Brownfield) -> None:
    scope = {"coverEntireOrganization": False, "organizationalUnits": [UNITS[1], UNITS[0], UNITS[2]]}
    cloud.security_ir.memberships = [membership(membershipAccountsConfigurations=scope)]
    cloud.organizations.names = {UNITS[0]: "Workloads", UNITS[2]: "Sandbox"}

    ran = operator.types("import")

    assert written(ran)["scope"] == {"units": [UNITS[0], UNITS[2]]}
    assert f'- "{UNITS[0]}"  # "Workloads"' in FILE.read_text()
    assert f"Notice: Unit {UNITS[1]} of the membership does not exist any more, so it was left out." in ran.err


def test_units_stay_without_names_when_organizations_does_not_answer(operator: Operator, cloud: Brownfield) -> None:
    scope = {"organizationalUnits": list(UNITS)}
    cloud.security_ir.memberships = [membership(membershipAccountsConfigurations=scope)]
    cloud.organizations.fault = refusal("AccessDeniedException", "DescribeOrganizationalUnit")

    assert written(operator.types("import"))["scope"] == {"units": list(UNITS)}
    assert cloud.organizations.asked == [UNITS[0]]


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [
        ({}, "covers neither the entire organization nor a unit, so nothing was written."),
        ({"organizationalUnits": []}, "covers neither the entire organization nor a unit, so nothing was written."),
        ({"organizationalUnits": [UNITS[0]]}, f"nor a unit that still exists ({UNITS[0]} does not), so nothing was"),
    ],
)
def test_a_membership_that_covers_nothing_needs_a_decision(
    operator: Operator, cloud: Brownfield, scope: dict[str, Any], sentence: str
) -> None:
    cloud.security_ir.memberships = [membership(membershipAccountsConfigurations=scope)]

    ran = operator.types("import")

    assert ran.code == 3
    assert sentence in ran.err
    assert "Next: Decide what it is to cover" in ran.err
    assert not FILE.exists()


def test_ended_memberships_are_ignored(operator: Operator, cloud: Brownfield) -> None:
    cloud.security_ir.memberships.insert(0, membership(membershipId="m-ended000000", membershipStatus="Cancelled"))

    assert ID in operator.types("import").out


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ([], "These credentials see no Active membership in eu-west-1."),
        (["Cancelled"], "These credentials see no Active membership in eu-west-1 (1 listed that is not Active)."),
        (["Pending", "x"], "These credentials see no Active membership in eu-west-1 (2 listed that are not Active)."),
        (["Active", "Active"], "More than one membership is Active in eu-west-1: m-0000000000, m-0000000001."),
    ],
)
def test_none_or_more_than_one_needs_a_person(
    operator: Operator, cloud: Brownfield, statuses: list[str], sentence: str
) -> None:
    cloud.security_ir.memberships = [
        membership(membershipId=f"m-{number:010}", membershipStatus=status) for number, status in enumerate(statuses)
    ]

    ran = operator.types("import")

    assert (ran.code, ran.err.splitlines()[0]) == (3, sentence)
    assert not FILE.exists()


def test_not_active_here_is_no_membership_and_denied_is_not(operator: Operator, cloud: Brownfield) -> None:
    cloud.security_ir.fault = refusal("SecurityIncidentResponseNotActiveException", "ListMemberships")
    inactive = operator.types("import")
    cloud.security_ir.fault = refusal("AccessDeniedException", "ListMemberships")
    denied = operator.types("import")

    assert (inactive.code, denied.code) == (3, 4)
    assert denied.err.startswith("These credentials may not call ListMemberships there.")


@pytest.mark.parametrize("absent", ["accountId", "membershipArn", "membershipName", "incidentResponseTeam"])
def test_an_answer_without_what_matters_is_no_answer(operator: Operator, cloud: Brownfield, absent: str) -> None:
    del cloud.security_ir.memberships[0][absent]

    ran = operator.types("import")

    assert ran.code == 3
    assert "left account, ARN, name or team out" in ran.err
    assert not FILE.exists()


def test_triage_is_off_or_unsaid(operator: Operator, cloud: Brownfield) -> None:
    cloud.security_ir.memberships = [membership(optInFeatures=[{"featureName": "Triage", "isEnabled": False}])]
    assert written(operator.types("import"))["proactive_response"] is False
    del cloud.security_ir.memberships[0]["optInFeatures"]

    assert written(operator.types("import", "--force"))["proactive_response"] is True
    assert "does not say whether it is on" in FILE.read_text()


@pytest.mark.parametrize(
    ("over", "place"),
    [
        ({"jobTitle": "Head of Security "}, "contacts[1].job_title: starts or ends with a blank."),
        ({"name": "Canary\u200b Ben"}, "contacts[1].name: contains a line break or another control character."),
        ({"email": "ben canary"}, "contacts[1].email: is not an e-mail address that the service takes."),
        ({"communicationPreferences": []}, "contacts[1].notify: is an empty list, so this person would hear nothing."),
        ({"communicationPreferences": ["Ada Canary"]}, "contacts[1].notify[0]: is not one of the possible words."),
        ({"name": ADA["name"]}, "contacts: has the same name in entries [0] and [1]."),
    ],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_contacts_that_cannot_be_desired_are_named_by_position_and_field_only(
    operator: Operator, cloud: Brownfield, debug: tuple[str, ...], over: dict[str, Any], place: str
) -> None:
    cloud.security_ir.memberships = [membership(incidentResponseTeam=[ADA, {**BEN, **over}])]

    ran = operator.types(*debug, "import")

    assert ran.code == 3
    assert place in ran.err
    assert "so nothing was written." in ran.err
    assert without_people(ran)
    assert not FILE.exists()


def test_preferences_are_all_or_a_list_and_roles_follow_the_order(operator: Operator, cloud: Brownfield) -> None:
    team = [
        {**BEN, "communicationPreferences": ["Case Closed", "Case Created", "Case Closed"]},
        {**ADA, "communicationPreferences": list(reversed(COMMUNICATION_PREFERENCES))},
        {"name": "Cay Canary", "jobTitle": "Analyst", "email": "cay.canary@example.com"},
    ]
    cloud.security_ir.memberships = [membership(incidentResponseTeam=team)]

    contacts = written(operator.types("import"))["contacts"]

    assert [(each["role"], each["notify"]) for each in contacts] == [
        ("primary", ["Case Created", "Case Closed"]),
        ("secondary", "all"),
        ("member", "all"),
    ]


# --- the StackSet of the containment roles ---

INVESTIGATION = "AWSSecurityIncidentResponseInvestigationPolicy"
LOOK = ("--region", "eu-west-1", "import", "--management-profile", "management")


def test_the_stack_set_is_looked_for_where_it_is_by_default_and_beside_the_membership(
    operator: Operator, cloud: Brownfield
) -> None:
    cloud.stack_sets["eu-west-1"] = FakeStackSets({"Other": stack_set(), "SIR-Containment-Roles": stack_set()})

    ran = operator.types(*LOOK)

    assert written(ran)["containment"] == {
        "roles": "verify",
        "stack_set": {"name": "SIR-Containment-Roles", "region": "eu-west-1"},
        "ec2_triage": False,
        "existing": "adopt",
    }
    assert "Notice" not in ran.err
    assert Connection("us-east-1", "management") in cloud.connections


def test_the_old_generation_is_adopted_under_its_name_and_ours_comes_first(
    operator: Operator, cloud: Brownfield
) -> None:
    cloud.stack_sets["us-east-1"] = FakeStackSets({"SecurityIRContainmentRoles": stack_set()})
    old = written(operator.types(*LOOK))["containment"]["stack_set"]
    cloud.stack_sets["eu-west-1"] = FakeStackSets({"SIR-Containment-Roles": stack_set()})
    ran = operator.types(*LOOK, "--force")

    assert old == {"name": "SecurityIRContainmentRoles", "region": "us-east-1"}
    assert written(ran)["containment"]["stack_set"] == {"name": "SIR-Containment-Roles", "region": "eu-west-1"}
    assert "Notice: StackSet SecurityIRContainmentRoles is in us-east-1 too." in ran.err


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"Parameters": [{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}]}, True),
        ({"Parameters": [{"ParameterKey": "Ec2Triage", "ParameterValue": "false"}]}, False),
        ({"TemplateBody": "PolicyName: AWSSecurityIncidentResponseInvestigationPolicy"}, True),
        ({"TemplateBody": "PolicyName: AWSSecurityIncidentResponseContainmentPolicy"}, False),
        ({"TemplateBody": f"Parameters:\n  Ec2Triage:\n    Default: 'false'\n{INVESTIGATION}"}, False),
        ({"TemplateBody": f'{{"Parameters":{{"Ec2Triage": {{}}}}, "x": "{INVESTIGATION}"}}'}, False),
        (
            {
                "Parameters": [{"ParameterKey": "Ec2Triage", "ParameterValue": "false"}],
                "TemplateBody": "PolicyName: AWSSecurityIncidentResponseInvestigationPolicy",
            },
            False,
        ),
    ],
)
def test_ec2_triage_is_what_the_parameter_or_the_template_of_the_stack_set_says(
    operator: Operator, cloud: Brownfield, over: dict[str, Any], *, expected: bool
) -> None:
    cloud.stack_sets["us-east-1"] = FakeStackSets({"SIR-Containment-Roles": stack_set(**over)})

    assert written(operator.types(*LOOK))["containment"]["ec2_triage"] is expected


def test_no_stack_set_leaves_the_roles_off_and_says_how_to_go_on(operator: Operator, cloud: Brownfield) -> None:
    cloud.stack_sets["us-east-1"] = FakeStackSets({"SIR-Containment-Roles": stack_set(PermissionModel="SELF_MANAGED")})

    ran = operator.types(*LOOK)

    assert written(ran)["containment"] == {"roles": "off"}
    assert "was found in us-east-1 or eu-west-1." in ran.err
    assert "verify looks for the roles" in FILE.read_text()


def test_a_closed_region_is_no_obstacle_when_the_stack_set_is_elsewhere(operator: Operator, cloud: Brownfield) -> None:
    cloud.stack_sets["us-east-1"] = FakeStackSets(fault=refusal("AccessDenied", "ListStackSets"))
    cloud.stack_sets["eu-west-1"] = FakeStackSets({"SIR-Containment-Roles": stack_set()})

    assert written(operator.types(*LOOK))["containment"]["stack_set"]["region"] == "eu-west-1"


def test_what_could_not_be_looked_for_is_not_absent(operator: Operator, cloud: Brownfield) -> None:
    cloud.stack_sets["us-east-1"] = FakeStackSets(fault=refusal("AccessDenied", "ListStackSets"))
    denied = operator.types(*LOOK)
    cloud.stack_sets["us-east-1"] = FakeStackSets(fault=refusal("Throttling", "ListStackSets"))
    throttled = operator.types(*LOOK)

    assert (denied.code, throttled.code) == (4, 4)
    assert denied.err.startswith("The management profile may not call ListStackSets in us-east-1, so it is unknown")
    assert throttled.err.startswith("AWS refused ListStackSets with Throttling.")
    assert not FILE.exists()
