"""`inv watchdog`: one tick of healing, or the resident guard."""

from __future__ import annotations

from autosys_tasks.tasks.border import end, finish, house, is_dry, run_fields, show_plan, verb


@verb(
    help={
        "follow": "stay, and restart whatever dies at once (the guard)",
        "reset": "clear the block of this service",
    }
)
def watchdog(c, follow=False, reset="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Look once at everything that is wanted up, and heal what is not."""
    from autosys_tasks.backup import night
    from autosys_tasks.bootstrap import lastgood
    from autosys_tasks.core.errors import Busy, UsageError
    from autosys_tasks.schedule import wanted
    from autosys_tasks.supervise import runs, turnstile, words
    from autosys_tasks.upgrade import notice

    dry = is_dry(c, dry_run)
    if follow and json and not dry:
        raise UsageError("--follow never ends, and --json is one document", hint="inv watchdog --json")
    home = house(c)
    registered = "backup" in wanted.read(home.place)
    if dry and reset:
        return show_plan(home.config, runs.plan_reset(home, reset), as_json=json, exit_code=exit_code)
    if dry:
        plan = runs.plan_up(home, (), asked=False, guard=True, task="watchdog")
        due = {"an upgrade": notice.due(home, dry=True), "a backup": night.missed(home, registered=registered)}
        notes = [f"would begin {what}: {why}" for what, why in due.items() if why]
        plan = plan._replace(notes=(*plan.notes, *notes))
        return show_plan(home.config, plan, as_json=json, exit_code=exit_code)
    cleared = runs.reset(home, reset) if reset else []
    if follow:
        from autosys_tasks.supervise import follow as room

        return end(room.follow(home))
    if reset:
        notes = [] if cleared else [f"{reset}: nothing to clear"]
        lines = [words.outcome_line(outcome) for outcome in cleared] or notes
        return finish(home.config, "run", 0, run_fields("watchdog", cleared, notes), lines, json)
    try:
        with turnstile.acting(home.place, "watchdog", wait_s=0.0):
            stale = notice.stale(home)
            report = runs.tick(home, stale)
    except Busy as busy:
        note = f"{busy.message}; nothing to do here"
        return finish(home.config, "run", 0, run_fields("watchdog", (), [note]), [note], json)
    lastgood.keep(home.place.folder)
    begun = [line for line in (notice.start(home), night.start(home, registered=registered)) if line]
    notes = [*words.notes(report), *(f"environment {name}: still stale, {why}" for name, why in stale.items()), *begun]
    lines = [*begun, *words.verdict_lines(report, stale)]
    code = 3 if report.not_so or stale else 0
    return finish(home.config, "run", code, run_fields("watchdog", report.outcomes, notes), lines, json)
