import json
from datetime import UTC, datetime, timedelta

import pytest

from muster.domain.freezing import Freeze, freeze_from_document
from muster.domain.observed import Known
from tests.unit.console.fakes import NOW, FakeCloud, Operator


def _stored(cloud: FakeCloud) -> Freeze | None:
    found = freeze_from_document(json.loads(cloud.s3.objects["freeze.json"][-1]))
    assert isinstance(found, Known)
    return found.value


def test_without_a_freeze_it_says_so_and_writes_nothing(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("freeze")

    assert (ran.code, ran.out) == (0, "Not frozen.\n")
    assert cloud.s3.writes == []


def test_freeze_is_stored_and_shown_with_the_command_that_ends_it(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("freeze", "--until", "4h", "--reason", "incident 1234")

    assert _stored(cloud) == Freeze(NOW + timedelta(hours=4), "incident 1234")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Frozen      until 2027-01-31 14:15 UTC: incident 1234",
        "            only more coverage is applied; to end it: muster freeze --lift",
    ]
    assert operator.types("freeze").out == ran.out


@pytest.mark.parametrize(
    ("when", "until"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        ("2d", NOW + timedelta(days=2)),
        ("2027-01-31T18:00+01:00", datetime(2027, 1, 31, 17, tzinfo=UTC)),
        ("2027-01-31T11:00Z", datetime(2027, 1, 31, 11, tzinfo=UTC)),
    ],
)
def test_the_end_is_a_duration_or_a_time_with_its_zone(
    operator: Operator, cloud: FakeCloud, when: str, until: datetime
) -> None:
    operator.types("freeze", "--until", when)

    assert _stored(cloud) == Freeze(until, "no reason was given")


@pytest.mark.parametrize(
    "when",
    ["", "4", "0h", "-1h", "4 h", "1w", "99999h", "tomorrow", "2027-02-01", "2027-02-01T10:00", "2027-01-31T10:15Z"],
)
def test_another_end_is_refused_and_nothing_written(operator: Operator, cloud: FakeCloud, when: str) -> None:
    ran = operator.types("freeze", f"--until={when}", "--reason", "x")

    assert ran.code == 2
    assert cloud.s3.writes == []


def test_reason_of_several_lines_is_refused(operator: Operator, cloud: FakeCloud) -> None:
    for reason in ("one\ntwo", "x" * 301):
        assert operator.types("freeze", "--until", "4h", "--reason", reason).code == 2
    assert cloud.s3.writes == []


def test_lifting_ends_the_freeze_now(operator: Operator, cloud: FakeCloud) -> None:
    operator.types("freeze", "--until", "4h")

    ran = operator.types("freeze", "--lift", "--reason", "incident closed")

    assert (ran.code, ran.out) == (0, "Not frozen.\n")
    assert _stored(cloud) == Freeze(NOW, "incident closed")
    assert operator.types("freeze").out == "Not frozen.\n"


def test_freeze_that_somebody_changed_meanwhile_is_not_overwritten(operator: Operator, cloud: FakeCloud) -> None:
    operator.types("freeze", "--until", "4h", "--reason", "mine")
    other = {"schema": 1, "until": "2027-02-02T00:00:00+00:00", "reason": "theirs"}
    cloud.s3.before_put = lambda: cloud.store("freeze.json", other)

    ran = operator.types("freeze", "--lift")

    assert ran.code == 3
    assert ran.err.startswith("Somebody else changed the freeze at the same time.\nNext: ")
    found = _stored(cloud)
    assert found is not None
    assert found.reason == "theirs"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"schema": 2, "until": "2027-02-02T00:00:00Z", "reason": ""}'])
def test_freeze_that_cannot_be_understood_is_taken_for_one_and_can_be_lifted(
    operator: Operator, cloud: FakeCloud, body: bytes
) -> None:
    cloud.s3.objects["freeze.json"] = [body]

    assert operator.types("freeze").out.startswith("Frozen      perhaps: freeze.json ")
    assert operator.types("freeze", "--lift").out == "Not frozen.\n"
