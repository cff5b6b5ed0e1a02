"""The desired state: checked as an operator writes it, stored as two JSON documents, and loaded from them.

The responders are stored apart, as a secret, with a random key of which plans make digests that stand for people:
without it nobody finds out an address by trying addresses. Nothing here puts a value of theirs into an error or a
``repr``, and no other value either.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from muster.domain.desired import DesiredState
from muster.domain.responders import IncidentResponseTeam
from muster.messages.desired_state_documents import (
    DesiredStateDocument,
    StoredContactsDocument,
    StoredDesiredStateDocument,
    team_of,
)
from muster.messages.desired_state_problems import REMEDIES, Problem, problems_in

SCHEMA: Final = 1
MAX_CONTACTS_BYTES: Final = 8192
"""An advanced parameter of Parameter Store holds no more."""

KEY_DIGITS: Final = 64
_ANY_KEY: Final = "0" * KEY_DIGITS


class InvalidDocumentError(ValueError):
    """A document cannot be used; ``problems`` has one entry for each thing that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the message is one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class ParsedDesiredState:
    """A desired state that is right as far as the document itself can tell, and what to store of it.

    ``contacts_json`` is the list of people; ``stored_contacts`` adds the key that the parameter holds besides.
    """

    desired: DesiredState
    team: IncidentResponseTeam = field(repr=False)
    desired_state_json: str
    contacts_json: str = field(repr=False)


def parse(document: object) -> ParsedDesiredState:
    """Check what an operator wrote, as read from YAML. Raises InvalidDocumentError with every problem."""
    checked = _checked(DesiredStateDocument, document)
    contacts = canonical_json([contact.model_dump(mode="json") for contact in checked.contacts])
    size = len(stored_contacts(contacts, _ANY_KEY).encode())
    if size > MAX_CONTACTS_BYTES:
        problem = f"take {size:,} bytes as they are stored, and a parameter holds {MAX_CONTACTS_BYTES:,}"
        raise InvalidDocumentError([Problem("contacts", problem, "Shorten job titles, or write notify: all.")])
    stored = checked.model_dump(mode="json", exclude={"contacts"}, exclude_none=True)
    return ParsedDesiredState(
        desired=checked.to_domain(),
        team=team_of(checked.contacts),
        desired_state_json=canonical_json({**stored, "schema": SCHEMA}),
        contacts_json=contacts,
    )


def load_stored(text: str | bytes) -> DesiredState:
    """Return the desired state from its stored JSON. Raises InvalidDocumentError."""
    return _checked(StoredDesiredStateDocument, _from_json(text, "desired-state.json")).to_domain()


def load_contacts(text: str | bytes) -> IncidentResponseTeam:
    """Return the team, in its order, from the stored contacts. Raises InvalidDocumentError, without any value."""
    return team_of(_stored(text).contacts)


def load_contacts_key(text: str | bytes) -> bytes:
    """Return the key that is stored with the contacts, 32 bytes. Raises InvalidDocumentError where there is none."""
    key = _stored(text).key
    if key is None:
        raise InvalidDocumentError([Problem("key", "is missing in the stored contacts", REMEDIES["key"])])
    return bytes.fromhex(key)


def stored_contacts(contacts_json: str, key: str) -> str:
    """Return what the parameter holds: the people, and the key, which is 64 hexadecimal digits."""
    return f'{{"contacts":{contacts_json},"key":"{key}"}}'


def _stored(text: str | bytes) -> StoredContactsDocument:
    found = _from_json(text, "contacts")
    # An earlier version stored the list alone.
    return _checked(StoredContactsDocument, found if isinstance(found, dict) else {"contacts": found})


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no blanks, so that equal documents are equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _from_json(text: str | bytes, document: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        # The decoder's error holds the whole text, so it must not become the cause or the context of ours.
        pass
    raise InvalidDocumentError([Problem(document, "is not JSON", "Store it again with `muster push`.")])


def _checked[D: BaseModel](model: type[D], document: object) -> D:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = problems_in(error)
    # Raised outside the handler: pydantic's error holds the values, and ours must not lead to it.
    raise InvalidDocumentError(problems)
