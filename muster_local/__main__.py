"""`muster local …`: start the embedded cloud from the command line."""

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import yaml

_PARENT_POLL_SECONDS = 0.2


@click.group()
def main() -> None:
    """Run an embedded cloud: AWS as far as Muster needs it, on this machine only."""


@main.command()
@click.option("--organization", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--desired-state", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--access", type=click.Choice(("forward", "read", "onboard", "manage")), default="manage", show_default=True
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="A free one when not given.")
@click.option(
    "--build", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The output of make build."
)
@click.option("--empty", is_flag=True, help="Deploy nothing: sam and aws cloudformation deploy do.")
@click.option("--application-account", help="The account to deploy in.")
@click.option("--region", help="The Region to deploy in.")
def up(
    *,
    organization: Path,
    desired_state: Path | None,
    access: str,
    port: int,
    build: Path | None,
    empty: bool,
    application_account: str | None,
    region: str | None,
) -> None:
    """Deploy the application into a simulated organization and serve it until Ctrl-C or the end of the parent."""
    if empty and desired_state is not None:
        raise click.UsageError("--empty has nothing that could hold --desired-state: deploy first, then muster push")
    ended = _end_with_the_parent()
    account, region = _membership(organization, desired_state, application_account, region)
    cloud = _cloud(organization, access=access, port=port, build=build, empty=empty, account=account, region=region)
    with _started(cloud):
        if desired_state is not None:
            _push(desired_state, cloud.url, cloud.application_account, cloud.region)
        click.echo(f"ready {cloud.url}")
        sys.stdout.flush()
        ended.wait()


@main.command()
def demo() -> None:
    """Onboard the example organization, show every account's coverage, then onboard again and count the writes."""
    from muster_local import demo as show  # noqa: PLC0415 - imported late, as below

    warnings.filterwarnings("ignore", module="moto")
    sys.exit(show.run(click.echo))


def _cloud(
    organization: Path,
    *,
    access: str,
    port: int,
    build: Path | None,
    empty: bool,
    account: str | None,
    region: str | None,
) -> Any:
    # Imported late, so that --help and mistyped options do not wait for moto.
    from muster_local.server import DEFAULT_REGION, EmbeddedCloud  # noqa: PLC0415

    warnings.filterwarnings("ignore", module="moto")
    return EmbeddedCloud(
        organization,
        root=_root(),
        access=access,
        port=port,
        build=build,
        empty=empty,
        application_account=account,
        region=region or DEFAULT_REGION,
        report=lambda message: click.echo(message, err=True),
    )


@contextmanager
def _started(cloud: Any) -> Iterator[None]:
    from muster_local.control import AskedError  # noqa: PLC0415 - as above
    from muster_local.deployment import DeploymentError  # noqa: PLC0415
    from muster_local.organization_file import OrganizationFileError  # noqa: PLC0415

    try:
        cloud.start()
        yield
    except (AskedError, DeploymentError, OrganizationFileError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        cloud.stop()


def _membership(
    organization: Path, desired_state: Path | None, account: str | None, region: str | None
) -> tuple[str | None, str | None]:
    """Choose where the application lives: as told, as the desired state says, or as the example does."""
    if account and region:
        return account, region
    chosen = desired_state or _root() / "config" / "desired-state.example.yaml"
    read = _membership_of(chosen)
    if read is not None and (desired_state is not None or _mentions(organization, read[0])):
        account, region = account or read[0], region or read[1]
    elif desired_state is not None:
        raise click.ClickException(f"{desired_state}: membership.account and membership.region are needed")
    where = f"account {account or 'of the management'}, Region {region or 'us-east-1'}"
    click.echo(f"deploying into {where}", err=True)
    return account, region


def _root() -> Path:
    """Return the repository: the working directory, or where this package lies."""
    here = Path.cwd()
    return here if (here / "template.yaml").exists() else Path(__file__).resolve().parents[1]


def _membership_of(path: Path) -> tuple[str, str] | None:
    try:
        document = yaml.safe_load(path.read_text())
        membership = document["membership"]
        return str(membership["account"]), str(membership["region"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None


def _mentions(organization: Path, account: str) -> bool:
    from muster_local import organization_file  # noqa: PLC0415 - as above

    try:
        return any(entry.id == account for entry in organization_file.load(organization).accounts())
    except organization_file.OrganizationFileError as error:
        raise click.ClickException(str(error)) from error


def _push(desired_state: Path, url: str, account: str, region: str) -> None:
    """Store the desired state as an operator would: with the console, which this package does not import."""
    command = [sys.executable, "-m", "muster_console", "--endpoint-url", url, "push", str(desired_state)]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    result = subprocess.run(command, env=environment, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own console
    if result.returncode:
        raise click.ClickException(f"{desired_state} was not accepted (exit status {result.returncode})")


def _end_with_the_parent() -> threading.Event:
    """Return an event that is set by Ctrl-C, by SIGTERM, or when the parent is gone, however it went.

    The parent is asked for again and again: the kernel's own signal would come when the parent's thread ends.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    parent = os.getppid()

    def watch() -> None:
        while not ended.wait(_PARENT_POLL_SECONDS):
            if os.getppid() != parent:
                ended.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return ended


if __name__ == "__main__":
    main()
