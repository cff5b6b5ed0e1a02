"""Gates for tests of single steps."""

from dataclasses import dataclass, field

from muster.domain.desired import DesiredState
from muster.domain.planning import why_approval
from muster.domain.remediation import Remediation, RemediationKind
from muster.steps.gate import Gate


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
