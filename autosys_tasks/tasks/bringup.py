"""`inv bringup`: start everything that is wanted and wait until each service is ready."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house


@verb(
    many=["service"],
    interrupted="what was started goes on; `inv ps` shows it, `inv down` stops it",
    help={
        "service": "only these, and what they depend on",
        "wanted": "leave alone what a person stopped",
        "guard": "do not start the resident guard",
    },
)
def bringup(  # type: ignore[no-untyped-def]
    c, service, wanted=False, guard=True, timeout=120.0, dry_run=False, json=False, exit_code=False
):
    """Start what is not up, in dependency order, until each is ready."""
    from autosys_tasks.supervise import display, messages, run_lock, runs
    from autosys_tasks.upgrade.baseline import record_baseline

    home = house()
    runs.chosen(home, service)
    if is_dry(c, dry_run):
        plan = runs.plan_up(home, service, asked=not wanted, guard=guard)
        return show_plan(home.config, plan, as_json=json, exit_code=exit_code)
    record_baseline(home)
    with (
        run_lock.held(home.place, "bringup", wait_s=timeout, waiting=lambda who: say(f"waiting for {who}")),
        display.display(home, say, quiet=json) as show,
    ):
        notes = [] if wanted else runs.woken(home, service)
        report = runs.bring_up(home, service, wanted_only=wanted, guard=guard, timeout_s=timeout, show=show)
    notes += [] if home.config.services else ["nothing to start: write [services.NAME] into autosys.toml"]
    fields = run_fields("bringup", report.outcomes, [*notes, *messages.notes(report)])
    lines = [*notes, *messages.verdict_lines(report)]
    return finish(home.config, "run", 3 if report.not_so else 0, fields, lines, json)
