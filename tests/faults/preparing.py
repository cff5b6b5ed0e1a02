"""A world in which every step of an onboarding has something to write."""

from datetime import timedelta

from muster_local.server import EmbeddedCloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import DESIGNATED, Operator
from tests.scenarios.preferences import attest_preference

ONCE = ("CreateMembership", "RegisterDelegatedAdministrator", "CreateStackSet")
MEMBER = "300000000001"
PARAMETERS = {
    "MemberAccess": "repair",
    "SettleSeconds": "90",
    "SettleWaitSeconds": "60",
    "ContainmentWaitSeconds": "60",
}
"""Waits that are over after two looks: hundreds of runs would otherwise look thirty times each."""


def begin(cloud: EmbeddedCloud) -> Operator:
    """Begin anew: nobody creates the triage role in members but Muster, and the reader is there."""
    cloud.reset()
    cloud.world.delays.association = timedelta(seconds=45)
    cloud.world.switches.set("triage_role_creator", "nobody")
    operator = Operator(cloud)
    deploy_readers(operator, DESIGNATED, MEMBER, access="repair")
    return operator


def prepare(operator: Operator) -> None:
    """Ask for everything, when the one thing is settled that no run can bring about."""
    attest_preference(operator)
    operator.push(scope={"units": ["Security", "Workloads"]}, containment={"roles": "managed"})
