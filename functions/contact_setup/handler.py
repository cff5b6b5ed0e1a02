"""Lambda entry point of the ContactSetup state."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from muster.messages.steps import ContactSetupRequest, ContactSetupResponse
from muster.settings import ContactSetupSettings
from muster.wiring import build_contact_setup, open_gate

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring the membership's team to what is desired without removing anybody, and say what changed."""
    request = ContactSetupRequest.model_validate(event)
    settings = ContactSetupSettings.from_environment()
    with open_gate(settings, request) as gate:
        outcome = build_contact_setup(settings, request).apply(gate, membership_id=request.membership_id)
    metrics.add_metric(name="TeamChanges", unit=MetricUnit.Count, value=len(outcome.changes))
    return ContactSetupResponse.from_domain(outcome).to_json()
