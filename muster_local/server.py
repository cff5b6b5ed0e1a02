"""The embedded cloud: one process on loopback that speaks AWS, with the application deployed in it."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from platform import machine as host_architecture
from typing import Any, Self

import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from muster_local import (
    called_events,
    control,
    deployment,
    event_history,
    machines,
    organization_file,
    stacks,
    templates,
    world,
)
from muster_local.callers import Caller
from muster_local.code_store import CodeStore
from muster_local.control import AskedError
from muster_local.faults import Faults
from muster_local.http_answers import Answer
from muster_local.http_server import HttpServer
from muster_local.lambda_host import LambdaHost
from muster_local.lambda_invoke import run_functions_in_the_lambda_host
from muster_local.middleware import Middleware
from muster_local.operations import Call, Environ
from muster_local.recorded_events import is_recorded, recorded
from muster_local.sessions import name_accounts_as_their_root
from muster_local.ticking import Ticker, tick

ACCESS_LEVELS = ("forward", "read", "onboard", "manage")
DEPLOYMENT_NAME = "muster"
DEFAULT_REGION = "us-east-1"

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.005


class _Dispatcher(DomainDispatcherApplication):
    """Finds the backend of a host once: moto reads its own folder for that with every request, under a lock."""

    def __init__(self, create_app: Callable[..., Any]) -> None:
        """Begin without any host."""
        super().__init__(create_app)
        self._found: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return what moto found for the host, or None."""
        if host not in self._found:
            self._found[host] = super().get_backend_for_host(host)
        return self._found[host]


class EmbeddedCloud:
    """A cloud that lives as long as it is not stopped. One at a time in a process: moto's state is the process's."""

    def __init__(
        self,
        organization: Path,
        *,
        access: str = "manage",
        root: Path | None = None,
        template: Path | None = None,
        management_template: Path | None = None,
        application_account: str | None = None,
        region: str = DEFAULT_REGION,
        parameters: Mapping[str, str] | None = None,
        build: Path | None = None,
        empty: bool = False,
        port: int = 0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Say what to simulate and deploy; nothing happens before ``start``.

        ``root`` is the repository; ``template`` and ``management_template`` default to its own ones, where they exist.
        ``parameters`` are further values for the templates' parameters. ``build`` is the output of ``sam build``,
        run in place of the sources. ``empty`` deploys nothing: whoever drives it brings the templates.
        """
        self._root = (root or Path.cwd()).resolve()
        self._organization = organization
        self._access = _known_access(access)
        self._template = template
        self._management_template = management_template
        self._application_account = application_account
        self._region = region
        self._parameters = dict(parameters or {})
        self._build = build
        self._empty = empty
        self._port = port
        self._report = report
        self._server: HttpServer | None = None
        self._host: LambdaHost | None = None
        self._world: world.World | None = None
        self._ticker: Ticker | None = None
        self._code = CodeStore()
        self._packages: dict[Path, tuple[templates.Package, tuple[int, ...]]] = {}
        self._lacking: set[tuple[str, tuple[str, ...]]] = set()
        self._is_resetting = False
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._middleware = Middleware(
            application=_Dispatcher(create_backend_app),
            surroundings=_World(self),
            control=control.Control(self).answer,
            kill_function=lambda key: self._host is not None and self._host.kill(key),
            report=report,
            trail=self._record,
        )

    # --- life ---

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        if self._server is None:
            raise AskedError("the embedded cloud is not started")
        return f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        """Listen on loopback and deploy the application."""
        # moto logs causes of failures, which may quote what was sent.
        logging.getLogger("moto").setLevel(logging.CRITICAL)
        self._server = HttpServer(self._middleware, self._port, self._report)
        self._host = LambdaHost(endpoint_url=self.url, credentials=self._middleware.sessions.issue)
        self.reset()

    def _take_over(self) -> None:
        """Let moto's hooks serve this cloud: they are the process's, and another cloud may have had them since."""
        if _serving and _serving[-1] is self:
            return
        world.install()
        run_functions_in_the_lambda_host(lambda: self._host)
        name_accounts_as_their_root()
        deployment.install(self._code, self._stack_changed)
        machines.install(
            machines.Surroundings(
                endpoint_url=lambda: self.url,
                credentials=self._middleware.sessions.issue,
                now=self._now,
                sleep=self._sleep,
                tokens=lambda: self.world.task_tokens,
            )
        )
        _serving[:] = [self]

    def reset(
        self,
        *,
        organization: Path | None = None,
        access: str | None = None,
        application_account: str | None = None,
        region: str | None = None,
        parameters: Mapping[str, str] | None = None,
        empty: bool | None = None,
    ) -> None:
        """Begin anew: a fresh organization, no calls, no faults, the application deployed again unless it stays empty.

        What is not given stays as it was.
        Children of functions whose code and environment stay as they are stay alive.
        """
        self._organization = organization or self._organization
        self._access = _known_access(access or self._access)
        self._application_account = application_account or self._application_account
        self._region = region or self._region
        self._parameters = self._parameters if parameters is None else dict(parameters)
        self._empty = self._empty if empty is None else empty
        self._take_over()
        self._stop_ticking()
        self._stop_executions()
        self._world = world.load(organization_file.load(self._organization))
        self._middleware.sessions.survive_reset()
        self._middleware.faults.replace([])
        self._middleware.recorder.clear_calls()
        self._is_resetting = True
        try:
            self._deploy()
        finally:
            self._is_resetting = False
            self._run_functions()
            self._ticker = Ticker(lambda: self.world, self._report)

    def stop(self) -> None:
        """End everything, children included."""
        self._stop_ticking()
        self._stop_executions()
        if self._host is not None:
            self._host.stop()
            self._host = None
        self._code.close()
        if self._server is not None:
            self._server.stop()
            self._server = None
        _serving.clear()
        self._clients.clear()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    # --- for whoever drives it ---

    @property
    def world(self) -> world.World:
        """The simulated world: clock, switches, organization."""
        if self._world is None:
            raise AskedError("the embedded cloud is not started")
        return self._world

    @property
    def faults(self) -> Faults:
        """The faults of calls that the application makes."""
        return self._middleware.faults

    @property
    def application_account(self) -> str:
        """The account that the application is deployed in."""
        return self._application_account or self.management_account

    @property
    def region(self) -> str:
        """The Region that the application is deployed in."""
        return self._region

    @property
    def management_account(self) -> str:
        """The organization's management account."""
        return self.world.organization.management_account.id

    def client(
        self, service: str, account: str | None = None, region: str | None = None, *, person: str | None = None
    ) -> Any:
        """Return a client that acts as an account; as the application's own in its own Region by default.

        With a person, such as ``ada@example.com``, it acts as their session of the role Operator there.
        """
        acting = account or self.application_account
        key = (service, acting if person is None else self.sign_in(person, acting), region or self._region)
        if key not in self._clients:
            self._clients[key] = self._new_client(*key)
        return self._clients[key]

    def sign_in(self, person: str, account: str | None = None) -> str:
        """Return the access key id of a person in the role Operator of an account, the application's by default.

        They may do whatever the account's own key may. Raises AskedError.
        """
        if not _SESSION_NAME.fullmatch(person):
            raise AskedError(f"a person is named by 2 to 64 letters, digits or _+=,.@-, and not {person!r}")
        return self._middleware.sessions.sign_in(person, account or self.application_account)

    def _new_client(self, service: str, access_key: str, region: str) -> Any:
        session: Any = boto3.Session()  # typed by service name, of which any may come
        return session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key="embedded",  # noqa: S106 - no secret: every account's key is its own id
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def session_of(self, role_arn: str) -> dict[str, str]:
        """Return a session of a role as its function gets it, as environment variables."""
        return self._middleware.sessions.issue(role_arn, "driver")

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls that the application made."""
        return self._middleware.recorder.calls()

    def permissions(self) -> list[dict[str, Any]]:
        """Return every distinct permission that roles were seen to need."""
        return [
            {
                "role": permission.role,
                "action": permission.action,
                "resource": permission.resource,
                "allowed": permission.allowed,
            }
            for permission in self._middleware.recorder.permissions()
        ]

    def role_policies(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the identity policies of every role that a stack made, by its name, as IAM has them."""
        return deployment.role_policies()

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        self._middleware.recorder.clear_calls()

    def set_faults(self, faults: list[dict[str, Any]]) -> None:
        """Replace the list of faults. Raises FaultError."""
        self.faults.replace(faults)

    def settle(self) -> None:
        """Do now what is due by the clock: late events arrive, and schedules fire."""
        tick(self.world)

    def logs(self) -> dict[str, str]:
        """Return everything the functions have written, by function."""
        return self._host.logs() if self._host else {}

    def _record(self, call: Call, caller: Caller, answer: Answer, environ: Environ) -> None:
        called_events.tell(
            self.world,
            call,
            caller,
            answer,
            address=environ.get("REMOTE_ADDR", ""),
            agent=environ.get("HTTP_USER_AGENT", ""),
        )
        if call.service in {"cloudformation", "events"} and answer.outcome == "ok":
            self.world.clock.wake()  # somebody may listen from now on, or hear of a stack set
        if not is_recorded(call):
            return
        event = recorded(
            call,
            caller,
            answer,
            self._now(),
            address=environ.get("REMOTE_ADDR", ""),
            agent=environ.get("HTTP_USER_AGENT", ""),
            names_resources=self.world.switches.get("event_resources") == "named",
        )
        event_history.record(self.world, event)

    def _now(self) -> datetime:
        return self.world.clock.now()

    def _sleep(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    # --- deployment ---

    def _deploy(self) -> None:
        if self.application_account not in {account.id for account in self.world.organization.accounts()}:
            raise AskedError(f"account {self.application_account} is not in {self._organization}")
        if self._empty:
            return
        parameters = {
            "DeploymentName": DEPLOYMENT_NAME,
            "Architecture": "arm64" if host_architecture().lower() in {"arm64", "aarch64"} else "x86_64",
            "ManagementAccountId": self.management_account,
            "ApplicationAccountId": self.application_account,
            "OrganizationId": self.world.organization.id,
            "Access": self._access,
            **self._parameters,
        }
        application = self._template or (self._build or self._root) / "template.yaml"
        management = self._management_template or self._root / "stacks" / "management-account.yaml"
        for path, name, account in (
            (management, f"{DEPLOYMENT_NAME}-management", self.management_account),
            (application, DEPLOYMENT_NAME, self.application_account),
        ):
            if not path.exists():
                self._report(f"no {path.name}: nothing of it is deployed")
                continue
            deployment.deploy(
                self._packaged(path), name=name, account=account, region=self._region, parameters=parameters
            )

    def _packaged(self, path: Path) -> str:
        """Read a template anew only when one of its files has changed."""
        known, seen = self._packages.get(path, (None, ()))
        if known is None or seen != _times(known.files):
            known = templates.package(path, built=self._build is not None)
            self._packages[path] = (known, _times(known.files))
        return known.text

    def _stack_changed(self, stack: Any) -> None:
        """Run the functions of all stacks as they are now, and say once what a stack has that is not emulated."""
        not_emulated = getattr(stack, "not_emulated", ())  # a stack that is only being reviewed has no template
        if not_emulated and (stack.name, not_emulated) not in self._lacking:
            self._lacking.add((stack.name, not_emulated))
            self._report(f"not emulated in stack {stack.name}: {', '.join(not_emulated)}")
        if not self._is_resetting and stacks.had_functions(stack):
            self._run_functions()

    def _run_functions(self) -> None:
        if self._host is not None:
            self._host.deploy(deployment.functions())

    def _stop_ticking(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None

    def _stop_executions(self) -> None:
        """Stop what runs and wait for it, so that nothing of it reaches the next world."""
        running = [
            execution
            for regions in list(stepfunctions_parser_backends.values())
            for backend in list(regions.values())
            for machine in backend.state_machines
            for execution in machine.executions
            if execution.status == "RUNNING"
        ]
        end = time.monotonic() + _STOP_SECONDS
        for execution in running:
            while execution.exec_worker.env is None and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
            execution.stop(self._now(), "Reset", "The embedded cloud begins anew")
        if running:
            # Whoever sleeps on this clock wakes up; nobody looks at it again.
            self.world.clock.advance(timedelta(days=3650).total_seconds())
        while any(execution.status == "RUNNING" for execution in running) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)


_serving: list[EmbeddedCloud] = []
"""The cloud that moto's hooks serve."""


class _World:
    """What the middleware asks of the world, whichever is the present one."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self._cloud = cloud

    def is_region_enabled(self, account: str, region: str) -> bool:
        return self._cloud.world.is_region_enabled(account, region)

    def switch(self, name: str) -> str:
        return self._cloud.world.switches.get(name)

    def time(self) -> str:
        return self._cloud.world.clock.now().isoformat()


def _known_access(access: str) -> str:
    if access not in ACCESS_LEVELS:
        raise AskedError(f"access is one of {', '.join(ACCESS_LEVELS)}, not {access!r}")
    return access


def _times(files: Iterable[Path]) -> tuple[int, ...]:
    return tuple(file.stat().st_mtime_ns for file in files)
