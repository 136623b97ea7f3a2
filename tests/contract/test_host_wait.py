"""Contract of `host`: sleeping until something dies."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid

import pytest

from autosys_tasks import host

LIVES = "import time; print('up', flush=True); time.sleep(600)"


def of_another(yard, code: str) -> host.Identity:
    """A living process that is not our child."""
    starter = yard.ours(
        "launch = host.Launch(tuple(sys.argv[3:]), dict(os.environ), sys.argv[1], sys.argv[2])\n"
        "print(host.spawn(launch, None), flush=True)"
    )
    inner, outer = (yard.folder / f"{uuid.uuid4().hex}.log" for _ in range(2))
    order = yard.order(code, log=str(inner))
    host.spawn(yard.order(starter, order.cwd, order.log, *order.argv, log=str(outer)), None)
    who = yard.told(yard.instance, outer)
    yard.lines(1, inner)
    return who


WAITS_FOR_A_FILE = (
    "import os, sys, time; print('up', flush=True)\n"
    "while not os.path.exists('go'): time.sleep(0.01)\n"
    "sys.exit(7)"
)


def test_a_childs_exit_code_is_told(yard, waiter):
    who = yard.start(WAITS_FOR_A_FILE)
    assert waiter.watch("it", who) is True
    (yard.folder / "go").touch()
    assert waiter.wait(60) == {"it": host.Exit(code=7)}


def test_a_killed_child_is_told_from_a_clean_end(yard, waiter):
    who = yard.start(LIVES)
    waiter.watch("it", who)
    host.end(who)
    how = waiter.wait(60)["it"]
    assert how is not None
    assert how.signal == 9 or how.code not in (0, None)


def test_the_exit_of_somebody_elses_child_is_told_where_the_kernel_knows(yard, waiter):
    """An adopted service: the guard that started it is gone. Never a guess: the code, or nothing."""
    who = of_another(yard, WAITS_FOR_A_FILE)
    assert waiter.watch("it", who) is True
    (yard.folder / "go").touch()
    dead = waiter.wait(60)
    assert dead in ({"it": host.Exit(code=7)}, {"it": None})
    if dead["it"] is None:
        pytest.skip("this kernel does not tell the exit of another's child")


def test_a_death_is_told_at_once(yard, waiter):
    """Seen by the kernel's word, not by the next poll."""
    for start in (yard.start, lambda code: of_another(yard, code)):
        waits = []
        while not waits or (min(waits) > 0.05 and len(waits) < 20):  # others may be at work, now and then
            who = start(LIVES)
            waiter.watch("it", who)
            began = time.perf_counter()
            host.end(who)
            assert list(waiter.wait(60)) == ["it"]
            waits.append(time.perf_counter() - began)
        assert min(waits) < 0.05, waits


def test_the_dead_and_the_forged_cannot_be_watched(yard, waiter):
    who = yard.start(LIVES)
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    assert waiter.watch("it", who) is False
    assert waiter.wait(0) == {}


def test_watching_twice_is_watching_once(yard, waiter):
    one, other = yard.start(LIVES), yard.start(LIVES)
    assert waiter.watch("it", one) and waiter.watch("it", one)
    host.end(one)
    assert list(waiter.wait(60)) == ["it"]
    assert waiter.wait(0.05) == {}
    assert waiter.watch("it", other)
    host.end(other)
    assert list(waiter.wait(60)) == ["it"]


def test_a_key_that_gets_a_new_process_forgets_the_old(yard, waiter):
    old, new = yard.start(LIVES), yard.start(LIVES)
    waiter.watch("it", old)
    waiter.watch("it", new)
    host.end(old)
    assert waiter.wait(0.1) == {}
    host.end(new)
    assert list(waiter.wait(60)) == ["it"]


def test_the_forgotten_are_not_told(yard, waiter):
    who = yard.start(LIVES)
    waiter.watch("it", who)
    waiter.forget("it")
    waiter.forget("never watched")
    host.end(who)
    assert waiter.wait(0.1) == {}


def test_two_keys_for_one_process_are_both_told(yard, waiter):
    who = yard.start(LIVES)
    assert waiter.watch("one", who) and waiter.watch("two", who)
    host.end(who)
    dead: set[str] = set()
    while dead != {"one", "two"}:
        died = waiter.wait(60)
        assert died
        dead |= set(died)


def test_no_time_means_no_wait(yard, waiter):
    waiter.watch("it", yard.start(LIVES))
    began = time.monotonic()
    assert waiter.wait(0) == {}
    assert time.monotonic() - began < 10


def test_wake_ends_the_sleep_from_another_thread(waiter):
    threading.Timer(0.05, waiter.wake).start()
    began = time.monotonic()
    assert waiter.wait(60) == {}
    assert time.monotonic() - began < 30
    waiter.wake()
    waiter.wake()
    assert waiter.wait(60) == {}
    began = time.monotonic()
    assert waiter.wait(0.1) == {}
    assert time.monotonic() - began > 0.05, "one wake woke twice"


def test_a_signal_ends_the_sleep(yard, waiter):
    """The guard sleeps without a limit: a polite stop must still be heard at once."""
    code = yard.ours(
        "waiter = host.Waiter(); asked = []\n"
        "def stop():\n    asked.append(1); waiter.wake()\n"
        "host.on_polite_stop(stop); print('up', flush=True)\n"
        "while not asked: waiter.wait(None)\n"
        "os._exit(5)"
    )
    who = yard.start(code)
    yard.lines()
    waiter.watch("it", who)
    if not host.ask_to_end(who):
        pytest.skip("this OS has no polite way to reach that process")
    assert waiter.wait(60) == {"it": host.Exit(code=5)}


def test_who_wakes_it_after_its_end_writes_to_no_file_of_somebody_else(tmp_path):
    """A thread that asks a service may have an answer only then; so may a signal come."""
    late = host.Waiter()
    late.close()
    files = [(tmp_path / str(number)).open("w+b", buffering=0) for number in range(8)]  # one gets its number
    late.wake()
    assert [os.fstat(file.fileno()).st_size for file in files] == [0] * 8
    for file in files:
        file.close()


def test_two_hundred_are_watched_at_once(yard, waiter):
    """Windows waits for at most 64 handles in one call; a workspace may have 200 services."""
    sleep = host.program("sleep", os.environ.get("PATH", ""), str(yard.folder))
    argv = (sleep, "600") if sleep else (sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)")
    processes = [yard.start("", argv=argv) for _ in range(200 if sleep else 70)]
    for number in range(200):
        assert waiter.watch(str(number), processes[number % len(processes)])
    assert waiter.wait(0) == {}
    dead: dict[str, host.Exit | None] = {}
    for who in processes:
        host.end(who)
    while len(dead) < 200:
        died = waiter.wait(60)
        assert died
        dead |= died
    assert all(how is None or how.code != 0 for how in dead.values())
