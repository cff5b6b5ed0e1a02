"""Reads the operator's YAML file: one plain document, in which nothing means anything but what it looks like."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from muster.messages.desired_state import InvalidDocumentError, ParsedDesiredState, parse
from muster.messages.desired_state_problems import Problem

MAX_BYTES: Final = 1_000_000
"""Two thousand units and a thousand exceptions fit in; anything larger is not a desired state."""


def read(path: Path) -> ParsedDesiredState:
    """Read and check a desired state. Raises InvalidDocumentError, and OSError when the file cannot be read."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return parse(load(content))


def load(content: bytes) -> object:
    """Return the document as plain values. Raises InvalidDocumentError with the line; it never quotes the file."""
    if len(content) > MAX_BYTES:
        raise _unreadable(f"is larger than {MAX_BYTES:,} bytes", "A desired state is smaller: check which file it is.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise _unreadable("is not UTF-8 text", "Store it as UTF-8.")
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader that can do less
    except yaml.MarkedYAMLError as error:
        problem, mark = error.problem or error.context or "is not YAML", error.problem_mark or error.context_mark
    except yaml.YAMLError:
        problem, mark = _ODD_CHARACTER, None
    except RecursionError:
        problem, mark = _TOO_DEEP, None
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "document"
    if problem in _OWN_WORDS:
        raise InvalidDocumentError([Problem(where, problem, _OWN_WORDS[problem])])
    # The parser's own words may quote the file, which holds names and addresses; the place is enough.
    raise InvalidDocumentError([Problem(where, "is not valid YAML", "Check indentation, colons and quotes around it.")])


def _unreadable(problem: str, remedy: str) -> InvalidDocumentError:
    return InvalidDocumentError([Problem("document", problem, remedy)])


_REPEATED_KEY = "repeats a key of the same group"
_ALIAS = "uses an anchor or an alias"
_TAG = "uses a YAML tag or a merge key"
_ODD_KEY = "has a key that is not a plain word"
_ODD_CHARACTER = "has a character that YAML does not allow"
_TOO_DEEP = "has too many levels of groups and lists"
_MORE_DOCUMENTS = "starts a second document"
_OWN_WORDS: Final = {
    _REPEATED_KEY: "Keep one of them.",
    _ALIAS: "Write the value where it is needed (and quote a text that starts with * or &).",
    _TAG: "Write plain values only (and quote a text that starts with !).",
    _ODD_KEY: "Write a word, a colon and a value.",
    _ODD_CHARACTER: "Remove control characters from the file.",
    _TOO_DEEP: "Look for brackets that are never closed.",
    _MORE_DOCUMENTS: "Keep one document in the file.",
}


class _PlainLoader(yaml.SafeLoader):
    """Mappings, lists, text, true and false, numbers, nothing else.

    ``off`` and ``yes`` are words, a date is a text, and all digits are a number, with leading zeros too. There are no
    aliases, so a small file cannot become a large document.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, _ALIAS, event.start_mark)
        return super().compose_node(parent, index)

    def get_single_node(self) -> yaml.Node | None:
        try:
            return super().get_single_node()
        except yaml.composer.ComposerError as error:
            if error.problem == "but found another document":
                error.problem = _MORE_DOCUMENTS
            raise

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, _ODD_KEY, key_node.start_mark)
            key = self.construct_object(key_node, deep=deep)
            if key in result:
                raise yaml.constructor.ConstructorError(None, None, _REPEATED_KEY, key_node.start_mark)
            result[key] = self.construct_object(value_node, deep=deep)
        return result

    def refuse(self, node: yaml.Node) -> None:
        """Refuse every tag but the plain ones."""
        raise yaml.constructor.ConstructorError(None, None, _TAG, node.start_mark)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Read decimal digits as such, whatever they start with."""
        return int(self.construct_scalar(node))

    def construct_fraction(self, node: yaml.ScalarNode) -> float:
        """Read a decimal fraction."""
        return float(self.construct_scalar(node))


_STR, _BOOL, _INT, _FLOAT, _NULL, _SEQ, _MAP = (
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "int", "float", "null", "seq", "map")
)
_PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?[0-9]{1,18}", "-+0123456789"),
    (
        _FLOAT,
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?",
        "-+.0123456789",
    ),
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _PlainLoader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))
_PlainLoader.yaml_constructors = {
    _STR: yaml.SafeLoader.construct_yaml_str,
    _BOOL: yaml.SafeLoader.construct_yaml_bool,
    _INT: _PlainLoader.construct_whole_number,
    _FLOAT: _PlainLoader.construct_fraction,
    _NULL: yaml.SafeLoader.construct_yaml_null,
    _SEQ: yaml.SafeLoader.construct_yaml_seq,
    _MAP: yaml.SafeLoader.construct_yaml_map,
    None: _PlainLoader.refuse,
}
