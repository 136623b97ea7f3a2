"""What is said of a run that makes or removes backups, as lines for a person. Prints nothing."""

from __future__ import annotations

from autosys_tasks.backup.record import Report, verdict
from autosys_tasks.core.clock import span


def lines(report: Report) -> list[str]:
    """How a run ended; the verdict last, with what to type when it is red."""
    bad = [each for each in report.outcomes if each.ok is False]
    notes = [each for each in report.notes if not each.startswith("WARN ")]  # these were said as they came
    said = [*notes, *(f"NG {each.step.target}: {each.detail}" for each in bad)]
    hint = ["   -> mend it, then inv backup; inv health says what is required"] if report.code else []
    return [*said, f"{verdict(report)}, after {span(report.seconds)}", *hint]
