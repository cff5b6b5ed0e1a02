"""The gate in front of every write: in a look it takes note of what would be written, later it lets through what a plan grants."""

from dataclasses import dataclass, field
from typing import Protocol

from muster.domain.grant import Grant
from muster.domain.remediation import Remediation, Step
from muster.errors import WorldMovedError


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
        for each in self.grant.of(self.step):
            if each.id == remediation.id:
                return True
            if each.target == remediation.target:
                raise WorldMovedError(
                    f"the world moved since plan {self.grant.plan[:12]} was made, so it goes no further. "
                    f"{each.what}: planned from {each.before!r} to {each.after!r}, "
                    f"found {remediation.before!r}, which would become {remediation.after!r}. "
                    f"Plan again: muster plan"
                )
        return False
