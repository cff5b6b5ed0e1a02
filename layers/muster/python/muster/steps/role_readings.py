"""The readings of containment roles: whose turn it is is read, and what was found is kept for all runs."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from muster.domain.containment_roles import PinnedRoles, RolesFound, examine
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.readings import (
    MAX_TRIES,
    READINGS_KEY,
    Reading,
    Readings,
    digest_defects,
    readings_from_document,
    shares_after,
    take_turn,
)
from muster.errors import TransientError, UnavailableError
from muster.ports import ContainmentRoleReader, RunDocuments

MAX_ROLE_READS: Final = 1000
"""Each is an AssumeRole and some ten reads in another account, eight accounts at once; more are left to the next."""


@dataclass(frozen=True, slots=True)
class RoleReadings:
    """Reads roles and keeps readings. ``pinned`` returns what the roles of an account have to be."""

    reader: ContainmentRoleReader
    documents: RunDocuments
    pinned: Callable[[str], PinnedRoles]

    def kept(self) -> Readings:
        """Return all readings so far."""
        return readings_from_document(self.documents.read(READINGS_KEY))

    def refresh(
        self,
        readings: Readings,
        grounds: Mapping[str, str],
        *,
        run: str,
        at: datetime,
        suspects: AbstractSet[str],
        present: AbstractSet[str],
    ) -> tuple[Readings, bool]:
        """Read those whose turn it is, as many as fit into a pass; return all ``readings``, and whether some are left.

        ``grounds`` has every account that may be read now, ``present`` all there are: who left is forgotten. Raises
        UnavailableError for those that only time may cure, when the others are read and kept.
        """
        readings.accounts = {key: each for key, each in readings.accounts.items() if key in present}
        turn = take_turn(grounds, readings, run=run, at=at, suspects=suspects)
        asked = (*turn.due, *turn.share)[:MAX_ROLE_READS]
        left = len(turn.due) + len(turn.share) > MAX_ROLE_READS
        if not left and len(grounds) > 1:
            # While only the management account may be read, nobody's turn passes.
            readings.shared_at = shares_after(readings, at)
        hinted = _keep_for_later(readings, suspects - grounds.keys(), run)
        passing = {}
        for account_id, found in (self.reader.roles(asked) if asked else {}).items():
            if isinstance(found, TransientError) and readings.tries.get(account_id, 0) + 1 < MAX_TRIES:
                readings.tries[account_id] = readings.tries.get(account_id, 0) + 1
                passing[account_id] = found
                continue
            readings.tries.pop(account_id, None)
            answer = Unknown(str(found)) if isinstance(found, TransientError) else found
            before = readings.accounts.get(account_id)
            reading = self._judge(account_id, answer, Reading(run, at, grounds[account_id]))
            tried = before.tried if before and before.tried == digest_defects(reading.defects) else None
            readings.accounts[account_id] = replace(reading, tried=tried)
        if asked or hinted:
            self.documents.write(READINGS_KEY, readings.to_document())
        if passing:
            first = min(passing)
            raise UnavailableError(f"the roles of {len(passing)} accounts could not be read yet: {passing[first]}")
        return readings, left

    def remember_repair(self, account_ids: tuple[str, ...]) -> None:
        """Note that an operation is to repair what was found in the accounts, and that they have to be read again."""
        readings = self.kept()
        for account_id in account_ids:
            before = readings.accounts[account_id]
            readings.accounts[account_id] = replace(before, ground="", tried=digest_defects(before.defects))
        self.documents.write(READINGS_KEY, readings.to_document())

    def _judge(self, account_id: str, found: Observed[RolesFound], reading: Reading) -> Reading:
        match found:
            case Unknown(why):
                return replace(reading, unknown=why)
            case Known(roles):
                match examine(account_id, roles, self.pinned(account_id)):
                    case Unknown(why):
                        return replace(reading, names=frozenset(roles), unknown=why)
                    case Known(defects):
                        return replace(reading, names=frozenset(roles), defects=defects)


def _keep_for_later(readings: Readings, suspects: AbstractSet[str], run: str) -> bool:
    """Let suspects that may not be read now be read by whoever may, also by a later run; tell whether there are any.

    What this run has read already was read after it was told.
    """
    found = {each: readings.accounts[each] for each in suspects if each in readings.accounts}
    hinted = {key: each for key, each in found.items() if each.ground and each.run != run}
    for account_id, reading in hinted.items():
        readings.accounts[account_id] = replace(reading, ground="")
    return bool(hinted)
