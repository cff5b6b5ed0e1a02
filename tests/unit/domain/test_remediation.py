"""A write has one name, a ground on which it holds, and a place among all others."""

from dataclasses import replace
from typing import Any

import pytest

from muster.domain.desired import ChangeKind
from muster.domain.remediation import (
    EVERYONE,
    NOBODY,
    REDUCTIONS,
    Concern,
    Remediation,
    RemediationKind,
    Step,
    digest_accounts,
    from_document,
    to_document,
)

WRITE = Remediation(
    Step.SCOPING,
    RemediationKind.ADD_UNIT,
    "ou-ab12-11111111",
    "not in the membership",
    "in the membership",
    "add unit ou-ab12-11111111",
    "the desired state asks for it",
    "unit_missing",
    Concern(below=("ou-ab12-11111111",)),
    place=3,
)


class TestKinds:
    def test_every_change_that_may_be_automatic_is_a_kind_and_none_of_them_reduces_protection(self) -> None:
        kinds = {RemediationKind(each.value) for each in ChangeKind}

        assert set(RemediationKind) - kinds == REDUCTIONS
        assert not any(each.reduces_protection for each in kinds)
        assert all(each.reduces_protection for each in REDUCTIONS)

    def test_no_kind_ends_the_membership_or_its_prerequisites(self) -> None:
        assert {each.value for each in RemediationKind if each.reduces_protection} == {
            "clear_entire_organization",
            "remove_unit",
            "disable_triage",
        }
        assert not any(word in kind for kind in RemediationKind for word in ("cancel", "deregister", "delete", "close"))

    def test_only_what_covers_more_accounts_adds_coverage(self) -> None:
        assert {each for each in RemediationKind if each.adds_coverage} == {
            RemediationKind.SIGN_UP,
            RemediationKind.ADD_UNIT,
            RemediationKind.CREATE_TRIAGE_ROLE,
        }

    def test_units_are_added_and_removed(self) -> None:
        assert {each for each in RemediationKind if each.changes_units} == {
            RemediationKind.ADD_UNIT,
            RemediationKind.REMOVE_UNIT,
        }


class TestId:
    def test_an_id_is_sixteen_digits_that_never_change(self) -> None:
        assert WRITE.id == "0d0f32c62246ad9b"

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": RemediationKind.REMOVE_UNIT},
            {"resource": "ou-ab12-22222222"},
            {"before": "in the membership"},
            {"after": "not in the membership"},
        ],
    )
    def test_another_write_or_another_ground_has_another_id(self, change: dict[str, Any]) -> None:
        assert replace(WRITE, **change).id != WRITE.id

    @pytest.mark.parametrize(
        "change", [{"what": "x"}, {"reason": "x"}, {"cause": None}, {"place": 9}, {"step": Step.CONTAINMENT}]
    )
    def test_other_words_for_the_same_write_leave_its_id(self, change: dict[str, Any]) -> None:
        assert replace(WRITE, **change).id == WRITE.id

    def test_where_one_text_ends_and_the_next_begins_matters(self) -> None:
        assert replace(WRITE, before="ab", after="c").id != replace(WRITE, before="a", after="bc").id

    def test_the_target_is_what_is_written_whatever_from_and_to(self) -> None:
        assert replace(WRITE, before="x", after="y").target == WRITE.target == ("add_unit", "ou-ab12-11111111")
        assert replace(WRITE, resource="ou-ab12-22222222").target != WRITE.target
        assert replace(WRITE, kind=RemediationKind.REMOVE_UNIT).target != WRITE.target


class TestDocument:
    @pytest.mark.parametrize("concern", [NOBODY, EVERYONE, Concern(only=("1", "2")), Concern(below=("ou-1",))])
    def test_a_remediation_survives_being_stored(self, concern: Concern) -> None:
        remediation = replace(WRITE, concern=concern)

        assert from_document(to_document(remediation)) == remediation

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"id": "0" * 16}, ValueError),
            ({"resource": "ou-ab12-22222222"}, ValueError),
            ({"before": "something else"}, ValueError),
            ({"kind": "cancel_membership"}, ValueError),
            ({"step": "another"}, ValueError),
            ({"concern": None}, TypeError),
            ({"concern": {}}, KeyError),
        ],
    )
    def test_a_document_that_is_not_what_its_id_says_is_refused(
        self, change: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            from_document(to_document(WRITE) | change)

    @pytest.mark.parametrize("key", to_document(WRITE))
    def test_a_document_that_lacks_a_part_is_refused(self, key: str) -> None:
        document = to_document(WRITE)
        del document[key]

        with pytest.raises(KeyError):
            from_document(document)


def test_digits_stand_for_a_set_of_accounts_in_whatever_order() -> None:
    assert digest_accounts(("2", "1")) == digest_accounts(("1", "2"))
    assert len({digest_accounts(()), digest_accounts(("1", "2")), digest_accounts(("12",))}) == 3
    assert len(digest_accounts(())) == 8
