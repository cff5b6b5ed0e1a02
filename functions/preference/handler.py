"""Lambda entry point of the state that attests the containment preference."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.preference import AttestRequest, AttestResponse
from muster.settings import PreferenceSettings
from muster.wiring import build_preference

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record what an execution attests, with who AWS says has started it."""
    request = AttestRequest.model_validate(event)
    step = build_preference(PreferenceSettings.from_environment())
    return AttestResponse.from_domain(step.attest(request.execution, last_attempt=request.last_attempt)).to_json()
