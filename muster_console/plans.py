"""Plans in the bucket: found by their name, read as they were sealed, with the accounts that each write concerns."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.plan import SHORT, PlanError, plan_key
from muster.messages.plan import PlanDocument, PlannedWrite, load_plan
from muster_console import documents
from muster_console.aws import Clients
from muster_console.errors import ConsoleError, ExitCode
from muster_console.stack import Stack

_DIGITS: Final = 64
_NO_COVERAGE: Final = frozenset({"disable_triage"})
"""Takes protection away, and leaves the coverage as it is."""

_GIVES_COVERAGE: Final = frozenset({"sign_up", "add_unit", "create_triage_role"})


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it lies in the bucket: ``sha256`` is of ``text``, so what is shown is what would be applied.

    ``accounts`` are those of each write by its id, as far as they could be read.
    """

    sha256: str
    text: str
    document: PlanDocument
    accounts: Mapping[str, tuple[str, ...]]

    @property
    def short(self) -> str:
        """The plan's name in commands."""
        return self.sha256[:SHORT]

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody has anything to do."""
        return not self.document.remediations and not self.document.left

    @property
    def takers(self) -> tuple[PlannedWrite, ...]:
        """The writes after which accounts have no coverage any more."""
        return tuple(each for each in self.document.reductions if each.kind not in _NO_COVERAGE)

    @property
    def givers(self) -> tuple[PlannedWrite, ...]:
        """The writes after which more accounts have coverage."""
        return tuple(each for each in self.document.remediations if each.kind in _GIVES_COVERAGE)

    def of(self, write: PlannedWrite) -> tuple[str, ...]:
        """Return the accounts of a write that are known: all of them, or the first."""
        return self.accounts.get(write.id, write.affected.first)

    def losing(self) -> frozenset[str]:
        """Return the accounts that would lose coverage, as far as they are known."""
        return frozenset(account for each in self.takers for account in self.of(each))

    def gaining(self) -> frozenset[str]:
        """Return the accounts that would gain coverage, as far as they are known."""
        return frozenset(account for each in self.givers for account in self.of(each)) - self.losing()

    def as_json(self) -> str:
        """Return the document with its SHA-256, on one line."""
        return json.dumps({**json.loads(self.text), "sha256": self.sha256}, sort_keys=True, ensure_ascii=False)


def find_plan(clients: Clients, stack: Stack, name: str) -> str:
    """Return the SHA-256 of the plan of a name: all its digits, or the first of them. Raises ConsoleError."""
    digits = name.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORT},{_DIGITS}}}", digits):
        raise ConsoleError(
            f"{name!r} is not the name of a plan.",
            f"Give the {SHORT} digits that `muster plan` prints, or all {_DIGITS} of its SHA-256.",
            ExitCode.UNUSABLE,
        )
    if len(digits) == _DIGITS:
        return digits
    prefix = plan_key(digits).removesuffix(".json")
    found = clients.s3.list_objects_v2(Bucket=stack.state_bucket, Prefix=prefix, MaxKeys=2).get("Contents", [])
    match [entry.get("Key", "").rpartition("/")[2].removesuffix(".json") for entry in found]:
        case []:
            raise _no_plan(digits)
        case [one]:
            return one
        case _:
            raise ConsoleError(
                f"More than one plan starts with {digits}.",
                f"Give more digits: `aws s3 ls s3://{stack.state_bucket}/{prefix}` lists them.",
                ExitCode.UNUSABLE,
            )


def read_plan(clients: Clients, stack: Stack, sha256: str) -> StoredPlan:
    """Return a plan with all its accounts. Raises ConsoleError when it is gone, or not what was sealed."""
    stored = documents.read(clients, stack.state_bucket, plan_key(sha256))
    if stored is None:
        raise _no_plan(sha256)
    try:
        document = load_plan(stored.body, sha256)
    except PlanError as error:
        cause = str(error).rpartition("; plan again")[0]
        raise ConsoleError(f"{cause[:1].upper()}{cause[1:]}.", "Run `muster plan`.", ExitCode.RUN_FAILED) from error
    return StoredPlan(sha256, stored.body.decode(), document, _accounts(clients, stack, document))


def _no_plan(digits: str) -> ConsoleError:
    return ConsoleError(
        f"There is no plan {digits[:SHORT]} in this deployment, or it was too old and is deleted.",
        "Run `muster plan`, which makes one and prints its name.",
        ExitCode.UNUSABLE,
    )


def _accounts(clients: Clients, stack: Stack, document: PlanDocument) -> dict[str, tuple[str, ...]]:
    """Return the accounts by write. A list that is gone or broken leaves those out: the plan itself has the first."""
    keys = dict.fromkeys(each.affected.key for each in document.remediations if each.affected.key)
    found: dict[str, tuple[str, ...]] = {}
    for key in keys:
        stored = documents.read(clients, stack.state_bucket, key)
        listed: Any = _parsed(stored.body) if stored else None
        if isinstance(listed, dict):
            found |= {write: tuple(map(str, ids)) for write, ids in listed.items() if isinstance(ids, list)}
    # The list is not sealed, the number is: what does not agree with it is not believed.
    return {
        each.id: found[each.id]
        for each in document.remediations
        if each.id in found and len(found[each.id]) == each.affected.number
    }


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
