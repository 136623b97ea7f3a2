"""A run that makes or removes backups: its outcomes go to the journal and the screen as they happen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.values import DECLARE, Backup
from autosys_tasks.core.errors import AutosysError, StateError
from autosys_tasks.core.files import cannot_write
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise.house import House

REMOVE = "remove"
Tell = Callable[[Outcome], None]


class Report(NamedTuple):
    """How a run ended: what was done, the backup that it made, and what a person should know."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    seconds: float
    backup: Backup | None = None

    @property
    def code(self) -> int:
        """4 when something named is not in it, or could not be copied or removed."""
        return 4 if any(outcome.ok is False for outcome in self.outcomes) else 0


class Record:
    """One run. `say` takes lines of progress, `tell` the outcome of each step."""

    def __init__(self, house: House, task: str, tell: Tell, say: Say) -> None:
        self.house, self.say, self._tell = house, say, tell
        self._journal = Journal(house.outputs, task, host, file="backup")
        self._began = time.monotonic()
        self.made: Backup | None = None
        self.notes: list[str] = []
        self.unmatched: list[str] = []  # patterns that match nothing, of sets that are not required

    def add(self, step: Step, ok: bool | None, detail: str, began: float | None = None) -> None:
        """One outcome; `began` is when its step did, by time.monotonic."""
        ms = 0 if began is None else round((time.monotonic() - began) * 1000)
        self.take(Outcome(step, ok, detail, ms))

    def take(self, outcome: Outcome) -> None:
        """Add one outcome."""
        self._journal.add(outcome)
        self._tell(outcome)

    def run(self, work: Callable[[Record], None]) -> Report:
        """Do the work; write the summary line, also when it raises."""
        try:
            work(self)
        except BaseException as error:
            with contextlib.suppress(StateError):  # what went wrong first is what is raised
                self._close(ok=False, detail=_why(error))
            if isinstance(error, OSError):
                where = error.filename or f"{self.house.config.path}/backups"
                raise cannot_write(where, error) from error
            raise
        report = Report(tuple(self._journal.outcomes), tuple(self.notes), self._seconds(), self.made)
        self._close(ok=not report.code, detail=verdict(report))
        return report

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _close(self, *, ok: bool, detail: str) -> None:
        """The summary line; it also names the backup that was made, for `night`."""
        made = self.made.id if self.made else None
        self._journal.close(ok=ok, detail=detail, ms=round(self._seconds() * 1000), made=made, idle=self.unmatched)


def _why(error: BaseException) -> str:
    if isinstance(error, AutosysError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"


def verdict(report: Report) -> str:
    """How the run ended, in one line."""
    bad = [outcome.step.target for outcome in report.outcomes if outcome.ok is False]
    if bad:
        said = f"{', '.join(bad[:3])}{' ...' if len(bad) > 3 else ''}"
        return f"NG: partial, {len(bad)} named {'item' if len(bad) == 1 else 'items'} failed: {said}"
    if report.backup is None:
        removed = sum(outcome.step.kind == REMOVE for outcome in report.outcomes)
        return f"OK: {removed} removed" if removed else "OK: nothing to do"
    if not report.backup.files:
        return f"WARN: {report.backup.stem} is verified, and holds no file: {DECLARE}"
    return f"OK: {report.backup.stem} is whole and verified"
