"""Reads that several steps make, and what a refusal means to them."""

from collections.abc import Callable

from muster.domain.membership import Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import OrganizationSummary
from muster.errors import (
    AbsentError,
    DeniedError,
    MembershipUnknownError,
    NotYetConsistentError,
    OrganizationNotReadyError,
    RegionNotEnabledError,
    ServiceAnswerError,
    UnavailableError,
)
from muster.ports import MembershipReader, OrganizationReader


def observe[T](read: Callable[[], T]) -> Observed[T]:
    """Read, and turn a refusal into Unknown: it says nothing about what is there.

    That a Region is not enabled does say something, so it is left to the caller.
    """
    try:
        return Known(read())
    except RegionNotEnabledError:
        raise
    except ServiceAnswerError as error:
        return Unknown(str(error))


def read_organization(organizations: OrganizationReader) -> OrganizationSummary:
    """Return the organization. Raises OrganizationNotReadyError."""
    try:
        return organizations.organization()
    except ServiceAnswerError as error:
        raise OrganizationNotReadyError(
            f"the organization could not be read: {error}. Allow organizations:DescribeOrganization and run again"
        ) from error


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
    except (AbsentError, NotYetConsistentError) as error:
        raise UnavailableError(f"membership {membership_id} cannot be read yet: {error}") from error
