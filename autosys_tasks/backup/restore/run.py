"""A whole restore: look, plan, write.

Nothing outside the folder that is restored to is touched, nothing there is removed, and what goes wrong with one file
stops no other.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from subprocess import list2cmdline
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.backup import manifest
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import NOTHING
from autosys_tasks.backup.progress import Progress, Say
from autosys_tasks.backup.restore import forked
from autosys_tasks.backup.restore import look as restore_look
from autosys_tasks.backup.restore import plan as restore_plan
from autosys_tasks.backup.restore.file_bytes import NO_SPACE, Partial
from autosys_tasks.backup.restore.names_text import Rules
from autosys_tasks.backup.restore.plan import KEEP, LINK_TO, MAKE, NOT_MADE, REFUSE, REPLACE, SAME, WRITE, Item
from autosys_tasks.backup.restore.put import DAMAGED, Destination
from autosys_tasks.backup.scratch import leftovers, remove_tree
from autosys_tasks.backup.seven_zip.parse import Member
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.threads import serialized
from autosys_tasks.backup.values import FOLDER, FULL, RESTORING, Backup, Entry
from autosys_tasks.config.addresses import masked
from autosys_tasks.core.clock import counted, size, span
from autosys_tasks.core.errors import UsageError, unknown_name
from autosys_tasks.core.files import SPACE_HINT
from autosys_tasks.core.garbage import gc_disabled
from autosys_tasks.core.plan import Outcome


class Order(NamedTuple):
    """What was asked for. `own`: also what is ours in the backup (the state of git), when no path is named."""

    folder: Path  # where backups lie
    backup: Backup
    paths: tuple[str, ...]
    to: Path
    overwrite: str = restore_plan.NEVER
    passphrase: str = ""
    own: bool = False
    left_out: tuple[str, ...] = ()  # later ones than `latest` that are no good, each as `NAME: why`


class RestorePlan(NamedTuple):
    """The plan of a restore."""

    items: list[Item]
    rules: Rules
    resumed: bool  # an earlier restore into this folder was interrupted


class Report(NamedTuple):
    """How a restore ended."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def failed(self) -> list[Outcome]:
        """What could not be restored."""
        return [outcome for outcome in self.outcomes if outcome.ok is False]

    @property
    def code(self) -> int:
        """4 when something could not be restored."""
        return 4 if self.failed else 0


def planned(order: Order, say: Say = lambda line: None) -> RestorePlan:
    """What a restore would do now; changes nothing. Raises UsageError for a wrong name, Damaged for a manifest."""
    to, rules = _checked(order), restore_look.rules_of(order.to)
    entries = _wanted(order)
    wanted = restore_plan.with_targets(entries, rules)
    compare = sum(entry.size for entry, _ in entries) if order.overwrite == restore_plan.CHANGED else 0
    there = restore_look.look(to, wanted, order.overwrite, Progress("comparing", compare, say).add)
    items = restore_plan.plan(wanted, there, rules, overwrite=order.overwrite, named=order.paths)
    return RestorePlan(items, rules, bool(leftovers(to, RESTORING)))


def _checked(order: Order) -> Path:
    """The folder to restore to, with no link in its path; raises UsageError."""
    if order.overwrite not in restore_plan.OVERWRITE:
        raise unknown_name("way to overwrite", order.overwrite, restore_plan.OVERWRITE)
    to = Path(os.path.realpath(order.to))
    if os.path.lexists(to) and not to.is_dir():
        raise UsageError(f"`{order.to}` is no folder", where=str(order.to), hint="name a folder, new or there already")
    return to


def _wanted(order: Order) -> list[tuple[Entry, Backup]]:
    """The entries that are to be restored, hard links with the bytes that they share."""

    def state() -> Iterator[tuple[Entry, Backup]]:
        for entry, backup in manifest.state(order.folder, order.backup, order.passphrase):
            # No restore asks for the stamp: 150 MB of a million; `_replace` would take eight times as long.
            yield Entry(*entry[:9], NOTHING.stamp, entry.tail), backup

    found = restore_plan.select(state(), order.paths, own=order.own, of=order.backup.id)
    names = restore_plan.shared(found)
    firsts = {entry.path: (entry, backup) for entry, backup in (state() if names else ()) if entry.path in names}
    return restore_plan.with_bytes(found, firsts)


def restore(order: Order, say: Say = lambda line: None) -> Report:
    """Plan and do it. Raises what `planned` raises, and StateError when the folder cannot be written at all."""
    with gc_disabled():
        return carry_out(order, planned(order, say), say)


def carry_out(order: Order, seen: RestorePlan, say: Say = lambda line: None) -> Report:
    """Do what was planned just now. Raises StateError when the folder cannot be written at all."""
    began, to, say = time.monotonic(), _checked(order), serialized(say)
    outcomes: list[Outcome] = []

    def done(item: Item, ok: bool | None, detail: str) -> None:
        outcomes.append(Outcome(item.step, ok, detail))
        if ok is False:
            say(f"could not restore {item.wanted.entry.path}: {detail}")

    for left in leftovers(to, RESTORING):
        remove_tree(left)
    progress = Progress("restoring", sum(item.wanted.entry.size for item in _of(seen, WRITE, REPLACE)), say)
    with Destination(to, done, serialized(progress.add)) as site:
        whole = False
        try:
            _put(site, order, seen)
            whole = not any(outcome.ok is False for outcome in outcomes)
        finally:
            site.finish_folders(_to_finish(order, seen), whole=whole)
    outcomes.sort(key=lambda outcome: outcome.step.target)  # several threads did it
    for item in _of(seen, KEEP, REFUSE):
        if item.wanted.entry.kind != FOLDER or item.kind == REFUSE:
            done(item, None if item.kind == KEEP else False, item.reason)
    told = [*notes(seen.items), *_of_space(order.to, outcomes)]
    return Report(tuple(outcomes), tuple(told), time.monotonic() - began)


def _put(site: Destination, order: Order, seen: RestorePlan) -> None:
    """Write everything but the modes and times of folders."""
    for item in _of(seen, MAKE):
        site.folder(item)
    partials: dict[str, Partial] = {}
    for share in _by_archive(_of(seen, WRITE, REPLACE)):
        _from_archive(site, order, share, partials)
    for item in _of(seen, LINK_TO):
        site.link(item)


def _to_finish(order: Order, seen: RestorePlan) -> list[Item]:
    """The folders that get the backup's mode and time: new ones; existing ones when overwriting or resuming."""
    renew = seen.resumed or order.overwrite != restore_plan.NEVER
    kept = [item for item in _of(seen, KEEP) if item.wanted.entry.kind == FOLDER and (renew or item.reason == SAME)]
    return sorted([*_of(seen, MAKE), *kept], key=lambda item: item.wanted.target)


def needed_archives(order: Order) -> set[str]:
    """The stems of the backups whose archives a restore would read; raises what `planned` raises."""
    return {share.backup.stem for share in _by_archive(_of(planned(order), WRITE, REPLACE))}


def _of_space(to: Path, outcomes: Iterable[Outcome]) -> list[str]:
    if not any(outcome.detail == NO_SPACE for outcome in outcomes):
        return []
    return [f"the disk of `{to}` is full: {SPACE_HINT}; what has its name there is whole, and stays"]


def _of(seen: RestorePlan, *kinds: str) -> list[Item]:
    return [item for item in seen.items if item.kind in kinds]


class _Share(NamedTuple):
    """What to read from one archive: items, and the beginnings of items whose tails a differential holds."""

    backup: Backup
    items: list[Item]
    beginnings: list[Item]


def _by_archive(items: Iterable[Item]) -> list[_Share]:
    """The shares of all archives, the full one first."""
    found: dict[str, _Share] = {}
    for item in items:
        entry, backup = item.wanted.entry, item.wanted.backup
        share = found.get(backup.id) or found.setdefault(backup.id, _Share(backup, [], []))
        share.items.append(item)
        if entry.tail[0]:
            base = backup._replace(id=backup.base, kind=FULL)
            found.setdefault(base.id, _Share(base, [], [])).beginnings.append(item)
    return sorted(found.values(), key=lambda share: (share.backup.kind != FULL, share.backup.id))


def _from_archive(site: Destination, order: Order, share: _Share, partials: dict[str, Partial]) -> None:
    """Write what one archive holds. Where it is damaged, what is good comes out, and the rest is named.

    `partials`: files of which only the beginning is there, by the member that holds the tail.
    """
    known = [item for item in share.items if not item.wanted.entry.beginning or item.wanted.entry.member in partials]
    waiting = _by_member(known, lambda entry: entry.member or entry.path)
    beginnings = _by_member(share.beginnings, lambda entry: entry.beginning)
    in_base = f"{DAMAGED}in its base {share.backup.id}: "

    def put(member: Member, chunks: Iterator[bytes]) -> None:  # several threads call it; each member comes once
        if tails := beginnings.pop(member.name, None):
            entry = tails[0].wanted.entry
            try:
                partials[entry.member] = site.begin(entry.tail[0], chunks)
            except Damaged as error:
                site.fail(tails, f"{in_base}{error.message}")
        elif same := waiting.pop(member.name, None):
            site.files(same, chunks, partials.pop(member.name, None))

    why = "it is not in the archive"
    try:
        with Archive(order.folder / share.backup.archive, order.passphrase) as archive:
            forked.put(site, archive, waiting, {*beginnings, *partials})
            if left := {*waiting, *beginnings}:
                archive.read(left, put)
    except Damaged as error:
        why = error.message
    for tails in beginnings.values():
        site.fail(tails, f"{in_base}{why}")
    for same in waiting.values():
        if same[0].wanted.entry.size:
            site.fail(same, f"{DAMAGED}{why}")
        else:
            site.files(same, ())


def _by_member(items: Iterable[Item], member_of: Callable[[Entry], str]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(member_of(item.wanted.entry), []).append(item)
    return found


def notes(items: Iterable[Item]) -> list[str]:
    """What a person should know of how it was done: names that this disk cannot hold, links that were not made."""
    renamed, links = [], []
    for item in items:
        path = item.wanted.entry.path
        if item.wanted.why and item.kind not in (REFUSE, KEEP):
            renamed.append(f"{path}: as `{item.wanted.target}` ({item.wanted.why})")
        if item.is_not_made:
            links.append(f"{path}: {item.reason}")
    return [*restore_plan.first_few(renamed), *restore_plan.first_few(links)]


def lines(order: Order, report: Report) -> list[str]:
    """How it ended, for a person; the verdict last."""
    done = [outcome for outcome in report.outcomes if outcome.ok]
    unmade = _not_made(report)
    stays = sum(outcome.ok is None for outcome in report.outcomes) - len(unmade)
    amount = sum(int(str(outcome.step.detail.get("bytes", 0))) for outcome in done)
    bad = [f"NG {one.step.detail.get('path') or one.step.target}: {one.detail}" for one in report.failed]
    said = f"{len(done)} restored ({size(amount)}) from {order.backup.id} to {order.to}"
    said += f", {stays} left as they are" if stays else ""
    said += f", {counted(len(unmade), 'link')} not made" if unmade else ""
    verdict = f"NG: {len(bad)} could not be restored, {said}" if bad else f"OK: {said}"
    return [*restore_plan.first_few(bad), *report.notes, f"{verdict}, after {span(report.seconds)}"]


def _not_made(report: Report) -> list[str]:
    """The links that are made only for who names them."""
    return [
        str(one.step.detail["path"]) for one in report.outcomes if one.ok is None and one.detail.startswith(NOT_MADE)
    ]


def next_steps(order: Order, report: Report, source: str = "", *, git: bool = False) -> list[str]:
    """What to type where something is lacking. `source`: the second place that the backup came from, as typed."""
    spoiled = sum(one.detail.startswith(DAMAGED) for one in report.failed)
    place = ["--from", masked(source)] if source else []
    said = []
    if spoiled:
        said.append(f"what is damaged may be whole in an earlier one: {_typed(['backup.list', *place])}")
    if unmade := _not_made(report):
        words = ["backup.restore", order.backup.id, *unmade[: restore_plan.MOST], "--to", str(order.to), *place]
        said.append(f"what may lead out of the folder is made when it is named: {_typed(words)}")
    if spoiled < len(report.failed):
        again, to, kind = "again (what came stays)", str(order.to), list[str]()
        if git:
            again, to, kind = "into a new folder", f"{order.to}-2", ["--git"]
        elif order.overwrite != restore_plan.NEVER:
            kind = ["--overwrite", order.overwrite]
        words = ["backup.restore", order.backup.id, *order.paths, *kind, "--to", to, *place]
        said.append(f"mend what is said of each, then {again}: {_typed(words)}")
    return said


def _typed(words: Sequence[str]) -> str:
    """The words of a command as they are typed in a terminal of this system."""
    return f"inv {list2cmdline(words) if host.PLATFORM == 'windows' else shlex.join(words)}"
