"""The context of a run: the workspace's configuration, its state folder, and the environment of its services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.config.model import Config, Service
from autosys_tasks.supervise import environ
from autosys_tasks.supervise.state import Place, place_of
from autosys_tasks.supervise.values import GUARD, label


class House(NamedTuple):
    """The context that every act needs; made once per run."""

    config: Config
    place: Place
    base: Mapping[str, str]  # the environment of this process, without what is meant for it alone
    guard: Service
    memo: dict[str, dict[str, str]]  # the results of `env`, by service: a restart does not compute them again

    @property
    def services(self) -> Mapping[str, Service]:
        """All services that are kept running: the declared ones, and the guard if it is on."""
        guard = {GUARD: self.guard} if self.config.watchdog.guard else {}
        return {**self.config.services, **guard}

    @property
    def outputs(self) -> Path:
        """Where journals and logs go."""
        return Path(self.config.path, "outputs")

    def service(self, name: str) -> Service:
        """A declared service, the guard, or a placeholder for one that is no longer declared."""
        if name == GUARD:
            return self.guard
        return self.config.services.get(name) or Service(name, ("?",), restart="never", cwd=self.config.path)

    def log(self, name: str) -> str:
        """The path of a service's log."""
        return os.path.join(self.config.path, "outputs", "logs", f"{label(name)}.log")

    def env(self, name: str) -> dict[str, str]:
        """A service's environment variables, without those of one instance."""
        if name not in self.memo:
            self.memo[name] = environ.environment_of(self.service(name), self.config, self.base)
        return self.memo[name]

    def argv(self, name: str) -> tuple[str, ...] | None:
        """A service's argv with the program's full path; None when there is no such program."""
        return environ.resolve(self.service(name), self.config, self.env(name))


def house_of(config: Config) -> House:
    """The context for a workspace, in this process."""
    return House(config, place_of(config), environ.base_environ(os.environ), environ.guard_service(config), {})
