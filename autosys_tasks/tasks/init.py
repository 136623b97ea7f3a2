"""`inv init`: a commented autosys.toml for this folder."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import FOUND, here


@verb()
def init(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Write a commented autosys.toml (and tasks.py when there is none); never overwrites."""
    from autosys_tasks.config import init_files

    folder = here()
    FOUND["path"], FOUND["name"] = str(folder), init_files.name_of(folder)
    plan = init_files.plan(folder)
    if is_dry(c, dry_run):
        return show_plan(None, plan, as_json=json, exit_code=exit_code)
    outcomes = init_files.carry_out(plan, folder)
    lines = [*(f"wrote {o.step.target}: {o.detail}" for o in outcomes), *plan.notes]
    lines.append("next: edit autosys.toml, then `inv bringup`")
    return finish(None, "run", 0, run_fields("init", outcomes, plan.notes), lines, json)
