"""The values that the OS seam speaks in. Nothing here asks which OS this is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Identity(NamedTuple):
    """One process, never another: a pid alone is recycled. `token` is when it started, in the kernel's own unit."""

    pid: int
    token: str
    boot: str


class Exit(NamedTuple):
    """How a process ended: `code` when it exited, `signal` when it was killed; both None = nobody can know."""

    code: int | None = None
    signal: int | None = None


class Marked(NamedTuple):
    """A live process of this user that one of our workspaces started, as its environment says."""

    who: Identity
    service: str
    instance: str
    state: str  # the state folder of the workspace it belongs to


class Launch(NamedTuple):
    """What to start: everything a child is given, nothing it could inherit by accident."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    log: str
    priority: str = "normal"
    memory_max: int | None = None  # bytes; enforced by the kernel where this OS can


class Process(NamedTuple):
    """One row of the process table: what is needed to find families and duplicates."""

    who: Identity
    parent: int
    argv: tuple[str, ...]
    cwd: str


def descendants(
    members: set[int], children: Callable[[set[int]], set[int]], foreign: Callable[[int], bool]
) -> set[int]:
    """The members and all below them, by pid; what is foreign is left out with all below it."""
    found, others = set(members), set[int]()
    while new := children(found) - found - others:
        others |= {pid for pid in new if foreign(pid)}
        found |= new - others
    return found

