"""The values of the backup room: what was found, what an archive holds, and what is known of every backup. Pure."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import NamedTuple

FULL, DIFFERENTIAL = "full", "differential"
FILE, FOLDER, LINK, HARDLINK = "file", "folder", "link", "hardlink"
SECRET, SQLITE = "secret", "sqlite"  # flags of things and entries
OWN = ".autosys"  # the folder within an archive that is ours: its manifest, the git state, a word for whoever finds it
DECLARE = "[backup.sets.NAME] in autosys.toml declares what to keep"  # said where there is nothing
GIT = f"{OWN}/git"  # what `git.capture` wrote lies below it
MANIFEST = f"{OWN}/manifest.json"
RESTORING = ".autosys-restoring-"  # and a pid: the scratch folder of a restore, in the folder that it restores to
TAILS = f"{OWN}/tail"  # members below it are the tails of files whose beginnings the base holds
NO_TAIL = (0, "")
ARCHIVE_END, MANIFEST_END = ".7z", ".manifest.json"  # of the two files of a backup
ID_FORM = "%Y-%m-%dT%H%M%SZ"
ID_LENGTH = len("2026-11-29T033000Z")
HEAD_END = b',"entries":[\n'  # the end of a manifest's first line


class Found(NamedTuple):
    """One thing on the disk that a set names. `path`: relative to the workspace, with `/`; its path in the archive."""

    path: str
    source: str  # absolute path of its bytes: of a staged copy for SQLite files and the state of git
    kind: str  # file | folder | link | hardlink
    size: int  # bytes; 0 for what is no file
    mtime_ns: int
    mode: int  # permission bits
    stamp: tuple[int, int] = (0, 0)  # (inode, ctime_ns); with size and mtime_ns equal, the file is unchanged
    link: str = ""  # of a link: its target; of a hard link: the path of the file it shares its bytes with
    flags: tuple[str, ...] = ()  # secret | sqlite | leads-out
    sets: tuple[str, ...] = ()  # the sets that name it


class Entry(NamedTuple):
    """One line of a manifest: what `path` was, and the archive's member that holds its bytes."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    mode: int
    sha256: str = ""  # of a file's bytes, hex
    member: str = ""  # name of the archive's member, where that is not `path`
    link: str = ""
    flags: tuple[str, ...] = ()
    stamp: tuple[int, int] = (0, 0)
    tail: tuple[int, str] = NO_TAIL  # (offset of the member's bytes in the file, their SHA-256); the base has the rest

    @property
    def stored(self) -> tuple[int, str]:
        """Size and SHA-256 of the member: of the whole file, or of its tail."""
        return (self.size - self.tail[0], self.tail[1]) if self.tail[0] else (self.size, self.sha256)

    @property
    def beginning(self) -> str:
        """For a tail: the member of the base's archive with the bytes before it; "" for a whole file."""
        return self.member.removeprefix(f"{TAILS}/") if self.tail[0] else ""


def as_entry(found: Found) -> Entry:
    """The entry of a thing whose bytes are not read yet: size 0, no hash."""
    return Entry(found.path, found.kind, 0, found.mtime_ns, found.mode, "", "", found.link, found.flags, found.stamp)


class Failed(NamedTuple):
    """Something that should be in the backup and is not. `required`: its set is."""

    path: str
    why: str
    required: bool = False
    unmatched: bool = False  # it is a pattern that matches nothing, not a thing that could not be read


class Skipped(NamedTuple):
    """Something that sets name and no backup keeps: a socket, a pipe or a device, as `why` says."""

    path: str
    why: str


class Collected(NamedTuple):
    """What the sets name, in order of path; and what is missing, skipped, or worth a note."""

    found: tuple[Found, ...]
    missing: tuple[Failed, ...] = ()  # patterns that match nothing, folders that cannot be read
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    git: str = ""  # one line about the repository, "" when it was not asked for
    files: int = 0  # unchanged files of the base; they are not in `found`
    bytes: int = 0
    left: tuple[Entry, ...] = ()  # all other entries of the base


def id_of(at: float) -> str:
    """Seconds since 1970 as the id of a backup, `2026-11-29T033000Z`."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.year:04d}{when.strftime(ID_FORM[len('%Y') :])}"  # Linux writes the year 1 as `1`


def time_of(identity: str) -> float:
    """The reverse; raises ValueError."""
    return datetime.strptime(identity, ID_FORM).replace(tzinfo=UTC).timestamp()


def archive_of(stem: str) -> str:
    """The name of an archive, by its backup's stem."""
    return f"{stem}{ARCHIVE_END}"


def manifest_of(stem: str) -> str:
    """The name of the manifest beside it."""
    return f"{stem}{MANIFEST_END}"


def owner_parts(owner: str) -> tuple[str, str, str]:
    """The workspace, the machine's name and its number ("" for none) of an owner, `WORKSPACE@HOST#NUMBER`."""
    workspace, _at, machine = owner.rpartition("@")
    host, _mark, number = machine.partition("#")
    return workspace, host, number


class Backup(NamedTuple):
    """One backup, as the first and the last line of its manifest say.

    `id` is its time, as `2026-11-29T033000Z`; its archive is `ID-KIND.7z`, its manifest `ID-KIND.manifest.json`.
    """

    id: str
    kind: str  # full | differential
    created: float  # seconds since 1970; the id is later where the clock was set back (see make.next_id)
    base: str = ""  # a differential: the id of its full
    base_sha256: str = ""  # of that full's archive
    sets: str = ""  # see make.sets_digest
    files: int = 0  # in this backup and its base together
    bytes: int = 0  # of those files
    failed: tuple[Failed, ...] = ()  # named things that are not in it
    skipped: tuple[Skipped, ...] = ()  # and those that never are: without them it is complete
    git: str = ""  # one line about the repository, "" when it was not asked for
    note: str = ""
    encrypted: bool = False
    local_only: bool = False  # in clear, and holds secrets or follows encrypted backups: never copied elsewhere
    archive_bytes: int = 0
    archive_sha256: str = ""
    verified: bool = False  # it was read back, every hash, before it got its name
    owner: str = ""  # the workspace and the machine that made it (see owner.py), "" of one that does not say

    @property
    def stem(self) -> str:
        """The name of its files, without ending."""
        return f"{self.id}-{self.kind}"

    @property
    def archive(self) -> str:
        """The name of its archive."""
        return archive_of(self.stem)

    @property
    def manifest(self) -> str:
        """The name of the manifest beside it."""
        return manifest_of(self.stem)

    @property
    def part(self) -> str:
        """The suffix of its files while they are written; each workspace that shares the folder has its own."""
        workspace, _host, number = owner_parts(self.owner)
        mark = f"{workspace}#{number}" if number else self.owner
        return f".{zlib.crc32(mark.encode('utf-8', 'surrogatepass')):08x}.part"

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is in it."""
        return not self.failed


class Damage(NamedTuple):
    """What is wrong with one file of an archive, or with the archive itself (`path` is then its name)."""

    path: str
    why: str


class Kept(NamedTuple):
    """Whether retention keeps a backup, and the reason for a person."""

    id: str
    keep: bool
    reason: str
