"""Whom an access key stands for: sessions of roles, and accounts."""

import threading
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, STSBackend, sts_backends


class Sessions:
    """Which role an access key stands for."""

    def __init__(self) -> None:
        """Start without sessions."""
        self._lock = threading.Lock()
        self._roles: dict[str, tuple[str, str]] = {}
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
            self._roles[session.access_key_id] = (session.account_id, role_arn)
        return {
            "AWS_ACCESS_KEY_ID": session.access_key_id,
            "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
            "AWS_SESSION_TOKEN": session.session_token,
        }

    def find(self, access_key: str) -> tuple[str, str] | None:
        """Return (account, role ARN) of a key that came from STS, or None."""
        with self._lock:
            if access_key in self._roles:
                return self._roles[access_key]
        for account, backends in list(iam_backends.items()):
            key = backends["aws"].access_keys.get(access_key)
            if key is not None and key.role_arn:
                with self._lock:
                    self._roles[access_key] = (account, key.role_arn)
                return account, str(key.role_arn)
        return None

    def survive_reset(self) -> None:
        """Put back what running children and machines hold; what children assumed themselves stays known as well.

        A session is worth what its role allows now: when the role is gone, every call is denied.
        """
        with self._lock:
            for session in self._issued.values():
                sts_backends[session.account_id]["aws"].assumed_roles.append(session)


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
