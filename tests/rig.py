"""What tests work with: a scratch workspace, the real command, real programs, and patience for facts."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import locale
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import forked
import psutil
import pytest

IN_CI = os.environ.get("AUTOSYS_REQUIRE_ALL") == "1"  # nothing may be lacking there
ANEW_IN_CI = ("tests/e2e/", "tests/schedule/")  # whose every command starts a Python there, as for a person
T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parent.parent
PYTHON = getattr(sys, "_base_executable", sys.executable)  # one process on Windows too, where a venv's makes two
PROGRAMS = Path(__file__).resolve().parent / "programs"
NO_STARTS = "--between"  # forks.py on its way to a grandchild: no start of a service
PATIENCE_S = 100.0  # for the end of a command; a test may take thrice as long
WAIT_S = 60.0  # for what takes a moment where nobody else is at work
CTRL_C = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32")
kernel32.FreeConsole()
kernel32.SetConsoleCtrlHandler(None, True)
there = kernel32.AttachConsole(int(sys.argv[1]))
sys.exit(0 if there and kernel32.GenerateConsoleCtrlEvent(0, 0) else 1)
"""


def wait_for(fact: Callable[[], T], deadline_s: float = WAIT_S, *, what: str = "", every_s: float = 0.01) -> T:
    """The first true answer of `fact`; the test fails when none came before the deadline.

    It rests for as long as asking takes: a command that is asked again and again has the machine to itself.
    """
    asked = time.monotonic()
    end = asked + deadline_s
    while not (answer := fact()):
        answered = time.monotonic()
        if answered > end:
            pytest.fail(f"waited {deadline_s:g} s for {what or fact!r}: {answer!r}")
        time.sleep(max(every_s, answered - asked))
        asked = time.monotonic()
    return answer


def quickest(work: Callable[[], object], enough_s: float, tries: int = 10) -> float:
    """The least seconds that `work` took, the last time within `enough_s`: others may be at work too, now and then."""
    least = float("inf")
    for _ in range(tries):
        began = time.monotonic()
        work()
        least = min(least, time.monotonic() - began)
        if least <= enough_s:
            break
    return least


def stretched() -> float:
    """By how much longer a processor of this machine is at a piece of work than one of those that figures are from."""

    def once() -> float:
        began = time.process_time()
        sum(number * number for number in range(1_000_000))
        return time.process_time() - began

    return max(1.0, min(once() for _ in range(3)) / 0.04)


def examples(often: int) -> int:
    """How many examples hypothesis tries: so many in CI, and two fifths elsewhere."""
    return often if IN_CI else often * 2 // 5


def free_port() -> int:
    """A port of 127.0.0.1 that is free, below those that the OS hands out for outgoing connections.

    Each of pytest's workers has its own: no other takes it before it is listened on.
    """
    first = 20000 + 1500 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw7").removeprefix("gw")) % 8)
    for port in random.sample(range(first, first + 1500), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("no free port among 200 tried")


class Result(NamedTuple):
    """How a command ended, and what it wrote."""

    argv: Sequence[str]
    code: int
    out: str
    err: str
    took_s: float

    def rc(self, *wanted: int) -> Result:
        """This very result, if its exit code is one of those; else the test fails and shows all."""
        assert self.code in wanted, f"exit code {self.code}, not {wanted}\n{self}"
        return self

    def says(self, *texts: str) -> Result:
        """This very result, if all texts are in what it wrote (either stream)."""
        missing = [text for text in texts if text not in self.out + self.err]
        assert not missing, f"does not say {missing}\n{self}"
        return self

    def json(self) -> dict[str, object]:
        """The one JSON document on stdout; anything else there fails the test."""
        try:
            document = json.loads(self.out)
        except ValueError:
            pytest.fail(f"not one JSON document on stdout\n{self}")
        assert isinstance(document, dict), f"not an object\n{self}"
        return document

    def __str__(self) -> str:
        command = " ".join(self.argv)
        end = f"exit code {self.code}, {self.took_s:.2f} s"
        return f"$ {command}\n--- {end}\n--- out\n{self.out}\n--- err\n{self.err}"


class Running(NamedTuple):
    """A command under way."""

    process: subprocess.Popen[bytes] | forked.Forked
    began: float
    state: str = ""  # the state folder of its workspace

    def interrupt(self) -> None:
        """What Ctrl-C sends; on Windows to all that share the command's console: it must have its own."""
        if sys.platform == "win32":
            subprocess.run([PYTHON, "-I", "-S", "-c", CTRL_C, str(self.process.pid)], check=True)
        else:
            self.process.send_signal(signal.SIGINT)

    def result(self, timeout_s: float = PATIENCE_S) -> Result:
        """How it ended; the test fails, and the command is killed, when it has not by then."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            ended = self.process.poll() is not None
            self.process.kill()
            out, err = self.rest()
            why = "somebody held its output open" if ended else "it had not ended"
            pytest.fail(f"after {timeout_s:g} s {why}: {self.process.args!r}\n{_text(out)}\n{_text(err)}")
        took = time.monotonic() - self.began
        argv = [str(word) for word in self.process.args]  # type: ignore[union-attr]
        return Result(argv, self.process.returncode, _text(out), _text(err), took)

    def rest(self, within_s: float = 10.0) -> tuple[bytes, bytes]:
        """What a command wrote that has ended; fails when its output stays open, and says who may have inherited it."""
        try:
            return self.process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            living = [f"{pid}: {text}" for pid, text in living_of(self.state)]
            who = "\n".join(living) or "nobody who bears this workspace's mark"
            command = f"{self.process.args!r} (pid {self.process.pid})"
            pytest.fail(f"{command} has ended, and somebody holds its output open; alive:\n{who}")


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode(locale.getencoding(), "backslashreplace")  # Windows: what is not a console gets its code page
    return text.replace("\r\n", "\n")


def start(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str | None] | None = None, console: bool = False
) -> Running:
    """Start a command; in `env`, None takes a variable away. Its input is empty, its output is kept.

    `console`: on Windows with a console of its own, in which Ctrl-C reaches it and nobody else.
    """
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) if console else 0
    kept = environment(env or {})
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    words = [str(word) for word in argv]
    began = time.monotonic()
    for attempt in range(3):
        try:
            process = subprocess.Popen(
                words, cwd=cwd, env=kept, stdin=nothing, stdout=pipe, stderr=pipe, creationflags=flags
            )
            break
        except OSError as error:  # "internal error": Wine says it now and then
            if getattr(error, "winerror", 0) != 1359 or attempt == 2:
                raise
    return Running(process, began, kept.get("AUTOSYS_STATE", ""))


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Our own with these changes; None takes a variable away."""
    return {key: value for key, value in {**os.environ, **changes}.items() if value is not None}


def cost_s(command: Callable[[], object]) -> float:
    """The seconds of a processor that the children took which it started: hardly more where others are at work.

    On Windows, which does not tell, the seconds on the clock.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forked, "fits", lambda *_: False)  # a fork is no child of ours, and costs less than a start
        before = os.times()
        command()
        after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return after.elapsed - before.elapsed if sys.platform == "win32" else used


class Workspace:
    """A scratch workspace: a folder with an awkward name, a state folder of its own, and who lives there."""

    def __init__(self, root: Path, state: Path) -> None:
        self.root = root
        self.state = state
        self.outputs = root / "outputs"
        self.said_down = False

    def write(self, toml: str) -> Workspace:
        """autosys.toml as given."""
        self.file("autosys.toml", toml)
        return self

    def service(self, name: str, program: str, *args: object, more: str = "") -> Workspace:
        """Add a service to autosys.toml that runs one of tests/programs; `more` is TOML of its table."""
        if program == "crashes.py" and not more and args[:1] in ((), (0,)):
            more = 'readiness.log = "never said"'  # on a busy machine it may be alive after the 0.3 s of no readiness
        text = f"\n[services.{name}]\ncommand = {json.dumps(self.program(program, *args))}\n{more}\n"
        path = self.root / "autosys.toml"
        return self.write((path.read_text(encoding="utf-8") if path.exists() else "") + text)

    def file(self, name: str, text: str = "") -> Path:
        """A file of the workspace with that text."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def journal(self, name: str) -> list[dict[str, object]]:
        """The lines of a journal, as `backup` or `auto_upgrade`; none where there is none yet."""
        path = self.outputs / f"{name}_log.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def program(self, name: str, *args: object) -> list[str]:
        """The argv that runs one of tests/programs with the Python of these tests."""
        return [PYTHON, str(PROGRAMS / name), *map(str, args)]

    def env(self) -> dict[str, str | None]:
        """What makes a command belong to this workspace."""
        return {"AUTOSYS_STATE": str(self.state), "AUTOSYS_WORKSPACE": None, "STARTS": str(self.starts_folder)}

    @property
    def starts_folder(self) -> Path:
        """Where the programs of tests/programs note each of their starts."""
        return self.state.parent / "starts"

    def starts(self) -> list[tuple[int, float]]:
        """(pid, seconds since 1970) of each start of a program, in order; who has not said it yet is waited for.

        Without a readiness a service counts as ready after 0.3 s, when on a busy machine its Python may not have begun.
        """
        wait_for(lambda: self._silent() <= {pid for pid, _at in self._said()}, what="the first word of each program")
        return self._said()

    def _silent(self) -> set[int]:
        """Who runs one of tests/programs that says so at its start."""
        found = set()
        for pid, command in living_of(str(self.starts_folder), "STARTS"):
            if str(PROGRAMS) in command and not command.endswith(NO_STARTS):
                found.add(pid)
        return found

    def _said(self) -> list[tuple[int, float]]:
        notes = sorted(path.name.split() for path in self.starts_folder.glob("*"))
        return [(int(pid), float(at)) for at, pid in notes]

    def cli(
        self, *args: object, env: Mapping[str, str | None] | None = None, cwd: Path | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Result:  # fmt: skip
        """Run the real command `autosys ARGS` here, to its end."""
        result = (self._forked(*args, env=env, cwd=cwd) or self.start(*args, env=env, cwd=cwd)).result(timeout_s)
        if "--dry-run" not in args and "--help" not in args:
            self.said_down = list(map(str, args))[:1] == ["down"] and len(args) == args.count("--json") + 1
        return result

    def start(
        self, *args: object, env: Mapping[str, str | None] | None = None, cwd: Path | None = None,
        console: bool = False,
    ) -> Running:  # fmt: skip
        """Start the real command `autosys ARGS` here, for two at once, Ctrl-C or kill -9."""
        argv = [sys.executable, "-m", "autosys_tasks.program", *map(str, args)]
        return start(argv, cwd=cwd or self.root, env={**self.env(), **(env or {})}, console=console)

    def _forked(self, *args: object, env: Mapping[str, str | None] | None, cwd: Path | None) -> Running | None:
        words, whole = [str(word) for word in args], environment({**self.env(), **(env or {})})
        anew = IN_CI and os.environ.get("PYTEST_CURRENT_TEST", "").startswith(ANEW_IN_CI)
        if anew or not forked.fits(words, whole, cwd or self.root):
            return None
        began = time.monotonic()
        return Running(forked.Forked(words, cwd=cwd or self.root, env=whole), began, str(self.state))

    def alive(self) -> list[psutil.Process]:
        """Every process whose environment holds this workspace's state folder."""
        return list(processes_with("AUTOSYS_STATE", str(self.state)))

    def caught_up(self) -> bool:
        """Whether no backup is under way that a tick has begun, and that no `down` ends."""
        return not any(" backup --due" in command for _pid, command in living_of(str(self.state)))

    def end_all(self) -> list[str]:
        """Kill whoever lives here, by pid, until nobody does; says who that was."""
        ended = {}
        deadline = time.monotonic() + 10
        while (living := self.alive()) and time.monotonic() < deadline:
            for process in living:
                ended[process.pid] = end(process)
            time.sleep(0.01)  # not for its parent, who may be slow to take note of it
        return [f"{pid}: {text}" for pid, text in ended.items()]


def processes_with(variable: str, value: str) -> Iterator[psutil.Process]:
    """The processes in whose environment `variable` is `value` (a zombie has none)."""
    for process in psutil.process_iter():
        try:
            ours = process.pid != os.getpid() and process.environ().get(variable) == value
            if ours and "conhost.exe" not in (process.cmdline() or [""])[0]:  # draws a console, and goes with it
                yield process
        except (psutil.Error, OSError):
            continue


def living_of(value: str, variable: str = "AUTOSYS_STATE") -> Iterator[tuple[int, str]]:
    """(pid, command line) of whoever belongs to the workspace with this state folder, or bears another mark of it."""
    for process in processes_with(variable, value):
        with contextlib.suppress(psutil.Error, OSError):
            yield process.pid, " ".join(process.cmdline())


def lives(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody has waited for yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(process: psutil.Process) -> str:
    """Kill one process (psutil looks at its birth time first); returns its command line."""
    try:
        text = " ".join(process.cmdline())
        process.kill()
    except psutil.NoSuchProcess:
        return "gone by itself"
    return text


@functools.cache
def tells_whose_ports() -> bool:
    """Whether this system says who listens on a port (Wine does not)."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        return any(one.laddr.port == port and one.pid for one in psutil.net_connections("tcp") if one.laddr)


def appends_in_one_step() -> bool:
    """Whether the kernel appends: Wine looks for the end and writes there, which is two steps."""
    return not (hasattr(ctypes, "windll") and hasattr(ctypes.windll.ntdll, "wine_get_version"))


def scratch_state() -> Path:
    """A new state folder with a short path: a socket's may have 107 bytes at most."""
    return Path(tempfile.mkdtemp(prefix="autosys-test-")) / "state"
