"""`inv schedule.*`: what the operating system starts for this workspace."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say, tell
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

HELP = {
    "only": "this entry alone: master, watchdog or backup",
    "platform": "windows, linux or macos (default: this one)",
}


@verb(help=HELP)
def register(c, only="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Have the system start this workspace after logon, and look after it every few minutes."""
    change(c, "schedule.register", (only,), dry_run, json, exit_code)


@verb(help=HELP)
def unregister(c, only="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Take everything out of the system's schedules that was registered for this workspace."""
    change(c, "schedule.unregister", (only,), dry_run, json, exit_code)


def change(c: Any, task: str, names: tuple[str, ...], dry_run: bool, json: bool, exit_code: bool) -> None:
    """Register or remove the entries of these names (all of them when none is named), and end the task."""
    from autosys_tasks.schedule import act, look, plan
    from autosys_tasks.schedule import show as room
    from autosys_tasks.schedule import site as place
    from autosys_tasks.supervise import run_lock

    home = house()
    site = place.site_of(home.config)
    entries = [entry for name in names for entry in place.chosen(home.config, name)]
    decide = plan.to_register if task.endswith(".register") else plan.to_remove
    if is_dry(c, dry_run):
        found = decide(look.see(site, entries))._replace(task=task)
        return show_plan(home.config, found, as_json=json, exit_code=exit_code)
    with run_lock.held(home.place, task, wait_s=0.0, lock=run_lock.SCHEDULES):
        site = place.to_register(home.config) if decide is plan.to_register else site
        todo = decide(look.see(site, entries))
        outcomes = act.carry_out(site, entries, todo, tell)
        act.remember(home.place, site, entries, outcomes, registered=decide is plan.to_register)
    notes = place.notes(site) if decide is plan.to_register else []
    failed = [outcome for outcome in outcomes if outcome.ok is False]
    if not failed:
        return finish(home.config, "run", 0, run_fields(task, outcomes, notes), [*notes, "OK: as wanted"], json)
    no_way = look.no_way(guard=home.config.watchdog.guard) if decide is plan.to_register else None
    notes += room.no_way_text(no_way)
    again = [] if no_way else [f"   -> mend what is said of each, then again: inv {task}"]
    lines = [*notes, f"NG: {len(failed)} failed", *again]
    return finish(home.config, "run", 3, run_fields(task, outcomes, notes), lines, json)


@verb(help=HELP)
def status(c, only="", json=False):  # type: ignore[no-untyped-def]
    """Say of each entry whether it is registered, and how its last run ended."""
    from autosys_tasks.schedule import look, show
    from autosys_tasks.schedule import site as place

    config = house().config
    site, entries = place.site_of(config), place.chosen(config, only)
    seen = look.see(site, entries)
    notes, no_way = place.notes(site), look.no_way_for(config, seen.values())
    entries_told = [show.entry_json(each) for each in seen.values()]
    fields = {"entries": entries_told, "notes": [*notes, *show.no_way_text(no_way)]}
    return finish(config, "schedule.status", 0, fields, [*show.lines(seen.values(), no_way), *notes], json)


@verb(help=HELP)
def show(c, platform="", only="", json=False):  # type: ignore[no-untyped-def]
    """Print exactly what would be registered, for this platform or another."""
    from autosys_tasks.schedule import look
    from autosys_tasks.schedule import show as room
    from autosys_tasks.schedule import site as place

    config, system = house().config, place.known_platform(platform)
    files = look.files(place.site_of(config, system), place.chosen(config, only), system)
    notes = place.foreign(system)
    for note in () if json else notes:
        say(note)
    fields = {"files": [room.file_json(file) for file in files], "notes": notes}
    texts = [line for file in files for line in (f"# {file.name}", *f"{file.text}\n".splitlines())]
    return finish(config, "schedule.show", 0, fields, texts, json)


@verb()
def keep(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Stay, and keep the times of the entries: for a machine whose scheduler refuses (started by its Run key)."""
    from autosys_tasks.schedule import resident
    from autosys_tasks.schedule import site as place

    home = house()
    site, entries = place.site_of(home.config), place.chosen(home.config, "")
    if is_dry(c, dry_run):
        return show_plan(home.config, resident.planned(site, entries), as_json=json, exit_code=exit_code)
    code = resident.keep(home, site, entries, say)
    return finish(home.config, "run", code, run_fields("schedule.keep", ()), ["OK: ended"], json)
