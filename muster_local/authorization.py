"""Whether IAM would allow what a call needs: identity policies and trust policies, evaluated.

The evaluator knows what this application's policies use: Action and NotAction, Resource and NotResource, conditions on
strings, ARNs, booleans, numbers and absence, with IfExists and set operators. Policy variables, permissions
boundaries and service control policies are not evaluated; of resource policies only those of buses and functions.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from moto.iam.models import iam_backends

from muster_local.aws_policies import is_by_aws

type Document = Mapping[str, Any]
type Context = Mapping[str, tuple[str, ...]]

_ROLE_ARN = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?P<name>.+)")


class PolicyError(Exception):
    """A policy says something that this evaluator does not understand; nothing is guessed."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a call needs: an action on a resource, with the condition keys of the request."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a role of an account, or the account itself; and the organization the account belongs to."""

    account: str
    arn: str
    organization_id: str | None


def allows(documents: Iterable[Document], need: Need, principal: Principal) -> bool:
    """Tell whether identity policies allow a need: some statement allows it and none denies it."""
    about_it = [
        statement
        for statement in _statements(documents)
        if _covers_action(statement, need.action) and _covers_resource(statement, need.resource)
    ]
    return _permit(about_it, {**_principal_context(principal), **need.context})


def trusts(document: Document, principal: Principal | str, context: Context) -> bool:
    """Tell whether a trust policy lets a principal, or a service by its name, assume the role."""
    about_it = [
        statement
        for statement in _statements([document])
        if _covers_action(statement, "sts:AssumeRole") and _names(statement.get("Principal", {}), principal)
    ]
    known = _principal_context(principal) if isinstance(principal, Principal) else {}
    return _permit(about_it, {**known, **context})


def resource_allows(document: Document, need: Need, principal: Principal | str) -> bool:
    """Tell whether a resource's own policy allows a need to a principal, or to a service by its name."""
    about_it = [
        statement
        for statement in _statements([document])
        if _covers_action(statement, need.action)
        and _covers_resource(statement, need.resource)
        and _names(statement.get("Principal", {}), principal)
    ]
    known = _principal_context(principal) if isinstance(principal, Principal) else {}
    return _permit(about_it, {**known, **need.context})


def _permit(statements: Iterable[Document], context: Context) -> bool:
    effects = {
        statement["Effect"] for statement in statements if _conditions_hold(statement.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def identity_policies(role_arn: str, *, also_by_aws: bool = True) -> list[Document]:
    """Return the inline and attached policies of a role as IAM has them; none when the role is gone.

    Those that AWS manages can be left out.
    """
    role = find_role(role_arn)
    if role is None:
        return []
    documents = [_document(text) for text in role.policies.values()]
    attached = [policy for policy in role.managed_policies.values() if also_by_aws or not is_by_aws(policy)]
    for policy in attached:
        documents += [_document(version.document) for version in policy.versions if version.is_default]
    return documents


def trust_policy(role_arn: str) -> Document | None:
    """Return a role's trust policy, or None when there is no such role."""
    role = find_role(role_arn)
    return None if role is None else _document(role.assume_role_policy_document)


def find_role(role_arn: str) -> Any | None:
    """Return moto's role by its ARN, or None."""
    match = _ROLE_ARN.fullmatch(role_arn)
    if match is None:
        return None
    roles = iam_backends[match["account"]]["aws"].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def _document(text: str | Document) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text
    return document


def _principal_context(principal: Principal) -> Context:
    context = {
        "aws:PrincipalArn": (principal.arn,),
        "aws:PrincipalAccount": (principal.account,),
        "aws:SecureTransport": ("true",),
    }
    if principal.organization_id:
        context["aws:PrincipalOrgID"] = (principal.organization_id,)
    return context


def _statements(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        yield from _many(document.get("Statement", ()))


def _covers_action(statement: Document, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_like(action.lower(), pattern.lower()) for pattern in _many(statement["NotAction"]))
    return any(_like(action.lower(), pattern.lower()) for pattern in _many(statement.get("Action", ())))


def _covers_resource(statement: Document, resource: str) -> bool:
    if "NotResource" in statement:
        return not any(_like(resource, pattern) for pattern in _many(statement["NotResource"]))
    return any(_like(resource, pattern) for pattern in _many(statement.get("Resource", ())))


def _names(principals: Any, principal: Principal | str) -> bool:
    if principals == "*":
        return isinstance(principal, Principal)
    if isinstance(principal, str):
        return principal in _many(principals.get("Service", ()))
    accepted = {"*", principal.account, f"arn:aws:iam::{principal.account}:root", principal.arn}
    return any(name in accepted for name in _many(principals.get("AWS", ())))


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    lower = {key.lower(): values for key, values in context.items()}
    return all(
        _condition_holds(operator, lower.get(key.lower()), [as_text(value) for value in _many(wanted)])
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _condition_holds(operator: str, present: tuple[str, ...] | None, wanted: list[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if base == "Null":
        return (present is None) == (wanted[0].lower() == "true")
    if base not in _OPERATORS:
        raise PolicyError(f"the embedded cloud does not know the condition operator {operator!r}")
    compare, negated = _OPERATORS[base]
    if present is None:
        return name.endswith("IfExists") or negated or quantifier == "ForAllValues"
    matches = [any(compare(value, pattern) for pattern in wanted) != negated for value in present]
    return all(matches) if quantifier == "ForAllValues" or negated else any(matches)


def _many(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else [value]


def as_text(value: Any) -> str:
    """Return a value as policies and condition keys write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _like(value: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _equal(value: str, pattern: str) -> bool:
    return value == pattern


def _equal_ignoring_case(value: str, pattern: str) -> bool:
    return value.lower() == pattern.lower()


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equal_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnNotEquals": (_like, True),
    "ArnLike": (_like, False),
    "ArnNotLike": (_like, True),
    "Bool": (_equal_ignoring_case, False),
    "NumericEquals": (lambda value, wanted: float(value) == float(wanted), False),
    "NumericLessThanEquals": (lambda value, wanted: float(value) <= float(wanted), False),
    "NumericGreaterThanEquals": (lambda value, wanted: float(value) >= float(wanted), False),
}
