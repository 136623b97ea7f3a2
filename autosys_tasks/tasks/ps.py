"""`inv ps`: the table of services."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish
from autosys_tasks.tasks.border.verb import verb
from autosys_tasks.tasks.border.workspace import house


@verb(help={"watch": "show it again every two seconds, until Ctrl-C"})
def ps(c, watch=False, json=False):  # type: ignore[no-untyped-def]
    """Each service: state and why, pid, memory, port, restarts, and whether it may be closed."""
    from autosys_tasks.supervise import show

    home = house()
    if watch and not json:
        from autosys_tasks.supervise import display

        return display.watch(home)
    seen = show.picture(home)
    rows, guard = show.rows(home, seen), show.guard_row(seen)
    lines = [*show.table_lines(rows), show.guard_line(guard)]
    return finish(home.config, "ps", 0, {"services": rows, "guard": guard}, lines, json)
