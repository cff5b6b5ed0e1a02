"""What goes wrong at the operator's desk: one sentence, one next step, one exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns from ``muster``."""

    DONE = 0
    RUN_FAILED = 1
    UNUSABLE = 2
    NEEDS_PERSON = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class ConsoleError(Exception):
    """A command cannot go on. ``cause`` is one sentence; ``next_step`` says what to do, often a command."""

    def __init__(self, cause: str, next_step: str, exit_code: ExitCode = ExitCode.UNREACHABLE) -> None:
        """Keep the sentence, the next step and the exit code."""
        super().__init__(f"{cause} {next_step}")
        self.cause = cause
        self.next_step = next_step
        self.exit_code = exit_code
