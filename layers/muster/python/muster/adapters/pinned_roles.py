"""The two containment roles as the packaged template has them, for one account.

The template is the only place where they are written down. What CloudFormation would make of it is worked out here, as
far as that template needs it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from muster.adapters.stack_sets import read_template
from muster.domain.containment_roles import PinnedRoles, RoleSpecification
from muster.domain.stack_sets import EC2_TRIAGE

_ROLE = "AWS::IAM::Role"
_ACCOUNT = "${AWS::AccountId}"
"""Stands for the account in what was worked out once for all of them."""
_PARTITION = "aws"
_NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


class PinnedTemplateError(ValueError):
    """The template has something that is not worked out here; ``what`` says it."""

    def __init__(self, what: str) -> None:
        """Say what it is, and where to teach it."""
        super().__init__(f"containment-roles.yaml: {what}; teach it to adapters/pinned_roles.py, or write it out")
        self.what = what


def read_pinned_roles(account_id: str, *, ec2_triage: bool) -> PinnedRoles:
    """Return both roles as the packaged template makes them in the account. Raise PinnedTemplateError."""
    return evaluate_roles(read_template(), account_id, ec2_triage=ec2_triage)


def evaluate_roles(template: str, account_id: str, *, ec2_triage: bool) -> PinnedRoles:
    """Return the roles of a template by their names. The template is read once, however many accounts ask."""
    return {
        role.name: RoleSpecification(
            name=role.name,
            trust=_for_account(role.trust, account_id),
            inline=_for_account(role.inline, account_id),
            attached=frozenset(_for_account(arn, account_id) for arn in role.attached),
        )
        for role in _evaluate(template, ec2_triage=ec2_triage)
    }


def _for_account(node: Any, account_id: str) -> Any:  # noqa: ANN401 - JSON
    match node:
        case str():
            return node.replace(_ACCOUNT, account_id)
        case dict():
            return {key: _for_account(value, account_id) for key, value in node.items()}
        case list():
            return [_for_account(each, account_id) for each in node]
        case _:
            return node


@cache
def _evaluate(template: str, *, ec2_triage: bool) -> tuple[RoleSpecification, ...]:
    found = _Template(_load(template), {EC2_TRIAGE: str(ec2_triage).lower()})
    return tuple(found.role(name) for name, each in found.resources.items() if each["Type"] == _ROLE)


@dataclass(frozen=True, slots=True)
class _Intrinsic:
    name: str
    argument: Any


def _load(template: str) -> Mapping[str, Any]:
    """Return the template with its intrinsic functions as values of their own."""
    import yaml  # noqa: PLC0415 - 30 ms of start-up, which only what reads the template has to pay

    class Loader(yaml.SafeLoader):
        """Knows CloudFormation's tags."""

    def construct(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> _Intrinsic:
        match node:
            case yaml.SequenceNode():
                return _Intrinsic(name, loader.construct_sequence(node, deep=True))
            case yaml.MappingNode():
                return _Intrinsic(name, loader.construct_mapping(node, deep=True))
            case _:
                return _Intrinsic(name, node.value)

    Loader.add_multi_constructor("!", construct)
    found: Mapping[str, Any] = Loader(template).get_single_data()
    return found


@dataclass(frozen=True, slots=True)
class _Template:
    document: Mapping[str, Any]
    given: Mapping[str, str]

    @property
    def resources(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document["Resources"]
        return found

    def role(self, logical_id: str) -> RoleSpecification:
        properties = self.resources[logical_id]["Properties"]
        policies = self._value(properties.get("Policies", []))
        return RoleSpecification(
            name=self._value(properties["RoleName"]),
            trust=self._value(properties["AssumeRolePolicyDocument"]),
            inline={each["PolicyName"]: each["PolicyDocument"] for each in policies},
            attached=frozenset(self._value(properties.get("ManagedPolicyArns", []))),
        )

    def _value(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        match node:
            case _Intrinsic():
                return self._call(node)
            case dict() if any(key == "Ref" or key.startswith("Fn::") for key in node):
                raise PinnedTemplateError(f"{', '.join(sorted(node))} is the long form of a function")
            case dict():
                values = {key: self._value(value) for key, value in node.items()}
                return {key: value for key, value in values.items() if value is not _NO_VALUE}
            case list():
                return [value for value in map(self._value, node) if value is not _NO_VALUE]
            case _:
                return node

    def _call(self, intrinsic: _Intrinsic) -> Any:  # noqa: ANN401 - JSON
        match intrinsic:
            case _Intrinsic("Ref", str(name)):
                return self._refer(name)
            case _Intrinsic("Sub", str(text)):
                return _VARIABLE.sub(self._substitute, text)
            case _Intrinsic("GetAtt", str(attribute)) if attribute.endswith(".Arn"):
                return self._arn(attribute.removesuffix(".Arn"))
            case _Intrinsic("Equals", [left, right]):
                return self._value(left) == self._value(right)
            case _Intrinsic("If", [str(condition), then, otherwise]):
                conditions = self.document.get("Conditions", {})
                if condition not in conditions:
                    raise PinnedTemplateError(f"!If asks for {condition}, which is no condition")
                return self._value(then if self._value(conditions[condition]) else otherwise)
            case _:
                raise PinnedTemplateError(f"!{intrinsic.name} is not known in this form")

    def _substitute(self, variable: re.Match[str]) -> str:
        literal, name = variable.groups()
        return f"${{{name}}}" if literal else str(self._refer(name))

    def _refer(self, name: str) -> Any:  # noqa: ANN401 - AWS::NoValue is no string
        parameters = self.document.get("Parameters", {})
        match name:
            case "AWS::AccountId":
                return _ACCOUNT
            case "AWS::Partition":
                return _PARTITION
            case "AWS::NoValue":
                return _NO_VALUE
            case _ if name in parameters and name in self.given:
                return self.given[name]
            case _ if name in parameters and "Default" in parameters[name]:
                return parameters[name]["Default"]
            case _ if name in self.resources and self.resources[name]["Type"] == _ROLE:
                return self._value(self.resources[name]["Properties"]["RoleName"])
            case _:
                raise PinnedTemplateError(f"{name} is no parameter with a default, no role and no known value")

    def _arn(self, logical_id: str) -> str:
        if self.resources.get(logical_id, {}).get("Type") != _ROLE:
            raise PinnedTemplateError(f"{logical_id}.Arn is not the ARN of a role")
        properties = self.resources[logical_id]["Properties"]
        path = self._value(properties.get("Path", "/"))
        return f"arn:{_PARTITION}:iam::{_ACCOUNT}:role{path}{self._value(properties['RoleName'])}"
