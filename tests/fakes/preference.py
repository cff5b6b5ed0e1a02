"""Histories of the containment preference, as people and AWS would have made them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from muster.domain.desired import ContainmentPreference, DesiredContainment
from muster.domain.preference import ORGANIZATION, Attestation, CaseRequest, Entry, Level, PreferenceState
from muster.domain.preference_history import PREFERENCE_KEY, to_document
from tests.fakes.ports import FakeDocuments
from tests.fakes.world import World

AT = datetime(2027, 1, 31, 10, 15, tzinfo=UTC)
DAY = timedelta(days=1)
APPROVAL = ContainmentPreference.APPROVAL_REQUIRED
CONFIRMED = ContainmentPreference.CONTAIN_CONFIRMED
SUSPECTED = ContainmentPreference.CONTAIN_SUSPECTED
ONE, TWO = "300000000001", "300000000002"
BY = "arn:aws:sts::222222222222:assumed-role/Operator"
EXECUTIONS = "arn:aws:states:eu-west-1:222222222222:execution:muster-attest:"


def wanted(
    level: ContainmentPreference = CONFIRMED, accounts: Mapping[str, ContainmentPreference] | None = None
) -> DesiredContainment:
    """Return what is wanted of the organization, and of accounts."""
    return DesiredContainment(preference=level, overrides=tuple(sorted((accounts or {}).items())))


def asked(case: str = "10001", levels: Mapping[str, Level] | None = None, *, days: float = 0) -> CaseRequest:
    """Return a request, so many days ago; for the organization where no levels are given."""
    return CaseRequest(case, AT - days * DAY, tuple(sorted((levels or {ORGANIZATION: CONFIRMED}).items())))


def attested(
    level: Level = CONFIRMED, *subjects: str, case: str = "10001", days: float = 0, execution: str = "a"
) -> Attestation:
    """Return an attestation, so many days ago."""
    return Attestation(
        case, AT - days * DAY, level, subjects or (ORGANIZATION,), BY, f"{EXECUTIONS}{execution}", f"event-{execution}"
    )


def known(*history: Entry) -> PreferenceState:
    """Return a state."""
    return PreferenceState(history)


def attest_default(world: World) -> None:
    """Let it be attested that AWS has the default preference, so that nothing is left to do about it."""
    well = replace(attested(APPROVAL), at=world.now)
    FakeDocuments(world).write(PREFERENCE_KEY, to_document(known(well)))
