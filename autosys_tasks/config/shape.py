"""The document against the table of keys: unknown keys, types, ranges, names; fills in defaults. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from functools import cache
from typing import Any, NamedTuple

from autosys_tasks.config.addresses import masked
from autosys_tasks.config.keys import ELSEWHERE, TABLES, Key, named
from autosys_tasks.config.kinds import KINDS
from autosys_tasks.config.toml_text import quoted
from autosys_tasks.core.errors import nearest

Keys = tuple[str | int, ...]
Table = dict[str, Any]

_BARE = re.compile(r"[\w-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
SAID_ALOUD = ("budget", "choice", "count", "duration", "number", "size", "status", "time")
SEEN = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class Fault(NamedTuple):
    """One thing wrong at one place of the document; load.py adds the line."""

    at: Keys
    message: str
    hint: str = ""


def dotted(path: Keys) -> str:
    """A path as a person reads it: `services.api.command[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part if _BARE.fullmatch(part) else quoted(part)}"
    return text.removeprefix(".")


def shaped(raw: Mapping[str, Any], table: str, at: Keys, faults: list[Fault]) -> Table:
    """The values of one table, typed, with defaults for the absent and the wrong; fills `faults`."""
    keys = named(table)
    found = dict(defaults(table))
    for name, value in raw.items():
        key = keys.get(name)
        if key is None:
            faults.append(_unknown(name, table, (*at, name)))
        elif key.kind == "table":
            found[name] = _one(value, key, (*at, name), faults)
        elif key.kind == "tables":
            found[name] = _many(value, key, (*at, name), faults)
        else:
            found[name] = _checked(value, key, (*at, name), found[name], faults)
    faults.extend(
        Fault((*at, key.name), "is missing") for key in TABLES[table] if key.required and key.name not in raw
    )
    return found


@cache
def defaults(table: str) -> Table:
    """What holds in a table where nothing is written, typed; read-only."""
    return {key.name: _default(key) for key in TABLES[table]}


def _default(key: Key) -> object:
    if key.kind == "table":
        return None if key.default is None else defaults(key.of)
    if key.default is None or key.kind == "tables":
        return key.default
    return KINDS[key.kind].check(key.default, key._replace(least=None))


def _one(value: object, key: Key, at: Keys, faults: list[Fault]) -> Table | None:
    if isinstance(value, dict):
        return shaped(value, key.of, at, faults)
    faults.append(Fault(at, f"must be a table, not {seen(value)}", f"write it below a line [{dotted(at)}]"))
    return None if key.default is None else defaults(key.of)


def _many(value: object, key: Key, at: Keys, faults: list[Fault]) -> dict[str, Table]:
    if not isinstance(value, dict):
        faults.append(
            Fault(at, f"must be tables, not {seen(value)}", f"write each below a line [{dotted(at)}.NAME]")
        )
        return {}
    found = {}
    for name, inner in value.items():
        wrong = name_fault(name)
        if wrong:
            faults.append(Fault((*at, name), f"`{name}` cannot be a name: {wrong}", "rename it"))
        if isinstance(inner, dict):
            found[name] = shaped(inner, key.of, (*at, name), faults)
        else:
            hint = f"write it below a line [{dotted((*at, 'NAME'))}]"
            faults.append(Fault((*at, name), f"must be a table, not {seen(inner)}", hint))
    faults.extend(_one_name_twice(value, at))
    return found


def _checked(value: object, key: Key, at: Keys, default: object, faults: list[Fault]) -> object:
    kind = KINDS[key.kind]
    try:
        return kind.check(value, key)
    except TypeError:
        shown = f"{value}" if isinstance(value, float) and key.kind == "count" else seen(value)
        faults.append(Fault(at, f"must be {kind.words}{_range(key)}, not {shown}", _rewritten(value, key)))
    except ValueError as error:
        faults.append(Fault(at, _with_value(str(error), value, key), _nearest_choice(value, key)))
    return default


def _range(key: Key) -> str:
    ranged = key.kind in ("count", "number") and key.least is not None and key.most is not None
    return f" from {key.least:g} to {key.most:.15g}" if ranged else ""


def _with_value(message: str, value: object, key: Key) -> str:
    """What is wrong with a value, and which it is, where no secret can stand."""
    if key.kind not in SAID_ALOUD or not isinstance(value, str | int | float):
        return message
    shown = f"`{value}`" if isinstance(value, str) else f"{value}"
    return f"{shown} {message}" if message.startswith("is not") else f"{message}, and is {shown}"


def seen(value: object) -> str:
    """What a value is, in a person's words; never the value itself: it may be a secret."""
    if isinstance(value, list) and value and not all(type(item) is type(value[0]) for item in value):
        return "a list of different things"
    if isinstance(value, list) and value:
        return f"a list that holds {seen(value[0])}"
    return SEEN.get(type(value), "a date or a time" if isinstance(value, (date, time)) else "that")


def _rewritten(value: object, key: Key) -> str:
    """How to write what was probably meant; never for a key whose value may be secret."""
    if isinstance(value, str) and key.kind in ("texts", "globs", "argv", "places"):
        words = value.split() if key.kind == "argv" else [masked(value)]
        return f"write {key.name} = [{', '.join(quoted(word) for word in words)}]"
    if isinstance(value, int) and not isinstance(value, bool):
        example = {
            "duration": f'"{value}s"',
            "size": f'"{value} B"',
            "text": f'"{value}"',
            "numbers": f"[{value}]",
        }
        return f"write {key.name} = {example[key.kind]}" if key.kind in example else ""
    if isinstance(value, str) and key.kind in ("number", "count", "flag"):
        return "write it without quotes"
    return ""


def _nearest_choice(value: object, key: Key) -> str:
    near = nearest(value, key.choices) if isinstance(value, str) else ""
    return f'did you mean "{near}"?' if near else ""


def _unknown(name: str, table: str, at: Keys) -> Fault:
    known = list(named(table))
    near = nearest(name, known)
    elsewhere = ELSEWHERE.get((table, name))
    if elsewhere:
        return Fault(at, f"`{name}` does not belong here", elsewhere)
    meant = f"did you mean `{near}`? " if near else ""
    return Fault(at, f"unknown key `{name}`", f"{meant}known here: {', '.join(known)}")


def name_fault(name: str) -> str:
    """Why `name` cannot name a service, probe, environment or set on every system; "" when it can."""
    if not _NAME.fullmatch(name) and not _any_script(name):
        return "letters and digits of any script, then also `_`, `-` and `.`"
    if name.endswith("."):
        return "it ends in a dot"
    if len(name) > 60:
        return "it is longer than 60 characters"
    if _DEVICE.fullmatch(name):
        return "Windows keeps it for a device"
    return ""


def _any_script(name: str) -> bool:
    from unicodedata import category

    def fits(letter: str) -> bool:
        return letter.isalnum() or letter in "_-." or category(letter).startswith("M")

    return name[:1].isalnum() and all(fits(letter) for letter in name)


def _one_name_twice(names: Iterable[str], at: Keys) -> list[Fault]:
    """Windows and macOS take names that differ in case alone for one file."""
    first: dict[str, str] = {}
    faults = []
    for name in names:
        other = first.setdefault(_folded(name), name)
        if other != name:
            faults.append(
                Fault((*at, name), f"`{other}` and `{name}` are one name on Windows and macOS", "rename one")
            )
    return faults


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    return normalize("NFC", name).casefold()
