"""Why a service's program is nowhere, and what a person does about it. Pure."""

from __future__ import annotations

import json

from autosys_tasks.config.model import Service

OF_A_SHELL = (
    ".", "alias", "call", "cd", "copy", "del", "dir", "echo", "eval", "exec", "export", "move", "popd", "pushd", "set",
    "source", "start", "type", "ulimit", "umask",
)  # fmt: skip


def no_program(service: Service) -> str:
    """Why it cannot start: what is written is no program, or it is not here, or its environment is not."""
    word = service.program
    said = f"there is no program `{word}`"
    if _unfilled(word):
        return f"{said}: `{word[0]}` stands for nothing in a command"
    if _is_line(word):
        return f"{said}: arguments are items of their own"
    if word in OF_A_SHELL:
        return f"{said}: that is a shell's own command"
    return said + (f" in its environment `{service.environment}`" if service.environment else "")


def how_to_have_it(service: Service) -> str:
    """What helps, up to the command that starts it."""
    word, key = service.program, f"services.{service.name}.command"
    if _unfilled(word):
        text = f"write the whole path in {key}, or ${{env:NAME}} for a variable"
    elif _is_line(word):
        items = json.dumps([*word.split(), *service.shown[1:]], ensure_ascii=False)
        text = f"write {key} = {items} in autosys.toml"
    elif word in OF_A_SHELL:
        text = f'have a shell run it: {key} = ["sh", "-c", "..."] (Windows: ["cmd", "/c", "..."]); a folder is its cwd'
    elif service.environment:
        text = f"inv upgrade installs environment.{service.environment}, else correct {key} in autosys.toml"
    else:
        text = f"install `{word}`, or correct {key} in autosys.toml"
    return f"{text}; then inv bringup {service.name}"


def _unfilled(word: str) -> bool:
    """Whether only a shell would make a path of it: it begins with `~`, `$` or `%`."""
    return word.startswith(("~", "$", "%"))


def _is_line(word: str) -> bool:
    """Whether it is a program with its arguments, and no path with a space in it."""
    first, space, rest = word.replace("\\", "/").partition(" ")
    return bool(space) and not ("/" in first and "/" in rest)
