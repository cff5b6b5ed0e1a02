"""Lambda entry point of the Report state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import ReportRequest, ReportResponse
from muster.settings import ReportSettings
from muster.wiring import build_report, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the run's report, and say what is new enough to be sent to people."""
    request = ReportRequest.model_validate(event)
    settings = ReportSettings.from_environment()
    outcome = build_report(settings).apply(
        read_desired(settings, request.desired),
        run=request.run,
        at=request.at,
        membership_id=request.membership_id,
        changes=request.changes,
        handoffs=request.handoffs,
        notices=request.notices,
        assessment_key=request.assessment_key,
        containment_key=request.containment_key,
        settled=request.settled,
    )
    metrics.add_metric(name="MessagesToPeople", unit=MetricUnit.Count, value=int(outcome.message is not None))
    return ReportResponse.from_domain(outcome).to_json()
