"""Lambda without containers: the real Python runtime in child processes, behind the Runtime API on loopback.

A function has one child per concurrent invocation, and keeps it for the next one, as Lambda does. Each child has its
own environment and its own session of the function's role.
"""

import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

_RUNTIME_PACKAGES = ("awslambdaric", "snapshot_restore_py", "simplejson")
_INVOCATION = re.compile(r"/2018-06-01/runtime/(?:invocation/(?P<id>[^/]+)/(?P<end>response|error)|init/error)$")
_CONCURRENCY = 20
FOLDER_PREFIX = "muster-lambda-"
# The child asks the kernel for its own end when ours comes, however it comes; then it becomes the runtime.
_CHILD = """
import ctypes, os, runpy, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv.pop(1)):
        sys.exit(0)
else:
    sys.argv.pop(1)
runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What makes two functions the same to a running child: code, settings, environment and role."""

    name: str
    account: str
    region: str
    role_arn: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    environment: tuple[tuple[str, str], ...]
    timeout: int = 3
    memory: int = 128
    isolated: bool = False
    fingerprint: str = field(default="")

    @property
    def arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invocation gave: the payload, and Lambda's word when the function failed."""

    payload: bytes
    error: str | None = None


class LambdaHost:
    """All functions of the embedded cloud and their children."""

    def __init__(self, *, endpoint_url: str, credentials: Callable[[str, str], Mapping[str, str]]) -> None:
        """Keep where AWS is, and how a child gets a session: (role ARN, session name) to its variables."""
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._functions: dict[str, _Function] = {}
        self._lock = threading.Lock()
        # One long-lived thread starts every child: the kernel ties a child to the thread that started it.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lambda-starter")
        _sweep()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
        self._runtime = _runtime_folder(self._folder)

    def deploy(self, specs: Mapping[str, FunctionSpec]) -> None:
        """Make these the functions, by ARN. Children of functions that stay exactly as they are live on."""
        with self._lock:
            gone = [arn for arn, function in self._functions.items() if specs.get(arn) != function.spec]
            ended = [self._functions.pop(arn) for arn in gone]
            for arn, spec in specs.items():
                self._functions.setdefault(arn, _Function(spec, self))
        for function in ended:
            function.stop()

    def invoke(self, arn: str, payload: bytes, client_context: str | None = None) -> Answer | None:
        """Invoke a function and wait for its answer; None when all its places are taken."""
        return self._functions[arn].invoke(payload, client_context)

    def knows(self, arn: str) -> bool:
        """Tell whether a function is deployed here."""
        return arn in self._functions

    def kill(self, access_key: str) -> bool:
        """Kill the child that signs with this key, as a crash would; False when there is none."""
        with self._lock:
            functions = list(self._functions.values())
        return any(function.kill(access_key) for function in functions)

    def logs(self) -> dict[str, str]:
        """Return everything each function has written, by its name."""
        files = sorted(self._folder.glob("*.log"))
        return {file.stem: file.read_text(errors="replace") for file in files}

    def stop(self) -> None:
        """End every child and forget the logs."""
        self.deploy({})
        self._starter.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start_child(self, spec: FunctionSpec, runtime_api: str) -> tuple[subprocess.Popen[bytes], str]:
        """Start one child; return it with the access key that it signs with."""
        credentials = self._credentials(spec.role_arn, f"{spec.name}-{uuid.uuid4().hex[:8]}")
        environment = {**self._environment(spec, runtime_api), **credentials}
        log = self._folder / f"{spec.name}.log"
        command = [
            *(sys.executable, *(("-S",) if spec.isolated else ()), "-c", _CHILD),
            *(str(os.getpid()), spec.handler),
        ]

        def start() -> subprocess.Popen[bytes]:
            with log.open("ab") as output:
                return subprocess.Popen(  # noqa: S603 - our interpreter, our arguments
                    command,
                    cwd=spec.code,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        return self._starter.submit(start).result(), credentials["AWS_ACCESS_KEY_ID"]

    def _environment(self, spec: FunctionSpec, runtime_api: str) -> dict[str, str]:
        path = [
            str(spec.code),
            *(str(layer) for layer in spec.layers),
            *([str(self._runtime)] if spec.isolated else []),
        ]
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        return {
            **inherited,
            **dict(spec.environment),
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "_HANDLER": spec.handler,
            "LAMBDA_TASK_ROOT": str(spec.code),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "embedded",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": spec.region,
            "AWS_DEFAULT_REGION": spec.region,
            "AWS_ENDPOINT_URL": self._endpoint_url,
            # The SDK would wait in real time between its attempts; the machine's retries run on the virtual clock.
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(path),
        }


class _Function:
    """One function and the places in which it runs."""

    def __init__(self, spec: FunctionSpec, host: LambdaHost) -> None:
        self.spec = spec
        self._host = host
        self._idle: queue.LifoQueue[_Place] = queue.LifoQueue()
        self._places: list[_Place] = []
        self._lock = threading.Lock()

    def invoke(self, payload: bytes, client_context: str | None) -> Answer | None:
        try:
            place = self._idle.get_nowait()
        except queue.Empty:
            with self._lock:
                if len(self._places) >= _CONCURRENCY:
                    return None
                place = _Place(self.spec, self._host)
                self._places.append(place)
        try:
            return place.invoke(payload, client_context)
        finally:
            self._idle.put(place)

    def kill(self, access_key: str) -> bool:
        with self._lock:
            return any(place.kill(access_key) for place in self._places)

    def stop(self) -> None:
        with self._lock:
            for place in self._places:
                place.stop()


@dataclass(slots=True)
class _Invocation:
    id: str
    payload: bytes
    deadline_ms: int
    client_context: str | None


class _Place:
    """One execution environment: a child, and the Runtime API that it asks for work."""

    def __init__(self, spec: FunctionSpec, host: LambdaHost) -> None:
        self.spec = spec
        self.waiting: queue.Queue[_Invocation | None] = queue.Queue()
        self.answers: queue.Queue[tuple[str | None, Answer]] = queue.Queue()
        self._host = host
        self._child: subprocess.Popen[bytes] | None = None
        self._access_key = ""
        self._server = _RuntimeApi(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def invoke(self, payload: bytes, client_context: str | None) -> Answer:
        child = self._living_child()
        end = time.monotonic() + self.spec.timeout
        invocation = _Invocation(
            str(uuid.uuid4()), payload, int((time.time() + self.spec.timeout) * 1000), client_context
        )
        self.waiting.put(invocation)
        while True:
            ended = child.poll() is not None
            left = end - time.monotonic()
            try:
                answered, answer = self.answers.get(timeout=0.001 if ended else max(0.001, min(0.1, left)))
            except queue.Empty:
                if ended:
                    return _exited(invocation.id, child.returncode)
                if left <= 0:
                    _end(child)
                    return _timed_out(invocation.id, self.spec.timeout)
            else:
                if answered in {None, invocation.id}:
                    return answer

    def kill(self, access_key: str) -> bool:
        if self._child is None or self._access_key != access_key:
            return False
        _end(self._child)
        return True

    def stop(self) -> None:
        if self._child is not None:
            _end(self._child)
        self.waiting.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _living_child(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.waiting, self.answers = queue.Queue(), queue.Queue()
            self._child, self._access_key = self._host.start_child(self.spec, self._server.address)
        return self._child


class _RuntimeApi(http.server.ThreadingHTTPServer):
    """The Runtime API of one execution environment."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, place: _Place) -> None:
        self.place = place
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a child that was killed breaks its long poll."""


class _RuntimeApiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _RuntimeApi

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: requests are no news."""

    def do_GET(self) -> None:
        place = self.server.place
        invocation = place.waiting.get()
        if invocation is None:
            self._answer(HTTPStatus.GONE, b"")
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": place.spec.arn,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        if invocation.client_context:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        self._answer(HTTPStatus.OK, invocation.payload, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if match := _INVOCATION.match(self.path):
            failed = match["end"] != "response"
            self.server.place.answers.put((match["id"], Answer(body, "Unhandled" if failed else None)))
        self._answer(HTTPStatus.ACCEPTED, b"{}")

    def _answer(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _sweep() -> None:
    """Remove what embedded clouds left behind that were killed before they could do so themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _runtime_folder(folder: Path) -> Path:
    """Collect the runtime alone, so that a built function sees nothing else of our environment."""
    runtime = folder / "runtime"
    runtime.mkdir()
    for installed in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for package in Path(installed).iterdir():
            if package.name.startswith((*_RUNTIME_PACKAGES, "runtime_client")):
                (runtime / package.name).symlink_to(package)
    return runtime


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGKILL)
    child.wait()


def _exited(request_id: str, status: int) -> Answer:
    message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
    return Answer(json.dumps({"errorType": "Runtime.ExitError", "errorMessage": message}).encode(), "Unhandled")


def _timed_out(request_id: str, timeout: int) -> Answer:
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return Answer(json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": message}).encode(), "Unhandled")
