"""`inv probe`: ask the things that we only look at."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish
from autosys_tasks.tasks.border.verb import verb
from autosys_tasks.tasks.border.workspace import house


@verb(many=["name"], help={"name": "which probes; all without a name", "fresh": "ask again, within the budget"})
def probe(c, name, fresh=False, json=False):  # type: ignore[no-untyped-def]
    """Ask each declared probe whether it is well."""
    from autosys_tasks.health import probing

    home = house()
    found = probing.checks(home, name, fresh=fresh)
    rows = [probing.row(each) for each in found]
    code = 3 if any(row["verdict"] == "NG" for row in rows) else 0
    return finish(home.config, "probe", code, {"probes": rows}, probing.lines(found), json)
