"""Lambda entry point of the Preflight state, and of `muster preflight`."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import PreflightRequest, PreflightResponse
from muster.settings import PreflightSettings
from muster.wiring import build_preflight, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check what must be so before anything is written; stop a run where it is not."""
    request = PreflightRequest.model_validate(event)
    settings = PreflightSettings.from_environment()
    outcome = build_preflight(settings).apply(
        read_desired(settings, request.desired),
        run=request.run,
        accept_unknown=request.accept_unknown,
        stops=request.stops,
    )
    metrics.add_metric(name="PreflightNotices", unit=MetricUnit.Count, value=len(outcome.notices))
    return PreflightResponse.from_domain(outcome).to_json()
