"""The process edge of ``muster``: every failure becomes one sentence, one next step and an exit code."""

import sys
import traceback
from collections.abc import Sequence

import click

from muster_console.aws import explained
from muster_console.commands import muster
from muster_console.desk import Desk
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import plain


def main(arguments: Sequence[str] | None = None, desk: Desk | None = None) -> int:
    """Run one command and return its exit code."""
    desk = desk or Desk()
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments), desk)
    except click.ClickException as error:
        error.show()
        return ExitCode.UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        plain(desk.err, "Interrupted.")
        return ExitCode.INTERRUPTED
    except ConsoleError as error:
        _traceback(desk)
        plain(desk.err, error.cause)
        plain(desk.err, f"Next: {error.next_step}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the process edge: an operator gets a sentence, --debug the rest
        _traceback(desk)
        plain(desk.err, f"muster has a mistake of its own ({type(error).__name__}).")
        plain(desk.err, "Next: repeat the command with `muster --debug …` and report what it prints.")
        return ExitCode.RUN_FAILED


def _run(arguments: list[str], desk: Desk) -> int:
    with explained(lambda: desk.connection):
        code = muster.main(args=arguments, prog_name="muster", standalone_mode=False, obj=desk)
    return int(code or ExitCode.DONE)


def _traceback(desk: Desk) -> None:
    if desk.debug:
        plain(desk.err, traceback.format_exc())


if __name__ == "__main__":
    sys.exit(main())
