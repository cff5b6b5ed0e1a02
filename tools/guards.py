"""Take every guard away in turn, and see that a test fails each time.

The tests run once as they are, to learn which of them come by which line. Then each guard has a process of its own: it
imports the application without that guard and runs the tests that come by, those of the same name first, until one
fails; when none does, it runs all of them. All of this happens in a copy, and what is left out is left out in memory.
"""

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from multiprocessing import connection
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Self

import pytest
from coverage import Coverage, CoverageData
from hypothesis import Phase, settings

from tools.guard_search import FOLDERS, GUARDRAILS, PACKAGE, WIDTH, Guard, find_guards, shorten

COPIED = ("pyproject.toml", PACKAGE.parent, "tests/unit", "tests/fakes")
TESTS = ("tests/unit/domain", "tests/unit/steps")
# What a test run imports in any case: imported once, every process that is forked from this one has it.
IMPORTED = ("botocore.session", "hypothesis.strategies", "hypothesis.internal.conjecture.engine", "pytest_socket")

PATIENCE = 3.0  # a run without a guard may take that many times as long as all tests take
LEAST_PATIENCE = 20.0  # in seconds
MEMORY = 4 << 30  # bytes of a process: without a guard, a loop may have no end
NOTHING_COLLECTED = 5
LOG_SHOWN = 4000  # characters of pytest's output, where it explains an error


class GuardsError(Exception):
    """The check cannot be made; the message says what to do first."""


@dataclass(slots=True, eq=False)
class Watch:
    """A plugin of pytest: it picks the tests, remembers the first that fails, and lets coverage know which one runs."""

    order: dict[str, int] | None
    coverage: Coverage | None = None
    seen: list[str] = field(default_factory=list)
    failed: str | None = None

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """Let property tests draw the same examples every time, and stop at the first that fails."""
        settings.register_profile(
            "guards",
            parent=settings.default,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
        )
        settings.load_profile("guards")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that were asked for, in that order."""
        order = self.order
        if order is not None:
            items[:] = sorted((each for each in items if each.nodeid in order), key=lambda each: order[each.nodeid])

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell coverage whose lines come now."""
        self.seen.append(nodeid)
        if self.coverage is not None:
            self.coverage.switch_context(nodeid)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first failure."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember what could not even be imported."""
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} (import)"


class WithoutGuard(importlib.abc.MetaPathFinder):
    """Answers one import with code that was compiled without a guard."""

    def __init__(self, module: str, path: Path, code: CodeType) -> None:
        """Stand ready for one module."""
        self._module, self._path, self._code = module, path, code

    def find_spec(self, fullname: str, _: Sequence[str] | None, __: ModuleType | None = None) -> ModuleSpec | None:
        """Return the module's own place, with the other code."""
        if fullname != self._module:
            return None
        code = self._code

        class Loader(SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the import system passes it
                return code

        return importlib.util.spec_from_file_location(fullname, self._path, loader=Loader(fullname, str(self._path)))


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the application and its tests, in which the tests run."""

    root: Path

    @classmethod
    def of(cls, repository: Path, into: Path) -> Self:
        """Copy what the tests need; a part that is not there is left out."""
        for name in COPIED:
            source, target = repository / name, into / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        return cls(into)

    def run_tests(self, tests: Sequence[str] | None, guard: Guard | None, answer: Path) -> None:
        """Run tests in this process, all of them for None, and write what was seen. For a forked process only."""
        _be_quiet(answer.with_suffix(".log"))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        os.chdir(self.root)
        sys.path[:0] = [str(self.root / PACKAGE.parent), str(self.root)]
        coverage = None
        if guard is None:
            folders = [str(self.root / folder) for folder in FOLDERS]
            coverage = Coverage(data_file=answer.with_suffix(".coverage"), source=folders, config_file=False)
            coverage.start()
        else:
            path = self.root / guard.path
            sys.meta_path.insert(0, WithoutGuard(guard.module, path, guard.compile_without(path)))
        watch = Watch(None if tests is None else {test: rank for rank, test in enumerate(tests)}, coverage)
        places = self.places() if tests is None else list(dict.fromkeys(test.partition("::")[0] for test in tests))
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(self.root)]
        # What the parent has imported already holds no assertion of ours.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        status = int(pytest.main([*options, *places], plugins=[watch]))
        if coverage is not None:
            coverage.stop()
            coverage.save()
        imported = sys.modules[PACKAGE.name].__file__ if PACKAGE.name in sys.modules else None
        seen = {"status": status, "failed": watch.failed, "seen": watch.seen, "imported": imported}
        answer.write_text(json.dumps(seen))

    def places(self) -> list[str]:
        """Return the folders of the tests that are there."""
        return [place for place in TESTS if (self.root / place).is_dir()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one guard: the test that failed without it, or None."""

    guard: Guard
    killed_by: str | None
    reached_by: int

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        if self.killed_by is not None:
            return " ".join(self.killed_by.removeprefix("tests/unit/").split())
        return f"SURVIVED ({self.reached_by or 'no'} test{'s' * (self.reached_by != 1)} came by)"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the tests do as long as nothing is removed."""

    copy: Copy
    tests: Sequence[str]
    lines: dict[Path, dict[int, list[str]]]
    took: float

    @classmethod
    def measure(cls, copy: Copy, answers: Path) -> Self:
        """Run every test once. Raise GuardsError when one fails, since it would fail without any guard too."""
        began = time.monotonic()
        answer = answers / "baseline.json"
        process = multiprocessing.get_context("fork").Process(
            target=copy.run_tests, args=(None, None, answer), daemon=True
        )
        process.start()
        process.join()
        found = _read(answer) or {"status": process.exitcode, "failed": None, "imported": None}
        if found["status"] != 0:
            log = answer.with_suffix(".log").read_text()
            which = found["failed"] or "no test ran"
            raise GuardsError(
                f"{log[-LOG_SHOWN:]}\nthe tests fail with every guard in place ({which}): repair them first"
            )
        if not str(found["imported"]).startswith(str(copy.root)):
            raise GuardsError(f"the tests import {found['imported']}, not the copy in {copy.root}")
        data = CoverageData(str(answer.with_suffix(".coverage")))
        data.read()
        lines = {Path(path).relative_to(copy.root): data.contexts_by_lineno(path) for path in data.measured_files()}
        return cls(copy, found["seen"], lines, time.monotonic() - began)

    def tests_at(self, guard: Guard) -> list[str]:
        """Return the tests that come by a guard, those of the file of the same name first."""
        lines = self.lines.get(guard.path, {})
        reaching = {test for line in range(guard.first, guard.last + 1) for test in lines.get(line, ())}
        namesake = f"/test_{guard.path.stem}.py::"
        return sorted((test for test in self.tests if test in reaching), key=lambda test: namesake not in test)


def judge(
    guards: Sequence[Guard], baseline: Baseline, answers: Path, *, jobs: int, patience: float
) -> Iterator[Outcome]:
    """Yield what became of each guard, in order, with so many processes at a time."""
    waiting = list(reversed(list(enumerate(guards))))
    running: dict[int, _Trial] = {}
    outcomes: dict[int, Outcome] = {}
    following = 0
    while following < len(guards):
        while waiting and len(running) < jobs:
            number, guard = waiting.pop()
            running[number] = _Trial.begin(guard, baseline, answers / f"{number}.json", patience)
        connection.wait([trial.process.sentinel for trial in running.values()], timeout=0.5)
        for number, trial in list(running.items()):
            outcome = trial.look()
            if outcome is not None:
                outcomes[number] = outcome
                del running[number]
        while following in outcomes:
            yield outcomes.pop(following)
            following += 1


@dataclass(slots=True)
class _Trial:
    """One guard on trial: first before the tests that come by it, then before all."""

    guard: Guard
    baseline: Baseline
    answer: Path
    patience: float
    reaching: list[str]
    process: Any
    before_all: bool
    began: float

    @classmethod
    def begin(cls, guard: Guard, baseline: Baseline, answer: Path, patience: float) -> Self:
        reaching = baseline.tests_at(guard)
        trial = cls(guard, baseline, answer, patience, reaching, None, before_all=not reaching, began=0.0)
        trial._start()
        return trial

    def _start(self) -> None:
        self.answer.unlink(missing_ok=True)
        tests = None if self.before_all else self.reaching
        start: Callable[..., Any] = multiprocessing.get_context("fork").Process
        self.process = start(target=self.baseline.copy.run_tests, args=(tests, self.guard, self.answer), daemon=True)
        self.began = time.monotonic()
        self.process.start()

    def look(self) -> Outcome | None:
        """Return the outcome once there is one; begin the second part when the first has found nothing."""
        if self.process.is_alive():
            if time.monotonic() - self.began < self.patience:
                return None
            self.process.kill()
            self.process.join()
            return self._outcome(f"(no end within {self.patience:.0f} seconds)")
        self.process.join()
        found = _read(self.answer)
        if found is None and self.process.exitcode < 0:
            return self._outcome(f"(the process died of signal {-self.process.exitcode})")
        if found is not None and found["failed"] is not None:
            return self._outcome(found["failed"])
        if found is None or found["status"] not in (0, NOTHING_COLLECTED):
            log = self.answer.with_suffix(".log").read_text()
            raise GuardsError(f"{log[-LOG_SHOWN:]}\nno test failed, yet the run did, at {self.guard.place}")
        if self.before_all:
            return self._outcome(None)
        self.before_all = True
        self._start()
        return None

    def _outcome(self, killed_by: str | None) -> Outcome:
        return Outcome(self.guard, killed_by, len(self.reaching))


def _read(answer: Path) -> dict[str, Any] | None:
    if not answer.exists():
        return None
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _be_quiet(log: Path) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())


def _select(guards: Sequence[Guard], only: str | None) -> list[Guard]:
    """Return the guards to try. Raise GuardsError when there is nothing to try: the search would have become blind."""
    if only is None and not any(guard.path == GUARDRAILS for guard in guards):
        raise GuardsError(f"nothing found in {GUARDRAILS}: is it still where the limits are kept?")
    found = [guard for guard in guards if only is None or re.search(only, f"{guard.place} {guard.removed}")]
    if not found:
        raise GuardsError("nothing found: no guard matches the pattern; --list shows what there is")
    return found


def _check(guards: Sequence[Guard], repository: Copy, folder: Path, chosen: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    sys.stdout.write(f"{len(guards)} guards; the tests run once with all of them in place ...\n")
    sys.stdout.flush()
    answers = folder / "answers"
    answers.mkdir()
    baseline = Baseline.measure(repository, answers)
    patience = chosen.patience or max(LEAST_PATIENCE, PATIENCE * baseline.took)
    survivors = 0
    wide = max(len(guard.place) for guard in guards)
    sys.stdout.write(f"{'place':{wide}}  {'removed':{WIDTH}}  killed by\n")
    for outcome in judge(guards, baseline, answers, jobs=chosen.jobs, patience=patience):
        survivors += outcome.killed_by is None
        guard = outcome.guard
        sys.stdout.write(f"{guard.place:{wide}}  {shorten(guard.removed):{WIDTH}}  {outcome.verdict}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(guards)} guards, {survivors} survived\n")
    return 1 if survivors else 0


def main(arguments: Sequence[str]) -> int:
    """Try every guard; exit status 1 when one survives, when none is found, or when the tests fail anyway."""
    parser = argparse.ArgumentParser(prog="python -m tools.guards", description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", help="only guards whose file:line or source matches")
    parser.add_argument("--list", action="store_true", help="only say which guards there are")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the repository")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--patience", type=float, help="seconds that the tests may take without a guard")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="guards-") as name:
        folder = Path(name).resolve()
        repository = Copy.of(chosen.root, folder / "copy")
        try:
            guards = _select(find_guards(repository.root), chosen.only)
            if chosen.list:
                sys.stdout.writelines(f"{guard.place}  {guard.removed}\n" for guard in guards)
                return 0
            for module in IMPORTED:
                importlib.import_module(module)
            return _check(guards, repository, folder, chosen)
        except GuardsError as error:
            sys.stderr.write(f"guards: {error}\n")
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
