"""`inv backup`: keep what autosys.toml names, proven by reading it back. `backup.*` goes with it."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say, tell
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

HELP = {
    "note": "a word about this one, shown by backup.list",
    "due": "the nightly run: nothing to do when this night has its backup, or one is being made; drills once a week",
}


INTERRUPTED = "what has its name is whole, of the rest nothing is left; the earlier backups are as they were"


@verb(of_files=True, interrupted=f"{INTERRUPTED}; type inv backup again", help=HELP)
def start(c, note="", due=False, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Keep what autosys.toml names: write an archive, read every byte of it back, then give it its name."""
    from autosys_tasks.backup import run, show
    from autosys_tasks.core.errors import Busy

    home = house()
    if is_dry(c, dry_run):
        return show_plan(home.config, run.planned(home, due=due), as_json=json, exit_code=exit_code)
    try:
        report = (run.backup_when_due if due else run.backup)(home, note=note, tell=tell, say=say)
    except Busy as busy:
        if not due:
            raise
        return _nothing(home.config, f"{busy.message}; nothing to do here", json)
    if report is None:
        return _nothing(home.config, "this night has its backup", json)
    made = show.backup_json(report.backup, report.backup.owner) if report.backup else None
    proof, code = _drilled(home, report.code) if due else ([], report.code)
    fields = {**run_fields("backup", report.outcomes, [*report.notes, *proof]), "backup": made}
    return finish(home.config, "run", code, fields, [*show.run_lines(report), *proof], json)


def _drilled(home: Any, code: int) -> tuple[list[str], int]:
    """What the weekly drill proved where it was due, and the exit code then."""
    from autosys_tasks.backup import commands, drill

    drilled = commands.run_drill_when_due(home, say)
    return ([drill.verdict(drilled)], code if drilled.ok else 3) if drilled else ([], code)


def _nothing(config: Any, note: str, json: bool) -> None:
    finish(config, "run", 0, {**run_fields("backup", (), [note]), "backup": None}, [note], json)


@verb(of_files=True)
def prune(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Remove the backups that [backup] no longer asks for: never the newest, never one that another needs."""
    from autosys_tasks.backup import run, show

    home = house()
    if is_dry(c, dry_run):
        return show_plan(home.config, run.planned_prune(home), as_json=json, exit_code=exit_code)
    report = run.prune(home, tell=tell)
    fields = run_fields("backup.prune", report.outcomes, report.notes)
    return finish(home.config, "run", report.code, fields, show.run_lines(report), json)
