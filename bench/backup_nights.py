"""Measures nights: the first backup of a tree, one when nothing changed, and one when a hundredth of it did."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import corpora
from backup_tools import AUTOSYS, Cost, Tool, environment, run, warm

NIGHTS = ("first", "unchanged", "changed")
WORKSPACE = '[backup.sets.all]\ninclude = ["tree/**"]\n[backup.git]\nenabled = false\n'


def nights(tree: Path, scratch: Path, peers: Mapping[str, Tool], said: str) -> dict[str, dict[str, tuple[Cost, int]]]:
    """What each night took every tool that makes more than one archive, and how many bytes it added; in turns.

    Ours is the whole command, with its search for files; `tree` lies in the folder that is its workspace.
    """
    desk, stores = tree.parent, scratch / "stores"
    for folder in (stores, desk / "backups", scratch / "state"):
        shutil.rmtree(folder, ignore_errors=True)
    (desk / "autosys.toml").write_text(WORKSPACE, encoding="utf-8", newline="\n")
    env = {**environment(scratch), "AUTOSYS_STATE": str(scratch / "state")}
    again = {tool: how for tool, how in peers.items() if how.again}
    for tool, how in again.items():
        (stores / tool).mkdir(parents=True)
        if how.prepare:
            run(how.prepare(stores / tool), env)
    found: dict[str, dict[str, tuple[Cost, int]]] = {}
    for night in NIGHTS:
        if night == "changed":
            corpora.change(tree)
        for tool in (AUTOSYS, *again):
            print(f"{said}: {tool}, {night}", file=sys.stderr)
            store = stores / tool if tool in again else desk / "backups"
            before = stored(store)
            command = again[tool].again if tool in again else None
            argv = command(tree, store) if command else [str(Path(sys.executable).with_name("autosys")), "backup"]
            warm(tree)
            cost = run(argv, env, cwd=tree)
            found.setdefault(tool, {})[night] = cost, stored(store) - before
    return found


def stored(store: Path) -> int:
    """All bytes in a store."""
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
