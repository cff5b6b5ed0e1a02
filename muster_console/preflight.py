"""What must be so before an onboarding: asked of the deployed function, and shown as a table."""

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from muster.domain.preflight import CheckId, CheckStatus, Severity
from muster.messages.preflight import CheckedItem, PreflightResult
from muster_console.aws import Clients
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import plain
from muster_console.runs import desired_version
from muster_console.stack import DESIRED_STATE_KEY, Stack

CHECKS: Final = tuple(check.value for check in CheckId)
_STYLES: Final = {"passed": "green", "failed": "bold red", "unknown": "bold yellow", "not_applicable": "dim"}


def ask(clients: Clients, stack: Stack, now: datetime, accept_unknown: Sequence[str]) -> PreflightResult:
    """Let the deployed function make every check for what was pushed last.

    Raises ConsoleError when nothing was pushed, or the function itself fails.
    """
    version = desired_version(clients, stack)
    answer = clients.lambda_.invoke(
        FunctionName=stack.preflight_function_arn,
        Payload=json.dumps(
            {
                "schema": 1,
                "run": f"preflight-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
                "desired": {"key": DESIRED_STATE_KEY, "version": version},
                "accept_unknown": list(accept_unknown),
                "stops": False,
            }
        ).encode(),
    )
    payload: Any = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise ConsoleError(
            f"The checks could not be made: {payload.get('errorType', 'an error')}: {payload.get('errorMessage', '')}",
            "Repair what it says, or try again when it was a matter of time.",
            ExitCode.RUN_FAILED,
        )
    return PreflightResult.model_validate(payload)


def verdict(result: PreflightResult) -> ExitCode:
    """Return 1 when a blocker failed, 3 when a blocker is unknown and not accepted or a warning failed, else 0."""
    if any(_is(check, Severity.BLOCKER, CheckStatus.FAILED) for check in result.checks):
        return ExitCode.RUN_FAILED
    if any(
        _is(check, Severity.WARNING, CheckStatus.FAILED)
        or (_is(check, Severity.BLOCKER, CheckStatus.UNKNOWN) and check.id not in result.accepted)
        for check in result.checks
    ):
        return ExitCode.NEEDS_PERSON
    return ExitCode.DONE


def _is(check: CheckedItem, severity: Severity, status: CheckStatus) -> bool:
    return (check.severity, check.status) == (severity, status)


def show(out: Console, result: PreflightResult) -> None:
    """Print the table, below it what to do about each result that is not good, and what to know."""
    table = Table(box=None, pad_edge=False)
    for column in ("Status", "Check", "Seen"):
        table.add_column(column, overflow="fold")
    for check in result.checks:
        severity = f" {check.severity}" if check.severity else ""
        status = Text(f"{check.status.replace('_', ' ')}{severity}", style=_STYLES.get(check.status, ""))
        table.add_row(status, check.id, Text(check.evidence))
    out.print(table)
    for check in result.checks:
        if check.remedy:
            accepted = " (accepted)" if check.id in result.accepted and check.status == CheckStatus.UNKNOWN else ""
            plain(out, f"\n{check.id} should say: {check.title}{accepted}")
            plain(out, f"    {check.remedy}")
    told = {f"preflight: {check.id}" for check in result.checks}
    for notice in result.notices:
        # Warnings are in the table already.
        if " ".join(notice.subject.split()[:2]) not in told:
            plain(out, f"\nKnow: {notice.subject}: {notice.detail}")
