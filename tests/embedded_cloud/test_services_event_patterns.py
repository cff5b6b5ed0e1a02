import json
from typing import Any

import pytest

from muster_local.event_patterns import InvalidPatternError, parse


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    return parse(json.dumps(pattern)).matches(event)


@pytest.mark.parametrize(
    ("filters", "value", "expected"),
    [
        (["a"], "a", True),
        (["a"], "A", False),
        (["a", "b"], ["c", "b"], True),
        (["a"], [], False),
        ([1], 1.0, True),
        ([1], True, False),
        ([True], True, True),
        ([True], 1, False),
        ([None], None, True),
        ([None], "", False),
        ([{"prefix": "ab"}], "abc", True),
        ([{"prefix": "ab"}], ["x", "abc"], True),
        ([{"prefix": "ab"}], 5, False),
        ([{"prefix": {"equals-ignore-case": "AB"}}], "abc", True),
        ([{"suffix": "bc"}], "abc", True),
        ([{"suffix": {"equals-ignore-case": "BC"}}], "abC", True),
        ([{"suffix": "bc"}], "bcd", False),
        ([{"equals-ignore-case": "ALICE"}], "Alice", True),
        ([{"equals-ignore-case": "ALICE"}], 1, False),
        ([{"wildcard": "a*c"}], "abbc", True),
        ([{"wildcard": "a*c"}], "abbd", False),
        ([{"wildcard": "a\\*c"}], "a*c", True),
        ([{"wildcard": "a\\*c"}], "abc", False),
        ([{"wildcard": "*.*"}], "a.b\nc", True),
        ([{"cidr": "10.0.0.0/24"}], "10.0.0.7", True),
        ([{"cidr": "10.0.0.0/24"}], "10.0.1.7", False),
        ([{"cidr": "10.0.0.0/24"}], "organizations.amazonaws.com", False),
        ([{"numeric": [">", 0, "<=", 5]}], 5, True),
        ([{"numeric": [">", 0, "<=", 5]}], 0, False),
        ([{"numeric": [">=", 3]}], 3, True),
        ([{"numeric": ["<", 3]}], 3, False),
        ([{"numeric": ["=", 3]}], "3", False),
        ([{"anything-but": "a"}], "b", True),
        ([{"anything-but": "a"}], "a", False),
        ([{"anything-but": ["a", "b"]}], ["a", "c"], True),
        ([{"anything-but": ["a", "b"]}], ["a", "b"], False),
        ([{"anything-but": 3}], 4, True),
        ([{"anything-but": {"prefix": "a"}}], "b", True),
        ([{"anything-but": {"prefix": ["a", "b"]}}], "bc", False),
        ([{"anything-but": {"suffix": "z"}}], "az", False),
        ([{"anything-but": {"equals-ignore-case": ["A"]}}], "a", False),
        ([{"anything-but": {"wildcard": "a*"}}], "b", True),
        ([{"exists": True}], "x", True),
        ([{"exists": True}], None, True),
        ([{"exists": True}], {"below": 1}, False),
        ([{"exists": False}], {"below": 1}, True),
        ([{"exists": True}], [], False),
        ([{"exists": False}], [], True),
        ([{"exists": False}], {}, True),
        ([{"exists": False}], "x", False),
        ([{"exists": False}, "x"], "x", True),
        ([{"exists": False}, "x"], "y", False),
        (["x"], [["y"], ["x"]], True),
        (["x"], [{"y": 1}, "x"], True),
    ],
)
def test_a_filter_matches_a_value_as_at_aws(filters: list[Any], value: Any, *, expected: bool) -> None:
    assert matches({"detail": {"field": filters}}, {"detail": {"field": value}}) is expected


def test_a_missing_field_matches_only_what_must_not_exist() -> None:
    event = {"detail": {"other": 1}}
    assert matches({"detail": {"field": [{"exists": False}]}}, event)
    for wanted in ("x", None, {"exists": True}, {"anything-but": "x"}):
        assert not matches({"detail": {"field": [wanted]}}, event)


def test_every_field_of_a_pattern_has_to_match() -> None:
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["DeleteRole"]}}
    assert matches(pattern, {"source": "aws.iam", "detail": {"eventName": "DeleteRole", "more": 1}})
    assert not matches(pattern, {"source": "aws.iam", "detail": {"eventName": "GetRole"}})
    assert not matches(pattern, {"detail": {"eventName": "DeleteRole"}})


def test_fields_of_different_elements_of_one_array_do_not_count_together() -> None:
    pattern = {"detail": {"parties": {"type": ["ACCOUNT"], "id": ["1"]}}}
    assert matches(pattern, {"detail": {"parties": [{"type": "ORG", "id": "2"}, {"type": "ACCOUNT", "id": "1"}]}})
    assert not matches(pattern, {"detail": {"parties": [{"type": "ORG", "id": "1"}, {"type": "ACCOUNT", "id": "2"}]}})


def test_arrays_in_arrays_are_kept_apart_as_well() -> None:
    pattern = {"a": {"b": {"x": [1], "y": [2]}, "c": [3]}}
    assert matches(pattern, {"a": [{"b": [{"x": 0}, {"x": 1, "y": 2}], "c": 3}]})
    assert not matches(pattern, {"a": [{"b": [{"x": 1}, {"y": 2}], "c": 3}]})
    assert not matches(pattern, {"a": [{"b": [{"x": 1, "y": 2}], "c": 0}, {"c": 3}]})


def test_absence_in_an_array_of_objects_is_absence_from_every_element_until_one_was_chosen() -> None:
    event = {"a": [{"b": 1}, {"c": 2}]}
    assert not matches({"a": {"b": [{"exists": False}]}}, event)
    assert matches({"a": {"c": [2], "d": [{"exists": False}]}}, {"a": [{"d": 1}, {"c": 2}]})


def test_or_takes_one_of_several_objects() -> None:
    pattern = {"source": ["x"], "$or": [{"detail": {"a": [1]}}, {"detail": {"b": [{"exists": False}], "c": [2]}}]}
    assert matches(pattern, {"source": "x", "detail": {"a": 1, "b": 1}})
    assert matches(pattern, {"source": "x", "detail": {"c": 2}})
    assert not matches(pattern, {"source": "x", "detail": {"b": 1, "c": 2}})
    assert not matches(pattern, {"source": "y", "detail": {"a": 1}})


def test_or_below_a_field_and_two_of_them_are_combined() -> None:
    pattern = {"detail": {"$or": [{"a": [1]}, {"b": [1]}], "x": {"$or": [{"c": [1]}, {"d": [1]}]}}}
    assert matches(pattern, {"detail": {"b": 1, "x": {"c": 1}}})
    assert not matches(pattern, {"detail": {"b": 1, "x": {"e": 1}}})


def test_or_that_is_no_list_of_objects_is_a_field_of_that_name() -> None:
    assert matches({"$or": ["a"]}, {"$or": "a"})
    assert matches({"$or": [{"prefix": "a"}, {"prefix": "b"}]}, {"$or": "b"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ('{"detail": {}}', "Empty objects are not allowed"),
        ('{"source": "aws.iam"}', '"source" must be an object or an array'),
        ('{"source": []}', "Empty arrays are not allowed"),
        ('{"source": [["a"]]}', "Match value must be String, number, true, false, or null"),
        ('{"source": [{}]}', "Only one key allowed in match expression"),
        ('{"source": [{"prefix": "a", "suffix": "b"}]}', "Only one key allowed in match expression"),
        ('{"source": [{"begins": "a"}]}', "Unrecognized match type begins"),
        ('{"source": [{"prefix": 1}]}', "prefix match pattern must be a string"),
        ('{"source": [{"prefix": ["a"]}]}', "prefix match pattern must be a string"),
        ('{"source": [{"suffix": {"wildcard": "a"}}]}', "Unsupported suffix pattern"),
        ('{"source": [{"exists": "false"}]}', "exists match pattern must be either true or false"),
        ('{"source": [{"wildcard": "a**"}]}', "Consecutive wildcard characters"),
        ('{"source": [{"wildcard": "a\\\\b"}]}', "Invalid escape character"),
        ('{"source": [{"cidr": "10.0.0.0/99"}]}', "Malformed CIDR"),
        ('{"source": [{"numeric": 1}]}', "Value of numeric must be an array"),
        ('{"source": [{"numeric": ["<"]}]}', "missing"),
        ('{"source": [{"numeric": ["!=", 1]}]}', "Unrecognized numeric range operator"),
        ('{"source": [{"numeric": ["<", "1"]}]}', "must be numeric"),
        ('{"source": [{"numeric": ["<", 6000000000]}]}', "must be numeric"),
        ('{"source": [{"numeric": ["<", 1, ">", 0]}]}', "lower and then an upper"),
        ('{"source": [{"numeric": [">", 1, "<", 1]}]}', "Bottom must be less than top"),
        ('{"source": [{"anything-but": []}]}', "Empty arrays are not allowed"),
        ('{"source": [{"anything-but": ["a", 1]}]}', "either all values are number or string"),
        ('{"source": [{"anything-but": null}]}', "either all values are number or string"),
        ('{"source": [{"anything-but": {"exists": true}}]}', "Unrecognized match type exists"),
        ('{"source": [{"anything-but": {"prefix": []}}]}', "Empty arrays are not allowed"),
    ],
)
def test_an_invalid_pattern_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPatternError, match=reason):
        parse(text)


def test_too_many_combinations_are_refused() -> None:
    ors = {f"f{number}": {"$or": [{str(one): ["x"]} for one in range(11)]} for number in range(3)}
    with pytest.raises(InvalidPatternError, match="too many combinations"):
        parse(json.dumps(ors))
