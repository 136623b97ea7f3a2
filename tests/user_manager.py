"""A real systemd user manager of a test's own, also where systemd is not what booted the machine. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import rig

PROGRAM = "/lib/systemd/systemd"
CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
# Mounts of its own: the manager wants to see a machine that systemd has booted, and nobody else shall see one.
BOOT = (
    "mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run"
    " && mkdir -p /run/systemd/system /run/systemd/journal"
    ' && ln -s "$1" /run/systemd/journal/socket'
    f' && echo $$ > "$0/cgroup.procs" && exec {PROGRAM} --user'
)


class UserManager(NamedTuple):
    """A manager that answers: what a command needs to find it, and where its units are."""

    env: dict[str, str]
    units: Path
    said: list[str]  # what it wrote to the journal

    def ctl(self, *words: str) -> str:
        """systemctl --user WORDS; its output."""
        argv = ["systemctl", "--user", "--no-pager", *words]
        env = {**os.environ, **self.env}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=rig.PATIENCE_S, check=False).stdout

    def listed(self, *patterns: str) -> list[str]:
        """The units that it knows by these patterns, however they are."""
        lines = self.ctl("list-units", "--all", "--plain", "--legend=no", *patterns).splitlines()
        return [line.split()[0] for line in lines]


def lacking() -> str:
    """Why no manager can be started here; empty when one can."""
    for program in ("systemctl", "unshare"):
        if shutil.which(program) is None:
            return f"no program `{program}` on PATH"
    if not Path(PROGRAM).exists():
        return f"no {PROGRAM}"
    if os.geteuid() != 0:
        return "not run as root"
    return "" if _cgroups() else "no cgroup that can be written"


def _cgroups() -> list[Path]:
    """Every hierarchy in which systemd places processes, the one that it goes by first."""
    return [Path(path) for path in CGROUPS if os.access(f"{path}/cgroup.procs", os.W_OK)]


@contextlib.contextmanager
def running(folder: Path, given: Mapping[str, str | None]) -> Iterator[UserManager]:
    """A manager whose files are all in `folder` and whose units get `given`; nothing that it started is left."""
    groups = [root / f"autosys-test-{os.getpid()}" for root in _cgroups()]
    runtime, config = folder / "run", folder / "config"
    runtime.mkdir(mode=0o700)
    env = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CONFIG_HOME": str(config), "SYSTEMD_LOG_TARGET": "journal"}
    said: list[str] = []
    journal = _journal(folder / "journal", said)
    groups[0].mkdir()
    with (folder / "manager.log").open("wb") as log:
        argv = ["unshare", "-m", "sh", "-c", BOOT, str(groups[0]), str(folder / "journal")]
        manager = subprocess.Popen(
            argv, env={**_texts(given), **env, "HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    made = UserManager({**env, "HOME": str(folder)}, config / "systemd" / "user", said)
    try:
        rig.wait_for(lambda: "Version=2" in made.ctl("show", "--property=Version"), what="the user manager")
        yield made
    finally:
        manager.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            manager.wait(60)
        rig.wait_for(lambda: all([_emptied(group) for group in groups]), what="the end of what it started")
        manager.kill()
        manager.wait()
        journal.shutdown(socket.SHUT_RDWR)
        journal.close()
        (folder / "journal").unlink()


def _journal(path: Path, said: list[str]) -> socket.socket:
    """Listens as the journal would, so that a test can read what the manager complains of."""
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(path))

    def read() -> None:
        with contextlib.suppress(OSError):
            while entry := journal.recv(65536):
                lines = entry.decode("utf-8", "replace").splitlines()
                said.extend(line.removeprefix("MESSAGE=") for line in lines if line.startswith("MESSAGE="))

    threading.Thread(target=read, daemon=True).start()
    return journal


def _texts(given: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**os.environ, **given}.items() if value is not None}


def _emptied(group: Path) -> bool:
    for listed in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            for pid in listed.read_text(encoding="ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()
