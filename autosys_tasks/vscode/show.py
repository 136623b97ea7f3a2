"""How our block stands, for a person and as a document."""

from __future__ import annotations

from autosys_tasks.vscode.values import AUTO_RUN, FILE, Facts, Status

TITLE = {
    "in_sync": "in sync",
    "differs": "not as this version writes it -> inv vscode.sync",
    "missing": "not there -> inv vscode.sync",
    "broken": "the file does not parse -> correct it, then inv vscode.sync",
}


def fields(facts: Facts, status: Status) -> dict[str, object]:
    """The fields of the `vscode.status` document."""
    return {
        "file": facts.path,
        "state": status.state,
        "entries": list(status.labels),
        "why": status.why or None,
        "backup": facts.backup,
        "auto_run": "not verifiable",
        "notes": [*status.notes, *([AUTO_RUN] if status.labels else [])],
    }


def lines(facts: Facts, status: Status) -> list[str]:
    """The same, the verdict first."""
    said = [f"{FILE}: {TITLE[status.state]}"]
    said += [f"  {status.why}"] if status.why else []
    said += [f"  kept before our last change: {facts.backup}"] if facts.backup and status.state == "broken" else []
    said += [f"  {label}" for label in status.labels]
    said += status.notes
    return [*said, f"run when the folder is opened: not verifiable. {AUTO_RUN}"] if status.labels else said
