"""Stores a desired state: the contacts as a secret, everything else in the bucket, each only where it differs.

The contacts come first. Both documents are valid by themselves, so whatever a crash leaves can be used: at worst the
new contacts with the state before, which the next push completes.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from muster.messages.desired_state import ParsedDesiredState
from muster_console.aws import Clients, error_code
from muster_console.errors import ConsoleError, ExitCode
from muster_console.stack import DESIRED_STATE_KEY, Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef


class Effect(StrEnum):
    """What a push did to one of the two documents."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Push:
    """What was stored. ``changed_keys`` are the keys of the desired state that differ from the version before."""

    contacts: Effect
    desired_state: Effect
    changed_keys: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class _Stored:
    body: str
    version: str
    etag: str


_DESCRIPTION: Final = "The incident response team of AWS Security Incident Response, written by `muster push`."


def push(clients: Clients, stack: Stack, parsed: ParsedDesiredState) -> Push:
    """Store both documents where they differ from what is there. Raises ConsoleError when somebody else was faster."""
    contacts = _push_contacts(clients, stack.contacts_parameter, parsed.contacts_json)
    stored = _stored(clients, stack.state_bucket)
    if stored and stored.body == parsed.desired_state_json:
        return Push(contacts, Effect.UNCHANGED, (), stored.version)
    return Push(
        contacts=contacts,
        desired_state=Effect.CHANGED if stored else Effect.CREATED,
        changed_keys=_changed_keys(stored.body, parsed.desired_state_json) if stored else (),
        version=_store(clients, stack.state_bucket, parsed.desired_state_json, stored),
    )


def _push_contacts(clients: Clients, name: str, contacts: str) -> Effect:
    present = _present_contacts(clients, name)
    if present == contacts:
        return Effect.UNCHANGED
    refused = None
    try:
        clients.ssm.put_parameter(
            Name=name,
            Value=contacts,
            Type="SecureString",
            Tier="Advanced",
            Overwrite=True,
            Description=_DESCRIPTION,
        )
    except ClientError as error:
        refused = error_code(error)
    except BotoCoreError as error:
        refused = type(error).__name__
    if refused:
        # A service may quote the value that it refuses, so its error must not become the cause or context of this one.
        raise ConsoleError(
            f"The contacts could not be written to parameter {name} ({refused}).",
            "The operator needs ssm:PutParameter on it and kms:Encrypt on its key; then push again.",
        )
    return Effect.CHANGED if present is not None else Effect.CREATED


def _present_contacts(clients: Clients, name: str) -> str | None:
    try:
        return clients.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise


def _stored(clients: Clients, bucket: str) -> _Stored | None:
    try:
        answer = clients.s3.get_object(Bucket=bucket, Key=DESIRED_STATE_KEY)
    except ClientError as error:
        if error_code(error) in ("NoSuchKey", "404"):
            return None
        raise
    body = answer["Body"].read().decode("utf-8", errors="replace")
    return _Stored(body=body, version=answer.get("VersionId", ""), etag=answer["ETag"])


def _store(clients: Clients, bucket: str, body: str, before: _Stored | None) -> str:
    request: PutObjectRequestTypeDef = {
        "Bucket": bucket,
        "Key": DESIRED_STATE_KEY,
        "Body": body.encode(),
        "ContentType": "application/json",
    }
    if before:
        request["IfMatch"] = before.etag
    else:
        request["IfNoneMatch"] = "*"
    try:
        return clients.s3.put_object(**request).get("VersionId", "")
    except ClientError as error:
        if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            raise
    raise ConsoleError(
        "Somebody else stored a desired state at the same time.",
        "Agree on one file, then run `muster push FILE` again.",
        ExitCode.NEEDS_PERSON,
    )


def _changed_keys(before: str, after: str) -> tuple[str, ...]:
    try:
        old = json.loads(before)
    except ValueError:
        old = None
    new = json.loads(after)
    if not isinstance(old, dict):
        return tuple(sorted(new))
    return tuple(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
