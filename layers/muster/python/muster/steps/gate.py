"""The gate in front of every write: a look takes note of what would be written, a grant lets its own writes through."""

from dataclasses import dataclass, field
from typing import Protocol

from muster.domain.grant import Grant, open_grant
from muster.domain.plan import PlanError
from muster.domain.remediation import Remediation, Step, to_document
from muster.errors import PlanUnusableError, WorldMovedError
from muster.ports import RunDocuments


class Gate(Protocol):
    """What a step asks before each write, with the ground on which it would make it now."""

    @property
    def looks(self) -> bool:
        """Tell whether nothing is written at all this time."""
        ...

    def takes(self, remediation: Remediation) -> bool:
        """Tell whether the write may be made now. Raises WorldMovedError."""
        ...


@dataclass(frozen=True, slots=True)
class Looking(Gate):
    """Lets nothing through, and keeps what would have been written."""

    proposed: list[Remediation] = field(default_factory=list)

    @property
    def looks(self) -> bool:
        """Nothing is written."""
        return True

    def takes(self, remediation: Remediation) -> bool:
        """Keep the proposal."""
        self.proposed.append(remediation)
        return False


@dataclass(frozen=True, slots=True)
class Granted(Gate):
    """Lets through what a grant has for one step, as long as the ground is the one that was planned on."""

    step: Step
    grant: Grant

    @property
    def looks(self) -> bool:
        """Something may be written."""
        return False

    def takes(self, remediation: Remediation) -> bool:
        """Compare with the grant. What nobody planned is left to the next look."""
        granted = self.grant.of(self.step)
        if any(each.id == remediation.id for each in granted):
            return True
        for each in granted:
            if each.target == remediation.target:
                raise WorldMovedError(
                    f"the world moved since plan {self.grant.plan[:12]} was made, so it goes no further. "
                    f"{each.what}: planned from {each.before!r} to {each.after!r}, "
                    f"found {remediation.before!r}, which would become {remediation.after!r}. "
                    f"Plan again: muster plan"
                )
        return False


def open_granted(documents: RunDocuments, step: Step, key: str, sha256: str) -> Granted:
    """Return the gate of a stored grant. Raises PlanUnusableError when it is gone, or is not what was sealed."""
    text = documents.read_text(key)
    if text is None:
        raise PlanUnusableError(f"{key} is gone, so nothing may be written. Plan again: muster plan")
    try:
        return Granted(step, open_grant(text, sha256))
    except PlanError as error:
        raise PlanUnusableError(f"{error}. Plan again: muster plan") from error


def keep_proposals(documents: RunDocuments, key: str, looking: Looking) -> None:
    """Store what a look proposed, for the plan of its round."""
    documents.write(key, [to_document(each) for each in looking.proposed])
