"""A world in which every step of an onboarding has something to write."""

from datetime import timedelta

from muster_local.server import EmbeddedCloud
from tests.scenarios.operating import Operator

ONCE = ("CreateMembership", "RegisterDelegatedAdministrator")


def begin(cloud: EmbeddedCloud) -> Operator:
    """Begin anew."""
    cloud.reset()
    cloud.world.delays.association = timedelta(seconds=45)
    cloud.world.delays.triage_role = timedelta(seconds=20)
    return Operator(cloud)


def prepare(operator: Operator) -> None:
    """Ask for everything."""
    operator.push()
