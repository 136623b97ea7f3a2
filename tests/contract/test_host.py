"""Contract of `host`: who a process is, whom a signal may reach, and who belongs to whom."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import pytest

from autosys_tasks import host

LIVES = "import time; print('up', flush=True); time.sleep(600)"
PARENT = """
import os, subprocess, sys, time
flags = ["-I", "-S", "-X", "utf8", "-c"]
apart = {"creationflags": 0x08000200} if os.name == "nt" else {"start_new_session": True}
code = "import time; print(flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, *flags, code], close_fds=False, stdout=subprocess.PIPE, **apart)
child.stdout.readline()  # it runs: under Wine one that is ended earlier leaves its console behind
print(child.pid, flush=True)
time.sleep(600)
"""
SCRUBS = """
import os, subprocess, sys, time
print(os.getpid(), flush=True)
left = int(sys.argv[2])
if left:
    env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOSYS")}
    apart = {"creationflags": 0x08000200} if os.name == "nt" else {"start_new_session": True}
    argv = [sys.executable, "-I", "-S", "-c", sys.argv[1], sys.argv[1], str(left - 1)]
    subprocess.Popen(argv, env=env, stdout=sys.stdout, **apart)
time.sleep(600)
"""


def test_nobody_has_no_identity(yard, waiter):
    who = yard.start(LIVES)
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    assert host.identity(who.pid) is None
    assert host.alive(who) is False
    assert host.identity(2**22 + 1) is None


def test_a_zombie_has_no_identity(yard):
    """A dead child that nobody reaped must not count as running."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", LIVES], stdout=subprocess.DEVNULL)
    who = host.identity(child.pid)
    assert who is not None
    child.kill()
    yard.until(lambda: host.identity(child.pid) is None, "a zombie without identity")
    assert host.alive(who) is False
    assert host.end(who) is False
    assert child.returncode is None
    assert child.wait(60) != 0


def test_a_thread_is_nobody(yard, waiter):
    """A recycled pid may now be the number of a thread of some other program."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        number = thread.native_id
        assert number is not None and number != os.getpid()
        assert host.identity(number) is None
        who = host.Identity(number, "1", host.boot_id())
        assert host.alive(who) is False
        assert host.ask_to_end(who) is False
        assert host.end(who) is False
        assert waiter.watch("thread", who) is False
        assert host.exit_of(who) is None
    finally:
        release.set()
        thread.join()


def test_identity_is_stable_and_tells_processes_apart(yard):
    one, other = yard.start(LIVES), yard.start(LIVES)
    assert host.identity(one.pid) == one
    assert one.boot == host.boot_id()
    assert one.token and one != other
    assert host.alive(one) is True


@pytest.mark.parametrize("forged", [{"token": "1"}, {"boot": "another-boot"}])
def test_a_forged_identity_gets_no_signal(yard, waiter, forged):
    """winsw#237: a pid from before the reboot, or a recycled one, was shot. Here nothing is sent."""
    who = yard.start(LIVES)
    stranger = who._replace(**forged)
    assert host.alive(stranger) is False
    assert host.ask_to_end(stranger) is False
    assert host.end(stranger) is False
    assert waiter.watch("stranger", stranger) is False
    waiter.watch("it", who)
    assert waiter.wait(0.1) == {}
    assert host.alive(who) is True


def test_an_exit_is_told_only_to_who_asks_for_the_right_process(yard):
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nraise SystemExit(7)"
    who = yard.start(code)
    assert host.exit_of(who) is None
    (yard.folder / "go").touch()
    yard.until(lambda: host.identity(who.pid) is None, "the child ended")
    assert host.exit_of(who._replace(token="1")) is None
    assert host.exit_of(who) == host.Exit(code=7)


def test_end_ends_at_once_and_says_when_there_was_nobody_left(yard, waiter):
    who = yard.start("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    waiter.watch("it", who)
    assert host.end(who) is True
    how = waiter.wait(60)["it"]
    assert how is not None and how.code != 0
    assert host.end(who) is False
    assert host.ask_to_end(who) is False


def test_a_polite_request_reaches_on_polite_stop(yard, waiter):
    code = (
        "import threading; asked = threading.Event(); host.on_polite_stop(asked.set)\n"
        "print('up', flush=True)\n"
        "while not asked.wait(0.05): pass\n"
        "print('asked', flush=True); os._exit(5)"
    )
    who = yard.start(yard.ours(code))
    yard.lines()
    waiter.watch("it", who)
    if not host.ask_to_end(who):
        pytest.skip("this OS has no polite way to reach that process")
    assert waiter.wait(60) == {"it": host.Exit(code=5)}
    assert yard.lines(2) == ["up", "asked"]


def test_the_family_holds_grandchildren_in_other_sessions(yard):
    """supervisor#1101, process-compose#520: grandchildren must not escape a stop."""
    leader = yard.start(PARENT)
    grandchild = host.identity(int(yard.lines()[0]))
    assert grandchild is not None
    assert {leader, grandchild} <= set(host.family(leader, yard.instance))


def test_the_family_holds_descendants_that_dropped_our_marks(yard):
    """Own sessions, own environments, four levels deep: parentage still tells."""
    leader = yard.start(SCRUBS, SCRUBS, "3")
    pids = {int(line) for line in yard.lines(4)}
    family = host.family(leader, yard.instance)
    assert pids <= {who.pid for who in family}
    for who in family:
        yard.adopt(who)


def test_the_family_is_found_after_its_leader_died(yard, waiter):
    leader = yard.start(PARENT)
    grandchild = host.identity(int(yard.lines()[0]))
    assert grandchild is not None
    waiter.watch("leader", leader)
    host.end(leader)
    assert list(waiter.wait(60)) == ["leader"]
    if not host.alive(grandchild):
        pytest.skip("here a tree ends with its leader")
    assert grandchild in host.family(leader, yard.instance)


STARTS_ANOTHER = """
import os, subprocess, sys, time
env = {**os.environ, "AUTOSYS_INSTANCE": "another"}
print(subprocess.Popen([sys.executable, "-I", "-S", "-c", sys.argv[1]], env=env, start_new_session=True).pid,
      flush=True)
time.sleep(600)
"""


def test_the_family_leaves_out_what_bears_another_instance(yard, waiter):
    """The guard is the parent of what it starts: its end, and what it costs, are not theirs."""
    leader = yard.start(STARTS_ANOTHER, LIVES)
    child = yard.told("another")
    assert [who.pid for who in host.family(leader, yard.instance)] == [leader.pid]
    assert child in host.family(leader, "")


def test_the_family_leaves_out_strangers_and_ourselves(yard):
    leader = yard.start(LIVES)
    stranger = yard.start(LIVES, env=yard.env(AUTOSYS_INSTANCE="another"))
    yard.lines(2)
    members = host.family(leader, yard.instance)
    assert leader in members
    assert stranger not in members
    assert host.Identity(os.getpid(), "", "") not in [who._replace(token="", boot="") for who in members]


def test_after_a_reboot_a_recorded_pid_has_no_family(yard, waiter):
    """winsw#237: the session that bears a recorded number today may be anybody's."""
    code = PARENT.replace('{"start_new_session": True}', "{}").replace("0x08000200", "0x08000000")
    leader = yard.start(code, env=yard.env(AUTOSYS_INSTANCE=""))
    yard.told()  # a stranger
    assert host.family(leader._replace(boot="before the reboot"), "") == []
    waiter.watch("leader", leader)
    host.end(leader)
    assert list(waiter.wait(60)) == ["leader"]
    assert host.family(leader._replace(boot="before the reboot"), "no such instance") == []


def test_both_processes_of_a_venv_are_family_and_end_together(yard, waiter):
    """P4, P5: on Windows a venv's python is a launcher and the interpreter; they are one service."""
    venv.create(yard.folder / "env", with_pip=False)
    python = host.python_in(str(yard.folder / "env"))
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    who = yard.start(code, argv=(python, "-I", "-c", code))
    inner = host.identity(int(yard.lines()[0]))
    assert inner is not None
    assert set(host.family(who, yard.instance)) >= {who, inner}  # and the console of both, where there is one
    waiter.watch("outer", who)
    waiter.watch("inner", inner)
    dead: set[str] = set()
    for member in host.family(who, yard.instance):
        host.end(member)
    while dead != {"outer", "inner"}:
        died = waiter.wait(60)
        assert died
        dead |= set(died)


def test_marked_finds_only_what_belongs_to_one_state_folder(yard):
    ours = yard.start(LIVES)
    other = str(yard.folder / "other")
    theirs = yard.start(LIVES, env=yard.env(AUTOSYS_STATE=other, AUTOSYS_SERVICE="db"))
    yard.lines(2)
    found = host.marked(str(yard.folder))
    assert host.Marked(ours, "web", yard.instance, str(yard.folder)) in found
    assert {(mark.service, mark.instance, mark.state) for mark in found} == {
        ("web", yard.instance, str(yard.folder))
    }
    assert host.Marked(theirs, "db", yard.instance, other) in host.marked()
    assert {mark.who.pid for mark in found} <= {mark.who.pid for mark in host.marked()}


def test_the_process_table_says_what_runs_where(yard):
    who = yard.start(LIVES, "a b", "한글")
    yard.lines()
    row = next(row for row in host.processes() if row.who == who)
    assert row.parent == os.getpid()
    assert row.argv[-2:] == ("a b", "한글")
    assert Path(row.cwd).samefile(yard.folder)


def test_memory_and_start_of_a_process(yard):
    before = time.time()
    who = yard.start(LIVES)
    yard.lines()
    assert before - 2 < host.started_wall(who) < time.time() + 2
    assert 500_000 < host.memory_of([who.pid]) < 500_000_000
    assert host.memory_of([who.pid, os.getpid()]) > host.memory_of([who.pid])
    assert host.memory_of([2**22 + 1]) == 0


def test_boot_id_and_clock_are_one_for_all_processes(yard):
    before = host.boot_clock()
    yard.run(yard.ours("print(host.boot_id(), host.boot_clock(), flush=True)"))
    boot, clock = yard.lines()[0].rsplit(" ", 1)
    assert boot == host.boot_id() != ""
    assert before - 0.1 <= float(clock) <= host.boot_clock() + 0.1


def test_a_port_has_an_owner(yard):
    """P9, pm2#4230: who holds the port is named, with pid."""
    import psutil

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if all(one.laddr.port != port for one in psutil.Process().net_connections(kind="tcp")):
            pytest.skip("this OS does not say who listens")
        owner = host.port_owner(port)
        assert owner is not None
        assert owner[0] == os.getpid()
        assert "python" in owner[1].lower() or "pytest" in owner[1].lower()
        assert port in host.listeners()[os.getpid()]
    assert host.port_owner(port) is None
    assert port not in host.listeners().get(os.getpid(), ())


@pytest.mark.only("linux")
@pytest.mark.capability("root")
def test_a_port_that_another_user_holds_is_called_theirs():
    reads, writes = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not (child := os.fork()):
            with contextlib.suppress(BaseException):
                server.close()
                os.setuid(65534)
                os.write(writes, repr(host.port_owner(port)).encode())
            os._exit(0)
        os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads, "rb") as told:
        assert told.read() == b"(None, 'a process of root')"


def test_a_short_lived_child_is_ended_as_one_tree(yard):
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PARENT.replace('{"start_new_session": True}', "{}")],
        stdout=subprocess.PIPE,
        text=True,
        **host.spawn_flags(),  # type: ignore[call-overload]
    )
    assert child.stdout is not None
    grandchild = host.identity(int(child.stdout.readline()))
    assert grandchild is not None
    assert host.group_lives(child.pid) is True
    host.end_group(child.pid)
    assert child.wait(60) != 0
    yard.until(lambda: not host.alive(grandchild), "the grandchild ended")
    child.stdout.close()


def test_a_group_lives_as_long_as_a_member_does(yard, waiter):
    code = PARENT.replace('{"start_new_session": True}', "{}")
    leader = yard.start(code)
    grandchild = yard.told()
    waiter.watch("leader", leader)
    host.end(leader)
    assert list(waiter.wait(60)) == ["leader"]
    if not host.alive(grandchild):
        pytest.skip("here a tree ends with its leader")
    assert host.group_lives(leader.pid) is True
    host.end(grandchild)
    yard.until(lambda: not host.group_lives(leader.pid), "an empty group")


def test_this_user_and_this_machine_have_names(yard):
    assert host.user_name()
    assert host.user_id().startswith("S-1-") or host.user_id().isdecimal()
    assert host.state_home().is_absolute()
    assert host.PLATFORM in ("linux", "macos", "windows")


KEEPS = """
import resource
from autosys_tasks import host
host.keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    one = bytes(4 << 20)
    two = one[1:]
    del one, two
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")
def test_memory_that_was_freed_is_used_again_and_not_given_back():
    """Issue 7: a kernel that clears a gigabyte, page by page, took as long as inflating it."""
    faults = int(subprocess.check_output([sys.executable, "-c", KEEPS]))
    assert faults < 10_000, "of 204,800 pages"
