"""The roles that are wanted are those that CloudFormation makes of the packaged template."""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from muster.adapters.pinned_roles import PinnedTemplateError, evaluate_roles, read_pinned_roles
from muster.adapters.stack_sets import read_template
from muster.domain.containment_roles import CONTAINMENT_ROLE, EXECUTION_ROLE, ROLES
from muster.domain.stack_sets import INVESTIGATION_POLICY

SHOP, OTHER = "300000000000", "400000000000"


def template(role: str = "", head: str = "") -> str:
    """Return a template of one role with these properties, over whatever they hide."""
    plain = """\
        Resources:
          Role:
            Type: AWS::IAM::Role
            Properties:
              RoleName: Plain
              AssumeRolePolicyDocument: {Statement: []}
    """
    body = textwrap.dedent(plain) + textwrap.indent(textwrap.dedent(role), "      ")
    return f"{textwrap.dedent(head)}\n{body}"


def trust(value: str, head: str = "") -> Any:
    """Return what a value in a trust policy becomes."""
    lines = template(head=head).replace("{Statement: []}", f"{{Statement: {value}}}")
    return evaluate_roles(lines, SHOP, ec2_triage=True)["Plain"].trust["Statement"]


def test_both_roles_are_pinned_with_their_policies() -> None:
    roles = read_pinned_roles(SHOP, ec2_triage=False)

    assert roles.keys() == ROLES
    assert {name: (list(role.inline), role.attached) for name, role in roles.items()} == {
        CONTAINMENT_ROLE: (["AWSSecurityIncidentResponseContainmentPolicy"], frozenset()),
        EXECUTION_ROLE: (
            ["AWSSecurityIncidentResponseContainmentExecutionPolicy"],
            {"arn:aws:iam::aws:policy/SecurityAudit"},
        ),
    }
    assert all(role.name == name for name, role in roles.items())


def test_what_names_the_account_names_this_one() -> None:
    role = read_pinned_roles(SHOP, ec2_triage=False)[CONTAINMENT_ROLE]
    (policy,) = role.inline.values()

    assert role.trust["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": SHOP}}
    assert policy["Statement"][0]["Resource"] == [
        "arn:aws:ssm:*::document/AWSSupport-ContainEC2Instance",
        "arn:aws:ssm:*::document/AWSSupport-ContainS3Resource",
        "arn:aws:ssm:*::document/AWSSupport-ContainIAMPrincipal",
        f"arn:aws:ssm:*:{SHOP}:automation-execution/*",
    ]
    assert policy["Statement"][2]["Resource"] == f"arn:aws:iam::{SHOP}:role/{EXECUTION_ROLE}"


def test_nothing_of_cloudformation_is_left() -> None:
    for role in read_pinned_roles(SHOP, ec2_triage=True).values():
        text = json.dumps([role.trust, role.inline, sorted(role.attached)])

        assert "${" not in text
        assert "AWS::" not in text


@pytest.mark.parametrize("ec2_triage", [True, False])
def test_triage_policy_is_pinned_only_where_it_is_asked_for(*, ec2_triage: bool) -> None:
    role = read_pinned_roles(SHOP, ec2_triage=ec2_triage)[CONTAINMENT_ROLE]

    assert (INVESTIGATION_POLICY in role.inline) is ec2_triage


def test_roles_of_one_account_are_not_those_of_the_next() -> None:
    first, second = (read_pinned_roles(account, ec2_triage=True) for account in (SHOP, OTHER))
    again = read_pinned_roles(SHOP, ec2_triage=True)

    assert first != second
    assert first == again
    assert OTHER not in repr(first)
    assert SHOP not in repr(second)


def test_changing_what_was_handed_out_changes_nothing_that_is_pinned() -> None:
    handed_out = dict(read_pinned_roles(SHOP, ec2_triage=True)[CONTAINMENT_ROLE].trust)
    handed_out["Statement"].clear()

    assert read_pinned_roles(SHOP, ec2_triage=True)[CONTAINMENT_ROLE].trust["Statement"]


def test_properties_that_are_not_asked_for_may_hold_anything() -> None:
    changed = read_template().replace(
        "Properties:\n      RoleName:",
        "Properties:\n      Description: !Transform {Repair: !Ref Repair}\n      RoleName:",
    )

    assert changed != read_template()
    assert evaluate_roles(changed, SHOP, ec2_triage=True) == read_pinned_roles(SHOP, ec2_triage=True)


def test_resource_of_another_type_is_no_role() -> None:
    text = template() + "\n  Key:\n    Type: AWS::KMS::Key\n"

    assert evaluate_roles(text, SHOP, ec2_triage=True).keys() == {"Plain"}


HEAD = """\
    Parameters:
      Ec2Triage: {Type: String, Default: "false"}
      Repair: {Type: String, Default: none}
      Needed: {Type: String}
    Conditions:
      Triage: !Equals [!Ref Ec2Triage, "true"]
      Repairs: !Equals [!Ref Repair, now]
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!Ref AWS::AccountId", SHOP),
        ("!Sub '${AWS::Partition}:${Repair}:${Role}:${!aws:username}'", "aws:none:Plain:${aws:username}"),
        ("!GetAtt Role.Arn", f"arn:aws:iam::{SHOP}:role/Plain"),
        ("!If [Triage, yes it is, not asked for]", "yes it is"),
        ("!If [Repairs, now, !Ref Ec2Triage]", "true"),
        ("[a, !If [Repairs, b, !Ref AWS::NoValue], c]", ["a", "c"]),
        ("{A: !Ref AWS::NoValue, B: !If [Triage, {C: [!Ref AWS::Partition]}, D]}", {"B": {"C": ["aws"]}}),
        ("[1, true, null]", [1, True, None]),
    ],
)
def test_function_of_the_template_is_worked_out(value: str, expected: object) -> None:
    assert trust(value, HEAD) == expected


def test_role_with_a_path_has_it_in_its_arn() -> None:
    text = template("Path: /security/\nManagedPolicyArns: [!GetAtt Role.Arn]")

    assert evaluate_roles(text, SHOP, ec2_triage=True)["Plain"].attached == {f"arn:aws:iam::{SHOP}:role/security/Plain"}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("!Join ['', [a, b]]", "!Join is not known in this form"),
        ("!Select {a: b}", "!Select is not known in this form"),
        ("!Sub ['${A}', {A: b}]", "!Sub is not known in this form"),
        ("!GetAtt Role.RoleId", "!GetAtt is not known in this form"),
        ("{'Fn::If': [Triage, a, b]}", "Fn::If is the long form of a function"),
        ("{Ref: Repair}", "Ref is the long form of a function"),
        ("!Ref Needed", "Needed is no parameter with a default, no role and no known value"),
        ("!Ref AWS::Region", "AWS::Region is no parameter with a default, no role and no known value"),
        ("!Sub '${Role.Arn}'", "Role.Arn is no parameter with a default, no role and no known value"),
        ("!GetAtt Other.Arn", "Other.Arn is not the ARN of a role"),
        ("!If [Sometimes, a, b]", "!If asks for Sometimes, which is no condition"),
    ],
)
def test_function_that_is_not_known_is_named_and_not_passed_on(value: str, what: str) -> None:
    with pytest.raises(PinnedTemplateError) as refused:
        trust(value, HEAD)

    assert refused.value.what == what
    assert str(refused.value).startswith(f"containment-roles.yaml: {what}; ")


def test_yaml_is_imported_only_by_what_reads_the_template() -> None:
    code = """
import sys
from muster.adapters.pinned_roles import read_pinned_roles
print("yaml" in sys.modules)
read_pinned_roles("300000000000", ec2_triage=False)
print("yaml" in sys.modules)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours

    assert done.stdout.split() == ["False", "True"]


def test_template_is_read_once_for_a_thousand_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    read_pinned_roles(SHOP, ec2_triage=True)
    monkeypatch.setitem(sys.modules, "yaml", None)

    accounts = [f"{500_000_000_000 + number}" for number in range(1_000)]

    assert all(
        account in repr(read_pinned_roles(account, ec2_triage=True)[CONTAINMENT_ROLE].trust) for account in accounts
    )
