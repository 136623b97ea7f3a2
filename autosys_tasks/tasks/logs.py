"""`inv logs`: what a service wrote."""

from __future__ import annotations

from autosys_tasks.tasks.border.documents import finish
from autosys_tasks.tasks.border.streams import put
from autosys_tasks.tasks.border.verb import verb
from autosys_tasks.tasks.border.workspace import house


@verb(
    many=["service"],
    help={
        "service": "whose log (`guard`: the guard's own)",
        "follow": "go on as it grows, until Ctrl-C",
        "lines": "how many of the last lines",
    },
)
def logs(c, service, follow=False, lines=50, json=False):  # type: ignore[no-untyped-def]
    """The last lines of a service's log, and with --follow all that comes."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.supervise import logs as room
    from autosys_tasks.supervise import runs

    home = house()
    if len(service) != 1:
        raise UsageError("logs needs the name of one service", hint=f"inv logs {next(iter(home.services), 'NAME')}")
    (service,) = service
    if service != "guard":
        runs.chosen(home, [service])
    if follow and json:
        raise UsageError("--follow never ends, and --json is one document", hint=f"inv logs {service} --json")
    if lines < 0:
        raise UsageError(f"--lines takes a number from 0 on, not {lines}")
    path = home.log(service)
    if follow:
        for line in room.follow(path, lines):
            print(line, flush=True)
    found = room.tail_lines(path, lines)
    if found and not json:
        return put("\n".join(found))  # as it was written, colours and all
    fields = {"service": service, "path": path, "lines": found}
    empty = [f"{path}: nothing written yet"] if lines else []
    return finish(home.config, "logs", 0, fields, empty, json)
