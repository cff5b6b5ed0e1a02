import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from muster_local import object_store
from tests.embedded_cloud.small_world import HOME, NOW, SECURITY_TOOLING, SmallWorld, client, refused

BUCKET = "state"
KEY = "runs/lease.json"


@pytest.fixture
def s3(cloud: SmallWorld) -> Any:
    """S3 with a bucket that keeps versions, of a loaded world."""
    assert cloud
    found = client("s3", SECURITY_TOOLING, HOME)
    found.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": HOME})
    found.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return found


def put(s3: Any, body: str, **condition: str) -> str:
    return str(s3.put_object(Bucket=BUCKET, Key=KEY, Body=body.encode(), **condition)["ETag"])


def content(s3: Any) -> str:
    return str(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read().decode())


def code_of(s3: Any, body: str, **condition: str) -> str:
    """Return "ok", or the error's code."""
    try:
        put(s3, body, **condition)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def together(monkeypatch: pytest.MonkeyPatch, s3: Any, **condition: str) -> list[str]:
    """Let two writers meet between condition and write, if they can, and return what became of them."""
    met, write = threading.Barrier(2), S3Backend.put_object

    def meet_and_write(*arguments: Any, **named: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            met.wait(timeout=0.3)
        return write(*arguments, **named)

    monkeypatch.setattr(S3Backend, "put_object", meet_and_write)
    with ThreadPoolExecutor(2) as writers:
        return sorted(writers.map(lambda body: code_of(s3, body, **condition), ("a", "b")))


def test_what_exists_is_not_created_again(s3: Any) -> None:
    put(s3, "first", IfNoneMatch="*")
    again = {"Bucket": BUCKET, "Key": KEY, "Body": b"second", "IfNoneMatch": "*"}
    assert refused(s3.put_object, **again) == ("PreconditionFailed", 412)
    assert content(s3) == "first"


def test_what_was_deleted_can_be_created_again(s3: Any) -> None:
    put(s3, "first", IfNoneMatch="*")
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    put(s3, "second", IfNoneMatch="*")
    assert content(s3) == "second"


def test_a_replacement_needs_the_tag_of_what_it_replaces(s3: Any) -> None:
    first = put(s3, "first")
    put(s3, "second", IfMatch=first)
    late = {"Bucket": BUCKET, "Key": KEY, "Body": b"third", "IfMatch": first}
    assert refused(s3.put_object, **late) == ("PreconditionFailed", 412)
    assert content(s3) == "second"


def test_what_is_not_there_cannot_be_replaced(s3: Any) -> None:
    absent = {"Bucket": BUCKET, "Key": KEY, "Body": b"x", "IfMatch": '"0"'}
    assert refused(s3.put_object, **absent) == ("NoSuchKey", 404)


def test_a_deletion_can_need_the_tag_as_well(s3: Any) -> None:
    first = put(s3, "first")
    second = put(s3, "second")
    late = {"Bucket": BUCKET, "Key": KEY, "IfMatch": first}
    assert refused(s3.delete_object, **late) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=BUCKET, Key=KEY, IfMatch=second)
    assert refused(s3.get_object, Bucket=BUCKET, Key=KEY) == ("NoSuchKey", 404)


def test_one_of_two_concurrent_creations_succeeds(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert together(monkeypatch, s3, IfNoneMatch="*") == ["PreconditionFailed", "ok"]


def test_one_of_two_concurrent_replacements_succeeds(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert together(monkeypatch, s3, IfMatch=put(s3, "first")) == ["PreconditionFailed", "ok"]


def test_moto_lets_both_of_two_concurrent_creations_succeed(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Response, "put_object", object_store.unpatched_writes["put_object"])
    assert together(monkeypatch, s3, IfNoneMatch="*") == ["ok", "ok"]


def test_objects_are_dated_by_the_worlds_clock(cloud: SmallWorld, s3: Any) -> None:
    cloud.advance(minutes=90)
    put(s3, "first")
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"] == NOW + timedelta(minutes=90)
    (listed,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert listed["LastModified"] == NOW + timedelta(minutes=90)


def test_moto_dates_objects_by_real_time(cloud: SmallWorld) -> None:
    cloud.advance(minutes=60 * 24 * 365)
    assert object_store.unpatched_utcnow() < cloud.world.clock.now().replace(tzinfo=None)
