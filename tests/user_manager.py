"""A real systemd user manager of a test's own, also where systemd is not what booted the machine. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import rig

PROGRAM = "/lib/systemd/systemd"
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
# Mounts of its own: the manager wants to see a machine that systemd has booted, and nobody else shall see one.
BOOT = (
    "mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/systemd/system"
    f' && echo $$ > "$0/cgroup.procs" && exec {PROGRAM} --user'
)


class UserManager(NamedTuple):
    """A manager that answers: what a command needs to find it, and where its units are."""

    env: dict[str, str]
    units: Path

    def ctl(self, *words: str) -> str:
        """systemctl --user WORDS; its output."""
        argv = ["systemctl", "--user", "--no-pager", *words]
        env = {**os.environ, **self.env}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False).stdout


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


def _cgroups() -> Path | None:
    return next((Path(path) for path in CGROUPS if os.access(f"{path}/cgroup.procs", os.W_OK)), None)


@contextlib.contextmanager
def running(folder: Path, given: Mapping[str, str | None]) -> Iterator[UserManager]:
    """A manager whose files are all in `folder` and whose units get `given`; nothing that it started is left."""
    root = _cgroups()
    assert root is not None
    group = root / f"autosys-test-{os.getpid()}"
    group.mkdir()
    runtime, config = folder / "run", folder / "config"
    runtime.mkdir(mode=0o700)
    env = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CONFIG_HOME": str(config), "SYSTEMD_LOG_TARGET": "console"}
    with (folder / "manager.log").open("wb") as log:
        argv = ["unshare", "-m", "sh", "-c", BOOT, str(group)]
        manager = subprocess.Popen(
            argv, env={**_texts(given), **env, "HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    made = UserManager({**env, "HOME": str(folder)}, config / "systemd" / "user")
    try:
        rig.wait_for(lambda: "Version=2" in made.ctl("show", "--property=Version"), 20, what="the user manager")
        yield made
    finally:
        manager.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            manager.wait(10)
        rig.wait_for(lambda: _emptied(group), 10, what="the end of what it started")
        manager.kill()
        manager.wait()


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
