"""What an IAM policy says, whatever the way it is written.

The rules are those of the IAM user guide, "IAM JSON policy element reference". A policy is taken apart into permissions
of one action, one resource and one principal: two policies whose permissions are the same mean the same. A permission
that a wider one beside it contains is kept: such policies count as different, although the same follows from them.
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from re import compile as pattern
from typing import Any

type PolicyDocument = Mapping[str, Any]
"""The parsed JSON of a policy."""

CURRENT_VERSION = "2012-10-17"
FIRST_VERSION = "2008-10-17"
"""What a policy without Version has. In it a policy variable, ``${…}``, is plain text."""

_DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"}
)
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_ACCOUNT_ROOT = pattern(r"arn:aws[a-z-]*:iam::(\d{12}):root")

_SHOWN = 3
_LONGEST = 160  # characters of one name; a whole report has room for many differences
_PERSONAL = pattern(r"(:user/|:assumed-role/[^/]+/|:federated-user/).*|\S*@\S*")
_IDENTIFIER = pattern(r"\d{12}|o-[a-z0-9]+|[a-z0-9.-]+\.amazonaws\.com|true|false|[*]|arn:aws[a-z-]*:(iam|ssm):.*")


class PolicyFormError(ValueError):
    """It is no policy document. ``element`` is the place, as in ``Statement 2, Action``; no value is repeated."""

    def __init__(self, element: str, wrong: str) -> None:
        """Say what is wrong with which element."""
        super().__init__(f"{element} {wrong}")
        self.element = element


class Effect(StrEnum):
    """Whether a statement allows or denies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class AllBut:
    """Everything but these names: NotAction, NotResource or NotPrincipal, which cannot be taken apart."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a Condition. ``key`` is in lower case, since IAM does not look at its case."""

    operator: str
    key: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Permission:
    """The smallest thing that a policy says.

    ``action`` is in lower case, ``written`` has it as it was written. ``resource`` and ``principal`` are None where the
    statement has none; a principal is its kind and name, ``Service ssm.amazonaws.com``. ``literal`` tells that it holds
    a policy variable that the policy's version does not replace.
    """

    effect: Effect
    action: str | AllBut
    resource: str | AllBut | None
    principal: str | AllBut | None
    conditions: frozenset[Condition]
    literal: bool = False
    written: str = field(default="", compare=False)


def meaning(document: PolicyDocument) -> frozenset[Permission]:
    """Return all that a policy says; equal sets have equal meaning. Raise PolicyFormError when it is no policy."""
    version = _read_version(document)
    return frozenset(
        permission
        for place, statement in _read_statements(document)
        for permission in _take_apart(place, statement, replaces_variables=version == CURRENT_VERSION)
    )


def denies(document: PolicyDocument) -> bool:
    """Tell whether any statement denies. Only what this takes is read. Raise PolicyFormError when it is no policy."""
    effects = [_read_effect(place, statement) for place, statement in _read_statements(document)]
    return Effect.DENY in effects


def same_meaning(first: PolicyDocument, second: PolicyDocument) -> bool:
    """Tell whether two policies say the same. Raise PolicyFormError when one of them is no policy."""
    return meaning(first) == meaning(second)


def describe_difference(pinned: PolicyDocument, found: PolicyDocument) -> str:
    """Say in short what a policy lacks and what it says beyond the pinned one; empty where both mean the same.

    What may name a person is left out: users, sessions, and values of conditions that are no identifiers of AWS.
    Raise PolicyFormError when one of them is no policy.
    """
    wanted, there = meaning(pinned), meaning(found)
    return describe_permissions(lacking=wanted - there, more=there - wanted)


def describe_permissions(*, lacking: AbstractSet[Permission], more: AbstractSet[Permission]) -> str:
    """Say in short what a policy lacks and what it says beyond another, as describe_difference does."""
    return "; ".join(
        f"{verb} {_enumerate(each)}"
        for verb, each in (
            ("lacks", {each for each in lacking if each.effect is Effect.ALLOW}),
            ("lacks the denial of", {each for each in lacking if each.effect is Effect.DENY}),
            ("also allows", {each for each in more if each.effect is Effect.ALLOW}),
            ("also denies", {each for each in more if each.effect is Effect.DENY}),
        )
        if each
    )


def name_part(part: str | AllBut) -> str:
    """Return the action, resource or principal for a report: no person, and not too long."""
    if isinstance(part, AllBut):
        return f"all but {' and '.join(sorted(map(name_part, part.names)))}"
    shown = _PERSONAL.sub(r"\1…", part)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def name_value(value: str) -> str:
    """Return the value of a condition for a report if it is an identifier of AWS, which names no person."""
    return name_part(value) if _IDENTIFIER.fullmatch(value) else "…"


def _read_version(document: PolicyDocument) -> str:
    if not isinstance(document, Mapping):
        raise PolicyFormError("the document", "is no JSON object")
    if unknown := document.keys() - _DOCUMENT_ELEMENTS:
        raise PolicyFormError("the document", f"has unknown elements: {len(unknown)}")
    version = document.get("Version", FIRST_VERSION)
    if version not in (CURRENT_VERSION, FIRST_VERSION):
        raise PolicyFormError("Version", f"is neither {CURRENT_VERSION} nor {FIRST_VERSION}")
    return str(version)


def _read_statements(document: PolicyDocument) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyFormError("the document", "has no Statement")
    found = document["Statement"]
    statements = found if isinstance(found, list) else [found]
    for number, statement in enumerate(statements, start=1):
        place = f"Statement {number}"
        if not isinstance(statement, Mapping):
            raise PolicyFormError(place, "is no JSON object")
        yield place, statement


def _read_effect(place: str, statement: Mapping[str, Any]) -> Effect:
    match statement.get("Effect"):
        case "Allow":
            return Effect.ALLOW
        case "Deny":
            return Effect.DENY
        case _:
            raise PolicyFormError(f"{place}, Effect", "is neither Allow nor Deny")


def _take_apart(place: str, statement: Mapping[str, Any], *, replaces_variables: bool) -> Iterator[Permission]:
    if unknown := statement.keys() - _STATEMENT_ELEMENTS:
        raise PolicyFormError(place, f"has unknown elements: {len(unknown)}")
    effect = _read_effect(place, statement)
    actions = _read_part(place, statement, "Action", _read_strings)
    if actions is None:
        raise PolicyFormError(place, "has neither Action nor NotAction")
    resources = _read_part(place, statement, "Resource", _read_strings)
    principals = _read_part(place, statement, "Principal", _read_principals)
    conditions = _read_conditions(f"{place}, Condition", statement.get("Condition", {}))
    in_conditions = any("${" in value for each in conditions for value in each.values)
    places = [
        (resource, not replaces_variables and (in_conditions or _has_variable(resource)))
        for resource in ([None] if resources is None else resources)
    ]
    for (action, written), (resource, literal), principal in product(
        map(_ignore_case, actions), places, [None] if principals is None else principals
    ):
        yield Permission(effect, action, resource, principal, conditions, literal, written)


def _ignore_case(action: str | AllBut) -> tuple[str | AllBut, str]:
    """Return what counts of an action, and how it was written."""
    if isinstance(action, AllBut):
        return AllBut(frozenset(map(str.lower, action.names))), ""
    return action.lower(), action


def _has_variable(resource: str | AllBut | None) -> bool:
    names = resource.names if isinstance(resource, AllBut) else (resource or "",)
    return any("${" in name for name in names)


def _read_part(
    place: str, statement: Mapping[str, Any], element: str, read: Callable[[str, Any], list[str]]
) -> list[str | AllBut] | None:
    opposite = f"Not{element}"
    if element in statement and opposite in statement:
        raise PolicyFormError(place, f"has both {element} and {opposite}")
    if element in statement:
        return [*read(f"{place}, {element}", statement[element])]
    if opposite in statement:
        return [AllBut(frozenset(read(f"{place}, {opposite}", statement[opposite])))]
    return None


def _read_strings(place: str, value: object) -> list[str]:
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(each, str) for each in strings):
        raise PolicyFormError(place, "is neither a string nor a list of strings")
    return strings


def _read_principals(place: str, value: object) -> list[str]:
    if value == "*":
        return ["AWS *"]
    if not isinstance(value, Mapping):
        raise PolicyFormError(place, "is neither * nor a JSON object")
    if value.keys() - _PRINCIPAL_KINDS:
        raise PolicyFormError(place, f"has another kind than {', '.join(sorted(_PRINCIPAL_KINDS))}")
    return [
        f"{kind} {_name_account(name)}"
        for kind, names in value.items()
        for name in _read_strings(f"{place}, {kind}", names)
    ]


def _name_account(name: str) -> str:
    root = _ACCOUNT_ROOT.fullmatch(name)
    return name if root is None else str(root[1])


def _read_conditions(place: str, value: object) -> frozenset[Condition]:
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
        raise PolicyFormError(place, "is no JSON object of operators and keys")
    return frozenset(
        Condition(operator, key.lower(), frozenset(_read_values(f"{place}, {operator}", values)))
        for operator, keys in value.items()
        for key, values in (keys or {"": []}).items()  # what an operator without keys does is not documented
    )


def _read_values(place: str, value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        match each:
            case str():
                yield each
            case bool():
                yield str(each).lower()
            case float() if each.is_integer():
                yield str(int(each))
            case int() | float():
                yield str(each)
            case _:
                raise PolicyFormError(place, "has a value that is no string, number or truth value")


def _enumerate(permissions: AbstractSet[Permission]) -> str:
    words = sorted(map(_put_into_words, permissions))
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _put_into_words(permission: Permission) -> str:
    words = [permission.written or name_part(permission.action)]
    if permission.resource is not None:
        words.append(f"on {name_part(permission.resource)}")
    if permission.principal is not None:
        words.append(f"for {name_part(permission.principal)}")
    conditions = sorted(
        f"{each.operator} {each.key} {' or '.join(sorted(map(name_value, each.values)))}".rstrip()
        for each in permission.conditions
    )
    if conditions:
        words.append(f"if {' and '.join(conditions)}")
    if permission.literal:
        words.append("with its variables as plain text")
    return " ".join(words)
