import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from muster_local.server import EmbeddedCloud
from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, ORGANIZATION, REGION, Driver

BUCKET = f"muster-{APPLICATION}-{REGION}"


def muster(driver: Driver, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(driver.cloud.url).netloc, timeout=5)
    connection.request(method, f"/_muster/{path}", None if document is None else json.dumps(document))
    answer = connection.getresponse()
    result = answer.status, json.loads(answer.read())
    connection.close()
    return result


def last_call(driver: Driver) -> dict[str, Any]:
    return driver.cloud.calls()[-1]


# --- who calls ---


def test_a_twelve_digit_key_acts_as_that_account(driver: Driver) -> None:
    assert driver.cloud.client("sts", "333333333333").get_caller_identity()["Arn"] == "arn:aws:iam::333333333333:root"


def test_an_unknown_key_is_refused_in_the_words_of_the_service(driver: Driver) -> None:
    outcomes = {}
    for service, operation in (
        ("organizations", "list_roots"),
        ("iam", "list_roles"),
        ("s3", "list_buckets"),
        ("security-ir", "list_memberships"),
    ):
        client = driver.cloud.client(service, "AKIANOBODYKNOWSTHIS0")
        with pytest.raises(ClientError) as refusal:
            getattr(client, operation)()
        outcomes[service] = refusal.value.response["Error"]["Code"]
    assert outcomes == {
        "organizations": "UnrecognizedClientException",
        "iam": "InvalidClientTokenId",
        "s3": "InvalidAccessKeyId",
        "security-ir": "UnrecognizedClientException",
    }


def test_a_request_without_a_signature_is_refused(driver: Driver) -> None:
    connection = http.client.HTTPConnection(urlsplit(driver.cloud.url).netloc, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 400
    connection.close()


def test_an_account_is_not_recorded_and_not_subject_to_policies(driver: Driver) -> None:
    driver.cloud.client("iam").create_role(RoleName="x", AssumeRolePolicyDocument="{}")
    assert driver.cloud.calls() == []


def test_a_region_that_is_not_enabled_knows_no_key(driver: Driver) -> None:
    driver.cloud.world.disable_region(APPLICATION, "eu-south-1")
    answer = driver.call("security-ir", "list_memberships", region="eu-south-1")
    assert (answer["code"], answer["status"]) == ("UnrecognizedClientException", 403)


# --- what was called ---


def test_a_call_is_recorded_with_who_made_it_where_and_how_it_ended(driver: Driver) -> None:
    driver.call("s3", "put_object", parameters={"Bucket": BUCKET, "Key": "runs/a b.json", "Body": "secret"})
    call = last_call(driver)
    assert {key: call[key] for key in ("service", "operation", "account", "region", "role", "outcome", "write")} == {
        "service": "s3",
        "operation": "PutObject",
        "account": APPLICATION,
        "region": REGION,
        "role": "muster-sample",
        "outcome": "ok",
        "write": False,
    }
    assert (call["parameters"]["Key"], call["parameters"]["Body"]) == ("runs/a b.json", "***")
    assert call["time"].startswith("20")


def test_sensitive_members_are_masked(driver: Driver) -> None:
    team = [{"name": f"Person {n}", "jobTitle": "Lead", "email": f"{n}@example.com"} for n in (1, 2)]
    driver.call(
        "security-ir", "create_membership", parameters={"membershipName": "our-name", "incidentResponseTeam": team}
    )
    recorded = json.dumps(last_call(driver))
    assert "example.com" not in recorded
    assert "Person" not in recorded
    assert last_call(driver)["parameters"]["incidentResponseTeam"][0]["email"] == "***"
    driver.call("ssm", "put_parameter", parameters={"Name": "/x", "Value": "secret", "Type": "SecureString"})
    assert last_call(driver)["parameters"]["Value"] == "***"


def test_only_changes_of_the_purpose_count_as_writes(driver: Driver) -> None:
    driver.let_the_application_read_the_organization()
    driver.call("organizations", "list_accounts")
    driver.call("ssm", "put_parameter", parameters={"Name": "/x", "Value": "y", "Type": "String"})
    team = [{"name": f"Person {n}", "jobTitle": "Lead", "email": f"{n}@example.com"} for n in (1, 2)]
    driver.call(
        "security-ir", "create_membership", parameters={"membershipName": "our-name", "incidentResponseTeam": team}
    )
    assert [(call["operation"], call["write"]) for call in driver.cloud.calls()] == [
        ("ListAccounts", False),
        ("PutParameter", False),
        ("CreateMembership", True),
    ]


def test_services_without_a_region_are_called_in_their_home(driver: Driver) -> None:
    driver.call("organizations", "describe_organization")
    assert last_call(driver)["region"] == "us-east-1"


def test_calls_can_be_read_and_cleared_over_http(driver: Driver) -> None:
    driver.call("organizations", "describe_organization")
    status, calls = muster(driver, "GET", "calls")
    assert (status, [call["operation"] for call in calls]) == (200, ["DescribeOrganization"])
    assert muster(driver, "DELETE", "calls") == (200, [])
    assert muster(driver, "GET", "calls") == (200, [])


# --- may they ---


def test_what_the_role_does_not_allow_is_denied_by_role_action_and_resource(driver: Driver) -> None:
    answer = driver.call("iam", "get_role", parameters={"RoleName": "muster-sample"})
    assert (answer["code"], answer["status"]) == ("AccessDenied", 403)
    role = f"arn:aws:iam::{APPLICATION}:role/muster-sample"
    assert answer["message"] == f"User: {role} is not authorized to perform: iam:GetRole on resource: {role}"
    assert last_call(driver)["outcome"] == "AccessDenied"


def test_an_explicit_denial_in_a_managed_policy_is_honoured(driver: Driver) -> None:
    parameters = {"Name": "/forbidden", "Value": "x", "Type": "String"}
    assert driver.call("ssm", "put_parameter", parameters=parameters)["code"] == "AccessDeniedException"


def test_an_operation_nobody_mapped_is_denied_with_the_reason(driver: Driver) -> None:
    answer = driver.call("ssm", "list_documents")
    assert answer["code"] == "AccessDeniedException"
    assert "does not know which permissions ssm:ListDocuments needs" in answer["message"]


def test_an_absent_object_is_forbidden_to_who_may_not_list_the_bucket(driver: Driver) -> None:
    answer = driver.call("s3", "get_object", parameters={"Bucket": BUCKET, "Key": "runs/none.json"})
    assert (answer["code"], answer["status"]) == ("AccessDenied", 403)


def test_tags_at_creation_need_a_permission_of_their_own(driver: Driver) -> None:
    team = [{"name": f"Person {n}", "jobTitle": "Lead", "email": f"{n}@example.com"} for n in (1, 2)]
    parameters = {"membershipName": "our-name", "incidentResponseTeam": team, "tags": {"team": "a"}}
    driver.call("security-ir", "create_membership", parameters=parameters)
    actions = {entry["action"] for entry in driver.cloud.permissions() if entry["role"] == "muster-sample"}
    assert {"security-ir:CreateMembership", "security-ir:TagResource"} <= actions


def test_a_role_of_another_account_is_assumed_when_both_policies_agree(driver: Driver) -> None:
    answer = driver.call("organizations", "list_accounts", **{"as": "READER"})
    assert [account["Id"] for account in answer["Accounts"]] == [MANAGEMENT, APPLICATION, "333333333333"]
    assert (last_call(driver)["role"], last_call(driver)["account"]) == ("muster-management-reader", MANAGEMENT)


def test_a_role_that_is_not_there_cannot_be_assumed(driver: Driver) -> None:
    driver.cloud.reset(access="forward")
    assert driver.call("organizations", "list_accounts", **{"as": "READER"})["code"] == "AccessDenied"


def test_the_account_itself_is_not_the_role_that_is_trusted(driver: Driver) -> None:
    role = f"arn:aws:iam::{MANAGEMENT}:role/muster-management-reader"
    with pytest.raises(ClientError, match="AccessDenied"):
        driver.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="person")


def test_sts_may_refuse_opt_in_regions_across_accounts(driver: Driver) -> None:
    def assume(region: str) -> str:
        return str(driver.call("organizations", "list_accounts", region=region, **{"as": "READER"}).get("code"))

    assert assume("eu-south-1") == "None"
    muster(driver, "POST", "switches", {"sts_opt_in_regions": "refused"})
    assert (assume("eu-south-1"), assume("us-east-1")) == ("RegionDisabledException", "None")


def test_permissions_seen_are_distinct_and_outlive_the_calls(driver: Driver) -> None:
    driver.call("organizations", "describe_organization")
    driver.call("organizations", "describe_organization")
    driver.cloud.clear_calls()
    _, permissions = muster(driver, "GET", "permissions")
    seen = {"role": "muster-sample", "action": "organizations:DescribeOrganization", "resource": "*", "allowed": True}
    assert permissions.count(seen) == 1


# --- faults ---

LIST = {"service": "organizations", "operation": "ListAccounts"}


def fault(driver: Driver, **more: Any) -> None:
    driver.cloud.set_faults([{**LIST, **more}])


@pytest.mark.parametrize(
    ("service", "operation", "python", "error", "status"),
    [
        ("organizations", "ListAccounts", "list_accounts", "TooManyRequestsException", 400),
        ("organizations", "ListAccounts", "list_accounts", "ServiceException", 500),
        ("security-ir", "ListMemberships", "list_memberships", "ThrottlingException", 429),
        ("security-ir", "ListMemberships", "list_memberships", "InternalServerException", 500),
        ("security-ir", "ListMemberships", "list_memberships", "AccessDeniedException", 403),
        ("sts", "GetCallerIdentity", "get_caller_identity", "AccessDenied", 403),
        ("sts", "GetCallerIdentity", "get_caller_identity", "Throttling", 400),
        ("s3", "HeadObject", "head_object", "SlowDown", 503),
    ],
)
def test_an_error_comes_in_the_protocol_and_with_the_status_of_its_service(
    *, driver: Driver, service: str, operation: str, python: str, error: str, status: int
) -> None:
    driver.cloud.set_faults([{"service": service, "operation": operation, "error": error}])
    parameters = {"Bucket": BUCKET, "Key": "runs/x"} if service == "s3" else {}
    answer = driver.call(service, python, parameters=parameters)
    assert (answer["code"], answer["status"]) == ("503" if operation == "HeadObject" else error, status)


def test_a_fault_hits_as_often_as_it_says_and_counts(driver: Driver) -> None:
    fault(driver, error="TooManyRequestsException", times=2)
    driver.let_the_application_read_the_organization()
    codes = [driver.call("organizations", "list_accounts").get("code") for _ in range(3)]
    assert codes == ["TooManyRequestsException", "TooManyRequestsException", None]
    assert muster(driver, "GET", "faults")[1][0]["hits"] == 2


def test_a_rate_is_the_same_chance_for_the_same_seed(driver: Driver) -> None:
    def pattern() -> list[bool]:
        fault(driver, error="TooManyRequestsException", rate=0.5, seed=7)
        return [driver.call("organizations", "list_accounts").get("status") == 400 for _ in range(12)]

    driver.let_the_application_read_the_organization()
    first = pattern()
    assert first == pattern()
    assert 0 < sum(first) < 12


def test_faults_leave_accounts_and_other_accounts_alone(driver: Driver) -> None:
    fault(driver, error="TooManyRequestsException", account=MANAGEMENT)
    driver.let_the_application_read_the_organization()
    assert "code" not in driver.call("organizations", "list_accounts")
    assert driver.cloud.client("organizations", MANAGEMENT).list_accounts()["Accounts"]
    assert driver.call("organizations", "list_accounts", **{"as": "READER"})["code"] == "TooManyRequestsException"


def test_latency_delays_the_call_and_adds_to_another_effect(driver: Driver) -> None:
    driver.cloud.set_faults(
        [{**LIST, "latency_ms": 30}, {**LIST, "latency_ms": 30}, {**LIST, "error": "TooManyRequestsException"}]
    )
    started = time.monotonic()
    assert driver.call("organizations", "list_accounts")["code"] == "TooManyRequestsException"
    assert time.monotonic() - started >= 0.06
    assert [fault["hits"] for fault in driver.cloud.faults.as_list()] == [1, 1, 1]


def test_a_timeout_ends_the_connection_before_the_call(driver: Driver) -> None:
    driver.cloud.set_faults([{"service": "ssm", "operation": "PutParameter", "error": "Timeout"}])
    parameters = {"Name": "/x", "Value": "y", "Type": "String"}
    assert driver.call("ssm", "put_parameter", parameters=parameters) == {"code": "ConnectionClosedError"}
    assert driver.cloud.client("ssm").describe_parameters()["Parameters"] == []
    assert last_call(driver)["outcome"] == "Timeout"


def test_a_dropped_response_ends_the_connection_after_the_call(driver: Driver) -> None:
    driver.cloud.set_faults([{"service": "ssm", "operation": "PutParameter", "drop_response": True}])
    parameters = {"Name": "/x", "Value": "y", "Type": "String"}
    assert driver.call("ssm", "put_parameter", parameters=parameters) == {"code": "ConnectionClosedError"}
    assert [entry["Name"] for entry in driver.cloud.client("ssm").describe_parameters()["Parameters"]] == ["/x"]


def test_an_empty_page_leads_to_what_was_asked_for(driver: Driver) -> None:
    driver.let_the_application_read_the_organization()
    fault(driver, empty_page=True)
    first = driver.call("organizations", "list_accounts")
    assert first["Accounts"] == []
    second = driver.call("organizations", "list_accounts", parameters={"NextToken": first["NextToken"]})
    assert len(second["Accounts"]) == 3


@pytest.mark.parametrize(
    ("service", "operation", "result"),
    [
        ("organizations", "ListRoots", "Roots"),
        ("security-ir", "ListMemberships", "items"),
        ("cloudformation", "ListStackSets", "Summaries"),
        ("ssm", "DescribeParameters", "Parameters"),
    ],
)
def test_an_empty_page_speaks_the_protocol_of_its_service(
    driver: Driver, service: str, operation: str, result: str
) -> None:
    driver.cloud.set_faults([{"service": service, "operation": operation, "empty_page": True, "times": 1}])
    method = xform_name(operation)

    first = driver.call(service, method)
    token = first.get("NextToken") or first["nextToken"]
    second = driver.call(service, method, parameters={"nextToken" if "nextToken" in first else "NextToken": token})

    assert first[result] == []
    assert "NextToken" not in second
    assert "nextToken" not in second


def test_a_fault_can_be_for_one_role_alone(driver: Driver) -> None:
    driver.let_the_application_read_the_organization()
    for role, code in (("somebody-else", None), ("muster-sample", "TooManyRequestsException")):
        fault(driver, error="TooManyRequestsException", role=role)
        assert driver.call("organizations", "list_accounts").get("code") == code


def test_a_killed_function_has_made_its_call(driver: Driver) -> None:
    driver.cloud.set_faults([{"service": "ssm", "operation": "PutParameter", "kill_function": True, "times": 1}])
    call = {
        "service": "ssm",
        "operation": "put_parameter",
        "parameters": {"Name": "/x", "Value": "y", "Type": "String"},
    }
    error, answer = driver.invoke(do="call", calls=[call])
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert [entry["Name"] for entry in driver.cloud.client("ssm").describe_parameters()["Parameters"]] == ["/x"]
    assert driver.invoke()[0] is None


@pytest.mark.parametrize(("partial", "errors"), [(True, 1), ("missing", 0)])
def test_half_of_the_accounts_can_be_errors_or_missing(driver: Driver, *, partial: bool | str, errors: int) -> None:
    driver.let_the_application_read_the_organization()
    team = [{"name": f"Person {n}", "jobTitle": "Lead", "email": f"{n}@example.com"} for n in (1, 2)]
    sir = driver.cloud.client("security-ir")
    membership = sir.create_membership(membershipName="our-name", incidentResponseTeam=team)["membershipId"]
    driver.cloud.set_faults(
        [{"service": "security-ir", "operation": "BatchGetMemberAccountDetails", "partial": partial}]
    )
    answer = driver.call(
        "security-ir",
        "batch_get_member_account_details",
        parameters={"membershipId": membership, "accountIds": [MANAGEMENT, APPLICATION, "333333333333"]},
    )
    assert [item["accountId"] for item in answer["items"]] == [MANAGEMENT, "333333333333"]
    assert [error["accountId"] for error in answer["errors"]] == [APPLICATION] * errors


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({}, "faults are a list"),
        ([1], "fault 0: each fault is an object"),
        ([{"operation": "ListAccounts", "error": "x"}], "service and operation are required"),
        ([{**LIST}], "exactly one of error, latency_ms"),
        ([{**LIST, "error": "x", "drop_response": True}], "exactly one of error, latency_ms"),
        ([{**LIST, "error": "x", "tmies": 1}], "unknown key 'tmies'"),
        ([{**LIST, "error": 1}], "error must be of type str"),
        ([{**LIST, "error": "x", "times": 0}], "times must be at least 1"),
        ([{**LIST, "error": "x", "times": True}], "times must be of type int"),
        ([{**LIST, "error": "x", "rate": 2}], "rate must lie between 0 and 1"),
        ([{**LIST, "error": "x", "times": 1, "rate": 1}], "times and rate exclude each other"),
        ([{**LIST, "latency_ms": -1}], "latency_ms must not be negative"),
        ([{**LIST, "partial": True}], "partial exists for BatchGetMemberAccountDetails only"),
        ([{"service": "security-ir", "operation": "GetMembership", "empty_page": True}], "GetMembership is not"),
        ([{"service": "organizations", "operation": "ListAccountz", "error": "x"}], "no operation 'ListAccountz'"),
        ([{"service": "nowhere", "operation": "x", "error": "x"}], "no service is signed for as 'nowhere'"),
    ],
)
def test_faults_that_cannot_be_meant_are_refused_with_the_place(driver: Driver, wrong: Any, complaint: str) -> None:
    fault(driver, error="TooManyRequestsException")
    status, answer = muster(driver, "POST", "faults", wrong)
    assert status == 400
    assert complaint in answer["error"]
    assert len(muster(driver, "GET", "faults")[1]) == 1


# --- the rest of /_muster ---


def test_the_clock_is_read_and_moved(driver: Driver) -> None:
    before = muster(driver, "GET", "clock")[1]["now"]
    after = muster(driver, "POST", "clock", {"advance_s": 86_400})[1]["now"]
    assert after[:10] > before[:10]
    assert muster(driver, "POST", "clock", {"advance_s": -1})[0] == 400


def test_switches_are_set_all_or_none(driver: Driver) -> None:
    assert muster(driver, "POST", "switches", {"responder_order": "reversed"})[1]["responder_order"] == "reversed"
    status, answer = muster(driver, "POST", "switches", {"responder_order": "by_email", "nothing": "x"})
    assert (status, "there is no switch 'nothing'" in answer["error"]) == (400, True)
    assert muster(driver, "GET", "switches")[1]["responder_order"] == "reversed"


def test_what_is_not_there_is_said_to_be_missing(driver: Driver) -> None:
    assert muster(driver, "GET", "nothing") == (404, {"error": "there is no GET /_muster/nothing"})


def test_a_reset_begins_anew_and_keeps_the_running_children(driver: Driver) -> None:
    _, before = driver.invoke()
    driver.cloud.set_faults([{**LIST, "error": "ServiceException"}])
    driver.call("ssm", "put_parameter", parameters={"Name": "/x", "Value": "y", "Type": "String"})
    assert muster(driver, "POST", "reset", {"access": "read"})[0] == 200
    _, after = driver.invoke()
    assert before["process"] == after["process"]
    assert before["me"] == after["me"]
    assert (driver.cloud.client("ssm").describe_parameters()["Parameters"], driver.cloud.faults.as_list()) == ([], [])
    assert [call["operation"] for call in driver.cloud.calls()] == ["GetCallerIdentity"]


def test_a_reset_with_anything_unknown_is_refused(driver: Driver) -> None:
    assert muster(driver, "POST", "reset", {"acess": "read"})[0] == 400
    assert muster(driver, "POST", "reset", {"organization": "/nowhere.yaml"})[0] == 400
    assert muster(driver, "POST", "reset", {"access": "all"})[0] == 400


# --- deployment ---


def test_parameters_of_the_templates_can_be_given(driver: Driver) -> None:
    _, before = driver.invoke()
    driver.cloud.reset(parameters={"OrganizationId": "o-changed001"})
    _, after = driver.invoke()
    driver.cloud.reset(parameters={})
    assert (before["organization"], after["organization"]) == ("o-runtime001", "o-changed001")
    assert before["process"] != after["process"]


def test_outputs_of_the_stack_are_found_by_its_name(driver: Driver) -> None:
    (stack,) = driver.cloud.client("cloudformation").describe_stacks(StackName="muster")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {
        "OnboardMachineArn": f"arn:aws:states:{REGION}:{APPLICATION}:stateMachine:muster-onboard",
        "StateBucketName": BUCKET,
        "NotificationTopicArn": f"arn:aws:sns:{REGION}:{APPLICATION}:muster-notifications",
    }


def test_resources_that_are_not_emulated_are_named(driver: Driver) -> None:
    assert "not emulated in stack muster: AWS::S3::BucketPolicy" in driver.reports


def test_the_bucket_of_the_template_keeps_versions(driver: Driver) -> None:
    assert driver.put_desired_state() != driver.put_desired_state()


# --- functions ---


def test_a_function_has_its_own_environment_layer_and_role(driver: Driver) -> None:
    error, answer = driver.invoke()
    assert error is None
    assert answer["greeting"] == "hello from a layer"
    assert (answer["region"], answer["organization"], answer["bytecode"]) == (REGION, "o-runtime001", True)
    assert answer["function"] == f"arn:aws:lambda:{REGION}:{APPLICATION}:function:muster-sample"
    assert answer["me"].startswith(f"arn:aws:sts::{APPLICATION}:assumed-role/muster-sample/")


def test_an_exception_is_an_unhandled_error_of_its_name(driver: Driver) -> None:
    error, answer = driver.invoke(do="fail")
    assert (error, answer["errorType"], answer["errorMessage"]) == ("Unhandled", "TransientError", "not now")
    assert "raise TransientError" in "".join(answer["stackTrace"])


def test_a_crash_ends_the_invocation_and_the_next_one_runs(driver: Driver) -> None:
    error, answer = driver.invoke(do="crash")
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert driver.invoke()[0] is None


def test_a_function_that_takes_too_long_times_out(driver: Driver) -> None:
    error, answer = driver.invoke(do="sleep")
    assert (error, answer["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert "Task timed out after 2.00 seconds" in answer["errorMessage"]


def test_logs_are_kept_by_function(driver: Driver) -> None:
    driver.invoke(do="fail")
    assert "TransientError: not now" in muster(driver, "GET", "logs")[1]["muster-sample"]


# --- the process ---


def test_the_server_listens_on_loopback_only(driver: Driver) -> None:
    assert driver.cloud.url.startswith("http://127.0.0.1:")


def test_a_connection_serves_more_than_one_request(driver: Driver) -> None:
    connection = http.client.HTTPConnection(urlsplit(driver.cloud.url).netloc, timeout=5)
    for _ in range(3):
        connection.request("POST", "/_muster/clock", json.dumps({"advance_s": 1}))
        assert connection.getresponse().read()
        assert connection.sock is not None
    connection.close()


def test_a_cloud_that_is_reset_runs_machines_after_another_one_has_lived(driver: Driver, tmp_path: Path) -> None:
    organization = tmp_path / "organization.yaml"
    organization.write_text(ORGANIZATION)
    with EmbeddedCloud(organization, empty=True):
        pass
    driver.cloud.reset()
    assert driver.run()["status"] == "SUCCEEDED"
