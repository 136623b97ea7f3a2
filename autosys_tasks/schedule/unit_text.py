"""What a systemd unit says it runs, and where, whoever wrote it. Pure; systemd.unit(5), systemd.service(5)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

RUNS = ("ExecStartPre", "ExecStart", "ExecStartPost")
MARKS = "-@:+!|"  # before a program: how it is run
OURS = re.compile(r"autosys-(.+-[0-9a-f]{8})-(\w+)\.(?:timer|service)")


def settings(texts: Iterable[str]) -> dict[str, list[str]]:
    """Every setting of a unit's file and what is dropped in beside it; an empty one takes back what was before."""
    found: dict[str, list[str]] = {}
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            key, is_setting, value = line.strip().partition("=")
            if is_setting and not key.startswith(("#", ";")):
                found[key.strip()] = [*found.get(key.strip(), []), value.strip()] if value.strip() else []
    return found


def lines(found: dict[str, list[str]], known: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    """The command lines of a unit's settings as words."""
    texts = [text for key in RUNS for text in found.get(key, [])]
    return tuple(tuple(specified(word, known) for word in _words(text.lstrip(MARKS))) for text in texts)


def folder(found: dict[str, list[str]], known: dict[str, str]) -> str:
    """The working folder of a unit; empty when it names none."""
    said = (found.get("WorkingDirectory") or [""])[-1].lstrip("-")
    return specified(said, known)


def started_by(name: str, found: dict[str, list[str]]) -> str:
    """The unit that a timer, a path or a socket starts; a service is its own."""
    stem, _, kind = name.rpartition(".")
    said = found.get("Service" if kind == "socket" else "Unit") or [f"{stem}.service"]
    return said[-1] if kind in ("timer", "path", "socket") else name


def template(name: str) -> str:
    """The file that a unit with an instance is made from: `a@.service` of `a@b.service`."""
    stem, at, rest = name.partition("@")
    return f"{stem}@.{rest.rpartition('.')[2]}" if at else name


def specifiers(name: str, home: str, user: str) -> dict[str, str]:
    """What stands for what in a unit of this name."""
    instance = name.partition("@")[2].rpartition(".")[0]
    path = instance.replace("-", "/").replace("\\x2d", "-").replace("\\x20", " ")
    return {"%": "%", "h": home, "u": user, "i": instance, "I": path, "f": f"/{path.lstrip('/')}"}


def specified(text: str, known: dict[str, str]) -> str:
    """A setting with its specifiers filled in: `%h` is the home folder, `%%` a percent sign."""
    return re.sub("%(.)", lambda found: known.get(found[1], found[0]), text)


def _words(text: str) -> tuple[str, ...]:
    try:
        found = shlex.split(text.replace("\\x20", "\\ "))
    except ValueError:  # systemd does not run it either
        return ()
    return tuple(word.replace("$$", "$") for word in found)


def ours(name: str) -> tuple[str, str]:
    """(workspace id, entry) of a unit that autosys made; ("", "") of any other."""
    found = OURS.fullmatch(name)
    return (found[1], found[2]) if found else ("", "")
