"""Organizations: the inventory, the tree, and who is trusted and delegated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from muster.adapters.clients import Clients
from muster.adapters.pacing import Pacer
from muster.adapters.translate import translated
from muster.domain.membership import SERVICE_PRINCIPAL
from muster.domain.organization import Account, AccountState, OrganizationalUnit, OrganizationSummary
from muster.errors import DeniedError
from muster.ports import AccountPage, AccountReader, DelegationReader, InventoryReader

PAGE_SIZE = 20


@dataclass
class Organizations(DelegationReader, InventoryReader, AccountReader):
    """Reads Organizations as one identity."""

    clients: Clients
    accounts_pacer: Pacer = field(default_factory=lambda: Pacer(rate=8, burst=12))
    children_pacer: Pacer = field(default_factory=lambda: Pacer(rate=5, burst=8))
    unit_pacer: Pacer = field(default_factory=lambda: Pacer(rate=2, burst=2))

    def organization(self) -> OrganizationSummary:
        """Read DescribeOrganization."""
        with translated("organizations:DescribeOrganization", self.clients.account_id):
            found = self.clients.organizations.describe_organization()["Organization"]
        return OrganizationSummary(
            id=found["Id"],
            management_account_id=found["MasterAccountId"],
            has_all_features=found["FeatureSet"] == "ALL",
        )

    def trusted_services(self) -> frozenset[str]:
        """Read ListAWSServiceAccessForOrganization to its end."""
        return frozenset(
            str(item["ServicePrincipal"])
            for item in self._every("list_aws_service_access_for_organization", "EnabledServicePrincipals")
        )

    def delegated_administrators(self) -> frozenset[str]:
        """Read ListDelegatedAdministrators of Security Incident Response to its end."""
        found = self._every(
            "list_delegated_administrators", "DelegatedAdministrators", ServicePrincipal=SERVICE_PRINCIPAL
        )
        return frozenset(str(item["Id"]) for item in found)

    def account(self, account_id: str) -> Account:
        """Read DescribeAccount."""
        with translated("organizations:DescribeAccount", self.clients.account_id):
            found = self.clients.organizations.describe_account(AccountId=account_id)["Account"]
        return _account(found)

    def root_id(self) -> str:
        """Read ListRoots; an organization has one root."""
        return str(self._every("list_roots", "Roots")[0]["Id"])

    def child_units(self, parent_id: str) -> tuple[OrganizationalUnit, ...]:
        """Read ListOrganizationalUnitsForParent to its end."""
        found = self._every(
            "list_organizational_units_for_parent",
            "OrganizationalUnits",
            pace=self.children_pacer.take,
            ParentId=parent_id,
        )
        return tuple(_unit(item) for item in found)

    def unit(self, unit_id: str) -> OrganizationalUnit:
        """Read DescribeOrganizationalUnit."""
        self.unit_pacer.take()
        with translated("organizations:DescribeOrganizationalUnit", self.clients.account_id):
            found = self.clients.organizations.describe_organizational_unit(OrganizationalUnitId=unit_id)
        return _unit(found["OrganizationalUnit"])

    def account_page(self, token: str | None) -> AccountPage:
        """Read one page of ListAccounts."""
        self.accounts_pacer.take()
        with translated("organizations:ListAccounts", self.clients.account_id):
            more = {"NextToken": token} if token else {}
            page = self.clients.organizations.list_accounts(MaxResults=PAGE_SIZE, **more)
        return AccountPage(tuple(_account(item) for item in page["Accounts"]), page.get("NextToken"))

    def _every(
        self, method: str, member: str, pace: Callable[[], None] = lambda: None, **arguments: str
    ) -> list[dict[str, Any]]:
        client = self.clients.organizations
        operation = client.meta.method_to_api_mapping[method]
        found: list[dict[str, Any]] = []
        # The SDK's paginators follow empty pages with a token; the pace is kept page by page.
        pages = client.get_paginator(method).paginate(**arguments)  # type: ignore[call-overload]
        with translated(f"organizations:{operation}", self.clients.account_id):
            pace()
            for page in pages:
                found += page[member]
                if page.get("NextToken"):
                    pace()
        return found


@dataclass
class DelegationFromEither(DelegationReader):
    """Reads in the application's own account where that is allowed (delegated administrator), else through the reader.

    It spares the management account's request rate, and works without a reader once the administrator is registered.
    """

    own: DelegationReader
    management: DelegationReader

    def organization(self) -> OrganizationSummary:
        """Any account may ask."""
        return self.own.organization()

    def trusted_services(self) -> frozenset[str]:
        """Read where it is allowed."""
        try:
            return self.own.trusted_services()
        except DeniedError:
            return self.management.trusted_services()

    def delegated_administrators(self) -> frozenset[str]:
        """Read where it is allowed."""
        try:
            return self.own.delegated_administrators()
        except DeniedError:
            return self.management.delegated_administrators()


@dataclass(frozen=True)
class AccountFromEither(AccountReader):
    """Reads in the application's own account where that is allowed, else through the reader."""

    own: AccountReader
    management: AccountReader

    def account(self, account_id: str) -> Account:
        """Read where it is allowed."""
        try:
            return self.own.account(account_id)
        except DeniedError:
            return self.management.account(account_id)


def _account(item: Mapping[str, Any]) -> Account:
    """Keep what decisions need; the e-mail address goes no further than here."""
    return Account(
        id=item["Id"],
        name=item.get("Name", ""),
        state=_state(item.get("State") or item.get("Status")),
        ancestors=_ancestors(item.get("Paths") or [], item["Id"]),
        joined_at=item.get("JoinedTimestamp"),
    )


def _state(word: str | None) -> AccountState:
    """Keep one account's new state from ending the run for all the others."""
    return AccountState(word) if word and word in AccountState else AccountState.UNDOCUMENTED


def _ancestors(paths: list[str], account_id: str) -> tuple[str, ...] | None:
    """Take "o-…/r-…/ou-…/ACCOUNT/" apart; anything but one such path is no path that was read."""
    if len(paths) != 1:
        return None
    organization, *ancestors, last = paths[0].strip("/").split("/")
    return tuple(ancestors) if organization.startswith("o-") and ancestors and last == account_id else None


def _unit(item: Mapping[str, Any]) -> OrganizationalUnit:
    """Take "o-…/r-…/ou-…/" apart; the unit's own id is last."""
    return OrganizationalUnit(item["Id"], item["Name"], tuple(item["Path"].strip("/").split("/")[1:-1]))
