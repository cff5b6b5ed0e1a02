from tests.embedded_cloud.small_world import (
    HOME,
    LONE,
    PROD,
    SANDBOX,
    SANDBOX_ACCOUNT,
    SHOP,
    SUSPENDED,
    WORKLOADS,
    SmallWorld,
)
from tests.embedded_cloud.stack_set_world import (
    AUTO_DEPLOYMENT,
    NAME,
    ROLE,
    WITHOUT_AUTO_DEPLOYMENT,
    StackSets,
    instances,
)

EACH = ("CURRENT", "SUCCEEDED")


def move(cloud: SmallWorld, account: str, source: str, destination: str) -> None:
    cloud.organizations().move_account(AccountId=account, SourceParentId=source, DestinationParentId=destination)


def test_an_account_that_moves_into_a_target_gets_an_instance(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(WORKLOADS, AutoDeployment=AUTO_DEPLOYMENT)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    assert stack_sets.states()[SANDBOX_ACCOUNT] == ("OUTDATED", "RUNNING")
    assert stack_sets.roles(SANDBOX_ACCOUNT) == set()
    cloud.advance(seconds=40)
    assert stack_sets.roles(SANDBOX_ACCOUNT) == {ROLE}
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED"), ("CREATE", "SUCCEEDED")]


def test_an_account_that_is_created_below_the_root_gets_an_instance(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(AutoDeployment=AUTO_DEPLOYMENT)
    made = cloud.organizations().create_account(Email="new@example.com", AccountName="New")
    account = made["CreateAccountStatus"]["AccountId"]
    cloud.advance(seconds=40)
    assert stack_sets.roles(account) == {ROLE}
    assert stack_sets.instances()[account]["OrganizationalUnitId"] == stack_sets.root


def test_an_account_that_moves_out_of_the_targets_loses_its_instance(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(WORKLOADS, AutoDeployment=AUTO_DEPLOYMENT)
    move(cloud, SHOP, PROD, SANDBOX)
    assert stack_sets.roles(SHOP) == {ROLE}
    cloud.advance(seconds=40)
    assert stack_sets.roles(SHOP) == set()
    assert SHOP not in stack_sets.states()
    assert stack_sets.operations()[-1] == ("DELETE", "SUCCEEDED")


def test_an_account_that_leaves_loses_its_instance_and_keeps_a_retained_stack(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(WORKLOADS, AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": True})
    cloud.organizations().remove_account_from_organization(AccountId=SHOP)
    cloud.advance(seconds=40)
    assert SHOP not in stack_sets.states()
    assert stack_sets.roles(SHOP) == {ROLE}


def test_a_move_between_targets_changes_nothing_but_the_target(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, SANDBOX, AutoDeployment=AUTO_DEPLOYMENT)
    move(cloud, SHOP, PROD, SANDBOX)
    assert stack_sets.instances()[SHOP]["OrganizationalUnitId"] == SANDBOX
    assert stack_sets.states()[SHOP] == EACH
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED")]


def test_moves_outside_the_targets_and_changes_of_state_are_none_of_its_business(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, AutoDeployment=AUTO_DEPLOYMENT)
    move(cloud, LONE, stack_sets.root, SANDBOX)
    cloud.world.tree.change_state(SUSPENDED, "ACTIVE")
    cloud.organizations().close_account(AccountId=SHOP)
    cloud.advance(minutes=5)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED")]


def test_account_filters_are_ignored(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create(AutoDeployment=AUTO_DEPLOYMENT)
    targets = {"OrganizationalUnitIds": [PROD], "Accounts": [SHOP], "AccountFilterType": "INTERSECTION"}
    stack_sets.deploy(DeploymentTargets=targets)
    cloud.advance(seconds=40)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {SHOP: EACH, SANDBOX_ACCOUNT: EACH}


def test_moves_wait_for_what_runs_and_are_followed_one_by_one(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create(AutoDeployment=AUTO_DEPLOYMENT)
    stack_sets.deploy(PROD)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    move(cloud, SANDBOX_ACCOUNT, PROD, SANDBOX)
    assert stack_sets.operations() == [("CREATE", "RUNNING"), ("CREATE", "QUEUED"), ("DELETE", "QUEUED")]
    cloud.advance(minutes=10)
    assert stack_sets.roles(SANDBOX_ACCOUNT) == set()
    assert SANDBOX_ACCOUNT not in stack_sets.states()


def test_a_failure_fails_the_automatic_operation_and_is_not_tried_again(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, AutoDeployment=AUTO_DEPLOYMENT)
    stack_sets.create_role_by_hand(SANDBOX_ACCOUNT)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    cloud.advance(minutes=60)
    assert stack_sets.operations()[1:] == [("CREATE", "FAILED")]
    assert stack_sets.states()[SANDBOX_ACCOUNT] == ("OUTDATED", "FAILED")


def test_units_whose_instances_were_deleted_are_no_targets_any_more(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, AutoDeployment=AUTO_DEPLOYMENT)
    stack_sets.api().delete_stack_instances(**instances(PROD), RetainStacks=False)
    cloud.advance(seconds=40)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    cloud.advance(seconds=40)
    assert stack_sets.states() == {}
    assert stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]["OrganizationalUnitIds"] == []


def test_without_auto_deployment_nothing_follows_a_move_even_when_it_is_switched_on_later(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, AutoDeployment=WITHOUT_AUTO_DEPLOYMENT)
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    cloud.advance(seconds=40)
    stack_sets.api().update_stack_set(
        StackSetName=NAME,
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        AutoDeployment=AUTO_DEPLOYMENT,
    )
    cloud.advance(minutes=5)
    assert SANDBOX_ACCOUNT not in stack_sets.states(StackInstanceRegion=HOME)


def test_without_organizations_access_nothing_follows_a_move(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, AutoDeployment=AUTO_DEPLOYMENT)
    stack_sets.api().deactivate_organizations_access()
    move(cloud, SANDBOX_ACCOUNT, SANDBOX, PROD)
    cloud.advance(seconds=40)
    assert SANDBOX_ACCOUNT not in stack_sets.states()
