"""The operations of `security-ir` on the tags of memberships and cases."""

from muster_local.memberships import Case, Membership
from muster_local.security_ir_answers import Answer, Request, SecurityIncidentResponseError, not_entitled
from muster_local.security_ir_caller import Caller
from muster_local.security_ir_cases import owns


def tag_resource(caller: Caller, request: Request) -> Answer:
    """Add or overwrite tags."""
    _tagged(caller, request["resourceArn"]).tags.update(request["tags"])
    return {}


def untag_resource(caller: Caller, request: Request) -> Answer:
    """Remove tags; one that is not there is no error."""
    tags = _tagged(caller, request["resourceArn"]).tags
    for key in request["tagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags_for_resource(caller: Caller, request: Request) -> Answer:
    """Return the tags, which GetMembership leaves out."""
    return {"tags": dict(_tagged(caller, request["resourceArn"]).tags)}


def _tagged(caller: Caller, arn: str) -> Membership | Case:
    resources: list[Membership | Case] = [*caller.world.memberships, *caller.world.cases]
    found = next((one for one in resources if one.arn == arn), None)
    if isinstance(found, Membership) and not caller.is_concerned(found):
        raise not_entitled()
    if found is None or found.region != caller.region or (isinstance(found, Case) and not owns(caller, found)):
        raise SecurityIncidentResponseError("ResourceNotFoundException", f"There is no resource {arn}.")
    return found
