"""Security Incident Response, as the membership's own account calls it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, NamedTuple

from muster.adapters.clients import Clients
from muster.adapters.pacing import Pacer
from muster.adapters.translate import translated
from muster.domain.membership import Association, Membership, MembershipSummary
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.responders import IncidentResponder, IncidentResponseTeam
from muster.domain.team import TeamInMembership
from muster.errors import DeniedError, NotYetConsistentError
from muster.ports import MembershipNarrowing, MembershipReader, MembershipWriter, TeamReader, TeamWriter

BATCH = 100
TRIAGE = "Triage"


def list_memberships(clients: Clients, region: str) -> tuple[MembershipSummary, ...]:
    """Read ListMemberships to its end; "not active here" means none. Raises DeniedError, RegionNotEnabledError."""
    try:
        with translated("security-ir:ListMemberships", clients.account_id):
            pages = clients.security_ir(region).get_paginator("list_memberships").paginate()
            found = [item for page in pages for item in page.get("items", [])]
    except NotYetConsistentError:
        return ()
    return tuple(_summary(item, _Asked(clients.account_id, region)) for item in found)


class _Asked(NamedTuple):
    """Who was asked where: the model lets the service leave account, Region and ARN out of its answer."""

    account_id: str
    region: str


def _summary(item: Mapping[str, Any], asked: _Asked) -> MembershipSummary:
    account_id, region = item.get("accountId", asked.account_id), item.get("region", asked.region)
    return MembershipSummary(
        id=item["membershipId"],
        arn=item.get("membershipArn") or f"arn:aws:security-ir:{region}:{account_id}:membership/{item['membershipId']}",
        account_id=account_id,
        region=region,
        status=item.get("membershipStatus", ""),
    )


@dataclass
class Memberships(MembershipReader, MembershipWriter, MembershipNarrowing):
    """Reads and writes the membership in its home Region; looks for others elsewhere.

    GetMembership returns the responders too: they are dropped here.
    """

    clients: Clients
    region: str
    batch_pacer: Pacer = field(default_factory=lambda: Pacer(rate=5, burst=5))

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        """Read ListMemberships."""
        return list_memberships(self.clients, region)

    def membership(self, membership_id: str) -> Membership:
        """Read GetMembership without the responders."""
        with translated("security-ir:GetMembership", self.clients.account_id):
            found = self._here.get_membership(membershipId=membership_id)
        configuration = found.get("membershipAccountsConfigurations", {})
        triage = [item["isEnabled"] for item in found.get("optInFeatures", []) if item["featureName"] == TRIAGE]
        summary = _summary(found, _Asked(self.clients.account_id, self.region))
        return Membership(
            id=summary.id,
            arn=summary.arn,
            account_id=summary.account_id,
            region=summary.region,
            name=found.get("membershipName", ""),
            status=summary.status,
            activated_at=found.get("membershipActivationTimestamp"),
            accounts_covered=found.get("numberOfAccountsCovered"),
            triage_enabled=triage[0] if triage else None,
            covers_entire_organization=bool(configuration.get("coverEntireOrganization")),
            unit_ids=frozenset(configuration.get("organizationalUnits", [])),
        )

    def tags(self, membership_arn: str) -> Mapping[str, str]:
        """Read ListTagsForResource."""
        with translated("security-ir:ListTagsForResource", self.clients.account_id):
            return dict(self._here.list_tags_for_resource(resourceArn=membership_arn)["tags"])

    def associations(self, membership_id: str, account_ids: Sequence[str]) -> Mapping[str, Observed[Association]]:
        """Read BatchGetMemberAccountDetails, 100 accounts a call."""
        found: dict[str, Observed[Association]] = {}
        for batch in batched(account_ids, BATCH, strict=False):
            found |= self._associations_of(membership_id, batch)
        return found

    def _associations_of(self, membership_id: str, batch: tuple[str, ...]) -> dict[str, Observed[Association]]:
        self.batch_pacer.take()
        try:
            with translated("security-ir:BatchGetMemberAccountDetails", self.clients.account_id):
                answer = self._here.batch_get_member_account_details(membershipId=membership_id, accountIds=list(batch))
        except DeniedError as denial:
            return {account_id: Unknown(str(denial)) for account_id in batch}
        found: dict[str, Observed[Association]] = {
            account_id: Unknown("the service answered neither with a result nor with an error") for account_id in batch
        }
        for item in answer.get("items", []):
            if item.get("accountId", "") in found:
                found[item["accountId"]] = _association(item.get("relationshipStatus"))
        for item in answer.get("errors", []):
            if item["accountId"] in found:
                found[item["accountId"]] = Unknown(f"the service answered {item['error']} for this account")
        return found

    def create_membership(
        self,
        *,
        name: str,
        team: IncidentResponseTeam,
        entire_organization: bool,
        triage: bool,
        tags: Mapping[str, str],
        client_token: str,
    ) -> str:
        """Call CreateMembership with every choice explicit."""
        with translated("security-ir:CreateMembership", self.clients.account_id, personal=True):
            created = self._here.create_membership(
                membershipName=name,
                incidentResponseTeam=[_responder(responder) for responder in team],
                coverEntireOrganization=entire_organization,
                optInFeatures=[{"featureName": TRIAGE, "isEnabled": triage}],
                tags=dict(tags),
                clientToken=client_token,
            )
        return str(created["membershipId"])

    def set_settings(self, membership_id: str, *, name: str | None, enable_triage: bool) -> None:
        """Call UpdateMembership with those that are to be set."""
        settings: dict[str, Any] = {} if name is None else {"membershipName": name}
        if enable_triage:
            settings["optInFeatures"] = [{"featureName": TRIAGE, "isEnabled": True}]
        self._update(membershipId=membership_id, **settings)

    def cover_entire_organization(self, membership_id: str) -> None:
        """Call UpdateMembership."""
        self._update(
            membershipId=membership_id, membershipAccountsConfigurationsUpdate={"coverEntireOrganization": True}
        )

    def add_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        """Call UpdateMembership."""
        self._update(
            membershipId=membership_id,
            membershipAccountsConfigurationsUpdate={"organizationalUnitsToAdd": list(unit_ids)},
        )

    def cover_only_units(self, membership_id: str) -> None:
        """Call UpdateMembership."""
        self._update(
            membershipId=membership_id, membershipAccountsConfigurationsUpdate={"coverEntireOrganization": False}
        )

    def remove_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        """Call UpdateMembership."""
        self._update(
            membershipId=membership_id,
            membershipAccountsConfigurationsUpdate={"organizationalUnitsToRemove": list(unit_ids)},
        )

    def disable_triage(self, membership_id: str) -> None:
        """Call UpdateMembership."""
        self._update(membershipId=membership_id, optInFeatures=[{"featureName": TRIAGE, "isEnabled": False}])

    def set_tags(self, membership_arn: str, tags: Mapping[str, str]) -> None:
        """Call TagResource."""
        with translated("security-ir:TagResource", self.clients.account_id):
            self._here.tag_resource(resourceArn=membership_arn, tags=dict(tags))

    def _update(self, **arguments: Any) -> None:  # noqa: ANN401 - the client's own keyword arguments
        with translated("security-ir:UpdateMembership", self.clients.account_id):
            self._here.update_membership(**arguments)

    @property
    def _here(self) -> Any:  # noqa: ANN401 - the stubs lag behind the SDK's newest members
        return self.clients.security_ir(self.region)


@dataclass
class TeamOfMembership(TeamReader, TeamWriter):
    """Reads and replaces the responders in the membership; nothing else here keeps them."""

    clients: Clients
    region: str

    def team_in(self, membership_id: str) -> TeamInMembership:
        """Read GetMembership and keep the responders alone."""
        with translated("security-ir:GetMembership", self.clients.account_id, personal=True):
            found = self._here.get_membership(membershipId=membership_id)
        people = found.get("incidentResponseTeam")
        whole = people and all(person.get(key) for person in people for key in ("name", "jobTitle", "email"))
        return TeamInMembership(
            status=found.get("membershipStatus", ""),
            team=(
                Known(tuple(map(_responder_from, people)))
                if whole
                else Unknown("the service's answer lacks the team or a part of it")
            ),
        )

    def replace_team(self, membership_id: str, team: IncidentResponseTeam) -> None:
        """Call UpdateMembership with the whole list."""
        with translated("security-ir:UpdateMembership", self.clients.account_id, personal=True):
            self._here.update_membership(
                membershipId=membership_id, incidentResponseTeam=[_responder(responder) for responder in team]
            )

    @property
    def _here(self) -> Any:  # noqa: ANN401 - the stubs lag behind the SDK's newest members
        return self.clients.security_ir(self.region)


def _association(word: str | None) -> Observed[Association]:
    try:
        return Known(Association(word or ""))
    except ValueError:
        return Unknown(f"the service answered a relationship that is not documented: {word}")


def _responder(responder: IncidentResponder) -> dict[str, Any]:
    item: dict[str, Any] = {"name": responder.name, "jobTitle": responder.job_title, "email": responder.email}
    if responder.preferences is not None:
        item["communicationPreferences"] = sorted(responder.preferences)
    return item


def _responder_from(item: Mapping[str, Any]) -> IncidentResponder:
    preferences = item.get("communicationPreferences")
    return IncidentResponder(
        name=item["name"],
        job_title=item["jobTitle"],
        email=item["email"],
        preferences=None if preferences is None else frozenset(preferences),
    )
