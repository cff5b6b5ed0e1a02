"""Gates for tests of single steps."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from muster.domain.desired import DesiredState
from muster.domain.grant import Grant
from muster.domain.planning import why_approval
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.steps.gate import Gate, Granted


@dataclass(frozen=True, slots=True)
class Automatic(Gate):
    """Lets through what the desired state lets a run do by itself, as a plan within its guardrails would; keeps all."""

    desired: DesiredState
    asked: list[Remediation] = field(default_factory=list)

    @property
    def looks(self) -> bool:
        return False

    def takes(self, remediation: Remediation) -> bool:
        self.asked.append(remediation)
        return not why_approval(remediation.kind, self.desired)


@dataclass(frozen=True, slots=True)
class Only(Gate):
    """Lets through some kinds, as people may have approved them."""

    kinds: frozenset[RemediationKind]

    @property
    def looks(self) -> bool:
        return False

    def takes(self, remediation: Remediation) -> bool:
        return remediation.kind in self.kinds


@dataclass(frozen=True, slots=True)
class Counted(Gate):
    """The gate of a grant, which keeps what it let through and what it held back, each once."""

    granted: Granted
    made: dict[str, Remediation] = field(default_factory=dict)
    left: dict[str, Remediation] = field(default_factory=dict)

    @property
    def looks(self) -> bool:
        return False

    def takes(self, remediation: Remediation) -> bool:
        lets = self.granted.takes(remediation)
        (self.made if lets else self.left)[remediation.id] = remediation
        return lets


def grant(step: Step, remediations: Iterable[Remediation]) -> Counted:
    """Return the gate of a plan that has these writes, all of them granted."""
    return Counted(Granted(step, Grant("5" * 64, tuple(remediations))))
