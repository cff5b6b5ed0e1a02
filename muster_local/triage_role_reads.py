"""IAM: a role that the service has had time to make is there when somebody looks, though nobody asked the service."""

from collections.abc import Callable
from typing import Any

from moto.iam.responses import IamResponse

from muster_local.coverage import settle
from muster_local.simulation import current

unpatched_call_action: Callable[..., Any] = IamResponse.call_action


def settle_before_iam_answers() -> None:
    """Let Security Incident Response catch up before every call to IAM."""

    def call_action(response: IamResponse) -> Any:
        world = current()
        with world.lock:
            settle(world)
        return unpatched_call_action(response)

    IamResponse.call_action = call_action
