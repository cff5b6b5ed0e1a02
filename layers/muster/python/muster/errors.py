"""Errors that state machines retry or catch by name.

MusterError
├── TransientError                       retried by the machine, with jitter
│   ├── ThrottledError
│   └── UnavailableError                 5xx, time-out, lost connection
├── ServiceAnswerError                   the service said no; steps decide what it means
│   ├── DeniedError
│   ├── AbsentError
│   ├── RegionNotEnabledError
│   ├── AlreadyThereError                it exists, or somebody else was first
│   ├── NotYetConsistentError            an earlier write has not reached the service
│   └── RefusedError                     the request itself is not acceptable
└── StoppedError                         a person has to act; the message says what to do
    ├── NotConfiguredError
    ├── DesiredStateError
    ├── NotConfirmedError
    ├── PreflightError
    ├── OrganizationNotReadyError
    ├── DelegatedAdministratorConflictError
    ├── MembershipConflictError
    ├── MembershipUnknownError
    ├── ScopeError
    ├── ImplausibleInventoryError
    ├── PlanUnusableError
    ├── WorldMovedError
    ├── LeaseHeldError
    ├── LeaseLostError
    └── ApprovalRefusedError
"""


class MusterError(Exception):
    """Base of all errors of this application."""


class TransientError(MusterError):
    """Nothing is wrong that time does not cure."""


class ThrottledError(TransientError):
    """The service asked to slow down."""


class UnavailableError(TransientError):
    """The service failed, timed out, or the connection was lost; a write may or may not have taken effect."""


class ServiceAnswerError(MusterError):
    """A service refused one operation in one account."""

    def __init__(self, operation: str, account_id: str, said: str) -> None:
        """Keep the operation ("organizations:ListAccounts"), the account it was asked of, and what the service said."""
        super().__init__(f"{operation} in account {account_id}: {said}")
        self.operation = operation
        self.account_id = account_id
        self.said = said


class DeniedError(ServiceAnswerError):
    """Access was denied, to the operation or to the role that would make it."""


class AbsentError(ServiceAnswerError):
    """What was asked for does not exist."""


class RegionNotEnabledError(ServiceAnswerError):
    """The Region is not enabled in that account, so nothing can be in it."""


class AlreadyThereError(ServiceAnswerError):
    """The thing exists already."""


class NotYetConsistentError(ServiceAnswerError):
    """An earlier write has not reached the service yet."""


class RefusedError(ServiceAnswerError):
    """The service calls the request itself wrong."""


class StoppedError(MusterError):
    """The run stops here, nothing more is written, and the message says what a person has to do."""


class NotConfiguredError(StoppedError):
    """There is no desired state, or there are no contacts."""


class DesiredStateError(StoppedError):
    """The stored desired state is not valid."""


class NotConfirmedError(StoppedError):
    """Nobody has confirmed the account and the Region that a membership keeps for life."""


class PreflightError(StoppedError):
    """A check failed, or could not be made and nobody accepted that; nothing was written."""


class OrganizationNotReadyError(StoppedError):
    """The organization lacks something that sign-up needs."""


class DelegatedAdministratorConflictError(StoppedError):
    """Another account is the delegated administrator; swapping it would end the membership."""


class MembershipConflictError(StoppedError):
    """More than one Active membership, or one in another account or Region."""


class MembershipUnknownError(StoppedError):
    """Whether a membership exists could not be read, and unknown is not absent."""


class ScopeError(StoppedError):
    """A unit that was asked for is unknown or ambiguous."""


class ImplausibleInventoryError(StoppedError):
    """The list of accounts cannot be right: empty, without the accounts we know, or suddenly much shorter."""


class PlanUnusableError(StoppedError):
    """The plan that was to be applied is gone, was changed, is too old, or is for another desired state."""


class WorldMovedError(StoppedError):
    """What was planned does not fit the world any more; the message has the difference."""


class LeaseHeldError(StoppedError):
    """Another run may still write, and this one has waited for it as long as it may."""


class LeaseLostError(StoppedError):
    """This run may not write any more: the lease is another's, or could not be shown to be its own."""


class ApprovalRefusedError(StoppedError):
    """The answer to a request for approval is not taken; the message says why and what to do."""
