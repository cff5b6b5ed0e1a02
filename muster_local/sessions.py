"""Whom an access key stands for: sessions of roles, and accounts."""

import threading
from types import SimpleNamespace
from typing import Any

from moto.sts.models import AssumedRole, STSBackend, sts_backends

from muster_local import callers
from muster_local.callers import Caller


class Sessions:
    """Which role or person an access key stands for."""

    def __init__(self) -> None:
        """Start without sessions."""
        self._lock = threading.Lock()
        self._callers: dict[str, Caller] = {}
        self._people: dict[str, Caller] = {}
        self._issued: dict[tuple[str, str], AssumedRole] = {}

    def issue(self, role_arn: str, session_name: str) -> dict[str, str]:
        """Return a session of a role, as Lambda and Step Functions get it from STS, as environment variables."""
        with self._lock:
            if (role_arn, session_name) not in self._issued:
                account = role_arn.split(":")[4]
                self._issued[role_arn, session_name] = sts_backends[account]["aws"].assume_role(
                    region_name="us-east-1",
                    role_session_name=session_name,
                    role_arn=role_arn,
                    policy=None,
                    duration=43_200,
                    external_id=None,
                )
            session = self._issued[role_arn, session_name]
            self._callers[session.access_key_id] = _caller(session)
        return {
            "AWS_ACCESS_KEY_ID": session.access_key_id,
            "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
            "AWS_SESSION_TOKEN": session.session_token,
        }

    def sign_in(self, name: str, account: str) -> str:
        """Return the access key id of a person in an account's role Operator."""
        found = callers.person(name, account)
        with self._lock:
            if found.access_key not in self._people:
                self._people[found.access_key] = found
                sts_backends[account]["aws"].assumed_roles.append(_session(found))
        return found.access_key

    def find(self, access_key: str) -> Caller | None:
        """Return whom a key stands for that came from STS or from signing in, or None."""
        with self._lock:
            known = self._people.get(access_key) or self._callers.get(access_key)
        if known is not None:
            return known
        for backends in list(sts_backends.values()):
            session = backends["aws"].get_assumed_role_from_access_key(access_key)
            if session is not None:
                with self._lock:
                    return self._callers.setdefault(access_key, _caller(session))
        return None

    def survive_reset(self) -> None:
        """Put back what running children and machines hold; what children assumed themselves stays known as well.

        A session is worth what its role allows now: when the role is gone, every call is denied.
        """
        with self._lock:
            for session in self._issued.values():
                sts_backends[session.account_id]["aws"].assumed_roles.append(session)
            for person in self._people.values():
                sts_backends[person.account]["aws"].assumed_roles.append(_session(person))


def _session(person: Caller) -> Any:
    """Return a session such as moto keeps, for GetCallerIdentity."""
    return SimpleNamespace(
        access_key_id=person.access_key, user_id=person.user_id, arn=person.arn, account_id=person.account
    )


def _caller(session: AssumedRole) -> Caller:
    role_id = str(session.user_id).partition(":")[0]
    return Caller(session.account_id, session.access_key_id, session.role_arn, role_id, session.session_name)


def name_accounts_as_their_root() -> None:
    """Let GetCallerIdentity name the account's root for a 12-digit key: moto names a user that does not exist."""
    inner = STSBackend.get_caller_identity
    original = getattr(inner, "wraps", inner)

    def get_caller_identity(self: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
        user_id, arn, account = original(self, access_key_id, region)
        if arn.endswith(":user/moto"):
            return account, f"arn:aws:iam::{account}:root", account
        return user_id, arn, account

    get_caller_identity.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    STSBackend.get_caller_identity = get_caller_identity
