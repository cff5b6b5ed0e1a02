"""What is wrong with a desired state, in sentences: pydantic's errors put into our words.

A problem names the field, what is wrong with it, and what to write instead. It never repeats a value, of a responder or
of anything else.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from muster.domain.desired import ChangeKind
from muster.domain.membership import SUPPORTED_REGIONS
from muster.domain.responders import COMMUNICATION_PREFERENCES
from muster.messages.desired_state_documents import (
    ContactDocument,
    ContainmentDocument,
    DesiredStateDocument,
    ExceptionDocument,
    GuardrailsDocument,
    MembershipDocument,
    ScopeDocument,
    StackSetDocument,
)
from muster.messages.desired_state_values import CHOICE_TAGS

_KEYS: Final[dict[str, type[BaseModel]]] = {
    "": DesiredStateDocument,
    "membership": MembershipDocument,
    "scope": ScopeDocument,
    "containment": ContainmentDocument,
    "containment.stack_set": StackSetDocument,
    "exceptions[]": ExceptionDocument,
    "guardrails": GuardrailsDocument,
    "contacts[]": ContactDocument,
}
_QUOTED_ACCOUNT = 'Write the 12 digits in quotes: "123456789012".'
_UNIT_ID = "Write the unit's id: ou-, four or more characters, a hyphen, eight or more characters."
_NO_SHARE = "Write a number from 0 to 1: 0.05 is five percent."
REMEDIES: Final[dict[str, str]] = {
    "": "Start from config/desired-state.example.yaml.",
    "mode": "Write observe, propose or enforce.",
    "automatic": "Write all, or a list of kinds in square brackets: [sign_up, add_unit].",
    "automatic[]": f"Choose from {', '.join(ChangeKind)}.",
    "approvals": "Write 1 or 2: so many different people have to approve.",
    "change_calendar": "Write the calendar's name (3 to 128 letters, digits, _ . -) or its ARN, or remove the key.",
    "membership": "Write name, account and region below it.",
    "membership.name": "Write a name of 3 to 50 characters.",
    "membership.account": _QUOTED_ACCOUNT,
    "membership.region": f"Choose from {', '.join(SUPPORTED_REGIONS)}.",
    "membership.tags": 'Write up to 200 tags as key: "value", with keys of 1 to 128 characters.',
    "membership.tags.*": "Write a text of at most 256 characters.",
    "membership.confirmed_as": 'Write account and Region as above, in quotes: "123456789012/eu-west-1".',
    "scope": "Write either entire_organization: true, or units and a list of units.",
    "scope.entire_organization": "Write true to cover every account; to cover some, remove this key and list units.",
    "scope.units": "Write a list of 1 to 2,000 units: ids (ou-…) or paths of names (Workloads/Prod).",
    "scope.units[]": 'Write a unit id (ou-…) or the names on the way to it from below the root: "Workloads/Prod".',
    "proactive_response": "Write true or false.",
    "contacts": "Write a list of 2 to 10 people, each with name, job_title and email.",
    "contacts[]": f"Write the keys {', '.join(ContactDocument.model_fields)}.",
    "contacts[].name": "Write a name of 3 to 50 characters.",
    "contacts[].job_title": "Write a job title of 1 to 50 characters.",
    "contacts[].email": "Write an address of 6 to 254 characters, such as first.last@example.com.",
    "contacts[].role": "Write primary, secondary or member.",
    "contacts[].notify": "Write all, or a list of kinds of message: [Case Created, Case Closed].",
    "contacts[].notify[]": f"Choose from {', '.join(COMMUNICATION_PREFERENCES)}.",
    "containment": "Write keys below it (roles, ec2_triage, existing, preference, overrides), or remove it.",
    "containment.roles": "Write off, verify or managed.",
    "containment.stack_set": "Write name and region below it, or remove it.",
    "containment.stack_set.name": "Write the StackSet's name: a letter, then up to 127 letters, digits and hyphens.",
    "containment.stack_set.region": "Write a Region that no policy closes: us-east-1.",
    "containment.canary_unit": _UNIT_ID,
    "containment.quarantine_units": "Write a list of up to 10 unit ids: [ou-ab12-11111111].",
    "containment.quarantine_units[]": _UNIT_ID,
    "containment.ec2_triage": "Write true or false.",
    "containment.existing": "Write stop or adopt.",
    "containment.preference": "Write ApprovalRequired, ContainConfirmed or ContainSuspected.",
    "containment.overrides": 'Write account ids in quotes, each with a preference: "123456789012": ContainConfirmed.',
    "containment.overrides.*": "Write ApprovalRequired, ContainConfirmed or ContainSuspected.",
    "containment.attest_every_days": "Write a whole number of days from 30 to 400.",
    "exceptions": "Write a list of up to 1,000 exceptions, each with account or unit, owner, reason and until.",
    "exceptions[]": "Write account or unit, and owner, reason and until.",
    "exceptions[].account": _QUOTED_ACCOUNT,
    "exceptions[].unit": _UNIT_ID,
    "exceptions[].owner": "Write the team that answers for it, in 1 to 100 characters.",
    "exceptions[].reason": "Write why, in 1 to 300 characters.",
    "exceptions[].until": "Write the last day as YYYY-MM-DD.",
    "guardrails": "Write keys below it (max_accounts, max_share, max_units, inventory_drop), or remove it.",
    "guardrails.max_accounts": "Write a whole number from 0 to 50,000.",
    "guardrails.max_share": _NO_SHARE,
    "guardrails.max_units": "Write a whole number from 0 to 50,000.",
    "guardrails.inventory_drop": _NO_SHARE,
    "key": "Store the contacts again with `muster push FILE`, which makes one.",
    "schema": "Store the desired state again with `muster push`.",
}
"""What to write, by field; positions and free keys are left out of the name of the field."""

_SENTENCES: Final[dict[str, str]] = {
    "missing": "is missing",
    "string_too_short": "is shorter than {min_length} characters",
    "string_empty": "is empty",
    "string_pattern_mismatch": "is not of the right form",
    "string_too_long": "is longer than {max_length} characters",
    "greater_than_equal": "is less than {ge:,g}",
    "less_than_equal": "is more than {le:,g}",
    "finite_number": "is not a finite number",
}
_EXPECTED: Final[dict[str, str]] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
}
_FREE_TEXTS: Final = {
    "membership.name",
    "membership.tags.*",
    "scope.units[]",
    "contacts[].name",
    "contacts[].job_title",
    "exceptions[].owner",
    "exceptions[].reason",
}
"""Where a bare number or ``true`` was probably meant as text."""

_PRINTABLE_KEY = r"[\w.:/=+@-]{1,60}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: where, what, and what to write instead. It holds no value of the document."""

    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}. {self.remedy}"


def problems_in(error: ValidationError) -> list[Problem]:
    """Return a problem for each thing that pydantic found."""
    return [_problem(details) for details in error.errors(include_url=False) if not _is_echo(details)]


def _is_echo(error: ErrorDetails) -> bool:
    """Tell whether a list is called too short only because an entry of it is wrong, which has an error of its own."""
    return error["type"] == "too_short" and len(error["input"]) >= error.get("ctx", {})["min_length"]


def _problem(error: ErrorDetails) -> Problem:
    path = [part for part in error["loc"] if part not in CHOICE_TAGS]
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "string_too_short" and not given:
        kind = "string_empty"
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown_key(path)
    if path and path[-1] == "[key]":
        return _wrong_key(path[:-1], kind, given, context)
    shown, rule = _names(path)
    remedy = REMEDIES[rule]
    match kind:
        case "refused":
            problem, remedy = context["problem"], context["remedy"] or remedy
        case "literal_error" | "enum":
            choices = re.findall(r"'([^']*)'", context["expected"])
            problem, remedy = _not_one_of(given), _near(given, choices) or remedy
        case "too_short" | "too_long":
            problem = _wrong_length(kind, context)
        case _ if kind in _EXPECTED:
            problem, remedy = f"is {_what(given)}, not {_EXPECTED[kind]}", _remedy_for_type(rule, given)
        case _:
            problem = _SENTENCES[kind].format(**context)
    return Problem(shown, problem, remedy)


def _unknown_key(path: list[int | str]) -> Problem:
    shown, rule = _names(path[:-1])
    known = [name for name in _KEYS.get(rule, DesiredStateDocument).model_fields if name != "schema_"]
    remedy = _near(path[-1], known) or f"Remove it; the keys here are {', '.join(known)}."
    if rule.startswith("contacts"):
        # A slip of indentation can make a key out of somebody's name.
        return Problem(shown, "has a key that is not known", remedy)
    return Problem(_joined(shown, path[-1]), "is not a known key", remedy)


def _wrong_key(path: list[int | str], kind: str, given: object, context: dict[str, Any]) -> Problem:
    shown, rule = _names(path[:-1])
    if kind == "refused":
        problem = str(context["problem"]).replace("is not", "has a key that is not", 1)
        return Problem(shown, problem, context["remedy"] or REMEDIES[rule])
    if kind == "string_type":
        return Problem(shown, f"has a key that is {_what(given)}, not text", REMEDIES[rule])
    return Problem(shown, "has a key that " + _SENTENCES[kind].format(**context), REMEDIES[rule])


def _not_one_of(given: object) -> str:
    if isinstance(given, str):
        return "is not one of the possible words"
    return f"is {_what(given)}, not one of the possible words"


def _wrong_length(kind: str, context: dict[str, Any]) -> str:
    if kind == "too_short":
        return f"has fewer than {context['min_length']} entries" if context["actual_length"] else "is an empty list"
    return f"has more than {context['max_length']:,} entries"


_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "empty"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    ((list, tuple), "a list"),
    (dict, "a group of keys"),
)


def _what(given: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(given, kind)), "something else")


def _remedy_for_type(rule: str, given: object) -> str:
    if rule in _FREE_TEXTS and isinstance(given, int | float):
        return f"Put it in quotes. {REMEDIES[rule]}"
    return REMEDIES[rule]


def _near(given: object, choices: Sequence[str]) -> str | None:
    """Suggest the choice that was probably meant. Only the choice is named, never what was given."""
    if not isinstance(given, str):
        return None
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(given.casefold(), folded, n=1, cutoff=0.7)
    return f"Did you mean {folded[close[0]]}?" if close else None


def _names(path: Sequence[int | str]) -> tuple[str, str]:
    """Return the field as a person reads it and as the rule for it is found: contacts[1].email, contacts[].email."""
    shown = rule = ""
    for part in path:
        if rule in ("membership.tags", "containment.overrides"):
            shown, rule = _joined(shown, part), f"{rule}.*"
        elif isinstance(part, int):
            shown, rule = f"{shown}[{part}]", f"{rule}[]"
        else:
            shown = _joined(shown, part)
            rule = f"{rule}.{part}" if rule else part
    return shown or "document", rule


def _joined(shown: str, key: int | str) -> str:
    name = str(key) if re.fullmatch(_PRINTABLE_KEY, str(key)) else "(a key)"
    return name if shown in ("", "document") else f"{shown}.{name}"
