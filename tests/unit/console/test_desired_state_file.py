import pytest

from muster.messages.desired_state import InvalidDocumentError
from muster_console.desired_state_file import MAX_BYTES, load


def test_words_are_words_and_digits_are_numbers() -> None:
    text = b"""\
off: off
yes: yes
until: 2027-03-31
time: 12:30
hex: 0x1F
account: 012345678901
large: 1111111111111111111111111
share: .5
small: 1e-2
flag: true
nothing: ~
list: [a, 1]
"""
    assert load(text) == {
        "off": "off",
        "yes": "yes",
        "until": "2027-03-31",
        "time": "12:30",
        "hex": "0x1F",
        "account": 12345678901,
        "large": "1111111111111111111111111",
        "share": 0.5,
        "small": 0.01,
        "flag": True,
        "nothing": None,
        "list": ["a", 1],
    }


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert load("\ufeffmode: enforce\n".encode()) == {"mode": "enforce"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"mode: a\nscope: b\nmode: c\n", "line 3, column 1: repeats a key of the same group. Keep one of them."),
        (b"a: {b: 1, b: 2}", "line 1, column 11: repeats a key of the same group. Keep one of them."),
        (b"a: &x [1]\nb: *x\n", "line 1, column 4: uses an anchor or an alias. Write the value where it is needed"),
        (b"a: *x\n", "line 1, column 4: uses an anchor or an alias."),
        (b"a: !!python/object/apply:os.system [ls]\n", "line 1, column 4: uses a YAML tag or a merge key."),
        (b"a: !!binary aGVsbG8=\n", "line 1, column 4: uses a YAML tag or a merge key."),
        (b"? [a]\n: b\n", "line 1, column 3: has a key that is not a plain word."),
        (b"{{a: b}: c}", "line 1, column 2: has a key that is not a plain word."),
        (b"a: 1\n---\nb: 2\n", "line 2, column 1: starts a second document. Keep one document in the file."),
        (b"contacts:\n  - name: Ada: Example\n", "line 2, column 14: is not valid YAML. Check indentation"),
        (b"a: [1, 2\n", "line 2, column 1: is not valid YAML."),
        (b"\tmode: enforce\n", "line 1, column 1: is not valid YAML."),
        (b"a: \x00\n", "document: has a character that YAML does not allow."),
        (b"a: \xff\n", "document: is not UTF-8 text. Store it as UTF-8."),
        (b"[" * 5000, "document: has too many levels of groups and lists."),
        (b"a: " + b"x" * MAX_BYTES, "document: is larger than 1,000,000 bytes."),
    ],
)
def test_what_is_not_one_plain_document_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        load(content)

    assert str(caught.value).startswith(message)
    assert "Ada" not in str(caught.value)
    assert len(caught.value.problems) == 1
