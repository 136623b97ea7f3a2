"""`inv down`: stop services, whole trees, and keep them stopped."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say, tell
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house


@verb(
    many=["service"],
    help={"service": "only these; without names: everything, the guard too"},
    interrupted="what is still running is not wanted any more; `inv down` goes on, `inv ps` shows it",
)
def down(c, service, timeout=120.0, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Stop services in reverse order, whole trees; they stay down until asked up."""
    from autosys_tasks.supervise import messages, run_lock, runs

    home = house()
    runs.chosen(home, service)
    if is_dry(c, dry_run):
        return show_plan(home.config, runs.plan_down(home, service), as_json=json, exit_code=exit_code)
    with run_lock.held(home.place, "down", wait_s=timeout, waiting=lambda who: say(f"waiting for {who}")):
        report = runs.take_down(home, service, tell=lambda outcome: tell(outcome, messages.DONE))
    notes = runs.not_ours(home, service)
    fields = run_fields("down", report.outcomes, notes)
    lines = [*notes, *messages.down_lines(home, report, service)]
    return finish(home.config, "run", 3 if report.not_so else 0, fields, lines, json)
