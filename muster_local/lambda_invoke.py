"""Lambda's Invoke, which runs the function where moto without containers echoes the payload."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.core.exceptions import ServiceException

from muster_local.lambda_host import LambdaHost


class TooManyRequestsError(ServiceException):
    """All places of a function are taken."""

    code = "TooManyRequestsException"
    message = "Rate Exceeded."


def run_functions_in_the_lambda_host(host: Callable[[], LambdaHost | None]) -> None:
    """Let Lambda's Invoke run functions in the present host."""
    default_user_config["lambda"] = {"use_docker": False}

    def invoke(  # noqa: PLR0917 - moto's own signature
        self: LambdaSimpleBackend,
        function_name: str,
        qualifier: str | None,
        body: bytes | str,
        headers: Mapping[str, str],
        response_headers: dict[str, Any],
    ) -> bytes:
        function = self.get_function(function_name, qualifier)
        functions = host()
        payload = body.encode() if isinstance(body, str) else body
        if functions is None or not functions.knows(function.function_arn):
            raise NotImplementedError("the function was not deployed from a template")
        answer = functions.invoke(function.function_arn, payload or b"{}", headers.get("X-Amz-Client-Context"))
        if answer is None:
            raise TooManyRequestsError
        response_headers["x-amz-executed-version"] = "$LATEST"
        if answer.error is not None:
            response_headers["x-amz-function-error"] = answer.error
        return answer.payload

    LambdaSimpleBackend.invoke = invoke
