"""`inv vscode.*`: our block in the editor's tasks.json, and what it runs when the folder is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import put_lines, say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

if TYPE_CHECKING:
    from collections.abc import Callable

    from autosys_tasks.supervise.house import House
    from autosys_tasks.vscode.values import Change


@verb()
def sync(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Put our tasks into .vscode/tasks.json, or renew them; what else is in there stays as it is."""
    from autosys_tasks.vscode import act

    home = house()
    return change(c, home, lambda: act.planned_sync(home), dry_run, json, exit_code)


@verb()
def remove(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Take our tasks out of .vscode/tasks.json; what else is in there is as it was before."""
    from autosys_tasks.vscode import act

    home = house()
    return change(c, home, lambda: act.planned_remove(home), dry_run, json, exit_code)


def change(c: Any, home: House, make: Callable[[], Change], dry_run: bool, json: bool, exit_code: bool) -> None:
    """Show the plan, or carry it out and end."""
    from autosys_tasks.vscode import act
    from autosys_tasks.vscode.values import FILE

    if is_dry(c, dry_run):
        return show_plan(home.config, make().plan, as_json=json, exit_code=exit_code)
    done, outcomes = act.carry_out(home, make)
    name, notes = done.plan.task, done.plan.notes
    lines = [f"{FILE}: {outcome.detail}" for outcome in outcomes] or [f"{FILE}: nothing to do"]
    failed = any(outcome.ok is False for outcome in outcomes)
    return finish(home.config, "run", 3 if failed else 0, run_fields(name, outcomes, notes), [*lines, *notes], json)


@verb()
def status(c, json=False):  # type: ignore[no-untyped-def]
    """Show whether our tasks in .vscode/tasks.json are as this version writes them."""
    from autosys_tasks.vscode import show
    from autosys_tasks.vscode.look import look
    from autosys_tasks.vscode.plan import status as judged

    home = house()
    facts = look(home)
    found = judged(facts)
    return finish(home.config, "vscode.status", 0, show.fields(facts, found), show.lines(facts, found), json)


@verb(name="open", interrupted="what was started goes on; `inv ps` shows it")
def opened(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """What runs when VS Code opens the folder: bring up, probe, report, and one line about the whole."""
    from autosys_tasks.supervise import runs
    from autosys_tasks.tasks import opening
    from autosys_tasks.vscode import chain

    home = house()
    links = opening.links(home)
    if is_dry(c, dry_run):
        plan = runs.plan_up(home, (), asked=False, guard=True, task="vscode.open")
        then = f"then: {', '.join(link.name for link in links[1:])}"
        return show_plan(home.config, plan._replace(notes=(*plan.notes, then)), as_json=json, exit_code=exit_code)
    outcomes = chain.carry_out(links, say if json else lambda line: put_lines([line]))
    code = 3 if any(outcome.ok is False for outcome in outcomes) else 0
    failed = [outcome.step.target for outcome in outcomes if outcome.ok is False]
    lines = [f"NG: {', '.join(failed)}" if failed else "OK: all of it"]
    return finish(home.config, "run", code, run_fields("vscode.open", outcomes), lines, json)
