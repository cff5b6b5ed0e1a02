"""Memberships in every Region, as they are seen from the two accounts that can see them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from muster.domain.membership import SUPPORTED_REGIONS, Home, MembershipSummary
from muster.domain.observed import Known, Unknown
from muster.domain.sign_up import (
    MembershipConflict,
    MembershipFound,
    MembershipUnclear,
    MembershipView,
    NoMembership,
    judge_memberships,
)
from muster.errors import MembershipConflictError, OrganizationNotReadyError, RegionNotEnabledError, TransientError
from muster.ports import ManagementReader, MembershipReader
from muster.steps.reading import observe


@dataclass(slots=True)
class MembershipsEverywhere:
    """What the designated account and the management account see, Region by Region.

    ``_transient`` keeps a failure that time may cure: it matters as long as no membership was found.
    """

    reader: MembershipReader
    management: ManagementReader
    home: Home
    observe: Callable[[Callable[[], tuple[MembershipSummary, ...]]], MembershipView] = observe
    from_home: dict[str, MembershipView] = field(default_factory=dict)
    from_management: dict[str, MembershipView] = field(default_factory=dict)
    _transient: TransientError | None = None

    def look(self, management_account_id: str) -> None:
        """Look in every Region from both accounts, so that a membership elsewhere is found before the first write."""
        for region in SUPPORTED_REGIONS:
            self._look_from_home(region)
            if management_account_id != self.home.account_id:
                self.from_management[region] = self._look_from(self.management.memberships, region)

    def find(self, management_account_id: str, known: str | None) -> MembershipFound | NoMembership | MembershipUnclear:
        """Look, and decide. A membership that was found before and is still the one at home needs no look elsewhere.

        Raises as ``judge_or_retry`` does.
        """
        if known is not None:
            self._look_from_home(self.home.region)
            found = self.judge()
            if isinstance(found, MembershipFound) and found.summary.id == known:
                return found
        self.look(management_account_id)
        return self.judge_or_retry()

    def look_again_where_unknown(self) -> None:
        """Read once more what was closed to the designated account before it was registered."""
        for region in [region for region, view in self.from_home.items() if isinstance(view, Unknown)]:
            self._look_from_home(region)

    def look_again_at_home(self) -> None:
        """Read the home Region once more."""
        self._look_from_home(self.home.region)

    def judge_or_retry(self) -> MembershipFound | NoMembership | MembershipUnclear:
        """Decide over all that was seen, but not that there is nothing while a look may still succeed.

        What one account sees of a Region is no answer for what the other could not see this time. Raises that
        TransientError, so that the machine tries again before anything is written, and MembershipConflictError.
        """
        found = self.judge()
        if self._transient is not None and not isinstance(found, MembershipFound):
            raise self._transient
        return found

    def judge(self) -> MembershipFound | NoMembership | MembershipUnclear:
        """Decide over all that was seen. Raises MembershipConflictError."""
        views = {region: [view] for region, view in self.from_home.items()}
        for region, view in self.from_management.items():
            views[region].append(view)
        found = judge_memberships(views, self.home)
        if isinstance(found, MembershipConflict):
            raise MembershipConflictError(found.remedy)
        return found

    def _look_from_home(self, region: str) -> None:
        if region == self.home.region:
            self.from_home[region] = self._look_at_home()
        else:
            self.from_home[region] = self._look_from(self.reader.memberships, region)

    def _look_at_home(self) -> MembershipView:
        """Read the view that decides: a passing failure is raised, to be tried again, and not noted."""
        try:
            return self.observe(lambda: self.reader.memberships(self.home.region))
        except RegionNotEnabledError as error:
            raise OrganizationNotReadyError(
                f"Region {self.home.region} is not enabled in account {self.home.account_id}: {error.said}. "
                f"Enable it there (aws account enable-region --region-name {self.home.region}) and run again"
            ) from error

    def _look_from(self, memberships: Callable[[str], tuple[MembershipSummary, ...]], region: str) -> MembershipView:
        """Read a view that does not decide by itself."""
        try:
            return self.observe(lambda: memberships(region))
        except RegionNotEnabledError:
            return Known(())  # nothing can be where the Region is not enabled
        except TransientError as error:
            self._transient = error
            return Unknown(str(error))
