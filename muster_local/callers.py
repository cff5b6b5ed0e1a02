"""Who makes a call: an account's root, a session of a role, or a person in the role Operator."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OPERATOR = "Operator"
OPERATOR_ID = "AROAEXAMPLEOPERATOR0"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever an access key stands for; without a session it is the account's root."""

    account: str
    access_key: str
    role_arn: str | None = None
    role_id: str = ""
    session_name: str = ""
    is_person: bool = False

    @property
    def application_role(self) -> str | None:
        """The role whose policies bind the caller and whose calls are recorded: none for accounts and people."""
        return None if self.is_person else self.role_arn

    @property
    def user_name(self) -> str:
        """What a look-up in the event history calls the caller."""
        return "root" if self.role_arn is None else self.session_name

    @property
    def arn(self) -> str:
        """The ARN that GetCallerIdentity tells."""
        if self.role_arn is None:
            return f"arn:aws:iam::{self.account}:root"
        return f"arn:aws:sts::{self.account}:assumed-role/{self._role_name}/{self.session_name}"

    @property
    def user_id(self) -> str:
        """The unique id that GetCallerIdentity tells."""
        return self.account if self.role_arn is None else f"{self.role_id}:{self.session_name}"

    def identity(self, since: datetime) -> dict[str, Any]:
        """Return the ``userIdentity`` of a record; the session is said to have begun at a time."""
        known = {"arn": self.arn, "accountId": self.account, "accessKeyId": self.access_key}
        if self.role_arn is None:
            return {"type": "Root", "principalId": self.account, **known}
        return {
            "type": "AssumedRole",
            "principalId": self.user_id,
            **known,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": self.role_id,
                    "arn": self.role_arn,
                    "accountId": self.account,
                    "userName": self._role_name,
                },
                "attributes": {"creationDate": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "mfaAuthenticated": "false"},
            },
        }

    @property
    def _role_name(self) -> str:
        return str(self.role_arn).rpartition("/")[2]


def person(name: str, account: str) -> Caller:
    """Return somebody who has assumed the role Operator of an account; the key is always the same."""
    digest = hashlib.sha256(f"{account}:{name}".encode()).digest()
    key = f"ASIA{base64.b32encode(digest).decode()[:16]}"
    return Caller(account, key, f"arn:aws:iam::{account}:role/{OPERATOR}", OPERATOR_ID, name, is_person=True)
