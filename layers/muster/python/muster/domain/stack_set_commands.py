"""AWS CLI commands about the StackSet of the containment roles, for people of the management account.

Each works as printed, from the repository's folder; every value in it is safe for a shell.
"""

import shlex
from collections.abc import Sequence

from muster.domain.desired import DesiredStackSet
from muster.domain.stack_sets import EC2_TRIAGE, REPAIR, Accounts

TEMPLATE_FILE = "stacks/containment-roles.yaml"
MANAGEMENT_STACK = "SIR-Containment-Roles"
AUTO_DEPLOYMENT = "Enabled=true,RetainStacksOnAccountRemoval=false"
PREFERENCES = "FailureTolerancePercentage=100,MaxConcurrentPercentage=100,ConcurrencyMode=SOFT_FAILURE_TOLERANCE"
"""One account's failure is that account's alone: the others are not held up by it."""


def _command(*words: str) -> str:
    return shlex.join(("aws", "cloudformation", *words))


def activate_access(region: str) -> str:
    """Let StackSets work in the organization."""
    return _command("activate-organizations-access", "--region", region)


def create_stack_set(where: DesiredStackSet, *, ec2_triage: bool) -> str:
    """Create the StackSet, which deploys nothing yet."""
    return _command(
        "create-stack-set",
        *("--stack-set-name", where.name),
        *("--template-body", f"file://{TEMPLATE_FILE}"),
        *("--permission-model", "SERVICE_MANAGED"),
        *("--auto-deployment", AUTO_DEPLOYMENT),
        *("--capabilities", "CAPABILITY_NAMED_IAM"),
        *("--parameters", _triage(ec2_triage=ec2_triage)),
        *("--region", where.region),
    )


def update_stack_set(
    where: DesiredStackSet, *, ec2_triage: bool | None, auto_deployment: bool = False, template: bool = False
) -> str:
    """Switch automatic deployment on, set EC2 triage (None: there is no such parameter), or replace the template."""
    parameters = (_triage(ec2_triage=ec2_triage),) if ec2_triage is not None else ()
    return _command(
        "update-stack-set",
        *("--stack-set-name", where.name),
        *(("--template-body", f"file://{TEMPLATE_FILE}") if template else ("--use-previous-template",)),
        *(("--auto-deployment", AUTO_DEPLOYMENT) if auto_deployment else ()),
        *("--capabilities", "CAPABILITY_NAMED_IAM"),
        *(("--parameters", *parameters) if parameters else ()),
        *("--operation-preferences", PREFERENCES),
        *("--region", where.region),
    )


def create_instances(where: DesiredStackSet, target: str, accounts: Accounts) -> str:
    """Deploy to the accounts below the root or a unit."""
    return _instances("create-stack-instances", where, target, accounts)


def update_instances(where: DesiredStackSet, target: str, accounts: Accounts, *, repair: str | None = None) -> str:
    """Try again where an instance failed; with ``repair``, a value never used before, write the roles anew."""
    overrides: tuple[str, ...] = ()
    if repair is not None:
        # What the list leaves out would go back to the StackSet's value.
        kept = f"ParameterKey={EC2_TRIAGE},UsePreviousValue=true"
        overrides = ("--parameter-overrides", f"ParameterKey={REPAIR},ParameterValue={repair}", kept)
    return _instances("update-stack-instances", where, target, accounts, *overrides)


def delete_instances(where: DesiredStackSet, target: str, account_ids: Sequence[str]) -> str:
    """Take the stacks of some accounts away, with what is left of their roles."""
    return _command(
        "delete-stack-instances",
        *("--stack-set-name", where.name),
        *("--deployment-targets", _targets(target, Accounts(only=tuple(account_ids)))),
        *("--regions", where.region),
        "--no-retain-stacks",
        *("--operation-preferences", PREFERENCES),
        *("--region", where.region),
    )


def deploy_in_management(region: str, *, ec2_triage: bool) -> str:
    """Deploy the roles in the management account, which StackSets leave out."""
    return _command(
        "deploy",
        *("--template-file", TEMPLATE_FILE),
        *("--stack-name", MANAGEMENT_STACK),
        *("--capabilities", "CAPABILITY_NAMED_IAM"),
        *("--parameter-overrides", f"{EC2_TRIAGE}={_word(on=ec2_triage)}"),
        *("--region", region),
    )


def _targets(target: str, accounts: Accounts) -> str:
    targets = f"OrganizationalUnitIds={target}"
    if accounts.only:
        targets += f",Accounts={','.join(accounts.only)},AccountFilterType=INTERSECTION"
    if accounts.leave_out:
        targets += f",Accounts={','.join(accounts.leave_out)},AccountFilterType=DIFFERENCE"
    return targets


def _instances(operation: str, where: DesiredStackSet, target: str, accounts: Accounts, *more: str) -> str:
    return _command(
        operation,
        *("--stack-set-name", where.name),
        *("--deployment-targets", _targets(target, accounts)),
        *("--regions", where.region),
        *more,
        *("--operation-preferences", PREFERENCES),
        *("--region", where.region),
    )


def _triage(*, ec2_triage: bool) -> str:
    return f"ParameterKey={EC2_TRIAGE},ParameterValue={_word(on=ec2_triage)}"


def _word(*, on: bool) -> str:
    return str(on).lower()
