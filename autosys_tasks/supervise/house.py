"""One workspace as the supervisor sees it: its configuration, its state folder, what its children are given."""

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
    """What every act needs to know; made once per run."""

    config: Config
    place: Place
    base: Mapping[str, str]  # the starter's environment, less what was meant for it alone
    guard: Service
    memo: dict[str, dict[str, str]]  # what `env` has worked out, by name: a restart does not do it again

    @property
    def services(self) -> Mapping[str, Service]:
        """Everything that is kept up: what is declared, and the guard when it is."""
        guard = {GUARD: self.guard} if self.config.watchdog.guard else {}
        return {**self.config.services, **guard}

    @property
    def outputs(self) -> Path:
        """Where journals and logs go."""
        return Path(self.config.path, "outputs")

    def service(self, name: str) -> Service:
        """A declared service, or the guard, or what is left of one that is declared no more."""
        if name == GUARD:
            return self.guard
        return self.config.services.get(name) or Service(name, ("?",), restart="never", cwd=self.config.path)

    def log(self, name: str) -> str:
        """The file that a service writes."""
        return os.path.join(self.config.path, "outputs", "logs", f"{label(name)}.log")

    def env(self, name: str) -> dict[str, str]:
        """A service's whole environment, less what marks one instance."""
        if name not in self.memo:
            self.memo[name] = environ.environment_of(self.service(name), self.config, self.base)
        return self.memo[name]

    def argv(self, name: str) -> tuple[str, ...] | None:
        """What to run, with the program found; None when there is none."""
        return environ.resolve(self.service(name), self.config, self.env(name))


def house_of(config: Config) -> House:
    """The house of a workspace, seen from this process."""
    return House(config, place_of(config), environ.base_environ(os.environ), environ.guard_service(config), {})
