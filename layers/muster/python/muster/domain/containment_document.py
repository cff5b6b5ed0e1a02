"""What one run found of the containment roles, as plain JSON (``docs/schemas/containment.schema.json``)."""

from collections.abc import Sequence
from typing import Any, Final

from muster.domain.containment import Deployment, Inventory, Observation, count_states
from muster.domain.desired import DesiredContainment
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.readiness import AccountReadiness, count_readiness
from muster.domain.stack_sets import StackSet, digest

SCHEMA: Final = 1


def to_document(
    accounts: Sequence[AccountReadiness],
    *,
    run: str,
    at: str,
    wanted: DesiredContainment,
    inventory: Inventory,
    seen: Observed[Observation],
    template: str,
    waiting_for: str | None,
    lost: Sequence[Deployment],
) -> dict[str, Any]:
    """Return what was found as plain JSON (``docs/schemas/containment.schema.json``)."""
    found = seen.value.stack_set if isinstance(seen, Known) else None
    return {
        "schema": SCHEMA,
        "run": run,
        "at": at,
        "roles": wanted.roles.value,
        "stack_set": {
            "name": wanted.stack_set.name,
            "region": wanted.stack_set.region,
            "present": None if isinstance(seen, Unknown) else found is not None,
            "auto_deployment": None if found is None else found.auto_deployment,
            "ec2_triage": None if found is None else found.has_ec2_triage,
            "targets": [] if found is None else sorted(found.targets),
            "template": None if found is None else _name_template(found, template),
        },
        "waiting_for": waiting_for,
        "counts": count_states([each.deployment for each in accounts]),
        "readiness": count_readiness(accounts),
        "accounts": [_account_to_document(each) for each in accounts],
        "lost": [each.account.id for each in lost],
        "inactive": [{"id": each.id, "name": each.name, "state": each.state} for each in inventory.inactive],
    }


def _account_to_document(account: AccountReadiness) -> dict[str, Any]:
    deployment = account.deployment
    word, reason = account.row
    return {
        "id": deployment.account.id,
        "name": deployment.account.name,
        "state": deployment.state.value,
        "reason": deployment.reason,
        "readiness": account.state.value,
        "why": account.reason,
        "remedy": account.remedy,
        "read_at": None if account.read_at is None else account.read_at.isoformat(),
        "defects": [{"kind": each.kind.value, "role": each.role, "detail": each.detail} for each in account.defects],
        "needs_person": account.needs_person,
        "told": {"state": word, "reason": reason},
    }


def _name_template(stack_set: StackSet, template: str) -> str:
    if stack_set.is_old_generation:
        return "old generation"
    return "as in this version" if digest(stack_set.template) == digest(template) else "another"
