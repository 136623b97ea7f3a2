"""Whose entries these are: this workspace, this interpreter, this user."""

from __future__ import annotations

import os

from autosys_tasks import host
from autosys_tasks.bootstrap import lastgood
from autosys_tasks.config.model import Config
from autosys_tasks.config.taskfile import finds_ours
from autosys_tasks.core.errors import unknown_name
from autosys_tasks.schedule.values import PLATFORMS, Entry, Site, entries
from autosys_tasks.supervise.state import place_of, site_id

STRANGER = {"windows": "S-1-5-21-0-0-0-1000"}  # stands for the user in what is shown of another system


def site_of(config: Config, platform: str = host.PLATFORM) -> Site:
    """The site of a workspace; on a foreign platform its user is a placeholder, and paths are this machine's."""
    state = os.environ.get("AUTOSYS_STATE")
    return Site(
        id=site_id(config),
        folder=config.path,
        command=(host.background_python(), "-X", "utf8", "-m", *_what_runs(config)),
        user=host.user_id() if platform == host.PLATFORM else STRANGER.get(platform, "501"),
        log=os.path.join(config.path, "outputs", "logs", "scheduled.log"),
        env=(("AUTOSYS_STATE", os.path.abspath(state)),) if state else (),
        state=place_of(config).folder,
    )


def _what_runs(config: Config) -> tuple[str, ...]:
    """The module, and where Invoke finds the tasks: in our own starter when there is one, else in the workspace,
    where its tasks.py has them."""
    starter = lastgood.starter(place_of(config).folder)
    if os.path.isfile(os.path.join(starter, "tasks.py")):
        return ("invoke", "--search-root", starter)
    return ("invoke",) if finds_ours(config.path) else ("autosys_tasks.program",)


def to_register(config: Config) -> Site:
    """The site for a registration: what it starts is put out of reach of a pull first."""
    lastgood.write_starter(place_of(config).folder)
    return site_of(config)


def chosen(config: Config, only: str) -> tuple[Entry, ...]:
    """The entries that are meant: all, or the one that is named. Raises UsageError."""
    known = entries(config)
    if only and only not in [entry.name for entry in known]:
        raise unknown_name("entry", only, [entry.name for entry in known])
    return tuple(entry for entry in known if only in ("", entry.name))


def known_platform(name: str) -> str:
    """A platform's name, this one's when empty. Raises UsageError."""
    if name and name not in PLATFORMS:
        raise unknown_name("platform", name, PLATFORMS)
    return name or host.PLATFORM


def notes(site: Site) -> list[str]:
    """What a person should know of this system's scheduler."""
    if host.PLATFORM != "linux":
        return []
    from autosys_tasks.schedule import systemd

    if not systemd.ends_with_the_session(site):
        return []
    keep = f"loginctl enable-linger {host.user_name()}"
    return [f"systemd ends what it started when you log out; to keep it: {keep}"]


def foreign(platform: str) -> list[str]:
    """What is not real in the files of another platform."""
    if platform == host.PLATFORM:
        return []
    return [f"for {platform}, shown on {host.PLATFORM}: paths are this machine's, the user is a placeholder"]
