"""Lambda entry point of the MemberRepair state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import MemberRepairRequest, MemberRepairResponse
from muster.settings import MemberRepairSettings
from muster.wiring import build_member_repair, open_gate, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Create the triage role in the next accounts that lack it, or say who has to."""
    request = MemberRepairRequest.model_validate(event)
    settings = MemberRepairSettings.from_environment()
    with open_gate(settings, request) as gate:
        outcome = build_member_repair(settings, request).apply(
            read_desired(settings, request.desired),
            gate,
            run=request.run,
            assessment_key=request.assessment_key,
            cursor=request.cursor,
        )
    metrics.add_metric(name="TriageRolesThere", unit=MetricUnit.Count, value=outcome.repaired)
    return MemberRepairResponse.from_domain(outcome).to_json()
