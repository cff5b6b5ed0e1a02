"""The command about the containment roles: ``containment`` says where responders could contain, and why not."""

from typing import Final

import click

from muster_console.containment_standing import read_containment
from muster_console.desk import Desk
from muster_console.errors import ExitCode
from muster_console.narration import plain
from muster_console.readiness_view import show_containment


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="Print the latest document as JSON, with the unit of each account."
)
@click.pass_obj
def containment(desk: Desk, *, as_json: bool) -> ExitCode:
    """Say in which units and accounts AWS could contain: readiness, and each exception with its remedy. Reads only.

    It is what the last run read of the roles themselves; a reading counts for 7 days. Ends with 0 when every account is
    Ready, or has no roles by choice, else with 3. JSON has the verdicts as they were when the run looked.

    \b
    Examples:
      muster containment
      muster containment --json | jq '.accounts[] | select(.readiness == "NotReady") | [.id, .remedy]'
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    clients, stack = desk.reach()
    now = desk.now()
    standing = read_containment(clients, stack, now, desk.again)
    if as_json:
        plain(desk.out, standing.as_json())
        for notice in standing.notices:
            plain(desk.err, f"Notice: {notice}")
    else:
        show_containment(desk.out, standing, stack, now, desk.again)
    return standing.exit_code()


COMMANDS: Final[tuple[click.Command, ...]] = (containment,)
