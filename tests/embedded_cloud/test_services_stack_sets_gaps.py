"""What moto's StackSets do on their own. A test that fails here means that moto has closed a gap: look what is left."""

from typing import Any

import pytest
from moto.cloudformation import models as cloudformation
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse

from muster_local import stack_sets, stack_sets_stacks
from muster_local.stack_sets_operations import PRINCIPAL
from tests.embedded_cloud.small_world import HOME, LOG_ARCHIVE, MANAGEMENT, SHOP, SmallWorld
from tests.embedded_cloud.stack_set_world import NAME, ROLE, StackSets, template


def moto(cloud: SmallWorld, **targets: Any) -> CloudFormationBackend:
    """moto's own backend with a set that was deployed below the root."""
    backend = cloudformation_backends[MANAGEMENT][HOME]
    backend.create_stack_set(NAME, template(ROLE), {}, {}, "SERVICE_MANAGED", None, None, None)
    targets = targets or {"OrganizationalUnitIds": [cloud.world.tree.root_id]}
    backend.create_stack_instances(NAME, [], [HOME], [], targets)
    return backend


def accounts(backend: CloudFormationBackend) -> set[str]:
    return {str(instance["Account"]) for instance in backend.list_stack_instances(NAME)}


def test_moto_has_no_organizations_access() -> None:
    assert not hasattr(CloudFormationResponse, "activate_organizations_access")
    assert PRINCIPAL not in stack_sets.delegable_services


def test_moto_deploys_at_once_and_to_the_management_account_as_well(cloud: SmallWorld) -> None:
    backend = moto(cloud)
    assert backend.list_stack_set_operations(NAME)[0]["Status"] == "SUCCEEDED"
    assert MANAGEMENT in accounts(backend)


def test_moto_looks_one_unit_deep(cloud: SmallWorld) -> None:
    backend = moto(cloud)
    assert LOG_ARCHIVE in accounts(backend)
    assert SHOP not in accounts(backend)


def test_moto_takes_a_name_twice_and_iam_resources_without_a_capability(cloud: SmallWorld) -> None:
    backend = moto(cloud)
    backend.create_stack_set(NAME, template(ROLE), {}, {}, "SERVICE_MANAGED", None, None, None)
    assert len(backend.list_stack_sets()) == 2


def test_moto_puts_up_with_no_failed_account(cloud: SmallWorld) -> None:
    StackSets(cloud).create_role_by_hand(LOG_ARCHIVE)
    with pytest.raises(Exception, match="already exists"):
        moto(cloud)


def test_moto_follows_no_account_that_moves(cloud: SmallWorld) -> None:
    backend = moto(cloud)
    cloud.organizations().create_account(Email="new@example.com", AccountName="New")
    before = accounts(backend)
    cloud.advance(minutes=60)
    cloud.organizations().describe_organization()
    assert accounts(backend) == before


def test_moto_lets_no_member_see_its_stacks(cloud: SmallWorld) -> None:
    moto(cloud)
    assert not cloudformation_backends[LOG_ARCHIVE][HOME].stacks


def test_moto_parses_a_template_anew_for_each_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = cloudformation.yaml.load

    def load(text: str, **how: Any) -> Any:
        read.append(text)
        return original(text, **how)

    monkeypatch.setattr(cloudformation.yaml, "load", load)
    for _ in range(2):
        stack_sets_stacks.unpatched_parse_template(template(ROLE))
    assert len(read) == 2


def test_moto_detects_no_drift() -> None:
    assert not hasattr(CloudFormationResponse, "detect_stack_set_drift")
