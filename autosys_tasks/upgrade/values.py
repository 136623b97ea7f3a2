"""What is known of environments, manifests and what a pull brought, as values. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.config.model import Environment

ABSENT = "absent"  # the digest of a file that another one names and that is not there
STORE = ".venvs"  # where what we build is, and ways back


class ManifestDigest(NamedTuple):
    """The digest of what counts in a manifest ("": it asks for nothing), and the files that it includes."""

    digest: str
    includes: tuple[str, ...] = ()  # seen from its own folder


class Done(NamedTuple):
    """The last successful upgrade of an environment: exactly what it was made from."""

    files: Mapping[str, str]  # path in the workspace -> digest
    command: str
    interpreter: str
    at: float  # seconds since 1970
    doubts: tuple[str, ...] = ()  # what of it is not as the files say


class Failed(NamedTuple):
    """The last upgrade, when it failed."""

    wanted: str
    why: str
    at: float
    tries: int = 1


class Snapshot(NamedTuple):
    """A snapshot of an environment, see snapshots.py. `kind`: link (another folder of ours), copy, or moved (node)."""

    kind: str
    path: str
    done: Done | None = None  # what it was made from


class Record(NamedTuple):
    """The record of one environment."""

    done: Done | None = None
    failed: Failed | None = None
    refused: str = ""  # what a person rolled back from: not installed again unasked
    before: Snapshot | None = None  # kept after a success, for `upgrade.rollback`
    pending: Snapshot | None = None  # written before anything is changed: an upgrade was cut short
    path: str = ""  # where it lies


class EnvironmentSeen(NamedTuple):
    """An environment as it is, and what its manifests say now."""

    environment: Environment
    files: Mapping[str, str] = {}  # path in the workspace -> digest
    command: str = ""
    interpreter: str = ""  # "" = there is none
    missing: str = ""  # what of it is not there, in words
    record: Record = Record()
    discovered: bool = False
    manifests: tuple[str, ...] = ()  # its own, without what those name
    taken: bool = False  # its folder holds other things, and nothing is ever installed there

    @property
    def name(self) -> str:
        """What the configuration, or the discovery, calls it."""
        return self.environment.name

    @property
    def wanted(self) -> str:
        """The digest of what its manifests and its command ask for."""
        return digest(self.files, self.command)

    @property
    def idle(self) -> bool:
        """Whether it is one of Node that asks for nothing: then there is nothing to make, whatever its lock says."""
        asked = [each for path, each in self.files.items() if path.rpartition("/")[2] == "package.json"]
        return self.environment.kind == "node" and not set(asked) - {"", ABSENT}

    @property
    def vanished(self) -> bool:
        """Whether not one of its manifests is there."""
        return all(each == ABSENT for each in self.files.values())


class Pulled(NamedTuple):
    """The commits since the last successful upgrade."""

    old: str = ""
    new: str = ""
    files: tuple[str, ...] = ()  # that changed
    notes: tuple[str, ...] = ()


class Kept(NamedTuple):
    """The record of the workspace."""

    commit: str = ""  # HEAD at the last upgrade that ended well
    scripts: Mapping[str, str] = {}  # path -> digest of what was checked, and found without fault
    faults: Mapping[str, str] = {}  # path of a script -> what is wrong with it
    restarted: Mapping[str, str] = {}  # service -> the commit that it was restarted for
    owed: Mapping[str, str] = {}  # service -> the commit that it was restarted for in vain: it was not ready


class ScriptSeen(NamedTuple):
    """A new or changed script, and what it needs: kinds of steps with their reasons."""

    path: str
    needs: tuple[tuple[str, str], ...]  # (chmod | unblock | check, why)


class Facts(NamedTuple):
    """Everything a plan is made from."""

    environments: tuple[EnvironmentSeen, ...] = ()
    unmapped: tuple[str, ...] = ()  # manifests that belong to no environment
    running: frozenset[str] = frozenset()  # services with a live process
    pulled: Pulled = Pulled()
    scripts: tuple[ScriptSeen, ...] = ()
    notes: tuple[str, ...] = ()
    restarted: frozenset[str] = frozenset()  # services that were restarted for this very commit already
    owed: Mapping[str, str] = {}  # of Kept, those that are wanted and not ready still


def digest(*parts: object) -> str:
    """Parts of text and tables as 16 hex digits, the same whatever the order of a table."""
    shown = [sorted(part.items()) if isinstance(part, Mapping) else part for part in parts]
    return hashlib.sha256(repr(shown).encode("utf-8", "surrogatepass")).hexdigest()[:16]
