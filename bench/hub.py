"""A class on one JupyterHub: its students run lessons 02 and 08 at the same time, on one machine of two cores.

A real hub with its proxy (configurable-http-proxy) is started, and told by its API to start a server for each student.
Each then runs the lessons cell by cell through that server, as a browser does. The figures are ratios to one student
alone. Needs ``pip install -e '.[hub]'`` and ``npm install -g configurable-http-proxy``.
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
from figures import AT_MOST, Figure, reference
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

_LESSONS = ("02_the_starttls_handshake", "08_stripping")
_ROOT = Path(__file__).resolve().parent.parent
_PROXY = "configurable-http-proxy"
_CORES = 2
_TARGET = 15.0
"""How many times longer than one alone 95 % of the students may wait."""
_PATIENCE = 1800.0
"""Seconds for a server to start, for a kernel to answer, or for a cell.

A kernel's channel opens once the kernel has answered, and tornado would wait no longer than 20 s for that. A browser
waits for minutes, as a student does.
"""
_PAUSE = 2.0
"""Seconds between two looks at the memory."""


class _Hub(NamedTuple):
    """A running hub."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen[bytes]


class _Student(NamedTuple):
    """The result of one student."""

    name: str
    started: float
    """Seconds from asking for a server until it was there."""
    seconds: float
    """From asking for a server to the last cell."""
    problems: tuple[str, ...]
    """What went wrong in the cells."""


def measure(students: int) -> Iterator[Figure]:
    """So many students against one alone, and the memory of each. Raises `RuntimeError` without a hub."""
    with _hub() as hub:
        ((alone,), _) = asyncio.run(_together(hub, ["alone"]))
        names = [f"student-{number:02}" for number in range(1, students + 1)]
        done, memory = asyncio.run(_together(hub, names))
    failed = [student for student in (alone, *done) if student.problems]
    for student in failed:
        print(f"{student.name}: {student.problems[0]}", file=sys.stderr)
    seconds = sorted(student.seconds for student in done)
    slowest = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    yield Figure(
        f"hub: 95 % of {students} students against one alone",
        slowest / alone.seconds,
        AT_MOST,
        _TARGET,
        f"{slowest:.0f} s against {alone.seconds:.0f} s, half of them within {statistics.median(seconds):.0f} s; "
        f"the last server was there after {max(student.started for student in done):.0f} s",
    )
    yield Figure("hub: students with an error in a cell", len(failed), AT_MOST, 0, f"of {students + 1}", "")
    sizes = [memory[name] for name in names]
    yield reference(
        "hub: memory of the largest student against the smallest",
        max(sizes) / min(sizes),
        f"{statistics.mean(sizes) / 1e6:.0f} MB each (PSS: server, kernel, LAN), {sum(sizes) / 1e9:.1f} GB together",
    )


@contextmanager
def _hub() -> Iterator[_Hub]:
    """A hub in a folder of its own, on free ports of loopback, on `_CORES` cores. Raises `RuntimeError`."""
    proxy = os.environ.get("CONFIGURABLE_HTTP_PROXY") or shutil.which(_PROXY)
    if proxy is None:
        raise RuntimeError(f"{_PROXY} is not installed: npm install -g {_PROXY}")
    if shutil.which("jupyterhub", path=str(Path(sys.executable).parent)) is None:
        raise RuntimeError("JupyterHub is not installed: pip install -e '.[hub]'")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port, token = _free_ports(), secrets.token_hex(16)
        told = {"BENCH_FOLDER": folder, "BENCH_PORT": str(port), "BENCH_TOKEN": token, "BENCH_PROXY": proxy}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        log = Path(folder, "hub.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(Path(__file__).with_name("hub_config.py"))],
                env={**os.environ, **told, "PATH": path},
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_on_few_cores,
            )
        hub = _Hub(f"http://127.0.0.1:{port}", token, Path(folder), process)
        try:
            asyncio.run(_until_up(hub, log))
            yield hub
        finally:
            _end(process)


def _free_ports() -> int:
    """The first of three consecutive free ports."""
    for first in range(20_000 + os.getpid() % 10_000, 60_000, 3):
        with suppress(OSError):
            for port in range(first, first + 3):
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port))
            return first
    raise RuntimeError("There are no three free ports side by side.")


def _on_few_cores() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])


async def _until_up(hub: _Hub, log: Path) -> None:
    deadline = time.monotonic() + 120
    while hub.process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, HTTPClientError):
            await _ask(hub, "GET", "/hub/api/")
            return
        await asyncio.sleep(0.5)
    raise RuntimeError(f"The hub did not start: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-400:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the hub, its proxy and the servers of its students."""
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        for each in [one for one in (*started, psutil.Process(process.pid)) if one.is_running()]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(30)


async def _ask(hub: _Hub, verb: str, path: str, body: Any = None) -> Any:
    """What the API of the hub, or of a student's server, answers. Raises `OSError` and `HTTPClientError`."""
    told = json.dumps(body) if body is not None else None
    answer = await AsyncHTTPClient().fetch(_request(hub, hub.url + path, method=verb, body=told))
    return json.loads(answer.body) if answer.body else None


def _request(hub: _Hub, address: str, **more: Any) -> HTTPRequest:
    headers = {"Authorization": f"token {hub.token}"}
    limits = {"connect_timeout": _PATIENCE, "request_timeout": _PATIENCE}
    return HTTPRequest(address, headers=headers, allow_nonstandard_methods=True, **limits, **more)


# ---- the students


async def _together(hub: _Hub, names: Sequence[str]) -> tuple[list[_Student], dict[str, int]]:
    """All students begin at the same moment. Their results, and the bytes of memory that each has used at most."""
    AsyncHTTPClient.configure(None, max_clients=1000)
    for name in names:
        home = hub.folder / "home" / name
        shutil.copytree(_ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".*"))
        await _ask(hub, "POST", f"/hub/api/users/{name}")
    memory: dict[str, int] = dict.fromkeys(names, 0)
    watching = asyncio.create_task(_watch(memory))
    try:
        return list(await asyncio.gather(*(_student(hub, name) for name in names))), memory
    finally:
        watching.cancel()
        for name in names:
            with suppress(OSError, HTTPClientError):
                await _ask(hub, "DELETE", f"/hub/api/users/{name}/server")


async def _student(hub: _Hub, name: str) -> _Student:
    """One student asks for a server, and runs the lessons one after the other, each in a kernel of its own."""
    began, problems, doing, started = time.perf_counter(), [], "its server", 0.0
    try:
        await _started(hub, name)
        started = time.perf_counter() - began
        for doing in _LESSONS:
            problems += [f"{doing}: {problem}" for problem in await _run(hub, name, doing)]
    except (OSError, HTTPClientError, WebSocketClosedError) as error:
        problems.append(f"{doing}: {type(error).__name__}: {error}")
    return _Student(name, started, time.perf_counter() - began, tuple(problems))


async def _started(hub: _Hub, name: str) -> None:
    """Request a server, and wait until it runs. Raises `OSError` and `HTTPClientError` if it does not start."""
    await _ask(hub, "POST", f"/hub/api/users/{name}/server", {})
    while True:
        servers = (await _ask(hub, "GET", f"/hub/api/users/{name}"))["servers"]
        if "" not in servers:  # one that starts is listed, one that failed is not
            raise ChildProcessError(f"the hub has given it up: {_end_of(hub.folder / 'hub.log')}")
        if servers[""]["ready"]:
            return
        await asyncio.sleep(0.5)


async def _run(hub: _Hub, name: str, lesson: str) -> list[str]:
    """Run a lesson from top to bottom, and end its kernel; what went wrong in its cells."""
    notebook = nbformat.read(_ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    kernel = (await _ask(hub, "POST", f"/user/{name}/api/kernels", {}))["id"]
    address = f"{hub.url.replace('http', 'ws', 1)}/user/{name}/api/kernels/{kernel}/channels"
    socket_ = await websocket_connect(_request(hub, address))
    problems = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            problems += await _execute(socket_, cell.source)
    socket_.close()
    await _ask(hub, "DELETE", f"/user/{name}/api/kernels/{kernel}")
    return problems


async def _execute(socket_: Any, source: str) -> list[str]:
    """Run one cell until its kernel is idle again; the error, if there was one."""
    number, problems = secrets.token_hex(8), []
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
    header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await socket_.write_message(json.dumps(message))
    while True:
        heard = await asyncio.wait_for(socket_.read_message(), _PATIENCE)
        if heard is None:
            return [*problems, "the kernel has gone"]
        if isinstance(heard, bytes):
            continue  # a widget's binary buffers
        said = json.loads(heard)
        if said["parent_header"].get("msg_id") != number:
            continue
        if said["msg_type"] == "error":
            problems.append(f"{said['content']['ename']}: {said['content']['evalue'][:200]}")
        if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
            return problems


# ---- memory


async def _watch(memory: dict[str, int]) -> None:
    """Keep the most that the processes of each student have used together."""
    while True:
        now = await asyncio.to_thread(_sizes)
        for name in memory:
            memory[name] = max(memory[name], now.get(name, 0))
        await asyncio.sleep(_PAUSE)


def _sizes() -> dict[str, int]:
    """Student -> bytes of all processes (proportional set size: what is shared counts in parts)."""
    sizes: dict[str, int] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if name := process.environ().get("JUPYTERHUB_USER"):
                sizes[name] = sizes.get(name, 0) + process.memory_full_info().pss
    return sizes
