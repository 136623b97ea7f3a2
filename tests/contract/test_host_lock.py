"""Contract of `host`: the lock that a service holds for life, and the bell."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from autosys_tasks import host

LIVES = "import time; print('up', flush=True); time.sleep(600)"
KEEPS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], close_fds=False)
print(child.pid, flush=True)
time.sleep(600)
"""


def taken(path: str) -> host.Lock:
    """The lock, which must be free."""
    lock = host.take_lock(path)
    assert lock is not None
    return lock


def handed(yard) -> host.Identity:
    """A child that runs and holds the lock alone. Under Wine one that is ended earlier leaves its console behind,
    which has inherited the lock."""
    before = yard.log.read_bytes().count(b"\n") if yard.log.exists() else 0
    lock = taken(yard.lock)
    who = yard.start(LIVES, lock=lock)
    lock.release()
    yard.lines(before + 1)
    return who


def test_a_lock_excludes_and_is_free_after_release(yard):
    assert host.lock_held(yard.lock) is False
    lock = taken(yard.lock)
    assert host.lock_held(yard.lock) is True
    began = time.monotonic()
    assert host.take_lock(yard.lock) is None
    assert time.monotonic() - began < 10, "it did not wait"
    lock.release()
    lock.release()
    assert host.lock_held(yard.lock) is False
    taken(yard.lock).release()


def test_a_child_alone_holds_the_lock_it_was_handed(yard):
    """Taken by the starter, held by the service."""
    who = handed(yard)
    assert host.lock_held(yard.lock) is True
    assert host.take_lock(yard.lock) is None
    assert host.lock_holders(yard.lock) == [who]


def test_a_busy_holder_is_named_too(yard):
    """One that opens and closes files all the time, as servers do."""
    lock = taken(yard.lock)
    who = yard.start(
        "import os; print('up', flush=True)\nwhile True: os.close(os.open(os.devnull, 0))", lock=lock
    )
    lock.release()
    yard.lines()
    assert [host.lock_holders(yard.lock) for _ in range(20)] == [[who]] * 20


def test_a_child_without_the_lock_does_not_keep_it(yard):
    """A descriptor that leaks into another service would make it hold what is not its own."""
    lock = taken(yard.lock)
    yard.start(LIVES)
    yard.lines()
    lock.release()
    assert host.lock_held(yard.lock) is False
    assert host.lock_holders(yard.lock) == []


def test_who_becomes_another_program_keeps_its_lock(yard, waiter):
    """The guard renews itself after an upgrade; nobody may take its place meanwhile."""
    code = yard.ours(
        "lock = host.take_lock(sys.argv[1])\n"
        "sys.exit(host.become(tuple(sys.argv[2:]), dict(os.environ), lock))"
    )
    who = yard.start(code, yard.lock, *yard.order(LIVES).argv)
    assert yard.lines() == ["up"]
    assert host.lock_held(yard.lock) is True
    assert who in host.lock_holders(yard.lock)
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    yard.until(lambda: not host.lock_held(yard.lock), "the lock is free: the program ended with it")


def test_the_lock_is_free_within_milliseconds_of_a_kill(yard, waiter):
    def until_free() -> float:
        who = handed(yard)
        waiter.watch("it", who)
        began = time.perf_counter()
        host.end(who)
        while host.lock_held(yard.lock):
            assert time.perf_counter() - began < 30
        took_s = time.perf_counter() - began
        assert list(waiter.wait(60)) == ["it"]
        return took_s

    waits = [until_free()]
    while min(waits) > 0.05 and len(waits) < 20:  # others may be at work, now and then
        waits.append(until_free())
    assert min(waits) < 0.05, waits


def test_a_death_that_was_reported_means_a_free_lock(yard, waiter):
    """The guard takes the lock right after the death: it must not find it held by the dead."""
    who = handed(yard)
    waiter.watch("it", who)
    host.end(who)
    assert list(waiter.wait(60)) == ["it"]
    taken(yard.lock).release()


def test_a_grandchild_that_inherits_the_lock_keeps_it_held(yard, waiter):
    """*Lock held* is *tree not empty*: a stray grandchild shows."""
    lock = taken(yard.lock)
    leader = yard.start(KEEPS, lock=lock)
    lock.release()
    grandchild = yard.told()
    waiter.watch("leader", leader)
    host.end(leader)
    assert list(waiter.wait(60)) == ["leader"]
    assert host.alive(grandchild) is True
    assert host.lock_held(yard.lock) is True
    host.end(grandchild)
    yard.until(lambda: not host.lock_held(yard.lock), "the lock is free")


def test_many_who_look_never_disturb_who_takes(yard):
    """Looking happens all the time (ps, health, ticks); it must never cost a start."""
    Path(yard.lock).touch()
    stop = threading.Event()
    seen: list[bool] = []
    pause_s = 0.01 if os.name == "nt" else 0  # there a look is an open file, until its thread has its turn again

    def look() -> None:
        while not stop.wait(pause_s):
            seen.append(host.lock_held(yard.lock))

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    try:
        yard.until(lambda: len(seen) > 400, "four hundred looks at a free lock")
        assert not any(seen), "who looks was taken for a holder"
        for _ in range(30):
            lock = taken(yard.lock)
            assert host.lock_held(yard.lock) is True
            lock.release()
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


def test_of_many_who_take_at_once_one_wins(yard):
    """P6: eight starters, one start."""
    got: list[host.Lock | None] = []
    together = threading.Barrier(8)

    def take() -> None:
        together.wait()
        got.append(host.take_lock(yard.lock))

    takers = [threading.Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    winners = [lock for lock in got if lock is not None]
    assert len(got) == 8 and len(winners) == 1
    winners[0].release()


def test_a_lock_is_waited_for_as_long_as_asked(yard):
    lock = taken(yard.lock)
    threading.Timer(0.15, lock.release).start()
    later = host.take_lock(yard.lock, wait_s=60)
    assert later is not None
    later.release()


def test_a_bell_wakes_who_listens_and_needs_nobody(yard, waiter):
    path = str(yard.folder / "종 & 1%.bell")
    host.ring(path)
    bell = host.Bell(path)
    waiter.listen(bell)
    assert bell.rung() is False
    for _ in range(3):
        host.ring(path)
    began = time.monotonic()
    assert waiter.wait(60) == {}
    assert time.monotonic() - began < 30
    assert bell.rung() is True
    assert bell.rung() is False
    began = time.monotonic()
    assert waiter.wait(0.1) == {}
    assert time.monotonic() - began > 0.05, "a ring that was taken rang again"
    bell.close()
    host.ring(path)


def test_a_bell_rung_before_the_wait_is_not_lost(yard, waiter):
    path = str(yard.folder / "bell")
    bell = host.Bell(path)
    waiter.listen(bell)
    for _ in range(70_000 if os.name != "nt" else 1000):
        host.ring(path)  # more than a pipe holds: ringing never blocks
    began = time.monotonic()
    assert waiter.wait(60) == {}
    assert time.monotonic() - began < 30
    assert (bell.rung(), bell.rung()) == (True, False)


def test_a_file_in_the_bells_place_is_replaced_and_never_written_to(yard, waiter):
    path = yard.folder / "bell"
    path.write_text("mine", encoding="utf-8")
    host.ring(str(path))
    assert path.read_text(encoding="utf-8") == "mine"
    bell = host.Bell(str(path))
    waiter.listen(bell)
    host.ring(str(path))
    assert waiter.wait(60) == {}
    assert bell.rung() is True
    bell.close()


def test_a_new_bell_hears_after_the_old_guard_died(yard, waiter):
    path = str(yard.folder / "bell")
    host.Bell(path).close()
    host.ring(path)
    bell = host.Bell(path)
    waiter.listen(bell)
    host.ring(path)
    began = time.monotonic()
    assert waiter.wait(60) == {}
    assert time.monotonic() - began < 30
