"""`inv dashboard`: one page that shows how everything is, and how old that is; `--live` keeps it new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autosys_tasks.tasks.border.documents import finish, show_plan
from autosys_tasks.tasks.border.streams import put, say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import as_typed, house

if TYPE_CHECKING:
    from autosys_tasks.supervise.house import House


@verb(
    interrupted="the page is not served any more",
    help={
        "live": "serve it on this machine, renewed every few seconds, until Ctrl-C; writes nothing",
        "open": "show it in the browser",
        "hours": "how far back the report's figures go",
    },
)
def dashboard(  # type: ignore[no-untyped-def]
    c, live=False, open=False, hours=24.0, dry_run=False, json=False, exit_code=False
):
    """One page with the latest health page, the services and the report's figures: a file, or live."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.core.plan import Plan, Step
    from autosys_tasks.report import act, json_text, look, texts
    from autosys_tasks.report.dashboard_text import fields, html, lines

    span, dry = act.hours_of(hours), is_dry(c, dry_run)
    if live and json and not dry:
        raise UsageError("--live never ends, and --json is one document", hint="inv dashboard --json")
    home = house()
    path = home.outputs / act.DASHBOARD
    if dry:
        serves = Plan("dashboard", (Step("serve", "dashboard", "asked for, on 127.0.0.1 until Ctrl-C"),))
        plan = serves if live else act.planned("dashboard", [path])
        return show_plan(home.config, plan, as_json=json, exit_code=exit_code)
    if unknown := look.unknown_language():
        say(unknown)
    if live:
        return show_live(span, open)
    at, board, language = board_now(home, span, act.latest_health(home) or health_kept(home))
    act.write(path, as_typed(html(board, language)))
    if open:
        show_in_browser(path.as_uri())
    shown = f"outputs/{path.name}"
    document = {"at": at, "file": shown, **fields(board, json_text.fields(board.figures))}
    said = [*lines(board, language), texts.say("written", language, path=shown)]
    return finish(home.config, "dashboard", 0, document, said, json)


def board_now(home: House, hours: float, health: dict[str, object]) -> tuple[str, Any, str]:
    """When it was looked, what the page shows, and in which language."""
    from autosys_tasks.report import act, dashboard_text, look
    from autosys_tasks.report.figures import figures

    found, rows = look.see(home, hours)
    stale_after_s = max(act.STALE_S, 2 * home.config.watchdog.every_s)
    figured = figures(found)
    board = dashboard_text.board(home.config.name, found.window.ended, health, stale_after_s, rows, figured)
    return look.at(found), board, look.language(home)


def health_now(home: House) -> dict[str, object]:
    """A health page made now."""
    from autosys_tasks.health import run
    from autosys_tasks.tasks.health import document

    return document(home, run.page(home))


def health_kept(home: House) -> dict[str, object]:
    """A health page made now, and kept, because there is none yet."""
    from autosys_tasks.health import run

    document = health_now(home)
    trouble = run.keep(home, document)
    if trouble:
        say(trouble)
    return document


def show_live(hours: float, browse: bool) -> None:
    """Serve the page until Ctrl-C; each is made of what autosys.toml says then."""
    from autosys_tasks.report import live
    from autosys_tasks.report.dashboard_text import html

    def make() -> str:
        home = house()
        _at, board, language = board_now(home, hours, health_now(home))
        return as_typed(html(board, language, live.RENEW_S))

    def tell(url: str) -> None:
        put(f"{url} renews itself every {live.RENEW_S} s, until Ctrl-C")
        if browse:
            show_in_browser(url)

    live.serve(make, tell)


def show_in_browser(url: str) -> None:
    """Give a page to the browser, or say that there is none."""
    import webbrowser

    try:
        shown = webbrowser.open(url)
    except webbrowser.Error:
        shown = False
    if not shown:
        say(f"no browser could be started; the page is {url}")
