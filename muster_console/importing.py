"""Reads what exists, membership and StackSet of the containment roles, and writes it down as a desired state."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from muster.domain.desired import DesiredStackSet
from muster.domain.membership import ACTIVE
from muster.domain.responders import IncidentResponder
from muster.domain.stack_sets import EC2_TRIAGE, INVESTIGATION_POLICY, KNOWN_NAMES, SERVICE_MANAGED
from muster.messages.desired_state import InvalidDocumentError, ParsedDesiredState, parse
from muster_console import desired_state_file
from muster_console.aws import Clients, Connection, error_code, is_denial
from muster_console.errors import ConsoleError, ExitCode
from muster_console.imported_document import (
    Containment,
    CoveredUnit,
    ExistingMembership,
    ExistingStackSet,
    NoStackSet,
    write_document,
)

TRIAGE: Final = "Triage"
STACK_SET_NAMES: Final = tuple(dict.fromkeys((DesiredStackSet().name, *KNOWN_NAMES)))
"""Ours by default, and those of AWS's guide; the first one found is taken."""

type Connect = Callable[[Connection], Clients]


@dataclass(frozen=True, slots=True)
class Imported:
    """The document, and what an operator has to know that is not in it."""

    text: str
    membership_id: str
    parsed: ParsedDesiredState
    notices: tuple[str, ...]


def import_existing(connect: Connect, connection: Connection, management_profile: str | None) -> Imported:
    """Read the one Active membership that the connection sees and, through the profile, the StackSet beside it.

    Raises ConsoleError when there is no such membership, or more than one, or when it has what cannot be desired; the
    error names fields of contacts and never a value.
    """
    clients = connect(connection)
    membership, gone = _with_names(clients, _read_membership(clients))
    _check_scope(membership, gone)
    containment: Containment = NoStackSet("Nobody looked for the containment roles: no --management-profile was given.")
    notices = [f"Unit {unit} of the membership does not exist any more, so it was left out." for unit in gone]
    if management_profile is not None:
        in_regions = tuple(dict.fromkeys((DesiredStackSet().region, membership.region)))
        places = [replace(connection, profile=management_profile, region=region) for region in in_regions]
        containment, others = _find_stack_set(connect, places)
        notices += others
    if isinstance(containment, NoStackSet):
        notices.append(f"containment.roles is off. {containment.why}")
    text = write_document(membership, containment)
    return Imported(text, membership.id, _checked(text), tuple(notices))


def save(path: Path, text: str, *, force: bool) -> None:
    """Write a new file that its owner alone can read. Raises ConsoleError; a file that is there needs ``force``."""
    try:
        if force:
            _replace(path, text)
        else:
            _fill(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), path, text)
    except FileExistsError:
        raise already_there(path) from None
    except OSError as error:
        raise ConsoleError(
            f"{path} cannot be written ({error.strerror}).", "Name another file with --output.", ExitCode.UNUSABLE
        ) from error


def already_there(path: Path) -> ConsoleError:
    """Return the refusal to overwrite a file."""
    return ConsoleError(
        f"{path} is there already.",
        "Name another file with --output, or overwrite it with --force.",
        ExitCode.UNUSABLE,
    )


def _replace(path: Path, text: str) -> None:
    """Put a new file in the place of an old one, whose mode may be wider; a failure leaves the old one as it is."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    _fill(descriptor, new, text)
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def _fill(descriptor: int, path: Path, text: str) -> None:
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except BaseException:  # Ctrl-C too: half a file of contacts is not left behind
        path.unlink()
        raise


def _checked(text: str) -> ParsedDesiredState:
    try:
        return parse(desired_state_file.load(text.encode()))
    except InvalidDocumentError as error:
        lines = map(str, error.problems)
    raise ConsoleError(
        "\n".join((*lines, "The membership has what a desired state cannot hold, so nothing was written.")),
        "Correct it in the membership (Security Incident Response console, or `aws security-ir update-membership`), "
        "then import again.",
        ExitCode.NEEDS_PERSON,
    )


# --- the membership ---


def _read_membership(clients: Clients) -> ExistingMembership:
    sir = clients.security_ir
    region = sir.meta.region_name
    membership_id = _the_active_one(_list_memberships(clients), region)
    found: Mapping[str, Any] = sir.get_membership(membershipId=membership_id)
    if not {"accountId", "membershipArn", "membershipName", "incidentResponseTeam"} <= found.keys():
        raise ConsoleError(
            f"The service left account, ARN, name or team out of its answer about membership {membership_id}.",
            "Import again; if it stays so, start from config/desired-state.example.yaml.",
            ExitCode.NEEDS_PERSON,
        )
    tags = sir.list_tags_for_resource(resourceArn=found["membershipArn"])["tags"]
    scope = found.get("membershipAccountsConfigurations", {})
    entire = bool(scope.get("coverEntireOrganization"))
    triage = [item["isEnabled"] for item in found.get("optInFeatures", []) if item["featureName"] == TRIAGE]
    return ExistingMembership(
        id=membership_id,
        account_id=found["accountId"],
        region=found.get("region", region),
        name=found["membershipName"],
        entire_organization=entire,
        units=() if entire else tuple(map(CoveredUnit, sorted(scope.get("organizationalUnits", [])))),
        triage=triage[0] if triage else None,
        team=tuple(map(_responder, found["incidentResponseTeam"])),
        tags=tuple(sorted((key, value) for key, value in tags.items() if not key.lower().startswith("aws:"))),
    )


def _responder(item: Mapping[str, Any]) -> IncidentResponder:
    kinds = item.get("communicationPreferences")
    return IncidentResponder(
        name=item["name"],
        job_title=item["jobTitle"],
        email=item["email"],
        preferences=None if kinds is None else frozenset(kinds),
    )


def _list_memberships(clients: Clients) -> list[Mapping[str, Any]]:
    try:
        pages = clients.security_ir.get_paginator("list_memberships").paginate()
        return [item for page in pages for item in page.get("items", [])]
    except ClientError as error:
        if error_code(error) == "SecurityIncidentResponseNotActiveException":
            return []
        raise


def _the_active_one(found: Iterable[Mapping[str, Any]], region: str) -> str:
    rows = {row["membershipId"]: row for row in found}
    match [row for row in rows.values() if row.get("membershipStatus") == ACTIVE]:
        case [row]:
            return str(row["membershipId"])
        case []:
            ended = f" ({len(rows)} listed that {'is' if len(rows) == 1 else 'are'} not Active)" if rows else ""
            raise ConsoleError(
                f"These credentials see no Active membership in {region}{ended}.",
                "Use those of the membership's account and its Region (`muster --region REGION import`); for a new "
                "one start from config/desired-state.example.yaml.",
                ExitCode.NEEDS_PERSON,
            )
        case several:
            raise ConsoleError(
                f"More than one membership is Active in {region}: {', '.join(row['membershipId'] for row in several)}.",
                "An organization has one: ask AWS Support which is to stay. Cancel none lightly: cancelling ends "
                "protection at once and makes its cases unreadable.",
                ExitCode.NEEDS_PERSON,
            )


def _check_scope(membership: ExistingMembership, gone: Sequence[str]) -> None:
    if membership.entire_organization or membership.units:
        return
    lost = f" that still exists ({', '.join(gone)} {'does' if len(gone) == 1 else 'do'} not)" if gone else ""
    raise ConsoleError(
        f"Membership {membership.id} covers neither the entire organization nor a unit{lost}, so nothing was written.",
        "Decide what it is to cover, and give the membership that scope (Security Incident Response console, or `aws "
        "security-ir update-membership`), then import again; or write scope yourself, from "
        "config/desired-state.example.yaml.",
        ExitCode.NEEDS_PERSON,
    )


def _with_names(clients: Clients, membership: ExistingMembership) -> tuple[ExistingMembership, list[str]]:
    """Name the units as far as Organizations answers, and take out those of which it says that they do not exist."""
    units: list[CoveredUnit] = []
    gone: list[str] = []
    answers = True
    for unit in membership.units:
        try:
            units.append(replace(unit, name=_unit_name(clients, unit.id)) if answers else unit)
        except ClientError as error:
            if error_code(error) == "OrganizationalUnitNotFoundException":
                gone.append(unit.id)
            else:
                # A name is a comment, nothing more; what denies or throttles one call would do so to all.
                answers = False
                units.append(unit)
    return replace(membership, units=tuple(units)), gone


def _unit_name(clients: Clients, unit_id: str) -> str | None:
    answer = clients.organizations.describe_organizational_unit(OrganizationalUnitId=unit_id)
    return answer["OrganizationalUnit"].get("Name")


# --- the StackSet of the containment roles ---


def _find_stack_set(connect: Connect, places: Sequence[Connection]) -> tuple[Containment, list[str]]:
    """Look where the management account may have it. Raises ConsoleError when none is seen and a place is closed."""
    found: list[tuple[str, Connection]] = []
    closed: list[str] = []
    for place in places:
        try:
            found += [(name, place) for name in _stack_sets(connect(place))]
        except ClientError as error:
            if not is_denial(error):
                raise
            closed.append(place.region or "")
    found.sort(key=lambda each: STACK_SET_NAMES.index(each[0]))
    if found:
        (name, place), *others = found
        return _describe(connect(place), name, place.region or ""), [
            f"StackSet {other} is in {elsewhere.region} too. Only {name} in {place.region} was taken."
            for other, elsewhere in others
        ]
    if closed:
        raise ConsoleError(
            f"The management profile may not call ListStackSets in {', '.join(closed)}, so it is unknown whether the "
            f"containment roles have a StackSet; nothing was written.",
            "Allow cloudformation:ListStackSets and DescribeStackSet there, or import without --management-profile.",
        )
    names = " or ".join(STACK_SET_NAMES)
    regions = " or ".join(place.region or "" for place in places)
    return NoStackSet(f"No StackSet {names} with service-managed permissions was found in {regions}."), []


def _stack_sets(clients: Clients) -> Iterator[str]:
    pages = clients.cloudformation.get_paginator("list_stack_sets").paginate(Status="ACTIVE")
    for page in pages:
        for row in page.get("Summaries", []):
            # One with self-managed permissions reaches no new account and cannot be adopted.
            if row.get("StackSetName") in STACK_SET_NAMES and row.get("PermissionModel") == SERVICE_MANAGED:
                yield row["StackSetName"]


def _describe(clients: Clients, name: str, region: str) -> ExistingStackSet:
    found: Mapping[str, Any] = clients.cloudformation.describe_stack_set(StackSetName=name)["StackSet"]
    values = {row.get("ParameterKey"): row.get("ParameterValue") for row in found.get("Parameters", [])}
    return ExistingStackSet(name=name, region=region, ec2_triage=_has_ec2_triage(values, found.get("TemplateBody", "")))


def _has_ec2_triage(values: Mapping[str | None, str | None], template: str) -> bool:
    """Tell it by the parameter, which is off where nobody gave it; AWS's own templates have the policy or do not."""
    if EC2_TRIAGE in values:
        return values[EC2_TRIAGE] == "true"
    return INVESTIGATION_POLICY in template and not _DECLARES_EC2_TRIAGE.search(template)


_DECLARES_EC2_TRIAGE: Final = re.compile(rf"""(?:^|[{{,])\s*["']?{EC2_TRIAGE}["']?\s*:""", re.MULTILINE)
