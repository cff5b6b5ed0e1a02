"""The commands about the containment preference: ``preference`` shows and asks, ``attest`` records AWS's answer."""

from typing import Final

import click

from muster.domain.preference import is_account_id, is_case_id
from muster.domain.preference_history import LEVELS, NO_LEVEL_OF_ITS_OWN
from muster_console.desk import Desk
from muster_console.errors import ExitCode
from muster_console.narration import plain
from muster_console.preferences import read_preferences, record_case, show_preferences
from muster_console.run_commands import tell_execution
from muster_console.runs import Ending, start_attestation


def _case(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not is_case_id(text):
        raise click.BadParameter("a case has a number of 5 to 20 digits, or an id that begins with case-")
    return text


def _accounts(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not is_account_id(text):
            raise click.BadParameter(f"{text!r} is no account id: give its 12 digits")
    return tuple(sorted(set(texts)))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with the case.")
@click.option("--case", metavar="ID", callback=_case, help="Record that the case was sent, by the number it has got.")
@click.pass_obj
def preference(desk: Desk, *, as_json: bool, case: str | None) -> ExitCode:
    """Show how far AWS may contain by itself, as it is wanted, asked for and attested, and the case that asks AWS.

    No API tells or sets the preference: a person sends the case to AWS Support, and attests what AWS confirms. Ends
    with 3 when something is to do.

    \b
    Examples:
      muster preference
      muster preference --case 17012345678901
      muster preference --json | jq -r .case.body
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    clients, stack = desk.reach()
    if case is None:
        found = read_preferences(clients, stack, desk.now())
    else:
        found = record_case(clients, stack, desk.now(), case)
    if as_json:
        plain(desk.out, found.as_json())
    else:
        show_preferences(desk.out, found, desk.again)
    return found.exit_code()


@click.command()
@click.option("--case", metavar="ID", required=True, callback=_case, help="The case in which AWS has confirmed it.")
@click.option(
    "--level",
    metavar="LEVEL",
    required=True,
    type=click.Choice(LEVELS),
    help=f"What AWS has confirmed: one of {', '.join(LEVELS)}.",
)
@click.option("--account", "accounts", metavar="ID", multiple=True, callback=_accounts, help="For this account.")
@click.pass_obj
def attest(desk: Desk, *, case: str, level: str, accounts: tuple[str, ...]) -> ExitCode:
    """Record that AWS has confirmed a containment preference: the organization's, or that of each --account.

    Record what AWS has, also where it differs from what is wanted; AsOrganization is for accounts that have no level of
    their own any more. Who attests is what AWS records of this call, which takes some minutes. Ends with 1 when it is
    refused.

    \b
    Examples:
      muster attest --case 17012345678901 --level ContainConfirmed
      muster attest --case 17012345678901 --level ApprovalRequired --account 333333333333
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if level == NO_LEVEL_OF_ITS_OWN and not accounts:
        raise click.UsageError(f"{NO_LEVEL_OF_ITS_OWN} is for accounts: name each with --account.")
    clients, stack = desk.reach()
    arn = start_attestation(clients, stack, desk.now(), case=case, level=level, accounts=accounts)
    plain(desk.out, "Waiting for AWS's record of who attests (CloudTrail). That takes some minutes.")
    try:
        ending = tell_execution(desk, clients, arn)
    except KeyboardInterrupt:
        plain(desk.out, f"It is recorded all the same. Look at it later with: {desk.again('preference')}")
        return ExitCode.INTERRUPTED
    return _show_attestation(desk, ending)


COMMANDS: Final[tuple[click.Command, ...]] = (preference, attest)


def _show_attestation(desk: Desk, ending: Ending) -> ExitCode:
    status, message = ending.output.get("status"), str(ending.output.get("message") or "")
    if ending.status == "SUCCEEDED" and status == "recorded":
        plain(desk.out, f"Attested: {message}")
        plain(desk.out, f"Next: {desk.again('preference')}")
        return ExitCode.DONE
    if ending.status == "SUCCEEDED" and status == "refused":
        plain(desk.err, f"Refused: {message}")
        return ExitCode.RUN_FAILED
    plain(desk.err, f"Nothing was attested ({ending.error or ending.status}). {ending.cause}".rstrip())
    plain(desk.err, f"Next: {desk.again('preference')} says how it stands; then attest again.")
    return ExitCode.RUN_FAILED
