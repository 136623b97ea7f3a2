"""`inv upgrade`: install what the files in the workspace ask for now; with `.status`, `.rollback` and `.hooks`."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say, tell
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

HELP = {
    "only": "these environments alone, with commas between them",
    "explain": "say first of every environment why it is stale, or why not (with --dry-run, and stop there)",
    "force": "install whatever the stamps say, and look at all scripts",
    "pull": "fetch first, and go forward where that takes nothing away",
    "timeout": "how long to wait for another upgrade, in seconds (0: not at all)",
}


@verb(interrupted="what was there before is in place again; the same command goes on from here", help=HELP)
def start(  # type: ignore[no-untyped-def]
    c, explain=False, force=False, pull=False, only="", timeout=0.0, dry_run=False, json=False, exit_code=False
):
    """Install what the files in the workspace ask for now, and restart what runs in it."""
    from autosys_tasks.upgrade import plan, run, show

    home, names = house(), _names(only)
    if is_dry(c, dry_run):
        seen = run.planned(home, names, force=force)
        lines = plan.explained(seen.facts, only=names, force=force) if explain else []
        fetch = ["would fetch first, and go forward: what that brings is not known yet"] if pull else []
        would = seen.plan._replace(notes=(*fetch, *lines, *seen.plan.notes))
        return show_plan(home.config, would, as_json=json, exit_code=exit_code)
    explained: list[str] = []

    def hear(lines: list[str]) -> None:
        explained.extend(lines)
        say(*lines)

    first = hear if explain else None
    report = run.upgrade(home, names, force=force, pull=pull, wait_s=timeout, tell=_tell, explain=first)
    fields = run_fields("upgrade", report.outcomes, [*explained, *report.notes])
    return finish(home.config, "run", report.code, fields, show.lines(report), json)


def _tell(outcome: Any) -> None:
    from autosys_tasks.upgrade import show

    tell(outcome, show.DONE)


def _names(only: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in only.split(",")) if word)


@verb()
def status(c, json=False):  # type: ignore[no-untyped-def]
    """Say of each environment whether it is as its files want it, and how its last upgrade ended."""
    from autosys_tasks.upgrade import hooks as hooks_room
    from autosys_tasks.upgrade import plan, run, show

    home = house()
    facts = run.planned(home).facts
    begins = hooks_room.look(home)
    fields: dict[str, object] = {"environments": [show.environment_json(each) for each in plan.findings(facts)]}
    lines = [*show.status_lines(facts), f"git hooks: {begins.state} (inv upgrade.hooks)"]
    return finish(home.config, "upgrade.status", 0, fields | {"hooks": begins.state}, lines, json)


@verb(help={"only": "this environment (needed when several have something to go back to)"})
def rollback(c, only="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Go back to the environment before the last upgrade, and stay there until its files change."""
    from autosys_tasks.upgrade import rollback, show

    home, names = house(), _names(only)
    if is_dry(c, dry_run):
        return show_plan(home.config, rollback.planned(home, names), as_json=json, exit_code=exit_code)
    report = rollback.roll_back(home, names, tell=_tell)
    fields = run_fields("upgrade.rollback", report.outcomes, report.notes)
    return finish(home.config, "run", report.code, fields, show.lines(report), json)


@verb(many=["action"], help={"action": "install, remove or status (default)"})
def hooks(c, action, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Have each `git pull` begin an upgrade by itself, in the background; no more of that; or say what is there."""
    from autosys_tasks.core.errors import UsageError, unknown_name
    from autosys_tasks.upgrade import hooks as room

    if len(action) > 1:
        raise UsageError("one action at a time", hint="inv upgrade.hooks install")
    if action and action[0] not in ("install", "remove", "status"):
        raise unknown_name("action", action[0], ("install", "remove", "status"))
    home = house()
    seen = room.look(home)
    if action in ([], ["status"]):
        return finish(home.config, "upgrade.hooks", 0, room.fields(seen), room.lines(seen), json)
    plan = room.to_install(seen) if action == ["install"] else room.to_remove(seen)
    if is_dry(c, dry_run):
        return show_plan(home.config, plan, as_json=json, exit_code=exit_code)
    outcomes = []
    for outcome in room.carry_out(seen, plan):
        _tell(outcome)
        outcomes.append(outcome)
    after = room.look(home)
    bad = any(each.ok is False for each in outcomes) or (action == ["install"] and after.state != "installed")
    fields = run_fields("upgrade.hooks", outcomes, plan.notes)
    return finish(home.config, "run", 3 if bad else 0, fields, [*plan.notes, *room.lines(after)], json)
