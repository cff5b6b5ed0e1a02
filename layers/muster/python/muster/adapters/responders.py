"""The responders' own parameter; nothing of its content may appear in an error."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.adapters.translate import translated
from muster.domain.responders import IncidentResponseTeam
from muster.errors import AbsentError, DesiredStateError, NotConfiguredError
from muster.messages.desired_state import InvalidDocumentError, load_contacts
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
        try:
            with translated("ssm:GetParameter", self.account_id):
                value = self.ssm.get_parameter(Name=self.parameter, WithDecryption=True)["Parameter"]["Value"]
        except AbsentError:
            raise NotConfiguredError(
                f"there are no contacts in {self.parameter}: run `muster push FILE` with 2 to 10 contacts"
            ) from None
        try:
            return load_contacts(value)
        except InvalidDocumentError as problem:
            raise DesiredStateError(f"the contacts in {self.parameter} are not usable: {problem}") from None
