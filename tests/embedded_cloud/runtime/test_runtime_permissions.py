from pathlib import Path
from typing import Any

import pytest

from muster_local.permissions import ExceptionsFileError, Verdict, load_exceptions, prove
from tests.embedded_cloud.runtime.conftest import Driver

POLICIES = {"muster-a": [{"Statement": [{"Effect": "Allow", "Action": ["iam:GetRole", "s3:Get*"], "Resource": "*"}]}]}
EXCEPTION = {"role": "muster-a", "action": "s3:Get*", "reason": "read by hand"}


def saw(action: str, *, allowed: bool = True, role: str = "muster-a") -> dict[str, Any]:
    return {"role": role, "action": action, "resource": "*", "allowed": allowed}


def test_every_permission_called_and_every_call_permitted_is_the_proof() -> None:
    proof = prove(POLICIES, [saw("iam:GetRole"), saw("s3:GetObject")])
    assert not proof.fails
    assert proof.count(Verdict.USED) == 2
    assert proof.render().endswith("the permissions are exactly the calls")


def test_a_permission_without_a_call_fails() -> None:
    proof = prove(POLICIES, [saw("iam:GetRole")])
    assert proof.fails
    assert "FAIL  muster-a  s3:Get*      allowed, not called" in proof.render()


def test_a_call_without_a_permission_fails() -> None:
    proof = prove(POLICIES, [saw("iam:GetRole"), saw("s3:GetObject"), saw("iam:ListRoles", allowed=False)])
    assert proof.fails
    assert proof.count(Verdict.MISSING) == 1


def test_another_roles_call_uses_no_permission() -> None:
    assert prove(POLICIES, [saw("iam:GetRole"), saw("s3:GetObject", role="muster-b")]).count(Verdict.UNUSED) == 1


def test_denials_are_no_permissions() -> None:
    policies = {"muster-a": [{"Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}}]}
    assert prove(policies, []).rows == ()


def test_an_exception_needs_a_permission_that_is_not_called() -> None:
    proof = prove(POLICIES, [saw("iam:GetRole")], [EXCEPTION])
    assert not proof.fails
    assert "exceptions: 1" in proof.render()
    assert prove(POLICIES, [saw("iam:GetRole"), saw("s3:GetObject")], [EXCEPTION]).count(Verdict.STALE) == 1
    assert prove({}, [], [EXCEPTION]).count(Verdict.STALE) == 1


def test_an_exception_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.yaml"
    file.write_text("- {role: muster-a, action: iam:GetRole}\n")
    with pytest.raises(ExceptionsFileError, match="entry 0 needs a role, an action and a reason"):
        load_exceptions(file)
    file.write_text("- {role: muster-a, action: iam:GetRole, reason: because}\n")
    assert load_exceptions(file)[0]["reason"] == "because"
    file.write_text("")
    assert load_exceptions(file) == []


def test_the_policies_of_deployed_roles_are_those_of_the_templates(driver: Driver) -> None:
    policies = driver.cloud.role_policies()
    assert sorted(policies) == ["muster-management-reader", "muster-onboard", "muster-sample"]
    assert policies["muster-management-reader"][0]["Statement"][0]["Action"] == "organizations:ListAccounts"
