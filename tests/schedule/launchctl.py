"""Stands for macOS' `launchctl`: its answers and exit codes, as launchctl(1) and those who use it tell of them.

What is loaded lies in `loaded.json` beside this file; `run LABEL` stands for launchd itself, which starts an agent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("loaded.json")
NO_SERVICE, NO_PROCESS, IO_ERROR = 113, 3, 5


def main(verb: str, *words: str) -> int:
    """One call; what is loaded is read before and written after it."""
    kept: dict[str, Any] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {"jobs": {}, "off": [], "busy": []}
    code: int = VERBS[verb](kept, *words)
    KEPT.write_text(json.dumps(kept), encoding="utf-8")
    return code


def label(target: str) -> str:
    domain, user, name = target.split("/")
    assert (domain, user) == ("gui", str(os.getuid())), target
    return name


def said(code: int, text: str) -> int:
    print(text, file=sys.stderr)
    return code


def managername(kept: dict[str, Any]) -> int:
    print("Background" if KEPT.with_name("ssh").exists() else "Aqua")
    return 0


def show(kept: dict[str, Any], target: str) -> int:
    job = kept["jobs"].get(label(target))
    if job is None:
        return said(NO_SERVICE, f'Bad request.\nCould not find service "{label(target)}" in domain for user gui: 501')
    print(f"{target} = {{\n\tactive count = 0\n\tpath = {job['path']}\n\ttype = LaunchAgent\n\tstate = not running\n")
    print(f"\truns = {job['runs']}\n\tlast exit code = {job['code'] if job['runs'] else '(never exited)'}\n}}")
    return 0


def bootstrap(kept: dict[str, Any], domain: str, path: str) -> int:
    import plistlib  # and the like: most calls only ask, and are many

    agent = plistlib.loads(Path(path).read_bytes())
    name = label(f"{domain}/{agent['Label']}")
    if name in kept["busy"]:
        kept["busy"].remove(name)  # the one before has left by the next time
        return said(IO_ERROR, "Bootstrap failed: 5: Input/output error")
    if name in kept["jobs"] or name in kept["off"]:
        return said(IO_ERROR, "Bootstrap failed: 5: Input/output error")
    kept["jobs"][name] = {"path": path, "agent": agent, "runs": 0, "code": 0}
    return 0


def bootout(kept: dict[str, Any], target: str) -> int:
    if kept["jobs"].pop(label(target), None) is None:
        return said(NO_PROCESS, "Boot-out failed: 3: No such process")
    kept["busy"].append(label(target))
    return 0


def enable(kept: dict[str, Any], target: str) -> int:
    kept["off"] = [name for name in kept["off"] if name != label(target)]
    return 0


def disable(kept: dict[str, Any], target: str) -> int:
    kept["off"].append(label(target))
    return 0


def print_disabled(kept: dict[str, Any], domain: str) -> int:
    lines = [f'\t\t"{name}" => disabled' for name in kept["off"]]
    print("\n".join(["disabled services = {", '\t\t"com.apple.x" => enabled', *lines, "}"]))
    return 0


def run(kept: dict[str, Any], name: str) -> int:
    import subprocess

    job = kept["jobs"][name]
    agent = job["agent"]
    env = {"HOME": os.environ["HOME"], "STARTS": os.environ["STARTS"], **agent["EnvironmentVariables"]}
    with open(agent["StandardOutPath"], "ab") as log:  # which makes no folder
        ended = subprocess.run(
            agent["ProgramArguments"], cwd=agent["WorkingDirectory"], env=env, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, check=False,
        )  # fmt: skip
    job["runs"], job["code"] = job["runs"] + 1, ended.returncode
    return 0


VERBS: dict[str, Any] = {
    "managername": managername, "print": show, "bootstrap": bootstrap, "bootout": bootout, "enable": enable,
    "disable": disable, "print-disabled": print_disabled, "run": run,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
