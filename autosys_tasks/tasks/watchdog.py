"""`inv watchdog`: one tick of healing, or the resident guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autosys_tasks.tasks.border.documents import end, finish, run_fields, show_plan
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

if TYPE_CHECKING:
    from autosys_tasks.core.plan import Plan
    from autosys_tasks.supervise.house import House


@verb(
    help={
        "follow": "stay, and restart whatever dies at once (the guard)",
        "reset": "clear the block of this service",
    }
)
def watchdog(c, follow=False, reset="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Look once at everything that is wanted up, and heal what is not."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.core.plan import outcome_line
    from autosys_tasks.supervise import messages, runs

    dry = is_dry(c, dry_run)
    if follow and json and not dry:
        raise UsageError("--follow never ends, and --json is one document", hint="inv watchdog --json")
    home = house()
    if dry:
        return show_plan(home.config, _planned(home, reset), as_json=json, exit_code=exit_code)
    cleared = runs.reset(home, reset) if reset else []
    if follow:
        from autosys_tasks.supervise import follow as room

        return end(room.follow(home))
    if reset:
        notes = [] if cleared else [f"{reset}: nothing to clear"]
        lines = [outcome_line(outcome, messages.DONE) for outcome in cleared] or notes
        return finish(home.config, "run", 0, run_fields("watchdog", cleared, notes), lines, json)
    return _tick(home, json)


def _planned(home: House, reset: str) -> Plan:
    """What a tick, or a reset, would do now, and what it would begin beside."""
    from autosys_tasks.backup import night
    from autosys_tasks.schedule import registered_entries
    from autosys_tasks.supervise import runs
    from autosys_tasks.upgrade import tick

    if reset:
        return runs.plan_reset(home, reset)
    plan = runs.plan_up(home, (), asked=False, guard=True, task="watchdog")
    missed = night.why_missed(home, registered=registered_entries.nightly(home.place))
    background = {"an upgrade": tick.why_due(home, dry=True), "a backup": missed}
    notes = [f"would begin {what}: {why}" for what, why in background.items() if why]
    return plan._replace(notes=(*plan.notes, *notes))


def _tick(home: House, json: bool) -> None:
    """One tick; then what takes longer is begun in the background."""
    from autosys_tasks.backup import night
    from autosys_tasks.bootstrap import lastgood
    from autosys_tasks.core.errors import Busy
    from autosys_tasks.schedule import registered_entries
    from autosys_tasks.supervise import messages, run_lock, runs
    from autosys_tasks.upgrade import tick

    try:
        with run_lock.held(home.place, "watchdog", wait_s=0.0):
            stale = tick.stale(home)
            report = runs.tick(home, stale)
    except Busy as busy:
        note = f"{busy.message}; nothing to do here"
        return finish(home.config, "run", 0, run_fields("watchdog", (), [note]), [note], json)
    lastgood.keep(home.place.folder)
    nightly = registered_entries.nightly(home.place)
    begun = [line for line in (tick.start(home), night.start(home, registered=nightly)) if line]
    still_stale = (f"environment {name}: still stale, {why}" for name, why in stale.items())
    notes = [*messages.notes(report), *still_stale, *begun]
    lines = [*begun, *messages.verdict_lines(report, stale)]
    code = 3 if report.not_so or stale else 0
    return finish(home.config, "run", code, run_fields("watchdog", report.outcomes, notes), lines, json)
