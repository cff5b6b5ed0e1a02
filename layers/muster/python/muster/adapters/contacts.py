"""How the contacts are kept. Their values are never read here."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.translate import translated
from muster.domain.preflight_checks import Contacts, ContactsFile, ContactsParameter
from muster.ports import ContactsReader


@dataclass(frozen=True)
class ContactsInParameterStore(ContactsReader):
    """Looks at the parameter that ``muster push`` writes."""

    clients: Clients
    parameter: str

    def contacts(self) -> Contacts:
        """Read DescribeParameters, which has no values."""
        with translated("ssm:DescribeParameters", self.clients.account_id):
            pages = self.clients.ssm.get_paginator("describe_parameters").paginate(
                ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [self.parameter]}]
            )
            found = [item for page in pages for item in page["Parameters"]]
        if not found:
            return None
        return ContactsParameter(self.parameter, found[0].get("Type", "unknown"), found[0].get("Tier", "unknown"))


@dataclass(frozen=True)
class ContactsNotStored(ContactsReader):
    """Contacts that were read from the operator's file, before there is a place to store them."""

    people: int

    def contacts(self) -> Contacts:
        """Say how many there are."""
        return ContactsFile(self.people)
