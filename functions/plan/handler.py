"""Lambda entry point of the Plan state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import PlanRequest, PlanResponse
from muster.settings import PlanSettings
from muster.wiring import build_planning, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make one plan of what the steps proposed, and say what becomes of it now."""
    request = PlanRequest.model_validate(event)
    settings = PlanSettings.from_environment()
    outcome = build_planning(settings).apply(
        read_desired(settings, request.desired),
        desired_version=request.desired.version,
        run=request.run,
        number=request.round,
        at=request.at,
        membership_id=request.membership_id,
        assessment_key=request.assessment_key,
        applies=request.applies,
        pinned=request.plan,
        approved=request.approved,
        handoffs=request.handoffs,
    )
    metrics.add_metric(name="OpenRemediations", unit=MetricUnit.Count, value=outcome.open)
    return PlanResponse.from_outcome(outcome).to_json()
