"""ContactSetup: everybody who is asked for is in the membership's team, by one UpdateMembership that removes nobody."""

from dataclasses import dataclass

from muster.domain.handoffs import ask_to_edit_team
from muster.domain.membership import ACTIVE, Home
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import ContactSetupOutcome, Notice
from muster.domain.responders import IncidentResponseTeam
from muster.domain.team import TeamDecision, TeamInMembership, compare_team, decide_team, is_same_team
from muster.errors import AbsentError, DeniedError, NotYetConsistentError, ServiceAnswerError, UnavailableError
from muster.ports import ResponderReader, TeamReader, TeamWriter
from muster.steps.gate import Gate
from muster.steps.reading import observe

MAX_LOOKS = 5
"""How often a pass decides anew while somebody else writes the team."""


@dataclass(frozen=True, slots=True)
class ContactSetup:
    """Reads the team, decides, and reads it again: the service replaces the whole list and knows no condition."""

    responders: ResponderReader
    reader: TeamReader
    writer: TeamWriter
    home: Home

    def apply(self, gate: Gate, *, membership_id: str) -> ContactSetupOutcome:
        """Make at most one UpdateMembership, of a team that was the same in two readings right before.

        Raises NotConfiguredError or DesiredStateError for contacts that are not usable, UnavailableError while
        somebody else writes the team.
        """
        contacts = observe(self.responders.contacts)
        if isinstance(contacts, Unknown):
            return _left(Notice("the contacts could not be read", contacts.why, needs_person=True))
        found = self._read(membership_id)
        for _ in range(MAX_LOOKS):
            if isinstance(found, Unknown):
                why = f"{found.why}; nothing was changed"
                return _left(Notice("the membership's team is unknown", why, needs_person=True))
            difference = compare_team(
                contacts.value.team, found.value, membership_id=membership_id, key=contacts.value.key
            )
            granted = frozenset(
                each.kind for each in (difference.update, difference.addition) if each and gate.takes(each)
            )
            decision = decide_team(difference, granted, membership_id=membership_id, home=self.home)
            if decision.team is None:
                return ContactSetupOutcome((), decision.handoffs, decision.notices)
            before, found = found, self._read(membership_id)
            if isinstance(found, Known) and is_same_team(before.value, found.value):
                return self._write(membership_id, decision.team, decision)
        raise UnavailableError(f"the team of membership {membership_id} changes while it is read: somebody writes it")

    def _read(self, membership_id: str) -> Observed[IncidentResponseTeam]:
        """Read the team. One that is not readable yet is a matter of time; one that may not be changed is unknown."""
        try:
            found: TeamInMembership = self.reader.team_in(membership_id)
        except DeniedError as error:
            return Unknown(str(error))
        except (AbsentError, NotYetConsistentError) as error:
            raise UnavailableError(f"membership {membership_id} cannot be read yet: {error}") from error
        if found.status != ACTIVE:
            return Unknown(f"membership {membership_id} is {found.status}, not {ACTIVE}")
        return found.team

    def _write(self, membership_id: str, team: IncidentResponseTeam, decision: TeamDecision) -> ContactSetupOutcome:
        try:
            self.writer.replace_team(membership_id, team)
        except ServiceAnswerError as error:
            what = "; ".join(change.detail for change in decision.changes)
            by_hand = ask_to_edit_team(self.home, membership_id, what, str(error))
            return ContactSetupOutcome((), (*decision.handoffs, by_hand), decision.notices)
        return ContactSetupOutcome(decision.changes, decision.handoffs, decision.notices)


def _left(notice: Notice) -> ContactSetupOutcome:
    return ContactSetupOutcome(notices=(notice,))
