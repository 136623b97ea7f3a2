"""The resident guard: sleeps in the kernel until a service dies, and restarts it within milliseconds.

Right without the tick, as the tick is right without it; where nobody runs ticks, it has them run (ticking.py). Ended at
any instruction, nothing starts twice: it holds no truth of its own. Run as `inv watchdog --follow`, or started by
bring-up and by the tick.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.bootstrap import lastgood
from autosys_tasks.config.load import GONE_S, load
from autosys_tasks.core.clock import utc_text
from autosys_tasks.core.errors import AutosysError, StateError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import is_gone
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome, outcome_line
from autosys_tasks.supervise import environ, own_ticks, runs, stopping, units
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.keeper import Keeper
from autosys_tasks.supervise.messages import DONE
from autosys_tasks.supervise.order import ordered
from autosys_tasks.supervise.own_ticks import Ticks

PASS_S = 60.0  # lost events, sleep and resume, changed clocks: a full look costs milliseconds
BEAT_S = 30.0
TRIM_S = 1.0  # the logs are looked at no oftener, whatever floods them
INTERRUPTED = 130
AGAIN_S = 2.0  # after trouble with a disk
GAP_S = 0.2  # somebody else's start is asked about seldom: who started it asks often


def main() -> None:
    """Watch the workspace named by the only argument until asked to end; ends the process with its exit code."""
    try:
        sys.exit(watch(Path(sys.argv[1])))
    except AutosysError as error:
        print(f"guard: {error.message}", file=sys.stderr)  # noqa: T201 (its log)
        sys.exit(error.code)


def watch(workspace: Path) -> int:
    """Keep this workspace as wanted until asked to end, gone or switched off (0), or until Ctrl-C (130)."""
    lastgood.begin()
    house = house_of(load(workspace))
    bell = host.Bell(house.place.bell)
    ending, stamp = threading.Event(), _stamp(workspace)
    code, outcomes = [0], list[Outcome]()
    units.leave_unit(house)  # now, and not while the first dead service waits
    while True:
        keeper = Keeper(
            house, house.config.services, vitals=True, gap_s=GAP_S, yields=True,
            ending=partial(_starts_nothing, house, ending, workspace), tell=outcomes.append,
        )  # fmt: skip
        keeper.waiter.listen(bell)

        def end(keeper: Keeper = keeper) -> None:
            ending.set()
            keeper.waiter.wake()

        def by_hand(end: Callable[[], None] = end) -> None:
            code[0] = INTERRUPTED
            end()

        host.on_polite_stop(end, by_hand)
        try:
            keeper.look()
            reason = _keep(house, keeper, bell, outcomes, ending, stamp, workspace)
        except (StateError, OSError) as error:  # a full disk, say: who heals the others goes on, and looks afresh
            _tell(f"trouble, all is looked at again in {AGAIN_S:g} s: {error}")
            gone = not _stamp_soon(workspace, ending) and not ending.is_set()  # its state may have gone with it
            reason = "gone" if gone else "asked" if ending.wait(AGAIN_S) else "changed"
        finally:
            keeper.close()
        if reason == "gone":
            _leave(house, workspace)
        if reason != "changed":
            return code[0]
        stamp, before = _stamp(workspace), house
        house = _reload(before, workspace)
        if before.config.watchdog.guard and not house.config.watchdog.guard:
            return code[0]


def _keep(
    house: House,
    keeper: Keeper,
    bell: host.Bell,
    outcomes: list[Outcome],
    ending: threading.Event,
    stamp: float,
    workspace: Path,
) -> str:
    next_pass = next_beat = next_trim = 0.0
    trim_s = BEAT_S
    passes, ticks = 0, Ticks(house, _tell)
    while not ending.is_set():
        _report(house, outcomes)
        moment = host.boot_clock()
        if moment >= next_beat:
            _beat()
            next_beat = moment + BEAT_S
        if moment >= next_pass:
            fault("guard.before-pass")
            runs.rotate(house)
            next_pass = moment + PASS_S
            now_stamp = _stamp_soon(workspace, ending)
            if now_stamp == 0.0:
                return "gone"
            _renew(house, ending)
            if now_stamp != stamp:
                return "changed"
            if passes:  # it starts, looks and waits: this version works
                lastgood.keep(house.place.folder)
            passes += 1
            keeper.look()
            continue
        if moment >= next_trim:
            trim_s = trim_again_s(trim_s, runs.trim(house))
            next_trim = host.boot_clock() + trim_s
        ticks.turn()
        keeper.turn(max(0.0, min(next_beat, next_pass, next_trim, ticks.due) - moment))
        if bell.rung():
            next_pass = 0.0
    return "asked"


def trim_again_s(after_s: float, limits: float) -> float:
    """When to look at the logs again: the sooner, the more of its limit one has written in the last `after_s`."""
    return min(BEAT_S, max(TRIM_S, after_s / limits if limits > 1 else after_s * 2))


def _beat() -> None:
    path = os.environ.get("AUTOSYS_HEARTBEAT")
    if path:
        try:
            os.utime(path)  # which needs no room on a disk
        except FileNotFoundError:
            Path(path).touch()


def _report(house: House, outcomes: list[Outcome]) -> None:
    """Write down what was done since the last time, as one run with its own summary."""
    if not outcomes:
        return
    done, outcomes[:] = list(outcomes), []
    journal = Journal(house.outputs, "guard", host)
    for outcome in done:
        journal.add(outcome)
        _tell(f"{outcome_line(outcome, DONE)} ({outcome.step.reason})")
    _close(journal, ok=all(outcome.ok is not False for outcome in done), detail="healed")


def _close(journal: Journal, *, ok: bool, detail: str) -> None:
    """A journal that cannot be written is said, and keeps nobody from healing."""
    try:
        journal.close(ok=ok, detail=detail)
    except StateError as error:
        _tell(error.message)


def _tell(text: str) -> None:
    """A line for the guard's log, where that can be written."""
    with contextlib.suppress(OSError):
        print(f"{utc_text()} {text}", flush=True)  # noqa: T201


def _stamp(workspace: Path) -> float:
    """When autosys.toml changed; 0 = gone."""
    try:
        return (workspace / "autosys.toml").stat().st_mtime
    except OSError:
        return 0.0


def _starts_nothing(house: House, ending: threading.Event, workspace: Path) -> bool:
    """Whether it ends, or its workspace may be gone, which the next turn looks at."""
    if ending.is_set() or _stamp(workspace):
        return ending.is_set()
    host.ring(house.place.bell)
    return True


def _stamp_soon(workspace: Path, ending: threading.Event) -> float:
    """The same; a file that is just being written anew (a checkout, an editor) is waited for."""
    until = time.monotonic() + GONE_S
    while not (stamp := _stamp(workspace)) and time.monotonic() < until and not ending.wait(0.05):
        pass
    return stamp


def _leave(house: House, workspace: Path) -> None:
    """End what runs for a folder that was moved or deleted: no command reaches it any more, and where the folder is
    now a second copy would be started. What is wanted stays written down, for a folder that comes back."""
    if not is_gone(workspace):
        return
    for name in reversed(ordered(house.config.services)):
        if house.service(name).managed:
            try:
                _tell(outcome_line(stopping.stop(house, name, f"{workspace} is gone"), DONE))
            except (AutosysError, OSError) as error:  # which keeps none of the others running
                _tell(f"could not stop {name}: {error}")


def _reload(house: House, workspace: Path) -> House:
    """The context with today's configuration; a broken one is logged once, and the last good one stays."""
    try:
        return house_of(load(workspace))
    except AutosysError as error:
        said = f"autosys.toml is broken, the last good one goes on: {error.message}"
        _close(Journal(house.outputs, "guard", host), ok=False, detail=said)
        return house


def _renew(house: House, ending: threading.Event) -> None:
    """Become the code that should run now, with the same pid, lock and children: today's when it works, else the last
    good one. Stay where neither is to be had."""
    if own_ticks.at_work():  # the next pass comes soon enough
        return
    root = lastgood.successor(house.place.folder)
    if root and not ending.is_set():
        _tell(f"our own code was changed: the guard goes on with that in {root}")
        host.become(environ.guard_argv(root, house.config.path), os.environ)
