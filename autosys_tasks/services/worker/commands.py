"""The allow-list: named argv templates, written down by a person. Runs nothing; a task brings no argv."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.core.errors import ConfigError, Problem, UsageError
from autosys_tasks.core.files import read_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
HOLE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
FIELDS = {"argv", "arguments", "cwd", "timeout_s"}


class Command(NamedTuple):
    """One allowed command: `{who}` in argv becomes the argument `who`, if that matches its pattern."""

    name: str
    argv: tuple[str, ...]
    arguments: Mapping[str, str] = {}
    cwd: str = "."
    timeout_s: float | None = None


class Unfit(Exception):
    """The task cannot be done as it is, now or later."""


def load(path: Path | None, allowed: Iterable[str]) -> dict[str, Command]:
    """The commands of a TOML or JSON file and of `NAME=ARGV` options; ConfigError, UsageError."""
    commands = _from_file(path) if path else {}
    for option in allowed:
        command = parse_option(option)
        commands[command.name] = command
    return commands


def parse_option(option: str) -> Command:
    """`NAME=program arg arg`, or `NAME=["program", "an arg"]` where an argument holds a space."""
    name, _, said = option.partition("=")
    try:
        argv = json.loads(said) if said.lstrip().startswith("[") else said.split()
    except ValueError as error:
        raise UsageError(f"`{option}` has no JSON list after `=`: {error}", where="--allow") from error
    problems: list[Problem] = []
    command = _command(name, {"argv": argv}, problems)
    if problems:
        hint = 'write --allow NAME="program arg"'
        raise UsageError(f"`{option}` {problems[0].message}", where="--allow", hint=hint)
    return command


def _from_file(path: Path) -> dict[str, Command]:
    text = read_text(path)
    if text is None:
        raise ConfigError(f"no file `{path}`", where=str(path), hint="write it, or leave --commands away")
    try:
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"`{path}` does not parse: {error}", where=str(path)) from error
    return parse_commands(raw, str(path))


def parse_commands(raw: object, where: str) -> dict[str, Command]:
    """`{"commands": {NAME: {argv, arguments, cwd, timeout_s}}}` ; ConfigError with every problem."""
    listed = raw.get("commands") if isinstance(raw, dict) and set(raw) == {"commands"} else None
    if not isinstance(listed, dict):
        hint = '[commands.NAME] with argv = ["program", "argument"]'
        raise ConfigError(f"`{where}` must hold the table `commands` alone", where=where, hint=hint)
    problems: list[Problem] = []
    commands = {name: _command(name, fields, problems) for name, fields in listed.items()}
    if problems:
        said = "; ".join(f"`{problem.where}` {problem.message}" for problem in problems)
        raise ConfigError(f"`{where}`: {said}", where=where, problems=problems)
    return commands


def _command(name: str, fields: object, problems: list[Problem]) -> Command:
    def wrong(message: str) -> None:
        problems.append(Problem(f"commands.{name}", message))

    if not NAME.fullmatch(name):
        wrong("is no name (letters, digits, `.`, `-`, `_`, `:`)")
    if not isinstance(fields, dict) or not set(fields) <= FIELDS:
        wrong(f"knows only {', '.join(sorted(FIELDS))}")
        return Command(name, ())
    argv, arguments, timeout_s = fields.get("argv"), fields.get("arguments", {}), fields.get("timeout_s")
    if not (_texts(argv) and argv):
        wrong('needs argv, as in ["program", "argument"]')
        return Command(name, ())
    if not isinstance(arguments, dict) or not _texts(list(arguments.values())):
        wrong("needs arguments as a table of patterns")
        arguments = {}
    if timeout_s is not None and not (type(timeout_s) in (int, float) and timeout_s > 0):
        wrong("needs timeout_s as a number of seconds")
        timeout_s = None
    if not isinstance(cwd := fields.get("cwd", "."), str):
        wrong("needs cwd as a path")
    for message in _template_problems(argv, arguments):
        wrong(message)
    return Command(name, tuple(argv), arguments, str(cwd), timeout_s)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and "\0" not in item for item in value)


def _template_problems(argv: list[str], arguments: Mapping[str, str]) -> Iterable[str]:
    used = {hole for word in argv for hole in HOLE.findall(word)}
    for name, pattern in arguments.items():
        if name not in used:
            yield f"declares the argument `{name}`, which argv does not use"
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"has a bad pattern for `{name}`: {error}"
    if HOLE.search(argv[0]) and set(HOLE.findall(argv[0])) & set(arguments):
        yield "lets the task choose the program"
    if arguments and argv[0].lower().endswith((".bat", ".cmd")):
        yield "passes arguments to a batch file, which cmd.exe would read as commands"


def fill(command: Command, said: object) -> list[str]:
    """The argv for a task's arguments; Unfit when one is missing, unknown, or does not match its pattern."""
    given = {} if said is None else said
    if not isinstance(given, dict):
        raise Unfit("`arguments` must be an object")
    unlike = sorted(set(given) ^ set(command.arguments))
    if unlike:
        known = ", ".join(command.arguments) or "none"
        raise Unfit(f"argument `{unlike[0][:64]}` is missing or unknown; `{command.name}` takes: {known}")
    values = {name: _value(name, given[name], pattern) for name, pattern in command.arguments.items()}
    return [HOLE.sub(lambda hole: values.get(hole[1], hole[0]), word) for word in command.argv]


def _value(name: str, said: object, pattern: str) -> str:
    if type(said) not in (str, int, float):
        raise Unfit(f"argument `{name}` must be a text or a number")
    text = str(said)
    if "\0" in text or not re.fullmatch(pattern, text):
        raise Unfit(f"argument `{name}` does not match its pattern `{pattern}`")
    return text
