"""The desired state as documents: what an operator writes, and the two that are stored of it.

The responders are stored apart, as a secret; their values have no ``repr``.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from muster.domain.desired import (
    ChangeKind,
    ContainmentPreference,
    ContainmentRoles,
    CoverageException,
    DesiredContainment,
    DesiredMembership,
    DesiredStackSet,
    DesiredState,
    ExistingRoles,
    Guardrails,
    Mode,
)
from muster.domain.responders import (
    COMMUNICATION_PREFERENCES,
    MAX_TEAM,
    MIN_TEAM,
    CommunicationPreference,
    IncidentResponder,
    IncidentResponseTeam,
)
from muster.domain.scope import DesiredScope, EntireOrganization, UnitId, UnitPath, UnitReference, UnitReferences
from muster.messages.desired_state_values import (
    CONFIRMED_AS,
    EMAIL,
    UNIT_ID,
    AccountId,
    Approvals,
    AttestationDays,
    ChangeCalendar,
    Choice,
    Count,
    Day,
    Region,
    Share,
    TagKey,
    TagValue,
    UnitIdText,
    UnitReferenceText,
    email_address,
    matches,
    only_true,
    refused,
    shown_pattern,
    trimmed,
    without_repetition,
)


class _Document(BaseModel):
    """Nothing is guessed: unknown keys are errors, and so is a number where a text belongs."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)


class MembershipDocument(_Document):
    """The membership that should exist."""

    name: Annotated[str, Field(strict=True, min_length=3, max_length=50), AfterValidator(trimmed)] = Field(
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
    confirmed_as: Annotated[str, Field(strict=True), shown_pattern(CONFIRMED_AS)] | None = Field(
        default=None,
        description="ACCOUNT/REGION, typed once by a person: both are for life. Without it sign-up stops and asks.",
    )

    @field_validator("confirmed_as")
    @classmethod
    def _confirms_this_membership(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None:
            return text
        if not matches(text, CONFIRMED_AS):
            raise refused("is not ACCOUNT/REGION")
        account, region = info.data.get("account"), info.data.get("region")
        if account and region and text != f"{account}/{region}":
            raise refused(
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
        Annotated[StrictBool, AfterValidator(only_true), Field(json_schema_extra={"const": True})] | None
    ) = Field(default=None, description="true: every account, now and later.")
    units: (
        Annotated[
            tuple[UnitReferenceText, ...], Field(min_length=1, max_length=2000), AfterValidator(without_repetition)
        ]
        | None
    ) = Field(
        default=None,
        description="Units by id (ou-…) or by path of names from below the root (Workloads/Prod), with all below them.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.entire_organization and self.units:
            raise refused("has both entire_organization and units", "Keep one of them.")
        if not self.entire_organization and not self.units:
            raise refused("says neither entire_organization nor units")
        return self

    def to_domain(self) -> DesiredScope:
        """Return it in the domain's words."""
        if self.units is None:
            return EntireOrganization()
        return UnitReferences(tuple(map(_to_reference, self.units)))


def _to_reference(text: str) -> UnitReference:
    return UnitId(text) if matches(text, UNIT_ID) else UnitPath(tuple(text.split("/")))


class StackSetDocument(_Document):
    """Where the StackSet of the containment roles is."""

    name: Annotated[str, Field(strict=True, pattern=r"^[a-zA-Z][a-zA-Z0-9-]{0,127}$")] = Field(
        default="SIR-Containment-Roles", description="Name of the StackSet in the management account."
    )
    region: Annotated[str, Field(strict=True, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = Field(
        default="us-east-1", description="Region of the StackSet and of its instances; any that no policy closes."
    )

    def to_domain(self) -> DesiredStackSet:
        """Return it in the domain's words."""
        return DesiredStackSet(self.name, self.region)


type QuarantineUnits = Annotated[tuple[UnitIdText, ...], Field(max_length=10), AfterValidator(without_repetition)]


class ContainmentDocument(_Document):
    """The two containment roles and how far AWS may contain by itself."""

    roles: ContainmentRoles = Field(
        default=ContainmentRoles.VERIFY, description="off, verify (look and report) or managed (deploy by StackSet)."
    )
    stack_set: StackSetDocument = Field(default_factory=StackSetDocument)
    canary_unit: UnitIdText | None = Field(
        default=None, description="Unit (ou-…) that gets the roles first; without it every account under the root does."
    )
    quarantine_units: QuarantineUnits = Field(
        default=(),
        description="Units (ou-…) that compromised accounts are moved to, up to 10: they have to stay protected there.",
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
    attest_every_days: AttestationDays = Field(
        default=180, description="After how many days a person has to attest the preference again: 30 to 400."
    )

    def to_domain(self) -> DesiredContainment:
        """Return it in the domain's words."""
        return DesiredContainment(
            roles=self.roles,
            stack_set=self.stack_set.to_domain(),
            canary_unit=self.canary_unit,
            quarantine_units=self.quarantine_units,
            ec2_triage=self.ec2_triage,
            existing=self.existing,
            preference=self.preference,
            overrides=tuple(sorted(self.overrides.items())),
            attest_every_days=self.attest_every_days,
        )


class ExceptionDocument(_Document):
    """An account or a unit that may stay uncovered until a day."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["account"]}, {"required": ["unit"]}]})

    account: AccountId | None = Field(default=None, description="Account id; either this or unit.")
    unit: UnitIdText | None = Field(default=None, description="Unit id (ou-…); either this or account.")
    owner: Annotated[str, Field(strict=True, min_length=1, max_length=100), AfterValidator(trimmed)] = Field(
        description="Team that answers for the exception.", repr=False
    )
    reason: Annotated[str, Field(strict=True, min_length=1, max_length=300), AfterValidator(trimmed)] = Field(
        description="Why it may stay uncovered.", repr=False
    )
    until: Day = Field(description="Last day of the exception, YYYY-MM-DD (UTC).")

    @model_validator(mode="after")
    def _exactly_one_target(self) -> Self:
        if self.account and self.unit:
            raise refused("names both an account and a unit", "Keep one of them, and write two exceptions for both.")
        if not self.account and not self.unit:
            raise refused("names neither an account nor a unit")
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

    name: Annotated[str, Field(strict=True, min_length=3, max_length=50), AfterValidator(trimmed)] = Field(
        description="Name, 3 to 50 characters.", repr=False
    )
    job_title: Annotated[str, Field(strict=True, min_length=1, max_length=50), AfterValidator(trimmed)] = Field(
        description="Job title, 1 to 50 characters.", repr=False
    )
    email: Annotated[
        str, Field(strict=True, min_length=6, max_length=254), AfterValidator(email_address), shown_pattern(EMAIL)
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
            raise refused("is an empty list, so this person would hear nothing")
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
                raise refused(
                    f"has the same {word} in entries [{first}] and [{position}]",
                    "The service takes each person once: remove or correct one of them.",
                )
    for role in (ContactRole.PRIMARY, ContactRole.SECONDARY):
        holders = [f"[{position}]" for position, contact in enumerate(contacts) if contact.role is role]
        if len(holders) > 1:
            raise refused(
                f"has more than one {role} (entries {', '.join(holders)})", f"Keep one {role}; make the others member."
            )
    return contacts


type Contacts = Annotated[
    tuple[ContactDocument, ...], Field(min_length=MIN_TEAM, max_length=MAX_TEAM), AfterValidator(_distinct_people)
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
    approvals: Approvals = Field(
        default=1, description="How many different people have to approve what needs approval: 1 or 2."
    )
    change_calendar: ChangeCalendar | None = Field(
        default=None,
        description="SSM Change Calendar, by name or ARN; while it is closed, or its state is unknown, no run writes.",
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
        without_repetition([exception.account or exception.unit for exception in exceptions])
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
            approvals=self.approvals,
            change_calendar=self.change_calendar,
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


class StoredContactsDocument(_Document):
    """The stored contacts, and the key of the digests that stand for them; what else lies there is not looked at."""

    model_config = ConfigDict(extra="ignore")

    contacts: Contacts = Field(repr=False)
    key: Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")] | None = Field(default=None, repr=False)


def team_of(contacts: Sequence[ContactDocument]) -> IncidentResponseTeam:
    """Return the people in the team's order: primary, secondary, and the members as they are listed."""
    order = list(ContactRole)
    return tuple(contact.to_domain() for contact in sorted(contacts, key=lambda contact: order.index(contact.role)))
