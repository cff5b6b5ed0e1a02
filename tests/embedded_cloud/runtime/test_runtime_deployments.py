"""Stacks that somebody deploys from outside: change sets, updates, rollbacks, deletions, and their functions."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from muster_local.code_store import BUILD, CodeError, CodeStore, Location, of_this_machine
from muster_local.deployment import DeploymentError
from muster_local.templates import TemplateError, package
from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, REGION, SAMPLE, Driver

MEMBER = "333333333333"
UPLOADS = "uploads"
HANDLER = "import os\n\ndef handler(event, context):\n    return {{'says': '{says}', 'word': os.environ.get('WORD')}}\n"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}

ALLOW = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}


def trust(*statements: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role(name: Any, *actions: str, trusted: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policies: list[Any] = [{"PolicyName": "own", "PolicyDocument": trust(statement)}] if actions else []
    properties = {"RoleName": name, "AssumeRolePolicyDocument": trusted or trust(LAMBDA), "Policies": policies}
    return {"Type": "AWS::IAM::Role", "Properties": properties | more}


def application(code: str, *, word: str = "first", layer: str | None = None) -> dict[str, Any]:
    """Return a template with one function, as `sam package` leaves it."""
    function: dict[str, Any] = {
        "FunctionName": {"Fn::Sub": "${DeploymentName}-function"},
        "CodeUri": {"Bucket": UPLOADS, "Key": code},
        "Runtime": "python3.13",
        "Handler": "handler.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Environment": {"Variables": {"WORD": word}},
    }
    resources: dict[str, Any] = {
        "Role": role({"Fn::Sub": "${DeploymentName}-function"}),
        "Function": {"Type": "AWS::Serverless::Function", "Properties": function},
    }
    if layer is not None:
        content = {"ContentUri": {"Bucket": UPLOADS, "Key": layer}}
        resources["Layer"] = {"Type": "AWS::Serverless::LayerVersion", "Properties": content}
        function["Layers"] = [{"Ref": "Layer"}]
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"DeploymentName": {"Type": "String", "Default": "muster", "AllowedPattern": "^[a-z-]+$"}},
        "Resources": resources,
    }


def ladder(*actions: str) -> dict[str, Any]:
    """Return a template whose second role is there from one level of access upwards."""
    return {
        "Parameters": {"Access": {"Type": "String", "AllowedValues": ["read", "onboard"], "Default": "read"}},
        "Conditions": {"CanOnboard": {"Fn::Equals": [{"Ref": "Access"}, "onboard"]}},
        "Resources": {
            "Reader": role("reader", "iam:GetRole", *actions, ManagedPolicyArns=[{"Ref": "Denied"}]),
            "Onboarding": {**role("onboarding", "iam:GetRole"), "Condition": "CanOnboard"},
            "Denied": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "ManagedPolicyName": "denied",
                    "PolicyDocument": trust({"Effect": "Deny", "Action": "iam:DeleteRole", "Resource": "*"}),
                },
            },
        },
        "Outputs": {"Access": {"Value": {"Ref": "Access"}}},
    }


@dataclass(frozen=True, slots=True)
class Deployer:
    """Deploys as the command line tools do, in one account."""

    driver: Driver
    account: str = APPLICATION

    def client(self, service: str) -> Any:
        return self.driver.cloud.client(service, self.account)

    @property
    def cloudformation(self) -> Any:
        return self.client("cloudformation")

    def upload(self, key: str, **files: str) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                archive.writestr(name.replace("__", "/") + ".py", text)
        self.client("s3").put_object(Bucket=UPLOADS, Key=key, Body=content.getvalue())

    def change_set(
        self, stack: str, template: object, kind: str, name: str = "change", **parameters: str
    ) -> dict[str, Any]:
        text = template if isinstance(template, str) else json.dumps(template)
        answer: dict[str, Any] = self.cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateBody=text,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        return answer

    def deploy(self, stack: str, template: object, kind: str = "CREATE", **parameters: str) -> str:
        """Deploy and return the status."""
        self.change_set(stack, template, kind, **parameters)
        self.cloudformation.get_waiter("change_set_create_complete").wait(StackName=stack, ChangeSetName="change")
        self.cloudformation.execute_change_set(StackName=stack, ChangeSetName="change")
        return str(self.stack(stack)["StackStatus"])

    def stack(self, name: str) -> Any:
        (stack,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        return stack

    def roles(self) -> set[str]:
        return {role["RoleName"] for role in self.client("iam").list_roles()["Roles"]} - {
            "OrganizationAccountAccessRole"
        }

    def actions(self, name: str) -> list[str]:
        policy = self.client("iam").get_role_policy(RoleName=name, PolicyName="own")["PolicyDocument"]
        return list(policy["Statement"][0]["Action"])

    def invoke(self, name: str) -> Any:
        answer = self.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())


@pytest.fixture
def deployer(started: Driver) -> Iterator[Deployer]:
    started.cloud.reset(empty=True)
    made = Deployer(started)
    made.client("s3").create_bucket(Bucket=UPLOADS, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield made
    started.cloud.reset(empty=False)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# --- nothing, and what is brought -------------------------------------------------------------------------------------


def test_an_empty_cloud_has_the_organization_and_nothing_else(deployer: Deployer) -> None:
    assert len(deployer.driver.cloud.client("organizations", MANAGEMENT).list_accounts()["Accounts"]) == 3
    assert deployer.cloudformation.describe_stacks()["Stacks"] == []
    assert deployer.driver.cloud.role_policies() == {}
    assert deployer.client("lambda").list_functions()["Functions"] == []


def test_a_function_runs_from_the_archives_that_were_uploaded(deployer: Deployer) -> None:
    deployer.upload("code", handler="import words\n\ndef handler(event, context):\n    return words.SAID\n")
    deployer.upload("layer", python__words="SAID = 'from the layer'\n")
    assert deployer.deploy("muster", application("code", layer="layer")) == "CREATE_COMPLETE"
    assert deployer.invoke("muster-function") == "from the layer"


def test_a_template_is_read_from_this_endpoint(deployer: Deployer) -> None:
    deployer.client("s3").put_object(Bucket=UPLOADS, Key="a/template", Body=json.dumps(ladder()).encode())
    url = f"{deployer.driver.cloud.url}/{UPLOADS}/a/template"
    for location in (url, f"https://{UPLOADS}.s3.{REGION}.amazonaws.com/a/template"):
        summary = deployer.cloudformation.get_template_summary(TemplateURL=location)
        assert [parameter["ParameterKey"] for parameter in summary["Parameters"]] == ["Access"]
    with pytest.raises(ClientError, match="the template cannot be read"):
        deployer.cloudformation.get_template_summary(TemplateURL=f"{url}s")


@pytest.mark.parametrize("part", ["code", "layer"])
def test_code_that_was_not_uploaded_is_named_before_there_is_a_stack(deployer: Deployer, part: str) -> None:
    deployer.upload("layer" if part == "code" else "code", handler="")
    with pytest.raises(ClientError) as refused:
        deployer.change_set("muster", application("code", layer="layer"), "CREATE")
    assert code_of(refused) == ("ValidationError", f"there is no object s3://{UPLOADS}/{part}")
    assert deployer.cloudformation.describe_stacks()["Stacks"] == []


def test_what_is_no_archive_is_named(deployer: Deployer) -> None:
    deployer.client("s3").put_object(Bucket=UPLOADS, Key="code", Body=b"no archive")
    with pytest.raises(ClientError, match="uploads/code is no ZIP archive"):
        deployer.change_set("muster", application("code"), "CREATE")


def test_two_deployments_live_in_one_account_and_one_goes_alone(deployer: Deployer) -> None:
    deployer.upload("a", handler=HANDLER.format(says="a"))
    deployer.upload("b", handler=HANDLER.format(says="b"))
    deployer.deploy("muster", application("a"))
    deployer.deploy("muster-b", application("b"), DeploymentName="muster-b")
    assert deployer.driver.cloud.role_policies().keys() == {"muster-function", "muster-b-function"}
    assert [deployer.invoke(f"{name}-function")["says"] for name in ("muster", "muster-b")] == ["a", "b"]

    deployer.cloudformation.delete_stack(StackName="muster")
    assert deployer.invoke("muster-b-function")["says"] == "b"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        deployer.invoke("muster-function")


def test_roles_can_be_deployed_into_any_account(started: Driver, deployer: Deployer) -> None:
    member = Deployer(started, MEMBER)
    assert member.deploy("roles", ladder()) == "CREATE_COMPLETE"
    assert (member.roles(), deployer.roles()) == ({"reader"}, set())


# --- updates ----------------------------------------------------------------------------------------------------------


def test_an_update_runs_the_new_code_and_the_new_environment(deployer: Deployer) -> None:
    deployer.upload("a", handler=HANDLER.format(says="a"))
    deployer.upload("b", handler=HANDLER.format(says="b"))
    deployer.deploy("muster", application("a"))
    before = deployer.invoke("muster-function")
    assert deployer.deploy("muster", application("b", word="second"), "UPDATE") == "UPDATE_COMPLETE"
    assert (before, deployer.invoke("muster-function")) == (
        {"says": "a", "word": "first"}, {"says": "b", "word": "second"}
    )  # fmt: skip


def test_a_parameter_lets_a_role_appear_and_disappear(deployer: Deployer) -> None:
    seen = []
    for kind, access in (("CREATE", "read"), ("UPDATE", "onboard"), ("UPDATE", "read")):
        deployer.deploy("management", ladder(), kind, Access=access)
        (output,) = deployer.stack("management")["Outputs"]
        seen.append((output["OutputValue"], deployer.roles()))
    assert seen == [("read", {"reader"}), ("onboard", {"reader", "onboarding"}), ("read", {"reader"})]


def test_policies_and_trust_change_in_the_role_that_is_there(deployer: Deployer) -> None:
    deployer.deploy("management", ladder())
    before = deployer.client("iam").get_role(RoleName="reader")["Role"]
    changed = ladder("iam:ListRoles")
    changed["Resources"]["Reader"]["Properties"]["AssumeRolePolicyDocument"] = trust()
    changed["Resources"]["Reader"]["Properties"]["ManagedPolicyArns"] = []
    changed["Resources"]["Denied"]["Properties"]["PolicyDocument"] = trust(
        {"Effect": "Deny", "Action": "iam:DeletePolicy", "Resource": "*"}
    )
    assert deployer.deploy("management", changed, "UPDATE") == "UPDATE_COMPLETE"
    after = deployer.client("iam").get_role(RoleName="reader")["Role"]
    assert (after["RoleId"], after["AssumeRolePolicyDocument"]["Statement"]) == (before["RoleId"], [])
    assert deployer.actions("reader") == ["iam:GetRole", "iam:ListRoles"]
    assert deployer.client("iam").list_attached_role_policies(RoleName="reader")["AttachedPolicies"] == []
    arn = f"arn:aws:iam::{APPLICATION}:policy/denied"
    version = deployer.client("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = deployer.client("iam").get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert (version, document["Statement"][0]["Action"]) == ("v2", "iam:DeletePolicy")


def test_a_managed_policy_changes_more_often_than_it_has_versions(deployer: Deployer) -> None:
    template = ladder()
    deployer.deploy("management", template)
    for number in range(7):
        action = f"iam:Delete{number}"
        template["Resources"]["Denied"]["Properties"]["PolicyDocument"]["Statement"][0]["Action"] = action
        assert deployer.deploy("management", template, "UPDATE") == "UPDATE_COMPLETE"
    assert deployer.driver.cloud.role_policies()["reader"][-1]["Statement"][0]["Action"] == "iam:Delete6"


def test_another_name_is_another_role(deployer: Deployer) -> None:
    deployer.deploy("management", ladder())
    renamed = ladder()
    renamed["Resources"]["Reader"]["Properties"]["RoleName"] = "renamed"
    deployer.deploy("management", renamed, "UPDATE")
    assert deployer.roles() == {"renamed"}


def test_a_topic_keeps_its_subscribers_and_a_machine_gets_its_definition(deployer: Deployer) -> None:
    definition = {"Comment": "${Word}", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    template: dict[str, Any] = {
        "Parameters": {"Word": {"Type": "String"}},
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic", "DisplayName": {"Ref": "Word"}}},
            "Role": role("machine"),
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "StateMachineName": "machine",
                    "Definition": definition,
                    "DefinitionSubstitutions": {"Word": {"Ref": "Word"}},
                    "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                },
            },
        },
    }
    deployer.deploy("other", template, Word="one")
    topic = f"arn:aws:sns:{REGION}:{APPLICATION}:topic"
    deployer.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="people@example.com")
    assert deployer.deploy("other", template, "UPDATE", Word="two") == "UPDATE_COMPLETE"
    assert len(deployer.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1
    machine = deployer.client("stepfunctions").describe_state_machine(
        stateMachineArn=f"arn:aws:states:{REGION}:{APPLICATION}:stateMachine:machine"
    )
    assert json.loads(machine["definition"])["Comment"] == "two"


# --- what fails is undone ---------------------------------------------------------------------------------------------


def test_a_creation_that_fails_leaves_nothing_and_says_why(deployer: Deployer) -> None:
    deployer.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust()))
    assert deployer.deploy("management", ladder(), Access="onboard") == "ROLLBACK_COMPLETE"
    events = deployer.cloudformation.describe_stack_events(StackName="management")["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert [event["LogicalResourceId"] for event in failed] == ["Reader"]
    assert "reader" in failed[0]["ResourceStatusReason"]
    assert deployer.roles() == {"reader"}
    assert deployer.client("iam").list_policies(Scope="Local")["Policies"] == []
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        deployer.change_set("management", ladder(), "UPDATE")


def test_a_stack_that_fails_without_a_change_set_is_described_as_failed(deployer: Deployer) -> None:
    deployer.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust()))
    answer = deployer.cloudformation.create_stack(StackName="management", TemplateBody=json.dumps(ladder()))
    assert deployer.stack(answer["StackId"])["StackStatus"] == "ROLLBACK_COMPLETE"


def test_an_update_that_fails_is_taken_back(deployer: Deployer) -> None:
    deployer.client("iam").create_role(RoleName="onboarding", AssumeRolePolicyDocument=json.dumps(trust()))
    deployer.deploy("management", ladder())
    assert deployer.deploy("management", ladder("iam:ListRoles"), "UPDATE", Access="onboard") == (
        "UPDATE_ROLLBACK_COMPLETE"
    )
    stack = deployer.stack("management")
    assert stack["Parameters"] == [{"ParameterKey": "Access", "ParameterValue": "read"}]
    assert deployer.actions("reader") == ["iam:GetRole"]
    assert deployer.deploy("management", ladder("iam:ListRoles"), "UPDATE") == "UPDATE_COMPLETE"


def test_a_role_that_lambda_may_not_assume_fails_the_function(deployer: Deployer) -> None:
    deployer.upload("code", handler="")
    template = application("code")
    template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"] = trust()
    assert deployer.deploy("muster", template) == "ROLLBACK_COMPLETE"
    assert "cannot be assumed by Lambda" in deployer.stack("muster")["StackStatusReason"]
    assert deployer.client("lambda").list_functions()["Functions"] == []


# --- deletion ---------------------------------------------------------------------------------------------------------


def bucket(**more: str) -> dict[str, Any]:
    return {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept"}, **more}}}


def buckets(deployer: Deployer) -> set[str]:
    return {found["Name"] for found in deployer.client("s3").list_buckets()["Buckets"]} - {UPLOADS}


def test_a_deleted_stack_takes_its_roles_and_policies_along(deployer: Deployer) -> None:
    deployer.deploy("management", ladder(), Access="onboard")
    deployer.cloudformation.delete_stack(StackName="management")
    deployer.cloudformation.get_waiter("stack_delete_complete").wait(StackName="management")
    assert deployer.roles() == set()
    assert deployer.client("iam").list_policies(Scope="Local")["Policies"] == []
    deployer.cloudformation.delete_stack(StackName="management")  # what is not there is no error


def test_a_resource_that_is_to_stay_stays_and_is_in_the_way_of_the_next_stack(deployer: Deployer) -> None:
    deployer.deploy("data", bucket(DeletionPolicy="Retain"))
    deployer.cloudformation.delete_stack(StackName="data")
    assert buckets(deployer) == {"kept"}
    assert deployer.deploy("data", bucket(DeletionPolicy="Retain")) == "ROLLBACK_COMPLETE"
    assert buckets(deployer) == {"kept"}


@pytest.mark.parametrize(("policy", "left"), [("Retain", {"kept"}), ("RetainExceptOnCreate", set())])
def test_a_stack_that_could_not_be_made_tells_nothing_and_leaves_what_its_policy_says(
    deployer: Deployer, policy: str, left: set[str]
) -> None:
    template = bucket(DeletionPolicy=policy)
    template["Outputs"] = {"Bucket": {"Value": {"Ref": "Bucket"}}}
    taken = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/taken", "Type": "String", "Value": "by us"}}
    template["Resources"]["Taken"] = {**taken, "DependsOn": "Bucket"}
    deployer.client("ssm").put_parameter(Name="/taken", Value="by others", Type="String")

    assert deployer.deploy("data", template) == "ROLLBACK_COMPLETE"

    assert deployer.stack("data").get("Outputs", []) == []
    assert buckets(deployer) == left
    assert deployer.client("ssm").get_parameter(Name="/taken")["Parameter"]["Value"] == "by others"


def test_a_bucket_that_is_not_empty_keeps_its_stack(deployer: Deployer) -> None:
    deployer.deploy("data", bucket())
    deployer.client("s3").put_object(Bucket="kept", Key="key", Body=b"")
    deployer.cloudformation.delete_stack(StackName="data")
    assert deployer.stack("data")["StackStatus"] == "DELETE_FAILED"
    deployer.client("s3").delete_object(Bucket="kept", Key="key")
    deployer.cloudformation.delete_stack(StackName="data")
    assert buckets(deployer) == set()


def test_a_role_with_a_policy_that_somebody_attached_keeps_its_stack(deployer: Deployer) -> None:
    deployer.deploy("management", ladder())
    policy = deployer.client("iam").create_policy(PolicyName="by-hand", PolicyDocument=json.dumps(trust(ALLOW)))
    deployer.client("iam").attach_role_policy(RoleName="reader", PolicyArn=policy["Policy"]["Arn"])
    deployer.cloudformation.delete_stack(StackName="management")
    assert deployer.stack("management")["StackStatus"] == "DELETE_FAILED"
    assert deployer.roles() == {"reader"}


# --- change sets ------------------------------------------------------------------------------------------------------


def test_a_change_set_says_what_it_would_do_and_does_nothing(deployer: Deployer) -> None:
    deployer.deploy("management", ladder(), Access="onboard")
    wanted = ladder("iam:ListRoles")
    wanted["Resources"]["More"] = role({"Fn::Sub": "${Reader}-more"})
    deployer.change_set("management", wanted, "UPDATE", Access="read")
    described = deployer.cloudformation.describe_change_set(StackName="management", ChangeSetName="change")
    changes = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]["Action"]
        for change in described["Changes"]
    }
    assert changes == {"Reader": "Modify", "More": "Add", "Onboarding": "Remove"}
    assert (described["Status"], described["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert deployer.roles() == {"reader", "onboarding"}


def test_a_change_set_of_nothing_fails_with_the_words_that_tools_look_for(deployer: Deployer) -> None:
    deployer.deploy("management", ladder())
    deployer.change_set("management", ladder(), "UPDATE")
    described = deployer.cloudformation.describe_change_set(StackName="management", ChangeSetName="change")
    assert described["Status"] == "FAILED"
    assert "The submitted information didn't contain changes." in described["StatusReason"]
    with pytest.raises(WaiterError):
        deployer.cloudformation.get_waiter("change_set_create_complete").wait(
            StackName="management", ChangeSetName="change"
        )
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        deployer.cloudformation.execute_change_set(StackName="management", ChangeSetName="change")


def test_change_sets_of_the_same_name_belong_to_their_stacks(deployer: Deployer) -> None:
    deployer.change_set("one", bucket(), "CREATE")
    deployer.change_set("two", ladder(), "CREATE")
    summaries = deployer.cloudformation.list_change_sets(StackName="one")["Summaries"]
    assert [(summary["StackName"], summary["ChangeSetName"]) for summary in summaries] == [("one", "change")]
    deployer.cloudformation.execute_change_set(StackName="one", ChangeSetName="change")
    assert (buckets(deployer), deployer.roles()) == ({"kept"}, set())
    assert deployer.stack("two")["StackStatus"] == "REVIEW_IN_PROGRESS"
    deployer.cloudformation.delete_change_set(StackName="two", ChangeSetName="change")
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        deployer.cloudformation.describe_change_set(StackName="two", ChangeSetName="change")
    deployer.cloudformation.delete_stack(StackName="two")
    assert [stack["StackName"] for stack in deployer.cloudformation.describe_stacks()["Stacks"]] == ["one"]


def test_a_parameter_keeps_its_value_where_the_previous_one_is_asked_for(deployer: Deployer) -> None:
    deployer.deploy("management", ladder(), Access="onboard")
    deployer.cloudformation.create_change_set(
        StackName="management",
        ChangeSetName="again",
        TemplateBody=json.dumps(ladder("iam:ListRoles")),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "Access", "UsePreviousValue": True}],
    )
    deployer.cloudformation.execute_change_set(StackName="management", ChangeSetName="again")
    assert deployer.roles() == {"reader", "onboarding"}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"Access": "all"}, "Parameter 'Access' must be one of AllowedValues"),
        ({"Acess": "read"}, "Parameters: [Acess] do not exist in the template"),
        ({"Name": "NO"}, "Parameter 'Name' must match pattern ^[a-z]+$"),
        ({"Days": "0"}, "Parameter 'Days' must be a number not less than 1"),
        ({"Days": "9"}, "Parameter 'Days' must be a number not greater than 8"),
        ({"Days": "many"}, "Parameter 'Days' must be a number"),
        ({"Needed": ""}, "Parameters: [Needed] must have values"),
    ],
)
def test_parameters_are_what_the_template_declares(
    deployer: Deployer, parameters: dict[str, str], complaint: str
) -> None:
    template = ladder()
    template["Parameters"] |= {
        "Name": {"Type": "String", "AllowedPattern": "^[a-z]+$", "Default": "a"},
        "Days": {"Type": "Number", "MinValue": 1, "MaxValue": 8, "Default": 1},
        "Needed": {"Type": "String"},
    }
    given = {"Needed": "x"} | parameters
    with pytest.raises(ClientError) as refused:
        deployer.change_set("management", template, "CREATE", **{key: value for key, value in given.items() if value})
    assert code_of(refused) == ("ValidationError", complaint)


def test_a_name_is_free_again_when_its_change_set_was_executed(deployer: Deployer) -> None:
    deployer.deploy("management", ladder())
    deployer.change_set("management", ladder("iam:ListRoles"), "UPDATE")
    with pytest.raises(ClientError, match="ChangeSet change already exists"):
        deployer.change_set("management", ladder(), "UPDATE")


def test_identities_need_a_word_of_consent(deployer: Deployer) -> None:
    with pytest.raises(ClientError) as refused:
        deployer.cloudformation.create_change_set(
            StackName="management",
            ChangeSetName="change",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(ladder()),
            Capabilities=["CAPABILITY_IAM"],
        )
    assert code_of(refused) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [("UPDATE", r"Stack \[other\] does not exist"), ("CREATE", r"Stack \[management\] already exists")],
)
def test_a_change_set_is_for_a_stack_that_is_there_or_for_one_that_is_not(
    deployer: Deployer, kind: str, complaint: str
) -> None:
    deployer.deploy("management", ladder())
    with pytest.raises(ClientError, match=complaint):
        deployer.change_set("other" if kind == "UPDATE" else "management", ladder(), kind)


def test_a_template_is_summarized_as_it_was_written(deployer: Deployer) -> None:
    deployer.upload("code", handler="")
    deployer.deploy("muster", application("code"))
    summary = deployer.cloudformation.get_template_summary(StackName="muster")
    assert summary["ResourceTypes"] == ["AWS::IAM::Role", "AWS::Serverless::Function"]
    assert summary["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
    validated = deployer.cloudformation.validate_template(TemplateBody=json.dumps(application("code")))
    assert (validated["Capabilities"], validated["Parameters"][0]["DefaultValue"]) == (
        ["CAPABILITY_NAMED_IAM"], "muster"
    )  # fmt: skip
    deployer.change_set("other", ladder(), "CREATE")
    with pytest.raises(ClientError, match="REVIEW_IN_PROGRESS"):
        deployer.cloudformation.get_template_summary(StackName="other")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Template format error"),
        ("Resources: []", "At least one Resources member must be defined"),
        (json.dumps({"Resources": {"L": {"Type": "AWS::Lambda::Function", "Properties": {"Layers": [{"Ref": "x"}]}}}}),
         "knows no layers but the template's own"),
        (json.dumps({"Transform": "AWS::Serverless-2016-10-31",
                     "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": 1}}}}),
         "CodeUri"),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(deployer: Deployer, text: str, complaint: str) -> None:
    with pytest.raises(ClientError, match=complaint):
        deployer.change_set("muster", text, "CREATE")


# --- templates and code of this machine -------------------------------------------------------------------------------


def test_a_template_that_cannot_be_deployed_at_the_start_is_named(started: Driver, deployer: Deployer) -> None:
    assert deployer.roles() == set()
    with pytest.raises(DeploymentError, match="stack muster: The specified bucket is not valid"):
        started.cloud.reset(empty=False, parameters={"DeploymentName": "x" * 80})
    started.cloud.reset(parameters={})


def test_a_template_of_this_machine_points_at_its_own_folders() -> None:
    packed = package(SAMPLE / "template.yaml", built=False)
    resources = json.loads(packed.text)["Resources"]
    assert resources["Sample"]["Properties"]["CodeUri"]["Key"] == str(SAMPLE / "functions" / "sample")
    assert packed.files == (SAMPLE / "template.yaml", SAMPLE / "statemachines" / "sample.asl.yaml")
    with pytest.raises(TemplateError, match="nowhere"):
        package(Path("nowhere.yaml"), built=False)


def test_what_is_not_there_has_no_code(tmp_path: Path) -> None:
    store = CodeStore()
    assert of_this_machine(tmp_path, built=True) == Location(BUILD, str(tmp_path.resolve()))
    with pytest.raises(CodeError, match="there is no folder"):
        store.folder(of_this_machine(tmp_path / "nothing", built=True))
    with pytest.raises(CodeError, match="there is no file"):
        store.content(of_this_machine(tmp_path / "nothing", built=False))


def test_an_archive_is_unpacked_once_and_removed_at_the_end(deployer: Deployer) -> None:
    deployer.upload("code", handler="")
    store = CodeStore()
    folder = store.folder(Location(UPLOADS, "code"))
    assert ([file.name for file in folder.iterdir()], store.folder(Location(UPLOADS, "code"))) == (
        ["handler.py"],
        folder,
    )
    store.close()
    assert not folder.parent.exists()
