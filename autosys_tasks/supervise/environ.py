"""The environment and argv of child processes. Starts nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from autosys_tasks import host
from autosys_tasks.bootstrap import lastgood, tree
from autosys_tasks.config.model import Config, Service
from autosys_tasks.supervise.state import Place

OURS = ("AUTOSYS_FAULT", "AUTOSYS_NOW", "AUTOSYS_SERVICE", "AUTOSYS_INSTANCE", "AUTOSYS_HEARTBEAT")
VENV = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "__PYVENV_LAUNCHER__", "INVOKE_ROOT")


def base_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The starter's environment less its own virtual environment and what was meant for it alone."""
    env = {key: value for key, value in environ.items() if key not in OURS and key not in VENV}
    own = {host.bin_folder(sys.prefix)} if sys.prefix != sys.base_prefix else set()
    if environ.get("VIRTUAL_ENV"):
        own.add(host.bin_folder(environ["VIRTUAL_ENV"]))
    kept = [folder for folder in env.get("PATH", "").split(os.pathsep) if folder.rstrip("/\\") not in own]
    env["PATH"] = os.pathsep.join(kept)
    return env


def environment_of(service: Service, config: Config, base: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a service, less what marks one instance of it."""
    env = {**base, **service.env}
    environment = config.environments.get(service.environment)
    if environment is not None:
        env["PATH"] = os.pathsep.join([*_bins(environment.path, environment.kind), env.get("PATH", "")])
        if environment.kind == "python":
            env["VIRTUAL_ENV"] = environment.path
    return env


def _bins(path: str, kind: str) -> list[str]:
    node = f"{path}/node_modules/.bin"
    return [node] if kind == "node" else [host.bin_folder(path)]


def marks(place: Place, config: Config, name: str, instance: str) -> dict[str, str]:
    """The variables that mark a process as an instance of a service."""
    return {
        "AUTOSYS_WORKSPACE": config.path,
        "AUTOSYS_STATE": place.folder,
        "AUTOSYS_SERVICE": name,
        "AUTOSYS_INSTANCE": instance,
        "AUTOSYS_HEARTBEAT": place.of(name, "heartbeat"),
    }


def resolve(service: Service, config: Config, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """The argv with its program found, None when there is no such program.

    `python` means the interpreter of the service's environment; without one, the first on PATH, and where
    PATH has none, the one that runs autosys.
    """
    if not service.argv:
        return None
    word, *rest = service.argv
    environment = config.environments.get(service.environment)
    if word in ("python", "python3") and environment is not None and environment.kind == "python":
        own = host.python_in(environment.path)
        return (own, *rest) if os.path.isfile(own) else None
    found = host.program(word, env.get("PATH", ""), service.cwd)
    if found is None and word in ("python", "python3") and environment is None:
        found = getattr(sys, "_base_executable", sys.executable)
    return None if found is None else (found, *rest)


def python_argv(root: str, then: str, *args: str) -> tuple[str, ...]:
    """What runs a line of Python with the package that lies in `root`, and no other."""
    return (host.own_python(), "-P", "-X", "utf8", "-c", lastgood.LOAD + then, root, *args)


def guard_argv(root: str, workspace: str) -> tuple[str, ...]:
    """What runs the guard of a workspace, of the package that lies in `root`."""
    return python_argv(root, "from autosys_tasks.supervise.guard import main;main()", workspace)


def guard_service(config: Config) -> Service:
    """The guard as a service of its own, so that it is started, locked and healed like any other."""
    from autosys_tasks.core.probe import Probe

    return Service(
        name="@guard",
        shown=("python",),
        argv=guard_argv(os.path.dirname(tree.HERE), config.path),
        purpose="watches the services and restarts what dies",
        cwd=config.path,
        readiness=Probe(kind="heartbeat", max_age_s=90, interval_s=0.05, start_timeout_s=20),
        liveness=Probe(kind="heartbeat", max_age_s=90),
        stop_timeout_s=5,
        log_max=1_000_000,
        log_keep=2,
    )
