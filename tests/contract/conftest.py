"""What the contract of `host` needs: real processes that end with the test, and waiting for facts."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from autosys_tasks import host

collect_ignore = [] if hasattr(ctypes, "windll") else ["test_host_windows.py"]  # what only Windows has
T = TypeVar("T")
ROOM = str(Path(host.__file__).resolve().parents[1])
PYTHON = getattr(sys, "_base_executable", sys.executable)  # the interpreter itself, never a venv's launcher
FLAGS = ("-I", "-S", "-X", "utf8", "-c")
NEEDED = ("SYSTEMROOT", "PATH")  # without these an interpreter does not start, or finds nothing
SEAM = (  # the seam alone: the package's own door brings all the tasks with it
    f"import os, sys, types; package = types.ModuleType('autosys_tasks'); package.__path__ = [{ROOM!r}]\n"
    "sys.modules['autosys_tasks'] = package; from autosys_tasks import host\n"
)


class Yard:
    """Starts real processes in one scratch folder and ends them all when the test is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = str(folder / "lock")
        self.log = folder / "out.log"
        self.instance = uuid.uuid4().hex
        self._started: list[tuple[host.Identity, str]] = []

    def env(self, **more: str) -> dict[str, str]:
        """A small environment that bears our marks."""
        kept = {key: os.environ[key] for key in NEEDED if key in os.environ}
        marks = {
            "AUTOSYS_SERVICE": "web",
            "AUTOSYS_INSTANCE": self.instance,
            "AUTOSYS_STATE": str(self.folder),
        }
        return {**kept, "LC_ALL": "C.UTF-8", **marks, **more}

    def order(self, code: str, *args: str, **more: object) -> host.Launch:
        """What starts a Python child that runs `code`."""
        launch = host.Launch((PYTHON, *FLAGS, code, *args), self.env(), str(self.folder), str(self.log))
        return launch._replace(**more)  # type: ignore[arg-type]

    def ours(self, code: str) -> str:
        """`code` with `host`, `os` and `sys` at hand."""
        return SEAM + code

    def start(self, code: str, *args: str, lock: host.Lock | None = None, **more: object) -> host.Identity:
        """A living child of ours, through `host.spawn`."""
        order = self.order(code, *args, **more)
        who = host.identity(host.spawn(order, lock))
        assert who is not None
        self.adopt(who, order.env.get("AUTOSYS_INSTANCE", ""))
        return who

    def run(self, code: str, *args: str, **more: object) -> host.Exit | None:
        """How such a child ended: one that may be gone before anybody can look at it."""
        pid = host.spawn(self.order(code, *args, **more), None)
        self.until(lambda: host.identity(pid) is None, "the child ended")
        return host.exit_of(host.Identity(pid, "", host.boot_id()))

    def adopt(self, who: host.Identity, instance: str = "") -> host.Identity:
        """End this one too when the test is over."""
        self._started.append((who, instance))
        return who

    def told(self, instance: str = "", log: Path | None = None) -> host.Identity:
        """The process whose pid the log's first line is; it is ended too when the test is over."""
        who = host.identity(int(self.lines(log=log)[0]))
        assert who is not None
        return self.adopt(who, instance)

    def lines(self, count: int = 1, log: Path | None = None) -> list[str]:
        """The log's lines, once there are so many."""
        path = log or self.log

        def read() -> list[str]:
            raw = path.read_bytes() if path.exists() else b""
            whole = raw[: raw.rfind(b"\n") + 1].decode("utf-8", "backslashreplace").splitlines()
            return whole if len(whole) >= count else []

        return self.until(read, f"{count} lines in {path.name}")

    def until(self, fact: Callable[[], T], what: str, for_s: float = 30.0) -> T:
        """What `fact` returns, once it is true."""
        deadline = time.monotonic() + for_s
        while not (seen := fact()):
            assert time.monotonic() < deadline, f"not so after {for_s} s: {what}"
            time.sleep(0.002)
        return seen

    def close(self) -> None:
        """End all that was started, families included."""
        for who, instance in self._started:
            for one in [*host.family(who, instance), who]:
                host.end(one)
            self.until(lambda one=who: not host.alive(one), f"{who} ended")  # type: ignore[misc]
            host.exit_of(who)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """A yard whose path holds a blank, Hangul, an ampersand and a percent sign."""
    folder = tmp_path / "한글 & 100%"
    folder.mkdir()
    yard = Yard(folder)
    yield yard
    yard.close()


@pytest.fixture
def waiter() -> Iterator[host.Waiter]:
    """A waiter of this OS."""
    waiter = host.Waiter()
    yield waiter
    waiter.close()
