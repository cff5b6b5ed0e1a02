"""The desired state as a document: what an operator writes, and the two JSON documents that are stored of it.

The responders are stored apart, as a secret. Nothing in this module puts a value of theirs into an error or a ``repr``,
and no other value either: a message names the field, what is wrong with it, and what to write instead.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from muster.domain.desired import (
    ChangeKind,
    ContainmentPreference,
    ContainmentRoles,
    CoverageException,
    DesiredContainment,
    DesiredMembership,
    DesiredState,
    ExistingRoles,
    Guardrails,
    Mode,
)
from muster.domain.membership import SUPPORTED_REGIONS
from muster.domain.responders import IncidentResponder, IncidentResponseTeam
from muster.domain.scope import DesiredScope, EntireOrganization, UnitId, UnitPath, UnitReference, UnitReferences

SCHEMA: Final = 1
MAX_CONTACTS_BYTES: Final = 8192
"""An advanced parameter of Parameter Store holds no more."""

type CommunicationPreference = Literal[
    "Case Created",
    "Case Updated",
    "Case Acknowledged",
    "Case Closed",
    "Case Updated To Service Managed",
    "Case Status Updated",
    "Case Pending Customer Action Reminder",
    "Case Attachment Url Uploaded",
    "Case Comment Added",
    "Case Comment Updated",
    "Membership Created",
    "Membership Updated",
    "Membership Cancelled",
    "Register Delegated Administrator",
    "Deregister Delegated Administrator",
    "Disable AWS Service Access",
]
COMMUNICATION_PREFERENCES: Final[tuple[str, ...]] = get_args(CommunicationPreference.__value__)

_ACCOUNT_ID = r"^[0-9]{12}$"
_UNIT_ID = r"^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$"
_EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*$"
_CONFIRMED_AS = r"^[0-9]{12}/[a-z]{2}-[a-z]+-[0-9]$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MAX_UNIT_DEPTH = 5
_MAX_UNIT_NAME = 128

_ALL, _LISTED = "{all}", "{listed}"
"""Tags of the two forms of a choice; pydantic puts them into the path of an error, where nobody should see them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: where, what, and what to write instead. It holds no value of the document."""

    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}. {self.remedy}"


class InvalidDocumentError(ValueError):
    """A document cannot be used; ``problems`` has one entry for each thing that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the message is one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def _refused(problem: str, remedy: str | None = None) -> PydanticCustomError:
    return PydanticCustomError("refused", "refused", {"problem": problem, "remedy": remedy})


def _matches(text: str, pattern: str) -> bool:
    return re.fullmatch(pattern[1:-1], text) is not None


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise _refused("starts or ends with a blank", "Remove the blank.")
    if not text.isprintable():
        raise _refused("contains a line break or another control character", "Write it on one line.")
    return text


def _account_id(text: str) -> str:
    if not _matches(text, _ACCOUNT_ID):
        raise _refused("is not an account id")
    return text


def _region(text: str) -> str:
    if text not in SUPPORTED_REGIONS:
        raise _refused("is not a Region that has Security Incident Response")
    return text


def _tag_key(text: str) -> str:
    if text.lower().startswith("aws:"):
        raise _refused("has a key that starts with aws:, which AWS keeps for itself", "Choose another key.")
    return text


def _unit_reference(text: str) -> str:
    if _matches(text, _UNIT_ID):
        return text
    if re.fullmatch(r"r-[0-9a-z]{4,32}", text):
        raise _refused(
            "is the id of the root, which cannot be selected",
            "Write scope.entire_organization: true instead of units to cover every account.",
        )
    if _matches(text.lower(), _UNIT_ID):
        raise _refused("is a unit id with capital letters", "Write it in small letters.")
    if text.startswith("ou-") and "/" not in text:
        raise _refused("starts like a unit id and is none")
    names = text.split("/")
    if any(not name or name != name.strip() for name in names):
        raise _refused(
            "has an empty name or a blank beside a slash",
            'Write names joined by single slashes ("Workloads/Prod"); use the id (ou-…) if a name has one.',
        )
    if len(names) > _MAX_UNIT_DEPTH:
        raise _refused(
            f"has {len(names)} names, yet units nest only {_MAX_UNIT_DEPTH} deep",
            "Start below the root; a unit whose name has a slash needs its id (ou-…).",
        )
    if any(len(name) > _MAX_UNIT_NAME for name in names):
        raise _refused(f"has a name of more than {_MAX_UNIT_NAME} characters")
    return text


def _unit_id(text: str) -> str:
    if not _matches(text, _UNIT_ID):
        raise _refused("is not a unit id")
    return text


def _email(text: str) -> str:
    if not _matches(text, _EMAIL):
        raise _refused("is not an e-mail address that the service takes")
    return text


def _day(text: str) -> str:
    if not _matches(text, _DATE):
        raise _refused("is not a date")
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return text
    raise _refused("is a day that the calendar does not have")


def _only_true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
    if not value:
        raise _refused("can only be true")
    return value


def _without_repetition[T](values: Sequence[T]) -> Sequence[T]:
    seen: set[T] = set()
    for position, value in enumerate(values):
        if value in seen:
            raise _refused(f"has the same entry twice (number {position + 1} is a repetition)", "Remove one of them.")
        seen.add(value)
    return values


def _form_of_choice(value: object) -> str:
    return _LISTED if isinstance(value, list | tuple) else _ALL


def _pattern(pattern: str) -> Any:  # noqa: ANN401 - pydantic's FieldInfo, typed as Any by pydantic itself
    """Show the pattern in the JSON Schema; the check itself gives better messages than pydantic's."""
    return Field(json_schema_extra={"pattern": pattern})


type AccountId = Annotated[str, Field(strict=True), AfterValidator(_account_id), _pattern(_ACCOUNT_ID)]
type Region = Annotated[
    str, Field(strict=True), AfterValidator(_region), Field(json_schema_extra={"enum": list(SUPPORTED_REGIONS)})
]
type UnitReferenceText = Annotated[
    str, Field(strict=True, min_length=1, max_length=700), AfterValidator(_trimmed), AfterValidator(_unit_reference)
]
type UnitIdText = Annotated[str, Field(strict=True), AfterValidator(_unit_id), _pattern(_UNIT_ID)]
type Day = Annotated[str, Field(strict=True), AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
type TagKey = Annotated[str, Field(strict=True, min_length=1, max_length=128), AfterValidator(_tag_key)]
type TagValue = Annotated[str, Field(strict=True, max_length=256)]
type Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
type Count = Annotated[int, Field(strict=True, ge=0, le=50_000)]
type Choice[T] = Annotated[
    Annotated[Literal["all"], Tag(_ALL)]
    | Annotated[tuple[T, ...], Field(max_length=16), AfterValidator(_without_repetition), Tag(_LISTED)],
    Discriminator(_form_of_choice),
]


class _Document(BaseModel):
    """Nothing is guessed: unknown keys are errors, and so is a number where a text belongs."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)


class MembershipDocument(_Document):
    """The membership that should exist."""

    name: Annotated[str, Field(strict=True, min_length=3, max_length=50), AfterValidator(_trimmed)] = Field(
        description="Name of the membership, 3 to 50 characters.", repr=False
    )
    account: AccountId = Field(
        description="Account that holds the membership: the delegated administrator, or the management account."
    )
    region: Region = Field(description="Region of the membership. It can never be changed.")
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=200)] = Field(
        default_factory=dict,
        description="Tags of the membership; tags that are not named here are left alone.",
    )
    confirmed_as: Annotated[str, Field(strict=True), _pattern(_CONFIRMED_AS)] | None = Field(
        default=None,
        description="ACCOUNT/REGION, typed once by a person: both are for life. Without it sign-up stops and asks.",
    )

    @field_validator("confirmed_as")
    @classmethod
    def _confirms_this_membership(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None:
            return text
        if not _matches(text, _CONFIRMED_AS):
            raise _refused("is not ACCOUNT/REGION")
        account, region = info.data.get("account"), info.data.get("region")
        if account and region and text != f"{account}/{region}":
            raise _refused(
                "confirms another account or Region than membership.account and membership.region",
                f'Check both, they are for life; then write "{account}/{region}".',
            )
        return text

    def to_domain(self) -> DesiredMembership:
        """Return it in the domain's words."""
        return DesiredMembership(
            name=self.name,
            account_id=self.account,
            region=self.region,
            tags=tuple(sorted(self.tags.items())),
            confirmed_as=self.confirmed_as,
        )


class ScopeDocument(_Document):
    """Which accounts are meant to be covered: all of them, or those below some units."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["entire_organization"]}, {"required": ["units"]}]}
    )

    entire_organization: (
        Annotated[StrictBool, AfterValidator(_only_true), Field(json_schema_extra={"const": True})] | None
    ) = Field(default=None, description="true: every account, now and later.")
    units: (
        Annotated[
            tuple[UnitReferenceText, ...], Field(min_length=1, max_length=2000), AfterValidator(_without_repetition)
        ]
        | None
    ) = Field(
        default=None,
        description="Units by id (ou-…) or by path of names from below the root (Workloads/Prod), with all below them.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.entire_organization and self.units:
            raise _refused("has both entire_organization and units", "Keep one of them.")
        if not self.entire_organization and not self.units:
            raise _refused("says neither entire_organization nor units")
        return self

    def to_domain(self) -> DesiredScope:
        """Return it in the domain's words."""
        if self.units is None:
            return EntireOrganization()
        return UnitReferences(tuple(map(_to_reference, self.units)))


def _to_reference(text: str) -> UnitReference:
    return UnitId(text) if _matches(text, _UNIT_ID) else UnitPath(tuple(text.split("/")))


class ContainmentDocument(_Document):
    """The two containment roles and how far AWS may contain by itself."""

    roles: ContainmentRoles = Field(
        default=ContainmentRoles.VERIFY, description="off, verify (look and report) or managed (deploy by StackSet)."
    )
    ec2_triage: StrictBool = Field(
        default=False, description="Whether the roles may also collect evidence from EC2 instances."
    )
    existing: ExistingRoles = Field(
        default=ExistingRoles.STOP, description="What to do about roles that somebody else made: stop or adopt."
    )
    preference: ContainmentPreference = Field(
        default=ContainmentPreference.APPROVAL_REQUIRED,
        description="ApprovalRequired, ContainConfirmed or ContainSuspected, for the organization.",
    )
    overrides: dict[AccountId, ContainmentPreference] = Field(
        default_factory=dict, description="Preference of single accounts, by account id."
    )

    def to_domain(self) -> DesiredContainment:
        """Return it in the domain's words."""
        return DesiredContainment(
            roles=self.roles,
            ec2_triage=self.ec2_triage,
            existing=self.existing,
            preference=self.preference,
            overrides=tuple(sorted(self.overrides.items())),
        )


class ExceptionDocument(_Document):
    """An account or a unit that may stay uncovered until a day."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["account"]}, {"required": ["unit"]}]})

    account: AccountId | None = Field(default=None, description="Account id; either this or unit.")
    unit: UnitIdText | None = Field(default=None, description="Unit id (ou-…); either this or account.")
    owner: Annotated[str, Field(strict=True, min_length=1, max_length=100), AfterValidator(_trimmed)] = Field(
        description="Team that answers for the exception.", repr=False
    )
    reason: Annotated[str, Field(strict=True, min_length=1, max_length=300), AfterValidator(_trimmed)] = Field(
        description="Why it may stay uncovered.", repr=False
    )
    until: Day = Field(description="Last day of the exception, YYYY-MM-DD (UTC).")

    @model_validator(mode="after")
    def _exactly_one_target(self) -> Self:
        if self.account and self.unit:
            raise _refused("names both an account and a unit", "Keep one of them, and write two exceptions for both.")
        if not self.account and not self.unit:
            raise _refused("names neither an account nor a unit")
        return self

    def to_domain(self) -> CoverageException:
        """Return it in the domain's words."""
        return CoverageException(
            target_id=self.account or self.unit or "",
            owner=self.owner,
            reason=self.reason,
            until=date.fromisoformat(self.until),
        )


class GuardrailsDocument(_Document):
    """Limits past which a run stops and asks."""

    max_accounts: Count = Field(default=25, description="Accounts whose protection one run may change.")
    max_share: Share = Field(default=0.05, description="The same as a share of all accounts, 0 to 1.")
    max_units: Count = Field(default=10, description="Units that one run may add or remove.")
    inventory_drop: Share = Field(
        default=0.10, description="Share by which the list of accounts may shrink between two runs, 0 to 1."
    )

    def to_domain(self) -> Guardrails:
        """Return it in the domain's words."""
        return Guardrails(
            max_accounts=self.max_accounts,
            max_share=self.max_share,
            max_units=self.max_units,
            inventory_drop=self.inventory_drop,
        )


class ContactRole(StrEnum):
    """Place in the team's order; it means nothing else."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    MEMBER = "member"


class ContactDocument(_Document):
    """One person of the incident response team."""

    name: Annotated[str, Field(strict=True, min_length=3, max_length=50), AfterValidator(_trimmed)] = Field(
        description="Name, 3 to 50 characters.", repr=False
    )
    job_title: Annotated[str, Field(strict=True, min_length=1, max_length=50), AfterValidator(_trimmed)] = Field(
        description="Job title, 1 to 50 characters.", repr=False
    )
    email: Annotated[
        str, Field(strict=True, min_length=6, max_length=254), AfterValidator(_email), _pattern(_EMAIL)
    ] = Field(description="E-mail address, 6 to 254 characters.", repr=False)
    role: ContactRole = Field(
        default=ContactRole.MEMBER, description="primary, secondary or member: the order in the team.", repr=False
    )
    notify: Choice[CommunicationPreference] = Field(
        default="all", description="all, or the kinds of message this person gets.", repr=False
    )

    @field_validator("notify")
    @classmethod
    def _gets_something[T](cls, kinds: T) -> T:
        if not kinds:
            raise _refused("is an empty list, so this person would hear nothing")
        return kinds

    def to_domain(self) -> IncidentResponder:
        """Return the person in the domain's words; every kind listed is the same as ``all``."""
        every = self.notify == "all" or len(self.notify) == len(COMMUNICATION_PREFERENCES)
        return IncidentResponder(
            name=self.name,
            job_title=self.job_title,
            email=self.email,
            preferences=None if every else frozenset(self.notify),
        )


def _distinct_people(contacts: tuple[ContactDocument, ...]) -> tuple[ContactDocument, ...]:
    told_apart_by = {
        "e-mail address": [contact.email for contact in contacts],
        "name": [contact.name for contact in contacts],
    }
    for word, values in told_apart_by.items():
        seen: dict[str, int] = {}
        for position, value in enumerate(values):
            first = seen.setdefault(value.casefold(), position)
            if first != position:
                raise _refused(
                    f"has the same {word} in entries [{first}] and [{position}]",
                    "The service takes each person once: remove or correct one of them.",
                )
    for role in (ContactRole.PRIMARY, ContactRole.SECONDARY):
        holders = [f"[{position}]" for position, contact in enumerate(contacts) if contact.role is role]
        if len(holders) > 1:
            raise _refused(
                f"has more than one {role} (entries {', '.join(holders)})", f"Keep one {role}; make the others member."
            )
    return contacts


type Contacts = Annotated[
    tuple[ContactDocument, ...], Field(min_length=2, max_length=10), AfterValidator(_distinct_people)
]


class _DesiredStateKeys(_Document):
    """What the operator's file and the stored document have in common."""

    mode: Mode = Field(
        default=Mode.PROPOSE,
        description="observe (read and report), propose (plan and ask) or enforce (apply what automatic lists).",
    )
    automatic: Choice[ChangeKind] = Field(
        default=(),
        description="What enforce may do without asking: all, or a list of kinds. None of them reduces protection.",
    )
    membership: MembershipDocument
    scope: ScopeDocument
    proactive_response: StrictBool = Field(
        default=True, description="Whether AWS triages findings and opens cases by itself (opt-in feature Triage)."
    )
    containment: ContainmentDocument = Field(default_factory=ContainmentDocument)
    exceptions: Annotated[tuple[ExceptionDocument, ...], Field(max_length=1000)] = Field(default=())
    guardrails: GuardrailsDocument = Field(default_factory=GuardrailsDocument)

    @field_validator("exceptions")
    @classmethod
    def _one_exception_each(cls, exceptions: tuple[ExceptionDocument, ...]) -> tuple[ExceptionDocument, ...]:
        _without_repetition([exception.account or exception.unit for exception in exceptions])
        return exceptions

    def to_domain(self) -> DesiredState:
        """Return everything but the responders in the domain's words."""
        return DesiredState(
            membership=self.membership.to_domain(),
            scope=self.scope.to_domain(),
            mode=self.mode,
            automatic=frozenset(ChangeKind) if self.automatic == "all" else frozenset(self.automatic),
            proactive_response=self.proactive_response,
            containment=self.containment.to_domain(),
            exceptions=tuple(exception.to_domain() for exception in self.exceptions),
            guardrails=self.guardrails.to_domain(),
        )


class DesiredStateDocument(_DesiredStateKeys):
    """What an operator asks of AWS Security Incident Response for an organization (``config/desired-state.*.yaml``)."""

    model_config = ConfigDict(title="Muster desired state")

    contacts: Contacts = Field(
        description="The incident response team, 2 to 10 people. Stored apart from the rest, encrypted.", repr=False
    )


class StoredDesiredStateDocument(_DesiredStateKeys):
    """The desired state as it lies in S3: without the responders, with the version of its form."""

    schema_: Literal[1] = Field(alias="schema")


@dataclass(frozen=True, slots=True)
class ParsedDesiredState:
    """A desired state that is right as far as the document itself can tell, and the two documents to store."""

    desired: DesiredState
    team: IncidentResponseTeam = field(repr=False)
    desired_state_json: str
    contacts_json: str = field(repr=False)


def parse(document: object) -> ParsedDesiredState:
    """Check what an operator wrote, as read from YAML. Raises InvalidDocumentError with every problem."""
    checked = _checked(TypeAdapter(DesiredStateDocument), document)
    contacts = canonical_json([contact.model_dump(mode="json") for contact in checked.contacts])
    size = len(contacts.encode())
    if size > MAX_CONTACTS_BYTES:
        problem = f"take {size:,} bytes as they are stored, and a parameter holds {MAX_CONTACTS_BYTES:,}"
        raise InvalidDocumentError([Problem("contacts", problem, "Shorten job titles, or write notify: all.")])
    stored = checked.model_dump(mode="json", exclude={"contacts"}, exclude_none=True)
    return ParsedDesiredState(
        desired=checked.to_domain(),
        team=_team(checked.contacts),
        desired_state_json=canonical_json({**stored, "schema": SCHEMA}),
        contacts_json=contacts,
    )


def load_stored(text: str | bytes) -> DesiredState:
    """Return the desired state from its stored JSON. Raises InvalidDocumentError."""
    return _checked(TypeAdapter(StoredDesiredStateDocument), _from_json(text, "desired-state.json")).to_domain()


def load_contacts(text: str | bytes) -> IncidentResponseTeam:
    """Return the team, in its order, from the stored contacts. Raises InvalidDocumentError, without any value."""
    adapter: TypeAdapter[_StoredContacts] = TypeAdapter(_StoredContacts)
    return _team(_checked(adapter, {"contacts": _from_json(text, "contacts")}).contacts)


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no blanks, so that equal documents are equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class _StoredContacts(_Document):
    """The stored list, under the key that its messages should name."""

    contacts: Contacts = Field(repr=False)


def _team(contacts: tuple[ContactDocument, ...]) -> IncidentResponseTeam:
    order = list(ContactRole)
    return tuple(contact.to_domain() for contact in sorted(contacts, key=lambda c: order.index(c.role)))


def _from_json(text: str | bytes, document: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        # The decoder's error holds the whole text, so it must not become the cause or the context of ours.
        pass
    raise InvalidDocumentError([Problem(document, "is not JSON", "Store it again with `muster push`.")])


def _checked[T](adapter: TypeAdapter[T], document: object) -> T:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_url=False) if not _is_echo(details)]
    # Raised outside the handler: pydantic's error holds the values, and ours must not lead to it.
    raise InvalidDocumentError(problems)


# From here on: pydantic's errors put into sentences.

_KEYS: Final[dict[str, type[BaseModel]]] = {
    "": DesiredStateDocument,
    "membership": MembershipDocument,
    "scope": ScopeDocument,
    "containment": ContainmentDocument,
    "exceptions[]": ExceptionDocument,
    "guardrails": GuardrailsDocument,
    "contacts[]": ContactDocument,
}
_QUOTED_ACCOUNT = 'Write the 12 digits in quotes: "123456789012".'
_NO_SHARE = "Write a number from 0 to 1: 0.05 is five percent."
REMEDIES: Final[dict[str, str]] = {
    "": "Start from config/desired-state.example.yaml.",
    "mode": "Write observe, propose or enforce.",
    "automatic": "Write all, or a list of kinds in square brackets: [sign_up, add_unit].",
    "automatic[]": f"Choose from {', '.join(ChangeKind)}.",
    "membership": "Write name, account and region below it.",
    "membership.name": "Write a name of 3 to 50 characters.",
    "membership.account": _QUOTED_ACCOUNT,
    "membership.region": f"Choose from {', '.join(SUPPORTED_REGIONS)}.",
    "membership.tags": 'Write up to 200 tags as key: "value", with keys of 1 to 128 characters.',
    "membership.tags.*": "Write a text of at most 256 characters.",
    "membership.confirmed_as": 'Write account and Region as above, in quotes: "123456789012/eu-west-1".',
    "scope": "Write either entire_organization: true, or units and a list of units.",
    "scope.entire_organization": "Write true to cover every account; to cover some, remove this key and list units.",
    "scope.units": "Write a list of 1 to 2,000 units: ids (ou-…) or paths of names (Workloads/Prod).",
    "scope.units[]": 'Write a unit id (ou-…) or the names on the way to it from below the root: "Workloads/Prod".',
    "proactive_response": "Write true or false.",
    "contacts": "Write a list of 2 to 10 people, each with name, job_title and email.",
    "contacts[]": f"Write the keys {', '.join(ContactDocument.model_fields)}.",
    "contacts[].name": "Write a name of 3 to 50 characters.",
    "contacts[].job_title": "Write a job title of 1 to 50 characters.",
    "contacts[].email": "Write an address of 6 to 254 characters, such as first.last@example.com.",
    "contacts[].role": "Write primary, secondary or member.",
    "contacts[].notify": "Write all, or a list of kinds of message: [Case Created, Case Closed].",
    "contacts[].notify[]": f"Choose from {', '.join(COMMUNICATION_PREFERENCES)}.",
    "containment": "Write keys below it (roles, ec2_triage, existing, preference, overrides), or remove it.",
    "containment.roles": "Write off, verify or managed.",
    "containment.ec2_triage": "Write true or false.",
    "containment.existing": "Write stop or adopt.",
    "containment.preference": "Write ApprovalRequired, ContainConfirmed or ContainSuspected.",
    "containment.overrides": 'Write account ids in quotes, each with a preference: "123456789012": ContainConfirmed.',
    "containment.overrides.*": "Write ApprovalRequired, ContainConfirmed or ContainSuspected.",
    "exceptions": "Write a list of up to 1,000 exceptions, each with account or unit, owner, reason and until.",
    "exceptions[]": "Write account or unit, and owner, reason and until.",
    "exceptions[].account": _QUOTED_ACCOUNT,
    "exceptions[].unit": "Write the unit's id: ou-, four or more characters, a hyphen, eight or more characters.",
    "exceptions[].owner": "Write the team that answers for it, in 1 to 100 characters.",
    "exceptions[].reason": "Write why, in 1 to 300 characters.",
    "exceptions[].until": "Write the last day as YYYY-MM-DD.",
    "guardrails": "Write keys below it (max_accounts, max_share, max_units, inventory_drop), or remove it.",
    "guardrails.max_accounts": "Write a whole number from 0 to 50,000.",
    "guardrails.max_share": _NO_SHARE,
    "guardrails.max_units": "Write a whole number from 0 to 50,000.",
    "guardrails.inventory_drop": _NO_SHARE,
    "schema": "Store the desired state again with `muster push`.",
}
"""What to write, by field; positions and free keys are left out of the name of the field."""

_SENTENCES: Final[dict[str, str]] = {
    "missing": "is missing",
    "string_too_short": "is shorter than {min_length} characters",
    "string_empty": "is empty",
    "string_too_long": "is longer than {max_length} characters",
    "greater_than_equal": "is less than {ge:,g}",
    "less_than_equal": "is more than {le:,g}",
    "finite_number": "is not a finite number",
}
_EXPECTED: Final[dict[str, str]] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
}
_FREE_TEXTS: Final = {
    "membership.name",
    "membership.tags.*",
    "scope.units[]",
    "contacts[].name",
    "contacts[].job_title",
    "exceptions[].owner",
    "exceptions[].reason",
}
"""Where a bare number or ``true`` was probably meant as text."""

_PRINTABLE_KEY = r"[\w.:/=+@-]{1,60}"


def _is_echo(error: ErrorDetails) -> bool:
    """Tell whether a list is called too short only because an entry of it is wrong, which has an error of its own."""
    return error["type"] == "too_short" and len(error["input"]) >= error.get("ctx", {})["min_length"]


def _problem(error: ErrorDetails) -> Problem:
    path = [part for part in error["loc"] if part not in (_ALL, _LISTED)]
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "string_too_short" and not given:
        kind = "string_empty"
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown_key(path)
    if path and path[-1] == "[key]":
        return _wrong_key(path[:-1], kind, given, context)
    shown, rule = _names(path)
    remedy = REMEDIES[rule]
    match kind:
        case "refused":
            problem, remedy = context["problem"], context["remedy"] or remedy
        case "literal_error" | "enum":
            choices = re.findall(r"'([^']*)'", context["expected"])
            problem, remedy = _not_one_of(given), _near(given, choices) or remedy
        case "too_short" | "too_long":
            problem = _wrong_length(kind, context)
        case _ if kind in _EXPECTED:
            problem, remedy = f"is {_what(given)}, not {_EXPECTED[kind]}", _remedy_for_type(rule, given)
        case _:
            problem = _SENTENCES[kind].format(**context)
    return Problem(shown, problem, remedy)


def _unknown_key(path: list[int | str]) -> Problem:
    shown, rule = _names(path[:-1])
    known = [name for name in _KEYS.get(rule, DesiredStateDocument).model_fields if name != "schema_"]
    remedy = _near(path[-1], known) or f"Remove it; the keys here are {', '.join(known)}."
    if rule.startswith("contacts"):
        # A slip of indentation can make a key out of somebody's name.
        return Problem(shown, "has a key that is not known", remedy)
    return Problem(_joined(shown, path[-1]), "is not a known key", remedy)


def _wrong_key(path: list[int | str], kind: str, given: object, context: dict[str, Any]) -> Problem:
    shown, rule = _names(path[:-1])
    if kind == "refused":
        problem = str(context["problem"]).replace("is not", "has a key that is not", 1)
        return Problem(shown, problem, context["remedy"] or REMEDIES[rule])
    if kind == "string_type":
        return Problem(shown, f"has a key that is {_what(given)}, not text", REMEDIES[rule])
    return Problem(shown, "has a key that " + _SENTENCES[kind].format(**context), REMEDIES[rule])


def _not_one_of(given: object) -> str:
    if isinstance(given, str):
        return "is not one of the possible words"
    return f"is {_what(given)}, not one of the possible words"


def _wrong_length(kind: str, context: dict[str, Any]) -> str:
    if kind == "too_short":
        return f"has fewer than {context['min_length']} entries" if context["actual_length"] else "is an empty list"
    return f"has more than {context['max_length']:,} entries"


_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "empty"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    ((list, tuple), "a list"),
    (dict, "a group of keys"),
)


def _what(given: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(given, kind)), "something else")


def _remedy_for_type(rule: str, given: object) -> str:
    if rule in _FREE_TEXTS and isinstance(given, int | float):
        return f"Put it in quotes. {REMEDIES[rule]}"
    return REMEDIES[rule]


def _near(given: object, choices: Sequence[str]) -> str | None:
    """Suggest the choice that was probably meant. Only the choice is named, never what was given."""
    if not isinstance(given, str):
        return None
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(given.casefold(), folded, n=1, cutoff=0.7)
    return f"Did you mean {folded[close[0]]}?" if close else None


def _names(path: Sequence[int | str]) -> tuple[str, str]:
    """Return the field as a person reads it and as the rule for it is found: contacts[1].email, contacts[].email."""
    shown = rule = ""
    for part in path:
        if rule in ("membership.tags", "containment.overrides"):
            shown, rule = _joined(shown, part), f"{rule}.*"
        elif isinstance(part, int):
            shown, rule = f"{shown}[{part}]", f"{rule}[]"
        else:
            shown = _joined(shown, part)
            rule = f"{rule}.{part}" if rule else part
    return shown or "document", rule


def _joined(shown: str, key: int | str) -> str:
    name = str(key) if re.fullmatch(_PRINTABLE_KEY, str(key)) else "(a key)"
    return name if shown in ("", "document") else f"{shown}.{name}"
