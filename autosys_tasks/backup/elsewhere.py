"""`--from`: what is done with backups in `backups/`, done with those of a second place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from autosys_tasks.backup import archived, copies_fetch, store
from autosys_tasks.backup.damaged import Damaged
from autosys_tasks.backup.restore_put import own_folder
from autosys_tasks.backup.values import Backup, Damage
from autosys_tasks.supervise.house import House

Tell = Callable[[str], object]


@contextlib.contextmanager
def brought(house: House, written: str, words: Sequence[str], tell: Tell, *, every: bool = False) -> Iterator[Path]:
    """The folder with the backups that are asked for: `backups/`, or, of a place, one that goes away afterwards."""
    if not written:
        yield archived.folder_of(house)
        return
    source = copies_fetch.source(written, os.environ)
    with own_folder(Path(house.place.folder), "fetched") as into:
        copies_fetch.fetch(source, words[0] if words else "latest", into, tell, every=every)
        yield into


def listed(house: House, written: str) -> tuple[list[Backup], list[str]]:
    """The backups, oldest first, and what is none (see store.listed)."""
    if not written:
        return store.listed(archived.folder_of(house))
    source = copies_fetch.source(written, os.environ)
    with own_folder(Path(house.place.folder), "listed") as into:
        return copies_fetch.listed(source, into)


def verified(
    house: House, written: str, words: Sequence[str], *, every: bool, tell: Tell
) -> tuple[list[Backup], int, list[Damage]]:
    """Read backups back: which, how many files, and what is damaged."""
    try:
        with brought(house, written, words, tell, every=every and not words) as folder:
            return archived.verified(house, words, every=every, tell=tell, folder=folder)
    except Damaged as error:
        return [], 0, [Damage(error.where, error.message)]
