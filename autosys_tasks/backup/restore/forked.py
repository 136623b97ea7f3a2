"""Restores many small files in forked workers: with threads, the interpreter's lock would serialize them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping

from autosys_tasks.backup.fork_pool import ForkPool
from autosys_tasks.backup.restore.plan import Item
from autosys_tasks.backup.restore.put import Destination, success_text
from autosys_tasks.backup.seven_zip.parse import Member
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.threads import Cancelled
from autosys_tasks.core import faults

MANY = 10_000  # files; of fewer there is too little to share
Put = tuple[list[str], list[tuple[str, str]], int]  # members restored; (path, why) of the failed; bytes
NOTHING: Put = [], [], 0


def put(site: Destination, archive: Archive, waiting: dict[str, list[Item]], later: Collection[str]) -> None:
    """Restore the `waiting` items whose members are in blocks of many small files, and remove them from `waiting`.

    Members in `later` stay; so does everything where processes cannot be forked.
    """
    blocks = archive.many_member_blocks()
    if len(waiting) < MANY or len(blocks) < 2 or faults.is_active():
        return
    here, block = os.getpid(), archive.block_reader()

    def work(number: int) -> Put:
        if os.getpid() == here:
            return NOTHING  # not forked: the caller's threads are faster than this one
        wanted = ((member, pieces) for member, pieces in block(number) if member.name not in later)
        return _put(site, wanted, waiting, lambda: os.getppid() == here)

    with ForkPool(blocks, work) as results:
        for restored, failed, count in results:
            why = dict(failed)
            for item in itertools.chain.from_iterable(map(waiting.pop, restored)):
                path = item.wanted.entry.path
                site.done(item, path not in why, why.get(path) or success_text(item))
            site.tell_bytes(count)


def _put(
    site: Destination, members: Iterator[tuple[Member, Iterator[bytes]]], waiting: Mapping[str, list[Item]],
    is_wanted: Callable[[], bool],
) -> Put:  # fmt: skip
    """Restore a block's files, in a worker; stops between two files when the parent process is gone."""
    restored, failed, counts = list[str](), list[tuple[str, str]](), list[int]()

    def done(item: Item, ok: bool, why: str) -> None:
        if not ok:
            failed.append((item.wanted.entry.path, why))

    with site.copied(done, counts.append) as mine:
        for member, pieces in members:
            if not is_wanted():
                raise Cancelled
            if same := waiting.get(member.name):
                mine.files(same, pieces)
                restored.append(member.name)
    return restored, failed, sum(counts)
