"""The commands that read backups, with `--from`: from a second place instead of `backups/`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from autosys_tasks.backup import commands, store
from autosys_tasks.backup.copies import fetch, state
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.owner import owner_of
from autosys_tasks.backup.passphrase import passphrase
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.scratch import own_folder
from autosys_tasks.backup.values import Backup, Damage
from autosys_tasks.core.errors import StateError
from autosys_tasks.supervise.house import House


@contextlib.contextmanager
def fetched(
    house: House, written: str, ids: Sequence[str] | None, say: Say, *, archives: bool = True
) -> Iterator[Path]:
    """The folder with the backups that are asked for: `backups/`, or, of a place, one that goes away afterwards.

    `ids` None: all of this owner's. Without `archives` only what tells of them (see bring).
    """
    if not written:
        yield commands.folder_of(house)
        return
    source, owner = fetch.source(written, os.environ), owner_of(house.config)
    secret = passphrase(house.config.name)
    with own_folder(Path(house.place.folder), "fetched") as into:
        with _saving_damage(house, source, say) as damaged:
            if ids is None:
                fetch.fetch_all(source, into, say, owner=owner, damaged=damaged)
            else:
                fetch.fetch(
                    source, ids, into, say, owner=owner, archives=archives, secret=secret, damaged=damaged
                )
        yield into


def bring(house: House, written: str, stems: Collection[str], folder: Path, say: Say) -> None:
    """The archives of these backups, to where `fetched` has told of them."""
    source = fetch.source(written, os.environ)
    with _saving_damage(house, source, say) as damaged:
        fetch.fetch_archives(source, stems, folder, say, damaged=damaged)


@contextlib.contextmanager
def _saving_damage(house: House, source: fetch.Source, say: Say) -> Iterator[set[str]]:
    """Save the ids that are found damaged, so that the next copy sends those backups again."""
    damaged: set[str] = set()
    try:
        yield damaged
    finally:
        try:
            state.save_checked(Path(house.place.folder, "backup"), source.address, damaged)
        except StateError as error:
            say(f"WARN {error.message}: what was found is not remembered")


def listed(house: House, written: str) -> tuple[list[Backup], list[str]]:
    """The backups, oldest first, and other files (see store.listed)."""
    if not written:
        return store.listed(commands.folder_of(house))
    source = fetch.source(written, os.environ)
    with own_folder(Path(house.place.folder), "listed") as into:
        return fetch.listed(source, into)


def verified(
    house: House, written: str, words: Sequence[str], *, every: bool, say: Say
) -> tuple[list[Backup], int, list[Damage]]:
    """Read backups back: which, how many files, and what is damaged."""
    try:
        with fetched(house, written, None if every and not words else words or ("",), say) as folder:
            return commands.verify_backups(house, words, every=every, say=say, folder=folder)
    except Damaged as error:
        return [], 0, [Damage(error.where, error.message)]
