"""Lambda entry point of the SignUp state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import SignUpRequest, SignUpResponse
from muster.settings import SignUpSettings
from muster.wiring import build_sign_up, open_gate, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring the membership into being, or adopt it, and say what changed."""
    request = SignUpRequest.model_validate(event)
    settings = SignUpSettings.from_environment()
    with open_gate(settings, request) as gate:
        outcome = build_sign_up(settings, request).apply(
            read_desired(settings, request.desired),
            gate,
            attempt=request.attempt,
            last_attempt=request.last_attempt,
            accept_unknown=request.accept_unknown,
            known=request.membership_id,
        )
    metrics.add_metric(name="SignUpChanges", unit=MetricUnit.Count, value=len(outcome.changes))
    return SignUpResponse.from_domain(outcome).to_json()
