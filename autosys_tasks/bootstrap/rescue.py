"""The last good version, or the last word, where today's package cannot even ask which version is to run.

Whatever else is broken may not keep it from speaking: of ours it imports nothing but inside `try`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PACKAGE = os.path.basename(HERE)


def table(error: Exception) -> Any:
    """The table of tasks of the last good version, which tells what broke; ends where there is none."""
    if "AUTOSYS_TRIAL" in os.environ:  # a trial (lastgood.py) is to hear of it
        raise error
    copy = _copy()
    if not copy:
        raise SystemExit(no_way(error, os.path.dirname(HERE))) from error
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, copy)
    try:
        from autosys_tasks.bootstrap import lastgood
    finally:
        sys.path.remove(copy)
    return lastgood.instead(error)


def _copy() -> str:
    """The folder of the last good version, "" where there is none, or who would know it is broken too."""
    try:
        from .place import state_folder
        from .tree import FOLDER, read

        folder = os.path.join(state_folder(), FOLDER)
        good = read(os.path.join(folder, "good.json"))
        copy = os.path.join(folder, str(good["copy"]))
        return copy if good["root"] == os.path.dirname(HERE) and os.path.isdir(os.path.join(copy, PACKAGE)) else ""
    except Exception:  # noqa: BLE001 (then it is said without it)
        return ""


def no_way(error: BaseException, root: str, good: str = "") -> str | int:
    """What to end with where no copy is there to go on with; a document where one was asked for.

    `good`: the commit of the last good version, "" when that is not known.
    """
    file, why, back = _blamed(error, root, good)
    if "--json" not in sys.argv:
        lines = ["broken: this version of autosys does not work", *(f"  {line}" for line in why), f"  -> {back}"]
        return "\n".join(lines)
    said: dict[str, Any] = {"kind": "broken", "message": "; ".join(why), "where": file or None, "hint": back}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    whose = {"name": None, "path": None}
    document = {"schema": "autosys.error/1", "workspace": whose, "at": at, "exit_code": 1}
    sys.stdout.write(f"{json.dumps(document | {'error': said | {'problems': []}})}\n")
    return 1


def _blamed(error: BaseException, root: str, good: str) -> tuple[str, list[str], str]:
    """(file, what broke and who did it, the way back)."""
    what = f"{type(error).__name__}: {error}"
    try:
        from .blame import blame
        from .trial import place_of

        file, line = place_of(error, root)
        found = blame(root, file, good)
        return file, [f"{file}, line {line}: {what}" if file else what, found.said], found.back
    except Exception:  # noqa: BLE001 (who would know it is broken too)
        return "", [what], f'git -C "{root}" log -1 -- {PACKAGE} says who changed it last, git revert takes that back'
