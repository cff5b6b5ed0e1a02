"""What a single value of the desired state may be: its type, and the check that says what is wrong and what to write.

A check that fails raises ``refused``; no value is in it. ``desired_state_problems`` makes the sentence.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from muster.domain.membership import SUPPORTED_REGIONS

_ACCOUNT_ID = r"^[0-9]{12}$"
UNIT_ID = r"^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$"
EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*$"
_CHANGE_CALENDAR = r"^(?:arn:aws[a-z-]*:ssm:[a-z]{2}(?:-[a-z]+)+-[0-9]:[0-9]{12}:document/)?[a-zA-Z0-9_.-]{3,128}$"
"""Name or ARN: GetCalendarState has no pattern of its own, so this is the one of CreateDocument's names."""

CONFIRMED_AS = r"^[0-9]{12}/[a-z]{2}-[a-z]+-[0-9]$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MAX_UNIT_DEPTH = 5
_MAX_UNIT_NAME = 128

CHOICE_TAGS: Final = ("{all}", "{listed}")
"""Tags of the two forms of a choice; pydantic puts them into the path of an error, where nobody should see them."""
_ALL, _LISTED = CHOICE_TAGS


def refused(problem: str, remedy: str | None = None) -> PydanticCustomError:
    """Return the error of a check; without a remedy of its own it gets that of its field."""
    return PydanticCustomError("refused", "refused", {"problem": problem, "remedy": remedy})


def matches(text: str, pattern: str) -> bool:
    """Tell whether the whole text is of a pattern, which is written with its anchors as JSON Schema needs them."""
    return re.fullmatch(pattern[1:-1], text) is not None


def trimmed(text: str) -> str:
    """Refuse blanks around a text, and anything but one line."""
    if text != text.strip():
        raise refused("starts or ends with a blank", "Remove the blank.")
    if not text.isprintable():
        raise refused("contains a line break or another control character", "Write it on one line.")
    return text


def _account_id(text: str) -> str:
    if not matches(text, _ACCOUNT_ID):
        raise refused("is not an account id")
    return text


def _region(text: str) -> str:
    if text not in SUPPORTED_REGIONS:
        raise refused("is not a Region that has Security Incident Response")
    return text


def _tag_key(text: str) -> str:
    if text.lower().startswith("aws:"):
        raise refused("has a key that starts with aws:, which AWS keeps for itself", "Choose another key.")
    return text


def _unit_reference(text: str) -> str:
    if matches(text, UNIT_ID):
        return text
    if re.fullmatch(r"r-[0-9a-z]{4,32}", text):
        raise refused(
            "is the id of the root, which cannot be selected",
            "Write scope.entire_organization: true instead of units to cover every account.",
        )
    if matches(text.lower(), UNIT_ID):
        raise refused("is a unit id with capital letters", "Write it in small letters.")
    if text.startswith("ou-") and "/" not in text:
        raise refused("starts like a unit id and is none")
    names = text.split("/")
    if any(not name or name != name.strip() for name in names):
        raise refused(
            "has an empty name or a blank beside a slash",
            'Write names joined by single slashes ("Workloads/Prod"); use the id (ou-…) if a name has one.',
        )
    if len(names) > _MAX_UNIT_DEPTH:
        raise refused(
            f"has {len(names)} names, yet units nest only {_MAX_UNIT_DEPTH} deep",
            "Start below the root; a unit whose name has a slash needs its id (ou-…).",
        )
    if any(len(name) > _MAX_UNIT_NAME for name in names):
        raise refused(f"has a name of more than {_MAX_UNIT_NAME} characters")
    return text


def _unit_id(text: str) -> str:
    if not matches(text, UNIT_ID):
        raise refused("is not a unit id")
    return text


def email_address(text: str) -> str:
    """Refuse what the service's own pattern refuses."""
    if not matches(text, EMAIL):
        raise refused("is not an e-mail address that the service takes")
    return text


def _day(text: str) -> str:
    if not matches(text, _DATE):
        raise refused("is not a date")
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return text
    raise refused("is a day that the calendar does not have")


def _change_calendar(text: str) -> str:
    if not matches(text, _CHANGE_CALENDAR):
        raise refused("is neither the name nor the ARN of a change calendar")
    return text


def only_true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
    """Refuse false: leaving the key out says it."""
    if not value:
        raise refused("can only be true")
    return value


def without_repetition[T](values: Sequence[T]) -> Sequence[T]:
    """Refuse a list that has an entry twice, by the number of the second."""
    seen: set[T] = set()
    for position, value in enumerate(values):
        if value in seen:
            raise refused(f"has the same entry twice (number {position + 1} is a repetition)", "Remove one of them.")
        seen.add(value)
    return values


def _form_of_choice(value: object) -> str:
    return _LISTED if isinstance(value, list | tuple) else _ALL


def shown_pattern(pattern: str) -> Any:  # noqa: ANN401 - pydantic's FieldInfo, typed as Any by pydantic itself
    """Show the pattern in the JSON Schema; the check itself gives better messages than pydantic's."""
    return Field(json_schema_extra={"pattern": pattern})


type AccountId = Annotated[str, Field(strict=True), AfterValidator(_account_id), shown_pattern(_ACCOUNT_ID)]
type Region = Annotated[
    str, Field(strict=True), AfterValidator(_region), Field(json_schema_extra={"enum": list(SUPPORTED_REGIONS)})
]
type UnitReferenceText = Annotated[
    str, Field(strict=True, min_length=1, max_length=700), AfterValidator(trimmed), AfterValidator(_unit_reference)
]
type UnitIdText = Annotated[str, Field(strict=True), AfterValidator(_unit_id), shown_pattern(UNIT_ID)]
type Day = Annotated[str, Field(strict=True), AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
type ChangeCalendar = Annotated[
    str, Field(strict=True), AfterValidator(_change_calendar), shown_pattern(_CHANGE_CALENDAR)
]
type Approvals = Annotated[int, Field(strict=True, ge=1, le=2)]
type AttestationDays = Annotated[int, Field(strict=True, ge=30, le=400)]
type TagKey = Annotated[str, Field(strict=True, min_length=1, max_length=128), AfterValidator(_tag_key)]
type TagValue = Annotated[str, Field(strict=True, max_length=256)]
type Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
type Count = Annotated[int, Field(strict=True, ge=0, le=50_000)]
type Choice[T] = Annotated[
    Annotated[Literal["all"], Tag(_ALL)]
    | Annotated[tuple[T, ...], Field(max_length=16), AfterValidator(without_repetition), Tag(_LISTED)],
    Discriminator(_form_of_choice),
]
