"""`/_muster/…`: what drives the embedded cloud from outside, as JSON over HTTP."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from muster_local.deployment import DeploymentError
from muster_local.faults import FaultError, Faults
from muster_local.organization_file import OrganizationFileError
from muster_local.simulation import World
from muster_local.switches import SwitchValueError, UnknownSwitchError

_RESET_KEYS = ("organization", "access", "application_account", "region", "parameters", "empty")


class AskedError(ValueError):
    """What the embedded cloud was asked to be or to do makes no sense; the message says why."""


class Cloud(Protocol):
    """What can be driven."""

    @property
    def world(self) -> World:
        """The present world."""
        ...

    @property
    def faults(self) -> Faults:
        """The present faults."""
        ...

    @property
    def url(self) -> str:
        """The endpoint."""
        ...

    def calls(self) -> list[dict[str, Any]]:
        """Return the application's calls."""
        ...

    def clear_calls(self) -> None:
        """Forget the calls."""
        ...

    def permissions(self) -> list[dict[str, Any]]:
        """Return the permissions seen."""
        ...

    def logs(self) -> dict[str, str]:
        """Return the functions' logs."""
        ...

    def sign_in(self, person: str, account: str | None = None) -> str:
        """Return the access key id of a person."""
        ...

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
        """Begin anew."""
        ...


class Control:
    """Answers the requests below `/_muster/`."""

    def __init__(self, cloud: Cloud) -> None:
        """Keep what is to be driven."""
        self._cloud = cloud
        self._routes: Mapping[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "calls"): lambda _: cloud.calls(),
            ("DELETE", "calls"): self._clear_calls,
            ("GET", "faults"): lambda _: cloud.faults.as_list(),
            ("POST", "faults"): self._replace_faults,
            ("GET", "clock"): lambda _: self._now(),
            ("POST", "clock"): self._advance,
            ("GET", "switches"): lambda _: cloud.world.switches.as_dict(),
            ("POST", "switches"): self._set_switches,
            ("GET", "permissions"): lambda _: cloud.permissions(),
            ("GET", "logs"): lambda _: cloud.logs(),
            ("POST", "people"): self._sign_in,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return status and document for a request."""
        route = self._routes.get((method, path))
        if route is None:
            return HTTPStatus.NOT_FOUND, {"error": f"there is no {method} /_muster/{path}"}
        try:
            return HTTPStatus.OK, route(json.loads(body) if body else None)
        except json.JSONDecodeError as error:
            return HTTPStatus.BAD_REQUEST, {"error": f"the request is no JSON: {error}"}
        except (
            AskedError,
            DeploymentError,
            FaultError,
            UnknownSwitchError,
            SwitchValueError,
            OrganizationFileError,
        ) as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}

    def _clear_calls(self, _: Any) -> list[Any]:
        self._cloud.clear_calls()
        return []

    def _replace_faults(self, document: Any) -> list[dict[str, Any]]:
        self._cloud.faults.replace(document)
        return self._cloud.faults.as_list()

    def _now(self) -> dict[str, str]:
        return {"now": self._cloud.world.clock.now().isoformat()}

    def _advance(self, document: Any) -> dict[str, str]:
        seconds = document.get("advance_s") if isinstance(document, Mapping) else None
        if set(document or ()) != {"advance_s"} or not isinstance(seconds, int | float) or seconds < 0:
            raise AskedError('the request is {"advance_s": SECONDS}, and the clock only moves forward')
        self._cloud.world.clock.advance(seconds)
        return self._now()

    def _set_switches(self, document: Any) -> dict[str, str]:
        switches = self._cloud.world.switches
        if not isinstance(document, Mapping):
            raise AskedError("switches are an object of names and values")
        before = switches.as_dict()
        try:
            for name, value in document.items():
                switches.set(name, value)
        except (UnknownSwitchError, SwitchValueError):
            for name, value in before.items():
                switches.set(name, value)
            raise
        return switches.as_dict()

    def _sign_in(self, document: Any) -> dict[str, str]:
        asked = document if isinstance(document, Mapping) else {}
        known = "person" in asked and set(asked) <= {"person", "account"}
        if not known or not all(isinstance(value, str) for value in asked.values()):
            raise AskedError('the request is {"person": NAME, "account": the application\'s when left out}')
        return {"access_key_id": self._cloud.sign_in(**asked)}

    def _reset(self, document: Any) -> dict[str, str]:
        asked = document or {}
        if not isinstance(asked, Mapping) or not set(asked) <= set(_RESET_KEYS):
            raise AskedError(f"a reset takes {', '.join(_RESET_KEYS)} and nothing else")
        values: dict[str, Any] = dict(asked)
        if "organization" in values:
            values["organization"] = Path(values["organization"])
            if not values["organization"].is_file():
                raise AskedError(f"there is no file {values['organization']}")
        self._cloud.reset(**values)
        return {"url": self._cloud.url}
