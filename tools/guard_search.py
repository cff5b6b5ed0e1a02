"""Find the guards of the application by syntax tree, and say what the code is without each.

Two kinds are looked for. In ``domain/guardrails.py`` it is every condition: each comparison, each ``isinstance``, each
part of a test, each arm of a ``match``. In the whole of ``domain`` and ``steps`` it is every place that treats what
could not be read in its own way: ``isinstance`` of Unknown or Known, ``match`` arms for Unknown, comparisons with a
member called UNKNOWN.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

PACKAGE = Path("layers/muster/python/muster")
GUARDRAILS = PACKAGE / "domain" / "guardrails.py"
FOLDERS = (PACKAGE / "domain", PACKAGE / "steps")

WIDTH = 76  # of the removed source in a table, in characters


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, and what is put in its place: in the tree, ``field`` of ``owner`` becomes ``instead``.

    ``path`` is relative to the repository. ``first`` and ``last`` are the lines of the guard.
    """

    path: Path
    first: int
    last: int
    column: int
    removed: str
    tree: ast.Module
    owner: ast.AST
    field: str
    instead: object

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.path.relative_to(PACKAGE)}:{self.first}"

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return ".".join(self.path.relative_to(PACKAGE.parent).with_suffix("").parts)

    def compile_without(self, filename: Path) -> CodeType:
        """Compile the module as it is without this guard; the tree is left as it was."""
        before = getattr(self.owner, self.field)
        setattr(self.owner, self.field, self.instead)
        try:
            return compile(ast.fix_missing_locations(self.tree), str(filename), "exec")
        finally:
            setattr(self.owner, self.field, before)


def find_guards(root: Path) -> list[Guard]:
    """Return the guards of the application in a repository, guardrails first, then by file and line."""
    files = sorted(path.relative_to(root) for folder in FOLDERS for path in (root / folder).glob("*.py"))
    ordered = sorted(files, key=lambda path: path != GUARDRAILS)
    return [guard for path in ordered for guard in find_in(path, (root / path).read_text())]


def find_in(path: Path, source: str) -> list[Guard]:
    """Return the guards of one module, by line. ``path`` is relative to the repository."""
    tree = ast.parse(source)
    search = _Search(path, tree)
    found = [*search.unknown_arms(), *(search.conditions() if path == GUARDRAILS else ())]
    # A test of Unknown among the guardrails is found twice, yet it is removed in each way once.
    distinct = {(id(guard.owner), guard.field, guard.removed): guard for guard in found}
    return sorted(distinct.values(), key=lambda guard: (guard.first, guard.column, guard.removed))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: in a field of its owner, alone or as one of a list."""

    node: ast.AST
    owner: ast.AST
    field: str
    index: int | None

    def filled_with(self, node: ast.AST) -> object:
        if self.index is None:
            return node
        siblings = list(getattr(self.owner, self.field))
        siblings[self.index] = node
        return siblings


@dataclass(frozen=True, slots=True)
class _Search:
    path: Path
    tree: ast.Module

    def unknown_arms(self) -> Iterator[Guard]:
        for place in _places(self.tree):
            match place.node:
                case ast.Call(func=ast.Name(id="isinstance"), args=[_, kind]) as call:
                    yield from self._unknown_instance(place, call, kind)
                case ast.Compare(ops=[operator], comparators=[right], left=left):
                    if _is_unknown(left) or _is_unknown(right):
                        yield self._constant(place, value=isinstance(operator, ast.IsNot | ast.NotEq | ast.NotIn))
                    elif isinstance(right, ast.Tuple | ast.List | ast.Set) and any(map(_is_unknown, right.elts)):
                        yield self._shorter(place.node, right)
                case ast.Match() as match:
                    ends = _asserts_never(_follower(place))
                    for number, arm in enumerate(match.cases):
                        if any(_is_unknown(each) for each in ast.walk(arm.pattern)):
                            yield self._arm(match, number, ends=ends)

    def _unknown_instance(self, place: _Place, call: ast.Call, kind: ast.expr) -> Iterator[Guard]:
        kinds = _alternatives(kind)
        names = {each.id for each in kinds if isinstance(each, ast.Name)}
        if "Unknown" in names and len(kinds) > 1:
            rest = [each for each in kinds if not _is_unknown(each)]
            yield self._guard(
                call, f"{ast.unparse(call)} → without Unknown", call, "args", [call.args[0], _any_of(rest)]
            )
        elif "Unknown" in names:
            yield self._constant(place, value=False)
        elif "Known" in names:
            yield self._constant(place, value=True)

    def _shorter(self, compare: ast.AST, members: ast.Tuple | ast.List | ast.Set) -> Guard:
        rest = [each for each in members.elts if not _is_unknown(each)]
        return self._guard(compare, f"{ast.unparse(compare)} → without UNKNOWN", members, "elts", rest)

    def conditions(self) -> Iterator[Guard]:
        """Find what decides, and take it away in both ways: it never holds, it always holds."""
        for place in _places(self.tree):
            node = place.node
            if isinstance(node, ast.Match):
                ends = _asserts_never(_follower(place))
                for number, arm in enumerate(node.cases):
                    if not _is_irrefutable(arm) or (arm.guard is None and number < len(node.cases) - 1):
                        yield self._arm(node, number, ends=ends)
            elif _is_comparison(node) or _is_condition(place):
                yield self._constant(place, value=False)
                # A loop that always goes on is no program without the guard, it is none at all.
                if not isinstance(place.owner, ast.While):
                    yield self._constant(place, value=True)

    def _constant(self, place: _Place, *, value: bool) -> Guard:
        node = place.node
        assert isinstance(node, ast.expr)  # noqa: S101 - only expressions are conditions
        instead: ast.expr = ast.Constant(value)
        if any(isinstance(each, ast.NamedExpr) for each in ast.walk(node)):
            # The name that is bound on the way is needed later.
            instead = ast.BoolOp(ast.Or() if value else ast.And(), [node, instead])
        return self._guard(node, f"{ast.unparse(node)} → {value}", place.owner, place.field, place.filled_with(instead))

    def _arm(self, match: ast.Match, number: int, *, ends: bool) -> Guard:
        """Take an arm away, or of an arm for several what is for Unknown.

        What the arm was for goes to the arms after it, or past the ``match``. Where neither takes it, because all that
        is left is ``assert_never``, any test that comes by would fail; there the nearest other arm answers for it.
        """
        arm = match.cases[number]
        unknown, rest = _split(arm)
        kept = [ast.match_case(rest, arm.guard, arm.body)] if rest is not None else []
        removed = f"case {ast.unparse(unknown)}{f' if {ast.unparse(arm.guard)}' if arm.guard else ''}"
        later = match.cases[number + 1 :]
        ends = ends or (bool(later) and _asserts_never(later[-1].body[0]))
        if ends and not any(_may_take(each) for each in later):
            body = _answer_instead(match.cases, number, captured=_captured(unknown))
            if body is not None:
                kept.append(ast.match_case(unknown, arm.guard, body))
                removed += f" → {ast.unparse(body[0]).splitlines()[0]}"
        cases = [*match.cases[:number], *kept, *later]
        nothing_left = [ast.match_case(ast.MatchAs(), None, [ast.Pass()])]
        return self._guard(arm.pattern, removed, match, "cases", cases or nothing_left)

    def _guard(self, at: ast.AST, removed: str, owner: ast.AST, field: str, instead: object) -> Guard:
        assert isinstance(at, ast.expr | ast.pattern)  # noqa: S101 - all that is removed has a place in the source
        return Guard(
            path=self.path,
            first=at.lineno,
            last=at.end_lineno or at.lineno,
            column=at.col_offset,
            removed=" ".join(removed.split()),
            tree=self.tree,
            owner=owner,
            field=field,
            instead=instead,
        )


def shorten(removed: str) -> str:
    """Return what was removed in the width that a table has for it; what it became stays legible."""
    if len(removed) <= WIDTH:
        return removed
    text, arrow, became = removed.rpartition(" → ")
    if not arrow:
        return _cut(removed, WIDTH)
    became = _cut(became, max(WIDTH // 2, WIDTH - len(text) - len(" → ")))
    return f"{_cut(text, WIDTH - len(became) - len(' → '))} → {became}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _places(tree: ast.AST) -> Iterator[_Place]:
    for owner in ast.walk(tree):
        for field, value in ast.iter_fields(owner):
            if isinstance(value, ast.AST):
                yield _Place(value, owner, field, None)
            elif isinstance(value, list):
                yield from (
                    _Place(each, owner, field, index) for index, each in enumerate(value) if isinstance(each, ast.AST)
                )


def _follower(place: _Place) -> ast.AST | None:
    """Return the statement after one, in the same block."""
    block: Sequence[ast.AST] = getattr(place.owner, place.field)
    following = (place.index or 0) + 1
    return block[following] if following < len(block) else None


def _is_unknown(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="Unknown") | ast.Attribute(attr="UNKNOWN"):
            return True
        case ast.MatchClass(cls=kind):
            return _is_unknown(kind)
        case _:
            return False


def _alternatives(kind: ast.expr) -> list[ast.expr]:
    match kind:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_alternatives(left), *_alternatives(right)]
        case ast.Tuple(elts=kinds):
            return kinds
        case _:
            return [kind]


def _any_of(kinds: Sequence[ast.expr]) -> ast.expr:
    return ast.Tuple(list(kinds), ast.Load())


def _is_comparison(node: ast.AST) -> bool:
    match node:
        case ast.Compare() | ast.Call(func=ast.Name(id="isinstance")):
            return True
        case _:
            return False


def _is_condition(place: _Place) -> bool:
    """Tell whether a branch is taken by the truth of this expression itself, not by a part of it."""
    node, owner, field = place.node, place.owner, place.field
    if not isinstance(node, ast.expr) or isinstance(node, ast.BoolOp | ast.Constant) or _is_not(node):
        return False
    match owner:
        case ast.If() | ast.IfExp() | ast.While() | ast.Assert():
            return field == "test"
        case ast.comprehension():
            return field == "ifs"
        case ast.match_case():
            return field == "guard"
        case ast.BoolOp():
            return True
        case _:
            return _is_not(owner)


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _split(arm: ast.match_case) -> tuple[ast.pattern, ast.pattern | None]:
    """Return what of an arm's pattern is removed, and what of it stays."""
    pattern = arm.pattern
    if not isinstance(pattern, ast.MatchOr):
        return pattern, None
    unknown = [each for each in pattern.patterns if any(map(_is_unknown, ast.walk(each)))]
    rest = [each for each in pattern.patterns if each not in unknown]
    if not unknown or not rest:
        return pattern, None
    return _either(unknown), _either(rest)


def _either(patterns: list[ast.pattern]) -> ast.pattern:
    return patterns[0] if len(patterns) == 1 else ast.MatchOr(patterns)


def _captured(pattern: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(pattern):
        match node:
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                names.add(name)
    return names


def _is_irrefutable(arm: ast.match_case) -> bool:
    return isinstance(arm.pattern, ast.MatchAs) and arm.pattern.pattern is None and arm.guard is None


def _may_take(arm: ast.match_case) -> bool:
    """Tell whether an arm may take what an earlier arm for Unknown no longer takes."""
    open_to_all = isinstance(arm.pattern, ast.MatchAs) and arm.pattern.pattern is None
    return (open_to_all and not _asserts_never(arm.body[0])) or any(map(_is_unknown, ast.walk(arm.pattern)))


def _asserts_never(statement: ast.AST | None) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return True
        case _:
            return False


def _answer_instead(arms: Sequence[ast.match_case], number: int, *, captured: set[str]) -> list[ast.stmt] | None:
    """Return what the nearest other arm does, among those that need no name which only their own pattern binds."""
    own = _dump(arms[number].body)
    for other in sorted(range(len(arms)), key=lambda index: (abs(index - number), -index)):
        arm = arms[other]
        needed = _captured(arm.pattern) & {
            each.id for statement in arm.body for each in ast.walk(statement) if isinstance(each, ast.Name)
        }
        if needed <= captured and _dump(arm.body) != own and not _asserts_never(arm.body[0]):
            return arm.body
    return None


def _dump(body: Sequence[ast.stmt]) -> str:
    return "\n".join(map(ast.unparse, body))
