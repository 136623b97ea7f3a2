"""Whose a backup is: several workspaces may share a folder of backups, or a second place.

Each keeps to its own: what it builds upon, counts, copies and removes. Another's is named, and taken by a person alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from autosys_tasks.backup.values import Backup
from autosys_tasks.config.model import Config
from autosys_tasks.supervise.state import default_folder


def owner_of(config: Config) -> str:
    """`NAME-<8 hex of the workspace path>@HOST`: who makes backups here, as their manifests say it."""
    import socket

    return f"{default_folder(config).name}@{socket.gethostname().partition('.')[0]}"


def is_own(backup: Backup, owner: str) -> bool:
    """Whether a backup is this owner's; one that names none is whoever's has it."""
    return backup.owner in ("", owner)


def own(backups: Iterable[Backup], owner: str) -> list[Backup]:
    """Those of them that are this owner's, in their order."""
    return [one for one in backups if is_own(one, owner)]


def foreign(backup: Backup, owner: str) -> str:
    """Whose it is, "" when it is one's own."""
    return "" if is_own(backup, owner) else backup.owner
