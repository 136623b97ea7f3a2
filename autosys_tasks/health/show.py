"""The page as lines for a person and as fields of a document. Prints nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from autosys_tasks.core.clock import counted
from autosys_tasks.core.errors import AutosysError, with_program
from autosys_tasks.core.plan import Outcome
from autosys_tasks.core.verdict import ALL, NG, OK, SKIP, Check, Fix, counts, overall
from autosys_tasks.health import run
from autosys_tasks.health.plan import fixes
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.show import aligned

EVERY_S = 2.0


def fields(checks: Sequence[Check], program: str = "inv") -> dict[str, object]:
    """The fields of the `health` document; the verdict is worked out from the checks beside it.

    `program` is what runs our tasks in this workspace.
    """
    verdicts = [check.verdict for check in checks]
    return {
        "verdict": overall(verdicts),
        "counts": counts(verdicts),
        "checks": [check_json(check, program) for check in checks],
    }


def check_json(check: Check, program: str) -> dict[str, object]:
    """One check of the document; what is not known is None."""
    return {
        "id": check.id,
        "title": check.title,
        "verdict": check.verdict,
        "evidence": check.evidence,
        "why": check.why or None,
        "ms": check.ms,
        "fix": fix_json(check.fix, program),
        "fixed": check.fixed,
    }


def fix_json(fix: Fix | None, program: str) -> dict[str, object] | None:
    """A command that is safe to run, or a text for a person: never both."""
    if fix is None:
        return None
    if fix.command:
        return {"kind": "run", "command": [program, *fix.command[1:]]}
    return {"kind": "manual", "text": with_program(fix.text, program)}


def lines(name: str, checks: Sequence[Check]) -> list[str]:
    """The verdict, a line a check with what to do below each that is not well, and the verdict again."""
    rows = aligned([[check.verdict, check.id, _said(check)] for check in checks]) if checks else []
    said = [f"{overall(check.verdict for check in checks)} {name}: {counted(len(checks), 'check')}"]
    for row, check in zip(rows, checks, strict=True):
        said += [row, *_below(check)]
    return [*said, verdict_line(checks)]


def _said(check: Check) -> str:
    if check.verdict == SKIP and check.why:
        return f"{check.evidence}: {check.why}"
    return check.evidence + (f" (fixed: {check.fixed})" if check.fixed else "")


def _below(check: Check) -> list[str]:
    if check.verdict in (OK, SKIP):
        return []
    why = [f"        {check.why}"] if check.why and check.why != check.evidence else []
    return [*why, f"        -> {what_helps(check.fix)}"] if check.fix else why


def what_helps(fix: Fix) -> str:
    """A fix as a person would type or do it."""
    return " ".join(fix.command) if fix.command else fix.text


def verdict_line(checks: Sequence[Check]) -> str:
    """The verdict with its counts, and what to type when something of it can be mended."""
    tally = counts(check.verdict for check in checks)
    said = ", ".join(f"{tally[verdict]} {verdict}" for verdict in ALL if tally[verdict])
    hint = " (inv health --fix mends what it safely can)" if fixes(checks).steps else ""
    if any(check.fixed for check in checks):
        left = sum(1 for check in checks if check.verdict == NG)
        mended = sum(1 for check in checks if check.fixed == "verified")
        hint = f"; {mended} fixed, {left} left for you"
    return f"{overall(check.verdict for check in checks)}: {said}{hint}"


def fix_line(outcome: Outcome) -> str:
    """One fix that was tried, for a person who waits."""
    how = {True: "done", False: "failed", None: "not run"}[outcome.ok]
    command = outcome.step.detail["command"]
    return f"{how}: {' '.join(command) if isinstance(command, list) else ''} ({outcome.detail})"


def pages(house: House, only: tuple[str, ...], *, again: Callable[[], House]) -> Iterator[str]:
    """The page, again and again; a configuration that breaks meanwhile is a red of it, not its end."""
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
    while True:
        yield clear + "\n".join(lines(house.config.name, run.page(house, only)))
        time.sleep(EVERY_S)
        with contextlib.suppress(AutosysError):
            house = again()
