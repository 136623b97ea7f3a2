"""The resident guard: sleeps on the kernel until something it keeps dies, and starts it again within milliseconds.

Right without the tick, as the tick is right without it. Ended at any instruction, nothing starts twice: it
holds no truth of its own. Run as `inv watchdog --follow`, or started by bring-up and by the tick.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.clock import utc_text
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome
from autosys_tasks.supervise import runs, units
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.keeper import Keeper
from autosys_tasks.supervise.words import outcome_line

PASS_S = 60.0  # lost events, sleep and resume, changed clocks: a full look costs milliseconds
BEAT_S = 30.0
GAP_S = 0.2  # somebody else's start is asked about seldom: who started it asks often


def main() -> None:
    """Watch the workspace named by the only argument until asked to end; ends the process with its exit code."""
    try:
        watch(Path(sys.argv[1]))
    except AutosysError as error:
        print(f"guard: {error.message}", file=sys.stderr)  # noqa: T201 (its log)
        sys.exit(error.code)


class _Ending:
    def __init__(self) -> None:
        self.asked = False


def watch(workspace: Path) -> None:
    """Keep this workspace as wanted until asked to end, or until it is gone."""
    house = house_of(load(workspace))
    bell = host.Bell(house.place.bell)
    ending, stamp = _Ending(), _stamp(workspace)
    units.leave(house)  # now, and not while the first dead service waits
    while True:
        outcomes: list[Outcome] = []
        keeper = Keeper(
            house, house.config.services, vitals=True, gap_s=GAP_S, yields=True,
            ending=lambda: ending.asked, tell=outcomes.append,
        )  # fmt: skip
        keeper.waiter.listen(bell)

        def end(keeper: Keeper = keeper) -> None:
            ending.asked = True
            keeper.waiter.wake()

        host.on_polite_stop(end)
        keeper.look()
        reason = _keep(house, keeper, bell, outcomes, ending, stamp, workspace)
        keeper.close()
        if reason != "changed":
            return
        stamp = _stamp(workspace)
        house = _reload(house, workspace)


def _keep(
    house: House,
    keeper: Keeper,
    bell: host.Bell,
    outcomes: list[Outcome],
    ending: _Ending,
    stamp: tuple[float, float],
    workspace: Path,
) -> str:
    next_pass = next_beat = 0.0
    while not ending.asked:
        _report(house, outcomes)
        moment = host.boot_clock()
        if moment >= next_beat:
            _beat()
            next_beat = moment + BEAT_S
        if moment >= next_pass:
            fault("guard.before-pass")
            runs.rotate(house)
            next_pass = moment + PASS_S
            now_stamp = _stamp(workspace)
            if now_stamp[0] == 0.0:
                return "gone"
            if now_stamp[1] != stamp[1]:
                _renew(ending)
            if now_stamp[0] != stamp[0]:
                return "changed"
            keeper.look()
            continue
        keeper.turn(max(0.0, min(next_beat, next_pass) - moment))
        if bell.rung():
            next_pass = 0.0
    return "asked"


def _beat() -> None:
    path = os.environ.get("AUTOSYS_HEARTBEAT")
    if path:
        Path(path).write_text(f"{time.time():.3f}\n", encoding="ascii", newline="\n")


def _report(house: House, outcomes: list[Outcome]) -> None:
    """Write down what was done since the last time, as one run with its own summary."""
    if not outcomes:
        return
    journal = Journal(house.outputs, "guard", host.open_append)
    done, outcomes[:] = list(outcomes), []
    for outcome in done:
        journal.add(outcome)
        print(f"{utc_text()} {outcome_line(outcome)} ({outcome.step.reason})", flush=True)  # noqa: T201 (its log)
    journal.close(ok=all(outcome.ok is not False for outcome in done), detail="healed")


def _stamp(workspace: Path) -> tuple[float, float]:
    """(when autosys.toml changed, when our own code changed); 0 = gone."""
    return _changed(workspace / "autosys.toml"), _changed(Path(__file__).parent.parent, deep=True)


def _changed(path: Path, *, deep: bool = False) -> float:
    try:
        newest = path.stat().st_mtime
        if deep:
            newest = max(newest, *(entry.stat().st_mtime for entry in path.rglob("*.py")))
    except OSError:
        return 0.0
    return newest


def _reload(house: House, workspace: Path) -> House:
    """The house of today's configuration; a broken one is said once, and the last good one goes on."""
    try:
        return house_of(load(workspace))
    except AutosysError as error:
        journal = Journal(house.outputs, "guard", host.open_append)
        journal.close(ok=False, detail=f"autosys.toml is broken, the last good one goes on: {error.message}")
        return house


def _renew(ending: _Ending) -> None:
    """Become today's code, with the same pid, lock and children; stay if that code does not even import."""
    import subprocess

    test = "import sys; sys.path.append(sys.argv[1]); import autosys_tasks.supervise.guard"
    root = str(Path(__file__).parent.parent.parent)
    argv = [host.own_python(), "-P", "-c", test, root]
    good = subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0
    if good and not ending.asked:
        host.become((host.own_python(), *sys.orig_argv[1:]), os.environ)
