"""Windows: starting a process that holds its lock, has no window and a job of its own, and outlives us."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32
from autosys_tasks.host.types import Identity, Launch
from autosys_tasks.host.windows_command import batch_line, candidates, is_batch
from autosys_tasks.host.windows_lock import Lock, open_append
from autosys_tasks.host.windows_process import boot_id, job_name
from autosys_tasks.host.windows_wait import held

PRIORITY = {"idle": 0x40, "low": 0x4000, "normal": 0x20, "high": 0x8000}
# Never DETACHED_PROCESS: the first console program below it would open a visible window.
QUIET = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
ENDING_MS = 50  # what is about to end when its job is to be given has done so by then
TIED = "autosys: tied to the job of its starter (breakaway refused): it may end together with it\n"
NO_JOB = "autosys: it could not be given a job of its own: no memory limit, and its tree is found by search\n"


def spawn(order: Launch, lock: Lock | None) -> int:
    """Start a process in its own job with its log as both outputs, holding `lock`; returns its pid.

    Its first children may be outside the job when they come within the same millisecond; `family` finds
    them all the same. Raises FileNotFoundError or PermissionError for a program that cannot be run.
    """
    log = open_append(order.log)
    job = _job(order)
    passed = ([lock.handle] if lock is not None else []) + ([job] if job else [])
    try:
        with _inheritable(passed):
            child = _start(order, log, passed)
        handle = int(child._handle)  # type: ignore[attr-defined]
        if win32.in_job(handle):
            os.write(log, TIED.encode("ascii"))
        inside = job is not None and win32.AssignProcessToJobObject(job, handle)
        if not inside and win32.WaitForSingleObject(handle, ENDING_MS) != 0:  # one that is over needs none
            os.write(log, NO_JOB.encode("ascii"))
    finally:
        os.close(log)
        if job:
            win32.CloseHandle(job)  # the child holds it now; with its last holder the job ends what is left
    win32.SetPriorityClass(handle, PRIORITY.get(order.priority, PRIORITY["normal"]))
    return _keep(child, handle, lock)


def _keep(child: subprocess.Popen[bytes], handle: int, lock: Lock | None) -> int:
    """Hold its handle until somebody asks how it ended: so long, nobody else gets its pid."""
    token = win32.started(handle)
    held[child.pid] = (token, child._handle.Detach())  # type: ignore[attr-defined]
    child.returncode = 0  # we watch it by its identity; Popen must not
    if lock is not None:
        lock.names(Identity(child.pid, token, boot_id()))
    return child.pid


def _job(order: Launch) -> int | None:
    """A job that ends what is left of its tree when its last handle closes; members may leave it on request.

    They must be able to: the guard is a service too, and what it starts must not end with it.
    """
    instance = order.env.get("AUTOSYS_INSTANCE", "")
    flags = win32.JOB_KILL_ON_CLOSE | win32.JOB_BREAKAWAY_OK
    try:
        return win32.new_job(job_name(instance) if instance else None, flags, order.memory_max)
    except OSError:
        return None


@contextlib.contextmanager
def _inheritable(handles: list[int]):  # type: ignore[no-untyped-def]
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    try:
        yield
    finally:
        for handle in handles:
            with contextlib.suppress(OSError):
                os.set_handle_inheritable(handle, False)


def _start(order: Launch, log: int, passed: list[int]) -> subprocess.Popen[bytes]:
    """Out of the starter's job when that lets go (found out by trying: asking is not to be relied on)."""
    try:
        return _popen(order, log, passed, subprocess.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError as error:
        if error.winerror != win32.ACCESS_DENIED:
            raise
        return _popen(order, log, passed, 0)


def _popen(order: Launch, log: int, passed: list[int], flags: int) -> subprocess.Popen[bytes]:
    startup = subprocess.STARTUPINFO()
    startup.lpAttributeList = {"handle_list": list(passed)}
    line, shell = _line(order.argv)
    return subprocess.Popen(
        line,
        executable=shell,
        env=dict(order.env),
        cwd=order.cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        startupinfo=startup,
        creationflags=QUIET | flags | PRIORITY.get(order.priority, PRIORITY["normal"]),
    )


def _line(argv: tuple[str, ...]) -> tuple[list[str] | str, str | None]:
    """(what to run, through which program): a batch file goes through cmd, with its arguments kept safe."""
    if not is_batch(argv[0]):
        return list(argv), None
    shell = os.environ.get("COMSPEC", r"C:\Windows\System32\cmd.exe")
    return batch_line(argv, shell), shell


def run_in_our_place(
    argv: tuple[str, ...], env: Mapping[str, str], lock: Lock | None, started: Callable[[int], None]
) -> int:
    """Run `argv` with our outputs and the lock; returns its exit code. `started` gets its pid. It ends when we end.

    We are in the job ourselves, so it is born there: ended between its start and any later step, we would leave
    behind who holds our lock and our outputs. The job is never closed here: our own end closes it.
    """
    job = win32.new_job(None, win32.JOB_KILL_ON_CLOSE | win32.JOB_BREAKAWAY_OK)
    win32.checked(win32.AssignProcessToJobObject(job, win32.GetCurrentProcess()))
    line, shell = _line(argv)
    with _inheritable([] if lock is None else [lock.handle]):
        child = subprocess.Popen(line, executable=shell, env=dict(env), close_fds=False)
    started(child.pid)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # it has heard it too, and decides
            continue


def spawn_flags() -> dict[str, object]:
    """What a short-lived child needs so that it can be ended as one tree."""
    return {"creationflags": QUIET}


def program(name: str, path: str, cwd: str) -> str | None:
    """The file that `name` would run with this PATH from this folder, or None."""
    for found in candidates(name, path, cwd, os.path.join):
        if os.path.isfile(found):
            return found
    return None


def python_in(venv: str) -> str:
    """The interpreter of a virtual environment: a launcher, which starts the interpreter as its child."""
    return f"{venv}\\Scripts\\python.exe"


def own_python() -> str:
    """The interpreter that runs this, as a console program: pythonw.exe has no streams and no console."""
    folder, name = os.path.split(sys.executable)
    return os.path.join(folder, name.lower().replace("pythonw", "python"))


def background_python() -> str:
    """The interpreter that runs this, as what is started without a console is to be run: no window opens."""
    folder, name = os.path.split(own_python())
    windowless = os.path.join(folder, name.replace("python", "pythonw", 1))
    return windowless if os.path.isfile(windowless) else own_python()


def bin_folder(environment: str) -> str:
    """Where an environment keeps its programs."""
    return f"{environment}\\Scripts"


def point_to(link: str, folder: str) -> None:
    """Make `link` lead to `folder`: a junction, which needs no right; for a moment it is not there."""
    import _winapi

    if pointed(link) is not None:
        unpoint(link)
    _winapi.CreateJunction(os.path.abspath(folder), link)


def pointed(link: str) -> str | None:
    """The folder that a link of ours leads to, there or not; None when it is no link."""
    try:
        tag = os.lstat(link).st_reparse_tag
    except OSError:
        return None
    if tag not in (stat.IO_REPARSE_TAG_MOUNT_POINT, stat.IO_REPARSE_TAG_SYMLINK):
        return None
    return os.path.normpath(os.readlink(link).removeprefix("\\\\?\\"))


def unpoint(link: str) -> None:
    """Take a link of ours away; what it leads to stays."""
    os.rmdir(link)


def wait_unreaped(pid: int) -> bool:
    """Not known here: there is no reaping, and a job ends what a leader leaves."""
    return False
