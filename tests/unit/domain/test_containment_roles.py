"""Every way in which a containment role may be wrong has a name and a remedy; what could not be read is never right."""

import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.containment_roles import (
    CONTAINMENT_ROLE,
    EXECUTION_ROLE,
    Defect,
    DefectKind,
    PinnedRoles,
    RoleDocument,
    RolesFound,
    examine,
    remedy_for,
)
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.policy_meaning import PolicyDocument
from muster.domain.stack_sets import INVESTIGATION_POLICY

SHOP, OTHER = "300000000000", "400000000000"
SERVICE = "containment.security-ir.amazonaws.com"
CONTAINMENT_POLICY = "AWSSecurityIncidentResponseContainmentPolicy"
EXECUTION_POLICY = "AWSSecurityIncidentResponseContainmentExecutionPolicy"
SECURITY_AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
GUARD = f"arn:aws:iam::{SHOP}:policy/guard"
ALLOWING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
DENYING = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
NO_POLICY = {"Version": "2012-10-17"}
DENIED: Observed[PolicyDocument] = Unknown("iam:GetPolicy is not allowed")

PINNED = read_pinned_roles(SHOP, ec2_triage=False)
WITH_TRIAGE = read_pinned_roles(SHOP, ec2_triage=True)


def as_made(pinned: PinnedRoles = PINNED) -> dict[str, RoleDocument]:
    return {
        name: RoleDocument(name, each.trust, dict(each.inline), dict.fromkeys(each.attached), None)
        for name, each in pinned.items()
    }


def with_trust(*statements: Mapping[str, Any], role: str = CONTAINMENT_ROLE) -> dict[str, RoleDocument]:
    found = as_made()
    found[role] = replace(found[role], trust={"Version": "2012-10-17", "Statement": list(statements)})
    return found


def with_inline(name: str, document: PolicyDocument | None, role: str = CONTAINMENT_ROLE) -> dict[str, RoleDocument]:
    found = as_made()
    inline = {**found[role].inline, name: document}
    found[role] = replace(found[role], inline={name: each for name, each in inline.items() if each is not None})
    return found


def with_attached(arn: str, document: Observed[PolicyDocument] | None) -> dict[str, RoleDocument]:
    found = as_made()
    role = found[EXECUTION_ROLE]
    found[EXECUTION_ROLE] = replace(role, attached={**role.attached, arn: document})
    return found


def altered(name: str, statement: int, role: str = CONTAINMENT_ROLE, **elements: Any) -> dict[str, RoleDocument]:
    document = deepcopy(dict(PINNED[role].inline[name]))
    document["Statement"][statement] |= elements
    return with_inline(name, document, role)


def assume(principal: Any = SERVICE, **conditions: Any) -> dict[str, Any]:
    conditions = conditions or {"StringEquals": {"sts:ExternalId": SHOP}}
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": principal} if isinstance(principal, str) else principal,
        "Condition": {operator: keys for operator, keys in conditions.items() if keys},
    }


def tag(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:TagSession", "Principal": {"Service": SERVICE}, **elements}


def defects(found: RolesFound, pinned: PinnedRoles = PINNED) -> list[tuple[DefectKind, str]]:
    answer = examine(SHOP, found, pinned)
    assert isinstance(answer, Known)
    return [(each.kind, each.detail) for each in answer.value]


@pytest.mark.parametrize("pinned", [PINNED, WITH_TRIAGE])
def test_roles_as_the_template_makes_them_have_no_defect(pinned: PinnedRoles) -> None:
    assert examine(SHOP, as_made(pinned), pinned) == Known(())


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(with_trust(tag(Sid="Tag"), assume()), id="the statements of the trust in another order"),
        pytest.param(
            with_inline(INVESTIGATION_POLICY, WITH_TRIAGE[CONTAINMENT_ROLE].inline[INVESTIGATION_POLICY]),
            id="the triage policy that was not asked for",
        ),
        pytest.param(with_inline("more", ALLOWING), id="an inline policy that only allows"),
        pytest.param(with_attached(GUARD, Known(ALLOWING)), id="an attached policy that only allows"),
        pytest.param(with_attached(f"{SECURITY_AUDIT}2", None), id="an attached policy that need not be read"),
        pytest.param(with_attached(SECURITY_AUDIT, DENIED), id="a pinned policy that nobody could read"),
        pytest.param({**as_made(), "Other": RoleDocument("Other", DENYING, {}, {}, "arn")}, id="another role"),
    ],
)
def test_what_takes_nothing_away_is_no_defect(found: RolesFound) -> None:
    assert examine(SHOP, found, PINNED) == Known(())


@pytest.mark.parametrize("role", [CONTAINMENT_ROLE, EXECUTION_ROLE])
def test_role_that_is_not_there_is_missing_and_nothing_else(role: str) -> None:
    found = as_made()
    del found[role]

    assert examine(SHOP, found, PINNED) == Known((Defect(DefectKind.ROLE_MISSING, role, "there is no such role"),))


LACKS_TAG = (DefectKind.TAG_SESSION_MISSING, "the trust policy does not allow sts:TagSession")
ASKS_FOR_NO_ID = (
    DefectKind.EXTERNAL_ID_MISSING,
    "the trust policy asks for no sts:ExternalId, so others can have the service act here",
)


def foreign(shown: str) -> tuple[DefectKind, str]:
    return DefectKind.EXTERNAL_ID_FOREIGN, f"the trust policy takes the sts:ExternalId {shown}, not {SHOP} alone"


def other_trust(words: str) -> tuple[DefectKind, str]:
    return DefectKind.TRUST_ALTERED, f"the trust policy {words}"


def principal(words: str) -> tuple[DefectKind, str]:
    return DefectKind.TRUST_PRINCIPAL, f"the trust policy {words}"


WANTED = f"sts:AssumeRole for Service {SERVICE} if StringEquals sts:externalid {SHOP}"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param([assume()], [LACKS_TAG], id="no TagSession"),
        pytest.param([assume(Nothing={}), tag()], [ASKS_FOR_NO_ID], id="no external id"),
        pytest.param([assume(Nothing={})], [ASKS_FOR_NO_ID, LACKS_TAG], id="neither"),
        pytest.param([assume(), assume(Nothing={}), tag()], [ASKS_FOR_NO_ID], id="a second way without external id"),
        pytest.param(
            [assume(StringEquals={"sts:ExternalId": OTHER}), tag()],
            [foreign(OTHER)],
            id="another account's external id",
        ),
        pytest.param(
            [assume(StringEquals={"sts:ExternalId": [SHOP, OTHER, "jane"]}), tag()],
            [foreign(f"{SHOP}, {OTHER}, …")],
            id="others' external ids beside its own",
        ),
        pytest.param(
            [assume(), assume(StringEquals={"sts:ExternalId": OTHER}), tag()],
            [foreign(OTHER)],
            id="a second way with another's external id",
        ),
        pytest.param(
            [assume(StringEquals={"sts:ExternalId": OTHER, "aws:SourceAccount": OTHER}), tag()],
            [
                foreign(OTHER),
                other_trust(
                    f"lacks {WANTED}; also allows sts:AssumeRole for Service {SERVICE} "
                    f"if StringEquals aws:sourceaccount {OTHER} and StringEquals sts:externalid {OTHER}"
                ),
            ],
            id="another's external id and one condition more",
        ),
        pytest.param(
            [assume(StringLike={"sts:ExternalId": "*"}), tag()],
            [
                other_trust(
                    f"lacks {WANTED}; also allows sts:AssumeRole for Service {SERVICE} if StringLike sts:externalid *"
                )
            ],
            id="any external id",
        ),
        pytest.param(
            [assume(StringEquals={"sts:ExternalId": OTHER}, StringLike={"sts:ExternalId": "*"}), tag()],
            [
                other_trust(
                    f"lacks {WANTED}; also allows sts:AssumeRole for Service {SERVICE} "
                    f"if StringEquals sts:externalid {OTHER} and StringLike sts:externalid *"
                )
            ],
            id="two conditions of the external id",
        ),
        pytest.param([tag()], [other_trust(f"lacks {WANTED}")], id="no AssumeRole"),
        pytest.param(
            [assume(), tag(Condition={"Bool": {"aws:SecureTransport": True}})],
            [
                other_trust(
                    f"lacks sts:TagSession for Service {SERVICE}; also allows sts:TagSession for Service {SERVICE} "
                    "if Bool aws:securetransport true"
                )
            ],
            id="TagSession with a condition",
        ),
        pytest.param(
            [assume(), tag(Action="sts:Tag*")],
            [other_trust(f"lacks sts:TagSession for Service {SERVICE}; also allows sts:Tag* for Service {SERVICE}")],
            id="TagSession by a pattern",
        ),
        pytest.param(
            [assume(), {**tag(NotAction="sts:GetFederationToken"), "Action": None}],
            [
                ASKS_FOR_NO_ID,
                other_trust(
                    f"lacks sts:TagSession for Service {SERVICE}; "
                    f"also allows all but sts:getfederationtoken for Service {SERVICE}"
                ),
            ],
            id="TagSession and AssumeRole by NotAction",
        ),
        pytest.param(
            [assume(), {**tag(NotAction=["sts:assume*", "sts:tagsession"]), "Action": None}],
            [
                LACKS_TAG,
                other_trust(f"also allows all but sts:assume* and sts:tagsession for Service {SERVICE}"),
            ],
            id="all but the two",
        ),
        pytest.param(
            [assume("ec2.amazonaws.com"), tag(Principal={"Service": "ec2.amazonaws.com"})],
            [principal(f"does not trust Service {SERVICE}; trusts Service ec2.amazonaws.com")],
            id="another service",
        ),
        pytest.param([], [principal(f"does not trust Service {SERVICE}")], id="nobody"),
        pytest.param(
            [tag(Effect="Deny"), assume(Nothing={}) | {"Effect": "Deny"}],
            [
                principal(f"does not trust Service {SERVICE}"),
                other_trust(f"also denies sts:AssumeRole for Service {SERVICE}, sts:TagSession for Service {SERVICE}"),
            ],
            id="the service denied",
        ),
        pytest.param(
            [assume(), assume({"AWS": OTHER}, Nothing={}), tag()],
            [principal(f"also trusts AWS {OTHER}")],
            id="another account beside the service",
        ),
        pytest.param(
            [assume(), assume({"AWS": f"arn:aws:iam::{OTHER}:user/jane.doe"}), tag(Principal="*")],
            [principal(f"also trusts AWS *, AWS arn:aws:iam::{OTHER}:user/…"), LACKS_TAG],
            id="a person, and everybody",
        ),
        pytest.param(
            [assume(), {**assume(), "NotPrincipal": {"AWS": OTHER}, "Principal": None}, tag()],
            [principal(f"also trusts all but AWS {OTHER}")],
            id="everybody but one",
        ),
        pytest.param(
            [assume(), tag(), {"Effect": "Allow", "Action": "sts:AssumeRole"}],
            [principal("also trusts nobody in particular")],
            id="no principal at all",
        ),
        pytest.param(
            [assume(), tag(), tag(Effect="Deny", Principal="*")],
            [other_trust("also denies sts:TagSession for AWS *")],
            id="a deny",
        ),
        pytest.param(
            [assume(), tag(Effect="Maybe")],
            [other_trust("is no policy: Statement 2, Effect is neither Allow nor Deny")],
            id="no policy",
        ),
    ],
)
def test_trust_that_differs_is_named_as_precisely_as_can_be(
    statements: list[dict[str, Any]], expected: list[tuple[DefectKind, str]]
) -> None:
    found = with_trust(*({name: value for name, value in each.items() if value} for each in statements))

    assert defects(found) == expected


def test_trust_that_differs_in_everything_has_every_name() -> None:
    found = with_trust(
        assume(Nothing={}), assume(StringEquals={"sts:ExternalId": OTHER}), assume({"AWS": OTHER}), tag(Effect="Deny")
    )

    assert defects(found) == [
        principal(f"also trusts AWS {OTHER}"),
        ASKS_FOR_NO_ID,
        foreign(OTHER),
        LACKS_TAG,
        other_trust(f"also denies sts:TagSession for Service {SERVICE}"),
    ]


def test_execution_role_asks_for_no_external_id_and_no_session_tags() -> None:
    found = with_trust(assume("ssm.amazonaws.com"), role=EXECUTION_ROLE)

    assert defects(found) == [
        other_trust(
            "lacks sts:AssumeRole for Service ssm.amazonaws.com; "
            f"also allows sts:AssumeRole for Service ssm.amazonaws.com if StringEquals sts:externalid {SHOP}"
        )
    ]


def test_external_id_is_held_against_the_account_whatever_is_pinned() -> None:
    elsewhere = read_pinned_roles(OTHER, ec2_triage=False)

    assert defects(as_made(elsewhere), elsewhere) == [foreign(OTHER)]


def altered_policy(words: str, name: str = CONTAINMENT_POLICY) -> tuple[DefectKind, str]:
    return DefectKind.POLICY_ALTERED, f"the inline policy {name} {words}"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            altered(CONTAINMENT_POLICY, 1, Action=["ssm:DescribeInstanceInformation", "ssm:ListCommandInvocations"]),
            altered_policy("lacks ssm:GetAutomationExecution on *"),
            id="an action dropped",
        ),
        pytest.param(
            altered(EXECUTION_POLICY, 9, EXECUTION_ROLE, Resource=f"arn:aws:ssm:*:{SHOP}:*"),
            altered_policy(
                "lacks ssm:DescribeAutomationExecutions on *; "
                f"also allows ssm:DescribeAutomationExecutions on arn:aws:ssm:*:{SHOP}:*",
                EXECUTION_POLICY,
            ),
            id="a resource narrowed",
        ),
        pytest.param(
            altered(EXECUTION_POLICY, 9, EXECUTION_ROLE, Effect="Deny"),
            altered_policy(
                "lacks ssm:DescribeAutomationExecutions on *; also denies ssm:DescribeAutomationExecutions on *",
                EXECUTION_POLICY,
            ),
            id="the effect turned",
        ),
        pytest.param(
            altered(CONTAINMENT_POLICY, 2, Condition={}),
            altered_policy(
                f"lacks iam:PassRole on arn:aws:iam::{SHOP}:role/{EXECUTION_ROLE} "
                "if StringEquals iam:passedtoservice ssm.amazonaws.com; "
                f"also allows iam:PassRole on arn:aws:iam::{SHOP}:role/{EXECUTION_ROLE}"
            ),
            id="a condition dropped",
        ),
        pytest.param(
            altered(CONTAINMENT_POLICY, 0, Resource="*", Action="ssm:StartAutomationExecution"),
            altered_policy(
                "lacks ssm:StartAutomationExecution on arn:aws:ssm:*:300000000000:automation-execution/*, "
                "ssm:StartAutomationExecution on arn:aws:ssm:*::document/AWSSupport-ContainEC2Instance, "
                "ssm:StartAutomationExecution on arn:aws:ssm:*::document/AWSSupport-ContainIAMPrincipal and 1 more; "
                "also allows ssm:StartAutomationExecution on *"
            ),
            id="a resource widened",
        ),
        pytest.param(
            altered(CONTAINMENT_POLICY, 1, Resource="arn:aws:ssm:*:*:automation-definition/*", Action="ssm:Other"),
            altered_policy(
                "lacks ssm:DescribeInstanceInformation on *, ssm:GetAutomationExecution on *, "
                "ssm:ListCommandInvocations on *; also allows ssm:Other on arn:aws:ssm:*:*:automation-definition/*"
            ),
            id="automation-definition for another action",
        ),
        pytest.param(
            altered(CONTAINMENT_POLICY, 0, NotResource="arn:aws:ssm:*:*:automation-definition/*"),
            altered_policy("is no policy: Statement 1 has both Resource and NotResource"),
            id="no policy",
        ),
        pytest.param(
            with_inline(CONTAINMENT_POLICY, None),
            (DefectKind.POLICY_MISSING, f"there is no inline policy {CONTAINMENT_POLICY}"),
            id="no policy of the name",
        ),
        pytest.param(
            with_inline("guard", DENYING),
            (DefectKind.INLINE_DENY, "the inline policy guard denies"),
            id="one more that denies",
        ),
    ],
)
def test_inline_policy_that_differs_is_named(found: RolesFound, expected: tuple[DefectKind, str]) -> None:
    assert defects(found) == [expected]


def test_triage_policy_is_missing_only_where_it_is_asked_for() -> None:
    assert defects(as_made(PINNED), WITH_TRIAGE) == [
        (DefectKind.TRIAGE_POLICY_MISSING, f"there is no inline policy {INVESTIGATION_POLICY}")
    ]


def test_triage_policy_that_differs_is_altered_and_not_missing() -> None:
    found = with_inline(INVESTIGATION_POLICY, {**ALLOWING, "Statement": []})

    assert [kind for kind, _ in defects(found, WITH_TRIAGE)] == [DefectKind.POLICY_ALTERED]


@pytest.mark.parametrize("action", ["ssm:StartAutomationExecution", "SSM:startautomationexecution"])
def test_old_generation_is_called_so_and_not_altered(action: str) -> None:
    resource = "arn:aws:ssm:*:*:automation-definition/AWSSupport-ContainEC2Instance:$DEFAULT"
    found = altered(CONTAINMENT_POLICY, 0, Action=action, Resource=["arn:aws:s3:::other", resource])

    age = "is of AWS's templates before 2026-03-27: it starts automations by automation-definition"
    assert defects(found) == [(DefectKind.OLD_GENERATION, f"the inline policy {CONTAINMENT_POLICY} {age}")]


def test_old_generation_is_not_what_everything_but_automation_definitions_says() -> None:
    document = deepcopy(dict(PINNED[CONTAINMENT_ROLE].inline[CONTAINMENT_POLICY]))
    del document["Statement"][0]["Resource"]
    document["Statement"][0]["NotResource"] = "arn:aws:ssm:*:*:automation-definition/*"

    assert [kind for kind, _ in defects(with_inline(CONTAINMENT_POLICY, document))] == [DefectKind.POLICY_ALTERED]


def test_what_is_pinned_is_of_no_old_generation() -> None:
    found = altered(CONTAINMENT_POLICY, 0, Resource="arn:aws:ssm:*:*:automation-definition/*:$DEFAULT")
    pinned = {name: replace(each, inline=found[name].inline) for name, each in PINNED.items()}

    assert examine(SHOP, found, pinned) == Known(())


def test_security_audit_has_to_be_attached() -> None:
    found = as_made()
    found[EXECUTION_ROLE] = replace(found[EXECUTION_ROLE], attached={})

    assert defects(found) == [
        (DefectKind.SECURITY_AUDIT_MISSING, f"the policy {SECURITY_AUDIT} is not attached"),
    ]


@pytest.mark.parametrize("document", [None, DENIED, Known(ALLOWING)])
@pytest.mark.parametrize("arn", [DENY_ALL, "arn:aws-us-gov:iam::aws:policy/AWSDenyAll"])
def test_policy_that_denies_everything_is_known_by_its_name(
    arn: str, document: Observed[PolicyDocument] | None
) -> None:
    assert defects(with_attached(arn, document)) == [
        (DefectKind.ATTACHED_DENY, f"the policy {arn}, which is attached, denies everything")
    ]


def test_attached_policy_with_a_deny_in_it_is_a_defect() -> None:
    assert defects(with_attached(GUARD, Known(DENYING))) == [
        (DefectKind.ATTACHED_DENY, f"the policy {GUARD}, which is attached, denies")
    ]


def test_boundary_is_a_defect_whatever_it_allows() -> None:
    found = as_made()
    found[CONTAINMENT_ROLE] = replace(found[CONTAINMENT_ROLE], boundary=GUARD)

    assert defects(found) == [(DefectKind.BOUNDARY, f"the permissions boundary {GUARD} may block containment")]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            with_attached(GUARD, DENIED),
            f"whether the policy {GUARD}, attached to {EXECUTION_ROLE}, denies: iam:GetPolicy is not allowed",
        ),
        (
            with_attached(GUARD, Known(NO_POLICY)),
            f"whether the policy {GUARD}, attached to {EXECUTION_ROLE}, denies: the document has no Statement",
        ),
        (
            with_inline("guard", NO_POLICY),
            f"whether the inline policy guard of {CONTAINMENT_ROLE} denies: the document has no Statement",
        ),
    ],
)
def test_roles_with_a_policy_that_nobody_could_read_are_neither_right_nor_wrong(found: RolesFound, why: str) -> None:
    assert examine(SHOP, found, PINNED) == Unknown(why)


def test_every_policy_that_nobody_could_read_is_named() -> None:
    found = with_attached(GUARD, DENIED)
    found[CONTAINMENT_ROLE] = with_inline("guard", NO_POLICY)[CONTAINMENT_ROLE]

    assert examine(SHOP, found, PINNED) == Unknown(
        f"whether the inline policy guard of {CONTAINMENT_ROLE} denies: the document has no Statement; "
        f"whether the policy {GUARD}, attached to {EXECUTION_ROLE}, denies: iam:GetPolicy is not allowed"
    )


def test_what_is_wrong_is_told_although_something_else_could_not_be_read() -> None:
    found = with_attached(GUARD, DENIED)
    del found[CONTAINMENT_ROLE]

    assert [kind for kind, _ in defects(found)] == [DefectKind.ROLE_MISSING]


def test_defects_come_in_the_same_order_whatever_the_order_of_reading() -> None:
    names = ["c", "a", "b"]
    arns = [f"arn:aws:iam::{SHOP}:policy/{name}" for name in names]

    def found(order: int) -> RolesFound:
        roles = as_made()
        role = roles[EXECUTION_ROLE]
        inline = {**dict.fromkeys(names[::order], DENYING), EXECUTION_POLICY: ALLOWING}
        attached = {arn: Known(DENYING) for arn in arns[::order]}
        roles[EXECUTION_ROLE] = replace(role, inline=inline, attached=attached, boundary=GUARD, trust=DENYING)
        roles[CONTAINMENT_ROLE] = replace(roles[CONTAINMENT_ROLE], inline={})
        return roles

    def pinned(order: int) -> PinnedRoles:
        return {
            name: replace(WITH_TRIAGE[name], inline=dict(list(WITH_TRIAGE[name].inline.items())[::order]))
            for name in list(WITH_TRIAGE)[::order]
        }

    once = examine(SHOP, found(1), pinned(1))

    assert once == examine(SHOP, found(-1), pinned(-1))
    assert isinstance(once, Known)
    assert [(each.kind, each.policy) for each in once.value] == [
        (DefectKind.POLICY_MISSING, CONTAINMENT_POLICY),
        (DefectKind.TRIAGE_POLICY_MISSING, INVESTIGATION_POLICY),
        (DefectKind.TRUST_PRINCIPAL, None),
        (DefectKind.TRUST_ALTERED, None),
        (DefectKind.POLICY_ALTERED, EXECUTION_POLICY),
        (DefectKind.INLINE_DENY, "a"),
        (DefectKind.INLINE_DENY, "b"),
        (DefectKind.INLINE_DENY, "c"),
        (DefectKind.SECURITY_AUDIT_MISSING, SECURITY_AUDIT),
        (DefectKind.ATTACHED_DENY, f"arn:aws:iam::{SHOP}:policy/a"),
        (DefectKind.ATTACHED_DENY, f"arn:aws:iam::{SHOP}:policy/b"),
        (DefectKind.ATTACHED_DENY, f"arn:aws:iam::{SHOP}:policy/c"),
        (DefectKind.BOUNDARY, GUARD),
    ]


def test_template_repairs_what_is_in_it_and_nothing_else() -> None:
    assert {kind for kind in DefectKind if not kind.is_written_by_template} == {
        DefectKind.ROLE_MISSING,
        DefectKind.OLD_GENERATION,
        DefectKind.INLINE_DENY,
        DefectKind.ATTACHED_DENY,
        DefectKind.BOUNDARY,
    }


@pytest.mark.parametrize(
    ("kind", "policy", "command"),
    [
        (
            DefectKind.INLINE_DENY,
            "guard, of yours",
            f"aws iam delete-role-policy --role-name {EXECUTION_ROLE} --policy-name 'guard, of yours'",
        ),
        (
            DefectKind.ATTACHED_DENY,
            DENY_ALL,
            f"aws iam detach-role-policy --role-name {EXECUTION_ROLE} --policy-arn {DENY_ALL}",
        ),
        (DefectKind.BOUNDARY, GUARD, f"aws iam delete-role-permissions-boundary --role-name {EXECUTION_ROLE}"),
    ],
)
def test_what_only_a_person_may_take_away_has_a_command(kind: DefectKind, policy: str, command: str) -> None:
    remedy = remedy_for(Defect(kind, EXECUTION_ROLE, "", policy))

    assert remedy == f"as an administrator of the account: {command}"
    assert shlex.split(command)[-1] in (policy, EXECUTION_ROLE)


@pytest.mark.parametrize("kind", DefectKind)
def test_every_defect_has_a_remedy(kind: DefectKind) -> None:
    remedy = remedy_for(Defect(kind, CONTAINMENT_ROLE, "", "guard"))

    assert ("aws iam" in remedy) is (kind in (DefectKind.INLINE_DENY, DefectKind.ATTACHED_DENY, DefectKind.BOUNDARY))
    assert ("stacks/containment-roles.yaml" in remedy) is ("aws iam" not in remedy)


def test_role_that_is_missing_is_created_and_one_that_differs_is_written_again() -> None:
    def remedy(kind: DefectKind) -> str:
        return remedy_for(Defect(kind, CONTAINMENT_ROLE, "")).partition(". ")[0]

    assert remedy(DefectKind.ROLE_MISSING) == (
        "let the StackSet of the containment roles create the account's instance; "
        "where it has one, delete that instance first"
    )
    assert remedy(DefectKind.OLD_GENERATION) == (
        "give the StackSet, or the stack that made the roles, the template stacks/containment-roles.yaml"
    )
    assert remedy(DefectKind.POLICY_ALTERED) == (
        "let the StackSet of the containment roles write the role as stacks/containment-roles.yaml has it"
    )
