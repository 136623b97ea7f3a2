"""`inv restart`: the old one gone before the new one starts."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house


@verb(
    many=["service"],
    help={"service": "which to restart"},
    interrupted="what was stopped may be down still; `inv ps` shows it, `inv bringup` starts it",
)
def restart(c, service, timeout=120.0, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Stop services whole, then start them and wait until each is ready."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.supervise import display, messages, run_lock, runs

    home = house()
    if not service:
        raise UsageError("restart needs the name of a service", hint="inv restart NAME, or `inv ps` for the names")
    if is_dry(c, dry_run):
        return show_plan(home.config, runs.plan_restart(home, service), as_json=json, exit_code=exit_code)
    with (
        run_lock.held(home.place, "restart", wait_s=timeout, waiting=lambda who: say(f"waiting for {who}")),
        display.display(home, say, quiet=json) as show,
    ):
        report = runs.restart(home, service, timeout_s=timeout, show=show)
    notes = runs.not_ours(home, service)
    fields = run_fields("restart", report.outcomes, [*notes, *messages.notes(report)])
    lines = [*notes, *messages.verdict_lines(report)]
    return finish(home.config, "run", 3 if report.not_so else 0, fields, lines, json)
