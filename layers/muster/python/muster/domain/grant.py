"""What a step may write now: remediations of a plan, sealed like the plan itself."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from muster.domain import remediation as remediations
from muster.domain.plan import PlanError, canonical
from muster.domain.remediation import Remediation, Step

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """The writes that may be made, and the plan they are from."""

    plan: str
    remediations: tuple[Remediation, ...]

    def of(self, step: Step) -> tuple[Remediation, ...]:
        """Return those of one step."""
        return tuple(each for each in self.remediations if each.step is step)


def seal_grant(plan: str, granted: Iterable[Remediation]) -> tuple[str, str]:
    """Return the text of a grant and its SHA-256."""
    text = canonical(
        {"schema": SCHEMA, "plan": plan, "remediations": [remediations.to_document(each) for each in granted]}
    )
    return text, hashlib.sha256(text.encode()).hexdigest()


def open_grant(text: str, sha256: str) -> Grant:
    """Return the grant of a stored text. Raises PlanError for another one than was sealed."""
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise PlanError("the grant of this run was changed after it was made; nothing was written by it")
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise PlanError(f"the grant of this run is of schema {document['schema']}, not {SCHEMA}")
        return Grant(document["plan"], tuple(map(remediations.from_document, document["remediations"])))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError("the grant of this run is not one that this version can read") from error
