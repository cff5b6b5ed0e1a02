"""The checks from a laptop, with two read-only profiles, before anything is deployed.

The one module of the console that uses the application's wiring: the checks have to be the very same (docs/adr/0008).
"""

from collections.abc import Sequence

import boto3
from botocore.config import Config

from muster.errors import TransientError
from muster.messages.desired_state import ParsedDesiredState
from muster.messages.preflight import PreflightResult
from muster.wiring import LocalIdentity, build_local_preflight
from muster_console.aws import Connection
from muster_console.errors import ConsoleError, ExitCode


def look(
    parsed: ParsedDesiredState, connection: Connection, management_profile: str, accept_unknown: Sequence[str]
) -> PreflightResult:
    """Make every check with the operator's own credentials; nothing is written anywhere.

    Raises ConsoleError when the credentials are of another account than the membership's.
    """
    membership = parsed.desired.membership
    own = _identity(connection.profile, membership.region, connection.endpoint_url)
    if own.account_id != membership.account_id:
        raise ConsoleError(
            f"{own.name} is of account {own.account_id}, but the membership is to be in {membership.account_id}.",
            "Name a profile of that account: `muster --profile NAME preflight …`.",
            ExitCode.UNUSABLE,
        )
    management = _identity(management_profile, membership.region, connection.endpoint_url)
    step = build_local_preflight(own, management, membership.region, people=len(parsed.team))
    try:
        outcome = step.apply(parsed.desired, run="local", accept_unknown=accept_unknown, stops=False)
    except TransientError as error:
        raise ConsoleError(f"AWS gave no answer: {error}.", "Try again.") from error
    return PreflightResult.model_validate(outcome)


def _identity(profile: str | None, region: str, endpoint_url: str | None) -> LocalIdentity:
    session = boto3.Session(profile_name=profile, region_name=region)
    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})
    account_id = session.client("sts", endpoint_url=endpoint_url, config=config).get_caller_identity()["Account"]
    name = f"profile {profile}" if profile else "the default profile"
    return LocalIdentity(session, account_id, name, endpoint_url)
