"""What moto does on its own. A test that fails here means that moto has closed a gap: delete the correction."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import moto
import pytest
from moto.iam.exceptions import EntityAlreadyExists, NotFoundException
from moto.iam.models import iam_backends
from moto.organizations.models import OrganizationsBackend, organizations_backends
from moto.organizations.responses import OrganizationsResponse
from moto.ssm.models import ssm_backends

from muster_local import (
    account_keys,
    aws_policies,
    organizations,
    parameter_store,
    service_linked_roles,
    triage_role_reads,
)
from muster_local.model_check import problems
from tests.embedded_cloud.small_world import (
    LEDGER,
    MANAGEMENT,
    PRINCIPAL,
    PROD,
    SANDBOX,
    SECURITY_TOOLING,
    SHOP,
    TRIAGE_PRINCIPAL,
    WORKLOADS,
    SmallWorld,
)


def backend() -> OrganizationsBackend:
    return organizations_backends[MANAGEMENT]["aws"]


def account(account_id: str) -> Any:
    return backend().get_account_by_id(account_id)


@contextmanager
def one_organizations_call(action: str, caller: str, **request: Any) -> Iterator[OrganizationsResponse]:
    """Yield a response object as moto has it in the middle of a call."""
    response = OrganizationsResponse()
    response.current_account, response.partition = caller, "aws"
    response.headers = {"x-amz-target": f"AWSOrganizationsV20161128.{action}"}
    response.querystring, response.body = {}, json.dumps(request)
    yield response


def test_moto_has_no_security_ir_of_its_own() -> None:
    assert not (Path(moto.__file__).parent / "securityir").exists()


def test_moto_does_not_know_the_principal() -> None:
    assert PRINCIPAL not in organizations.unpatched["trusted_services"]
    assert PRINCIPAL not in organizations.unpatched["delegable_services"]


def test_moto_shows_a_delegated_administrator_its_own_empty_organization(cloud: SmallWorld) -> None:
    cloud.prepare()
    with one_organizations_call("ListAccounts", SECURITY_TOOLING) as response:
        seen = organizations.unpatched["organizations_backend"].fget(response)
    assert seen.org is None


def test_moto_lists_more_accounts_at_once_than_organizations_does(cloud: SmallWorld) -> None:
    for number in range(21):
        cloud.organizations().create_account(Email=f"more-{number}@example.com", AccountName=f"More {number}")
    with one_organizations_call("ListAccounts", MANAGEMENT, MaxResults=40) as response:
        page = json.loads(organizations.unpatched["list_accounts"](response))
    assert len(page["Accounts"]) == 31


def test_moto_shows_no_paths(cloud: SmallWorld) -> None:
    assert cloud
    assert "Paths" not in organizations.unpatched["describe_account"](account(SHOP))
    unit = backend().get_organizational_unit_by_id(PROD)
    assert "Path" not in organizations.unpatched["describe_unit"](unit)["OrganizationalUnit"]
    with one_organizations_call("ListOrganizationalUnitsForParent", MANAGEMENT, ParentId=WORKLOADS) as response:
        listed = json.loads(organizations.unpatched["list_organizational_units_for_parent"](response))
    assert "Path" not in listed["OrganizationalUnits"][0]


def test_moto_checks_no_request_against_the_model_and_never_pages_children(cloud: SmallWorld) -> None:
    for number in range(21):
        cloud.organizations().create_organizational_unit(ParentId=SANDBOX, Name=f"Unit {number}")
    found = backend().list_children(ParentId=SANDBOX, ChildType="ORGANIZATIONAL_UNIT", MaxResults=500)
    assert (len(found["Children"]), "NextToken" in found) == (21, False)


def test_moto_says_suspended_as_soon_as_an_account_is_closed(cloud: SmallWorld) -> None:
    assert cloud
    organizations.unpatched["close_account"](backend(), AccountId=SHOP)
    assert account(SHOP).state == "SUSPENDED"


def test_moto_moves_an_account_from_wherever_it_is(cloud: SmallWorld) -> None:
    assert cloud
    organizations.unpatched["move_account"](
        backend(), AccountId=SHOP, SourceParentId=SANDBOX, DestinationParentId=WORKLOADS
    )
    assert account(SHOP).parent_id == WORKLOADS


def test_moto_makes_units_of_one_name_and_deletes_full_ones(cloud: SmallWorld) -> None:
    assert cloud
    organizations.unpatched["create_organizational_unit"](backend(), ParentId=WORKLOADS, Name="Prod")
    organizations.unpatched["delete_organizational_unit"](backend(), OrganizationalUnitId=PROD)
    assert account(SHOP).parent_id == PROD


def test_moto_dates_a_new_account_by_real_time(cloud: SmallWorld) -> None:
    cloud.advance(minutes=60 * 24 * 365)
    organizations.unpatched["create_account"](backend(), AccountName="New", Email="new@example.com")
    assert backend().accounts[-1].create_time < cloud.world.clock.now().replace(tzinfo=None)


def test_moto_lets_a_delegated_administrator_leave(cloud: SmallWorld) -> None:
    cloud.prepare()
    organizations.unpatched["remove_account_from_organization"](backend(), AccountId=SECURITY_TOOLING)
    assert SECURITY_TOOLING not in {one.id for one in backend().accounts}


def test_moto_registers_two_administrators_without_trusted_access(cloud: SmallWorld) -> None:
    assert cloud
    for candidate in (SECURITY_TOOLING, LEDGER):
        organizations.unpatched["register_delegated_administrator"](
            backend(), AccountId=candidate, ServicePrincipal=PRINCIPAL
        )
    assert len(backend().admins) == 2


def test_moto_keeps_no_date_of_trusted_access_on_the_worlds_clock(cloud: SmallWorld) -> None:
    organizations.unpatched["enable_aws_service_access"](backend(), ServicePrincipal=PRINCIPAL)
    assert cloud.world.tree.service_access_since == {}
    organizations.unpatched["disable_aws_service_access"](backend(), ServicePrincipal=PRINCIPAL)


def test_moto_describes_a_delegated_administrator_with_members_of_an_account(cloud: SmallWorld) -> None:
    cloud.prepare()
    (administrator,) = backend().admins
    assert "Paths" in organizations.unpatched["describe_administrator"](administrator)


def test_moto_misspells_the_service_linked_roles_without_help(
    cloud: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cloud
    monkeypatch.delitem(moto.iam.models.SERVICE_NAME_CONVERSION, "security-ir")
    role = service_linked_roles.unpatched_create_service_linked_role(iam_backends[SHOP]["aws"], PRINCIPAL, "", "")
    assert role.name != service_linked_roles.MEMBERSHIP_ROLE_NAME


def test_moto_answers_an_existing_service_linked_role_as_create_role_does(cloud: SmallWorld) -> None:
    assert cloud
    arguments = (iam_backends[SHOP]["aws"], TRIAGE_PRINCIPAL, "", "")
    service_linked_roles.unpatched_create_service_linked_role(*arguments)
    with pytest.raises(EntityAlreadyExists):
        service_linked_roles.unpatched_create_service_linked_role(*arguments)


def test_moto_knows_nothing_of_a_service_that_makes_roles(cloud: SmallWorld) -> None:
    cloud.prepare()
    cloud.sign_up(coverEntireOrganization=True)
    cloud.advance(minutes=5)
    assert triage_role_reads.unpatched_call_action.__qualname__ == "BaseResponse.call_action"
    assert service_linked_roles.TRIAGE_ROLE_NAME not in {role.name for role in iam_backends[SHOP]["aws"].roles.values()}


def test_moto_knows_no_policy_of_aws(cloud: SmallWorld) -> None:
    assert cloud
    for name, arguments in {
        "get_policy": (),
        "attach_role_policy": ("OrganizationAccountAccessRole",),
        "attach_user_policy": ("nobody",),
        "attach_group_policy": ("nobody",),
    }.items():
        with pytest.raises(NotFoundException, match="Policy arn:aws:iam::aws:policy/AWSDenyAll"):
            aws_policies.unpatched[name](iam_backends[SHOP]["aws"], "arn:aws:iam::aws:policy/AWSDenyAll", *arguments)


def test_moto_counts_a_policy_twice_that_is_attached_twice(cloud: SmallWorld) -> None:
    made = cloud.iam(SHOP).create_policy(
        PolicyName="Any",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
    )["Policy"]["Arn"]
    for _ in range(2):
        aws_policies.unpatched["attach_role_policy"](iam_backends[SHOP]["aws"], made, "OrganizationAccountAccessRole")
    assert cloud.iam(SHOP).get_policy(PolicyArn=made)["Policy"]["AttachmentCount"] == 2


def test_moto_encodes_the_document_of_no_policy_version() -> None:
    assert "GetPolicyVersionResponse.PolicyVersion.Document" not in aws_policies.unpatched_transformers


@pytest.mark.parametrize(("tier", "size"), [("Standard", 5000), ("Advanced", 9000)])
def test_moto_takes_parameters_of_any_size(cloud: SmallWorld, tier: str, size: int) -> None:
    assert cloud
    store = ssm_backends[SHOP]["eu-west-1"]
    arguments: tuple[Any, ...] = ("/big", "", "x" * size, "String", "", None, False, [], "text")
    made = parameter_store.unpatched_put_parameter(store, *arguments, tier=tier, policies=None)
    assert made.version == 1


def test_moto_takes_an_account_id_for_no_access_key() -> None:
    signature = f"AWS4-HMAC-SHA256 Credential={SHOP}/20261124/eu-west-1/sts/aws4_request"
    assert account_keys.unpatched_access_key_regex.search(signature) is None
    assert account_keys.unpatched_get_account_id_from(SHOP) != SHOP


def test_botocore_checks_minima_but_neither_maxima_nor_patterns_nor_enumerations() -> None:
    from botocore.validate import ParamValidator  # noqa: PLC0415 - what this one test is about
    from moto.core.utils import get_service_model  # noqa: PLC0415

    shape = get_service_model("security-ir").operation_model("UpdateMembership").input_shape
    wrong = {
        "membershipId": "not-an-id-at-all",
        "optInFeatures": [{"featureName": "RuleForwarding", "isEnabled": True}],
        "membershipAccountsConfigurationsUpdate": {"organizationalUnitsToAdd": [PROD] * 6},
    }
    assert not ParamValidator().validate(wrong, shape).has_errors()
    assert len(list(problems(shape, wrong))) == 3
