"""A reader role in the member accounts, as the management team would deploy it."""

import json

from tests.scenarios.operating import DESIGNATED, Operator

READER = "muster-member-reader"
TRIAGE_ROLE = "AWSServiceRoleForSecurityIncidentResponse_Triage"


def deploy_readers(operator: Operator, *accounts: str) -> None:
    """Create the role in each account; it trusts Assess alone and reads the triage role alone."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{DESIGNATED}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{DESIGNATED}:role/muster-assess"}},
            }
        ],
    }
    for account in accounts:
        iam = operator.client("iam", account)
        iam.create_role(RoleName=READER, AssumeRolePolicyDocument=json.dumps(trust))
        role = f"arn:aws:iam::{account}:role"
        path = "aws-service-role/triage.security-ir.amazonaws.com"
        allowed = {
            "Effect": "Allow",
            "Action": "iam:GetRole",
            "Resource": [f"{role}/{TRIAGE_ROLE}", f"{role}/{path}/{TRIAGE_ROLE}"],
        }
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        iam.put_role_policy(RoleName=READER, PolicyName="read", PolicyDocument=json.dumps(policy))
