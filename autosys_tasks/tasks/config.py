"""`inv config`: is autosys.toml right, and what does it mean?"""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish
from autosys_tasks.tasks.border.verb import verb
from autosys_tasks.tasks.border.workspace import current


@verb(help={"faults": "list the points at which AUTOSYS_FAULT can act"})
def config(c, faults=False, json=False):  # type: ignore[no-untyped-def]
    """Check autosys.toml; show every effective value and where it came from."""
    if faults:
        from autosys_tasks.core.faults import POINTS

        points = [{"point": point, "room": room} for point, room in POINTS.items()]
        lines = [f"{point}  ({room})" for point, room in POINTS.items()]
        return finish(None, "config", 0, {"faults": points}, lines, json)
    from autosys_tasks.config.effective import document, lines_of
    from autosys_tasks.supervise.house import house_of
    from autosys_tasks.upgrade import look

    found = current()
    values, sources = document(found)
    for name, keys in look.discovered_keys(house_of(found)).items():
        values["environments"][name] = keys  # type: ignore[index]
        sources |= {f"environments.{name}.{key}": "discovered" for key in keys}
    return finish(found, "config", 0, {"config": values, "sources": sources}, lines_of(values, sources), json)
