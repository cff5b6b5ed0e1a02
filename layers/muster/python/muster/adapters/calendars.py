"""SSM Change Calendar: when an organization lets its automation change things."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.translate import translated
from muster.ports import CalendarReader


@dataclass(frozen=True)
class Calendars(CalendarReader):
    """Reads the calendars of the application's account, or one that is shared with it by its ARN."""

    clients: Clients

    def state(self, calendar: str) -> str:
        """Read GetCalendarState for now."""
        with translated("ssm:GetCalendarState", self.clients.account_id):
            return self.clients.ssm.get_calendar_state(CalendarNames=[calendar])["State"]
