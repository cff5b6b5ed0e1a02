"""Signatures: an access key id of twelve digits acts as that account, and an assumed role as its own.

moto knows only key ids of twenty letters and digits, and takes every unknown one for its default account.
"""

import re
from collections.abc import Callable
from typing import Any

import moto.iam.models
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import BaseResponse
from moto.iam.models import iam_backends

from muster_local.organization_tree import PARTITION

_ACCESS_KEY = re.compile(r"AWS.*?(?P<access_key>(?<![A-Z0-9])(?:[A-Z0-9]{20}|[0-9]{12})(?![A-Z0-9]))[:/]")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")

unpatched_access_key_regex: re.Pattern[str] = BaseResponse.access_key_regex
unpatched_get_account_id_from: Callable[[str], str] = moto.iam.models.get_account_id_from


def let_an_account_id_be_an_access_key() -> None:
    """Accept an account id where a signature has its access key id."""
    BaseResponse.access_key_regex = _ACCESS_KEY
    moto.iam.models.get_account_id_from = account_of


def account_of(access_key: str) -> str:
    """Return the account that a key belongs to; moto's default account when it is nobody's.

    Looks only at accounts that exist: moto's own search makes five IAM backends for each account it meets.
    """
    if _ACCOUNT_ID.fullmatch(access_key):
        return access_key
    backends: list[tuple[str, dict[str, Any]]] = list(iam_backends.items())
    for account_id, partitions in backends:
        backend = partitions.get(PARTITION)
        if backend is not None and access_key in backend.access_keys:
            return account_id
    return str(DEFAULT_ACCOUNT_ID)
