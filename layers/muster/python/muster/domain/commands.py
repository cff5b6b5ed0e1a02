"""AWS CLI commands for people: each does one step as it stands, and every value in it is safe for a shell."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence

from muster.domain.membership import (
    MAX_UNITS_PER_UPDATE,
    SERVICE_PRINCIPAL,
    TRIAGE_ROLE_NAME,
    TRIAGE_SERVICE_PRINCIPAL,
    Home,
)


def _command(*words: str) -> str:
    return shlex.join(("aws", *words))


def list_trusted_access() -> str:
    """Show which services have trusted access."""
    return _command("organizations", "list-aws-service-access-for-organization")


def enable_trusted_access() -> str:
    """Give Security Incident Response trusted access to the organization."""
    return _command("organizations", "enable-aws-service-access", "--service-principal", SERVICE_PRINCIPAL)


def list_delegated_administrators() -> str:
    """Show which account is delegated for Security Incident Response."""
    return _command("organizations", "list-delegated-administrators", "--service-principal", SERVICE_PRINCIPAL)


def register_delegated_administrator(account_id: str) -> str:
    """Make the account the delegated administrator of Security Incident Response."""
    return _command(
        "organizations",
        "register-delegated-administrator",
        *("--account-id", account_id),
        *("--service-principal", SERVICE_PRINCIPAL),
    )


def read_triage_role() -> str:
    """Show the triage service-linked role of the account in use."""
    return _command("iam", "get-role", "--role-name", TRIAGE_ROLE_NAME)


def create_triage_role() -> str:
    """Create the triage service-linked role in the account in use."""
    return _command("iam", "create-service-linked-role", "--aws-service-name", TRIAGE_SERVICE_PRINCIPAL)


def create_membership(
    home: Home, *, name: str, entire_organization: bool, triage: bool, tags: Mapping[str, str], client_token: str
) -> str:
    """Create the membership; the responders come from a file, because they are personal data."""
    return _command(
        "security-ir",
        "create-membership",
        *("--region", home.region),
        *("--membership-name", name),
        *("--incident-response-team", "file://team.json"),
        "--cover-entire-organization" if entire_organization else "--no-cover-entire-organization",
        *("--opt-in-features", f"featureName=Triage,isEnabled={str(triage).lower()}"),
        *(("--tags", _json(tags)) if tags else ()),
        *("--client-token", client_token),
    )


def set_name(region: str, membership_id: str, name: str) -> str:
    """Rename the membership."""
    return _update(region, membership_id, "--membership-name", name)


def enable_triage(region: str, membership_id: str) -> str:
    """Opt the membership in to proactive response."""
    return _update(region, membership_id, "--opt-in-features", "featureName=Triage,isEnabled=true")


def cover_entire_organization(region: str, membership_id: str) -> str:
    """Widen the membership to every account."""
    return _update(region, membership_id, "--membership-accounts-configurations-update", "coverEntireOrganization=true")


def add_units(region: str, membership_id: str, unit_ids: Sequence[str]) -> str:
    """Add the units, five a call and one call a second, as the service allows."""
    return "; sleep 1; ".join(
        _update(
            region,
            membership_id,
            *("--membership-accounts-configurations-update", f"organizationalUnitsToAdd={','.join(batch)}"),
        )
        for batch in batches(unit_ids, MAX_UNITS_PER_UPDATE)
    )


def set_tags(region: str, membership_arn: str, tags: Mapping[str, str]) -> str:
    """Add or overwrite these tags of the membership."""
    return _command(
        "security-ir", "tag-resource", "--region", region, "--resource-arn", membership_arn, "--tags", _json(tags)
    )


def batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Cut a sequence into pieces of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _update(region: str, membership_id: str, *words: str) -> str:
    return _command("security-ir", "update-membership", "--region", region, "--membership-id", membership_id, *words)


def _json(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False)
