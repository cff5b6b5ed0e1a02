"""Every kind of wrong value for every key of the desired state: one table, and one message for each row."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from muster.messages.desired_state import InvalidDocumentError, parse
from muster.messages.desired_state_documents import (
    ContactDocument,
    ContainmentDocument,
    DesiredStateDocument,
    ExceptionDocument,
    GuardrailsDocument,
    MembershipDocument,
    ScopeDocument,
    StackSetDocument,
)
from muster_console.__main__ import main
from muster_console.aws import Clients, Connection
from muster_console.commands import Desk
from muster_console.desired_state_file import load
from muster_console.errors import ExitCode

VALID = """\
mode: enforce
automatic: [sign_up, add_unit]
approvals: 2
change_calendar: example-change-windows
membership:
  name: example-org-incident-response
  account: "222222222222"
  region: eu-west-1
  tags: {owner: security-operations}
  confirmed_as: "222222222222/eu-west-1"
scope: {entire_organization: true}
proactive_response: true
contacts:
  - {name: Ada Example, job_title: Head of Security, email: ada@example.com, role: primary, notify: all}
  - {name: Ben Example, job_title: Incident Manager, email: ben@example.com, role: secondary, notify: [Case Created]}
  - {name: Cleo Example, job_title: Analyst, email: cleo@example.com}
containment:
  roles: verify
  stack_set: {name: SIR-Containment-Roles, region: us-east-1}
  canary_unit: ou-ab12-22222222
  ec2_triage: false
  existing: stop
  preference: ApprovalRequired
  overrides: {"444444444444": ContainConfirmed}
  attest_every_days: 180
exceptions:
  - {account: "333333333333", owner: platform-team, reason: is being closed, until: 2027-03-31}
  - {unit: ou-ab12-22222222, owner: platform-team, reason: sandboxes, until: 2027-03-31}
guardrails: {max_accounts: 25, max_share: 0.05, max_units: 10, inventory_drop: 0.10}
"""
REMOVED = None


def _person(number: int, **changed: str) -> str:
    person = {"name": f"Person {number}", "job_title": "Analyst", "email": f"person{number}@example.com", **changed}
    return "{" + ", ".join(f"{key}: {value}" for key, value in person.items()) + "}"


def _exception(account: str) -> str:
    return f"{{account: '{account}', owner: platform-team, reason: none, until: 2027-03-31}}"


def _people(*people: str) -> str:
    return f"[{', '.join(people)}]"


FIFTEEN_KINDS = (
    "[Case Created, Case Updated, Case Acknowledged, Case Closed, Case Updated To Service Managed, "
    "Case Status Updated, Case Pending Customer Action Reminder, Case Attachment Url Uploaded, Case Comment Added, "
    "Case Comment Updated, Membership Created, Membership Updated, Membership Cancelled, "
    "Register Delegated Administrator, Deregister Delegated Administrator]"
)
LARGE_TEAM = _people(
    *(
        _person(
            number,
            name=f"{number}" + "分" * 49,
            job_title="分" * 50,
            email="e" * 230 + f"{number}@example.com",
            notify=FIFTEEN_KINDS,
        )
        for number in range(10)
    )
)

# The key, the value as it stands in YAML, and the whole answer.
TABLE: list[tuple[str, str | None, str]] = [
    ("", "[]", "document: is a list, not a group of keys. Start from config/desired-state.example.yaml."),
    ("", "just words", "document: is text, not a group of keys. Start from config/desired-state.example.yaml."),
    ("", "", "document: is empty, not a group of keys. Start from config/desired-state.example.yaml."),
    ("mood", "enforce", "mood: is not a known key. Did you mean mode?"),
    ("modes", "enforce", "modes: is not a known key. Did you mean mode?"),
    (
        "schema",
        "1",
        (
            "schema: is not a known key. Remove it; the keys here are mode, automatic, approvals, change_calendar, "
            "membership, scope, proactive_response, containment, exceptions, guardrails, contacts."
        ),
    ),
    ("mode", "", "mode: is empty, not one of the possible words. Write observe, propose or enforce."),
    ("mode", "enforced", "mode: is not one of the possible words. Did you mean enforce?"),
    ("mode", "automatic", "mode: is not one of the possible words. Write observe, propose or enforce."),
    ("mode", "true", "mode: is true or false, not one of the possible words. Write observe, propose or enforce."),
    ("mode", "[enforce]", "mode: is a list, not one of the possible words. Write observe, propose or enforce."),
    (
        "automatic",
        "sign_up",
        (
            "automatic: is not one of the possible words. Write all, or a list of kinds in square brackets: "
            "[sign_up, add_unit]."
        ),
    ),
    (
        "automatic",
        "every",
        (
            "automatic: is not one of the possible words. Write all, or a list of kinds in square brackets: "
            "[sign_up, add_unit]."
        ),
    ),
    (
        "automatic",
        "true",
        (
            "automatic: is true or false, not one of the possible words. Write all, or a list of kinds in square "
            "brackets: [sign_up, add_unit]."
        ),
    ),
    (
        "automatic",
        "",
        (
            "automatic: is empty, not one of the possible words. Write all, or a list of kinds in square "
            "brackets: [sign_up, add_unit]."
        ),
    ),
    (
        "automatic",
        "{sign_up: true}",
        (
            "automatic: is a group of keys, not one of the possible words. Write all, or a list of kinds in "
            "square brackets: [sign_up, add_unit]."
        ),
    ),
    ("automatic", "[sing_up]", "automatic[0]: is not one of the possible words. Did you mean sign_up?"),
    (
        "automatic",
        "[remove_unit]",
        (
            "automatic[0]: is not one of the possible words. Choose from sign_up, add_unit, add_responder, "
            "update_responder, enable_triage, set_name, set_tags, create_triage_role, deploy_containment_role."
        ),
    ),
    (
        "automatic",
        "[sign_up, add_unit, sign_up]",
        "automatic: has the same entry twice (number 3 is a repetition). Remove one of them.",
    ),
    (
        "automatic",
        "[1]",
        (
            "automatic[0]: is a number, not one of the possible words. Choose from sign_up, add_unit, "
            "add_responder, update_responder, enable_triage, set_name, set_tags, create_triage_role, "
            "deploy_containment_role."
        ),
    ),
    (
        "automatic",
        "[all]",
        (
            "automatic[0]: is not one of the possible words. Choose from sign_up, add_unit, add_responder, "
            "update_responder, enable_triage, set_name, set_tags, create_triage_role, deploy_containment_role."
        ),
    ),
    (
        "automatic",
        "[" + ", ".join(["sign_up"] * 17) + "]",
        ("automatic: has more than 16 entries. Write all, or a list of kinds in square brackets: [sign_up, add_unit]."),
    ),
    ("approval", "2", "approval: is not a known key. Did you mean approvals?"),
    ("approvals", "0", "approvals: is less than 1. Write 1 or 2: so many different people have to approve."),
    ("approvals", "3", "approvals: is more than 2. Write 1 or 2: so many different people have to approve."),
    (
        "approvals",
        "1.5",
        "approvals: is a number, not a whole number. Write 1 or 2: so many different people have to approve.",
    ),
    (
        "approvals",
        "true",
        "approvals: is true or false, not a whole number. Write 1 or 2: so many different people have to approve.",
    ),
    (
        "approvals",
        "[ada@example.com]",
        "approvals: is a list, not a whole number. Write 1 or 2: so many different people have to approve.",
    ),
    (
        "change_calendar",
        "2027",
        (
            "change_calendar: is a number, not text. Write the calendar's name (3 to 128 letters, digits, _ . -) or "
            "its ARN, or remove the key."
        ),
    ),
    (
        "change_calendar",
        "change windows",
        (
            "change_calendar: is neither the name nor the ARN of a change calendar. Write the calendar's name (3 to "
            "128 letters, digits, _ . -) or its ARN, or remove the key."
        ),
    ),
    (
        "change_calendar",
        "arn:aws:ssm:eu-west-1:222222222222:parameter/example",
        (
            "change_calendar: is neither the name nor the ARN of a change calendar. Write the calendar's name (3 to "
            "128 letters, digits, _ . -) or its ARN, or remove the key."
        ),
    ),
    (
        "change_calendar",
        "[example-change-windows]",
        (
            "change_calendar: is a list, not text. Write the calendar's name (3 to 128 letters, digits, _ . -) or "
            "its ARN, or remove the key."
        ),
    ),
    ("membership", REMOVED, "membership: is missing. Write name, account and region below it."),
    ("membership", "", "membership: is empty, not a group of keys. Write name, account and region below it."),
    ("membership", "[]", "membership: is a list, not a group of keys. Write name, account and region below it."),
    (
        "membership",
        "m-1234567890",
        "membership: is text, not a group of keys. Write name, account and region below it.",
    ),
    ("membership.acount", '"222222222222"', "membership.acount: is not a known key. Did you mean account?"),
    ("membership.name", REMOVED, "membership.name: is missing. Write a name of 3 to 50 characters."),
    ("membership.name", "ab", "membership.name: is shorter than 3 characters. Write a name of 3 to 50 characters."),
    ("membership.name", "x" * 51, "membership.name: is longer than 50 characters. Write a name of 3 to 50 characters."),
    (
        "membership.name",
        "2027",
        "membership.name: is a number, not text. Put it in quotes. Write a name of 3 to 50 characters.",
    ),
    ("membership.name", '" padded "', "membership.name: starts or ends with a blank. Remove the blank."),
    (
        "membership.name",
        '"two\\nlines"',
        "membership.name: contains a line break or another control character. Write it on one line.",
    ),
    ("membership.name", "", "membership.name: is empty, not text. Write a name of 3 to 50 characters."),
    ("membership.account", REMOVED, 'membership.account: is missing. Write the 12 digits in quotes: "123456789012".'),
    (
        "membership.account",
        "222222222222",
        'membership.account: is a number, not text. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.account",
        "012345678901",
        'membership.account: is a number, not text. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.account",
        '"2222-2222-2222"',
        'membership.account: is not an account id. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.account",
        '"22222222222"',
        'membership.account: is not an account id. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.account",
        "",
        'membership.account: is empty, not text. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.account",
        '"' + chr(0xFF12) * 12 + '"',
        'membership.account: is not an account id. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "membership.region",
        REMOVED,
        (
            "membership.region: is missing. Choose from us-east-1, us-east-2, us-west-2, ca-central-1, sa-east-1,"
            " eu-central-1, eu-central-2, eu-west-1, eu-west-2, eu-west-3, eu-north-1, eu-south-1, eu-south-2, "
            "ap-south-1, ap-south-2, ap-northeast-1, ap-northeast-2, ap-southeast-1, ap-southeast-2, "
            "ap-southeast-3, ap-southeast-4, ap-east-1, me-south-1, me-central-1, af-south-1."
        ),
    ),
    (
        "membership.region",
        "us-west-1",
        (
            "membership.region: is not a Region that has Security Incident Response. Choose from us-east-1, "
            "us-east-2, us-west-2, ca-central-1, sa-east-1, eu-central-1, eu-central-2, eu-west-1, eu-west-2, "
            "eu-west-3, eu-north-1, eu-south-1, eu-south-2, ap-south-1, ap-south-2, ap-northeast-1, "
            "ap-northeast-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ap-east-1, "
            "me-south-1, me-central-1, af-south-1."
        ),
    ),
    (
        "membership.region",
        "Ireland",
        (
            "membership.region: is not a Region that has Security Incident Response. Choose from us-east-1, "
            "us-east-2, us-west-2, ca-central-1, sa-east-1, eu-central-1, eu-central-2, eu-west-1, eu-west-2, "
            "eu-west-3, eu-north-1, eu-south-1, eu-south-2, ap-south-1, ap-south-2, ap-northeast-1, "
            "ap-northeast-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ap-east-1, "
            "me-south-1, me-central-1, af-south-1."
        ),
    ),
    (
        "membership.region",
        "EU-WEST-1",
        (
            "membership.region: is not a Region that has Security Incident Response. Choose from us-east-1, "
            "us-east-2, us-west-2, ca-central-1, sa-east-1, eu-central-1, eu-central-2, eu-west-1, eu-west-2, "
            "eu-west-3, eu-north-1, eu-south-1, eu-south-2, ap-south-1, ap-south-2, ap-northeast-1, "
            "ap-northeast-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ap-east-1, "
            "me-south-1, me-central-1, af-south-1."
        ),
    ),
    (
        "membership.region",
        "[eu-west-1]",
        (
            "membership.region: is a list, not text. Choose from us-east-1, us-east-2, us-west-2, ca-central-1, "
            "sa-east-1, eu-central-1, eu-central-2, eu-west-1, eu-west-2, eu-west-3, eu-north-1, eu-south-1, "
            "eu-south-2, ap-south-1, ap-south-2, ap-northeast-1, ap-northeast-2, ap-southeast-1, ap-southeast-2, "
            "ap-southeast-3, ap-southeast-4, ap-east-1, me-south-1, me-central-1, af-south-1."
        ),
    ),
    (
        "membership.tags",
        "",
        (
            'membership.tags: is empty, not a group of keys. Write up to 200 tags as key: "value", with keys of 1'
            " to 128 characters."
        ),
    ),
    (
        "membership.tags",
        "[owner]",
        (
            'membership.tags: is a list, not a group of keys. Write up to 200 tags as key: "value", with keys of '
            "1 to 128 characters."
        ),
    ),
    (
        "membership.tags",
        "{cost-center: 1234}",
        (
            "membership.tags.cost-center: is a number, not text. Put it in quotes. Write a text of at most 256 "
            "characters."
        ),
    ),
    (
        "membership.tags",
        "{critical: true}",
        (
            "membership.tags.critical: is true or false, not text. Put it in quotes. Write a text of at most 256 "
            "characters."
        ),
    ),
    (
        "membership.tags",
        "{owner: }",
        "membership.tags.owner: is empty, not text. Write a text of at most 256 characters.",
    ),
    (
        "membership.tags",
        "{1234: x}",
        (
            'membership.tags: has a key that is a number, not text. Write up to 200 tags as key: "value", with '
            "keys of 1 to 128 characters."
        ),
    ),
    (
        "membership.tags",
        "{'aws:owner': x}",
        "membership.tags: has a key that starts with aws:, which AWS keeps for itself. Choose another key.",
    ),
    (
        "membership.tags",
        "{'AWS:owner': x}",
        "membership.tags: has a key that starts with aws:, which AWS keeps for itself. Choose another key.",
    ),
    (
        "membership.tags",
        "{'': x}",
        (
            'membership.tags: has a key that is empty. Write up to 200 tags as key: "value", with keys of 1 to '
            "128 characters."
        ),
    ),
    (
        "membership.tags",
        "{" + "k" * 129 + ": x}",
        (
            'membership.tags: has a key that is longer than 128 characters. Write up to 200 tags as key: "value",'
            " with keys of 1 to 128 characters."
        ),
    ),
    (
        "membership.tags",
        "{owner: " + "v" * 257 + "}",
        "membership.tags.owner: is longer than 256 characters. Write a text of at most 256 characters.",
    ),
    (
        "membership.tags",
        "{" + ", ".join(f"key{number}: value" for number in range(201)) + "}",
        (
            'membership.tags: has more than 200 entries. Write up to 200 tags as key: "value", with keys of 1 to '
            "128 characters."
        ),
    ),
    (
        "membership.confirmed_as",
        "eu-west-1",
        (
            "membership.confirmed_as: is not ACCOUNT/REGION. Write account and Region as above, in quotes: "
            '"123456789012/eu-west-1".'
        ),
    ),
    (
        "membership.confirmed_as",
        "222222222222",
        (
            "membership.confirmed_as: is a number, not text. Write account and Region as above, in quotes: "
            '"123456789012/eu-west-1".'
        ),
    ),
    (
        "membership.confirmed_as",
        '"333333333333/eu-west-1"',
        (
            "membership.confirmed_as: confirms another account or Region than membership.account and "
            'membership.region. Check both, they are for life; then write "222222222222/eu-west-1".'
        ),
    ),
    (
        "membership.confirmed_as",
        '"222222222222/us-east-1"',
        (
            "membership.confirmed_as: confirms another account or Region than membership.account and "
            'membership.region. Check both, they are for life; then write "222222222222/eu-west-1".'
        ),
    ),
    (
        "membership.confirmed_as",
        "true",
        (
            "membership.confirmed_as: is true or false, not text. Write account and Region as above, in quotes: "
            '"123456789012/eu-west-1".'
        ),
    ),
    (
        "membership.confirmed_as",
        '"222222222222 eu-west-1"',
        (
            "membership.confirmed_as: is not ACCOUNT/REGION. Write account and Region as above, in quotes: "
            '"123456789012/eu-west-1".'
        ),
    ),
    ("scope", REMOVED, "scope: is missing. Write either entire_organization: true, or units and a list of units."),
    (
        "scope",
        "",
        ("scope: is empty, not a group of keys. Write either entire_organization: true, or units and a list of units."),
    ),
    (
        "scope",
        "{}",
        (
            "scope: says neither entire_organization nor units. Write either entire_organization: true, or units "
            "and a list of units."
        ),
    ),
    (
        "scope",
        "all",
        ("scope: is text, not a group of keys. Write either entire_organization: true, or units and a list of units."),
    ),
    (
        "scope",
        "{entire_organization: true, units: [Workloads]}",
        "scope: has both entire_organization and units. Keep one of them.",
    ),
    ("scope", "{unit: [Workloads]}", "scope.unit: is not a known key. Did you mean units?"),
    (
        "scope",
        "{entire_organization: false}",
        (
            "scope.entire_organization: can only be true. Write true to cover every account; to cover some, "
            "remove this key and list units."
        ),
    ),
    (
        "scope",
        "{entire_organization: 'true'}",
        (
            "scope.entire_organization: is text, not true or false. Write true to cover every account; to cover "
            "some, remove this key and list units."
        ),
    ),
    (
        "scope",
        "{entire_organization: yes}",
        (
            "scope.entire_organization: is text, not true or false. Write true to cover every account; to cover "
            "some, remove this key and list units."
        ),
    ),
    (
        "scope",
        "{entire_organization: }",
        (
            "scope: says neither entire_organization nor units. Write either entire_organization: true, or units "
            "and a list of units."
        ),
    ),
    (
        "scope",
        "{units: []}",
        (
            "scope.units: is an empty list. Write a list of 1 to 2,000 units: ids (ou-…) or paths of names "
            "(Workloads/Prod)."
        ),
    ),
    (
        "scope",
        "{units: Workloads}",
        (
            "scope.units: is text, not a list. Write a list of 1 to 2,000 units: ids (ou-…) or paths of names "
            "(Workloads/Prod)."
        ),
    ),
    (
        "scope",
        "{units: [Workloads, Workloads]}",
        "scope.units: has the same entry twice (number 2 is a repetition). Remove one of them.",
    ),
    (
        "scope",
        "{units: [" + ", ".join(f"unit{number}" for number in range(2001)) + "]}",
        (
            "scope.units: has more than 2,000 entries. Write a list of 1 to 2,000 units: ids (ou-…) or paths of "
            "names (Workloads/Prod)."
        ),
    ),
    (
        "scope",
        "{units: [r-ab12]}",
        (
            "scope.units[0]: is the id of the root, which cannot be selected. Write scope.entire_organization: "
            "true instead of units to cover every account."
        ),
    ),
    (
        "scope",
        "{units: [ou-ab12]}",
        (
            "scope.units[0]: starts like a unit id and is none. Write a unit id (ou-…) or the names on the way to"
            ' it from below the root: "Workloads/Prod".'
        ),
    ),
    (
        "scope",
        "{units: [OU-ab12-11111111]}",
        "scope.units[0]: is a unit id with capital letters. Write it in small letters.",
    ),
    (
        "scope",
        "{units: [Workloads//Prod]}",
        (
            "scope.units[0]: has an empty name or a blank beside a slash. Write names joined by single slashes "
            '("Workloads/Prod"); use the id (ou-…) if a name has one.'
        ),
    ),
    (
        "scope",
        "{units: [/Workloads]}",
        (
            "scope.units[0]: has an empty name or a blank beside a slash. Write names joined by single slashes "
            '("Workloads/Prod"); use the id (ou-…) if a name has one.'
        ),
    ),
    (
        "scope",
        "{units: [Workloads /Prod]}",
        (
            "scope.units[0]: has an empty name or a blank beside a slash. Write names joined by single slashes "
            '("Workloads/Prod"); use the id (ou-…) if a name has one.'
        ),
    ),
    (
        "scope",
        "{units: [a/b/c/d/e/f]}",
        (
            "scope.units[0]: has 6 names, yet units nest only 5 deep. Start below the root; a unit whose name has"
            " a slash needs its id (ou-…)."
        ),
    ),
    (
        "scope",
        "{units: ['']}",
        (
            "scope.units[0]: is empty. Write a unit id (ou-…) or the names on the way to it from below the root: "
            '"Workloads/Prod".'
        ),
    ),
    ("scope", "{units: [' Workloads']}", "scope.units[0]: starts or ends with a blank. Remove the blank."),
    (
        "scope",
        "{units: [12]}",
        (
            "scope.units[0]: is a number, not text. Put it in quotes. Write a unit id (ou-…) or the names on the "
            'way to it from below the root: "Workloads/Prod".'
        ),
    ),
    (
        "scope",
        "{units: [[Workloads]]}",
        (
            "scope.units[0]: is a list, not text. Write a unit id (ou-…) or the names on the way to it from below"
            ' the root: "Workloads/Prod".'
        ),
    ),
    (
        "scope",
        "{units: [" + "u" * 129 + "]}",
        (
            "scope.units[0]: has a name of more than 128 characters. Write a unit id (ou-…) or the names on the "
            'way to it from below the root: "Workloads/Prod".'
        ),
    ),
    (
        "scope",
        "{units: [" + "u" * 701 + "]}",
        (
            "scope.units[0]: is longer than 700 characters. Write a unit id (ou-…) or the names on the way to it "
            'from below the root: "Workloads/Prod".'
        ),
    ),
    ("proactive_response", "yes", "proactive_response: is text, not true or false. Write true or false."),
    ("proactive_response", "1", "proactive_response: is a number, not true or false. Write true or false."),
    ("proactive_response", "", "proactive_response: is empty, not true or false. Write true or false."),
    ("proactive_response", "'true'", "proactive_response: is text, not true or false. Write true or false."),
    ("contacts", REMOVED, "contacts: is missing. Write a list of 2 to 10 people, each with name, job_title and email."),
    (
        "contacts",
        "",
        "contacts: is empty, not a list. Write a list of 2 to 10 people, each with name, job_title and email.",
    ),
    (
        "contacts",
        "{}",
        (
            "contacts: is a group of keys, not a list. Write a list of 2 to 10 people, each with name, job_title "
            "and email."
        ),
    ),
    (
        "contacts",
        "[]",
        "contacts: is an empty list. Write a list of 2 to 10 people, each with name, job_title and email.",
    ),
    (
        "contacts",
        f"[{_person(1)}]",
        ("contacts: has fewer than 2 entries. Write a list of 2 to 10 people, each with name, job_title and email."),
    ),
    (
        "contacts",
        _people(*map(_person, range(11))),
        ("contacts: has more than 10 entries. Write a list of 2 to 10 people, each with name, job_title and email."),
    ),
    (
        "contacts",
        _people(_person(1), _person(2, email="Person1@Example.com")),
        (
            "contacts: has the same e-mail address in entries [0] and [1]. The service takes each person once: "
            "remove or correct one of them."
        ),
    ),
    (
        "contacts",
        _people(_person(1), _person(2, name="PERSON 1")),
        (
            "contacts: has the same name in entries [0] and [1]. The service takes each person once: remove or "
            "correct one of them."
        ),
    ),
    (
        "contacts",
        _people(_person(1, role="primary"), _person(2, role="primary")),
        "contacts: has more than one primary (entries [0], [1]). Keep one primary; make the others member.",
    ),
    (
        "contacts",
        _people(_person(1, role="secondary"), _person(2), _person(3, role="secondary")),
        ("contacts: has more than one secondary (entries [0], [2]). Keep one secondary; make the others member."),
    ),
    (
        "contacts",
        LARGE_TEAM,
        (
            "contacts: take 9,867 bytes as they are stored, and a parameter holds 8,192. Shorten job titles, or "
            "write notify: all."
        ),
    ),
    (
        "contacts[1]",
        "ben@example.com",
        "contacts[1]: is text, not a group of keys. Write the keys name, job_title, email, role, notify.",
    ),
    (
        "contacts[1]",
        "",
        "contacts[1]: is empty, not a group of keys. Write the keys name, job_title, email, role, notify.",
    ),
    ("contacts[1].emial", "ben@example.com", "contacts[1]: has a key that is not known. Did you mean email?"),
    (
        "contacts[1].Ben Example",
        "x",
        (
            "contacts[1]: has a key that is not known. Remove it; the keys here are name, job_title, email, role,"
            " notify."
        ),
    ),
    (
        "contacts[1].phone",
        "x",
        (
            "contacts[1]: has a key that is not known. Remove it; the keys here are name, job_title, email, role,"
            " notify."
        ),
    ),
    ("contacts[1].name", REMOVED, "contacts[1].name: is missing. Write a name of 3 to 50 characters."),
    ("contacts[1].name", "Bo", "contacts[1].name: is shorter than 3 characters. Write a name of 3 to 50 characters."),
    (
        "contacts[1].name",
        "B" * 51,
        "contacts[1].name: is longer than 50 characters. Write a name of 3 to 50 characters.",
    ),
    (
        "contacts[1].name",
        "7",
        "contacts[1].name: is a number, not text. Put it in quotes. Write a name of 3 to 50 characters.",
    ),
    ("contacts[1].name", '"Ben "', "contacts[1].name: starts or ends with a blank. Remove the blank."),
    (
        "contacts[1].name",
        '"Ben\\tExample"',
        "contacts[1].name: contains a line break or another control character. Write it on one line.",
    ),
    ("contacts[1].job_title", REMOVED, "contacts[1].job_title: is missing. Write a job title of 1 to 50 characters."),
    ("contacts[1].job_title", '""', "contacts[1].job_title: is empty. Write a job title of 1 to 50 characters."),
    (
        "contacts[1].job_title",
        "j" * 51,
        "contacts[1].job_title: is longer than 50 characters. Write a job title of 1 to 50 characters.",
    ),
    (
        "contacts[1].job_title",
        "true",
        (
            "contacts[1].job_title: is true or false, not text. Put it in quotes. Write a job title of 1 to 50 "
            "characters."
        ),
    ),
    (
        "contacts[1].email",
        REMOVED,
        ("contacts[1].email: is missing. Write an address of 6 to 254 characters, such as first.last@example.com."),
    ),
    (
        "contacts[1].email",
        "ben at example.com",
        (
            "contacts[1].email: is not an e-mail address that the service takes. Write an address of 6 to 254 "
            "characters, such as first.last@example.com."
        ),
    ),
    (
        "contacts[1].email",
        "b@c.d",
        (
            "contacts[1].email: is shorter than 6 characters. Write an address of 6 to 254 characters, such as "
            "first.last@example.com."
        ),
    ),
    (
        "contacts[1].email",
        "bén@example.com",
        (
            "contacts[1].email: is not an e-mail address that the service takes. Write an address of 6 to 254 "
            "characters, such as first.last@example.com."
        ),
    ),
    (
        "contacts[1].email",
        "b@" + "e" * 253,
        (
            "contacts[1].email: is longer than 254 characters. Write an address of 6 to 254 characters, such as "
            "first.last@example.com."
        ),
    ),
    (
        "contacts[1].email",
        "[ben@example.com]",
        (
            "contacts[1].email: is a list, not text. Write an address of 6 to 254 characters, such as "
            "first.last@example.com."
        ),
    ),
    (
        "contacts[1].email",
        "Ben <ben@example.com>",
        (
            "contacts[1].email: is not an e-mail address that the service takes. Write an address of 6 to 254 "
            "characters, such as first.last@example.com."
        ),
    ),
    (
        "contacts[1].role",
        "tertiary",
        "contacts[1].role: is not one of the possible words. Write primary, secondary or member.",
    ),
    ("contacts[1].role", "Primary", "contacts[1].role: is not one of the possible words. Did you mean primary?"),
    (
        "contacts[1].role",
        "1",
        "contacts[1].role: is a number, not one of the possible words. Write primary, secondary or member.",
    ),
    (
        "contacts[1].notify",
        "none",
        (
            "contacts[1].notify: is not one of the possible words. Write all, or a list of kinds of message: "
            "[Case Created, Case Closed]."
        ),
    ),
    (
        "contacts[1].notify",
        "[]",
        (
            "contacts[1].notify: is an empty list, so this person would hear nothing. Write all, or a list of "
            "kinds of message: [Case Created, Case Closed]."
        ),
    ),
    (
        "contacts[1].notify",
        "[Case Create]",
        "contacts[1].notify[0]: is not one of the possible words. Did you mean Case Created?",
    ),
    (
        "contacts[1].notify",
        "[email]",
        (
            "contacts[1].notify[0]: is not one of the possible words. Choose from Case Created, Case Updated, "
            "Case Acknowledged, Case Closed, Case Updated To Service Managed, Case Status Updated, Case Pending "
            "Customer Action Reminder, Case Attachment Url Uploaded, Case Comment Added, Case Comment Updated, "
            "Membership Created, Membership Updated, Membership Cancelled, Register Delegated Administrator, "
            "Deregister Delegated Administrator, Disable AWS Service Access."
        ),
    ),
    (
        "contacts[1].notify",
        "[Case Created, Case Created]",
        "contacts[1].notify: has the same entry twice (number 2 is a repetition). Remove one of them.",
    ),
    (
        "contacts[1].notify",
        "{Case Created: true}",
        (
            "contacts[1].notify: is a group of keys, not one of the possible words. Write all, or a list of kinds"
            " of message: [Case Created, Case Closed]."
        ),
    ),
    (
        "contacts[1].notify",
        "Case Created",
        (
            "contacts[1].notify: is not one of the possible words. Write all, or a list of kinds of message: "
            "[Case Created, Case Closed]."
        ),
    ),
    (
        "containment",
        "",
        (
            "containment: is empty, not a group of keys. Write keys below it (roles, ec2_triage, existing, "
            "preference, overrides), or remove it."
        ),
    ),
    (
        "containment",
        "verify",
        (
            "containment: is text, not a group of keys. Write keys below it (roles, ec2_triage, existing, "
            "preference, overrides), or remove it."
        ),
    ),
    ("containment.rolles", "off", "containment.rolles: is not a known key. Did you mean roles?"),
    ("containment.roles", "on", "containment.roles: is not one of the possible words. Write off, verify or managed."),
    (
        "containment.roles",
        "false",
        "containment.roles: is true or false, not one of the possible words. Write off, verify or managed.",
    ),
    ("containment.roles", "manage", "containment.roles: is not one of the possible words. Did you mean managed?"),
    (
        "containment.stack_set",
        "SIR-Containment-Roles",
        "containment.stack_set: is text, not a group of keys. Write name and region below it, or remove it.",
    ),
    (
        "containment.stack_set",
        "",
        "containment.stack_set: is empty, not a group of keys. Write name and region below it, or remove it.",
    ),
    (
        "containment.stack_set.regions",
        "[us-east-1]",
        "containment.stack_set.regions: is not a known key. Did you mean region?",
    ),
    (
        "containment.stack_set.name",
        "7",
        (
            "containment.stack_set.name: is a number, not text. Write the StackSet's name: a letter, then up to 127 "
            "letters, digits and hyphens."
        ),
    ),
    (
        "containment.stack_set.name",
        "SIR_Containment_Roles",
        (
            "containment.stack_set.name: is not of the right form. Write the StackSet's name: a letter, then up to 127 "
            "letters, digits and hyphens."
        ),
    ),
    (
        "containment.stack_set.region",
        "Ireland",
        ("containment.stack_set.region: is not of the right form. Write a Region that no policy closes: us-east-1."),
    ),
    (
        "containment.stack_set.region",
        "true",
        ("containment.stack_set.region: is true or false, not text. Write a Region that no policy closes: us-east-1."),
    ),
    (
        "containment.canary_unit",
        "Workloads/Prod",
        (
            "containment.canary_unit: is not a unit id. Write the unit's id: ou-, four or more characters, a "
            "hyphen, eight or more characters."
        ),
    ),
    (
        "containment.canary_unit",
        "7",
        (
            "containment.canary_unit: is a number, not text. Write the unit's id: ou-, four or more characters, a "
            "hyphen, eight or more characters."
        ),
    ),
    ("containment.ec2_triage", "on", "containment.ec2_triage: is text, not true or false. Write true or false."),
    ("containment.ec2_triage", "0", "containment.ec2_triage: is a number, not true or false. Write true or false."),
    ("containment.existing", "replace", "containment.existing: is not one of the possible words. Write stop or adopt."),
    ("containment.existing", "adopted", "containment.existing: is not one of the possible words. Did you mean adopt?"),
    (
        "containment.preference",
        "Automatic",
        (
            "containment.preference: is not one of the possible words. Write ApprovalRequired, ContainConfirmed "
            "or ContainSuspected."
        ),
    ),
    (
        "containment.preference",
        "approvalrequired",
        "containment.preference: is not one of the possible words. Did you mean ApprovalRequired?",
    ),
    (
        "containment.overrides",
        "[]",
        (
            "containment.overrides: is a list, not a group of keys. Write account ids in quotes, each with a "
            'preference: "123456789012": ContainConfirmed.'
        ),
    ),
    (
        "containment.overrides",
        "{333333333333: ContainConfirmed}",
        (
            "containment.overrides: has a key that is a number, not text. Write account ids in quotes, each with "
            'a preference: "123456789012": ContainConfirmed.'
        ),
    ),
    (
        "containment.overrides",
        "{'33': ContainConfirmed}",
        (
            "containment.overrides: has a key that is not an account id. Write account ids in quotes, each with a"
            ' preference: "123456789012": ContainConfirmed.'
        ),
    ),
    (
        "containment.overrides",
        "{'333333333333': Confirmed}",
        "containment.overrides.333333333333: is not one of the possible words. Did you mean ContainConfirmed?",
    ),
    (
        "containment.overrides",
        "{'333333333333': always}",
        (
            "containment.overrides.333333333333: is not one of the possible words. Write ApprovalRequired, "
            "ContainConfirmed or ContainSuspected."
        ),
    ),
    (
        "containment.overrides",
        "{'333333333333': }",
        (
            "containment.overrides.333333333333: is empty, not one of the possible words. Write ApprovalRequired,"
            " ContainConfirmed or ContainSuspected."
        ),
    ),
    (
        "containment.quarantine_units",
        "ou-ab12-11111111",
        ("containment.quarantine_units: is text, not a list. Write a list of up to 10 unit ids: [ou-ab12-11111111]."),
    ),
    (
        "containment.quarantine_units",
        "[Quarantine]",
        (
            "containment.quarantine_units[0]: is not a unit id. Write the unit's id: ou-, four or more characters, a"
            " hyphen, eight or more characters."
        ),
    ),
    (
        "containment.quarantine_units",
        "[ou-ab12-11111111, ou-ab12-11111111]",
        ("containment.quarantine_units: has the same entry twice (number 2 is a repetition). Remove one of them."),
    ),
    (
        "containment.attest_every_days",
        "29",
        "containment.attest_every_days: is less than 30. Write a whole number of days from 30 to 400.",
    ),
    (
        "containment.attest_every_days",
        "401",
        "containment.attest_every_days: is more than 400. Write a whole number of days from 30 to 400.",
    ),
    (
        "containment.attest_every_days",
        "half a year",
        "containment.attest_every_days: is text, not a whole number. Write a whole number of days from 30 to 400.",
    ),
    (
        "exceptions",
        "",
        (
            "exceptions: is empty, not a list. Write a list of up to 1,000 exceptions, each with account or unit,"
            " owner, reason and until."
        ),
    ),
    (
        "exceptions",
        "{}",
        (
            "exceptions: is a group of keys, not a list. Write a list of up to 1,000 exceptions, each with "
            "account or unit, owner, reason and until."
        ),
    ),
    (
        "exceptions",
        "[closed-account]",
        "exceptions[0]: is text, not a group of keys. Write account or unit, and owner, reason and until.",
    ),
    (
        "exceptions",
        _people(*(_exception(f"{number:012}") for number in range(1001))),
        (
            "exceptions: has more than 1,000 entries. Write a list of up to 1,000 exceptions, each with account "
            "or unit, owner, reason and until."
        ),
    ),
    (
        "exceptions",
        _people(_exception("333333333333"), _exception("333333333333")),
        "exceptions: has the same entry twice (number 2 is a repetition). Remove one of them.",
    ),
    ("exceptions[0].accounts", '"333333333333"', "exceptions[0].accounts: is not a known key. Did you mean account?"),
    (
        "exceptions[0].account",
        REMOVED,
        ("exceptions[0]: names neither an account nor a unit. Write account or unit, and owner, reason and until."),
    ),
    (
        "exceptions[0].unit",
        "ou-ab12-11111111",
        ("exceptions[0]: names both an account and a unit. Keep one of them, and write two exceptions for both."),
    ),
    (
        "exceptions[0].account",
        "333333333333",
        'exceptions[0].account: is a number, not text. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "exceptions[0].account",
        '"33"',
        'exceptions[0].account: is not an account id. Write the 12 digits in quotes: "123456789012".',
    ),
    (
        "exceptions[1].unit",
        "Workloads/Prod",
        (
            "exceptions[1].unit: is not a unit id. Write the unit's id: ou-, four or more characters, a hyphen, "
            "eight or more characters."
        ),
    ),
    (
        "exceptions[1].unit",
        "7",
        (
            "exceptions[1].unit: is a number, not text. Write the unit's id: ou-, four or more characters, a "
            "hyphen, eight or more characters."
        ),
    ),
    (
        "exceptions[1].unit",
        "r-ab12",
        (
            "exceptions[1].unit: is not a unit id. Write the unit's id: ou-, four or more characters, a hyphen, "
            "eight or more characters."
        ),
    ),
    (
        "exceptions[0].owner",
        REMOVED,
        "exceptions[0].owner: is missing. Write the team that answers for it, in 1 to 100 characters.",
    ),
    (
        "exceptions[0].owner",
        '""',
        "exceptions[0].owner: is empty. Write the team that answers for it, in 1 to 100 characters.",
    ),
    (
        "exceptions[0].owner",
        "o" * 101,
        (
            "exceptions[0].owner: is longer than 100 characters. Write the team that answers for it, in 1 to 100 "
            "characters."
        ),
    ),
    (
        "exceptions[0].owner",
        "42",
        (
            "exceptions[0].owner: is a number, not text. Put it in quotes. Write the team that answers for it, in"
            " 1 to 100 characters."
        ),
    ),
    ("exceptions[0].reason", REMOVED, "exceptions[0].reason: is missing. Write why, in 1 to 300 characters."),
    ("exceptions[0].reason", '""', "exceptions[0].reason: is empty. Write why, in 1 to 300 characters."),
    (
        "exceptions[0].reason",
        "r" * 301,
        "exceptions[0].reason: is longer than 300 characters. Write why, in 1 to 300 characters.",
    ),
    ("exceptions[0].reason", "[a]", "exceptions[0].reason: is a list, not text. Write why, in 1 to 300 characters."),
    ("exceptions[0].until", REMOVED, "exceptions[0].until: is missing. Write the last day as YYYY-MM-DD."),
    ("exceptions[0].until", "next year", "exceptions[0].until: is not a date. Write the last day as YYYY-MM-DD."),
    ("exceptions[0].until", "31.12.2027", "exceptions[0].until: is not a date. Write the last day as YYYY-MM-DD."),
    (
        "exceptions[0].until",
        "2027-02-30",
        "exceptions[0].until: is a day that the calendar does not have. Write the last day as YYYY-MM-DD.",
    ),
    (
        "exceptions[0].until",
        "2027-12-31T00:00:00Z",
        "exceptions[0].until: is not a date. Write the last day as YYYY-MM-DD.",
    ),
    (
        "exceptions[0].until",
        "20271231",
        "exceptions[0].until: is a number, not text. Write the last day as YYYY-MM-DD.",
    ),
    (
        "guardrails",
        "",
        (
            "guardrails: is empty, not a group of keys. Write keys below it (max_accounts, max_share, max_units, "
            "inventory_drop), or remove it."
        ),
    ),
    (
        "guardrails",
        "25",
        (
            "guardrails: is a number, not a group of keys. Write keys below it (max_accounts, max_share, "
            "max_units, inventory_drop), or remove it."
        ),
    ),
    ("guardrails.max_acounts", "25", "guardrails.max_acounts: is not a known key. Did you mean max_accounts?"),
    (
        "guardrails.max_accounts",
        "-1",
        "guardrails.max_accounts: is less than 0. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_accounts",
        "2.5",
        "guardrails.max_accounts: is a number, not a whole number. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_accounts",
        '"25"',
        "guardrails.max_accounts: is text, not a whole number. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_accounts",
        "true",
        ("guardrails.max_accounts: is true or false, not a whole number. Write a whole number from 0 to 50,000."),
    ),
    (
        "guardrails.max_accounts",
        "50001",
        "guardrails.max_accounts: is more than 50,000. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_accounts",
        "",
        "guardrails.max_accounts: is empty, not a whole number. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_share",
        "5",
        "guardrails.max_share: is more than 1. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.max_share",
        "-0.1",
        "guardrails.max_share: is less than 0. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.max_share",
        "5%",
        "guardrails.max_share: is text, not a number. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.max_share",
        "1e999",
        "guardrails.max_share: is not a finite number. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.max_share",
        "true",
        ("guardrails.max_share: is true or false, not a number. Write a number from 0 to 1: 0.05 is five percent."),
    ),
    (
        "guardrails.max_share",
        ".nan",
        "guardrails.max_share: is text, not a number. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    ("guardrails.max_units", "-1", "guardrails.max_units: is less than 0. Write a whole number from 0 to 50,000."),
    (
        "guardrails.max_units",
        "ten",
        "guardrails.max_units: is text, not a whole number. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.max_units",
        "50001",
        "guardrails.max_units: is more than 50,000. Write a whole number from 0 to 50,000.",
    ),
    (
        "guardrails.inventory_drop",
        "10",
        "guardrails.inventory_drop: is more than 1. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.inventory_drop",
        "-1",
        "guardrails.inventory_drop: is less than 0. Write a number from 0 to 1: 0.05 is five percent.",
    ),
    (
        "guardrails.inventory_drop",
        "ten percent",
        "guardrails.inventory_drop: is text, not a number. Write a number from 0 to 1: 0.05 is five percent.",
    ),
]


def _names(path: str) -> list[str | int]:
    return [int(name) if name.isdigit() else name for name in re.findall(r"[^.\[\]]+", path)]


def _changed(path: str, value: str | None) -> Any:
    document: Any = load(VALID.encode())
    if not path:
        return load((value or "").encode())
    *way, last = _names(path)
    group = document
    for name in way:
        group = group[name]
    if value is REMOVED:
        del group[last]
    else:
        group[last] = load(value.encode())
    return document


@pytest.mark.parametrize(("path", "value", "message"), TABLE)
def test_a_wrong_value_has_one_problem_that_names_field_and_remedy(path: str, value: str | None, message: str) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        parse(_changed(path, value))

    assert str(caught.value) == message
    assert len(caught.value.problems) == 1
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def _as_yaml(value: object) -> str:
    match value:
        case dict():
            pairs = (f"{_as_yaml(key)}: {_as_yaml(part)}" for key, part in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(_as_yaml, value)) + "]"
        case float() if math.isinf(value):
            return "1e999"
        case _:
            return json.dumps(value)


@pytest.mark.parametrize(("path", "value", "message"), TABLE)
def test_nothing_is_reached_and_nothing_written_for_a_wrong_value(
    path: str, value: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Connection) -> Clients:
        pytest.fail("the file is not usable, so there is nothing to connect for")

    file = tmp_path / "wrong.yaml"
    file.write_text(_as_yaml(_changed(path, value)))

    code = main(["push", str(file)], Desk(connect=refuse))

    assert code == ExitCode.UNUSABLE
    assert capsys.readouterr().err.splitlines()[0] == message


def test_the_document_that_the_table_changes_is_valid() -> None:
    parse(load(VALID.encode()))


def test_every_key_of_the_desired_state_has_a_row() -> None:
    groups: dict[str, type[BaseModel]] = {
        "": DesiredStateDocument,
        "membership": MembershipDocument,
        "scope": ScopeDocument,
        "contacts[]": ContactDocument,
        "containment": ContainmentDocument,
        "containment.stack_set": StackSetDocument,
        "exceptions[]": ExceptionDocument,
        "guardrails": GuardrailsDocument,
    }
    keys = {f"{group}.{key}".lstrip(".") for group, model in groups.items() for key in model.model_fields}
    named = {re.sub(r"\[[0-9]+\]", "[]", message.partition(":")[0]) for _, _, message in TABLE}

    assert keys - named == set()


def test_no_message_quotes_a_value_of_a_contact() -> None:
    for path, value, message in TABLE:
        if path.startswith("contacts") and value:
            assert "ben@" not in message.casefold()
            assert "person1" not in message.casefold()


def test_every_problem_of_a_document_is_told_at_once() -> None:
    document = _changed("mode", "enforced")
    document["membership"]["account"] = 222222222222
    document["contacts"][0]["email"] = "nobody"

    with pytest.raises(InvalidDocumentError) as caught:
        parse(document)

    assert [problem.field for problem in caught.value.problems] == [
        "mode",
        "membership.account",
        "contacts[0].email",
    ]
