"""Lambda entry point of the Assess state."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import AssessRequest, AssessResponse
from muster.settings import AssessSettings
from muster.wiring import build_assess, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Read the next slice of the organization; after the last one, decide the coverage of every account."""
    request = AssessRequest.model_validate(event)
    settings = AssessSettings.from_environment()
    outcome = build_assess(settings).apply(
        read_desired(settings, request.desired),
        run=request.run,
        membership_id=request.membership_id,
        at=request.at,
        number=request.number,
        cursor=request.cursor,
        changed_at=request.changed_at,
        settle=timedelta(seconds=request.settle_seconds),
    )
    metrics.add_metric(name="AccountsThatNeedAPerson", unit=MetricUnit.Count, value=outcome.needs_person)
    return AssessResponse.from_domain(outcome).to_json()
