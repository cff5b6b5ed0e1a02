"""Lambda entry point of the Containment state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import ContainmentRequest, ContainmentResponse
from muster.settings import ContainmentSettings
from muster.wiring import build_containment, open_gate, read_desired

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring the StackSet of the containment roles one write nearer, and say what each account has of them."""
    request = ContainmentRequest.model_validate(event)
    settings = ContainmentSettings.from_environment()
    desired = read_desired(settings, request.desired)
    with open_gate(settings, request) as gate:
        outcome = build_containment(settings, request, ec2_triage=desired.containment.ec2_triage).apply(
            desired,
            gate,
            run=request.run,
            at=request.at,
            assessment_key=request.assessment_key,
            last_attempt=request.last_attempt,
            suspects=frozenset(request.suspects),
        )
    metrics.add_metric(name="ContainmentChanges", unit=MetricUnit.Count, value=len(outcome.changes))
    return ContainmentResponse.from_domain(outcome).to_json()
