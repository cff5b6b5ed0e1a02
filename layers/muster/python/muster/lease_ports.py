"""What the lease for writers is kept in, and what guards a write, in the domain's own words."""

from typing import Protocol

from muster.domain.lease import Lease


class LeaseStore(Protocol):
    """The one lease. Its versions are told apart by an opaque tag."""

    def read(self) -> tuple[Lease, str] | None:
        """Return the lease and its tag, or None when there is none. Raises DeniedError, RefusedError (no lease)."""
        ...

    def write(self, lease: Lease, tag: str | None) -> str:
        """Replace the version of that tag (None: there must be none yet), and return the new tag.

        Raises AlreadyThereError when another write came first, and DeniedError. After a TransientError nobody knows
        whether it was written.
        """
        ...


class ExecutionReader(Protocol):
    """Reads executions of the application's state machines."""

    def status(self, execution_arn: str) -> str | None:
        """Return the status as Step Functions calls it; None when it knows no such execution. Raises DeniedError."""
        ...


class WriteFence(Protocol):
    """Stands in front of every attempt at a write."""

    def hold(self) -> None:
        """Return when this run may make one attempt now. Raises LeaseLostError."""
        ...
