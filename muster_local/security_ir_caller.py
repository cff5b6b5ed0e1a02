"""Who asks `security-ir`: an account in a Region, what concerns it, and what it has asked before."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from muster_local.coverage import SERVICE_PRINCIPAL
from muster_local.memberships import Membership
from muster_local.security_ir_answers import Request, SecurityIncidentResponseError, not_active
from muster_local.simulation import World


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that calls the service in a Region; what the service keeps is the organization's, in the world."""

    world: World
    account_id: str
    region: str

    def may_create(self) -> bool:
        """Whether this account may own the membership: the delegated administrator, or management when there is none.

        Trusted access and registration may take some seconds to be seen here.
        """
        world, tree = self.world, self.world.tree
        if not _is_seen(world, tree.service_access_since.get(SERVICE_PRINCIPAL)):
            return False
        administrator = tree.administrator(SERVICE_PRINCIPAL)
        if administrator is None:
            return self.account_id == tree.management_account_id
        registered_at = tree.administrators_since.get((administrator, SERVICE_PRINCIPAL))
        return self.account_id == administrator and _is_seen(world, registered_at)

    def is_concerned(self, membership: Membership) -> bool:
        """Tell whether a membership is this account's, or this account the delegated administrator."""
        return self.account_id in {membership.account_id, self.world.tree.administrator(SERVICE_PRINCIPAL)}

    def is_entitled(self) -> bool:
        """Tell whether any membership concerns this account."""
        return any(self.is_concerned(membership) for membership in self.world.memberships)

    def need_active_membership(self) -> None:
        """Raise unless an Active membership of this Region concerns this account."""
        membership = active_membership(self.world)
        if membership is None or membership.region != self.region or not self.is_concerned(membership):
            raise not_active()

    def repeated(self, operation: str, request: Request) -> str | None:
        """Return what an earlier call with this token made; refuse the token if its parameters were others."""
        token = request.get("clientToken")
        known = self.world.client_tokens.get((self.account_id, self.region, operation, token or ""))
        if token is None or known is None:
            return None
        fingerprint, made = known
        if fingerprint != _fingerprint(request):
            raise SecurityIncidentResponseError(
                "ConflictException",
                "The client token was used with other parameters.",
                resourceId=made,
                resourceType="clientToken",
            )
        return made

    def remember(self, operation: str, request: Request, made: str) -> None:
        """Keep what a call with a client token made."""
        if token := request.get("clientToken"):
            key = (self.account_id, self.region, operation, token)
            self.world.client_tokens[key] = (_fingerprint(request), made)


def active_membership(world: World) -> Membership | None:
    """Return the organization's Active membership, of which there is one at most."""
    return next((membership for membership in world.memberships if membership.is_active), None)


def _is_seen(world: World, since: datetime | None) -> bool:
    if since is None:
        return False
    delayed = world.switches.get("registration_consistency") == "delayed"
    return not delayed or since + world.delays.registration <= world.clock.now()


def _fingerprint(request: Request) -> str:
    return digest(json.dumps(request, sort_keys=True))


def digest(*parts: object) -> str:
    """Return a name that the same parts always have."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
