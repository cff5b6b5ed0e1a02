"""Systems Manager: Parameter Store refuses values over 4 KB, and over 8 KB in the Advanced tier. moto takes any."""

from collections.abc import Callable
from typing import Any

from moto.ssm.exceptions import ValidationException
from moto.ssm.models import SimpleSystemManagerBackend

STANDARD_BYTES = 4096
ADVANCED_BYTES = 8192
_TIERS_WITH_ADVANCED_SIZE = ("Advanced", "Intelligent-Tiering")

unpatched_put_parameter: Callable[..., Any] = SimpleSystemManagerBackend.put_parameter


def limit_parameter_sizes() -> None:
    """Refuse what Parameter Store refuses, counted in bytes."""
    SimpleSystemManagerBackend.put_parameter = _put_parameter


def _put_parameter(
    backend: SimpleSystemManagerBackend, name: str, description: str, value: str, *rest: Any, **named: Any
) -> Any:
    size = len((value or "").encode())
    versions = backend._parameters.get(name, ())
    tier = named.get("tier") or (versions[-1].tier if versions else None)
    if size > ADVANCED_BYTES and tier in _TIERS_WITH_ADVANCED_SIZE:
        raise ValidationException(
            f"Advanced tier parameters support a maximum parameter value of {ADVANCED_BYTES} characters."
        )
    if size > STANDARD_BYTES and tier not in _TIERS_WITH_ADVANCED_SIZE:
        raise ValidationException(
            f"Standard tier parameters support a maximum parameter value of {STANDARD_BYTES} characters. To create a"
            " larger parameter value, upgrade the parameter to use the advanced-parameter tier."
        )
    return unpatched_put_parameter(backend, name, description, value, *rest, **named)
