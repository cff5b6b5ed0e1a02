"""What AWS takes for the service and what it does with data, as it was read on one day: the only file that says so.

Sources: the user guide's pages on prerequisites, validation and the storage of findings; AWS's pricing page has the
last word, and people are sent there.
"""

from datetime import date
from typing import Final

from muster.domain.membership import OPT_IN_REGIONS
from muster.domain.outcomes import Notice

AS_OF: Final = date(2026, 10, 7)
FREE_FINDINGS_PER_MONTH: Final = 10_000
USD_PER_FINDING_BEYOND: Final = "0.000676"
"""As an article of a third party says; AWS's own page was not read on that day."""

PRICING_PAGE: Final = "https://aws.amazon.com/security-incident-response/pricing/"
RESIDENCY_PAGE: Final = (
    "https://docs.aws.amazon.com/security-ir/latest/userguide/findings-data-storage-and-movement.html"
)

PRICE: Final = Notice(
    "price of the membership",
    f"AWS counts the findings that the service takes in: {FREE_FINDINGS_PER_MONTH:,} a month are free, each further "
    f"one costs {USD_PER_FINDING_BEYOND} USD according to a third party; Enterprise Support and Unified Operations "
    f"include it. As of {AS_OF.isoformat()}; what holds is {PRICING_PAGE}",
)
RESIDENCY: Final = Notice(
    "residency of findings",
    f"metadata of findings leaves opt-in Regions ({', '.join(sorted(OPT_IN_REGIONS))}) for Regions that are on by "
    f"default, whatever the membership's Region. As of {AS_OF.isoformat()}; what holds is {RESIDENCY_PAGE}",
)
TERMS: Final = (PRICE, RESIDENCY)
"""What a person should know before the membership is made."""

SUBJECTS: Final = frozenset(notice.subject for notice in TERMS)
