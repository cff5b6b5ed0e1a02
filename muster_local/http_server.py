"""HTTP on loopback: connections stay open, nothing of a request is printed, and one can end without an answer."""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from moto.server import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from muster_local.control import AskedError


class _RequestHandler(MotoRequestHandler):
    """Keeps connections open: the middleware always reads a request to its end, which werkzeug cannot know."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536

    def run_wsgi(self) -> None:
        """Answer one request in one write, or drop the connection."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        answered: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            answered.update(status=status, headers=headers)

        try:
            body = b"".join(self.server.app(self.make_environ(), start_response))
        except ConnectionError:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        code, _, phrase = answered["status"].partition(" ")
        self.send_response(int(code), phrase)
        named = set()
        for name, value in answered["headers"]:
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
                named.add(name.lower())
        if "content-length" not in named and int(code) not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: requests may hold personal data."""


def _say_only_that_a_request_failed(report: Callable[[str], None]) -> Callable[[object, object], None]:
    """Return an error handler that prints no traceback: it might quote what was sent."""

    def handle_error(_request: object, _client_address: object) -> None:
        report(f"a request failed inside the embedded cloud: {type(sys.exception()).__name__}")

    return handle_error


class HttpServer:
    """moto's server behind our middleware, on a thread."""

    def __init__(self, application: Any, port: int, report: Callable[[str], None]) -> None:
        """Listen on loopback; port 0 is any free one. Raises AskedError when the port cannot be had."""
        try:
            self._server: BaseWSGIServer = make_server(
                "127.0.0.1", port, application, threaded=True, request_handler=_RequestHandler
            )
        except (OSError, SystemExit) as error:
            raise AskedError(f"port {port} cannot be used") from error
        self._server.daemon_threads = True  # type: ignore[attr-defined] # of the threading mix-in
        self._server.handle_error = _say_only_that_a_request_failed(report)  # type: ignore[assignment,method-assign]
        self._server.block_on_close = False  # type: ignore[attr-defined] # of the threading mix-in
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="embedded-cloud", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        with suppress(OSError):
            self._server.server_close()
