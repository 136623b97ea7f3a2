"""One command as a child process: its output's tail, its end, its whole tree's end. Decides no timeout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from autosys_tasks import host
from autosys_tasks.core.files import decode
from autosys_tasks.host.child import end_tree
from autosys_tasks.services.worker.commands import Unfit

TAIL_BYTES = 16 * 1024
NOT_FOR_CHILDREN = ("AUTOSYS_HEARTBEAT", "AUTOSYS_FAULT")


class Child:
    """A running command in a session of its own; `on_exit` is called, on another thread, when it has ended.

    What it leaves in its process group ends with it (POSIX); what shall stay must begin its own session.
    """

    def __init__(
        self, argv: tuple[str, ...], cwd: Path, extra: Mapping[str, str], on_exit: Callable[[], None]
    ) -> None:
        self.started = time.monotonic()
        self.output_bytes = 0
        self._tail = b""
        self._process = _start(argv, cwd, extra)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self._watcher = threading.Thread(target=self._watch, args=(on_exit,), daemon=True)
        self._watcher.start()

    def _read(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while piece := os.read(stream.fileno(), 65536):
                self.output_bytes += len(piece)
                self._tail = (self._tail + piece)[-TAIL_BYTES:]

    def _watch(self, on_exit: Callable[[], None]) -> None:
        """The only one that reaps the leader: until then its number, and so its group's, is nobody else's."""
        if host.wait_unreaped(self._process.pid):
            host.end_group(self._process.pid)
        self._process.wait()
        on_exit()

    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.returncode

    def result(self) -> dict[str, object]:
        """What is known after the end; a pipe that somebody left behind holds open is not waited for."""
        self._reader.join(2.0)  # a thread, which has its turn late on a busy machine
        return {
            "exit_code": self._process.returncode,
            "seconds": round(time.monotonic() - self.started, 3),
            "output": decode(self._tail),
            "output_bytes": self.output_bytes,
        }

    def end(self) -> None:
        """Kill the whole tree now; returns when it is gone (or after 5 s)."""
        end_tree(self._process.pid)
        self._watcher.join(5)


def _start(argv: tuple[str, ...], cwd: Path, extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
    if not cwd.is_dir():
        raise Unfit(f"the folder `{cwd}` does not exist")
    program = _program(argv[0], cwd)
    flags: dict[str, Any] = host.spawn_flags()
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}
    try:
        return subprocess.Popen(
            [program, *argv[1:]],
            cwd=cwd,
            env={**environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **flags,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise Unfit(f"cannot start `{argv[0]}`: {error.strerror or error}") from error


def _program(name: str, cwd: Path) -> str:
    """`python` is this interpreter; a path is taken from the command's folder, a bare name from PATH."""
    if name in ("python", "python3"):
        return sys.executable
    found = shutil.which(name) if Path(name).name == name else shutil.which(str(cwd / name))
    if found is None:
        raise Unfit(f"there is no program `{name}`")
    return found
