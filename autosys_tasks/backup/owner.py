"""The owner of a backup: several workspaces may share a folder of backups, or a second place.

Each workspace builds upon, counts, copies and removes its own backups only; a person may restore any. A machine's name
changes with its network, the number in its state folder does not. Where either is the same, it is the same machine: it
keeps its backups when the state folder is lost, or when its name changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import parse_head
from autosys_tasks.backup.values import HEAD_END, Backup, owner_parts
from autosys_tasks.config.model import Config
from autosys_tasks.core.files import make_folder, read_text, write_atomic
from autosys_tasks.supervise.state import default_folder, place_of

LONGEST = 1 << 20  # bytes of a manifest's first line


def owner_of(config: Config) -> str:
    """`NAME-<8 hex of the workspace path>@HOST#NUMBER`: who makes backups here, as their manifests say it.

    The number is lacking as long as no backup was made here (see number).
    """
    import socket

    known = _known(_file(place_of(config).folder))
    name = f"{default_folder(config).name}@{socket.gethostname().partition('.')[0]}"
    return f"{name}#{known}" if known else name


def assign_number(state: str) -> None:
    """Write the random number that identifies this machine in its backups, unless there is one."""
    path = _file(state)
    if not _known(path):
        import secrets

        make_folder(path.parent)
        write_atomic(path, secrets.token_hex(4) + "\n", mode=0o600)


def part_suffixes(owner: str) -> tuple[str, ...]:
    """The suffixes of files that this owner is writing, with its number and as before it had one (see Backup.part)."""
    workspace, host, _number = owner_parts(owner)
    return tuple(Backup("", "", 0.0, owner=each).part for each in (owner, f"{workspace}@{host}"))


def is_own(backup: Backup, owner: str) -> bool:
    """Whether a backup is this owner's; one that names no owner is everybody's."""
    return not backup.owner or is_same_owner(backup.owner, owner)


def is_same_owner(one: str, other: str) -> bool:
    """Whether two owners are one workspace on one machine: by its number, or by its name."""
    (workspace, host, known), (its_workspace, its_host, its_known) = owner_parts(one), owner_parts(other)
    return workspace == its_workspace and (host == its_host or bool(known and known == its_known))


def owner_in(manifest: Iterator[bytes]) -> str:
    """The owner that a manifest names, "" when it names none; reads only the first line of it."""
    first, ended = b"", b""
    while not ended and len(first) < LONGEST and (chunk := next(manifest, b"")):
        first, ended, _rest = (first + chunk).partition(HEAD_END)
    try:
        return str(parse_head(first + ended).get("owner", ""))
    except (Damaged, ValueError, AttributeError, RecursionError):  # no manifest, or no JSON of ours
        return ""


def owned_by(backups: Iterable[Backup], owner: str) -> list[Backup]:
    """The backups of this owner, in the same order."""
    return [one for one in backups if is_own(one, owner)]


def foreign_owner(backup: Backup, owner: str) -> str:
    """The owner of another's backup; "" for this owner's own."""
    return "" if is_own(backup, owner) else backup.owner


def _file(state: str) -> Path:
    return Path(state, "backup", "owner")


def _known(path: Path) -> str:
    try:
        said = (read_text(path) or "").strip()
    except (OSError, ValueError):
        return ""
    return said if re.fullmatch("[0-9a-f]{8}", said) else ""
