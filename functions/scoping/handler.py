"""Lambda entry point of the Scoping state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import ScopingRequest, ScopingResponse
from muster.settings import ScopingSettings
from muster.wiring import build_scoping, open_gate, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send the next units that the membership lacks, and say how many remain."""
    request = ScopingRequest.model_validate(event)
    settings = ScopingSettings.from_environment()
    with open_gate(settings, request) as gate:
        outcome = build_scoping(settings, request).apply(
            read_desired(settings, request.desired),
            gate,
            run=request.run,
            membership_id=request.membership_id,
            cursor=request.cursor,
        )
    metrics.add_metric(name="UnitsRemaining", unit=MetricUnit.Count, value=outcome.remaining)
    return ScopingResponse.from_domain(outcome).to_json()
