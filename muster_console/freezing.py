"""The freeze: until when nothing but more coverage may come, because people work on an incident."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from muster.domain.freezing import FREEZE_KEY, Freeze, freeze_from_document, freeze_to_document
from muster.domain.observed import Known, Observed, Unknown
from muster.messages.desired_state import canonical_json
from muster_console import documents
from muster_console.aws import Clients
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import plain
from muster_console.stack import Stack

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
MAX_REASON: Final = 300


def read_freeze(clients: Clients, stack: Stack) -> Observed[Freeze | None]:
    """Return the freeze that is stored, also one that has ended; Unknown for what cannot be understood."""
    return _understood(documents.read(clients, stack.state_bucket, FREEZE_KEY))


def until_when(text: str, now: datetime) -> datetime:
    """Return the moment that an operator means by a date-time with its zone, or by a duration. Raises ConsoleError."""
    if duration := re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text.strip()):
        return now + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    try:
        until = datetime.fromisoformat(text.strip())
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise ConsoleError(
            f"{text!r} is no date-time with its zone, and no duration.",
            "Write a duration such as 4h or 2d, or a date-time such as 2027-01-31T18:00+01:00.",
            ExitCode.UNUSABLE,
        )
    if until <= now:
        raise ConsoleError(
            f"{text} has passed already.",
            "Write a later one; to end a freeze: `muster freeze --lift`.",
            ExitCode.UNUSABLE,
        )
    return until.astimezone(UTC)


def store_freeze(clients: Clients, stack: Stack, until: datetime, reason: str) -> None:
    """Store a freeze in the place of the present one. One that has ended by now is none; the bucket keeps the history.

    Raises ConsoleError for a reason of more than a line, and when somebody else stored a freeze at the same time.
    """
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise ConsoleError(
            f"The reason is longer than {MAX_REASON} characters, or not one line.", "Shorten it.", ExitCode.UNUSABLE
        )
    before = documents.read(clients, stack.state_bucket, FREEZE_KEY)
    body = canonical_json(freeze_to_document(Freeze(until, reason)))
    try:
        documents.replace(clients, stack.state_bucket, FREEZE_KEY, body, before)
    except documents.OvertakenError:
        raise ConsoleError(
            "Somebody else changed the freeze at the same time.",
            "Look at it with `muster freeze`, then decide again.",
            ExitCode.NEEDS_PERSON,
        ) from None


def is_frozen(freeze: Observed[Freeze | None], now: datetime) -> bool:
    """Tell whether a freeze holds now. One that cannot be understood does: somebody meant something."""
    match freeze:
        case Known(None):
            return False
        case Known(Freeze(until=until)):
            return until > now
        case _:
            return True


def show_freeze(out: Console, freeze: Observed[Freeze | None], again: Callable[[str], str]) -> None:
    """Print a freeze that holds, and how to end it."""
    match freeze:
        case Unknown(why):
            plain(out, f"{'Frozen':<11} perhaps: {why}")
        case Known(Freeze(until=until, reason=reason)):
            plain(out, f"{'Frozen':<11} until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {reason}")
        case _:
            plain(out, "Not frozen.")
            return
    plain(out, f"{'':<11} only more coverage is applied; to end it: {again('freeze --lift')}")


def _understood(stored: documents.Stored | None) -> Observed[Freeze | None]:
    if stored is None:
        return Known(None)
    try:
        document: Any = json.loads(stored.body)
    except ValueError:
        document = {}
    return freeze_from_document(document)
