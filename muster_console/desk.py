"""Where the operator sits: the outside world of every command, and the global options once they are read."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import click
from rich.console import Console

from muster.messages.desired_state import ParsedDesiredState
from muster.messages.preflight import PreflightResult
from muster_console.aws import Clients, Connection, SdkClients
from muster_console.stack import Stack, find_stack


def _now() -> datetime:
    return datetime.now(UTC)


def _look_locally(
    parsed: ParsedDesiredState, connection: Connection, management_profile: str, accept_unknown: Sequence[str]
) -> PreflightResult:
    # The application's adapters are loaded by this one command alone.
    from muster_console.local_preflight import look  # noqa: PLC0415

    return look(parsed, connection, management_profile, accept_unknown)


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(question: str) -> bool:
    return click.confirm(question, default=False)


@dataclass
class Desk:
    """The outside world of every command, and the global options once they are read."""

    connect: Callable[[Connection], Clients] = SdkClients
    out: Console = field(default_factory=Console)
    err: Console = field(default_factory=lambda: Console(stderr=True))
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    can_ask: Callable[[], bool] = _can_ask
    ask: Callable[[str], bool] = _ask
    look_locally: Callable[[ParsedDesiredState, Connection, str, Sequence[str]], PreflightResult] = _look_locally
    run_program: Callable[[str, list[str]], object] = os.execv
    stack_name: str = "muster"
    connection: Connection = field(default_factory=Connection)
    debug: bool = False

    def reach(self) -> tuple[Clients, Stack]:
        """Connect, and find the deployment."""
        clients = self.connect(self.connection)
        return clients, find_stack(clients, self.stack_name, self.connection)

    def again(self, command: str) -> str:
        """Return a command to type next, with the options that were given now."""
        stack = "" if self.stack_name == "muster" else f" --stack-name {self.stack_name}"
        return f"muster{stack}{self.connection.options()} {command}"
