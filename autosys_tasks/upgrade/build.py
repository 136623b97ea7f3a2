"""Brings one environment to what its manifests ask for, and proves it: `pip check`, smoke. Starts no service."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.bootstrap.build import readable_paths
from autosys_tasks.config.model import Environment
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import read_bytes
from autosys_tasks.upgrade import commands, manifests, presence, running
from autosys_tasks.upgrade.commands import Command, Python, Tools
from autosys_tasks.upgrade.running import InstallError, RunContext
from autosys_tasks.upgrade.values import EnvironmentSeen

OURS = ("python", "-m", "autosys_tasks.program", "--version")


class Target(NamedTuple):
    """Where one environment is built, and with what. `path` is the folder that is changed, not always the declared."""

    root: str
    seen: EnvironmentSeen
    path: str
    tools: Tools
    bench: RunContext
    fresh: bool = False  # nothing was there: it is to be made first

    @property
    def environment(self) -> Environment:
        """The environment as declared or discovered."""
        return self.seen.environment

    @property
    def python(self) -> str:
        """The interpreter of the folder that is changed."""
        return host.python_in(self.path)


def found_tools(path: str, root: str) -> Tools:
    """The programs that can install, on PATH or (uv) beside our own Python."""
    wide = os.pathsep.join([path, host.bin_folder(sys.prefix)])
    names = {name: host.program(name, path, root) or "" for name in ("poetry", "pdm", "npm", "pnpm", "yarn")}
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Tools(base, host.program("uv", wide, root) or "", **names)


def install(site: Target) -> list[str]:
    """Install; what a person should know about how. Raises Trouble."""
    fault("upgrade.before-install")
    makers = {"python": _install_python, "node": _install_node, "command": _install_command}
    notes = makers[site.environment.kind](site)
    fault("upgrade.after-install")
    return notes


def _install_python(site: Target) -> list[str]:
    if site.fresh:
        running.run_checked(commands.new_venv(site.path, site.tools, site.root), site.bench)
    wanted = _python(site)
    found, notes = commands.python_commands(wanted, site.tools)
    try:
        for command in found:
            running.run_checked(command, site.bench)
            if "install" in command.argv or "sync" in command.argv:
                readable_paths(site.path)
    finally:
        Path(wanted.scratch).unlink(missing_ok=True)
    return notes


def open_questions(site: Target) -> tuple[str, ...]:
    """What of an environment is not as its files say, though all that was run ended well."""
    if site.environment.kind != "python":
        return ()
    return tuple(commands.python_commands(_python(site), site.tools)[1])


def _python(site: Target) -> Python:
    raw = {path: read_bytes(os.path.join(site.root, path)) or b"" for path in site.seen.files}
    lists = [each for path, each in raw.items() if path.lower().endswith((".txt", ".in"))]
    projects = {path: manifests.project(each) for path, each in raw.items() if path.lower().endswith("pyproject.toml")}
    return Python(
        site.path, site.python, site.root, site.seen.manifests, projects, f"{site.bench.log}.exported",
        has_pip=_has_pip(site.path), utf8=all(map(_is_utf8, lists)),
    )  # fmt: skip


def _has_pip(path: str) -> bool:
    return any(any(Path(path).glob(f"{lib}/site-packages/pip")) for lib in ("lib/python*", "Lib"))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw[:2] in (b"\xff\xfe", b"\xfe\xff")  # pip knows that mark
    return True


def _install_node(site: Target) -> list[str]:
    manager = site.seen.command
    if not getattr(site.tools, manager):
        raise InstallError(f"`{manager}` is not installed, or not on PATH")
    lock = next((path for path in site.seen.manifests if path.endswith("yarn.lock")), "")
    head = (read_bytes(os.path.join(site.root, lock)) or b"")[:200] if lock else b""
    first = next((line for line in head.decode("utf-8", "replace").splitlines() if "yarn lockfile" in line), "")
    running.run_checked(commands.node_command(site.path, manager, site.seen.manifests, first, site.tools), site.bench)
    return []


def _install_command(site: Target) -> list[str]:
    argv = _resolved(site.environment.install, site, site.bench.env)
    running.run_checked(Command(argv, site.path if os.path.isdir(site.path) else site.root), site.bench)
    return []


def _resolved(argv: tuple[str, ...], site: Target, env: Mapping[str, str]) -> tuple[str, ...]:
    """The argv with its program found; `python` is the environment's own, else ours."""
    word, *rest = argv
    if word in ("python", "python3") and site.environment.kind == "python":
        return (site.python, *rest)
    found = host.program(word, env.get("PATH", ""), site.root)
    if found is None and word in ("python", "python3"):
        found = site.tools.base
    return (found or word, *rest)


# --- proof ------------------------------------------------------------------------------------------------


def complaints(site: Target) -> frozenset[str]:
    """What does not fit together in a Python environment now; nothing when that cannot be asked."""
    if site.environment.kind != "python" or site.fresh:
        return frozenset()
    code, said = running.run(commands.pip_check(site.python, site.tools, site.root), site.bench)
    return frozenset(_complaint_lines(said)) if code else frozenset()


def _complaint_lines(said: list[str]) -> list[str]:
    """One for each conflict; less what differs from call to call: the summary and its times."""
    lines = (line.strip() for line in said)
    return [line for line in lines if line and not re.match(r"Checked \d|Found \d|Using |warning", line)]


def verify(site: Target, before: frozenset[str]) -> None:
    """What was installed is there, fits together as well as before, and does what it must; raises Trouble."""
    environment = site.environment
    there_now = environment._replace(path=site.path)
    missing = ""
    if not site.seen.idle:
        missing = presence.look(there_now, site.root).missing or presence.missing_packages(there_now)
    if missing:
        raise InstallError(f"the install ended with 0, and {missing}")
    if environment.kind == "python":
        running.run_checked(Command((site.python, "-c", ""), site.root), site.bench)
        if new := sorted(complaints(site._replace(fresh=False)) - before):
            raise InstallError(f"what is installed does not fit together: {'; '.join(new)}")
    smokes = [environment.smoke] if environment.smoke else []
    if is_own(environment):
        smokes.append(OURS)
    for argv in smokes:
        env = {**site.bench.env, **_active(site)}
        running.run_checked(Command(_resolved(argv, site, env), site.root, _active(site)), site.bench)


def _active(site: Target) -> dict[str, str]:
    """What a command needs to find an environment's own programs first."""
    node = f"{site.path}/node_modules/.bin"
    folder = node if site.environment.kind == "node" else host.bin_folder(site.path)
    path = os.pathsep.join([folder, site.bench.env.get("PATH", "")])
    return {"PATH": path} | ({"VIRTUAL_ENV": site.path} if site.environment.kind == "python" else {})


def is_own(environment: Environment) -> bool:
    """Whether autosys itself runs in this environment."""
    if environment.kind != "python" or not os.path.isdir(environment.path):
        return False
    return os.path.samefile(environment.path, sys.prefix)
