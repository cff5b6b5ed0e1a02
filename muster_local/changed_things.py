"""Events of things that change: objects of buckets that send them, and parameters."""

import uuid
from collections.abc import Callable
from typing import Any

from moto.s3 import notifications
from moto.ssm.models import SimpleSystemManagerBackend

from muster_local.event_buses import emit
from muster_local.simulation import current

_REASONS = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
    "Delete": "DeleteObject",
    "DeleteMarkerCreated": "DeleteObject",
}
_DELETIONS = {"Delete": "Permanently Deleted", "DeleteMarkerCreated": "Delete Marker Created"}

unpatched_delete_parameter: Callable[..., Any] = SimpleSystemManagerBackend.delete_parameter
unpatched_delete_parameters: Callable[..., Any] = SimpleSystemManagerBackend.delete_parameters


def tell_of_objects() -> None:
    """Send S3's events on the default bus alone, with the time and the names that S3 gives: moto makes them up."""

    def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        name = str(getattr(event_name, "value", event_name))
        kind = name.rpartition(":")[2]
        if "ObjectTagging" in name:  # moto sends it with every object that is put
            return
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {
                "key": key.name,
                "size": key.size,
                "etag": key.etag.strip('"'),
                **({"version-id": key.version_id} if bucket.is_versioned else {}),
                "sequencer": f"{int(current().clock.now().timestamp() * 1_000_000):018X}",
            },
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": _REASONS.get(kind, kind),
        }
        if kind in _DELETIONS:
            detail["deletion-type"] = _DELETIONS[kind]
        emit(
            current(),
            account=account_id,
            region=bucket.region_name,
            source="aws.s3",
            detail_type=notifications._detail_type(event_name),
            detail=detail,
            resources=[bucket.arn],
        )

    notifications._send_event_bridge_message = send


def tell_of_parameters() -> None:
    """Send Parameter Store's events: moto sends none."""
    inner = SimpleSystemManagerBackend.put_parameter
    original = getattr(inner, "wraps", inner)

    def put_parameter(backend: SimpleSystemManagerBackend, name: str, *more: Any, **named: Any) -> Any:
        parameter = original(backend, name, *more, **named)
        _parameter_event(backend, parameter, "Create" if parameter.version == 1 else "Update")
        return parameter

    def delete_parameter(backend: SimpleSystemManagerBackend, name: str) -> None:
        gone = backend._parameters.get(backend._parameters.normalize_name(name))
        unpatched_delete_parameter(backend, name)
        if gone:
            _parameter_event(backend, gone[-1], "Delete")

    def delete_parameters(backend: SimpleSystemManagerBackend, names: list[str]) -> Any:
        gone = [found[-1] for name in names if (found := backend._parameters.get(name))]
        deleted = unpatched_delete_parameters(backend, names)
        for parameter in gone:
            _parameter_event(backend, parameter, "Delete")
        return deleted

    put_parameter.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    SimpleSystemManagerBackend.put_parameter = put_parameter
    SimpleSystemManagerBackend.delete_parameter = delete_parameter
    SimpleSystemManagerBackend.delete_parameters = delete_parameters


def _parameter_event(backend: SimpleSystemManagerBackend, parameter: Any, operation: str) -> None:
    account, region = backend.account_id, backend.region_name
    emit(
        current(),
        account=account,
        region=region,
        source="aws.ssm",
        detail_type="Parameter Store Change",
        detail={"name": parameter.name, "type": parameter.parameter_type, "operation": operation},
        resources=[f"arn:aws:ssm:{region}:{account}:parameter/{parameter.name.lstrip('/')}"],
    )
