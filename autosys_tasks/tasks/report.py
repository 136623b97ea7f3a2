"""`inv report`: what the last hours were like, as far as anybody watched."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import envelope, finish, show_plan
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import as_typed, house, typed_document


@verb(help={"hours": "how far back", "format": "which files to write: md,html,json"})
def report(  # type: ignore[no-untyped-def]
    c, hours=24.0, format="md,html,json", dry_run=False, json=False, exit_code=False
):
    """Uptime of the observed time, incidents, restarts, use, and what to do next; never more than was seen."""
    from autosys_tasks.report import act, html_text, json_text, look, md_text, terminal_text
    from autosys_tasks.report.figures import figures
    from autosys_tasks.report.texts import say
    from autosys_tasks.tasks.border.streams import say as tell

    span, kinds = act.hours_of(hours), act.formats(format)
    home = house()
    files, name = act.report_files(home, kinds), home.config.name
    if is_dry(c, dry_run):
        return show_plan(home.config, act.planned("report", files.values()), as_json=json, exit_code=exit_code)
    seen, _rows = look.see(home, span)
    found, language = figures(seen), look.language(home)
    if unknown := look.unknown_language():
        tell(unknown)
    written = [f"outputs/{path.name}" for path in files.values()]
    fields = {"at": look.at(seen), **json_text.fields(found), "files": written}
    makers = {
        "md": lambda: as_typed(md_text.page(found, name, language)),
        "html": lambda: as_typed(html_text.report(found, name, language)),
        "json": lambda: act.as_json(typed_document(envelope("report", home.config, 0) | fields)),
    }
    for kind, path in files.items():
        act.write(path, makers[kind]())
    lines = terminal_text.lines(found, name, language)
    lines += [say("written", language, path=path) for path in written]
    return finish(home.config, "report", 0, fields, lines, json)
