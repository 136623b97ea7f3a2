"""The command `autosys` in a process that has read its modules beforehand: a fork costs a fifth of a start of Python.

Only on Linux, and never for the first command of a task: that one starts anew, and proves that it can. In CI
none of the tests of e2e/ and schedule/ is forked, nor any on Windows' Python.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULE = "autosys_tasks.program"
ONLY_AT_A_START = ("LANG", "LC_", "LD_", "PYTHON", "TZ")  # a Python, or its C library, reads these once
LARGEST = 1 << 20
seen: set[str] = set()


def fits(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> bool:
    """Whether a fork does for this command what a start does: where `cwd` has a package of its own, that is meant."""
    task = next((word for word in words if not word.startswith("-")), "")
    if sys.platform != "linux" or task not in seen or (cwd / "autosys_tasks").exists():
        seen.add(task)
        return False
    return of_a_start(env) == of_a_start(os.environ)


def of_a_start(env: Mapping[str, str]) -> dict[str, str]:
    """What of an environment only a start of a Python takes note of."""
    return {name: value for name, value in env.items() if name.startswith(ONLY_AT_A_START)}


class Forked:
    """What a `subprocess.Popen` is for whoever awaits its end, with pipes for what it writes."""

    def __init__(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.args = [sys.executable, "-m", MODULE, *words]
        self.returncode: int | None = None
        self.answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pipes = [os.pipe(), os.pipe()]
        self.written = {read: b"" for read, _write in self.pipes}
        order = json.dumps([list(words), str(cwd), dict(env)]).encode()
        fds = [*(write for _read, write in self.pipes), theirs.fileno()]
        socket.send_fds(server(json.dumps(of_a_start(os.environ)))[0], [order], fds)
        for _read, write in self.pipes:
            os.close(write)
        theirs.close()
        self.pid = int(self.answers.recv(100))

    def poll(self) -> int | None:
        """How it ended, as `subprocess` tells it; None while it runs."""
        if self.returncode is None and select.select([self.answers], [], [], 0)[0]:
            self.returncode = int(self.answers.recv(100))
            self.answers.close()
        return self.returncode

    def kill(self) -> None:
        """kill -9, while its pid is its own."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """All that it wrote, once it has ended and nobody holds its output open."""
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as waiting:
            for read in self.written:
                waiting.register(read, selectors.EVENT_READ)
            if self.poll() is None:
                waiting.register(self.answers, selectors.EVENT_READ)
            while waiting.get_map():
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired(self.args, timeout)
                for key, _events in waiting.select(max(0.0, end - time.monotonic())):
                    if key.fileobj is self.answers:
                        waiting.unregister(self.answers)
                        self.poll()
                    elif more := os.read(key.fd, 1 << 16):
                        self.written[key.fd] += more
                    else:
                        waiting.unregister(key.fd)
        out, err = self.written.values()
        for read in self.written:
            os.close(read)
        return out, err


@functools.cache
def server(_environment: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Where orders are sent to: a process of this file, which ends with ours; one for each environment of a start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOSYS")}
    nothing, pipe, fd = subprocess.DEVNULL, subprocess.PIPE, theirs.fileno()
    # Not awaited: it reads the end of our socket, whatever became of us.
    process = subprocess.Popen(
        [sys.executable, __file__, str(fd)], cwd="/", env=env, pass_fds=[fd], stdin=nothing, stdout=pipe, stderr=pipe
    )
    theirs.close()
    return ours, process


def read_beforehand() -> None:
    """Import what commands import; what heavy things they import inside of their functions stays there."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    slim = __import__("autosys_tasks.slim", fromlist=["slim"])
    slim.load_invoke()
    package = __import__("autosys_tasks")
    assert package.ns
    for module in pkgutil.walk_packages(package.__path__, "autosys_tasks."):
        if not module.name.startswith(("autosys_tasks.bootstrap", MODULE)) and not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError, AssertionError):  # of another system
                __import__(module.name)
    del sys.path[0]


def serve(orders: socket.socket) -> None:
    """Fork for each order; returns only in a fork, which then is the command."""
    children: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            woken.recv(1000)
            while children and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with children.pop(ended[0]) as answers, contextlib.suppress(OSError):
                    answers.send(str(os.waitstatus_to_exitcode(ended[1])).encode())
        if orders in ready:
            order, fds, _flags, _address = socket.recv_fds(orders, LARGEST, 3)
            if not order:
                os._exit(0)
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (woken, wakes, orders, *children.values()):
                    each.close()
                return become(order, fds)
            children[pid] = socket.socket(fileno=fds[2])
            children[pid].send(str(pid).encode())
            for fd in fds[:2]:
                os.close(fd)


def become(order: bytes, fds: Sequence[int]) -> None:
    """Be in the place of a Python that was started as `python -m MODULE WORDS`, up to its first own line."""
    words, cwd, env = json.loads(order)
    os.dup2(fds[0], 1)
    os.dup2(fds[1], 2)
    for fd in fds:
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = ["-m", *words]
    sys.path[0] = cwd
    from autosys_tasks import host
    from autosys_tasks.supervise import state

    state.BEGAN = host.boot_clock()


def owner_in(error: BaseException | None) -> int:
    """The exit code that an interpreter makes of what nobody caught, which it shows."""
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return error.code or 0
    if isinstance(error, SystemExit):
        print(error.code, file=sys.stderr)
    else:
        sys.excepthook(type(error), error, error.__traceback__)
    return 1


def end(code: int) -> None:
    """Leave as an interpreter does, but for taking apart each of its modules, which costs more than most commands."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    import gc

    read_beforehand()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    except BaseException:  # noqa: BLE001 (as an interpreter does)
        code = owner_in(sys.exception())
    else:
        code = 0
    end(code)
