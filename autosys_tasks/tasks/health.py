"""`inv health`: the page of checks, the safe fixes of what is red, and proof that every check can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autosys_tasks.tasks.border.documents import envelope, finish, show_plan
from autosys_tasks.tasks.border.streams import say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import as_typed, house, program, typed_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autosys_tasks.core.verdict import Check
    from autosys_tasks.supervise.house import House


@verb(
    of_files=True,  # a fix makes a backup
    help={
        "fix": "run the safe fixes of what is NG, then look again",
        "only": "these checks alone: ID,ID,...",
        "watch": "show the page again every few seconds, until Ctrl-C",
        "selftest": "break every check's subject in a scratch workspace, and show that it turns NG",
    }
)
def health(  # type: ignore[no-untyped-def]
    c, fix=False, only="", watch=False, selftest=False, dry_run=False, json=False, exit_code=False
):
    """Check everything that is declared; every red says why and what to type."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.health import plan, run, show

    dry, trouble = is_dry(c, dry_run), ""
    if watch and (json or fix or dry):
        raise UsageError("--watch goes with --only alone", hint="inv health --watch")
    if selftest and (fix or watch or only or dry):
        raise UsageError("--selftest goes with --json alone", hint="inv health --selftest")
    if selftest:
        return _selftest(json)
    home = house()
    ids = run.chosen(home, only)
    if watch:
        for text in show.pages(home, ids, again=house):
            print(as_typed(text), flush=True)
    checks = run.page(home, ids, dry=dry)
    if dry:
        return show_plan(home.config, plan.fixes(checks), as_json=json, exit_code=exit_code)
    if fix:
        from autosys_tasks.health import act
        from autosys_tasks.supervise import display

        tell = (lambda outcome: None) if json else (lambda outcome: say(show.fix_line(outcome)))
        with display.display(home, say, quiet=json) as picture:
            mended = run.fix(home, checks, ids, lambda h, order: act.carry_out(h, order, tell, picture))
        checks, trouble = mended.checks, mended.trouble
    fields = show.fields(checks, program())
    if not ids:
        kept = document(home, checks, trouble)
        fields["at"] = kept["at"]
        trouble = run.keep(home, kept) or trouble
    if trouble:
        say(trouble)
    code = run.exit_code(checks, trouble)
    return finish(home.config, "health", code, fields, show.lines(home.config.name, checks), json)


def document(home: House, checks: Sequence[Check], trouble: str = "") -> dict[str, object]:
    """A page as others keep and show it, its commands as they are typed in this workspace."""
    from autosys_tasks.health import run, show

    code = run.exit_code(checks, trouble)
    return typed_document(envelope("health", home.config, code) | show.fields(checks, program()))


def _selftest(json: bool) -> None:
    from autosys_tasks.health import selftest

    found = selftest.rows()
    return finish(None, "selftest", selftest.exit_code(found), selftest.fields(found), selftest.lines(found), json)
