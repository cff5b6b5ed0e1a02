"""The demo's count is a count: it shows what the second run wrote."""

import subprocess
import sys

TRIAGE_OFF_BETWEEN = """
import sys, warnings
warnings.filterwarnings("ignore", module="moto")
from muster_local import demo

def turn_triage_off(cloud):
    cloud.world.clock.advance(5)
    sir = cloud.client("security-ir")
    (membership,) = sir.list_memberships()["items"]
    off = [{"featureName": "Triage", "isEnabled": False}]
    sir.update_membership(membershipId=membership["membershipId"], optInFeatures=off)
    cloud.world.clock.advance(5)

sys.exit(demo.run(print, between=turn_triage_off))
"""


def test_demo_counts_the_write_that_a_changed_world_needs() -> None:
    shown = subprocess.run([sys.executable, "-c", TRIAGE_OFF_BETWEEN], capture_output=True, text=True, check=False)  # noqa: S603 - our own demo

    assert shown.returncode == 0, shown.stderr
    assert "is Active" in shown.stdout
    assert "1 write in the second run: security-ir:UpdateMembership" in shown.stdout
