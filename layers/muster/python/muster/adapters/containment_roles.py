"""The two containment roles of accounts with all their policies, read through whatever reader is deployed there."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from muster.adapters.clients import Clients
from muster.adapters.translate import translated
from muster.domain.containment_roles import DENY_ALL, ROLES, RoleDocument, RolesFound
from muster.domain.observed import Known, Observed, Unknown
from muster.errors import AbsentError, ServiceAnswerError, TransientError
from muster.ports import ContainmentRoleReader

AT_ONCE: Final = 8
"""Accounts that are read at the same time; each has its own limits, and its own clients of the one session."""

NEED_NOT_BE_READ: Final = (":iam::aws:policy/SecurityAudit", DENY_ALL)
"""How the ARNs end of AWS's policies that are known by their names."""


@dataclass(frozen=True)
class ContainmentRoles(ContainmentRoleReader):
    """Reads through the reader of the account; ``member_reader_role_name`` is empty where the members have none."""

    own: Clients
    management: Clients
    member_reader_role_name: str

    @property
    def reaches_members(self) -> bool:
        """Tell whether the application was told of a reader in the members."""
        return bool(self.member_reader_role_name)

    def roles(self, account_ids: Sequence[str]) -> Mapping[str, Observed[RolesFound] | TransientError]:
        """Read every account by itself, some of them at once. One account's oddity is not the others'."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="roles") as pool:
            return dict(zip(account_ids, pool.map(self._of_account, account_ids), strict=True))

    def _of_account(self, account_id: str) -> Observed[RolesFound] | TransientError:
        if account_id == self.management.account_id:
            clients = self.management
        else:
            clients = self.own.through(f"arn:aws:iam::{account_id}:role/{self.member_reader_role_name}")
        try:
            found = {name: _read(clients, name) for name in sorted(ROLES)}
        except ServiceAnswerError as error:
            return Unknown(str(error))
        except TransientError as error:
            return error
        return Known({name: role for name, role in found.items() if role is not None})


def _read(clients: Clients, name: str) -> RoleDocument | None:
    try:
        with translated("iam:GetRole", clients.account_id):
            role = clients.iam.get_role(RoleName=name)["Role"]
        inline = {policy: _inline(clients, name, policy) for policy in _names(clients, name)}
        attached = {arn: _attached(clients, arn) for arn in _arns(clients, name)}
    except AbsentError:
        # Also when it was deleted in between: then it is not there.
        return None
    return RoleDocument(
        name=name,
        trust=_document(role["AssumeRolePolicyDocument"]),
        inline=inline,
        attached=attached,
        boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
    )


def _names(clients: Clients, role: str) -> list[str]:
    with translated("iam:ListRolePolicies", clients.account_id):
        pages = clients.iam.get_paginator("list_role_policies").paginate(RoleName=role)
        return [name for page in pages for name in page["PolicyNames"]]


def _inline(clients: Clients, role: str, policy: str) -> Mapping[str, Any]:
    with translated("iam:GetRolePolicy", clients.account_id):
        return _document(clients.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])


def _arns(clients: Clients, role: str) -> list[str]:
    with translated("iam:ListAttachedRolePolicies", clients.account_id):
        pages = clients.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        return [each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]]


def _attached(clients: Clients, arn: str) -> Observed[Mapping[str, Any]] | None:
    """Read the policy's default version; None where it is known by its name."""
    if arn.endswith(NEED_NOT_BE_READ):
        return None
    try:
        with translated("iam:GetPolicy", clients.account_id):
            version = clients.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        with translated("iam:GetPolicyVersion", clients.account_id):
            found = clients.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    except ServiceAnswerError as error:
        return Unknown(str(error))
    return Known(_document(found["Document"]))


def _document(parsed: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the SDK has decoded it already
    """Return a document as the SDK hands it out; what is no object is one that says nothing of a policy."""
    return parsed if isinstance(parsed, dict) else {}
