from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from muster_local import simulation, world
from muster_local.organization_file import parse
from tests.embedded_cloud.small_world import (
    HOME,
    LEDGER,
    MANAGEMENT,
    PRINCIPAL,
    SECURITY_TOOLING,
    SHOP,
    TEAM,
    TRIAGE_PRINCIPAL,
    TRIAGE_ROLE,
    SmallWorld,
    client,
    refusal,
    refused,
)


@pytest.fixture
def endpoint(cloud: SmallWorld) -> Iterator[str]:
    assert cloud
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_installing_twice_changes_nothing(cloud: SmallWorld) -> None:
    world.install()
    assert world.current() is cloud.world


def test_without_an_organization_there_is_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_present", [])
    with pytest.raises(world.NoWorldError, match=r"world\.load first"):
        world.current()


def test_loading_another_organization_leaves_nothing_of_the_one_before(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up()
    other = parse({"id": "o-otherworld", "management_account": {"id": LEDGER, "name": "Other management"}, "root": {}})

    loaded = world.load(other)

    assert world.current() is loaded
    assert loaded.memberships == []
    described = client("organizations", LEDGER, "us-east-1").describe_organization()["Organization"]
    assert (described["Id"], described["MasterAccountId"]) == ("o-otherworld", LEDGER)
    former = client("organizations", SHOP, "us-east-1").describe_organization
    assert refused(former)[0] == "AWSOrganizationsNotInUseException"


def test_members_have_the_access_role_that_organizations_makes_and_management_has_none(cloud: SmallWorld) -> None:
    trust = cloud.iam(SHOP).get_role(RoleName="OrganizationAccountAccessRole")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}
    assert refused(cloud.iam(MANAGEMENT).get_role, RoleName="OrganizationAccountAccessRole")[0] == "NoSuchEntity"


def test_every_region_is_enabled_until_an_account_opts_out(cloud: SmallWorld) -> None:
    assert cloud.world.is_region_enabled(SHOP, "eu-south-2")
    cloud.world.disable_region(SHOP, "eu-south-2")
    assert not cloud.world.is_region_enabled(SHOP, "eu-south-2")
    assert cloud.world.is_region_enabled(LEDGER, "eu-south-2")


def test_an_account_id_is_an_access_key_of_that_account(cloud: SmallWorld) -> None:
    assert cloud
    assert client("sts", SHOP, HOME).get_caller_identity()["Account"] == SHOP


def test_an_assumed_role_acts_in_its_own_account(cloud: SmallWorld) -> None:
    assert cloud
    assumed = client("sts", MANAGEMENT, HOME).assume_role(
        RoleArn=f"arn:aws:iam::{SHOP}:role/OrganizationAccountAccessRole", RoleSessionName="test"
    )["Credentials"]
    session: Any = boto3.session.Session(
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    session.client("iam", region_name="us-east-1").create_service_linked_role(AWSServiceName=TRIAGE_PRINCIPAL)
    assert (cloud.has_triage_role(SHOP), cloud.has_triage_role(MANAGEMENT)) == (True, False)


def test_the_service_linked_roles_have_their_real_names_and_are_made_once(cloud: SmallWorld) -> None:
    iam = cloud.iam(SHOP)
    made = [
        iam.create_service_linked_role(AWSServiceName=principal)["Role"]["RoleName"]
        for principal in (PRINCIPAL, TRIAGE_PRINCIPAL)
    ]
    assert made == ["AWSServiceRoleForSecurityIncidentResponse", TRIAGE_ROLE]
    assert refused(iam.create_service_linked_role, AWSServiceName=TRIAGE_PRINCIPAL) == ("InvalidInput", 400)


@pytest.mark.parametrize(("tier", "limit"), [("Standard", 4096), ("Advanced", 8192), ("Intelligent-Tiering", 8192)])
def test_parameter_store_counts_bytes(cloud: SmallWorld, tier: str, limit: int) -> None:
    assert cloud
    store = client("ssm", SHOP, HOME)
    wish = {"Name": "/muster/contacts", "Type": "SecureString", "Tier": tier, "Overwrite": True}
    store.put_parameter(**wish, Value="x" * limit)
    assert refused(store.put_parameter, **wish, Value="x" * (limit + 1)) == ("ValidationException", 400)
    assert refused(store.put_parameter, **wish, Value="é" * (limit // 2 + 1)) == ("ValidationException", 400)


def test_an_advanced_parameter_stays_advanced_when_it_is_written_again(cloud: SmallWorld) -> None:
    assert cloud
    store = client("ssm", SHOP, HOME)
    store.put_parameter(Name="/muster/contacts", Type="SecureString", Tier="Advanced", Value="x")
    store.put_parameter(Name="/muster/contacts", Overwrite=True, Value="x" * 8192)
    assert store.get_parameter(Name="/muster/contacts", WithDecryption=True)["Parameter"]["Value"] == "x" * 8192


def test_the_services_answer_over_http_as_they_do_in_process(cloud: SmallWorld, endpoint: str) -> None:
    cloud.prepare()

    def over_http(service: str, account: str) -> Any:
        session: Any = boto3.session.Session(aws_access_key_id=account, aws_secret_access_key="embedded")
        return session.client(service, region_name=HOME, endpoint_url=endpoint)

    service = over_http("security-ir", SECURITY_TOOLING)
    made = service.create_membership(membershipName="over-http", incidentResponseTeam=TEAM)["membershipId"]
    arn = service.get_membership(membershipId=made)["membershipArn"]
    service.tag_resource(resourceArn=arn, tags={"owner": "security"})

    assert service.list_tags_for_resource(resourceArn=arn)["tags"] == {"owner": "security"}
    assert len(over_http("organizations", SECURITY_TOOLING).list_accounts()["Accounts"]) == 10
    found = refusal(service.create_membership, membershipName="another", incidentResponseTeam=TEAM)
    assert (found["code"], found["status"], found["resourceId"]) == ("ConflictException", 409, made)


def test_ten_thousand_accounts_load_and_are_listed_quickly() -> None:
    accounts = [{"id": f"{number:012d}", "name": f"Account {number}"} for number in range(1, 10_001)]
    units = [{"name": "All", "accounts": accounts}]
    content = {"id": "o-largeworld", "management_account": {"id": MANAGEMENT, "name": "Management"}}
    with mock_aws():
        loaded = world.load(parse(content | {"root": {"units": units}}))
        loaded.throttles.enabled = False
        listed = set()
        token: dict[str, str] = {}
        while True:
            page = client("organizations", MANAGEMENT, "us-east-1").list_accounts(**token)
            listed |= {account["Id"] for account in page["Accounts"]}
            if page.get("NextToken") is None:
                break
            token = {"NextToken": page["NextToken"]}
    assert len(listed) == 10_001
