"""What takes protection away says so and nothing else: no other setting travels with it."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from muster.adapters.clients import Clients
from muster.adapters.membership import Memberships
from muster.errors import AbsentError, DeniedError, NotYetConsistentError, RefusedError

NARROWINGS: list[tuple[Callable[[Memberships], None], dict[str, Any]]] = [
    (
        lambda memberships: memberships.cover_only_units("m-0123456789ab"),
        {"membershipAccountsConfigurationsUpdate": {"coverEntireOrganization": False}},
    ),
    (
        lambda memberships: memberships.remove_units("m-0123456789ab", ("ou-ex01-sandbox0", "ou-ex01-workload")),
        {
            "membershipAccountsConfigurationsUpdate": {
                "organizationalUnitsToRemove": ["ou-ex01-sandbox0", "ou-ex01-workload"]
            }
        },
    ),
    (
        lambda memberships: memberships.disable_triage("m-0123456789ab"),
        {"optInFeatures": [{"featureName": "Triage", "isEnabled": False}]},
    ),
]


@pytest.fixture
def memberships() -> Memberships:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    return Memberships(Clients(session, "222222222222"), "eu-west-1")


@pytest.mark.parametrize(("narrow", "sent"), NARROWINGS, ids=["flag", "units", "triage"])
def test_one_call_has_the_one_thing_that_is_taken_away(
    memberships: Memberships, narrow: Callable[[Memberships], None], sent: dict[str, Any]
) -> None:
    with Stubber(memberships.clients.security_ir("eu-west-1")) as service:
        service.add_response("update_membership", {}, {"membershipId": "m-0123456789ab", **sent})

        narrow(memberships)

        service.assert_no_pending_responses()


@pytest.mark.parametrize(("narrow", "sent"), NARROWINGS, ids=["flag", "units", "triage"])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", DeniedError),
        ("ValidationException", RefusedError),
        ("ResourceNotFoundException", AbsentError),
        ("SecurityIncidentResponseNotActiveException", NotYetConsistentError),
    ],
)
def test_refusal_is_the_error_that_the_port_promises(
    memberships: Memberships,
    narrow: Callable[[Memberships], None],
    sent: dict[str, Any],
    code: str,
    error: type[Exception],
) -> None:
    with Stubber(memberships.clients.security_ir("eu-west-1")) as service:
        service.add_client_error("update_membership", code, http_status_code=400, expected_params=None)

        with pytest.raises(error):
            narrow(memberships)

    assert sent
