"""A function that does what its event says: calls, and every way to fail."""

import json
import os
import sys
import time
from functools import cache
from typing import Any

import boto3
import sample_words  # type: ignore[import-not-found]  # the layer is on the path of the function only
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=2)


class TransientError(Exception):
    """Something that a machine retries."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "Records" in event:
        return batch([(record["messageId"], json.loads(record["body"])) for record in event["Records"]])
    match event.get("do"):
        case "call":
            return {"outcomes": [outcome(call) for call in event["calls"]]}
        case "fail":
            raise TransientError("not now")
        case "crash":
            os._exit(3)
        case "sleep":
            time.sleep(60)
    return {
        "greeting": sample_words.GREETING,
        "said": event.get("said"),
        "region": os.environ["AWS_REGION"],
        "organization": os.environ["ORGANIZATION"],
        "process": os.getpid(),
        "bytecode": not sys.dont_write_bytecode,
        "function": context.invoked_function_arn,
        "me": client_of("sts", None, None).get_caller_identity()["Arn"],
    }


def batch(messages: list[tuple[str, Any]]) -> dict[str, Any]:
    """Take the messages of a queue, but for those that ask to fail, and say which these are."""
    sys.stdout.write(f"batch {json.dumps([body for _, body in messages])}\n")
    if any(body == "raise" for _, body in messages):
        raise TransientError("not now")
    return {"batchItemFailures": [{"itemIdentifier": found} for found, body in messages if body == "fail"]}


def outcome(call: dict[str, Any]) -> Any:
    """Return a call's answer, or its error's code and message."""
    try:
        make_client = client_as if "as" in call else client_of
        client = make_client(call["service"], call.get("region"), call.get("as"))
        answer = getattr(client, call["operation"])(**call.get("parameters", {}))
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {
            "code": error.response["Error"]["Code"],
            "status": status,
            "message": error.response["Error"]["Message"],
        }
    except BotoCoreError as error:
        return {"code": type(error).__name__}
    return json.loads(json.dumps(answer, default=str))


def client_as(service: str, region: str | None, role: str | None) -> Any:
    """Return a client, of a role that is given by its ARN or by the variable that holds it."""
    factory: Any = boto3.client  # typed by service name, of which any may come
    return factory(service, config=ONCE, region_name=region, **session_of(role, region))


client_of = cache(client_as)


def session_of(role: str | None, region: str | None) -> dict[str, str]:
    """Return a client's credentials for a role, given by its ARN or by the variable that holds it."""
    if role is None:
        return {}
    sts = boto3.client("sts", config=ONCE, region_name=region)
    credentials = sts.assume_role(RoleArn=os.environ.get(role, role), RoleSessionName="sample")["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
