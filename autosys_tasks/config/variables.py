"""Env files and `${env:X}`: where values come from, and which nobody may see. Shows no value, ever."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.config.kinds import REFERENCE
from autosys_tasks.config.model import Told
from autosys_tasks.config.shape import Fault, Keys

SECRET_FROM = 4  # shorter values would hide half of every text
_REFERENCE = re.compile(r"\$\{env:(?:([^\s{}:=]+)(?::-([^}]*))?\})?")
_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|$))*")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_ESCAPE = re.compile(r"\\([nrt\\\"'$])")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class Scope(NamedTuple):
    """Where paths and `${env:X}` are looked up: `own` stands in the file, `others` are nobody's to see."""

    folder: str
    others: tuple[Mapping[str, str], ...]
    faults: list[Fault]
    files: dict[str, dict[str, str]]  # env files by path: each is read once
    told: dict[Keys, Told]  # what may be shown of each text that was filled
    own: Mapping[str, str] = {}
    found: tuple[list[str], ...] = ()  # where every value that came out of `others` is noted


def absolute(path: str, scope: Scope) -> str:
    """A path as written, seen from the workspace folder."""
    return os.path.normpath(os.path.join(scope.folder, path))


def filled(text: str, scope: Scope, at: Keys) -> str | None:
    """`text` with `${env:X}` and `${env:X:-default}` replaced; None, and a fault, when that cannot be."""
    if REFERENCE not in text:
        return text
    before = len(scope.faults)
    result = _REFERENCE.sub(lambda match: _value(match, scope, at), text)
    if len(scope.faults) > before:
        return None
    scope.told[at] = _told(text, scope, at)
    return result


def _told(text: str, scope: Scope, at: Keys) -> Told:
    """The same with what the file itself says in place of references; those that lead out of it stay."""
    origins: dict[str, None] = {}

    def seen(match: re.Match[str]) -> str:
        name, default, place = match[1], match[2], _place(match[1], scope)
        if default is not None and not (place and place[name]):
            origins[f"{name}: its default"] = None
            return str(default)
        if place is scope.own:
            origins[f"{name}: env"] = None
            told = scope.told.get((*at[:2], "env", name))
            return told.text if told else scope.own[name]
        where = "the environment" if place is scope.others[-1] else "env_file"
        origins[f"{name}: {where}, not shown"] = None
        return match[0]

    return Told(_REFERENCE.sub(seen, text), tuple(origins))


def _place(name: str, scope: Scope) -> Mapping[str, str] | None:
    return next((each for each in (scope.own, *scope.others) if name in each), None)


def _value(match: re.Match[str], scope: Scope, at: Keys) -> str:
    name, default = match[1], match[2]
    if name is None:
        hint = "write ${env:NAME} or ${env:NAME:-default}"
        scope.faults.append(Fault(at, "`${env:` lacks a name or its closing brace", hint))
        return ""
    place = _place(name, scope)
    value = None if place is None else place[name]
    if not value and default is not None:
        return default
    if value is None:
        hint = f"set {name} in an `env_file` or before the command, or write ${{env:{name}:-default}}"
        scope.faults.append(Fault(at, f"`${{env:{name}}}` is not defined", hint))
        return ""
    if place is not scope.own:
        for notes in scope.found:
            notes.append(value)
    return value


def secret(values: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those values that are long enough to be hidden, each once, the longest first."""
    return tuple(
        sorted(
            {value for value in values if len(value) >= SECRET_FROM}, key=lambda value: (-len(value), value)
        )
    )


def env_values(paths: tuple[str, ...], at: Keys, scope: Scope) -> dict[str, str]:
    """The variables of all env files, those of a later one before those of an earlier one."""
    merged: dict[str, str] = {}
    for index, written in enumerate(paths):
        path = filled(written, scope, (*at, index))
        if path is not None:
            merged.update(_env_file(absolute(path, scope), written, (*at, index), scope))
    return merged


def _env_file(path: str, shown: str, at: Keys, scope: Scope) -> dict[str, str]:
    """One env file; what is wrong with it becomes a fault with its line and without its text."""
    if path in scope.files:
        return scope.files[path]
    text, why = _env_text(path)
    values, wrong = parse_env(text)
    scope.files[path] = values
    if why:
        scope.faults.append(Fault(at, f"`{shown}` {why}", "mend it, or take it out of `env_file`"))
    hint = "each line is KEY=VALUE, a comment or empty"
    scope.faults.extend(Fault(at, f"line {line} of `{shown}` {why}", hint) for line, why in wrong)
    return values


def _env_text(path: str) -> tuple[str, str]:
    """The text of a file, and why there is none."""
    if not os.path.isfile(path):
        return "", "is not a file" if os.path.exists(path) else "does not exist"
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig"), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", "is not UTF-8"


def parse_env(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """KEY=VALUE lines (`export`, quotes over lines, comments) as a table, and (line, why) of wrong ones."""
    text = text.replace("\r\n", "\n")
    found: dict[str, str] = {}
    wrong: list[tuple[int, str]] = []
    end = 0
    while (start := _end(_BLANK, text, end)) < len(text):
        name = _NAME.match(text, start)
        value, end, why = (
            _env_value(text, name.end()) if name else ("", _next_line(text, start), "is not KEY=VALUE")
        )
        why = why or ("holds a NUL character" if "\0" in text[start:end] else "")
        if why:
            wrong.append((text.count("\n", 0, start) + 1, why))
        elif name:
            found[name[1]] = value
    return found, wrong


def _env_value(text: str, at: int) -> tuple[str, int, str]:
    """The value after `=`, where the next line begins, and what is wrong."""
    end = _next_line(text, at)
    bare = text[at:end].strip()
    if bare[:1] not in ("'", '"'):
        return _COMMENT.split(bare, maxsplit=1)[0].strip(), end, ""
    quote, at = bare[0], text.index(bare[0], at)
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, at)
    if not quoted:
        return "", _next_line(text, at), "opens a quote that nothing closes"
    rest = _REST.match(text, quoted.end())
    if not rest:
        return "", _next_line(text, quoted.end()), "has text after the closing quote"
    value = (
        quoted[1] if quote == "'" else _ESCAPE.sub(lambda match: ESCAPES.get(match[1], match[1]), quoted[1])
    )
    return value, rest.end(), ""


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _next_line(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)
