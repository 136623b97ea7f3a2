"""How a task ends: lines for a person or one JSON document, and the exit code."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from invoke import Exit

from autosys_tasks.tasks.border.streams import put, put_lines
from autosys_tasks.tasks.border.workspace import FOUND, found_path, typed_document

if TYPE_CHECKING:
    from autosys_tasks.config.model import Config
    from autosys_tasks.core.errors import AutosysError
    from autosys_tasks.core.plan import Plan

LONG_LIST = 1000
BYTES, NOT_ASCII = re.compile("[\udc80-\udcff]+"), re.compile("[^\x00-\x7f]+")
PRINTED: list[str] = []  # the schema of this task's document, once it was begun


def finish(
    config: Config | None, document: str, code: int, fields: dict[str, object], lines: list[str], as_json: bool
) -> None:
    """Print how a task ended, once, and end with its code."""
    if as_json:
        print_json(envelope(document, config, code) | fields)
    else:
        put_lines(lines)
    end(code)


def show_plan(config: Config | None, plan: Plan, *, as_json: bool, exit_code: bool) -> None:
    """Print a plan and end: 0, or 9 when it found work and was asked to say so."""
    from autosys_tasks.core.plan import plan_lines, step_json

    code = 9 if exit_code and plan.steps else 0
    if as_json:
        steps = [step_json(step) for step in plan.steps]
        print_json(envelope("plan", config, code) | {"task": plan.task, "steps": steps, "notes": list(plan.notes)})
    else:
        put_lines(plan_lines(plan))
    end(code)


def end(code: int) -> None:
    """End the task with this exit code."""
    if code:
        raise Exit(code=code)


def run_fields(task_name: str, outcomes: Iterable[Any], notes: Iterable[str] = ()) -> dict[str, object]:
    """The fields of a `run` document."""
    from autosys_tasks.core.plan import outcome_json, summary

    done = list(outcomes)
    return {
        "task": task_name,
        "outcomes": [outcome_json(outcome) for outcome in done],
        "summary": summary(done),
        "notes": list(notes),
    }


def envelope(name: str, config: Config | None, exit_code: int, *, at: str = "") -> dict[str, object]:
    """What every document begins with. Without a configuration: as much of the workspace as this run has found."""
    from autosys_tasks.core.clock import utc_text

    found = {"name": config.name, "path": config.path} if config else {**FOUND, "path": found_path()}
    return {"schema": f"autosys.{name}/1", "workspace": found, "at": at or utc_text(), "exit_code": exit_code}


def error_document(error: AutosysError) -> dict[str, object]:
    """An error as a document, with the real time: what AUTOSYS_NOW says may be what is wrong."""
    from autosys_tasks.core.clock import utc_text

    problems = [{"where": p.where, "message": p.message, "hint": p.hint or None} for p in error.problems]
    return envelope("error", None, error.code, at=utc_text(time.time())) | {
        "error": {
            "kind": error.kind,
            "message": error.message,
            "where": error.where or None,
            "hint": error.hint or None,
            "problems": problems,
        }
    }


def print_json(document: dict[str, object]) -> None:
    """Exactly one document on stdout: UTF-8, or ASCII with escapes where the console is not UTF-8."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")
    text = _json_text(typed_document(document), ascii_only=not utf8)
    if utf8:
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    PRINTED.append(str(document["schema"]))
    if hasattr(sys.stdout, "reconfigure"):  # a console of UTF-16, or with a BOM, is told to read UTF-8 or ASCII too
        sys.stdout.reconfigure(encoding="utf-8" if utf8 else "ascii", errors="backslashreplace")
    put(text)


def _readable(found: re.Match[str]) -> str:
    """What a locale that is not UTF-8 has kept of a name byte for byte, as the letters that it is."""
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escaped(found: re.Match[str]) -> str:
    import json

    return json.dumps(found[0])[1:-1]


def _json_text(document: dict[str, object], *, ascii_only: bool) -> str:
    """Laid out for a person; a long list (a day of journals) one item a line, which takes a fifth of the time."""
    import json

    def encoded(value: object, indent: int | None) -> str:
        text = BYTES.sub(_readable, json.dumps(value, ensure_ascii=False, indent=indent, default=str))
        return NOT_ASCII.sub(_escaped, text) if ascii_only else text

    if not any(isinstance(value, list) and len(value) > LONG_LIST for value in document.values()):
        return encoded(document, 2)
    fields = []
    for name, value in document.items():
        is_long = isinstance(value, list) and len(value) > LONG_LIST
        text = ",\n".join(encoded(item, None) for item in value) if is_long else encoded(value, 2)  # type: ignore[attr-defined]
        fields.append(f"{encoded(name, None)}: " + (f"[\n{text}\n]" if is_long else text))
    return "{\n" + ",\n".join(fields) + "\n}"
