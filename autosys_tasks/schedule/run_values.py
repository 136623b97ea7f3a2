"""Every Run and RunOnce value that Windows starts for this user at logon, whoever wrote it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from autosys_tasks.core.clock import counted
from autosys_tasks.core.files import decode, read_bytes
from autosys_tasks.schedule import resident_files, run_key, start_text
from autosys_tasks.schedule.command_text import words
from autosys_tasks.schedule.start_text import APPROVED, RUN
from autosys_tasks.schedule.values import Listing, Site, Starter

ROOTS = {"HKCU": "HKEY_CURRENT_USER", "HKLM": "HKEY_LOCAL_MACHINE"}
OURS = re.compile(r"autosys-(.+-[0-9a-f]{8})")
GOES = re.compile(r"^os\.chdir\((.+)\)\s*$", re.MULTILINE)  # what our own starter does first


class Key(NamedTuple):
    """One key: its root, its path, where Task Manager keeps the switches of its values."""

    root: str
    path: str
    switches: str = ""

    def open(self, path: str = "") -> Any:
        """The key, or another one of the same root, to be read as 64-bit programs see it."""
        winreg = run_key.registry()
        root = getattr(winreg, ROOTS[self.root])
        return winreg.OpenKey(root, path or self.path, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY)


class Value(NamedTuple):
    """One value of the registry that holds a text; `expands`: `%NAME%` in it is a variable."""

    name: str
    text: str
    expands: bool


OWN = Key("HKCU", RUN, "Run")
KEYS = (
    OWN,
    Key("HKCU", f"{RUN}Once"),
    Key("HKLM", RUN, "Run"),
    Key("HKLM", RUN.replace("Software", "Software\\WOW6432Node", 1), "Run32"),
    Key("HKLM", f"{RUN}Once"),
)


def listings(site: Site) -> list[Listing]:
    """The values of this user, and those of the machine, which only an administrator may change."""
    found: list[Starter] = []
    troubles = []
    for key in KEYS:
        try:
            found += [starter for value in values(key) for starter in _starters(site, key, value)]
        except OSError as error:
            troubles.append(Listing("", trouble=f"{key.root}\\{key.path} cannot be read: {error.strerror}"))
    return [Listing(counted(len({starter.where for starter in found}), "Run value"), tuple(found)), *troubles]


def values(key: Key) -> Iterator[Value]:
    """The texts of a key; a key that is not there has none."""
    winreg = run_key.registry()
    try:
        with key.open() as opened:
            for number in range(winreg.QueryInfoKey(opened)[1]):
                name, said, kind = winreg.EnumValue(opened, number)
                if kind in (winreg.REG_SZ, winreg.REG_EXPAND_SZ) and said:
                    yield Value(name, said, kind == winreg.REG_EXPAND_SZ)
    except FileNotFoundError:
        return


def is_switched_off(key: Key, name: str) -> bool:
    """Whether a person has switched off what has this name below the key's switches."""
    try:
        with key.open(f"{APPROVED}\\{key.switches}") as opened:
            return run_key.is_off(run_key.registry().QueryValueEx(opened, name)[0])
    except FileNotFoundError:
        return False


def _starters(site: Site, key: Key, value: Value) -> list[Starter]:
    """What a value starts; our own starts the keeper, and so each of its entries."""
    found = _starter(key, value)
    ours = OURS.fullmatch(value.name) if key is OWN else None
    if not ours:
        return [found]
    if ours[1] != site.id:
        return [found._replace(ours=ours[1], folder=_folder(found.commands[0]))]
    names = resident_files.read_names(resident_files.place_of(site), set()) or set()
    return [found._replace(ours=ours[1], entry=name) for name in sorted(names)]


def _starter(key: Key, value: Value) -> Starter:
    file = start_text.reg_text(f"{ROOTS[key.root]}\\{key.path}", value.name, value.text, expands=value.expands)
    by_hand = f'reg delete "{key.root}\\{key.path}" /v "{value.name}" /f' if key.root == "HKLM" else ""
    return Starter(
        "run_values", value.name, f"{key.root}\\{key.path}\\{value.name}", (words(value.text, windows=True),),
        on=not (key.switches and is_switched_off(key, value.name)), by_hand=by_hand,
        kept=((f"{value.name}.reg", b"\xff\xfe" + file.encode("utf-16-le", "surrogatepass")),), back='reg import "{}"',
    )  # fmt: skip


def _folder(line: tuple[str, ...]) -> str:
    """Where our own starter goes, which is what its value runs; empty when that cannot be told."""
    try:
        goes = GOES.search(decode(read_bytes(line[-1]) or b"") if line else "")
        return str(ast.literal_eval(goes[1])) if goes else ""
    except (OSError, ValueError, SyntaxError):
        return ""


def take_away(site: Site, starter: Starter) -> None:
    """Delete one value of this user; our own goes with the last of its entries."""
    if starter.ours == site.id:
        run_key.remove(site, starter.entry)
        return
    path = starter.where.removeprefix("HKCU\\").removesuffix(f"\\{starter.name}")
    run_key.delete(path, starter.name)
    if path == RUN:
        run_key.delete(f"{APPROVED}\\{OWN.switches}", starter.name)
