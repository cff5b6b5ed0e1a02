"""S3: conditions and writes are one step, and objects are dated by the world's clock. moto checks, then writes."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.s3 import models
from moto.s3.responses import S3Response

from muster_local.simulation import current

_WRITES = ("put_object", "copy_object", "delete_object", "_key_response_post")
_writing = threading.RLock()

unpatched_writes: dict[str, Callable[..., Any]] = {name: getattr(S3Response, name) for name in _WRITES}
unpatched_utcnow: Callable[[], datetime] = models.utcnow


def write_objects_one_after_the_other() -> None:
    """Let nobody write between a write's If-None-Match or If-Match and the write itself: moto serves in threads."""
    for name, original in unpatched_writes.items():
        setattr(S3Response, name, _alone(original))


def date_objects_by_the_worlds_clock() -> None:
    """Take LastModified, and what else S3 dates, from the world's clock: moto takes the machine's."""
    models.utcnow = _now


def _alone(original: Callable[..., Any]) -> Callable[..., Any]:
    def write(self: Any, *more: Any, **named: Any) -> Any:
        with _writing:
            return original(self, *more, **named)

    return write


def _now() -> datetime:
    return current().clock.now().replace(tzinfo=None)
