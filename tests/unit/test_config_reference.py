"""What is made from the table of keys: the reference, the JSON Schema, the template, the effective values."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any

import pytest
import rig
from test_config_broken import BROKEN
from test_config_load import EXAMPLE

from autosys_tasks.config import model
from autosys_tasks.config.effective import document, lines_of
from autosys_tasks.config.entries import ENTRIES
from autosys_tasks.config.keys import IDLE, PROBE_KINDS, TABLES
from autosys_tasks.config.kinds import KINDS
from autosys_tasks.config.load import load
from autosys_tasks.config.reference import HEADS, example_document, files, json_schema, reference_markdown
from autosys_tasks.config.template import template
from autosys_tasks.core.probe import Probe

pytestmark = pytest.mark.portable

KEYS = [(table, key.name) for table, keys in TABLES.items() for key in keys]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has what the examples speak of."""
    (tmp_path / ".env").write_text("TOKEN=open sesame\n", encoding="utf-8")
    (tmp_path / "app").mkdir()
    return tmp_path


def read(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> model.Config:
    (folder / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
    return load(folder, environ or {})


# The reference


@pytest.mark.parametrize("name", ["config.md", "autosys.schema.json"])
def test_the_generated_page_is_up_to_date(name: str) -> None:
    """When this fails: python -m autosys_tasks.config.reference --write."""
    assert (rig.REPOSITORY / "docs" / name).read_text(encoding="utf-8") == files()[name]


def test_every_key_has_an_entry_and_every_entry_a_key() -> None:
    assert {table: set(entries) for table, entries in ENTRIES.items()} == {
        table: {key.name for key in keys} for table, keys in TABLES.items()
    }


def test_every_key_has_a_kind_a_default_and_words() -> None:
    for table, keys in TABLES.items():
        for key in keys:
            assert key.kind in KINDS or key.of in TABLES, (table, key)
            assert key.required or key.default is not None or key.unset, (table, key)


def test_every_table_of_the_page_is_one_that_is_read() -> None:
    assert set(HEADS) == (set(TABLES) | {"outputs", "notify"}) - {""}


def test_every_key_of_the_interface_is_in_the_reference() -> None:
    """In the section of its own table."""
    page = reference_markdown()
    for table, name in _written(tomllib.loads(EXAMPLE), ""):
        if not table or table == "outputs":
            assert f"## [{name or table}" in page
            continue
        section = page.partition(f"## [{HEADS[table][0]}]\n")[2].partition("\n## ")[0]
        assert f"### `{name}`" in section or f"`{name}`," in section or f"`{name}`." in section, (table, name)


def _written(values: Mapping[str, Any], table: str) -> list[tuple[str, str]]:
    """(table, key) of everything that a document writes."""
    found = []
    for key in TABLES.get(table, ()):
        if key.name in values:
            found.append((table, key.name))
        if key.kind == "table" and key.name in values:
            found += _written(values[key.name], key.of)
        if key.kind == "tables":
            for inner in values.get(key.name, {}).values():
                found += _written(inner, key.of)
    return found


@pytest.mark.parametrize(("table", "name"), KEYS, ids=[f"{table}.{name}" for table, name in KEYS])
def test_every_example_of_the_reference_loads(folder: Path, table: str, name: str) -> None:
    entry = ENTRIES[table][name]
    if not entry.example:
        assert not table or name in ("sets", "git"), (
            "only a key that is a table of its own goes without an example"
        )
        return
    text = example_document(table or name, entry)
    assert (f"{name} = " in text) or not table
    assert text in reference_markdown() or (table in IDLE and entry == ENTRIES["services.*.readiness"][name])
    read(folder, text)


def test_the_defaults_of_the_page_are_those_of_the_model(folder: Path) -> None:
    """One description: what the reader is promised is what the code gets."""
    config = read(
        folder, '[services.a]\ncommand = ["x"]\nreadiness = { tcp = "h:1" }\n[probes.p]\ntcp = "h:1"\n'
    )
    plain = model.Service("a", ("x",), shown=("x",), cwd=str(folder))
    assert config.services["a"]._replace(readiness=None) == plain
    assert config.services["a"].readiness == Probe("tcp", "h:1", name="a", shown="h:1")
    assert config.probes["p"] == Probe("tcp", "h:1", name="p", shown="h:1")
    assert (config.watchdog, config.upgrade) == (model.Watchdog(), model.Upgrade())
    assert config.backup == model.Backup()


def test_writing_without_being_told_to_changes_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autosys_tasks.config.reference"], cwd=rig.REPOSITORY, check=False
    )
    assert done.returncode == 2


# The JSON Schema


def flaws(value: Any, schema: Mapping[str, Any], at: str = "") -> list[str]:
    """What a validator of JSON Schema would say; as much of the standard as ours uses."""
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
    }
    wanted = schema.get("type")
    if wanted and (
        not isinstance(value, kinds[wanted]) or (wanted in ("integer", "number") and value is True)
    ):
        return [f"{at}: not {wanted}"]
    found = [f"{at}: enum"] if "enum" in schema and value not in schema["enum"] else []
    if "oneOf" in schema and sum(not flaws(value, each, at) for each in schema["oneOf"]) != 1:
        found.append(f"{at}: oneOf")
    if isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{at}: lacks {name}" for name in schema.get("required", ()) if name not in value]
        for name, each in value.items():
            rule = known.get(name, other)
            found += [f"{at}.{name}: unknown"] if rule is False else []
            found += flaws(each, rule, f"{at}.{name}") if isinstance(rule, dict) else []
    if isinstance(value, list):
        found += [f"{at}: short"] if len(value) < schema.get("minItems", 0) else []
        found += [flaw for each in value for flaw in flaws(each, schema.get("items", {}), f"{at}[]")]
    if isinstance(value, str):
        fits = re.search(schema.get("pattern", ""), value) and len(value) >= schema.get("minLength", 0)
        found += [] if fits else [f"{at}: pattern"]
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        found += [] if low <= value <= high else [f"{at}: range"]
    return found


def plain(text: str) -> Any:
    """A TOML document as an editor hands it to the schema: times as text."""
    return json.loads(json.dumps(tomllib.loads(text), default=lambda each: each.isoformat()))


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = json_schema()
    assert flaws(plain(EXAMPLE), schema) == []
    assert flaws(plain(template("desk")), schema) == []
    for table, entries in ENTRIES.items():
        for name, entry in entries.items():
            if entry.example:
                assert flaws(plain(example_document(table or name, entry)), schema) == [], (table, name)


def test_the_schema_flags_what_the_reader_refuses() -> None:
    """Mistakes of form, that is; what a schema cannot know (folders, names of others) is the reader's."""
    telling = (
        "unknown key",
        "must be a",
        "must be one of",
        "must be true or",
        "must be at ",
        "does not say how",
        "asks in",
    )
    schema = json_schema()
    seen = 0
    for text, where, message, _ in BROKEN:
        if message.startswith(telling) and "nan" not in text and not message.endswith(("0s`", " are")):
            seen += 1
            assert flaws(plain(text), schema), (where, message)
    assert seen > 25


def test_the_schema_says_which_it_is_and_closes_every_table() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert all(key.name in schema["properties"] for key in TABLES[""])  # type: ignore[operator]


# What `inv init` writes


def test_the_template_is_valid_as_it_is_and_runs_nothing(tmp_path: Path) -> None:
    config = read(tmp_path, template("desk"))
    assert config.name == "desk"
    assert not (
        config.services or config.probes or config.outputs or config.environments or config.backup.sets
    )


def test_the_template_is_valid_with_every_line_uncommented(folder: Path) -> None:
    text = re.sub(r"^#(?=\S)", "", template("desk"), flags=re.MULTILINE)
    config = read(folder, text)
    assert set(config.services) == {"api"}
    assert flaws(plain(text), json_schema()) == []


def test_the_template_shows_every_table() -> None:
    text = template("desk")
    for table, (header, _) in HEADS.items():
        if table != "schedule.master":  # stands in [schedule], as in the interface
            assert re.search(
                rf"^#?\[{header.replace('NAME', '[a-z]+').replace('.', '[.]')}\]$", text, re.MULTILINE
            ), table


def test_every_default_of_the_template_is_the_default(folder: Path) -> None:
    """Uncommenting a line that is no example changes nothing."""
    text = re.sub(
        r"^#(?=\[(?:watchdog|upgrade|backup|backup\.git)\]$)", "", template("desk"), flags=re.MULTILINE
    )
    names = "every|guard|retries|backoff_s|stable|on_pull|scripts|at|keep|copies|enabled"
    lines = re.sub(rf"^#(?=(?:{names}))", "", text,
                   flags=re.MULTILINE)  # fmt: skip
    config = read(folder, lines)
    assert len(tomllib.loads(lines)["watchdog"]) == 5
    assert (config.watchdog, config.upgrade, config.backup) == (
        model.Watchdog(),
        model.Upgrade(),
        model.Backup(),
    )


@pytest.mark.parametrize("name", ["책상 R&D 100%", 'a"b', "a\\b", "a:b", " a", "a" * 80, "03:30:00", ""])
def test_the_template_is_valid_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """P59."""
    read(tmp_path, template(name))


# Effective values


def test_every_effective_value_is_told_with_its_source(folder: Path) -> None:
    config = read(folder, EXAMPLE + '[services.db]\ncommand = ["db"]\n')
    values: Any
    values, sources = document(config)
    json.dumps(values)
    assert values["services"]["api"]["command"][-1] == "8200"
    assert sources["services.api.command"].endswith(" (API_PORT: env)")
    assert values["services"]["api"]["memory_max"] == "500 MB"
    assert values["services"]["db"]["restart"] == "always"
    assert values["services"]["db"]["readiness"] is None
    assert values["probes"]["lumen"]["timeout_s"] == 5
    assert values["backup"]["at"] == "03:30:00"
    assert values["watchdog"]["backoff_s"] == [0, 2, 4, 8]
    lines = EXAMPLE.splitlines()
    line = lines.index('every = "5min"') + 1
    assert sources["watchdog.every"] == f"autosys.toml:{line}"
    assert sources["services.db.restart"] == "default"
    assert sources["backup.keep_last"] == "default"
    assert lines[int(sources["services.api.env.API_PORT"].partition(":")[2]) - 1].startswith("env = ")


def test_effective_values_follow_from_their_table(folder: Path) -> None:
    values: Any
    values, _ = document(
        read(
            folder,
            '[environments.web]\nkind = "node"\n'
            '[services.a]\ncommand = ["x"]\nliveness = { heartbeat = true }\n',
        )
    )
    assert values["workspace"]["name"] == folder.name
    assert values["environments"]["web"]["path"] == "."
    assert values["services"]["a"]["liveness"]["max_age_s"] == 90


def test_no_secret_is_among_the_effective_values(folder: Path) -> None:
    """P55: `inv config` is what people paste into an issue."""
    text = (
        '[services.a]\ncommand = ["x", "${env:TOKEN}", "${env:B}/${env:NONE:-1}", "${env:HOME}"]\n'
        'env_file = [".env"]\nenv = { B = "${env:TOKEN}" }\n'
    )
    values: Any
    values, sources = document(read(folder, text, {"HOME": "/home/sesame"}))
    assert values["services"]["a"]["env"] == {"B": "${env:TOKEN}", "TOKEN": "***"}
    assert values["services"]["a"]["command"][2:] == ["${env:TOKEN}/1", "${env:HOME}"]
    assert sources["services.a.command"].endswith(
        " (TOKEN: env_file, not shown; B: env; NONE: its default; HOME: the environment, not shown)"
    )
    assert sources["services.a.env.TOKEN"] == "env_file"
    assert "sesame" not in repr((values, sources, lines_of(values, sources)))


def test_effective_values_read_back_as_the_same_configuration(folder: Path) -> None:
    config = read(folder, EXAMPLE.replace("${env:API_PORT}", "8200") + '[services.db]\ncommand = ["db"]\n')
    values, sources = document(config)
    written = [line.partition("  #")[0].rstrip() for line in lines_of(values, sources) if "***" not in line]
    kept = [line for line in written if not re.match(r"services\.api\.liveness\.method", line)]
    again = read(folder, "\n".join(kept) + "\n")
    assert again._replace(sources={}, written={}) == config._replace(sources={}, written={})


def test_a_time_is_a_time_again() -> None:
    assert tomllib.loads("x = 03:30:00")["x"] == time(3, 30)
    assert set(PROBE_KINDS) <= {key.name for key in TABLES["services.*.readiness"]}
