"""What only Windows has: jobs that end their members, and starters that may not let go. Real processes."""

from __future__ import annotations

import subprocess
import sys

from autosys_tasks import host
from autosys_tasks.host import win32
from autosys_tasks.host.windows_process import job_name

LIVES = "import time; print('up', flush=True); time.sleep(600)"
STARTS = (
    "launch = host.Launch(tuple(sys.argv[3:]), dict(os.environ), sys.argv[1], sys.argv[2])\n"
    "sys.stdin.readline(); print(host.spawn(launch, None), flush=True); sys.stdin.readline()"
)


def start_from_job(yard, flags: int) -> tuple[int, subprocess.Popen[str], host.Identity]:
    """(job, starter, child): a starter inside a job with these limits has started a child."""
    order = yard.order(LIVES)
    argv = [
        sys.executable,
        "-I",
        "-S",
        "-X",
        "utf8",
        "-c",
        yard.ours(STARTS),
        order.cwd,
        order.log,
        *order.argv,
    ]
    starter = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(order.env)
    )
    job = win32.new_job(None, flags)
    win32.checked(win32.AssignProcessToJobObject(job, int(starter._handle)))  # type: ignore[attr-defined]
    assert starter.stdin is not None and starter.stdout is not None
    starter.stdin.write("go\n")
    starter.stdin.flush()
    child = host.identity(int(starter.stdout.readline()))
    assert child is not None
    yard.adopt(child, yard.instance)
    return job, starter, child


def close(starter: subprocess.Popen[str]) -> None:
    """End the starter and let go of its pipes."""
    starter.kill()
    starter.wait(60)
    assert starter.stdin is not None and starter.stdout is not None
    starter.stdin.close()
    starter.stdout.close()


def test_a_child_leaves_the_job_of_its_starter_where_that_is_allowed(yard):
    """A service that ends with its terminal or its scheduled task stays dead for days."""
    job, starter, child = start_from_job(yard, win32.JOB_KILL_ON_CLOSE | win32.JOB_BREAKAWAY_OK)
    assert yard.lines() == ["up"]
    win32.CloseHandle(job)
    starter.wait(60)
    assert host.alive(child) is True
    close(starter)


def test_a_child_that_may_not_leave_is_started_and_its_log_says_so(yard, waiter):
    job, starter, child = start_from_job(yard, win32.JOB_KILL_ON_CLOSE)
    lines = yard.lines(2)
    assert "up" in lines
    assert any("tied to the job of its starter" in line for line in lines)
    waiter.watch("it", child)
    win32.CloseHandle(job)
    assert list(waiter.wait(60)) == ["it"]
    close(starter)


def test_a_service_lives_in_a_job_that_bears_its_instance(yard, waiter):
    who = yard.start(LIVES)
    yard.lines()
    assert who.pid in win32.job_members(job_name(yard.instance))
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    yard.until(lambda: not win32.job_members(job_name(yard.instance)), "the job is empty")


def test_a_grandchild_without_the_lock_ends_with_its_tree(yard, waiter):
    """The job's handle is inherited: when its last holder dies, the system ends what is left."""
    code = (
        "import subprocess, sys, time\n"
        "argv = [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)']\n"
        "child = subprocess.Popen(argv, creationflags=subprocess.CREATE_NO_WINDOW)\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    leader = yard.start(code)
    grandchild = host.identity(int(yard.lines()[0]))
    assert grandchild is not None
    waiter.watch("leader", leader)
    waiter.watch("grandchild", grandchild)
    host.end(leader)
    dead: set[str] = set()
    while len(dead) < 2:
        died = waiter.wait(60)
        assert died
        dead |= set(died)


ENDS_AT_ONCE = (
    "import signal, subprocess\n"
    "class Starts(subprocess.Popen):\n"
    "    def __init__(self, *args, **more):\n"
    "        super().__init__(*args, **more)\n"
    "        os.kill(os.getpid(), signal.SIGTERM)\n"  # which ends at once here
    "subprocess.Popen = Starts\n"
    "lock = host.take_lock(sys.argv[1])\n"
    "host.become(tuple(sys.argv[2:]), dict(os.environ), lock)"
)
STARTS_ONE = (
    "launch = host.Launch(tuple(sys.argv[2:]), dict(os.environ), os.getcwd(), sys.argv[1])\n"
    "print(host.spawn(launch, None), flush=True); import time; time.sleep(600)"
)


def test_who_is_ended_while_it_becomes_another_program_leaves_nobody(yard):
    """`watchdog --follow`, ended at the very start of the guard: that would keep its lock and its starter's pipe."""
    argv = [sys.executable, "-I", "-S", "-X", "utf8", "-c", yard.ours(ENDS_AT_ONCE), yard.lock, *yard.order(LIVES).argv]
    ended = subprocess.run(argv, env=yard.env(), capture_output=True, timeout=30, check=False)  # until its pipes close
    assert ended.returncode == 15, ended
    assert host.lock_held(yard.lock) is False


def test_what_is_started_by_who_became_another_program_outlives_it(yard, waiter):
    """A service that the guard of `watchdog --follow` has started goes on without it, and is tied to nobody."""
    starts = yard.order(yard.ours(STARTS_ONE), str(yard.folder / "its.log"), *yard.order(LIVES).argv)
    code = yard.ours("sys.exit(host.become(tuple(sys.argv[1:]), dict(os.environ)))")
    who = yard.start(code, *starts.argv, env=yard.env(AUTOSYS_INSTANCE=""))
    child = yard.told()
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    assert yard.lines(log=yard.folder / "its.log") == ["up"]
    assert host.alive(child) is True


def test_the_table_of_processes_agrees_with_each_process(yard):
    who = yard.start(LIVES)
    row = win32.table()[who.pid]
    assert str(row.created) == who.token
    assert row.resident > 100_000


def test_who_is_pinned_by_a_handle_is_dead_all_the_same(yard, waiter):
    """A held handle keeps the pid openable; that is no sign of life."""
    who = yard.start(LIVES)
    handle = win32.open_process(who.pid)
    assert handle is not None
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    assert host.identity(who.pid) is None
    assert host.alive(who) is False
    assert who.pid not in win32.table()
    win32.CloseHandle(handle)


def test_a_batch_file_gets_its_arguments_and_runs_in_a_strange_folder(yard):
    script = yard.folder / "run.cmd"
    script.write_text('@echo "%~1" "%~2"\r\n', encoding="ascii")
    yard.run("", argv=(str(script), "a b", "x&y"))
    assert yard.lines()[-1] == '"a b" "x&y"'


def test_the_boot_began_before_now_and_stays(yard):
    assert win32.boot_time() == win32.boot_time()
    assert int(host.boot_id()) > 0
