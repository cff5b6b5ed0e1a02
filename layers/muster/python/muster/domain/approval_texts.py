"""What people are told when a plan needs them: what it would do and to whom, and the two commands that answer it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.domain.approval import ApprovalRequest, say_time
from muster.domain.plan import Plan, PlannedRemediation, plan_key
from muster.domain.remediation import RemediationKind

MAX_SUBJECT = 100
"""SNS takes so many ASCII characters."""

MAX_LISTED = 40
"""So many writes of each sort are listed; the plan has them all. A message may have 256 KiB."""

MAX_LINE = 600


@dataclass(frozen=True, slots=True)
class ApprovalTexts:
    """The message that asks, and the one that reminds."""

    subject: str
    message: str
    reminder_subject: str
    reminder_message: str


def write_texts(request: ApprovalRequest, plan: Plan) -> ApprovalTexts:
    """Return the messages about a request."""
    asked = plan.asked
    held = len(plan.remediations) - len(asked)
    reductions = tuple(each for each in asked if each.remediation.kind.reduces_protection)
    others = tuple(each for each in asked if not each.remediation.kind.reduces_protection)
    subject = f"Muster: plan {request.short} {'takes protection away and ' if reductions else ''}needs approval"
    answer = _answer(request)
    message = "\n".join(
        (
            f"Run {request.run} asks for approval of plan {request.short}.",
            f"SHA-256 {request.plan}, in the state bucket as {plan_key(request.plan)}",
            "",
            _sum_up(asked, reductions, plan),
            *_list("Takes protection away:", reductions),
            *_list("Besides:" if reductions else "Writes:", others),
            *(("", f"Not asked for now: {_count(held, 'write')}, which wait or need nobody.") if held else ()),
            "",
            "Why a person has to approve:",
            *(f"- {reason}" for reason in dict.fromkeys(reason for each in asked for reason in each.approval)),
            "",
            *answer,
        )
    )
    return ApprovalTexts(
        subject=subject,
        message=message,
        reminder_subject=f"Reminder: {subject}",
        reminder_message="\n".join(
            (
                f"Plan {request.short} was sent at {say_time(request.requested_at)} and still waits for an answer.",
                "",
                *answer,
                "",
                "What it would do, as it was sent:",
                "",
                message,
            )
        ),
    )


def _answer(request: ApprovalRequest) -> tuple[str, ...]:
    people = "One person" if request.approvals == 1 else f"{request.approvals} different people"
    return (
        f"{people} other than the one who started the run can approve until {say_time(request.expires_at)}.",
        "One rejection rejects. Without an answer nothing of it is written.",
        "",
        f"muster approve {request.short}",
        f'muster reject {request.short} --reason "…"',
    )


def _sum_up(asked: Sequence[PlannedRemediation], reductions: Sequence[PlannedRemediation], plan: Plan) -> str:
    kinds = Counter(each.remediation.kind.value for each in asked)
    size = "an unknown number of accounts" if plan.accounts is None else _count(plan.accounts, "account")
    counted = ", ".join(f"{kind} {number:,}" for kind, number in sorted(kinds.items()))
    reducing = f" Protection is taken away by {len(reductions):,} of them." if reductions else ""
    return f"{_count(len(asked), 'write')} ({counted or 'none'}) in an organization of {size}.{reducing}"


def _list(title: str, writes: Sequence[PlannedRemediation]) -> Iterable[str]:
    if not writes:
        return ()
    more = len(writes) - MAX_LISTED
    return (
        "",
        title,
        *(_shorten(f"- {each.remediation.what}: {_say_affected(each)}") for each in writes[:MAX_LISTED]),
        *((f"- and {more:,} more, in the plan",) if more > 0 else ()),
    )


def _say_affected(planned: PlannedRemediation) -> str:
    affected, kind = planned.affected, planned.remediation.kind
    if affected.number is None:
        return "how many accounts it changes is unknown"
    accounts = _count(affected.number, "account")
    named = ", ".join(affected.first)
    if affected.number > len(affected.first) > 0:
        named += f" and {affected.number - len(affected.first):,} more"
    names = f" ({named})" if named else ""
    match kind:
        case RemediationKind.REMOVE_UNIT | RemediationKind.CLEAR_ENTIRE_ORGANIZATION:
            return f"{accounts} may lose coverage{names}"
        case RemediationKind.DISABLE_TRIAGE:
            return f"{accounts} lose proactive response{names}"
        case _:
            return f"{accounts} affected{names}"


def _shorten(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
