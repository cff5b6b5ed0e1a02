"""IAM: the policies that AWS manages, from the copy of them that comes with moto.

moto loads all of them into every account, or none. Here an account has one as soon as somebody names it, and
`ListPolicies` lists no others.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from moto.core.serialize import url_encode
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.iam.responses import IamResponse

_BY_AWS = "arn:aws:iam::aws:policy/"
_DOCUMENT = "GetPolicyVersionResponse.PolicyVersion.Document"

unpatched: Mapping[str, Callable[..., Any]] = {
    name: getattr(IAMBackend, name)
    for name in ("attach_group_policy", "attach_role_policy", "attach_user_policy", "get_policy")
}
unpatched_transformers: Mapping[str, Any] = dict(IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER)


def know_the_policies_of_aws() -> None:
    """Let policies of AWS be read and attached, with their real documents."""
    for name in unpatched:
        setattr(IAMBackend, name, _knowing(unpatched[name]))


def attach_a_policy_once() -> None:
    """Let it change nothing to attach a policy again to a role: moto counts it twice."""
    inner = IAMBackend.attach_role_policy
    original = getattr(inner, "wraps", inner)

    def attach_role_policy(backend: Any, policy_arn: str, role_name: str) -> None:
        if policy_arn not in backend.get_role(role_name).managed_policies:
            original(backend, policy_arn, role_name)

    attach_role_policy.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    IAMBackend.attach_role_policy = attach_role_policy


def encode_documents_of_policy_versions() -> None:
    """Return the document of a policy's version URL-encoded, as every other document."""
    IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {**unpatched_transformers, _DOCUMENT: url_encode}


def is_by_aws(policy: Any) -> bool:
    """Tell whether AWS manages a policy."""
    return isinstance(policy, AWSManagedPolicy)


def _knowing(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(backend: Any, policy_arn: str, *rest: Any, **named: Any) -> Any:
        if policy_arn not in backend.managed_policies and (data := _published().get(policy_arn)) is not None:
            policy = AWSManagedPolicy.from_data(
                policy_arn.rpartition("/")[2], backend.account_id, backend.region_name, data
            )
            backend.managed_policies[policy_arn] = policy
        return method(backend, policy_arn, *rest, **named)

    return call


@cache
def _published() -> Mapping[str, Mapping[str, Any]]:
    policies: Mapping[str, Mapping[str, Any]] = json.loads(aws_managed_policies_data)
    return {f"{_BY_AWS}{data['Path'].removeprefix('/')}{name}": data for name, data in policies.items()}
