"""The commands of ``muster``: read what was typed, do one thing, print it, and return an exit code."""

import os
import shlex
import sys
from pathlib import Path

import click

from muster.messages.desired_state import InvalidDocumentError, ParsedDesiredState
from muster_console import (
    answer_commands,
    containment_commands,
    desired_state_file,
    preference_commands,
    preflight,
    run_commands,
)
from muster_console.aws import Connection
from muster_console.desk import Desk
from muster_console.errors import ConsoleError, ExitCode
from muster_console.importing import already_there, import_existing, save
from muster_console.narration import plain
from muster_console.pushing import Effect, push
from muster_console.run_commands import ACCEPT
from muster_console.standing import read_standing, show_standing
from muster_console.unit_tree import draw, read_units

__all__ = ["Desk", "muster"]

_EXAMPLES = """
\b
Examples:
  muster import
  muster validate desired-state.yaml
  muster push desired-state.yaml
  muster preflight
  muster plan
  muster onboard
  muster approve 3fa9c01b2d4e
  muster preference
  muster status --tree

\b
Exit codes: 0 done and covered, nothing to do; 1 the run failed, the answer was refused;
2 wrong usage or an unusable file; 3 something is to do, or needs a person; 4 AWS or the stack cannot be reached.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
@click.option("--stack-name", default="muster", show_default=True, help="Stack of the application.")
@click.option("--region", help="Region of the stack, which is the membership's.")
@click.option("--profile", help="Profile of the AWS configuration.")
@click.option("--endpoint-url", help="Talk to this endpoint instead of AWS, such as that of `muster local up`.")
@click.option("--debug", is_flag=True, help="Print tracebacks.")
@click.version_option(package_name="muster")
@click.pass_obj
def muster(
    desk: Desk, *, stack_name: str, region: str | None, profile: str | None, endpoint_url: str | None, debug: bool
) -> None:
    """Onboard AWS Security Incident Response for an AWS Organization, and keep every account mustered."""
    desk.stack_name = stack_name
    desk.connection = Connection(region=region, profile=profile, endpoint_url=endpoint_url)
    desk.debug = debug


for _command in (
    *run_commands.COMMANDS,
    *answer_commands.COMMANDS,
    *containment_commands.COMMANDS,
    *preference_commands.COMMANDS,
):
    muster.add_command(_command)

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@muster.command()
@_FILE
@click.pass_obj
def validate(desk: Desk, file: Path) -> ExitCode:
    """Check a desired state, without reaching AWS.

    \b
    Example:
      muster validate config/desired-state.example.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    parsed = _usable(desk, file)
    if parsed is None:
        return ExitCode.UNUSABLE
    plain(desk.out, f"{file} is valid: mode {parsed.desired.mode}, {len(parsed.team)} contacts.")
    return ExitCode.DONE


@muster.command(name="push")
@_FILE
@click.pass_obj
def push_file(desk: Desk, file: Path) -> ExitCode:
    """Store a desired state, where it differs from what is stored.

    Contacts go to an encrypted parameter, everything else to the bucket. Nothing is stored of a file that is not valid.

    \b
    Example:
      muster push desired-state.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    parsed = _usable(desk, file)
    if parsed is None:
        return ExitCode.UNUSABLE
    clients, stack = desk.reach()
    pushed = push(clients, stack, parsed)
    plain(desk.out, f"Contacts       {pushed.contacts} ({len(parsed.team)} people, {stack.contacts_parameter})")
    keys = f" ({', '.join(pushed.changed_keys)})" if pushed.changed_keys else ""
    plain(desk.out, f"Desired state  {pushed.desired_state}{keys}, version {pushed.version or 'unknown'}")
    if (pushed.contacts, pushed.desired_state) != (Effect.UNCHANGED, Effect.UNCHANGED):
        plain(desk.out, f"Next: {desk.again('onboard')}")
    return ExitCode.DONE


@muster.command(name="import")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=Path("desired-state.yaml"),
    show_default=True,
    help="File to write; - prints the document.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option("--management-profile", metavar="NAME", help="Look for containment roles through this profile.")
@click.pass_obj
def import_membership(desk: Desk, *, output: Path, force: bool, management_profile: str | None) -> ExitCode:
    """Write a desired state of the membership that exists already. Reads only.

    Run it with credentials of the membership's account, in its Region. Nothing of Muster has to be deployed.

    \b
    Examples:
      muster --region eu-west-1 import
      muster import --output my-organization.yaml --management-profile management
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    printed = str(output) == "-"
    if not (printed or force) and os.path.lexists(output):
        raise already_there(output)
    imported = import_existing(desk.connect, desk.connection, management_profile)
    if printed:
        # Exactly as it is: the console would turn :words: between colons into pictures.
        click.echo(imported.text, file=desk.out.file, nl=False)
    else:
        save(output, imported.text, force=force)
        file, people = shlex.quote(str(output)), len(imported.parsed.team)
        plain(desk.out, f"Membership {imported.membership_id}, {people} contacts: written to {output}.")
        plain(desk.out, f"Next: read it, then: {desk.again(f'validate {file}')} && {desk.again(f'push {file}')}")
    for notice in imported.notices:
        plain(desk.err, f"Notice: {notice}")
    plain(desk.err, "It holds names and addresses of people: keep it private and out of version control.")
    return ExitCode.DONE


@muster.command(name="preflight")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--local",
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check for this desired state from here, before anything is deployed.",
)
@click.option("--management-profile", metavar="NAME", help="With --local: a profile of the management account.")
@ACCEPT
@click.pass_obj
def look_before(
    desk: Desk, *, as_json: bool, file: Path | None, management_profile: str | None, accept_unknown: tuple[str, ...]
) -> ExitCode:
    """Check what must be so before an onboarding. Reads only.

    Ends with 1 when something stands in the way, with 3 when that could not be found out or somebody has something to
    do, else with 0.

    \b
    Examples:
      muster preflight
      muster preflight --json
      muster --profile security preflight --local desired-state.yaml --management-profile management
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if (file is None) != (management_profile is None):
        raise click.UsageError("--local and --management-profile go together: both accounts are looked at.")
    if file and management_profile:
        parsed = _usable(desk, file)
        if parsed is None:
            return ExitCode.UNUSABLE
        result = desk.look_locally(parsed, desk.connection, management_profile, accept_unknown)
    else:
        result = preflight.ask(*desk.reach(), desk.now(), accept_unknown)
    if as_json:
        plain(desk.out, result.model_dump_json())
    else:
        preflight.show(desk.out, result)
    return preflight.verdict(result)


@muster.command()
@click.option("--json", "as_json", is_flag=True, help="Print assessment, report, request and freeze as JSON.")
@click.option("--tree", is_flag=True, help="Print the units with the coverage below each.")
@click.pass_obj
def status(desk: Desk, *, as_json: bool, tree: bool) -> ExitCode:
    """Say how the organization stood when it was last assessed, and what waits for an answer.

    \b
    Examples:
      muster status
      muster status --tree
      muster status --json | jq .assessment.counts
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if as_json and tree:
        raise click.UsageError("--json holds every account with its place already, so it does not go with --tree.")
    clients, stack = desk.reach()
    standing = read_standing(clients, stack, desk.now())
    if as_json:
        plain(desk.out, standing.as_json())
        return standing.exit_code()
    if tree and standing.assessment:
        for root in draw(read_units(clients), standing.assessment.accounts):
            desk.out.print(root, highlight=False)
        desk.out.print()
    show_standing(desk.out, standing, stack, desk.now(), desk.again)
    return standing.exit_code()


@muster.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def local(desk: Desk, arguments: tuple[str, ...]) -> ExitCode:
    """Run everything on this machine, in an embedded cloud (needs the development dependencies).

    \b
    Example:
      muster local up --organization muster_local/organizations/example.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    desk.run_program(sys.executable, [sys.executable, "-m", "muster_local", *arguments])
    return ExitCode.DONE


def _usable(desk: Desk, file: Path) -> ParsedDesiredState | None:
    """Read a desired state, or print everything that is wrong with it."""
    try:
        return desired_state_file.read(file)
    except InvalidDocumentError as error:
        for problem in error.problems:
            plain(desk.err, str(problem))
        count = len(error.problems)
        plain(desk.err, f"{file} is not valid: {count} {'problem' if count == 1 else 'problems'}. Nothing was stored.")
        return None
    except OSError as error:
        raise ConsoleError(
            f"{file} cannot be read ({error.strerror}).", "Check its permissions.", ExitCode.UNUSABLE
        ) from error
