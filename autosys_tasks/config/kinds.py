"""What a value may be: for each kind of key its words, its check and its JSON Schema. Pure.

A check returns the typed value; it raises TypeError for a value of another type, and ValueError with a
message for a person (no value in it unless harmless) for one of the right type that will not do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, NamedTuple

from autosys_tasks.config import addresses, units
from autosys_tasks.config.keys import Key

REFERENCE = "${env:"
DEEPEST = 20
OUTSIDE = r"[/\\]|~[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)"
_OUTSIDE = re.compile(OUTSIDE)
_VARIABLE = re.compile(r"[^\s=\0]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNSAFE_LABEL = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


class Kind(NamedTuple):
    """One kind of value. `words` completes "must be ..."."""

    words: str
    check: Callable[[Any, Key], object]
    schema: Mapping[str, object]


def _typed(value: object, wanted: type | UnionType) -> None:
    if not isinstance(value, wanted):
        raise TypeError


def text(value: Any, key: Key) -> str:
    """Text without NUL, as long as the key asks for; a reference only where it is replaced."""
    _typed(value, str)
    if "\0" in value:
        raise ValueError("contains a NUL character")
    if REFERENCE in value and not key.env:
        raise ValueError("contains `${env:...}`, which is not replaced here")
    if key.least and not value.strip():
        raise ValueError("is empty")
    return str(value)


def line(value: Any, key: Key) -> str:
    """Text in one line."""
    if "\n" in text(value, key):
        raise ValueError("must be one line")
    return str(value)


def label(value: Any, key: Key) -> str:
    """Text that can be a folder's name on every system."""
    if (
        not text(value, key).strip(" .")
        or value != value.strip(" .")
        or _UNSAFE_LABEL.search(value)
        or len(value) > 60
    ):
        raise ValueError(
            'must be a name: 1 to 60 characters, none of / \\ : * ? " < > |, no dot or space at an end'
        )
    return str(value)


def choice(value: Any, key: Key) -> str:
    """One of the key's choices."""
    _typed(value, str)
    if value not in key.choices:
        raise ValueError(f"must be one of {', '.join(key.choices)}")
    return str(value)


def flag(value: Any, key: Key) -> bool:
    """true or false."""
    _typed(value, bool)
    return bool(value)


def count(value: Any, key: Key) -> int:
    """A whole number within the key's range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return int(_in_range(value, key, ""))


def number(value: Any, key: Key) -> float:
    """A number within the key's range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(_in_range(value, key, ""))


def numbers(value: Any, key: Key) -> tuple[float, ...]:
    """One number or more, each within the key's range."""
    _typed(value, list | tuple)
    if not value:
        raise ValueError("is empty")
    return tuple(number(item, key) for item in value)


def _in_range(value: float, key: Key, unit: str) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if key.least is not None and value < key.least:
        raise ValueError(f"must be at least {key.least:g}{unit}")
    if key.most is not None and value > key.most:
        raise ValueError(f"must be at most {key.most:.15g}{unit}")
    return value


def texts(value: Any, key: Key) -> tuple[str, ...]:
    """A list of texts, none empty."""
    _typed(value, list | tuple)
    if key.least and not value:
        raise ValueError("is empty")
    each = key._replace(least=1)
    return tuple(text(item, each) for item in value)


def globs(value: Any, key: Key) -> tuple[str, ...]:
    """Globs of things in the workspace."""
    found = texts(value, key)
    for item in found:
        if _OUTSIDE.match(item):
            raise ValueError(f"`{item}` leads out of the workspace, and only what lies in it is kept")
    return found


def argv(value: Any, key: Key) -> tuple[str, ...]:
    """A program and its arguments."""
    _typed(value, list | tuple)
    found = tuple(text(item, key) for item in value)
    if not found or not found[0].strip():
        raise ValueError("is empty")
    return found


def places(value: Any, key: Key) -> tuple[str, ...]:
    """Addresses of folders, buckets and SFTP servers; those with a reference are looked at when it is replaced."""
    found = texts(value, key)
    for item in found:
        if REFERENCE not in item:
            addresses.parse(item)
    return found


def duration(value: Any, key: Key) -> float:
    """A duration, in seconds."""
    return _in_range(units.seconds(text(value, key)), key, " s")


def size(value: Any, key: Key) -> int:
    """A size, in bytes."""
    return units.size(text(value, key))


def time(value: Any, key: Key) -> str:
    """A time of day as HH:MM:SS, written as TOML's own local time or as text."""
    if hasattr(value, "tzinfo") and hasattr(value, "hour") and not hasattr(value, "year"):
        return str(value.replace(microsecond=0).isoformat())
    return units.time_of_day(text(value, key))


def budget(value: Any, key: Key) -> tuple[int, float]:
    """Calls and the seconds in which they may happen."""
    return units.budget(text(value, key))


def status(value: Any, key: Key) -> tuple[int, ...]:
    """One HTTP status or several."""
    found = value if isinstance(value, list) else [value]
    if any(isinstance(item, bool) or not isinstance(item, int) for item in found):
        raise TypeError
    if not found or not all(100 <= item <= 599 for item in found):
        raise ValueError("must be from 100 to 599")
    return tuple(found)


def variables(value: Any, key: Key) -> dict[str, str]:
    """Environment variables: names that a system takes, values that are text."""
    return _text_table(value, key, _VARIABLE, "is not a variable's name")


def headers(value: Any, key: Key) -> dict[str, str]:
    """HTTP headers: names of the standard's characters, values that are text."""
    return _text_table(value, key, _HEADER, "is not a header's name")


def _text_table(value: Any, key: Key, name: re.Pattern[str], wrong: str) -> dict[str, str]:
    _typed(value, dict)
    for each, content in value.items():
        if not name.fullmatch(each):
            raise ValueError(f"`{each}` {wrong}")
        if not isinstance(content, str):
            raise ValueError(f"`{each}` must be text: put it in quotes")
        text(content, key)
    return dict(value)


def ages(value: Any, key: Key) -> dict[str, float]:
    """Paths and the greatest age of each, in seconds."""
    _typed(value, dict)
    return {path: _age(path, written) for path, written in value.items()}


def _age(path: str, written: object) -> float:
    if not path.strip() or "\0" in path:
        raise ValueError("has an empty path")
    if not isinstance(written, str):
        raise ValueError(f'`{path}` must be a duration in quotes, as "24h" is')
    try:
        return units.seconds(written)
    except ValueError as error:
        raise ValueError(f"`{path}`: `{written}` {error}") from error


def values(value: Any, key: Key) -> dict[str, object]:
    """A table of anything that JSON can hold."""
    _typed(value, dict)
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        if not all(item is None or isinstance(item, (str, bool, int, float, dict, list)) for item in level):
            raise ValueError("contains a date or a time, which JSON has not")
        level = [item for item in level if isinstance(item, (dict, list))]
        if not level:
            return dict(value)
    raise ValueError("nests too deeply")


TEXT: Mapping[str, object] = {"type": "string"}
LIST = {"type": "array", "items": TEXT}
STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
STATUSES = {"oneOf": [STATUS, {"type": "array", "items": STATUS, "minItems": 1}]}
TEXT_TABLE = {"type": "object", "additionalProperties": TEXT}
NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 1}


def _form(pattern: str) -> Mapping[str, object]:
    return {"type": "string", "pattern": f"^{pattern}$"}


DURATION = _form(r"[0-9]+(\.[0-9]+)? ?(ms|s|min|h|d)")
SIZE = _form(r"[0-9]+(\.[0-9]+)? ?([kKmMgGtT][iI]?)?[bB]")
TIME = _form(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
BUDGET = _form(r"[0-9]+ ?/ ?.+")
_INSIDE = r'/\\:*?"<>|\x00-\x1f\x7f'
LABEL = {**_form(rf"[^ .{_INSIDE}]([^{_INSIDE}]*[^ .{_INSIDE}])?"), "maxLength": 60}
GLOBS = {"type": "array", "items": _form(rf"(?!{OUTSIDE}).+")}
PLACES = {"type": "array", "items": _form(r"((file|s3|sftp)://|\$\{env:).+")}

KINDS: Mapping[str, Kind] = {
    "text": Kind("text in quotes", text, TEXT),
    "line": Kind("one line of text in quotes", line, _form(r"[^\n]*")),
    "label": Kind("a name in quotes", label, LABEL),
    "choice": Kind("one of the known words, in quotes", choice, TEXT),
    "flag": Kind("true or false", flag, {"type": "boolean"}),
    "count": Kind("a whole number", count, {"type": "integer"}),
    "number": Kind("a number", number, {"type": "number"}),
    "numbers": Kind("a list of numbers", numbers, NUMBERS),
    "texts": Kind('a list of texts, as ["a", "b"] is', texts, LIST),
    "globs": Kind('a list of globs, as ["outputs/**/*.jsonl"] is', globs, GLOBS),
    "argv": Kind(
        'a list of a program and its arguments, as ["python", "-m", "app"] is', argv, {**LIST, "minItems": 1}
    ),
    "places": Kind('a list of addresses, as ["s3://bucket/prefix"] is', places, PLACES),
    "duration": Kind('a duration in quotes, as "5min" is', duration, DURATION),
    "size": Kind('a size in quotes, as "10 MB" is', size, SIZE),
    "time": Kind("a time of day, as 03:30:00 is", time, TIME),
    "budget": Kind('calls per duration in quotes, as "1/10min" is', budget, BUDGET),
    "status": Kind("a whole number from 100 to 599, or a list of them", status, STATUSES),
    "variables": Kind('a table of texts, as { PORT = "8200" } is', variables, TEXT_TABLE),
    "headers": Kind('a table of texts, as { Accept = "text/plain" } is', headers, TEXT_TABLE),
    "ages": Kind(
        'a table of paths and durations, as { "outputs/report.json" = "24h" } is',
        ages,
        {"type": "object", "additionalProperties": DURATION},
    ),
    "values": Kind("a table", values, {"type": "object"}),
}
