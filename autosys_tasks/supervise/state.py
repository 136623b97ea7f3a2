"""The state folder: what is wanted, what was started, what is ready. Small files, each replaced whole.

`record.jsonl` is written only by who holds the service's lock (before handing it over, or after its holder
died), `wanted.json` only under the acting lock or by a person's command. Pids in here are hints: the lock
and the identity (pid, start token, boot id) are the truth.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.config.model import Config, Service
from autosys_tasks.core import slots
from autosys_tasks.core.clock import shift
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import make_folder, read_text, retry_while_held, write_all, write_atomic
from autosys_tasks.supervise.values import LastExit, Now, Record, Wanted

RECORD = "record.jsonl"
WANTED_BYTES = 256  # of every wanted.json, so that each can be written over the last
BEGAN = host.boot_clock()  # of this process


def now() -> Now:
    """The time now on both clocks, and how far AUTOSYS_NOW is ahead."""
    ahead = shift()
    return Now(time.time() + ahead, host.boot_clock(), host.boot_id(), ahead, BEGAN)


class Place(NamedTuple):
    """The state folder of one workspace on this machine."""

    folder: str

    def of(self, name: str, file: str) -> str:
        """One file of one service."""
        return f"{self.folder}/services/{name}/{file}"

    def lock(self, name: str) -> str:
        """The file whose lock the service holds for life."""
        return self.of(name, "lock")

    def starting(self, name: str) -> str:
        """The file whose lock its starter holds from before the spawn until the record says who was started."""
        return self.of(name, "starting")

    @property
    def bell(self) -> str:
        """What wakes the guard."""
        return f"{self.folder}/guard.bell"


def place_of(config: Config) -> Place:
    """The state folder of a workspace: AUTOSYS_STATE, else one for this user and this path."""
    said = os.environ.get("AUTOSYS_STATE")
    return Place(os.path.abspath(said) if said else str(default_folder(config)))


def site_id(config: Config) -> str:
    """`<slug>-<8 hex of the workspace path>`, as the state folder has it, in letters that every system takes."""
    import re

    slug = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")[:40] or "workspace"
    return f"{slug}-{default_folder(config).name[-8:]}"


def default_folder(config: Config) -> Path:
    """`<user's state folder>/autosys/<name>-<8 hex of the workspace path>`."""
    import hashlib

    digest = hashlib.sha256(os.fsencode(config.path)).hexdigest()[:8]
    return host.state_home() / "autosys" / f"{config.name}-{digest}"


def prepare(place: Place, name: str) -> None:
    """Make the folder that acting on a service needs; raises StateError, naming it, when it cannot be made."""
    if not os.path.isdir(f"{place.folder}/services/{name}"):
        make_folder(Path(place.folder, "services", name))


def spec_hash(service: Service) -> str:
    """What a start depends on, as a short hash: a changed declaration is a new chance, another locale is none."""
    import zlib

    argv, cwd = tuple(map(_in_utf8, service.argv)), service.cwd and _in_utf8(service.cwd)
    env = sorted((_in_utf8(name), _in_utf8(value)) for name, value in service.env.items())
    parts = (argv, cwd, env, service.environment, service.priority)
    return f"{zlib.crc32(repr(parts).encode('utf-8', 'surrogatepass')):08x}"


def _in_utf8(text: str) -> str:
    """A path or a variable as a locale of UTF-8 has it: that of C has each byte of it alone."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # of Windows, whose names need be no text
        return text


def read_record(place: Place, name: str, *, locked: bool = False) -> tuple[Record | None, bool]:
    """(record, corrupt). A record that does not parse is no record: it is rebuilt from what runs.

    Neither is the one in a copy of a state folder: whom it names is the original's to stop. `locked`: the caller holds
    the service's lock.
    """
    try:
        values = slots.read(place.of(name, RECORD))
        return (None, False) if values is None or _is_copy(place, name, values, locked) else (_record(values), False)
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        return None, True


def _is_copy(place: Place, name: str, values: object, locked: bool) -> bool:
    """Whether it was written in another folder that is still there. In one that was moved the lock goes with it."""
    written = values.get("folder") if isinstance(values, dict) else None
    if not isinstance(written, str) or written == place.folder or not os.path.isdir(written):
        return False
    return not os.path.samefile(written, place.folder) and (locked or not host.lock_held(place.lock(name)))


def _record(values: object) -> Record:
    if not isinstance(values, dict):
        raise ValueError("not a record")
    known = {key: value for key, value in values.items() if key in Record._fields}
    ended = known.get("last_exit")
    if ended is not None:
        known["last_exit"] = LastExit(**ended)
    record = Record(**known)
    if not isinstance(record.instance, str) or not isinstance(record.starts, int):
        raise ValueError("not a record")
    return record


def write_record(place: Place, name: str, record: Record) -> None:
    """Replace the record; the caller holds the service's lock."""
    values = {**record._asdict(), "folder": place.folder}
    ended = record.last_exit
    while True:
        if ended is not None:
            values["last_exit"] = ended._asdict()
        try:
            return slots.write(place.of(name, RECORD), values)
        except ValueError:
            if ended is None or not ended.log_tail:
                raise
            ended = ended._replace(log_tail=ended.log_tail[len(ended.log_tail) // 2 + 1 :])


def keep_corrupt(place: Place, name: str) -> None:
    """Rename a corrupt record, to keep it for a person."""
    source = place.of(name, RECORD)
    try:
        retry_while_held(lambda: os.replace(source, f"{source}.corrupt-{int(time.time())}"))
    except FileNotFoundError:
        pass


def read_wanted(place: Place, name: str) -> Wanted:
    """The wanted state; up when nothing is written or readable, since a declared service is wanted up."""
    try:
        text = read_text(place.of(name, "wanted.json"))
        values = {} if text is None else json.loads(text)
        hold = values.get("hold")
        return Wanted(
            bool(values.get("up", True)), float(values.get("at", 0)), host.Identity(*hold) if hold else None
        )
    except (ValueError, TypeError, AttributeError):
        return Wanted()


def write_wanted(place: Place, name: str, wanted: Wanted) -> None:
    """Write down what is wanted, so that it survives a power cut; the guard is told by its bell.

    Where there is no room for a new file it is written over the last one: who fills a disk must not go on for that.
    """
    path, values = place.of(name, "wanted.json"), {"up": wanted.up, "at": wanted.at, "hold": wanted.hold}
    data = json.dumps(values).ljust(WANTED_BYTES).encode()
    try:
        write_atomic(path, data, durable=True, mode=0o600)
    except StateError:
        if not _written_over(path, data):
            raise


def _written_over(path: str, data: bytes) -> bool:
    """Whether a file of the very same length took it in place, which needs no room on a disk."""
    try:
        fd = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            if os.fstat(fd).st_size != len(data):
                return False
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


def read_ready(place: Place, name: str, instance: str) -> bool:
    """Whether this very instance has been seen ready."""
    return bool(instance) and read_text(place.of(name, "ready")) == instance


def write_ready(place: Place, name: str, instance: str) -> None:
    """Note that this instance has been seen ready; writing it twice is the same."""
    write_atomic(place.of(name, "ready"), instance, mode=0o600)


def known_names(place: Place) -> list[str]:
    """The services with a state here, declared or not, without the guard."""
    try:
        return sorted(n for n in os.listdir(f"{place.folder}/services") if not n.startswith("@"))
    except FileNotFoundError:
        return []
