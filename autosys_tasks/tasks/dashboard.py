"""`inv dashboard`: one page that shows how everything is, and how old that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autosys_tasks.tasks.border import envelope, finish, house, is_dry, say, show_plan, verb

if TYPE_CHECKING:
    from autosys_tasks.supervise.house import House


@verb(help={"open": "show it in the browser", "hours": "how far back the report's figures go"})
def dashboard(  # type: ignore[no-untyped-def]
    c, open=False, hours=24.0, dry_run=False, json=False, exit_code=False
):
    """Write one page with the latest health page, the services and the report's figures; needs no server."""
    from autosys_tasks.report import act, dashboard_text, json_text, look, words
    from autosys_tasks.report.figures import figures

    span = act.hours_of(hours)
    home = house(c)
    path = home.outputs / act.DASHBOARD
    if is_dry(c, dry_run):
        return show_plan(home.config, act.planned("dashboard", [path]), as_json=json, exit_code=exit_code)
    health = act.latest_health(home) or checked(home)
    seen, rows = look.see(home, span)
    found, language = figures(seen), look.language(home)
    stale_after_s = max(act.STALE_S, 2 * home.config.watchdog.every_s)
    board = dashboard_text.board(home.config.name, seen.window.ended, health, stale_after_s, rows, found)
    act.write(path, dashboard_text.html(board, language))
    if open and not opened(path.as_uri()):
        say(f"no browser could be started; the page is {path}")
    shown = f"outputs/{path.name}"
    fields = {"at": look.at(seen), "file": shown, **dashboard_text.fields(board, json_text.fields(found))}
    lines = [*dashboard_text.lines(board, language), words.say("written", language, path=shown)]
    return finish(home.config, "dashboard", 0, fields, lines, json)


def checked(home: House) -> dict[str, object]:
    """A health page made now, and kept, because there is none yet."""
    from autosys_tasks.health import run, show

    checks = run.page(home)
    document = envelope("health", home.config, run.exit_code(checks)) | show.fields(checks)
    trouble = run.keep(home, document)
    if trouble:
        say(trouble)
    return document


def opened(url: str) -> bool:
    """Whether a browser took the page."""
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
