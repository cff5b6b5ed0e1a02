"""Whatever the policy: other words for the same are no difference, and whatever changes the meaning is one.

Ten thousand cases each. Every case has a seed of its own, which is in the message when it fails.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from random import Random
from typing import Any

import pytest

from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.policy_meaning import same_meaning

CASES = 10_000
FEWER_CASES = 2_500
PINNED_EVERY = 5  # every fifth case is a policy of the pinned roles

type Json = Any
type Statement = dict[str, Json]

PINNED: Sequence[Json] = [
    document
    for role in read_pinned_roles("300000000000", ec2_triage=True).values()
    for document in (role.trust, *role.inline.values())
]

VERBS = ("Get", "List", "Put", "Delete*", "Tag?")
RESOURCES = ("*", "arn:aws:s3:::logs", "arn:aws:s3:::Logs", "arn:aws:ssm:*::document/A", "arn:aws:s3:::${aws:userid}")
PRINCIPALS = {
    "AWS": ("*", "300000000000", "arn:aws:iam::300000000000:role/a", "arn:aws:iam::400000000000:root"),
    "Service": ("ssm.amazonaws.com", "ec2.amazonaws.com"),
    "Federated": ("cognito-identity.amazonaws.com",),
}
OPERATORS = ("StringEquals", "StringLike", "ForAnyValue:StringEquals", "NumericLessThan", "Bool")
KEYS = ("aws:SourceArn", "sts:ExternalId", "aws:RequestTag/Team", "aws:PrincipalOrgID")
VALUES = ("a", "A", "${aws:username}", "*", True, False, 7, 2.5)
NEW = "arn:aws:new:::Thing"


def some(rng: Random, pool: Sequence[Json], most: int = 3) -> list[Json]:
    return rng.sample(pool, rng.randint(1, min(most, len(pool))))


def random_policy(rng: Random) -> Json:
    """Return a policy with lists everywhere. No two statements share an action, so no statement hides another."""
    statements = []
    for number in range(rng.choice((1, 1, 2, 2, 3, 4))):
        element = rng.choice(("Action", "Action", "Action", "NotAction"))
        statement: Statement = {
            "Effect": rng.choice(("Allow", "Allow", "Deny")),
            element: [f"svc{number}:{verb}" for verb in some(rng, VERBS)],
        }
        if rng.random() < 0.8:
            statement[rng.choice(("Resource", "Resource", "NotResource"))] = some(rng, RESOURCES)
        if rng.random() < 0.4:
            kinds = some(rng, list(PRINCIPALS), 2)
            statement[rng.choice(("Principal", "Principal", "NotPrincipal"))] = {
                kind: some(rng, PRINCIPALS[kind]) for kind in kinds
            }
        if rng.random() < 0.5:
            statement["Condition"] = {
                operator: {key: some(rng, VALUES) for key in some(rng, KEYS, 2)} for operator in some(rng, OPERATORS, 2)
            }
        statements.append(statement)
    return {"Version": rng.choice(("2012-10-17", "2008-10-17")), "Statement": statements}


def with_lists(document: Json) -> Json:
    """Return a copy with a list wherever a policy may have one."""
    document = copy(document)
    for each in document["Statement"]:
        for element in each.keys() & {"Action", "Resource"}:
            each[element] = as_list(each[element])
        for names in (each.get("Principal", {}), *each.get("Condition", {}).values()):
            names.update({key: as_list(value) for key, value in names.items()})
    return document


def copy(value: Json) -> Json:
    return json.loads(json.dumps(value))


def as_list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else [value]


def cases(purpose: str) -> Iterator[tuple[str, Random, Json]]:
    for number in range(CASES):
        seed = f"{purpose} {number}"
        rng = Random(seed)  # noqa: S311 - a simulation
        pinned = PINNED[number // PINNED_EVERY % len(PINNED)]
        yield seed, rng, random_policy(rng) if number % PINNED_EVERY else with_lists(pinned)


# ── other words for the same ──


def split(rng: Random, statements: list[Statement]) -> None:
    """Make two statements of one; they may overlap."""
    whole = rng.choice(statements)
    places = [(whole, name) for name in ("Action", "Resource") if len(whole.get(name, ())) > 1]
    places += [(whole["Principal"], kind) for kind, names in whole.get("Principal", {}).items() if len(names) > 1]
    if len(whole.get("Principal", {})) > 1:
        part = copy(whole)
        kind = rng.choice(list(whole["Principal"]))
        part["Principal"] = {kind: whole["Principal"].pop(kind)}
        statements.append(part)
    elif places:
        holder, name = rng.choice(places)
        names = holder[name]
        at = rng.randint(1, len(names) - 1)
        rest = names[max(0, at - rng.randint(0, 1)) :]
        holder[name] = names[:at]
        part = copy(whole)
        (part["Principal"] if holder is not whole else part)[name] = rest
        statements.append(part)


def merge(rng: Random, statements: list[Statement]) -> None:
    """Make one statement of two that differ in one thing that can be listed."""
    first = rng.choice(statements)
    for second in [each for each in statements if each is not first and each.keys() == first.keys()]:
        differing = [name for name in first if first[name] != second[name] and name != "Sid"]
        if len(differing) != 1 or differing[0] not in ("Action", "Resource", "Principal"):
            continue
        (name,) = differing
        if name == "Principal":
            for kind, names in second[name].items():
                first[name][kind] = first[name].get(kind, []) + names
        else:
            first[name] = first[name] + second[name]
        statements[:] = [each for each in statements if each is not second]
        return


def repeat(rng: Random, statements: list[Statement]) -> None:
    statement = rng.choice(statements)
    if rng.random() < 0.5:
        statements.append(copy(statement))
    else:
        names = statement["Action" if "Action" in statement else "NotAction"]
        names += names[:1]


def say_nothing(rng: Random, statements: list[Statement]) -> None:
    statements.append({"Effect": rng.choice(("Allow", "Deny")), "Action": [], "Resource": ["*"]})


REGROUPINGS = (split, split, split, merge, merge, merge, repeat, say_nothing)


def reword(rng: Random, document: Json) -> Json:
    """Return the policy in other words: regrouped, reordered, and in the other forms that each element may have."""
    statements = copy(document["Statement"])
    for _ in range(rng.randint(1, 6) if statements else 0):
        rng.choice(REGROUPINGS)(rng, statements)
    rng.shuffle(statements)
    written: Json = {"Statement": [reword_statement(rng, each) for each in statements]}
    if len(statements) == 1 and rng.random() < 0.5:
        written["Statement"] = written["Statement"][0]
    written |= {"Version": document["Version"]} | ({"Id": "other"} if rng.random() < 0.2 else {})
    if "${" not in json.dumps(statements):
        written["Version"] = rng.choice(("2012-10-17", "2008-10-17"))
    if written["Version"] == "2008-10-17" and rng.random() < 0.5:
        del written["Version"]
    return in_any_order(rng, written)


def reword_statement(rng: Random, statement: Statement) -> Statement:
    written = {name: value for name, value in statement.items() if name != "Sid"}
    if rng.random() < 0.3:
        written["Sid"] = f"Some{rng.randint(1, 9)}"
    for name in written.keys() & {"Action", "NotAction"}:
        written[name] = one_or_list(rng, [rng.choice((str, str.upper, str.lower))(each) for each in written[name]])
    for name in written.keys() & {"Resource", "NotResource"}:
        written[name] = one_or_list(rng, written[name])
    for name in written.keys() & {"Principal", "NotPrincipal"}:
        written[name] = reword_principals(rng, written[name])
    if "Condition" in written:
        written["Condition"] = {
            operator: in_any_order(
                rng,
                {
                    rng.choice((key, key.upper(), key.lower())): one_or_list(rng, [other_form(rng, v) for v in values])
                    for key, values in keys.items()
                },
            )
            for operator, keys in in_any_order(rng, written["Condition"]).items()
        }
    elif rng.random() < 0.1:
        written["Condition"] = {}
    return in_any_order(rng, written)


def reword_principals(rng: Random, principals: Json) -> Json:
    if principals == {"AWS": ["*"]} and rng.random() < 0.5:
        return "*"
    written = {}
    for kind, names in principals.items():
        forms = []
        for name in names:
            account = name.removeprefix("arn:aws:iam::").removesuffix(":root")
            is_account = kind == "AWS" and account.isdigit()
            forms.append(rng.choice((account, f"arn:aws:iam::{account}:root")) if is_account else name)
        written[kind] = one_or_list(rng, forms)
    return in_any_order(rng, written)


def other_form(rng: Random, value: Json) -> Json:
    if isinstance(value, str) or rng.random() < 0.5:
        return value
    return json.dumps(value)


def one_or_list(rng: Random, values: list[Json]) -> Json:
    values = rng.sample(values, len(values))
    return values[0] if len(values) == 1 and rng.random() < 0.5 else values


def in_any_order(rng: Random, mapping: dict[str, Json]) -> dict[str, Json]:
    return dict(rng.sample(list(mapping.items()), len(mapping)))


# ── another meaning ──

type Change = Callable[[Random, Json], bool]
"""Changes a policy with lists everywhere in place; False where it has nothing of the kind."""


def any_statement(rng: Random, document: Json, *names: str) -> Statement | None:
    statements = [each for each in document["Statement"] if not names or each.keys() & set(names)]
    return rng.choice(statements) if statements else None


def any_list(rng: Random, document: Json, *elements: str) -> tuple[dict[str, Json], str] | None:
    """Return a list of an element, by who holds it and its key."""
    statement = any_statement(rng, document, *elements)
    if statement is None:
        return None
    element = next(name for name in elements if name in statement)
    if element.endswith("Principal"):
        return statement[element], rng.choice(list(statement[element]))
    if element == "Condition":
        keys = statement[element][rng.choice(list(statement[element]))]
        return keys, rng.choice(list(keys))
    return statement, element


def of_list(change: Callable[[Random, list[Json]], bool], *elements: str) -> Change:
    def apply(rng: Random, document: Json) -> bool:
        place = any_list(rng, document, *elements)
        return place is not None and change(rng, place[0][place[1]])

    apply.__name__ = f"{change.__name__} of {' or '.join(elements)}"
    return apply


def drop(rng: Random, values: list[Json]) -> bool:
    if len(values) > 1:
        values.remove(rng.choice(values))
        return True
    return False


def add(rng: Random, values: list[Json]) -> bool:
    values.insert(rng.randint(0, len(values)), NEW)
    return True


def alter(rng: Random, values: list[Json]) -> bool:
    at = rng.randrange(len(values))
    values[at] = f"{json.dumps(values[at]) if isinstance(values[at], bool | int | float) else values[at]}x"
    return True


def empty(rng: Random, values: list[Json]) -> bool:  # noqa: ARG001 - as the others
    values.clear()
    return True


def change_case(rng: Random, values: list[Json]) -> bool:
    at = rng.randrange(len(values))
    other = values[at].swapcase() if isinstance(values[at], str) else values[at]
    if other in values:
        return False
    values[at] = other
    return True


def drop_statement(rng: Random, document: Json) -> bool:
    document["Statement"].remove(any_statement(rng, document))
    return True


def add_statement(rng: Random, document: Json) -> bool:
    more = {"Effect": rng.choice(("Allow", "Deny")), "Action": ["new:Action"], "Resource": ["*"]}
    document["Statement"].insert(rng.randint(0, len(document["Statement"])), more)
    return True


def turn_effect(rng: Random, document: Json) -> bool:
    statement = any_statement(rng, document) or {}
    statement["Effect"] = "Deny" if statement["Effect"] == "Allow" else "Allow"
    return True


def invert(element: str) -> Change:
    def apply(rng: Random, document: Json) -> bool:
        statement = any_statement(rng, document, element, f"Not{element}")
        if statement is None:
            return False
        there, other = (element, f"Not{element}") if element in statement else (f"Not{element}", element)
        statement[other] = statement.pop(there)
        return True

    apply.__name__ = f"invert {element}"
    return apply


def drop_element(*elements: str) -> Change:
    def apply(rng: Random, document: Json) -> bool:
        statement = any_statement(rng, document, *elements)
        if statement is None:
            return False
        for element in elements:
            statement.pop(element, None)
        return True

    apply.__name__ = f"drop {' or '.join(elements)}"
    return apply


def add_condition(rng: Random, document: Json) -> bool:
    statement = any_statement(rng, document) or {}
    operator = rng.choice(("StringEquals", "ArnLike"))
    statement.setdefault("Condition", {}).setdefault(operator, {})["aws:New"] = ["a"]
    return True


def alter_operator(rng: Random, document: Json) -> bool:
    statement = any_statement(rng, document, "Condition")
    if statement is None:
        return False
    operator = rng.choice(list(statement["Condition"]))
    statement["Condition"][f"{operator}IfExists"] = statement["Condition"].pop(operator)
    return True


def alter_key(rng: Random, document: Json) -> bool:
    place = any_list(rng, document, "Condition")
    if place is None:
        return False
    keys, key = place
    keys[f"{key}x"] = keys.pop(key)
    return True


def drop_key(rng: Random, document: Json) -> bool:
    place = any_list(rng, document, "Condition")
    if place is None:
        return False
    keys, key = place
    del keys[key]
    return True


def change_kind(rng: Random, document: Json) -> bool:
    place = any_list(rng, document, "Principal", "NotPrincipal")
    if place is None:
        return False
    kinds, kind = place
    kinds["CanonicalUser"] = kinds.pop(kind)
    return True


def change_version(rng: Random, document: Json) -> bool:  # noqa: ARG001 - as the others
    if "${" not in json.dumps(document["Statement"]):
        return False
    document["Version"] = "2008-10-17" if document["Version"] == "2012-10-17" else "2012-10-17"
    return True


ACTION, RESOURCE, PRINCIPAL = ("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")
CHANGES: Sequence[Change] = (
    *(of_list(change, *names) for change in (drop, add, alter) for names in (ACTION, RESOURCE, PRINCIPAL)),
    *(of_list(change, "Condition") for change in (drop, add, alter, empty, change_case)),
    of_list(change_case, *RESOURCE),
    *(of_list(empty, name) for name in ("Action", "Resource")),
    *(invert(name) for name in ("Action", "Resource", "Principal")),
    *(drop_element(*names) for names in (RESOURCE, PRINCIPAL, ("Condition",))),
    drop_statement,
    add_statement,
    turn_effect,
    add_condition,
    alter_operator,
    alter_key,
    drop_key,
    change_kind,
    change_version,
)


def test_other_words_for_the_same_are_no_difference() -> None:
    regrouped = 0
    for seed, rng, document in cases("other words"):
        other = reword(rng, document)

        assert same_meaning(document, other), f"seed {seed!r}: {document} and {other}"
        regrouped += len(as_list(other["Statement"])) != len(document["Statement"])

    assert regrouped > CASES / 3


def test_another_meaning_is_a_difference_in_whatever_words() -> None:
    seen: Counter[str] = Counter()
    for seed, rng, document in cases("another meaning"):
        changed = copy(document)
        change = rng.choice(CHANGES)
        while not change(rng, changed):
            change = rng.choice(CHANGES)
        seen[change.__name__] += 1
        other = reword(rng, changed)

        assert not same_meaning(document, other), f"seed {seed!r}, {change.__name__}: {document} and {other}"

    assert len(seen) == len(CHANGES)
    assert min(seen.values()) > 50


# ── asked as IAM is asked ──

ACCOUNTS = ("300000000000", "400000000000")
ASKED = list(product(("a:1", "a:2"), ("x", "y"), ACCOUNTS, ("on", "off")))
"""Requests of a world of two: an action, a resource, a principal's account and the value of the one condition key."""


def matches(statement: Statement, request: tuple[str, str, str, str]) -> bool:
    """Tell whether a statement applies to a request, straight from the user guide."""
    for asked, element in zip(request, ("Action", "Resource", "Principal"), strict=False):
        for name in (element, f"Not{element}"):
            if name in statement:
                named = any(each in ("*", asked) for each in names_of(statement[name]))
                if named is name.startswith("Not"):
                    return False
    for operator, keys in statement.get("Condition", {}).items():
        (values,) = keys.values()
        if (request[3] in as_list(values)) is (operator == "StringNotEquals"):
            return False
    return True


def names_of(value: Json) -> list[str]:
    names = as_list(value["AWS"] if isinstance(value, dict) else value)
    return [name.lower().removeprefix("arn:aws:iam::").removesuffix(":root") for name in names]


def effects(document: Json) -> list[set[str]]:
    """Return which effects apply to each request."""
    return [{each["Effect"] for each in as_list(document["Statement"]) if matches(each, request)} for request in ASKED]


def small_statement(rng: Random, *, plain: bool) -> Statement:
    """Return a statement of a world of two. A plain one names all that it is about."""
    action, resource, principal = (
        f"Not{name}" if not plain and rng.random() < 0.2 else name for name in ("Action", "Resource", "Principal")
    )
    everything = [] if plain else ["*"]
    statement: Statement = {
        "Effect": rng.choice(("Allow", "Allow", "Allow", "Deny")),
        action: some(rng, ["a:1", "a:2", *everything]),
        resource: some(rng, ["x", "y", *everything]),
        principal: {"AWS": some(rng, [*ACCOUNTS, *everything])},
    }
    if not plain and rng.random() < 0.3:
        operator = rng.choice(("StringEquals", "StringNotEquals"))
        statement["Condition"] = {operator: {"aws:Switch": some(rng, ["on", "off"])}}
    return statement


@pytest.mark.parametrize("plain", [True, False])
def test_same_meaning_has_the_same_effect_on_every_request(*, plain: bool) -> None:
    """Where all is named, it holds the other way round too: the same effect on every request is the same meaning."""
    answers: Counter[bool] = Counter()
    for number in range(FEWER_CASES):
        seed = f"effects {plain} {number}"
        rng = Random(seed)  # noqa: S311 - a simulation
        first, second = ([small_statement(rng, plain=plain) for _ in range(rng.randint(1, 3))] for _ in range(2))
        if rng.random() < 0.6:
            second = first if rng.random() < 0.4 else [*first[1:], *second[:1]]
        policies = [reword(rng, {"Version": "2012-10-17", "Statement": each}) for each in (first, second)]
        answer, equal = same_meaning(*policies), effects(policies[0]) == effects(policies[1])
        answers[answer] += 1

        assert equal or not answer, f"seed {seed!r}: {policies}"
        assert answer or not (plain and equal), f"seed {seed!r}: {policies}"

    assert min(answers[True], answers[False]) > FEWER_CASES / 10
