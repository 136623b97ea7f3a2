"""Writes docs/config.md and docs/autosys.schema.json from the table of keys. Pure but for `--write`.

`python -m autosys_tasks.config.reference --write`; a test holds both files against this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from autosys_tasks.config.entries import ENTRIES
from autosys_tasks.config.keys import ELSEWHERE, IDLE, ONLY_FOR, PROBE_KINDS, TABLES, Key, named
from autosys_tasks.config.kinds import KINDS
from autosys_tasks.config.service_entries import Entry
from autosys_tasks.config.toml_text import toml

SERVICE = '[services.api]\ncommand = ["python", "-m", "app.api"]\n'
# Header of each table, and what an example needs above its own lines.
HEADS: Mapping[str, tuple[str, str]] = {
    "workspace": ("workspace", "[workspace]\n"),
    "environments.*": ("environments.NAME", "[environments.main]\n"),
    "services.*": ("services.NAME", SERVICE),
    "services.*.readiness": (
        "services.NAME.readiness",
        f'{SERVICE}[services.api.readiness]\nhttp = "http://127.0.0.1:8200/readyz"\n',
    ),
    "services.*.liveness": (
        "services.NAME.liveness",
        f'{SERVICE}[services.api.liveness]\nhttp = "http://127.0.0.1:8200/healthz"\n',
    ),
    "probes.*": ("probes.NAME", '[probes.site]\nhttp = "https://example.org/"\n'),
    "outputs": ("outputs", "[outputs]\n"),
    "watchdog": ("watchdog", "[watchdog]\n"),
    "upgrade": ("upgrade", "[upgrade]\n"),
    "backup": ("backup", "[backup]\n"),
    "backup.sets.*": ("backup.sets.NAME", '[backup.sets.config]\ninclude = [".env", "config.json"]\n'),
    "backup.git": ("backup.git", "[backup.git]\n"),
    "schedule": ("schedule", "[schedule]\n"),
    "schedule.master": ("schedule.master", "[schedule.master]\n"),
    "notify": ("notify", "[notify]\n"),
}
INTRO = """\
<!-- written by `python -m autosys_tasks.config.reference --write` out of autosys_tasks/config -->
# autosys.toml

The file that makes a folder a workspace. `inv init` writes a commented one, `inv config` checks it and
shows what holds and where it came from. An editor that knows JSON Schema flags mistakes with
[autosys.schema.json](autosys.schema.json).

- **The file** is TOML in UTF-8; a BOM is fine. A key that is not described here is an error, not a comment.
- **Broken** (an unknown key, a wrong type, a missing folder or env file, an undefined `${env:X}`, a name
  that nobody declared, a circle of dependencies): every command that needs the file ends 2 with all
  problems together, and nothing is started.
- **Durations** are `"500ms"`, `"30s"`, `"5min"`, `"24h"`, `"7d"`; a key that ends in `_s` is a number of
  seconds, in `_ms` of milliseconds. **Sizes** are `"10 MB"` (10,000,000 bytes) or `"1 GiB"`
  (1,073,741,824). Times are `03:30:00`, local.
- **Paths** and globs are seen from the workspace folder, whatever folder a command is run in. In double
  quotes a backslash begins an escape: write `/`, or single quotes.
- **`${env:X}`** is replaced in the keys that say so: by what the service will see as `X`, that is its
  `env`, then its `env_file`, then the environment of whoever starts it; probes of their own know the last
  alone. `${env:X:-default}` has a default for an unset or empty `X`. In `env` itself the other `env` keys
  are not seen. What comes out of an `env_file` or the environment is a secret when it has four characters
  or more: no log of ours, no journal and no page shows it.
"""


def reference_markdown() -> str:
    """docs/config.md: an entry for every key of every table."""
    parts = [INTRO, "\n".join(f"- [`[{header}]`](#{_anchor(header)})" for header, _ in HEADS.values()) + "\n"]
    for table, (header, _) in HEADS.items():
        parts += [f"## [{header}]\n", *_section(table)]
    return "\n".join(parts)


def _anchor(header: str) -> str:
    return re.sub(r"[^\w-]", "", header.lower())


def _section(table: str) -> Iterator[str]:
    top = ENTRIES[""].get(table.removesuffix(".*"))
    if top:
        yield _prose(top)
    if table not in TABLES:
        yield f"**Values**: {_article(KINDS[named('')[table].kind].words)}.\n"
        if top and top.example:
            yield _example(table, top)
        return
    same = [key.name for key in TABLES[table] if _is_as_in_readiness(table, key)]
    if same:
        yield f"As in [`[services.NAME.readiness]`](#servicesnamereadiness): {_words(same)}.\n"
    idle = IDLE.get(table)
    if idle:
        yield f"Accepted, and without effect here: {_words(idle)}.\n"
    for key in TABLES[table]:
        if key.name not in same:
            yield _entry(table, key)
    for (where, name), why in ELSEWHERE.items():
        if where == table:
            yield f"`{name}` does not belong here: {why}.\n"


def _is_as_in_readiness(table: str, key: Key) -> bool:
    model = "services.*.readiness"
    same_prose = ENTRIES[model].get(key.name) == ENTRIES[table].get(key.name)
    return table in IDLE and key in TABLES[model] and same_prose


def _words(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _entry(table: str, key: Key) -> str:
    entry = ENTRIES[table][key.name]
    facts = [f"**Values**: {_values(key)}", f"**Default**: {_default(key)}"]
    facts += ["**`${env:X}`**: replaced"] if key.env else []
    facts += [f"**Only for**: {_words(ONLY_FOR[key.name])}"] if key.name in ONLY_FOR else []
    return f"### `{key.name}`\n\n{_prose(entry)}\n{' · '.join(facts)}\n" + (
        f"\n{_example(table, entry)}" if entry.example else ""
    )


def _prose(entry: Entry) -> str:
    lines = [entry.meaning]
    lines += [f"- *Implies*: {entry.implies}"] if entry.implies else []
    lines += [f"- *Limits*: {entry.does_not}"] if entry.does_not else []
    return lines[0] + "\n" + ("\n" + "\n".join(lines[1:]) + "\n" if lines[1:] else "")


def _values(key: Key) -> str:
    if key.kind == "table":
        return f"a table, [`[{HEADS[key.of][0]}]`](#{_anchor(HEADS[key.of][0])})"
    if key.kind == "tables":
        return f"tables, each [`[{HEADS[key.of][0]}]`](#{_anchor(HEADS[key.of][0])})"
    if key.choices:
        return ", ".join(f'`"{choice}"`' for choice in key.choices)
    return _article(KINDS[key.kind].words) + _range(key)


def _article(words: str) -> str:
    return re.sub(r", as (.+) is$", r", as `\1`", words)


def _range(key: Key) -> str:
    unit = " s" if key.kind == "duration" else ""
    if key.kind not in ("count", "number", "numbers", "duration"):
        return ""
    most = "" if key.most is None else f" to {key.most:,.15g}{unit}"
    return f", {key.least:g}{unit}{most}" if key.least is not None else ""


def _default(key: Key) -> str:
    if key.required:
        return "none, it is required"
    if key.default is None:
        return key.unset
    return f"`{toml(key.default)}`" if key.kind not in ("table", "tables") else "what its own keys say"


def _example(table: str, entry: Entry) -> str:
    return f"```toml\n{example_document(table, entry)}```\n"


def example_document(table: str, entry: Entry) -> str:
    """The entry's example as a whole file that is valid."""
    own = entry.example.partition("\n[")[0]
    written = set(re.findall(r"^(\w+) = ", own, re.MULTILINE))
    if written & set(PROBE_KINDS) and table != "services.*":
        written.add("http")  # a probe asks in one way
    head = HEADS[table][1].splitlines()
    last = max(index for index, line in enumerate(head) if line.startswith("["))
    kept = [line for line in head[last + 1 :] if line.partition(" = ")[0] not in written]
    return "\n".join([*head[: last + 1], *kept, *entry.example.splitlines()]) + "\n"


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of autosys.toml; an unknown key does not pass."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "autosys.toml",
        "description": "What a workspace runs, watches and keeps.",
        **_table_schema(""),
    }


def _table_schema(table: str) -> dict[str, object]:
    keys = TABLES[table]
    required = [key.name for key in keys if key.required]
    schema: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _key_schema(table, key) for key in keys},
    }
    if required:
        schema["required"] = required
    asks = [key.name for key in keys if key.name in PROBE_KINDS and table != "services.*"]
    if asks:
        schema["oneOf"] = [{"required": [name]} for name in asks]
    return schema


def _key_schema(table: str, key: Key) -> dict[str, object]:
    about = {"description": ENTRIES[table][key.name].meaning}
    if key.kind == "table":
        return about | _table_schema(key.of)
    if key.kind == "tables":
        return about | {"type": "object", "additionalProperties": _table_schema(key.of)}
    schema = about | dict(KINDS[key.kind].schema)
    if key.choices:
        schema["enum"] = list(key.choices)
    if key.default is not None:
        schema["default"] = list(key.default) if isinstance(key.default, tuple) else key.default
    return schema | _limits(key)


def _limits(key: Key) -> dict[str, object]:
    limits = {"minimum": key.least, "maximum": key.most}
    said = {name: value for name, value in limits.items() if value is not None}
    if key.kind in ("count", "number"):
        return dict(said)
    if key.kind == "numbers":
        return {"items": {"type": "number", **said}}
    if key.least and key.kind in ("text", "texts", "globs"):
        return {"minLength" if key.kind == "text" else "minItems": int(key.least)}
    return {}


def files() -> dict[str, str]:
    """The generated files of docs/, by name."""
    import json

    schema = json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"
    return {"config.md": reference_markdown(), "autosys.schema.json": schema}


def main(arguments: list[str]) -> int:
    """`--write` writes docs/ of this checkout."""
    from pathlib import Path

    from autosys_tasks.core.files import write_atomic

    if arguments != ["--write"]:
        return 2
    docs = Path(__file__).resolve().parents[2] / "docs"
    for name, text in files().items():
        write_atomic(docs / name, text)
    return 0


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
