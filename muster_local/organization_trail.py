"""CloudTrail: the organization has a trail that logs in every Region, as most have, without which no event arrives.

It is moto's own: whoever wants an organization without one stops or deletes it through the API.
"""

from moto.cloudtrail.models import cloudtrail_backends
from moto.s3.models import s3_backends

from muster_local.organization_tree import PARTITION

NAME = "organization-trail"
HOME = "us-east-1"


def is_logged(account: str, region: str, organization_of: str | None) -> bool:
    """Tell whether a trail logs the calls in an account and Region: its own, or that of its management account."""
    for owner in {account, organization_of} - {None}:
        for home, backend in list(cloudtrail_backends[str(owner)].items()):
            for trail in list(backend.trails.values()):
                reaches = owner == account or trail.is_org_trail
                if reaches and trail.status.is_logging and (trail.is_multi_region or home == region):
                    return True
    return False


def lay(management_account: str) -> None:
    """Create the trail and its bucket in the management account, and start it."""
    bucket = f"{NAME}-{management_account}"
    s3_backends[management_account][PARTITION].create_bucket(bucket, HOME)
    backend = cloudtrail_backends[management_account][HOME]
    backend.create_trail(
        name=NAME,
        bucket_name=bucket,
        s3_key_prefix="",
        sns_topic_name="",
        is_global=True,
        is_multi_region=True,
        log_validation=True,
        is_org_trail=True,
        cw_log_group_arn="",
        cw_role_arn="",
        kms_key_id="",
        tags_list=[],
    )
    backend.start_logging(NAME)
