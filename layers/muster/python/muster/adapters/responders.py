"""The responders' own parameter; nothing of its content may appear in an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.adapters.translate import translated
from muster.domain.responders import Contacts, IncidentResponseTeam
from muster.errors import AbsentError, DesiredStateError, NotConfiguredError
from muster.messages.desired_state import InvalidDocumentError, load_contacts, load_contacts_key
from muster.ports import ResponderReader

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True)
class RespondersInParameterStore(ResponderReader):
    """Reads the SecureString that ``muster push`` writes."""

    ssm: "SSMClient"
    parameter: str
    account_id: str

    def team(self) -> IncidentResponseTeam:
        """Read and check the contacts."""
        return self._checked(load_contacts)

    def contacts(self) -> Contacts:
        """Read and check the contacts with their key."""
        return self._checked(lambda value: Contacts(load_contacts(value), load_contacts_key(value)))

    def _checked[T](self, load: Callable[[str], T]) -> T:
        try:
            with translated("ssm:GetParameter", self.account_id):
                value = self.ssm.get_parameter(Name=self.parameter, WithDecryption=True)["Parameter"]["Value"]
        except AbsentError:
            raise NotConfiguredError(
                f"there are no contacts in {self.parameter}: run `muster push FILE` with 2 to 10 contacts"
            ) from None
        try:
            return load(value)
        except InvalidDocumentError as problem:
            raise DesiredStateError(f"the contacts in {self.parameter} are not usable: {problem}") from None
