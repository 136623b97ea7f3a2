"""The commented autosys.toml that `inv init` writes. Pure; only the name is active, so it runs in any folder.

Prose lines begin with `# `; a line that begins with `#` alone becomes TOML when the `#` is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autosys_tasks.config.entries import ENTRIES, TOP
from autosys_tasks.config.keys import IDLE, ONLY_FOR, TABLES, Key
from autosys_tasks.config.kinds import label
from autosys_tasks.config.toml_text import bare, toml

WIDTH = 110
HEAD = """\
# autosys.toml: what this workspace runs, watches and keeps. `inv config` checks it, `inv bringup` starts it.
#
# Take the `#` off the lines that you want, table by table; values shown without an example are the defaults.
# What each key means, implies and does not do: docs/config.md of autosys.
# Paths are seen from this folder. In services and probes ${env:X} and ${env:X:-default} are replaced.
"""
# Header -> the table it is one of, and the keys that are an example rather than a default.
EXAMPLES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "environments.main": (
        "environments.*",
        {"path": ".venv", "manifests": ["requirements*.txt", "pyproject.toml", "uv.lock"]},
    ),
    "services.api": (
        "services.*",
        {
            "purpose": "shows this folder in a browser",
            "command": ["python", "-m", "http.server", "8200", "--bind", "127.0.0.1"],
            "environment": "main",
            "env": {"API_PORT": "8200"},
            "env_file": [".env"],
            "memory_max": "500 MB",
            "restart_on": ["app/**/*.py"],
        },
    ),
    "services.api.readiness": ("services.*.readiness", {"http": "http://127.0.0.1:8200/", "status": 200}),
    "services.api.liveness": ("services.*.liveness", {"tcp": "127.0.0.1:8200"}),
    "probes.site": (
        "probes.*",
        {"http": "https://example.org/", "warn_ms": 1500, "alert_ms": 5000, "budget": "1/10min"},
    ),
    "outputs": ("", {"outputs/report.json": "24h"}),
    "watchdog": ("watchdog", {}),
    "upgrade": ("upgrade", {}),
    "backup": ("backup", {}),
    "backup.sets.config": ("backup.sets.*", {"include": ["autosys.toml"], "required": True}),
    "backup.sets.outputs": ("backup.sets.*", {"include": ["outputs"], "exclude": ["outputs/logs"]}),
    "backup.sets.logs": ("backup.sets.*", {"include": ["outputs"], "newer_than": "7d"}),
    "backup.git": ("backup.git", {}),
    "schedule": ("schedule", {"master": {"at": "logon", "delay": "30s"}}),
    "notify": ("", {}),
}


def template(name: str, keep: Sequence[str] = ()) -> str:
    """The file's text for a workspace of this name; valid as it is, and with its tables uncommented.

    `keep`: files that are there and that a backup must have, beside autosys.toml.
    """
    named = f"name = {toml(name)}" if _can_be_a_name(name) else "# the name is that of the folder"
    parts = [HEAD, f'[workspace]\n{named}\n#language = "auto"  # en | ko | auto\n']
    seen: set[str] = set()
    for header, (table, example) in EXAMPLES.items():
        if header == "backup.sets.config":
            example = {**example, "include": ["autosys.toml", *keep]}
        top = header.partition(".")[0]
        prose = "" if top in seen else "".join(f"# {line}\n" for line in _folded(TOP[top].meaning))
        seen.add(top)
        parts.append(f"{prose}#[{header}]\n" + "".join(f"{line}\n" for line in _lines(table, example)))
    return "\n".join(parts)


def _can_be_a_name(name: str) -> bool:
    try:
        label(name, Key("name", "label"))
    except ValueError:
        return False
    return True


def _lines(table: str, example: Mapping[str, object]) -> list[str]:
    if not table:
        return [f"#{bare(name)} = {toml(value)}" for name, value in example.items()]
    return [
        _line(key, example.get(key.name, key.default), ENTRIES[table][key.name].meaning)
        for key in TABLES[table]
        if key.name in example or _is_worth_a_line(key, table)
    ]


def _is_worth_a_line(key: Key, table: str) -> bool:
    idle = key.name in ONLY_FOR or key.name in IDLE.get(table, ())
    return key.default is not None and key.kind not in ("table", "tables") and not idle


def _line(key: Key, value: object, meaning: str) -> str:
    """One key with its value, and beside it what it may be, or is, when that fits."""
    written = f"#{key.name} = {toml(value)}"
    beside = " | ".join(key.choices) if len(key.choices) > 1 else meaning.rstrip(".")
    whole = f"{written}  # {beside}"
    return whole if len(whole) <= WIDTH else written


def _folded(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH - 2)
