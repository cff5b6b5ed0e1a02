"""Stores a desired state: the contacts as a secret, everything else in the bucket, each only where it differs.

The contacts are stored with a random key, which stays the same however they change. They come first. Both documents are
valid by themselves, so whatever a crash leaves can be used: at worst the new contacts with the state before, which the
next push completes.
"""

import json
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from muster.messages.desired_state import (
    KEY_DIGITS,
    ParsedDesiredState,
    canonical_json,
    stored_contacts,
)
from muster_console import documents
from muster_console.aws import Clients, error_code
from muster_console.errors import ConsoleError, ExitCode
from muster_console.stack import DESIRED_STATE_KEY, Stack


class Effect(StrEnum):
    """What a push did to one of the two documents."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GIVEN_KEY = "unchanged, given a key"


@dataclass(frozen=True, slots=True)
class Push:
    """What was stored. ``changed_keys`` are the keys of the desired state that differ from the version before."""

    contacts: Effect
    desired_state: Effect
    changed_keys: tuple[str, ...]
    version: str


_DESCRIPTION: Final = "The incident response team of AWS Security Incident Response, written by `muster push`."


def push(clients: Clients, stack: Stack, parsed: ParsedDesiredState) -> Push:
    """Store both documents where they differ from what is there. Raises ConsoleError when somebody else was faster."""
    contacts = _push_contacts(clients, stack.contacts_parameter, parsed.contacts_json)
    stored = documents.read(clients, stack.state_bucket, DESIRED_STATE_KEY)
    if stored and stored.body == parsed.desired_state_json.encode():
        return Push(contacts, Effect.UNCHANGED, (), stored.version)
    try:
        version = documents.replace(clients, stack.state_bucket, DESIRED_STATE_KEY, parsed.desired_state_json, stored)
    except documents.OvertakenError:
        raise ConsoleError(
            "Somebody else stored a desired state at the same time.",
            "Agree on one file, then run `muster push FILE` again.",
            ExitCode.NEEDS_PERSON,
        ) from None
    return Push(
        contacts=contacts,
        desired_state=Effect.CHANGED if stored else Effect.CREATED,
        changed_keys=_changed_keys(stored.body, parsed.desired_state_json) if stored else (),
        version=version,
    )


def _push_contacts(clients: Clients, name: str, contacts: str) -> Effect:
    present = _present_contacts(clients, name)
    people, key = _parts(present)
    if people == contacts and key:
        return Effect.UNCHANGED
    _put_contacts(clients, name, stored_contacts(contacts, key or secrets.token_hex(KEY_DIGITS // 2)))
    if people == contacts:
        return Effect.GIVEN_KEY
    return Effect.CHANGED if present is not None else Effect.CREATED


def _parts(value: str | None) -> tuple[str | None, str | None]:
    """Return the people of a stored value, in the form in which they are compared, and its key; None for what it lacks.

    An earlier version stored the people alone. The key of a value that somebody broke by hand is still kept.
    """
    try:
        found = json.loads(value or "null")
    except ValueError:
        return None, None
    if not isinstance(found, dict):
        return canonical_json(found), None
    key = found.get("key")
    is_key = isinstance(key, str) and re.fullmatch(f"[0-9a-f]{{{KEY_DIGITS}}}", key)
    return canonical_json(found.get("contacts")), key if is_key else None


def _put_contacts(clients: Clients, name: str, value: str) -> None:
    refused = None
    try:
        clients.ssm.put_parameter(
            Name=name,
            Value=value,
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


def _present_contacts(clients: Clients, name: str) -> str | None:
    try:
        return clients.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise


def _changed_keys(before: bytes, after: str) -> tuple[str, ...]:
    try:
        old = json.loads(before)
    except ValueError:
        old = None
    new = json.loads(after)
    if not isinstance(old, dict):
        return tuple(sorted(new))
    return tuple(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
