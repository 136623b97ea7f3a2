"""The links of `inv vscode.open`, in order: rooms' functions, and other tasks as commands."""

from __future__ import annotations

from typing import Any

ALSO = ("report", "dashboard")  # after the probes, each as a command of its own: it can be ended when it hangs
UP_S, PROBE_S, ALSO_S, HEALTH_S = 60.0, 15.0, 12.0, 10.0  # less than two minutes in all
LATE_S = 2.0  # what has a deadline of its own says more about itself than the chain could


def links(home: Any) -> list[Any]:
    """What opening the folder does, in order, each with its deadline in seconds."""
    from functools import partial

    from autosys_tasks.vscode.chain import Link

    return [
        Link("bringup", "everything that is wanted is up", partial(bring_up, home), UP_S + LATE_S),
        Link("probe", "what is only looked at answers", partial(probe, home), PROBE_S),
        *(Link(name, f"inv {name}", partial(by_command, home, name), ALSO_S + LATE_S) for name in ALSO),
        Link("health", "one line about the whole", partial(verdict, home), HEALTH_S),
    ]


def bring_up(home: Any) -> Any:
    """As `inv bringup --wanted`: what a person stopped stays stopped."""
    import time

    from autosys_tasks.supervise import messages, run_lock, runs
    from autosys_tasks.vscode.chain import Ended

    ends = time.monotonic() + UP_S
    with run_lock.held(home.place, "vscode.open", wait_s=UP_S):
        left_s = max(0.0, ends - time.monotonic())
        report = runs.bring_up(home, (), wanted_only=True, guard=True, timeout_s=left_s)
    return Ended(not report.not_so, "; ".join([*messages.notes(report), messages.verdict_lines(report)[-1]]))


def probe(home: Any) -> Any:
    """As `inv probe`: what costs money is asked within its budget."""
    from autosys_tasks.health import probing
    from autosys_tasks.vscode.chain import Ended

    found = probing.checks(home, ())
    red = any(each.answer.verdict == "NG" for each in found)
    return Ended(not red, "; ".join(" ".join(line.split()) for line in probing.lines(found)))


def by_command(home: Any, name: str) -> Any:
    """Another task in a process of its own; its last line tells how it ended."""
    from autosys_tasks.core.files import decode
    from autosys_tasks.host import child
    from autosys_tasks.supervise import commands
    from autosys_tasks.vscode.chain import Ended

    try:
        done = child.run(commands.argv(name), home.config.path, commands.env(home), ALSO_S)
    except child.Late:
        return Ended(False, f"ended: it took longer than {ALSO_S:g} s")
    said = decode(done.out if done.code == 0 else done.err or done.out).strip().splitlines()
    what = [line for line in said if not line.lstrip().startswith("-> ")]  # the line above it says what is wrong
    return Ended(done.code == 0, (what or [f"exit code {done.code}"])[-1])


def verdict(home: Any) -> Any:
    """The last line of `inv health`."""
    from autosys_tasks.core.verdict import NG
    from autosys_tasks.health import run, show
    from autosys_tasks.vscode.chain import Ended

    checks = run.page(home)
    red = [check.id for check in checks if check.verdict == NG]
    return Ended(not red, show.verdict_line(checks) + (f" [{', '.join(red)}]" if red else ""))
