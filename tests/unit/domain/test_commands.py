"""Commands for people survive a shell, whatever the values in them."""

import json
import shlex

from hypothesis import given
from hypothesis import strategies as st

from muster.domain import commands
from muster.domain.membership import Home

HOME = Home("222222222222", "eu-west-1")
TEXTS = st.text(min_size=1, max_size=50)


@given(name=TEXTS, tags=st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_values_reach_the_command_unchanged(name: str, tags: dict[str, str]) -> None:
    command = commands.create_membership(
        HOME, name=name, entire_organization=False, triage=False, tags=tags, client_token="t" * 64
    )
    words = shlex.split(command)
    assert words[words.index("--membership-name") + 1] == name
    assert "--no-cover-entire-organization" in words
    assert "featureName=Triage,isEnabled=false" in words
    assert ("--tags" in words) is bool(tags)
    if tags:
        assert json.loads(words[words.index("--tags") + 1]) == tags


def test_team_is_edited_in_a_file_that_is_private_and_deleted() -> None:
    command = commands.edit_team("eu-west-1", "m-1")

    assert command.startswith("(umask 077; aws security-ir get-membership ")
    assert "> team.json && ${EDITOR:-vi} team.json && aws security-ir update-membership" in command
    assert command.endswith("--incident-response-team file://team.json; rm -f team.json)")


def test_member_reader_is_deployed_by_a_stack_set_below_the_root() -> None:
    known = commands.deploy_member_reader("muster", HOME, region="us-east-1", root_id="r-ex01").splitlines()
    unknown = commands.deploy_member_reader("muster", HOME, region="us-east-1", root_id=None)

    access, create, deploy = (shlex.split(line) for line in known)
    assert access[2] == "activate-organizations-access"
    assert "ParameterKey=ApplicationAccountId,ParameterValue=222222222222" in create
    assert create[create.index("--template-body") + 1] == "file://stacks/member-account.yaml"
    assert deploy[-1] == "OrganizationalUnitIds=r-ex01"
    assert unknown.endswith("list-roots --query 'Roots[].Id' --output text)\"")


def test_units_go_five_to_a_call_one_call_a_second() -> None:
    calls = commands.add_units("eu-west-1", "m-1", [f"ou-{number}" for number in range(12)]).split("; sleep 1; ")
    assert [call.split("organizationalUnitsToAdd=")[1].count(",") for call in calls] == [4, 4, 1]
