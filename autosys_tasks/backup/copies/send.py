"""Sends one file to a second place: written there, read back, compared, and only then given its name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from autosys_tasks.backup.copies.place import CHUNK, Lost, NameTaken, Place, PlaceError
from autosys_tasks.core.clock import size
from autosys_tasks.core.faults import fault

SLOWEST = 10_000  # bytes a second, after GRACE_S: a place that drips would hold up the backups for good
GRACE_S = 120.0


class OneError(PlaceError):
    """One backup cannot be copied; the others can."""


class TakenError(OneError):
    """Another backup has the name, and is not touched."""

    def __init__(self) -> None:
        hint = "give each workspace and machine a folder of its own in `copies` of [backup]"
        super().__init__("another backup has this name there, and is not touched", hint=hint)


def is_right(place: Place, names: Mapping[str, int], name: str, length: int | None, digest: str) -> bool:
    """Whether it lies there and holds what it should: it is read."""
    if name not in names or (length is not None and names[name] != length):
        return False
    return measured(paced(place.read(name), name))[1] == digest


def send(place: Place, names: Mapping[str, int], path: Path, length: int, digest: str) -> None:
    """Send one file, read it back, and only then give it its name, if nobody else has meanwhile (`names`: before)."""
    new = path.name not in names
    try:
        lies = _put(place, path, length, digest, new=new)
        fault("copies.after-put")
        if measured(paced(place.read(lies), path.name))[1] != digest:
            if lies == path.name and new:  # another's came after ours, to a bucket that knows no condition
                raise TakenError
            hint = "the next backup tries again; if it goes on, its disk or the way there is not sound"
            raise OneError("what arrived is not what was sent", hint=hint)
    except TakenError:
        raise
    except OneError:
        with suppress(Lost):
            place.remove(path.name)
        raise
    fault("copies.before-finish")
    try:
        place.finish(path.name, new=new)
    except PlaceError as error:
        if not isinstance(error, Lost):
            place.drop(path.name)
        raise TakenError if isinstance(error, NameTaken) else error from error


def _put(place: Place, path: Path, length: int, digest: str, *, new: bool) -> str:
    """Send the bytes; raises TakenError where they have their name at once and another's were there before."""
    seen = hashlib.sha256()
    try:
        lies = place.put(path.name, paced(_seen_chunks(path, seen), path.name), length, new=new)
    except NameTaken:
        if measured(paced(place.read(path.name), path.name))[1] != digest:
            raise TakenError from None
        return path.name  # it was ours, sent twice: the first answer was lost
    if seen.hexdigest() != digest:
        raise OneError(f"`{path}` is damaged: it is not what its manifest says", hint="inv backup.verify --all")
    return lies


def _seen_chunks(path: Path, seen: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks_of(path):
        seen.update(chunk)
        fault("copies.during-put")
        yield chunk


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file here, piece by piece; raises OneError when it cannot be read."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise OneError(f"`{path}` cannot be read: {error.strerror or error}", hint="inv backup.verify --all") from error


def measured(chunks: Iterable[bytes]) -> tuple[int, str]:
    """How many bytes these are, and their SHA-256."""
    seen, length = hashlib.sha256(), 0
    for chunk in chunks:
        seen.update(chunk)
        length += len(chunk)
    return length, seen.hexdigest()


def paced(chunks: Iterable[bytes], name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    """The same chunks; raises PlaceError when they come at less than SLOWEST bytes a second."""
    began, done = clock(), 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        spent = clock() - began
        if spent > GRACE_S and done < spent * SLOWEST:
            hint = "the next backup tries again; if it goes on, copy to a nearer place"
            raise PlaceError(f"too slow: {size(done)} of `{name}` in {spent:.0f} s", hint=hint)
