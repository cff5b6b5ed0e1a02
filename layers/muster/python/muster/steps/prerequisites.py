"""What sign-up needs in the management account: made so where that is allowed, handed off where not."""

from collections.abc import Callable
from dataclasses import dataclass, field

from muster.domain.desired import ChangeKind
from muster.domain.organization import OrganizationSummary
from muster.domain.outcomes import Change, Handoff
from muster.domain.sign_up import DelegationConflict, Lack, Prerequisite, find_lacks, judge_delegation
from muster.errors import (
    AlreadyThereError,
    DelegatedAdministratorConflictError,
    NotYetConsistentError,
    ServiceAnswerError,
)
from muster.ports import DelegationReader, ManagementAccount
from muster.steps.gate import Gate
from muster.steps.reading import observe


@dataclass(slots=True)
class Met:
    """What became of the prerequisites. ``unmet`` holds those that are open; ``waiting_for`` asks for another pass."""

    changes: list[Change] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    unmet: dict[Prerequisite, str] = field(default_factory=dict)
    waiting_for: str | None = None

    @property
    def blocks_creation(self) -> bool:
        """Tell whether a membership must not be created yet."""
        return any(prerequisite.blocks_creation for prerequisite in self.unmet)


@dataclass(frozen=True, slots=True)
class Prerequisites:
    """The prerequisites of a membership in the designated account."""

    organizations: DelegationReader
    management: ManagementAccount
    designated: str

    def look(self, organization: OrganizationSummary) -> tuple[Lack, ...]:
        """Return what is missing or unreadable. Raises DelegatedAdministratorConflictError."""
        delegated = observe(self.organizations.delegated_administrators)
        delegation = judge_delegation(self.designated, organization.management_account_id, delegated)
        if isinstance(delegation, DelegationConflict):
            raise DelegatedAdministratorConflictError(delegation.remedy)
        return find_lacks(
            self.designated,
            trusted=observe(self.organizations.trusted_services),
            triage_role=observe(self.management.has_triage_role),
            delegation=delegation,
        )

    def meet(self, lacks: tuple[Lack, ...], gate: Gate, *, last_attempt: bool) -> Met:
        """Make so what is missing, in order, where the gate lets it. What is unreadable is handed off, never guessed.

        Raises DelegatedAdministratorConflictError when somebody registered another account meanwhile.
        """
        met = Met()
        for lack in lacks:
            if lack.unreadable is not None:
                met.unmet[lack.prerequisite] = lack.unreadable
                met.handoffs.append(lack.hand_off(lack.unreadable))
            elif gate.takes(lack.remediation):
                self._meet(lack, met, last_attempt=last_attempt)
            else:
                met.unmet[lack.prerequisite] = "it was not to be made so this time"
        return met

    def _meet(self, lack: Lack, met: Met, *, last_attempt: bool) -> None:
        registers = lack.prerequisite is Prerequisite.DELEGATED_ADMINISTRATOR
        if registers and Prerequisite.TRUSTED_ACCESS in met.unmet:
            met.unmet[lack.prerequisite] = "trusted access comes first"
            met.handoffs.append(lack.hand_off("trusted access comes first and could not be enabled from here"))
            return
        try:
            self._write(lack.prerequisite)
        except AlreadyThereError:
            if registers:
                self._stop_if_another_was_first()
        except NotYetConsistentError as error:
            met.unmet[lack.prerequisite] = str(error)
            if last_attempt:
                met.handoffs.append(lack.hand_off(str(error)))
            else:
                met.waiting_for = f"Organizations to see trusted access before it lets us {lack.what}"
        except ServiceAnswerError as error:
            met.unmet[lack.prerequisite] = str(error)
            met.handoffs.append(lack.hand_off(str(error)))
        else:
            met.changes.append(Change(ChangeKind.SIGN_UP, lack.resource, lack.what))

    def _write(self, prerequisite: Prerequisite) -> None:
        writes: dict[Prerequisite, Callable[[], None]] = {
            Prerequisite.TRUSTED_ACCESS: self.management.enable_trusted_access,
            Prerequisite.TRIAGE_ROLE: self.management.create_triage_role,
            Prerequisite.DELEGATED_ADMINISTRATOR: lambda: self.management.register_delegated_administrator(
                self.designated
            ),
        }
        writes[prerequisite]()

    def _stop_if_another_was_first(self) -> None:
        """Tell our own registration, seen twice, from that of another account."""
        found = observe(self.organizations.delegated_administrators)
        delegation = judge_delegation(self.designated, "", found)
        if isinstance(delegation, DelegationConflict):
            raise DelegatedAdministratorConflictError(delegation.remedy)
