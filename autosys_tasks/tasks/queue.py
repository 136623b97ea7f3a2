"""`inv queue.*`: the task queue of this workspace. `inv rpa.status`: who works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

if TYPE_CHECKING:
    from autosys_tasks.services.declared_queue import DeclaredQueue
    from autosys_tasks.supervise.house import House


def queue_of(home: House) -> DeclaredQueue:
    """A client of the queue server that this workspace declares."""
    from autosys_tasks.services.declared_queue import declared_queue

    return declared_queue(home.config, home.place.folder)


@verb(
    many=["kind"],
    help={
        "kind": "what a worker does: ping, wait, command",
        "payload": "a JSON object: what it needs for that",
        "wait": "so many seconds for its end, at most",
    },
    interrupted="the task stays in the queue; `inv queue.list` shows it",
)
def add(c, kind, payload="{}", wait=0.0, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Put a task into the queue; with --wait, say how it ended."""
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.core.plan import Outcome, Plan, Step

    if not wait >= 0:  # which no number that is none is
        raise UsageError(f"--wait takes a number of seconds from 0 on, not {wait:g}")
    kind = exactly_one(kind, "queue.add", "kind of task", "inv queue.add ping")
    body, home = {"kind": kind, "payload": parsed_payload(payload)}, house()
    server = queue_of(home)
    step = Step("enqueue", kind, "asked for")
    if is_dry(c, dry_run):
        return show_plan(home.config, Plan("queue.add", (step,), ()), as_json=json, exit_code=exit_code)
    task = server.wait_for_end(server.request("POST", "/v1/tasks", body)["task"], wait)
    good = task["state"] == "succeeded" or (not wait and task["state"] != "dead")
    more = [] if good else [f"what is known of it: inv queue.show {task['id']}"]
    if not good and task["state"] != "dead":
        more.insert(0, f"it has not ended within {wait:g} s, and stays in the queue")
    fields = run_fields("queue.add", [Outcome(step, good, task_line(task))], more) | {"queued": task}
    return finish(home.config, "run", 0 if good else 3, fields, [task_line(task), *more], json)


STATES = "only those that are so: scheduled, ready, leased, succeeded, dead"


@verb(name="list", help={"state": STATES, "kind": "only of this kind"})
def listed(c, state="", kind="", json=False):  # type: ignore[no-untyped-def]
    """The tasks, the oldest first, a hundred at most."""
    from autosys_tasks.services.declared_queue import page_path

    home = house()
    page = queue_of(home).request("GET", page_path(state=state, kind=kind))
    return finish(home.config, "queue.list", 0, page, [task_line(task) for task in page["tasks"]] or ["no task"], json)


@verb(name="show", many=["id"], help={"id": "which task, as queue.list names it"})
def shown(c, id, json=False):  # type: ignore[no-untyped-def]
    """One task with its payload and its result."""
    from json import dumps

    from autosys_tasks.services.declared_queue import task_path

    name = exactly_one(id, "queue.show", "id of a task", "inv queue.list")
    home = house()
    task = queue_of(home).request("GET", task_path(name), hint="inv queue.list")["task"]
    known = {key: value for key, value in task.items() if value is not None}
    lines = [f"{key}: {value if isinstance(value, str) else dumps(value)}" for key, value in known.items()]
    return finish(home.config, "queue.show", 0, {"queued": task}, lines, json)


@verb()
def status(c, json=False):  # type: ignore[no-untyped-def]
    """How many tasks are in which state, how long the oldest waits, and whether a worker is there."""
    from autosys_tasks.core.clock import span

    home = house()
    found = queue_of(home).request("GET", "/v1/stats")
    waits = found["oldest_ready_s"]
    lines = [
        ", ".join(f"{count} {state}" for state, count in found["counts"].items()),
        "nothing waits" if waits is None else f"the oldest waits for {span(waits)}",
        f"workers: {found['workers']['present']} present",
    ]
    return finish(home.config, "queue.status", 0, found, lines, json)


@verb(name="status")
def workers(c, json=False):  # type: ignore[no-untyped-def]
    """Who works on the queue: whether it is there, what it serves, what it holds."""
    from autosys_tasks.core.clock import span

    home = house()
    found = queue_of(home).request("GET", "/v1/workers")
    lines = [
        f"{each['name']}: {each['state']}, pid {each['pid']}, heard of {span(each['silent_s'])} ago,"
        f" holds {each['busy']}, serves {', '.join(each['kinds'])}"
        for each in found["workers"]
    ]
    return finish(home.config, "rpa.status", 0, found, lines or ["no worker was heard of"], json)


def exactly_one(words: list[str], verb_name: str, what: str, hint: str) -> str:
    """The only word; raises UsageError where there is none or more."""
    from autosys_tasks.core.errors import UsageError

    if len(words) != 1:
        raise UsageError(f"{verb_name} needs one {what}", hint=hint)
    return words[0]


def parsed_payload(text: str) -> object:
    """The JSON value of `--payload`; raises UsageError."""
    import json

    from autosys_tasks.core.errors import UsageError

    try:
        return json.loads(text)
    except ValueError as error:
        hint = """inv queue.add wait --payload '{"seconds": 1}'"""
        raise UsageError(f"--payload is not JSON: {error}", where="--payload", hint=hint) from error


def task_line(task: dict[str, Any]) -> str:
    """One task in a line."""
    tries = f", {task['attempts']} of {task['max_attempts']} attempts" if task["attempts"] else ""
    why = f": {task['error']}" if task["error"] else ""
    return f"{task['id']} {task['kind']}: {task['state']}{tries}{why}"
