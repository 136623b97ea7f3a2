"""`inv journal`: what was done, by whom, and how it ended."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish
from autosys_tasks.tasks.border.verb import verb
from autosys_tasks.tasks.border.workspace import current


@verb(help={"task": "only this task's lines", "since": "how far back: 30min, 24h, 7d"})
def journal(c, task="", since="24h", json=False):  # type: ignore[no-untyped-def]
    """The journals of all tasks, in the order of time."""
    from autosys_tasks.config.units import seconds
    from autosys_tasks.core import journal as room
    from autosys_tasks.core.clock import wall
    from autosys_tasks.core.errors import UsageError, unknown_name
    from autosys_tasks.tasks.table import ns

    found = current()
    try:
        start = wall() - seconds(since)
    except ValueError as error:
        raise UsageError(f"--since `{since}` {error}", hint="inv journal --since 24h") from error
    lines, skipped = room.collect(found.path, start=start)
    known = {str(line.get("task")) for line in lines} | {"guard", *ns.task_names}
    if task and task not in known:
        raise unknown_name("task", task, known)
    kept = [line for line in lines if not task or line.get("task") == task]
    shown = [room.line_text(line) for line in kept] or [f"nothing in the last {since}"]
    if skipped:
        shown.append(f"({skipped} torn or foreign lines passed over)")
    return finish(found, "journal", 0, {"lines": kept, "skipped": skipped}, shown, json)
