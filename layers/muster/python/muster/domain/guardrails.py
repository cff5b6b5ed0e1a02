"""Limits on what one run may change without a person. A refusal says the numbers and the limit."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from muster.domain.desired import Guardrails


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What a run changes, with what it has changed already.

    ``accounts`` are those whose protection changes, None when somebody's changes and it is unknown whose; ``total``
    counts the accounts of the organization (None when they could not be listed), ``units`` the units that are added or
    removed.
    """

    accounts: AbstractSet[str] | None
    total: int | None
    units: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """One limit that would be passed. ``guardrail`` is its key in the desired state."""

    guardrail: str
    reason: str


def refuse(limits: Guardrails, radius: BlastRadius) -> tuple[Refusal, ...]:
    """Return the limits that the change would pass; none when it is within all of them.

    A change that concerns no account and no unit passes whatever the limits are.
    """
    refusals = []
    if radius.accounts is None:
        refusals.append(_refusal("max_accounts", "how many accounts' protection it changes is unknown"))
    number, total = len(radius.accounts or ()), radius.total
    if number > limits.max_accounts:
        why = f"it changes the protection of {number:,} accounts, and the limit is {limits.max_accounts:,}"
        refusals.append(_refusal("max_accounts", why))
    if number and total is None:
        why = f"it changes the protection of {number:,} accounts, and how many there are in all is unknown"
        refusals.append(_refusal("max_share", why))
    elif total is not None and number > limits.max_share * total:
        why = (
            f"it changes the protection of {number:,} of {total:,} accounts ({number / total if total else 1:.1%}), "
            f"and the limit is {limits.max_share:.1%}"
        )
        refusals.append(_refusal("max_share", why))
    if radius.units > limits.max_units:
        why = f"it adds or removes {radius.units:,} units, and the limit is {limits.max_units:,}"
        refusals.append(_refusal("max_units", why))
    return tuple(refusals)


def _refusal(guardrail: str, why: str) -> Refusal:
    return Refusal(guardrail, f"guardrails.{guardrail}: {why}")
