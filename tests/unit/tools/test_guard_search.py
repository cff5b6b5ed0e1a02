"""Guards are found by what they are, and taken away so that a test can notice."""

from pathlib import Path
from textwrap import dedent
from typing import Any

from tools.guard_search import GUARDRAILS, PACKAGE, WIDTH, Guard, find_guards, find_in, shorten

DOMAIN = PACKAGE / "domain" / "sample.py"
CLASSES = """
from dataclasses import dataclass
from typing import Any, assert_never

@dataclass
class Known:
    value: Any

@dataclass
class Unknown:
    why: str
"""
KNOWN, UNKNOWN = ("Known", 1), ("Unknown", "denied")


def search(source: str, path: Path = DOMAIN) -> list[Guard]:
    return find_in(path, CLASSES + dedent(source))


def answer(guard: Guard, seen: tuple[str, Any]) -> Any:
    """Call the sample without its guard."""
    names: dict[str, Any] = {"__name__": "sample"}
    exec(guard.compile_without(Path("sample.py")), names)  # noqa: S102 - the sample is in this file
    kind, value = seen
    return names["sample"](names[kind](value))


def test_test_of_unknown_never_holds_and_that_of_known_always_does() -> None:
    found = search("""
    def sample(seen):
        return ("unknown" if isinstance(seen, Unknown) else "known", isinstance(seen, Known), isinstance(seen, int))
    """)

    assert [guard.removed for guard in found] == ["isinstance(seen, Unknown) → False", "isinstance(seen, Known) → True"]
    assert answer(found[0], UNKNOWN) == ("known", False, False)
    assert answer(found[1], UNKNOWN) == ("unknown", True, False)


def test_of_several_kinds_only_unknown_is_left_out() -> None:
    (guard,) = search("""
    def sample(seen):
        return isinstance(seen, int | Unknown)
    """)

    assert guard.removed == "isinstance(seen, int | Unknown) → without Unknown"
    assert answer(guard, UNKNOWN) is False


def test_what_an_arm_was_for_goes_to_the_arms_after_it() -> None:
    (guard,) = search("""
    def sample(seen):
        match seen:
            case Unknown(why):
                return why
            case _:
                return "taken for known"
    """)

    assert guard.removed == "case Unknown(why)"
    assert answer(guard, UNKNOWN) == "taken for known"


def test_where_only_assert_never_is_left_the_nearest_arm_that_can_answers() -> None:
    (guard,) = search("""
    def sample(seen):
        match seen:
            case Known(1):
                return "one"
            case Known(value):
                return value
            case Unknown(why):
                return why
        assert_never(seen)
    """)

    assert guard.removed == "case Unknown(why) → return 'one'"
    assert answer(guard, UNKNOWN) == "one"


def test_of_an_arm_for_several_only_unknown_goes() -> None:
    (guard,) = search("""
    def sample(seen):
        match seen:
            case Known() | Unknown() if seen:
                return "both"
        return "neither"
    """)

    assert (guard.removed, answer(guard, KNOWN), answer(guard, UNKNOWN)) == (
        "case Unknown() if seen",
        "both",
        "neither",
    )


def test_only_arm_of_a_match_does_nothing_any_more() -> None:
    (guard,) = search("""
    def sample(seen):
        match seen:
            case Unknown(why):
                return why
        return "past it"
    """)

    assert answer(guard, UNKNOWN) == "past it"


def test_states_called_unknown_are_compared_with_no_more() -> None:
    found = search("""
    class State:
        UNKNOWN = 1

    def sample(seen):
        state = State.UNKNOWN
        return state is State.UNKNOWN, state != State.UNKNOWN, state in (State.UNKNOWN, 2), state == 1
    """)

    assert [answer(guard, UNKNOWN) for guard in found] == [
        (False, False, True, True),
        (True, True, True, True),
        (True, False, False, True),
    ]


def test_among_the_guardrails_every_condition_never_holds_and_always_holds() -> None:
    found = search(
        """
        def sample(number, limits, total):
            if number and not limits.off or (share := number / total) > 2:
                return [each for each in limits if each]
            while number < 5:
                number += 1
            return total or "nothing", isinstance(number, str), number + 1
        """,
        GUARDRAILS,
    )

    assert [guard.removed for guard in found] == [
        "number → False",
        "number → True",
        "limits.off → False",
        "limits.off → True",
        "(share := (number / total)) > 2 → False",
        "(share := (number / total)) > 2 → True",
        "each → False",
        "each → True",
        "number < 5 → False",
        "total → False",
        "total → True",
        "isinstance(number, str) → False",
        "isinstance(number, str) → True",
    ]


def test_name_that_a_condition_binds_is_bound_without_it_too() -> None:
    found = search(
        """
        def sample(seen):
            if (value := seen.value) > 1:
                return "more", value
            return "less", value
        """,
        GUARDRAILS,
    )

    assert [answer(guard, KNOWN) for guard in found] == [("less", 1), ("more", 1)]


def test_among_the_guardrails_arms_are_conditions_too() -> None:
    found = search(
        """
        def sample(seen):
            match seen.value:
                case 1:
                    return "one"
                case _:
                    return "another"
        """,
        GUARDRAILS,
    )

    assert [(guard.removed, answer(guard, KNOWN)) for guard in found] == [("case 1", "another")]


def test_source_stays_as_it_is_between_the_removals() -> None:
    found = search("""
    def sample(seen):
        return isinstance(seen, Unknown), isinstance(seen, Known)
    """)

    assert [answer(guard, UNKNOWN) for guard in [*found, *found]] == [(False, False), (True, True)] * 2


def test_guards_of_the_repository_come_guardrails_first_then_by_file_and_line() -> None:
    found = find_guards(Path(__file__).parents[3])
    files = list(dict.fromkeys(guard.path for guard in found))

    assert files == [GUARDRAILS, *sorted(set(files) - {GUARDRAILS})]
    assert {path.parent.name for path in files} == {"domain", "steps"}
    assert [guard.first for guard in found if guard.path == files[1]] == sorted(
        guard.first for guard in found if guard.path == files[1]
    )


def test_long_source_is_shortened_and_what_it_became_stays_legible() -> None:
    assert shorten("short → False") == "short → False"
    assert len(shorten(f"{'long ' * 40}→ False")) <= WIDTH
    assert shorten(f"{'long ' * 40}→ False").endswith("… → False")
    assert len(shorten(f"case Unknown(why) → {'long ' * 40}")) <= WIDTH
    assert shorten(f"case Unknown(why) → {'long ' * 40}").startswith("case Unknown(why) → long")
    assert len(shorten("case " + "x" * 200)) == WIDTH
