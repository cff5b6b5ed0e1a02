from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from muster.adapters.clients import Clients
from muster.adapters.organizations import Organizations
from muster.domain.organization import AccountState


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ({"State": "SUSPENDED", "Status": "ACTIVE"}, AccountState.SUSPENDED),
        ({"Status": "ACTIVE"}, AccountState.ACTIVE),
        ({"State": "HIBERNATING"}, AccountState.UNDOCUMENTED),
        ({}, AccountState.UNDOCUMENTED),
    ],
)
def test_state_of_one_account_never_ends_the_reading_of_the_others(words: dict[str, str], state: AccountState) -> None:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    clients = Clients(session, "222222222222")
    accounts: list[dict[str, Any]] = [
        {"Id": "300000000001", "Name": "Odd", **words},
        {"Id": "300000000002", "Name": "Plain", "State": "ACTIVE"},
    ]
    with Stubber(clients.organizations) as service:
        service.add_response("list_accounts", {"Accounts": accounts}, {"MaxResults": 20})
        page = Organizations(clients).account_page(None)

    assert [account.state for account in page.accounts] == [state, AccountState.ACTIVE]
