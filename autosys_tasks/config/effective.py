"""The configuration as it holds, for `inv config`: values, defaults, and where each came from. Pure.

Values stand as a person writes them (`"5min"`), `${env:X}` as what autosys.toml itself says of it. What it takes from
elsewhere is nobody's to see, and stays `${env:X}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time
from typing import Any

from autosys_tasks.config.addresses import MASK, masked
from autosys_tasks.config.keys import ENVIRONMENT_PATH, MANIFESTS, TABLES, Key
from autosys_tasks.config.model import Config
from autosys_tasks.config.shape import Keys, dotted
from autosys_tasks.config.toml_text import toml

DEFAULT = "default"
ENV_FILE = "env_file"


def document(config: Config) -> tuple[dict[str, object], dict[str, str]]:
    """The effective values, JSON-ready, and of each dotted key `autosys.toml:LINE`, `env_file`, `default`."""
    sources: dict[str, str] = {}
    values = _table(config.written, "", (), config.sources, sources)
    if "name" not in config.written.get("workspace", {}):
        values["workspace"]["name"] = config.name
    for name, environment in config.environments.items():
        kind = environment.kind
        _fill(values["environments"][name], path=ENVIRONMENT_PATH[kind], manifests=list(MANIFESTS[kind]))
    for name, probe in config.probes.items():
        _fill(values["probes"][name], timeout_s=probe.timeout_s)
    for name, service in config.services.items():
        for table, asked in (("readiness", service.readiness), ("liveness", service.liveness)):
            if asked:
                _fill(values["services"][name][table], max_age_s=asked.max_age_s)
        shown = values["services"][name]["env"]
        for variable in service.env:
            if variable not in shown:
                shown[variable] = MASK
                sources[dotted(("services", name, "env", variable))] = ENV_FILE
    _tell(config, values, sources)
    return values, sources


def _tell(config: Config, values: dict[str, Any], sources: dict[str, str]) -> None:
    """Each text with `${env:X}` in it as what may be shown of it, its source with where each X came from."""
    origins: dict[str, dict[str, None]] = {}
    for at, told in config.told.items():
        if at[:2] == ("backup", "copies"):  # masked already
            continue
        table: Any = values
        for key in at[:-1]:
            table = table[key]
        table[at[-1]] = told.text
        source = next(each for end in range(len(at), 0, -1) if (each := dotted(at[:end])) in sources)
        origins.setdefault(source, {}).update(dict.fromkeys(told.origins))
    for source, said in origins.items():
        sources[source] += f" ({'; '.join(said)})"


def _fill(values: dict[str, object], **known: object) -> None:
    """Defaults that follow from other keys, where nothing is written."""
    for key, value in known.items():
        if values[key] is None:
            values[key] = value


def _table(
    written: Mapping[str, Any], table: str, at: Keys, lines: Mapping[str, str], sources: dict[str, str]
) -> dict[str, Any]:
    return {key.name: _value(written, key, (*at, key.name), lines, sources) for key in TABLES[table]}


def _value(
    written: Mapping[str, Any], key: Key, at: Keys, lines: Mapping[str, str], sources: dict[str, str]
) -> object:
    value = written.get(key.name, key.default)
    if key.kind == "table" and value is not None:
        return _table(value, key.of, at, lines, sources)
    if key.kind == "tables":
        return {name: _table(each, key.of, (*at, name), lines, sources) for name, each in value.items()}
    sources[dotted(at)] = _source(at, lines) if key.name in written else DEFAULT
    if isinstance(value, dict):
        sources |= {dotted((*at, name)): _source((*at, name), lines) for name in value}
    return [masked(each) for each in value] if key.kind == "places" else _plain(value)


def _source(at: Keys, lines: Mapping[str, str]) -> str:
    """Where a written key stands; one inside another's value stands where that begins."""
    for end in range(len(at), 0, -1):
        if (found := lines.get(dotted(at[:end]))) is not None:
            return found
    return "autosys.toml"


def _plain(value: object) -> object:
    """A value that JSON can hold; a copy."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date | time) else value


def lines_of(values: Mapping[str, object], sources: Mapping[str, str]) -> list[str]:
    """The same for a person: a line a key, as TOML writes it, with where it came from."""
    rows = [
        (f"{dotted(at)} = {toml(value)}", sources.get(dotted(at), "")) for at, value in _leaves(values, ())
    ]
    width = min(max((len(row) for row, _ in rows), default=0), 60)
    return [f"{row:<{width}}  # {source}" if source else row for row, source in rows]


def _leaves(values: Mapping[str, Any], at: Keys) -> Iterator[tuple[Keys, object]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        elif value not in (None, {}):
            yield (*at, name), value
