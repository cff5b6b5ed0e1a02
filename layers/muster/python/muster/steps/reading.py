"""Reads that several steps make, and what a refusal means to them."""

from collections.abc import Callable

from muster.domain.membership import Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.errors import AbsentError, DeniedError, MembershipUnknownError, UnavailableError
from muster.ports import MembershipReader


def observe[T](read: Callable[[], T]) -> Observed[T]:
    """Read, and turn a denial into Unknown: it says nothing about what is there."""
    try:
        return Known(read())
    except DeniedError as error:
        return Unknown(str(error))


def read_membership(reader: MembershipReader, membership_id: str) -> Membership:
    """Return the membership that sign-up found. Raises MembershipUnknownError, and UnavailableError to be tried again.

    A membership that is listed or just created and not yet readable is a matter of time.
    """
    try:
        return reader.membership(membership_id)
    except DeniedError as error:
        raise MembershipUnknownError(
            f"membership {membership_id} exists but could not be read: {error}. "
            f"Allow security-ir:GetMembership and run again"
        ) from error
    except AbsentError as error:
        raise UnavailableError(f"membership {membership_id} cannot be read yet: {error}") from error
