"""When a schedule is due: EventBridge's rate, cron and at expressions. Pure; times are aware."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\((?P<value>[1-9]\d*) (?P<unit>minute|hour|day)(?P<many>s?)\)")
_CRON = re.compile(r"cron\((?P<fields>\S+(?: \S+){5})\)")
_AT = re.compile(r"at\((?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_YEARS = (1970, 2199)


class ExpressionError(ValueError):
    """A schedule expression is none, or one that the embedded cloud does not know; the message says which."""


@dataclass(frozen=True, slots=True)
class Expression:
    """When a schedule is due, again and again or once."""

    period: timedelta | None = None
    fields: tuple[frozenset[int] | None, ...] = ()
    once: datetime | None = None
    zone: str = "UTC"

    def times(self, since: datetime, *, first: datetime) -> Iterator[datetime]:
        """Yield the due times after a moment, the earliest first; a rate counts from its first time."""
        if self.once is not None:
            if self.once > since:
                yield self.once
        elif self.period is not None:
            passed = max(0, (since - first) // self.period + 1)
            yield from (first + number * self.period for number in count(passed))
        else:
            yield from self._cron(since)

    def _cron(self, since: datetime) -> Iterator[datetime]:
        minutes, hours, days, months, weekdays, years = self.fields
        zone = ZoneInfo(self.zone)
        day = since.astimezone(zone).date()
        while day.year <= _YEARS[1]:
            if (
                _is_in(day.month, months)
                and _is_in(day.year, years)
                and _is_in(day.day, days)
                and _is_in(day.isoweekday() % 7 + 1, weekdays)
            ):
                for hour in sorted(hours if hours is not None else range(24)):
                    for minute in sorted(minutes if minutes is not None else range(60)):
                        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
                        if moment > since:
                            yield moment
            day += timedelta(days=1)


def parse(text: str, zone: str = "UTC") -> Expression:
    """Read an expression. Raises ExpressionError."""
    if match := _RATE.fullmatch(text):
        value = int(match["value"])
        if (value == 1) == bool(match["many"]):
            raise ExpressionError(f"{text}: the unit of 1 is singular, of more it is plural")
        return Expression(period=timedelta(**{f"{match['unit']}s": value}))
    if match := _AT.fullmatch(text):
        return Expression(once=datetime.fromisoformat(match["moment"]).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
    if match := _CRON.fullmatch(text):
        minutes, hours, days, months, weekdays, years = match["fields"].split(" ")
        if (days == "?") == (weekdays == "?"):
            raise ExpressionError(f"{text}: exactly one of day of month and day of week is ?")
        fields = (
            _field(minutes, 0, 59),
            _field(hours, 0, 23),
            _field(days, 1, 31),
            _field(months, 1, 12, _MONTHS),
            _field(weekdays, 1, 7, _DAYS),
            _field(years, *_YEARS),
        )
        return Expression(fields=fields, zone=zone)
    raise ExpressionError(f"{text} is no rate, cron or at expression")


def _is_in(value: int, wanted: frozenset[int] | None) -> bool:
    return wanted is None or value in wanted


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int] | None:
    if text in {"*", "?"}:
        return None
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        start, _, end = span.partition("-")
        first = low if start == "*" else _number(start, low, high, names)
        last = _number(end, low, high, names) if end else (high if step or start == "*" else first)
        if (step and not step.isdecimal()) or step == "0" or last < first:
            raise ExpressionError(f"{part} is no part of a cron expression that the embedded cloud knows")
        values.update(range(first, last + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return low + names.index(text.upper())
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ExpressionError(f"{text} is no value from {low} to {high} that the embedded cloud knows")
    return int(text)
