"""Every check by example: what is seen, what it is called, and what a person is told to do."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain import service_terms
from muster.domain.desired import (
    ChangeKind,
    ContainmentRoles,
    DesiredContainment,
    DesiredMembership,
    DesiredState,
    ExistingRoles,
    Mode,
)
from muster.domain.membership import OPT_IN_REGIONS, SERVICE_PRINCIPAL, SUPPORTED_REGIONS, Home, MembershipSummary
from muster.domain.observed import Known, Unknown
from muster.domain.organization import Account, AccountState, OrganizationSummary
from muster.domain.outcomes import Notice
from muster.domain.preflight import (
    Check,
    CheckId,
    CheckStatus,
    PreflightOutcome,
    Severity,
    UnknownCheckError,
    explain_blockers,
    find_blockers,
    notices_of,
    parse_accepted,
    to_document,
)
from muster.domain.preflight_checks import (
    CONTAINMENT_ROLES,
    ContactsFile,
    ContactsParameter,
    Denial,
    Seen,
    Trail,
    Vantage,
    check_all,
    wants_role_names,
    wants_stack_sets,
)
from muster.domain.scope import EntireOrganization
from muster.domain.sign_up import (
    DelegationConflict,
    MembershipConflict,
    MembershipFound,
    MembershipUnclear,
    NoMembership,
    NoRegistrationNeeded,
    NotRegistered,
    Registered,
)

MANAGEMENT, SECURITY = "111111111111", "222222222222"
HOME = Home(SECURITY, "eu-west-1")
PASSED, FAILED, UNKNOWN, NOT_APPLICABLE = CheckStatus
BLOCKER, WARNING = Severity
DENIED = Unknown("service:Operation in account 111111111111: AccessDenied (no)")

VANTAGE = Vantage(HOME, MANAGEMENT, "role muster-preflight", "role muster-management-reader", "muster")
ORGANIZATION = OrganizationSummary("o-exampleorg1", MANAGEMENT, has_all_features=True)
ACCOUNT = Account(SECURITY, "Security", AccountState.ACTIVE, ("r-ex01",))
MEMBERSHIP = MembershipSummary("m-0123456789ab", "arn", SECURITY, "eu-west-1", "Active")
TRAIL = Trail("arn:aws:cloudtrail:us-east-1:1:trail/all", "us-east-1", is_logging=True, has_own_selectors=False)
DESIRED = DesiredState(
    DesiredMembership("example", SECURITY, "eu-west-1"),
    EntireOrganization(),
    mode=Mode.ENFORCE,
    automatic=frozenset(ChangeKind),
    containment=DesiredContainment(roles=ContainmentRoles.MANAGED),
)
GOOD = Seen(
    organization=Known(ORGANIZATION),
    reader_refused=None,
    designated=Known(ACCOUNT),
    region_enabled=Known(value=True),
    memberships=NoMembership(0),
    delegation=NotRegistered(),
    trusted=Known(frozenset()),
    triage_role=Known(value=False),
    stack_sets_access=Known(value=True),
    containment_roles=Known(frozenset()),
    trails=Known((TRAIL,)),
    contacts=Known(ContactsParameter("/muster/contacts", "SecureString", "Advanced")),
)


def one(check: CheckId, *, desired: DesiredState = DESIRED, vantage: Vantage = VANTAGE, **seen: Any) -> Check:
    """Return one check of a world that is good but for what is given."""
    checks = {each.id: each for each in check_all(desired, replace(GOOD, **seen), vantage)}
    return checks[check]


def result(check: Check) -> tuple[CheckStatus, Severity | None]:
    return check.status, check.severity


def containing(roles: ContainmentRoles, existing: ExistingRoles = ExistingRoles.STOP) -> DesiredState:
    return replace(DESIRED, containment=DesiredContainment(roles=roles, existing=existing))


def test_good_world_passes_every_check_in_the_order_of_the_table() -> None:
    checks = check_all(DESIRED, GOOD, VANTAGE)

    assert [check.id for check in checks] == list(CheckId)
    assert {check.id for check in checks if check.status is not PASSED} == {CheckId.REGION_ENABLED}
    assert all(check.severity is check.remedy is None for check in checks)
    assert all(check.title and check.evidence for check in checks)


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (DENIED, UNKNOWN, "AccessDenied"),
        (Known(None), FAILED, "account 222222222222 is in no organization"),
        (Known(replace(ORGANIZATION, has_all_features=False)), FAILED, "only consolidated billing"),
        (Known(replace(ORGANIZATION, management_account_id="999999999999")), FAILED, "is 999999999999"),
    ],
)
def test_organization_that_is_not_ready_blocks(found: Any, status: CheckStatus, words: str) -> None:
    check = one(CheckId.ORGANIZATION, organization=found)

    assert result(check) == (status, BLOCKER)
    assert words in check.evidence


def test_stack_that_was_told_another_management_account_is_to_be_deployed_with_the_right_one() -> None:
    told = replace(ORGANIZATION, management_account_id="999999999999")

    assert one(CheckId.ORGANIZATION, organization=Known(told)).remedy == (
        "deploy the stack again with ManagementAccountId=999999999999"
    )


@pytest.mark.parametrize(
    ("organization", "words"),
    [(Known(ORGANIZATION), "OrganizationId=o-exampleorg1"), (DENIED, 'OrganizationId="$(aws organizations describe-')],
)
def test_reader_that_lets_nobody_in_is_a_warning_with_the_command_that_deploys_it(
    organization: Any, words: str
) -> None:
    check = one(CheckId.MANAGEMENT_ACCESS, reader_refused="sts:AssumeRole … AccessDenied", organization=organization)

    assert result(check) == (FAILED, WARNING)
    assert check.remedy is not None
    assert words in check.remedy
    assert shlex.split(check.remedy)[:5] == [
        "aws", "cloudformation", "deploy", "--template-file", "stacks/management-account.yaml"
    ]  # fmt: skip


def test_nothing_deployed_has_no_reader_to_assume() -> None:
    check = one(CheckId.MANAGEMENT_ACCESS, vantage=replace(VANTAGE, deployment=None))

    assert check.status is NOT_APPLICABLE


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (DENIED, (UNKNOWN, WARNING), "AccessDenied"),
        (Known(None), (FAILED, BLOCKER), "not in the organization"),
        (Known(replace(ACCOUNT, state=AccountState.SUSPENDED)), (FAILED, BLOCKER), "is SUSPENDED"),
        (Known(replace(ACCOUNT, state=AccountState.UNDOCUMENTED)), (UNKNOWN, WARNING), "not documented"),
    ],
)
def test_designated_account_has_to_be_active(found: Any, expected: object, words: str) -> None:
    check = one(CheckId.DESIGNATED_ACCOUNT, designated=found)

    assert result(check) == expected
    assert words in check.evidence


@pytest.mark.parametrize(
    ("membership", "words"),
    [
        (DesiredMembership("example", SECURITY, "us-west-1"), "is no Region of Security Incident Response"),
        (DesiredMembership("example", SECURITY, "eu-west-2"), "the application stands in 222222222222/eu-west-1"),
        (DesiredMembership("example", MANAGEMENT, "eu-west-1"), "111111111111/eu-west-1"),
    ],
)
def test_membership_that_cannot_be_here_blocks(membership: DesiredMembership, words: str) -> None:
    check = one(CheckId.REGION, desired=replace(DESIRED, membership=membership))

    assert result(check) == (FAILED, BLOCKER)
    assert words in check.evidence


@pytest.mark.parametrize(
    ("region", "enabled", "deployment", "expected"),
    [
        ("eu-west-1", Known(value=True), "muster", (NOT_APPLICABLE, None)),
        ("eu-west-1", DENIED, None, (NOT_APPLICABLE, None)),
        ("eu-west-1", Known(value=False), "muster", (FAILED, BLOCKER)),
        ("eu-south-1", Known(value=True), None, (PASSED, None)),
        ("eu-south-1", Known(value=False), None, (FAILED, BLOCKER)),
        ("eu-south-1", DENIED, "muster", (PASSED, None)),
        ("eu-south-1", DENIED, None, (UNKNOWN, WARNING)),
    ],
)
def test_region_that_an_account_has_to_opt_in_to_must_be_enabled(
    region: str, enabled: Any, deployment: str | None, expected: object
) -> None:
    vantage = replace(VANTAGE, home=Home(SECURITY, region), deployment=deployment)

    assert result(one(CheckId.REGION_ENABLED, vantage=vantage, region_enabled=enabled)) == expected


def test_regions_to_opt_in_to_are_some_of_the_supported_ones() -> None:
    assert set(SUPPORTED_REGIONS) > OPT_IN_REGIONS
    assert len(OPT_IN_REGIONS) == 10


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (MembershipFound(MEMBERSHIP), (PASSED, None), "m-0123456789ab is Active"),
        (NoMembership(0), (PASSED, None), "none is Active in any Region"),
        (NoMembership(2), (PASSED, None), "2 ended here before"),
        (MembershipConflict("m-1 is elsewhere"), (FAILED, BLOCKER), "m-1 is elsewhere"),
        (MembershipUnclear(("eu-south-1", "us-east-1"), "no"), (UNKNOWN, BLOCKER), "eu-south-1, us-east-1 (no)"),
    ],
)
def test_membership_elsewhere_blocks_and_so_does_not_knowing(found: Any, expected: object, words: str) -> None:
    check = one(CheckId.MEMBERSHIPS, memberships=found)

    assert result(check) == expected
    assert words in check.evidence


@pytest.mark.parametrize("delegation", [NotRegistered(), DENIED])
def test_memberships_that_show_once_the_account_is_registered_are_no_blocker_yet(delegation: Any) -> None:
    unclear = MembershipUnclear(SUPPORTED_REGIONS, "no")

    not_let_in = one(CheckId.MEMBERSHIPS, memberships=unclear, delegation=delegation, region_enabled=DENIED)
    let_in = one(CheckId.MEMBERSHIPS, memberships=unclear, delegation=delegation)
    registered = one(CheckId.MEMBERSHIPS, memberships=unclear, delegation=Registered(), region_enabled=DENIED)

    assert result(not_let_in) == (UNKNOWN, WARNING)
    assert "any Region (no), and sign-up looks again once the account is registered" in not_let_in.evidence
    assert result(let_in) == result(registered) == (UNKNOWN, BLOCKER)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Registered(), (PASSED, None)),
        (NotRegistered(), (PASSED, None)),
        (NoRegistrationNeeded(), (PASSED, None)),
        (DelegationConflict("account 3 is registered"), (FAILED, BLOCKER)),
        (DENIED, (UNKNOWN, WARNING)),
    ],
)
def test_another_delegated_administrator_blocks_and_an_unreadable_one_is_sign_ups_to_hand_off(
    found: Any, expected: object
) -> None:
    assert result(one(CheckId.DELEGATED_ADMINISTRATOR, delegation=found)) == expected


@pytest.mark.parametrize(
    ("check", "part", "good"),
    [
        (CheckId.TRUSTED_ACCESS, "trusted", Known(frozenset({SERVICE_PRINCIPAL}))),
        (CheckId.SERVICE_LINKED_ROLES, "triage_role", Known(value=True)),
        (CheckId.STACK_SETS_ACCESS, "stack_sets_access", Known(value=True)),
        (CheckId.ROLE_NAME_CLASHES, "containment_roles", Known(frozenset())),
        (CheckId.CLOUDTRAIL_TRAIL, "trails", Known((TRAIL,))),
        (CheckId.CONTACTS, "contacts", Known(ContactsFile(2))),
    ],
)
def test_what_could_not_be_read_is_unknown_and_no_blocker_where_sign_up_does_not_rely_on_it(
    check: CheckId, part: str, good: Any
) -> None:
    read: dict[str, Any] = {part: good}
    denied: dict[str, Any] = {part: DENIED}

    assert one(check, **read).status is PASSED
    unread = one(check, **denied)
    assert result(unread) == (UNKNOWN, WARNING)
    assert unread.evidence == DENIED.why


def test_stack_sets_without_access_are_a_warning_where_people_deploy_the_roles() -> None:
    managed = one(CheckId.STACK_SETS_ACCESS, stack_sets_access=Known(value=False))
    check = one(
        CheckId.STACK_SETS_ACCESS, desired=containing(ContainmentRoles.VERIFY), stack_sets_access=Known(value=False)
    )

    assert result(managed) == (PASSED, None)
    assert result(check) == (FAILED, WARNING)
    assert check.remedy == "aws cloudformation activate-organizations-access --region us-east-1"


@pytest.mark.parametrize("check", [CheckId.STACK_SETS_ACCESS, CheckId.ROLE_NAME_CLASHES])
def test_containment_that_nobody_wants_is_not_looked_at(check: CheckId) -> None:
    found = one(
        check, desired=containing(ContainmentRoles.OFF), stack_sets_access=None, containment_roles=None
    )  # fmt: skip

    assert (found.status, found.evidence) == (NOT_APPLICABLE, "containment.roles is off")


def test_each_mode_of_containment_wants_its_own_looks() -> None:
    wanted = {
        roles: (wants_stack_sets(containing(roles)), wants_role_names(containing(roles))) for roles in ContainmentRoles
    }

    assert wanted == {
        ContainmentRoles.OFF: (False, False),
        ContainmentRoles.VERIFY: (True, False),
        ContainmentRoles.MANAGED: (True, True),
    }


@pytest.mark.parametrize(
    ("found", "existing", "expected"),
    [
        (CONTAINMENT_ROLES[:1], ExistingRoles.STOP, (FAILED, WARNING)),
        (CONTAINMENT_ROLES, ExistingRoles.STOP, (UNKNOWN, WARNING)),
        (CONTAINMENT_ROLES[1:], ExistingRoles.ADOPT, (PASSED, None)),
        (CONTAINMENT_ROLES, ExistingRoles.ADOPT, (PASSED, None)),
    ],
)
def test_roles_of_the_same_name_are_told_unless_they_are_to_be_adopted(
    found: tuple[str, ...], existing: ExistingRoles, expected: object
) -> None:
    check = one(
        CheckId.ROLE_NAME_CLASHES,
        desired=containing(ContainmentRoles.MANAGED, existing),
        containment_roles=Known(frozenset(found)),
    )

    assert result(check) == expected


@pytest.mark.parametrize(
    ("trails", "expected", "remedy"),
    [
        ((), (FAILED, WARNING), "https://docs.aws.amazon.com/awscloudtrail/"),
        ((replace(TRAIL, is_logging=False),), (FAILED, WARNING), "aws cloudtrail start-logging --name arn:"),
        ((replace(TRAIL, has_own_selectors=True),), (UNKNOWN, WARNING), "aws cloudtrail get-event-selectors"),
    ],
)
def test_organization_without_a_sure_trail_is_a_warning(
    trails: tuple[Trail, ...], expected: object, remedy: str
) -> None:
    check = one(CheckId.CLOUDTRAIL_TRAIL, trails=Known(trails))

    assert result(check) == expected
    assert str(check.remedy).startswith(remedy)


@pytest.mark.parametrize("found", [None, ContactsParameter("/muster/contacts", "String", "Standard")])
@pytest.mark.parametrize(
    ("desired", "memberships", "severity"),
    [
        (DESIRED, NoMembership(0), BLOCKER),
        (DESIRED, MembershipFound(MEMBERSHIP), WARNING),
        (replace(DESIRED, mode=Mode.PROPOSE), NoMembership(0), BLOCKER),
        (replace(DESIRED, mode=Mode.OBSERVE), NoMembership(0), WARNING),
    ],
)
def test_contacts_that_are_missing_or_in_the_clear_block_only_a_run_that_creates_or_proposes_to(
    found: Any, desired: DesiredState, memberships: Any, severity: Severity
) -> None:
    check = one(CheckId.CONTACTS, desired=desired, contacts=Known(found), memberships=memberships)

    assert result(check) == (FAILED, severity)
    assert str(check.remedy).endswith("muster push FILE")


def test_denied_reads_are_named_with_who_was_denied() -> None:
    ours = Denial("ssm:DescribeParameters", SECURITY)
    theirs = Denial("iam:GetRole", MANAGEMENT)

    own = one(CheckId.PERMISSIONS, denials=(ours,))
    both = one(CheckId.PERMISSIONS, denials=(ours, theirs))

    assert result(own) == result(both) == (FAILED, WARNING)
    assert own.evidence == "denied: ssm:DescribeParameters to role muster-preflight"
    assert both.evidence.endswith(", iam:GetRole to role muster-management-reader")
    assert "service control policy" in str(own.remedy)
    assert str(both.remedy).startswith("aws cloudformation deploy")


def test_reader_that_lets_nobody_in_is_explained_once() -> None:
    refused = "sts:AssumeRole in account 111111111111: AccessDenied"
    assume = Denial("sts:AssumeRole", MANAGEMENT)
    seen = replace(GOOD, reader_refused=refused, trusted=Unknown(refused), triage_role=DENIED, denials=(assume,))

    checks = {check.id: check.evidence for check in check_all(DESIRED, seen, VANTAGE)}

    assert checks[CheckId.MANAGEMENT_ACCESS] == refused
    assert checks[CheckId.TRUSTED_ACCESS] == "the management account could not be read: see management_access"
    assert checks[CheckId.SERVICE_LINKED_ROLES] == DENIED.why
    assert checks[CheckId.PERMISSIONS] == (
        "denied: sts:AssumeRole of role muster-management-reader to role muster-preflight"
    )


def test_remedies_from_a_laptop_speak_of_profiles_and_not_of_a_deployment() -> None:
    laptop = replace(VANTAGE, deployment=None, own="profile security", reader="profile management")
    told = replace(ORGANIZATION, management_account_id="999999999999")

    organization = one(CheckId.ORGANIZATION, vantage=laptop, organization=Known(told))
    permissions = one(CheckId.PERMISSIONS, vantage=laptop, denials=(Denial("iam:GetRole", MANAGEMENT),))

    assert organization.remedy == "name a profile of account 999999999999: --management-profile NAME"
    assert permissions.evidence == "denied: iam:GetRole to profile management"
    assert str(permissions.remedy).startswith("let both read what PreflightRole")


CHECKS = st.builds(
    Check,
    id=st.sampled_from(CheckId),
    status=st.sampled_from(CheckStatus),
    evidence=st.just("seen"),
    severity=st.sampled_from([None, *Severity]),
    remedy=st.just("do"),
)


@given(checks=st.lists(CHECKS), accepted=st.lists(st.sampled_from(CheckId)))
def test_accepting_lets_pass_what_is_unknown_and_never_what_has_failed(
    checks: list[Check], accepted: list[CheckId]
) -> None:
    blockers = find_blockers(checks, accepted)

    assert set(blockers) >= {check for check in checks if check.is_blocker() and check.status is FAILED}
    assert set(find_blockers(checks, ())) - set(blockers) <= {
        check for check in checks if check.status is UNKNOWN and check.id in accepted
    }


def test_message_of_a_stopped_run_has_every_blocker_its_remedy_and_the_way_to_accept_what_is_unknown() -> None:
    failed = Check(CheckId.ORGANIZATION, FAILED, "no features", BLOCKER, "enable them")
    unknown = Check(CheckId.MEMBERSHIPS, UNKNOWN, "nobody could look", BLOCKER, "look")

    assert explain_blockers([failed, unknown]).splitlines() == [
        "nothing was written, because",
        "- organization is failed: no features",
        "  enable them",
        "- memberships is unknown: nobody could look",
        "  look",
        "  or accept for one run what is unknown: muster onboard --accept-unknown memberships",
    ]


def test_warnings_and_what_was_accepted_are_told_after_the_terms() -> None:
    warning = Check(CheckId.CONTACTS, FAILED, "none", WARNING, "push")
    unknown = Check(CheckId.MEMBERSHIPS, UNKNOWN, "nobody could look", BLOCKER, "look")
    failed = Check(CheckId.ORGANIZATION, FAILED, "no features", BLOCKER, "enable them")
    checks = [Check(CheckId.REGION, PASSED, "here"), warning, unknown, failed]

    assert notices_of(checks, service_terms.TERMS, [CheckId.MEMBERSHIPS]) == (
        *service_terms.TERMS,
        Notice("preflight: contacts failed", "none. push"),
        Notice("preflight: memberships unknown, and accepted", "nobody could look"),
    )
    assert notices_of(checks, (), ()) == (Notice("preflight: contacts failed", "none. push"),)


def test_names_of_checks_are_taken_once_each_and_strangers_refused_with_the_list() -> None:
    assert parse_accepted(["region", "memberships", "region"]) == (CheckId.REGION, CheckId.MEMBERSHIPS)
    with pytest.raises(UnknownCheckError, match="there is no check membership, x; the checks are organization, man"):
        parse_accepted(["x", "memberships", "membership"])


def test_document_holds_all_that_was_found() -> None:
    warning = Check(CheckId.CONTACTS, FAILED, "none", WARNING, "push")
    passed = Check(CheckId.REGION, PASSED, "here")
    outcome = PreflightOutcome((passed, warning), (Notice("a", "b"),), (CheckId.MEMBERSHIPS,))

    assert to_document(outcome, "run-1") == {
        "schema": 1,
        "run": "run-1",
        "checks": [
            {
                "id": "region", "title": passed.title, "status": "passed", "severity": None, "evidence": "here",
                "remedy": None,
            },
            {
                "id": "contacts", "title": warning.title, "status": "failed", "severity": "warning",
                "evidence": "none", "remedy": "push",
            },
        ],
        "notices": [{"subject": "a", "detail": "b"}],
        "accepted": ["memberships"],
    }  # fmt: skip


def test_terms_say_the_price_where_data_goes_and_as_of_when() -> None:
    price, residency = service_terms.TERMS

    for part in ("10,000", "0.000676 USD", "Enterprise Support", service_terms.PRICING_PAGE):
        assert part in price.detail
    for part in ("eu-south-1", "opt-in Regions", service_terms.RESIDENCY_PAGE):
        assert part in residency.detail
    assert all(service_terms.AS_OF.isoformat() in notice.detail for notice in service_terms.TERMS)
