"""Behaviour that AWS leaves undocumented, as named switches: whoever relies on one answer fails on the other."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """One open question about AWS, the answers simulated here, and the one that is simulated by default."""

    name: str
    question: str
    values: tuple[str, ...]

    @property
    def default(self) -> str:
        """The first of the values."""
        return self.values[0]


class UnknownSwitchError(KeyError):
    """No switch has this name."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is no switch {self.name!r}; the switches are {', '.join(sorted(BY_NAME))}"


class SwitchValueError(ValueError):
    """The switch exists, and does not have this value."""

    def __init__(self, switch: Switch, value: str) -> None:
        """Keep the switch and the value that it does not have."""
        super().__init__(f"switch {switch.name!r} is one of {', '.join(switch.values)}, not {value!r}")
        self.switch = switch
        self.value = value


ALL = (
    Switch(
        "triage_role_creator",
        "Who creates the triage role in covered members after onboarding by API: the service, or nobody?",
        ("service", "nobody"),
    ),
    Switch(
        "scope_change_visibility",
        "Does GetMembership show a change of scope at once, or only when it has propagated?",
        ("at_once", "after_propagation"),
    ),
    Switch(
        "not_associated_word",
        "Which word does BatchGetMemberAccountDetails use for an account that the membership does not cover?",
        ("Disassociated", "Unassociated"),
    ),
    Switch(
        "omitted_preferences",
        "Does GetMembership leave out communication preferences that were left out, or name all sixteen?",
        ("omitted", "all"),
    ),
    Switch(
        "responder_order",
        "In which order does GetMembership return the incident response team?",
        ("as_given", "by_email", "reversed"),
    ),
    Switch(
        "add_present_unit",
        "Is adding a unit that the membership already has accepted, or a conflict?",
        ("accepted", "ConflictException"),
    ),
    Switch(
        "units_with_entire_organization",
        "May units be added while, or in the same call as, the entire organization is covered?",
        ("accepted", "ValidationException"),
    ),
    Switch(
        "add_and_remove_together",
        "May one UpdateMembership both add and remove units, which the console cannot?",
        ("accepted", "ValidationException"),
    ),
    Switch(
        "management_account_association",
        "Does covering the management account make it Associated, or is it never a covered account?",
        ("associated", "not_associated"),
    ),
    Switch(
        "foreign_list_memberships",
        "What does ListMemberships answer an account that is neither the membership's nor the delegated administrator?",
        ("empty", "AccessDeniedException", "SecurityIncidentResponseNotActiveException"),
    ),
    Switch(
        "register_before_enable",
        "Does Organizations refuse a delegated administrator for security-ir before trusted access is enabled?",
        ("refused", "accepted"),
    ),
    Switch(
        "second_delegated_administrator",
        "With which reason does Organizations refuse a second delegated administrator for security-ir?",
        ("MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED", "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"),
    ),
    Switch(
        "sts_opt_in_regions",
        "Does the STS endpoint of an opt-in Region accept calls for another account, which needs it active in both?",
        ("accepted", "refused"),
    ),
    Switch(
        "second_membership",
        "Which error answers CreateMembership when the organization already has an active membership?",
        ("ConflictException", "ValidationException", "ServiceQuotaExceededException"),
    ),
    Switch(
        "inactive_account_details",
        "How does BatchGetMemberAccountDetails answer for an account of the organization that is not ACTIVE?",
        ("item", "error", "neither"),
    ),
    Switch(
        "foreign_account_details",
        "How does BatchGetMemberAccountDetails answer for an account outside the organization?",
        ("item", "error", "neither"),
    ),
    Switch(
        "triage_when_omitted",
        "What is the Triage feature when CreateMembership leaves optInFeatures out: on, off, or not reported?",
        ("disabled", "enabled", "unreported"),
    ),
    Switch(
        "registration_consistency",
        "Does security-ir see trusted access and a new delegated administrator at once, or after some seconds?",
        ("immediate", "delayed"),
    ),
    Switch(
        "cancelled_status",
        "Which status does a membership have after CancelMembership?",
        ("Cancelled", "Terminated"),
    ),
    Switch(
        "ended_memberships_listed",
        "Does ListMemberships still list memberships that have ended?",
        ("listed", "dropped"),
    ),
    Switch(
        "disabled_service_access",
        "Does disabling trusted access leave an active membership as it is, or end it?",
        ("kept", "terminated"),
    ),
    Switch(
        "deleted_unit",
        "Does GetMembership keep the id of a covered unit that was deleted, or drop it?",
        ("kept", "dropped"),
    ),
    Switch(
        "account_status",
        "Do accounts still carry the field Status beside State, or has it been retired?",
        ("present", "retired"),
    ),
    Switch(
        "skipped_account_result",
        "As what does ListStackSetOperationResults list an account that was skipped because it is suspended?",
        ("CANCELLED", "SUCCEEDED"),
    ),
    Switch(
        "stack_update_scope",
        "Does an update of a stack that changes one property of a role write the whole role as the template has it, "
        "or only that property?",
        ("whole_resource", "changed_properties"),
    ),
    Switch(
        "foreign_policy_drift",
        "Does drift detection see a foreign policy on a role whose template names others, inline or attached as it is?",
        ("IN_SYNC", "DRIFTED"),
    ),
    Switch(
        "event_resources",
        "Does the event history name the state machine among the resources of a StartExecution?",
        ("named", "unnamed"),
    ),
    Switch(
        "first_run_of_a_rate",
        "Does a schedule with a rate and without a start date run as soon as it is made, or after its first period?",
        ("immediately", "after_one_period"),
    ),
    Switch(
        "membership_end_event",
        "Which detail-type does the event of a cancelled membership have?",
        ("Membership Cancelled", "Membership Closed"),
    ),
    Switch(
        "joined_and_departed_events",
        "Where do AccountJoinedOrganization and AccountDepartedOrganization name the account, if they come at all?",
        ("service_event_details", "nested", "nowhere", "undelivered"),
    ),
)
BY_NAME: Mapping[str, Switch] = {switch.name: switch for switch in ALL}


class Switches:
    """The position of every switch of one world."""

    def __init__(self) -> None:
        """Start with every default."""
        self._values = {switch.name: switch.default for switch in ALL}

    def get(self, name: str) -> str:
        """Return the present value, or raise UnknownSwitchError."""
        _find(name)
        return self._values[name]

    def set(self, name: str, value: str) -> None:
        """Set a value, or raise UnknownSwitchError or SwitchValueError."""
        switch = _find(name)
        if value not in switch.values:
            raise SwitchValueError(switch, value)
        self._values[name] = value

    def as_dict(self) -> dict[str, str]:
        """Return the present value by name, in the order in which the switches are documented."""
        return dict(self._values)


def _find(name: str) -> Switch:
    if (switch := BY_NAME.get(name)) is None:
        raise UnknownSwitchError(name)
    return switch
