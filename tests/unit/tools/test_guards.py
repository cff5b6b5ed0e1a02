"""A guard whose absence no test notices is named, and fails the check."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

REPOSITORY = Path(__file__).parents[3]
MUSTER = "layers/muster/python/muster"
FILES = {
    f"{MUSTER}/__init__.py": "",
    f"{MUSTER}/domain/__init__.py": "",
    f"{MUSTER}/domain/guardrails.py": """
        def refuses(number, limit):
            return number > limit
    """,
    f"{MUSTER}/domain/reading.py": """
        class Unknown:
            why = "denied"

        def explain(found):
            return found.why if isinstance(found, Unknown) else "known"
    """,
    "tests/unit/domain/test_guardrails.py": """
        from muster.domain.guardrails import refuses

        def test_limit_itself_passes():
            assert not refuses(5, 5)

        def test_more_than_the_limit_is_refused():
            assert refuses(6, 5)
    """,
    "tests/unit/domain/test_reading.py": """
        from muster.domain.reading import explain

        def test_value_is_known():
            assert explain(1) == "known"
    """,
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, source in FILES.items():
        write(tmp_path / name, source)
    return tmp_path


def write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(source))


def check(root: Path, *options: str) -> tuple[int, list[str], str]:
    """Run the check as `make guards` does; its status, its lines and its complaint."""
    command = [sys.executable, "-m", "tools.guards", "--root", str(root), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=120)  # noqa: S603 - our own tool
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_guard_that_no_test_misses_survives_and_fails_the_check(toy: Path) -> None:
    status, lines, _ = check(toy)

    assert [line.split()[0] for line in lines[2:-1]] == ["domain/guardrails.py:3"] * 2 + ["domain/reading.py:6"]
    assert lines[2].endswith(
        "number > limit → False".ljust(78) + "domain/test_guardrails.py::test_more_than_the_limit_is_refused"
    )
    assert lines[3].endswith("number > limit → True".ljust(78) + "domain/test_guardrails.py::test_limit_itself_passes")
    assert lines[4].endswith("SURVIVED (1 test came by)")
    assert (lines[-1], status) == ("3 guards, 1 survived", 1)


def test_check_passes_once_a_test_misses_each_guard(toy: Path) -> None:
    write(
        toy / "tests/unit/domain/test_reading.py",
        """
        from muster.domain.reading import Unknown, explain

        def test_what_is_unknown_is_explained():
            assert explain(Unknown()) == "denied"
        """,
    )
    before = sorted((path, path.read_bytes()) for path in toy.rglob("*") if path.is_file())

    status, lines, complaint = check(toy)

    assert (lines[-1], status, complaint) == ("3 guards, 0 survived", 0, "")
    assert sorted((path, path.read_bytes()) for path in toy.rglob("*") if path.is_file()) == before


def test_loop_without_end_is_noticed(toy: Path) -> None:
    write(
        toy / f"{MUSTER}/domain/reading.py",
        """
        class Unknown:
            pass

        def explain(found):
            while not isinstance(found, Unknown):
                found = Unknown()
            return "known"
        """,
    )

    status, lines, _ = check(toy, "--only", "reading", "--patience", "3")

    assert lines[2].endswith("isinstance(found, Unknown) → False".ljust(78) + "(no end within 3 seconds)")
    assert (lines[-1], status) == ("1 guards, 0 survived", 0)


def test_tests_that_fail_anyway_prove_nothing(toy: Path) -> None:
    write(toy / "tests/unit/domain/test_reading.py", "def test_wrong():\n    assert False\n")

    status, lines, complaint = check(toy)

    assert (status, len(lines)) == (1, 1)
    assert "the tests fail with every guard in place (tests/unit/domain/test_reading.py::test_wrong)" in complaint


@pytest.mark.parametrize(("gone", "options"), [("domain/guardrails.py", ()), (None, ("--only", "no such guard"))])
def test_nothing_found_fails_the_check(toy: Path, gone: str | None, options: tuple[str, ...]) -> None:
    if gone:
        (toy / MUSTER / gone).unlink()

    status, lines, complaint = check(toy, *options)

    assert (status, lines) == (1, [])
    assert complaint.startswith("guards: nothing found")


def test_guards_can_be_listed_without_a_test(toy: Path) -> None:
    status, lines, _ = check(toy, "--list", "--only", "reading")

    assert (status, lines) == (0, ["domain/reading.py:6  isinstance(found, Unknown) → False"])
