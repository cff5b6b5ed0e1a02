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


def unless_shown(look: str, sign: str, act: str) -> str:
    """Show what is there and, where the sign (a JSON string) is not in it, act."""
    return f"""{look} --output json | grep -F '"{sign}"' || {act}"""


def describe_organization() -> str:
    """Show the organization of the account in use."""
    return _command("organizations", "describe-organization")


def enable_all_features() -> str:
    """Ask every invited account to accept all features."""
    return _command("organizations", "enable-all-features")


def describe_account(account_id: str) -> str:
    """Show the state of one account."""
    return _command("organizations", "describe-account", "--account-id", account_id)


def deploy_management_stack(deployment: str, home: Home, *, organization_id: str | None) -> str:
    """Give the management account its reader role; to be run there, at the root of the repository."""
    command = _command(
        "cloudformation",
        "deploy",
        *("--template-file", "stacks/management-account.yaml"),
        *("--stack-name", f"{deployment}-management"),
        *("--capabilities", "CAPABILITY_NAMED_IAM"),
        *("--region", home.region),
        *("--parameter-overrides", "Access=read", f"DeploymentName={deployment}"),
        f"ApplicationAccountId={home.account_id}",
    )
    look_up = f'"$({describe_organization()} --query Organization.Id --output text)"'
    return f"{command} OrganizationId={organization_id or look_up}"


def read_region(region: str) -> str:
    """Show whether a Region is enabled in the account in use."""
    return _command("account", "get-region-opt-status", "--region-name", region)


def enable_region(region: str) -> str:
    """Enable a Region in the account in use."""
    return _command("account", "enable-region", "--region-name", region)


def list_memberships(region: str) -> str:
    """Show the memberships that the account in use sees in a Region."""
    return _command("security-ir", "list-memberships", "--region", region)


def list_memberships_in(regions: Iterable[str]) -> str:
    """Show the memberships that the account in use sees in each of the Regions."""
    return f'for region in {shlex.join(regions)}; do aws security-ir list-memberships --region "$region"; done'


def read_role(name: str) -> str:
    """Show one role of the account in use."""
    return _command("iam", "get-role", "--role-name", name)


def find_stack_of(role_name: str) -> str:
    """Show which stack of the account and Region in use made a role, if one did."""
    return _command("cloudformation", "describe-stack-resources", "--physical-resource-id", role_name)


def read_stack_sets_access() -> str:
    """Show whether StackSets have trusted access to the organization."""
    return _command("cloudformation", "describe-organizations-access", "--region", "us-east-1")


def describe_trails() -> str:
    """Show the trails that record us-east-1."""
    return _command("cloudtrail", "describe-trails", "--region", "us-east-1")


def start_logging(trail_arn: str, region: str) -> str:
    """Let a trail record."""
    return _command("cloudtrail", "start-logging", "--name", trail_arn, "--region", region)


def get_event_selectors(trail_arn: str, region: str) -> str:
    """Show which events a trail records."""
    return _command("cloudtrail", "get-event-selectors", "--trail-name", trail_arn, "--region", region)


def delete_parameter(name: str) -> str:
    """Delete a parameter of Parameter Store."""
    return _command("ssm", "delete-parameter", "--name", name)


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
    return read_role(TRIAGE_ROLE_NAME)


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


def disable_triage(region: str, membership_id: str) -> str:
    """Opt the membership out of proactive response."""
    return _update(region, membership_id, "--opt-in-features", "featureName=Triage,isEnabled=false")


def cover_only_units(region: str, membership_id: str) -> str:
    """Narrow the membership to the units that it lists."""
    return _update(
        region, membership_id, "--membership-accounts-configurations-update", "coverEntireOrganization=false"
    )


def remove_units(region: str, membership_id: str, unit_ids: Sequence[str]) -> str:
    """Remove the units, five a call and one call a second, as the service allows."""
    return _each_batch(region, membership_id, "organizationalUnitsToRemove", unit_ids)


def cover_entire_organization(region: str, membership_id: str) -> str:
    """Widen the membership to every account."""
    return _update(region, membership_id, "--membership-accounts-configurations-update", "coverEntireOrganization=true")


def add_units(region: str, membership_id: str, unit_ids: Sequence[str]) -> str:
    """Add the units, five a call and one call a second, as the service allows."""
    return _each_batch(region, membership_id, "organizationalUnitsToAdd", unit_ids)


def _each_batch(region: str, membership_id: str, member: str, unit_ids: Sequence[str]) -> str:
    return "; sleep 1; ".join(
        _update(
            region,
            membership_id,
            *("--membership-accounts-configurations-update", f"{member}={','.join(batch)}"),
        )
        for batch in batches(unit_ids, MAX_UNITS_PER_UPDATE)
    )


def edit_team(region: str, membership_id: str) -> str:
    """Read the team into a file that nobody else can read, let a person edit it, send it, and delete the file."""
    read = _command(
        *("security-ir", "get-membership", "--region", region, "--membership-id", membership_id),
        *("--query", "incidentResponseTeam", "--output", "json"),
    )
    write = _update(region, membership_id, "--incident-response-team", "file://team.json")
    return f"(umask 077; {read} > team.json && ${{EDITOR:-vi}} team.json && {write}; rm -f team.json)"


def set_tags(region: str, membership_arn: str, tags: Mapping[str, str]) -> str:
    """Add or overwrite these tags of the membership."""
    return _command(
        "security-ir", "tag-resource", "--region", region, "--resource-arn", membership_arn, "--tags", _json(tags)
    )


def deploy_member_reader(deployment: str, home: Home, *, region: str, root_id: str | None) -> str:
    """Give every member account its reader role by a StackSet; for the management account, at the repository's root."""
    name = f"{deployment}-member-account"
    organization = f'"$({describe_organization()} --query Organization.Id --output text)"'
    roots = _command("organizations", "list-roots", "--query", "Roots[].Id", "--output", "text")
    root = root_id or f'"$({roots})"'
    parameters = {"DeploymentName": deployment, "ApplicationAccountId": home.account_id, "Access": "read"}
    create = _command(
        *("cloudformation", "create-stack-set", "--region", region, "--stack-set-name", name),
        *("--template-body", "file://stacks/member-account.yaml"),
        *("--permission-model", "SERVICE_MANAGED"),
        *("--auto-deployment", "Enabled=true,RetainStacksOnAccountRemoval=false"),
        *("--capabilities", "CAPABILITY_NAMED_IAM"),
        *("--parameters", *(f"ParameterKey={key},ParameterValue={value}" for key, value in parameters.items())),
    )
    deploy = _command(
        *("cloudformation", "create-stack-instances", "--region", region, "--stack-set-name", name),
        *("--regions", region),
        *(
            "--operation-preferences",
            "FailureTolerancePercentage=100,MaxConcurrentPercentage=100,ConcurrencyMode=SOFT_FAILURE_TOLERANCE",
        ),
        "--deployment-targets",
    )
    return "\n".join(
        (
            _command("cloudformation", "activate-organizations-access", "--region", region),
            f"{create} ParameterKey=OrganizationId,ParameterValue={organization}",
            f"{deploy} OrganizationalUnitIds={root}",
        )
    )


def batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Cut a sequence into pieces of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _update(region: str, membership_id: str, *words: str) -> str:
    return _command("security-ir", "update-membership", "--region", region, "--membership-id", membership_id, *words)


def _json(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False)
