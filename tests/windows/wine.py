"""One Windows for one run: a copy of the rig's disk, a kernel of its own, a home that nobody lives in."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import filelock

C = Path("drive_c")
USER = "홍길동"
PLACE = "자동 시스템"  # where on C: a checkout is laid; the Python there finds autosys in it
NAME = "autosys-wine-"  # how the folders of runs begin
LEFT_OUT = "mscoree=;mshtml=;winemenubuilder.exe=d"  # no .NET, no browser, no entries in the real menus
BOOT_S = 120.0


def environ(rig: Path, prefix: Path, home: Path) -> dict[str, str]:
    """The environment of a Korean user whose Python speaks code page 949, as Windows' own does."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "USER": USER,
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": LEFT_OUT,
        "LOCPATH": str(rig / "locale"),
        "LC_ALL": "ko_KR.UTF-8",
        "PYTHONUTF8": "0",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "C:\\wheels",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",  # what is imported is compiled then
    }


def quietly(env: dict[str, str], *argv: str, check: bool = False) -> int:
    """Run a command whose outputs nobody gets: what it starts would keep them open for ever."""
    no = subprocess.DEVNULL
    return subprocess.run(argv, env=env, stdin=no, stdout=no, stderr=no, check=check, timeout=BOOT_S).returncode


def boot(env: dict[str, str], *, first: bool = False) -> None:
    """Start Windows and log on: services, then what the Run key says."""
    quietly(env, "wine", "wineboot", *(["-i"] if first else []), check=True)


def text_of(raw: bytes) -> str:
    """What a program wrote: UTF-8, or else the code page of a Korean Windows."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp949", "backslashreplace")
    return text.replace("\r\n", "\n")


class Ended(NamedTuple):
    """How a program in this Windows ended, and what it wrote; code None = it was ended by us, too late."""

    code: int | None
    raw: bytes

    @property
    def text(self) -> str:
        """What it wrote."""
        return text_of(self.raw)


class Machine:
    """A Windows that is switched on as long as the `with` lasts; nothing of it is left afterwards."""

    def __init__(self, rig: Path, python: str = "Python311") -> None:
        self.rig = rig
        self.python_exe = f"C:\\{python}\\python.exe"
        self.folder = Path(tempfile.gettempdir(), f"{NAME}{os.urandom(4).hex()}")
        self._owner = owner_of(self.folder)
        self._owner.acquire()  # before there is a folder: another run may be sweeping at this very moment
        self.folder.mkdir(mode=0o700)
        self.prefix = self.folder / "p"
        (self.folder / "home").mkdir()
        self.env = environ(rig, self.prefix, self.folder / "home")
        self._display: subprocess.Popen[bytes] | None = None

    @property
    def drive(self) -> Path:
        """Drive C: as this side sees it."""
        return self.prefix / C

    def __enter__(self) -> Machine:
        sweep()
        shutil.copytree(self.rig / "prefix", self.prefix, symlinks=True)
        for link in (path for path in self.drive.iterdir() if path.is_symlink()):
            target = self.rig / link.readlink().name
            link.unlink()
            shutil.copytree(target, link, copy_function=linked)
        self._display = screen(self.env)
        self.power_on()
        return self

    def power_on(self) -> None:
        """Boot and log on."""
        quietly(self.env, "wineserver", "-p")  # stays between commands
        boot(self.env)

    def power_cut(self) -> None:
        """Every process gone at once; the disk and the registry stay."""
        quietly(self.env, "wineserver", "-k")
        quietly(self.env, "wineserver", "-w")

    def __exit__(self, *_: object) -> None:
        try:
            self.power_cut()
            if self._display is not None:
                self._display.kill()
                self._display.wait()
            left = self.processes()
            assert not left, f"processes of this Windows live on after its end: {left}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._owner.release()
            Path(self._owner.lock_file).unlink(missing_ok=True)

    def python(self, *args: str, **more: object) -> Ended:
        """Run the installed Python."""
        return self.run(self.python_exe, *args, **more)  # type: ignore[arg-type]

    def run(
        self, *argv: str, cwd: Path | None = None, timeout_s: float = 60.0,
        told: Callable[[bytes], object] | None = None, **env: str,
    ) -> Ended:  # fmt: skip
        """Run a program until *it* ends: what it leaves behind keeps the pipe open. `told` hears what it writes."""
        reading, writing = os.pipe()
        kept: list[bytes] = []

        def read() -> None:
            with contextlib.suppress(OSError):
                while chunk := os.read(reading, 1 << 16):
                    kept.append(chunk)
                    if told is not None:
                        told(chunk)

        process = subprocess.Popen(
            ["wine", *argv], env={**self.env, **env}, cwd=cwd or self.drive,
            stdin=subprocess.DEVNULL, stdout=writing, stderr=writing,
        )  # fmt: skip
        os.close(writing)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        in_time = ends_within(process.pid, timeout_s)
        if not in_time:
            process.kill()
        code = process.wait()
        reader.join(0.5)
        os.set_blocking(reading, False)
        return Ended(code if in_time else None, b"".join(kept))

    def processes(self) -> list[tuple[int, str]]:
        """(pid on this side, command line) of each program in this Windows; its own services left out."""
        mark = f"WINEPREFIX={self.prefix}\0".encode()
        return [(pid, line) for pid, env, line in everybody() if mark in env and is_program(line)]


def linked(source: str, target: str) -> None:
    """A second name for a file that nobody changes, on the drive itself: Wine asks about every folder above a file."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def is_program(line: str) -> bool:
    """Whether a command line is that of a Windows program that is not part of the system."""
    return line[1:3] == ":\\" and "windows\\system32" not in line.lower()


def everybody() -> Iterator[tuple[int, bytes, str]]:
    """(pid, environment, command line) of every process of this machine that we may look at."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            env = (folder / "environ").read_bytes()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        yield int(folder.name), env, line


def ends_within(pid: int, timeout_s: float) -> bool:
    """Whether a child of ours ends in that time."""
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(fd)


def screen(env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A display of its own, since a window can only be seen where there is one; sets DISPLAY."""
    reading, writing = os.pipe()
    no = subprocess.DEVNULL
    argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    display = subprocess.Popen(argv, stdin=no, stdout=no, stderr=no, pass_fds=[writing])
    os.close(writing)
    with open(reading, "rb") as answer:
        env["DISPLAY"] = f":{int(answer.readline())}"
    return display


def owner_of(folder: Path) -> filelock.BaseFileLock:
    """The lock that says that a run's folder is in use; beside it, so that it can be held first."""
    return filelock.FileLock(f"{folder}.owner", timeout=0)


def sweep() -> None:
    """Switch off and delete what runs left whose runner was killed."""
    for folder in filter(Path.is_dir, Path(tempfile.gettempdir()).glob(f"{NAME}*")):
        try:
            with owner_of(folder) as owner:
                env = {**os.environ, "WINEPREFIX": str(folder / "p")}
                if (folder / "p").exists():
                    quietly(env, "wineserver", "-k")
                shutil.rmtree(folder, ignore_errors=True)
                Path(owner.lock_file).unlink(missing_ok=True)
        except (filelock.Timeout, OSError):
            continue
