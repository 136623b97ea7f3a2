"""A scratch folder in which one supervisor runs some children; leaving it ends and removes everything."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import procfs
from marks import Marks


class Job(NamedTuple):
    """A service as every supervisor is given it."""

    name: str
    argv: tuple[str, ...]
    ready: str = ""  # file that exists when it is ready; "": nothing to wait for
    needs: str = ""  # name of the job that must be ready before this one starts


class Room(NamedTuple):
    """Where one supervisor runs: its folder, its environment, its jobs, and what they say."""

    folder: Path
    env: Mapping[str, str]
    mark: str
    child: Path
    jobs: tuple[Job, ...]
    marks: Marks

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command of the supervisor to its end; raises RuntimeError with its output when it fails."""
        done = subprocess.run(
            argv, cwd=self.folder, env=self.env, text=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(
                f"`{' '.join(argv)}` ended {done.returncode}: {(done.stderr or done.stdout)[-600:]}"
            )
        return done

    def daemon(self, *argv: str) -> None:
        """Start a command that stays, in its own session, its output in `daemon.log`."""
        with (self.folder / "daemon.log").open("ab") as log:
            subprocess.Popen(
                argv, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def names(self) -> set[str]:
        """The names of all jobs."""
        return {job.name for job in self.jobs}

    def children(self) -> list[int]:
        """Pids of every child that runs, whoever started it."""
        return [pid for pid in procfs.marked(self.mark) if procfs.program(pid) == str(self.child)]

    def supervisors(self) -> list[int]:
        """Pids of everything in this room that is not a child."""
        return [pid for pid in procfs.marked(self.mark) if procfs.program(pid) != str(self.child)]


def compile_child(folder: Path) -> Path:
    """The compiled child; raises RuntimeError when there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("no `cc` on PATH: apt-get install gcc libc6-dev")
    target = folder / "child"
    subprocess.run([compiler, "-O2", "-o", target, Path(__file__).with_name("child.c")], check=True)
    return target


def independent(count: int, *, delay_ms: int | None = None) -> list[tuple[str, int | None, str]]:
    """Blueprints of `count` services that need nobody: (name, milliseconds until ready, needs)."""
    return [(f"s{number:03}", delay_ms, "") for number in range(count)]


def chain(count: int, *, delay_ms: int) -> list[tuple[str, int | None, str]]:
    """Blueprints of `count` services each of which needs the one before."""
    names = [f"s{number:03}" for number in range(count)]
    return [(name, delay_ms, names[at - 1] if at else "") for at, name in enumerate(names)]


@contextmanager
def room(peer: ModuleType, child: Path, blueprints: Sequence[tuple[str, int | None, str]]) -> Iterator[Room]:
    """A written but not yet started room of `peer`; whatever runs in it is ended on the way out."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{peer.NAME}-"))
    mark = uuid.uuid4().hex
    marks = Marks(folder / "marks")
    jobs = tuple(_job(folder, child, *blueprint) for blueprint in blueprints)
    env = {**outside_environment(), procfs.MARK: mark, "TMPDIR": str(folder)}
    made = Room(folder, {**env, **peer.environment(folder)}, mark, child, jobs, marks)
    try:
        peer.write(made)
        yield made
    finally:
        _leave(made, peer)


def _job(folder: Path, child: Path, name: str, delay_ms: int | None, needs: str) -> Job:
    argv = [str(child), str(folder / "marks"), name]
    if delay_ms is not None:
        argv += [str(delay_ms), str(folder / f"{name}.ready")]
    if needs:
        argv.append(str(folder / f"{needs}.ready"))
    return Job(name, tuple(argv), ready=argv[4] if delay_ms is not None else "", needs=needs)


def outside_environment() -> dict[str, str]:
    """This process's environment without what would steer a supervisor or an interpreter."""
    drop = ("VIRTUAL_ENV", "AUTOSYS_", "PM2_", "INVOKE_", "PYTHON")
    return {key: value for key, value in os.environ.items() if not key.startswith(drop)}


def _leave(made: Room, peer: ModuleType) -> None:
    # A second Ctrl-C must not leave a hundred processes behind.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        left = procfs.end_marked(made.mark)
        made.marks.close()
        shutil.rmtree(made.folder, ignore_errors=True)
    finally:
        signal.signal(signal.SIGINT, before)
    if left:
        raise RuntimeError(f"{peer.NAME}: these processes could not be ended: {left}")
