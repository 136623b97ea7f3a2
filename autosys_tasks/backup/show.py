"""What is said of a run that makes or removes backups, as lines for a person. Prints nothing."""

from __future__ import annotations

from autosys_tasks.backup.record import Report, verdict
from autosys_tasks.core.clock import span
from autosys_tasks.core.plan import Outcome


def outcome_line(outcome: Outcome) -> str:
    """`write 2026-11-29T033000Z-full: 120 files of 1.2 MB in 340.0 kB`, and a mark where it is no success."""
    mark = {True: "", False: "NG ", None: "-- "}[outcome.ok]
    return f"{mark}{outcome.step.kind} {outcome.step.target}: {outcome.detail}"


def lines(report: Report) -> list[str]:
    """How a run ended; the verdict last, with what to type when it is red."""
    bad = [each for each in report.outcomes if each.ok is False]
    notes = [each for each in report.notes if not each.startswith("WARN ")]  # these were said as they came
    said = [*notes, *(f"NG {each.step.target}: {each.detail}" for each in bad)]
    hint = ["   -> mend it, then inv backup; inv health says what is required"] if report.code else []
    return [*said, f"{verdict(report)}, after {span(report.seconds)}", *hint]
