"""Generated files read as the system that they are for reads them: what it would start, where, with what set."""

from __future__ import annotations

import json
import plistlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree

import desks

KEYS = {"linux": "linux", "macos": "osx", "windows": "windows"}  # VS Code's names for what is one system's alone
TIMES = r"^(?:@\w+|\S+(?:\s+\S+){4})\s+"  # of a line in a crontab


class Command(NamedTuple):
    """What would be started; words put behind `argv` end up where words typed behind the command would."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]


def unit(text: str) -> Command:
    """A service of systemd: systemd.syntax(7), "Quoting" and "Specifiers"; `$$` is a dollar behind the program."""
    there = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    env = dict(word.split("=", 1) for word in quoted(there.get("Environment", "")))
    program, *rest = quoted(there["ExecStart"])
    assert not any(re.search(r"(?<!\$)\$(?:\$\$)*(?!\$)", word) for word in rest), "a variable"
    return Command((program, *(word.replace("$$", "$") for word in rest)), specified(there["WorkingDirectory"]), env)


def quoted(text: str) -> list[str]:
    """Words in double quotes, with backslashes before what would end them."""
    assert not re.sub(r'"(?:\\.|[^"\\])*"', "", text).strip(), f"not all of it is in quotes: {text}"
    return [specified(re.sub(r"\\(.)", r"\1", word)) for word in re.findall(r'"((?:\\.|[^"\\])*)"', text)]


def specified(text: str) -> str:
    assert not re.search(r"(?<!%)%(?:%%)*(?!%)", text), f"a specifier: {text}"
    return text.replace("%%", "%")


def crontab(text: str) -> Command:
    """A line of a crontab: the first bare `%` ends the command, `\\%` is one; a shell reads the rest."""
    line = re.sub(TIMES, "", text.rstrip("\n"), count=1)
    command = re.split(r"(?<!\\)%", line, maxsplit=1)[0].replace("\\%", "%")
    return Command(("/bin/sh", "-c", command.replace(" >>", ' "$@" >>', 1), "sh"), "/", {})


def agent(text: str) -> Command:
    """A LaunchAgent."""
    there = plistlib.loads(text.encode("utf-8"))
    return Command(tuple(there["ProgramArguments"]), there["WorkingDirectory"], there["EnvironmentVariables"])


def task(text: str) -> Command:
    """A task of the Task Scheduler: a program, a command line behind it, a folder."""
    root = ElementTree.fromstring(text.replace(' encoding="UTF-16"', "", 1))
    words = desks.words(desks.of(root, "Actions/Exec/Arguments"))
    program, folder = (desks.of(root, f"Actions/Exec/{name}") for name in ("Command", "WorkingDirectory"))
    return Command((program, *words), folder, {})


def registry(text: str) -> Command:
    """A Run value as regedit has it: a whole command line, started in the system's own folder."""
    found = re.search(r'^"(?:\\.|[^"\\])*"="((?:\\.|[^"\\])*)"\r?$', text, re.MULTILINE)
    assert found, text
    return Command(tuple(desks.words(re.sub(r"\\(.)", r"\1", found[1]))), "/", {})


READERS: dict[str, Callable[[str], Command] | None] = {
    ".service": unit, ".cron": crontab, ".plist": agent, ".xml": task, ".reg": registry,
    ".timer": None, ".pyw": None,  # which start nothing by themselves
}  # fmt: skip


def editor(text: str, folder: str, platform: str) -> Iterator[tuple[str, Command]]:
    """(label, command) of each task of a tasks.json, as VS Code takes them on that platform: no shell in between."""
    for each in json.loads(bare(text))["tasks"]:
        made = {**each, **each.get(KEYS[platform], {})}
        assert made["type"] == "process"
        words = [said.replace("${workspaceFolder}", folder) for said in (made["command"], *made["args"])]
        assert not any("${" in word for word in words), words
        where = made["options"]["cwd"].replace("${workspaceFolder}", folder)
        yield made["label"], Command(tuple(words), where, made["options"].get("env", {}))


def bare(text: str) -> str:
    """JSON with comments and commas at ends, as JSON."""
    string = r'"(?:\\.|[^"\\])*"'
    text = re.sub(rf"({string})|//[^\n]*|/\*.*?\*/", lambda found: found[1] or "", text, flags=re.DOTALL)
    return re.sub(rf"({string})|,(?=\s*[\]}}])", lambda found: found[1] or "", text)
