"""Writes docs/preference.md, the cases of the example organization: ``python -m muster_console.preference_page``."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from muster.domain.desired import ContainmentPreference, DesiredContainment
from muster.domain.membership import Home
from muster.domain.preference import ORGANIZATION, Attestation, PreferenceState, judge
from muster.domain.preference_case import CASE_TYPE, CaseContext, write_case
from muster_console.desired_state_file import read

PAGE: Final = Path("docs/preference.md")
EXAMPLE: Final = Path("config/desired-state.example.yaml")
ORGANIZATION_ID: Final = "o-exampleorg1"
"""The id in muster_local/organizations/example.yaml, which this package does not read: a test compares them."""

_MEMBERSHIP: Final = "m-1234567890ab"
_LEDGER, _SANDBOX = "300000000094", "300000000201"
_FIRST: Final = datetime(2027, 1, 31, 10, 15, tzinfo=UTC)

_TEMPLATE: Final = """\
# The containment preference

How far AWS may contain by itself is lodged by a support case of the type
"{type}".
No API sets or tells it, and until it is lodged AWS contains nothing. `muster preference` writes the case from the
desired state and from what was attested before; [operations.md](operations.md#the-containment-preference) says what to
do with it. Here it is for the example organization, as `python -m muster_console.preference_page` writes this page.

## The first case

As [the example](../{example}) asks, when nothing was asked for before.

```text
{first}
```

## A change

The organization's level is raised in the desired state, the ledger's account ({ledger}) keeps the old one, and a
sandbox ({sandbox}), which had one of its own, is no longer among the `overrides`.

```text
{change}
```

## A period later

What was attested counts for {days} days (`attest_every_days`). Then AWS is asked whether it is set still.

```text
{later}
```
"""


def text() -> str:
    """Return the page as it should lie in ``docs``."""
    desired = read(EXAMPLE).desired
    wanted, home = desired.containment, Home(desired.membership.account_id, desired.membership.region)
    lodged = _attested("17012345678901", wanted.preference, ORGANIZATION)
    with_sandbox = _attested("17012345678902", ContainmentPreference.CONTAIN_SUSPECTED, _SANDBOX)
    raised = replace(
        wanted,
        preference=ContainmentPreference.CONTAIN_CONFIRMED,
        overrides=((_LEDGER, ContainmentPreference.APPROVAL_REQUIRED),),
    )

    def case(asked: DesiredContainment, *history: Attestation, days: int) -> str:
        standings = judge(asked, PreferenceState(history), _FIRST + timedelta(days=days))
        written = write_case(standings, CaseContext(ORGANIZATION_ID, _MEMBERSHIP, home))
        return f"Subject: {written.subject}\n\n{written.body}" if written else "There is nothing to ask for."

    return _TEMPLATE.format(
        type=CASE_TYPE,
        example=EXAMPLE,
        ledger=_LEDGER,
        sandbox=_SANDBOX,
        days=wanted.attest_every_days,
        first=case(wanted, days=0),
        change=case(raised, lodged, with_sandbox, days=30),
        later=case(wanted, lodged, days=wanted.attest_every_days),
    )


def _attested(case: str, level: ContainmentPreference, subject: str) -> Attestation:
    return Attestation(case, _FIRST, level, (subject,), by="", execution="", event_id="")


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
