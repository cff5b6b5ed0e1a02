"""Lambda entry point of the states that acquire and release the lease of writers."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.lease import LeaseRequest, LeaseResponse
from muster.settings import LeaseSettings
from muster.wiring import build_lease

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the lease when it is free, or give it back."""
    request = LeaseRequest.model_validate(event)
    settings = LeaseSettings.from_environment()
    outcome = build_lease(settings).apply(
        request.action,
        request.execution,
        request.at,
        attempt=request.attempt,
        last_attempt=request.last_attempt,
    )
    waits = outcome.waiting_for is not None
    metrics.add_metric(name="WaitsForLease", unit=MetricUnit.Count, value=int(waits))
    return LeaseResponse.from_domain(outcome).to_json()
