"""Whether the two containment roles of an account are as AWS's templates have them, as read from the roles themselves.

CloudFormation cannot tell: its drift detection compares only what the template sets, so a policy attached from outside
or a permissions boundary is no drift to it. What the roles have to be is the guide's chapter on containment.
"""

import shlex
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import assert_never

from muster.domain.observed import Known, Observed, Unknown
from muster.domain.policy_meaning import (
    AllBut,
    Condition,
    Effect,
    Permission,
    PolicyDocument,
    PolicyFormError,
    denies,
    describe_difference,
    describe_permissions,
    meaning,
    name_part,
    name_value,
)
from muster.domain.stack_sets import INVESTIGATION_POLICY, OLD_GENERATION_MARK

CONTAINMENT_ROLE = "AWSSecurityIncidentResponseContainment"
EXECUTION_ROLE = "AWSSecurityIncidentResponseContainmentExecution"
ROLES = frozenset({CONTAINMENT_ROLE, EXECUTION_ROLE})

DENY_ALL = ":iam::aws:policy/AWSDenyAll"
"""How the ARN of AWS's policy that denies everything ends, in every partition."""

_ASSUME_ROLE = "sts:assumerole"
_TAG_SESSION = "sts:tagsession"
_EXTERNAL_ID = "sts:externalid"
_START_AUTOMATION = "ssm:startautomationexecution"


@dataclass(frozen=True, slots=True)
class RoleDocument:
    """One role as it was read.

    ``inline`` maps policy names to documents, ``attached`` ARNs to what could be read of the policy's document, or to
    None for AWS's policies that are known by their names: SecurityAudit and AWSDenyAll. ``boundary`` is an ARN.
    """

    name: str
    trust: PolicyDocument
    inline: Mapping[str, PolicyDocument]
    attached: Mapping[str, Observed[PolicyDocument] | None]
    boundary: str | None


type RolesFound = Mapping[str, RoleDocument]
"""By name, those of the two roles that exist."""


@dataclass(frozen=True, slots=True)
class RoleSpecification:
    """One role as it has to be. ``attached`` has ARNs."""

    name: str
    trust: PolicyDocument
    inline: Mapping[str, PolicyDocument]
    attached: frozenset[str]


type PinnedRoles = Mapping[str, RoleSpecification]
"""Both roles by name, for one account: its id is in them."""


class DefectKind(StrEnum):
    """Why a role may fail in an incident, or serve somebody else."""

    ROLE_MISSING = "role_missing"
    OLD_GENERATION = "old_generation"
    TRUST_PRINCIPAL = "trust_principal"
    EXTERNAL_ID_MISSING = "external_id_missing"
    EXTERNAL_ID_FOREIGN = "external_id_foreign"
    TAG_SESSION_MISSING = "tag_session_missing"
    TRUST_ALTERED = "trust_altered"
    POLICY_MISSING = "policy_missing"
    POLICY_ALTERED = "policy_altered"
    TRIAGE_POLICY_MISSING = "triage_policy_missing"
    SECURITY_AUDIT_MISSING = "security_audit_missing"
    INLINE_DENY = "inline_deny"
    ATTACHED_DENY = "attached_deny"
    BOUNDARY = "boundary"

    @property
    def is_written_by_template(self) -> bool:
        """Tell whether writing the whole role as the template has it repairs this."""
        return self in (
            DefectKind.TRUST_PRINCIPAL,
            DefectKind.EXTERNAL_ID_MISSING,
            DefectKind.EXTERNAL_ID_FOREIGN,
            DefectKind.TAG_SESSION_MISSING,
            DefectKind.TRUST_ALTERED,
            DefectKind.POLICY_MISSING,
            DefectKind.POLICY_ALTERED,
            DefectKind.TRIAGE_POLICY_MISSING,
            DefectKind.SECURITY_AUDIT_MISSING,
        )


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a role. ``detail`` says it in words; ``policy`` is a policy's name or ARN."""

    kind: DefectKind
    role: str
    detail: str
    policy: str | None = None


def examine(account_id: str, found: RolesFound, pinned: PinnedRoles) -> Observed[tuple[Defect, ...]]:
    """Return what is wrong with an account's roles, always in the same order; nothing when they are as pinned.

    Unknown when nothing is wrong as far as could be read, but not all of it could.
    """
    defects: list[Defect] = []
    unread: list[str] = []
    for name in sorted(pinned):
        if name not in found:
            defects.append(Defect(DefectKind.ROLE_MISSING, name, "there is no such role"))
            continue
        for each in _examine_role(account_id, found[name], pinned[name]):
            match each:
                case Defect():
                    defects.append(each)
                case Unknown(why):
                    unread.append(why)
                case _:
                    assert_never(each)
    if unread and not defects:
        return Unknown("; ".join(unread))
    return Known(tuple(defects))


def remedy_for(defect: Defect) -> str:
    """Return what a person does about it; where a command of the AWS CLI does it, that command.

    The account is not named, so that accounts with one defect have one remedy.
    """
    match defect:
        case Defect(kind=DefectKind.ROLE_MISSING):
            return (
                "let the StackSet of the containment roles create the account's instance; where it has one, delete "
                f"that instance first. {_IN_MANAGEMENT}"
            )
        case Defect(kind=DefectKind.OLD_GENERATION):
            return f"give the StackSet, or the stack that made the roles, the template {_TEMPLATE}. {_IN_MANAGEMENT}"
        case Defect(kind=DefectKind.INLINE_DENY, policy=str(name)):
            return _in_account("delete-role-policy", defect.role, "--policy-name", name)
        case Defect(kind=DefectKind.ATTACHED_DENY, policy=str(arn)):
            return _in_account("detach-role-policy", defect.role, "--policy-arn", arn)
        case Defect(kind=DefectKind.BOUNDARY):
            return _in_account("delete-role-permissions-boundary", defect.role)
        case _:
            return f"let the StackSet of the containment roles write the role as {_TEMPLATE} has it. {_IN_MANAGEMENT}"


_TEMPLATE = "stacks/containment-roles.yaml"
_IN_MANAGEMENT = (
    f"In the management account, which StackSets leave out, deploy a plain stack of {_TEMPLATE}, with another value of "
    "its parameter Repair where there is one already"
)


def _in_account(operation: str, role: str, *more: str) -> str:
    command = shlex.join(("aws", "iam", operation, "--role-name", role, *more))
    return f"as an administrator of the account: {command}"


def _examine_role(account_id: str, found: RoleDocument, pinned: RoleSpecification) -> Iterator[Defect | Unknown]:
    yield from _examine_trust(account_id, found, pinned)
    yield from _examine_inline(found, pinned)
    yield from _examine_attached(found, pinned)
    if found.boundary is not None:
        detail = f"the permissions boundary {found.boundary} may block containment"
        yield Defect(DefectKind.BOUNDARY, found.name, detail, found.boundary)


def _examine_inline(found: RoleDocument, pinned: RoleSpecification) -> Iterator[Defect | Unknown]:
    for name, document in sorted(pinned.inline.items()):
        if (wrong := _compare_inline(name, document, found)) is not None:
            kind, detail = wrong
            yield Defect(kind, found.name, detail, name)
    for name in sorted(found.inline.keys() - pinned.inline.keys()):
        try:
            if denies(found.inline[name]):
                yield Defect(DefectKind.INLINE_DENY, found.name, f"the inline policy {name} denies", name)
        except PolicyFormError as error:
            yield Unknown(f"whether the inline policy {name} of {found.name} denies: {error}")


def _compare_inline(name: str, pinned: PolicyDocument, found: RoleDocument) -> tuple[DefectKind, str] | None:
    if name not in found.inline:
        missing = DefectKind.TRIAGE_POLICY_MISSING if name == INVESTIGATION_POLICY else DefectKind.POLICY_MISSING
        return missing, f"there is no inline policy {name}"
    try:
        difference = describe_difference(pinned, found.inline[name])
        if difference and any(map(_is_old_generation, meaning(found.inline[name]))):
            age = "is of AWS's templates before 2026-03-27: it starts automations by automation-definition"
            return DefectKind.OLD_GENERATION, f"the inline policy {name} {age}"
    except PolicyFormError as error:
        difference = f"is no policy: {error}"
    return (DefectKind.POLICY_ALTERED, f"the inline policy {name} {difference}") if difference else None


def _is_old_generation(permission: Permission) -> bool:
    return (
        permission.action == _START_AUTOMATION
        and isinstance(permission.resource, str)
        and OLD_GENERATION_MARK in permission.resource
    )


def _examine_attached(found: RoleDocument, pinned: RoleSpecification) -> Iterator[Defect | Unknown]:
    for arn in sorted(pinned.attached - found.attached.keys()):
        yield Defect(DefectKind.SECURITY_AUDIT_MISSING, found.name, f"the policy {arn} is not attached", arn)
    for arn in sorted(found.attached.keys() - pinned.attached):
        if (wrong := _find_deny(arn, found.attached[arn])) is None:
            continue
        match wrong:
            case Known(detail):
                yield Defect(DefectKind.ATTACHED_DENY, found.name, detail, arn)
            case Unknown(why):
                yield Unknown(f"whether the policy {arn}, attached to {found.name}, denies: {why}")
            case _:
                assert_never(wrong)


def _find_deny(arn: str, document: Observed[PolicyDocument] | None) -> Observed[str] | None:
    if arn.endswith(DENY_ALL):
        return Known(f"the policy {arn}, which is attached, denies everything")
    match document:
        case None:
            return None
        case Unknown():
            return document
        case Known(value):
            try:
                return Known(f"the policy {arn}, which is attached, denies") if denies(value) else None
            except PolicyFormError as error:
                return Unknown(str(error))
        case _:
            assert_never(document)


def _examine_trust(account_id: str, found: RoleDocument, pinned: RoleSpecification) -> Iterator[Defect]:
    wanted = meaning(pinned.trust)
    try:
        there = meaning(found.trust)
    except PolicyFormError as error:
        yield Defect(DefectKind.TRUST_ALTERED, found.name, f"the trust policy is no policy: {error}")
        return
    trusted = {each.principal for each in wanted}
    allowed = {each for each in there if each.effect is Effect.ALLOW}
    ours = {each for each in allowed if each.principal in trusted}
    explained = allowed - ours
    if not ours or explained:
        yield Defect(DefectKind.TRUST_PRINCIPAL, found.name, _describe_principals(wanted, ours, explained))
    if not ours:
        explained |= wanted
    for kind, detail, why in (
        *_examine_external_id(account_id, wanted, ours),
        *_examine_tag_session(wanted, ours),
    ):
        explained |= why
        yield Defect(kind, found.name, detail)
    lacking, more = wanted - there - explained, there - wanted - explained
    if lacking or more:
        words = describe_permissions(lacking=lacking, more=more)
        yield Defect(DefectKind.TRUST_ALTERED, found.name, f"the trust policy {words}")


type _Finding = tuple[DefectKind, str, AbstractSet[Permission]]
"""What is wrong with a trust policy, in words too, and the permissions that this explains."""


def _describe_principals(
    wanted: AbstractSet[Permission], ours: AbstractSet[Permission], others: AbstractSet[Permission]
) -> str:
    words = []
    if not ours:
        words.append(f"does not trust {_name_principals(wanted)}")
    if others:
        words.append(f"{'also ' if ours else ''}trusts {_name_principals(others)}")
    return f"the trust policy {'; '.join(words)}"


def _name_principals(permissions: AbstractSet[Permission]) -> str:
    return ", ".join(sorted({name_part(each.principal or "nobody in particular") for each in permissions}))


def _examine_external_id(
    account_id: str, wanted: AbstractSet[Permission], ours: AbstractSet[Permission]
) -> Iterator[_Finding]:
    """Look at the external id wherever the pinned trust asks for one; without it, others can have the service act."""
    for guarded in (each for each in wanted if _external_ids(each)):
        opened, foreign = set(), set()
        values: set[str] = set()
        for each in (each for each in ours if _covers(each.action, _ASSUME_ROLE)):
            if not (asked := _external_ids(each)):
                opened.add(each)
            elif {condition.operator for condition in asked} == {"StringEquals"}:
                given = {value for condition in asked for value in condition.values}
                if given != {account_id}:
                    foreign.add(each)
                    values |= given
        if opened:
            detail = "the trust policy asks for no sts:ExternalId, so others can have the service act here"
            yield DefectKind.EXTERNAL_ID_MISSING, detail, _explain(guarded, opened)
        if foreign:
            shown = ", ".join(sorted(map(name_value, values)))
            detail = f"the trust policy takes the sts:ExternalId {shown}, not {account_id} alone"
            yield DefectKind.EXTERNAL_ID_FOREIGN, detail, _explain(guarded, foreign)


def _examine_tag_session(wanted: AbstractSet[Permission], ours: AbstractSet[Permission]) -> Iterator[_Finding]:
    lacking = {each for each in wanted if each.action == _TAG_SESSION}
    if ours and lacking and not any(_covers(each.action, _TAG_SESSION) for each in ours):
        yield DefectKind.TAG_SESSION_MISSING, "the trust policy does not allow sts:TagSession", lacking


def _external_ids(permission: Permission) -> frozenset[Condition]:
    return frozenset(each for each in permission.conditions if each.key == _EXTERNAL_ID)


def _explain(guarded: Permission, found: AbstractSet[Permission]) -> AbstractSet[Permission]:
    """Return those that differ from the pinned one in the external id alone, and then that one too."""
    alike = {each for each in found if _without_external_id(each) == _without_external_id(guarded)}
    return alike | {guarded} if alike else alike


def _without_external_id(permission: Permission) -> Permission:
    return replace(permission, conditions=permission.conditions - _external_ids(permission))


def _covers(action: str | AllBut, name: str) -> bool:
    if isinstance(action, AllBut):
        return not any(fnmatchcase(name, each) for each in action.names)
    return fnmatchcase(name, action)
