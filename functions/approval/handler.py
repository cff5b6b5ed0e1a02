"""Lambda entry point of everything that happens to an approval."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.approval import parse_approval, respond
from muster.settings import ApprovalSettings
from muster.wiring import build_approval

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Ask people, keep the token of the machine, and take answers from whom AWS says they are."""
    return respond(build_approval(ApprovalSettings.from_environment()).apply(parse_approval(event)))
