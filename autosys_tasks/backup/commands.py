"""What the commands about backups that are there do: find, read, restore, rebuild, compare, drill."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.backup import collect, damage_list, diff, drill, drill_result, manifest, store, verify
from autosys_tasks.backup.drill_result import Drill
from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.git.rebuild import must_be_new, rebuild
from autosys_tasks.backup.owner import foreign_owner, owned_by, owner_of
from autosys_tasks.backup.passphrase import passphrase
from autosys_tasks.backup.progress import Progress, Say
from autosys_tasks.backup.restore import run as restore
from autosys_tasks.backup.scratch import own_folder
from autosys_tasks.backup.seven_zip.read import HINT
from autosys_tasks.backup.values import DIFFERENTIAL, GIT, MANIFEST_END, Backup, Damage, Entry
from autosys_tasks.core.clock import counted, size, wall
from autosys_tasks.core.errors import StateError, UsageError
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.supervise.house import House

RESTORE, REBUILD, DRILL = "restore", "rebuild", "drill"


def folder_of(house: House) -> Path:
    """Where the workspace's backups lie."""
    return store.folder_of(house.config.path)


def backup_named(house: House, words: Sequence[str], task: str, folder: Path, say: Say, *, most: int = 1) -> Backup:
    """The backup that the first word names; raises UsageError without one, or with more words than `most`."""
    if not words or len(words) > most:
        takes = "one or two ids of backups" if most == 2 else "one id of a backup"
        given = f", and {len(words)} words are given" if words else ""
        raise UsageError(f"{task} takes {takes}{given}", hint=f"inv {task} latest; all of them: inv backup.list")
    return _backup_of(house, words[0], folder, say)


def known_damage(house: House, backups: Iterable[Backup]) -> dict[str, str]:
    """Of each backup in `backups/` that is known to be damaged, or seems so at a glance, or whose base is: why."""
    folder, known = folder_of(house), damage_list.load(Path(house.place.folder))

    def why(backup: Backup) -> str:
        if said := known.get(backup.id) or store.archive_problem(folder, backup):
            return said
        if backup.kind != DIFFERENTIAL:
            return ""
        try:
            base = manifest.base_of(folder, backup)
        except Damaged as error:
            return error.message
        return f"its base {base.id} is damaged: {said}" if (said := why(base)) else ""

    return {each.id: said for each in backups if (said := why(each))}


def _must_be_whole(house: House, backup: Backup) -> None:
    """Raises Damaged when it, or the full one that it needs, is known to be damaged."""
    for why in known_damage(house, (backup,)).values():
        raise Damaged(why, where=backup.stem, hint="what of it is good: inv backup.verify")


def _backup_of(house: House, word: str, folder: Path, say: Say) -> Backup:
    """The backup of that id; `say` takes a line when it is another workspace's, or when later ones are broken."""
    owner = owner_of(house.config)
    backup = store.find(folder, word, owner)
    for other in store.newer_broken(folder, backup) if word in ("", "latest") else ():
        say(f"WARN {backup.id} is taken; left out is {other}")
    if other := foreign_owner(backup, owner):
        say(f"{backup.id} is not this workspace's: `{other}` made it")
    return backup


def _secret_of(house: House, backup: Backup) -> str:
    """The passphrase of the workspace; raises NeedsPassphrase where there is none and the backup has one."""
    secret = passphrase(house.config.name)
    if backup.encrypted and not secret:
        raise NeedsPassphrase(f"`{backup.archive}` is encrypted", where=backup.stem, hint=HINT)
    return secret


def contents(house: House, backup: Backup, folder: Path) -> tuple[Backup, Iterator[Entry] | None]:
    """The backup with all names; and all that can be restored, its base's share too, None when the names are hidden."""
    secret = passphrase(house.config.name)
    if backup.encrypted and not secret:
        return backup, None
    entries = (entry for entry, _ in manifest.state(folder, backup, secret))
    hides = backup.encrypted and (backup.failed or backup.skipped)
    return manifest.with_names(folder, backup, secret) if hides else backup, entries


def verify_backups(
    house: House, words: Sequence[str], *, every: bool, say: Say, folder: Path | None = None
) -> tuple[list[Backup], int, list[Damage]]:
    """Read backups back (the newest verified one, unless one is named): which, how many files, and what is damaged.

    What is damaged in `backups/` is remembered: the next backup is not built upon it.
    """
    folder, secret = folder or folder_of(house), passphrase(house.config.name)
    if every and words:
        raise UsageError("backup.verify takes an id or --all", hint="inv backup.verify --all")
    try:
        backups, damaged = _asked(house, words, folder, say, every=every)
    except Damaged as error:
        return [], 0, [Damage(error.where, error.message)]
    progress = Progress("reading", backups[0].bytes if len(backups) == 1 else 0, say)
    checked, whys, locked = 0, {}, list[Damage]()
    for backup in backups if every else _with_base(folder, backups):
        try:
            count, bad = verify.verify(folder, backup, secret, progress.add)
        except NeedsPassphrase as error:
            if not every or not secret:
                raise
            why = f"{error.message} ({error.hint})"
            locked.append(Damage(backup.archive, why))  # of another passphrase; the others are read
            continue
        checked, damaged = checked + count, list(dict.fromkeys((*damaged, *bad)))
        whys[backup.id] = f"{bad[0].path}: {bad[0].why}" if bad else ""
    if folder == folder_of(house):
        try:
            damage_list.update(Path(house.place.folder), whys)
        except StateError as error:
            say(f"WARN {error.message}: what was found is not remembered")
    return backups, checked, [*damaged, *locked]


def _with_base(folder: Path, backups: Sequence[Backup]) -> Iterator[Backup]:
    """Each of them after the full that it needs, where that is there: where it is not, its own verification says so."""
    for backup in backups:
        if backup.kind == DIFFERENTIAL:
            with contextlib.suppress(Damaged):
                yield manifest.base_of(folder, backup)
        yield backup


def _asked(
    house: House, words: Sequence[str], folder: Path, say: Say, *, every: bool
) -> tuple[list[Backup], list[Damage]]:
    """The backups to read; and, when none is named, the manifests that say of none: one may be the newest."""
    if words:
        return [backup_named(house, words, "backup.verify", folder, say)], []
    there, others = store.listed(folder)
    backups = owned_by(there, owner_of(house.config)) or there
    ours = [other for other in others if store.NAME.match(other)]
    damaged = [Damage(*_split(other)) for other in ours if other.partition(":")[0].endswith(MANIFEST_END)]
    if not damaged and not (every and backups):
        return [_backup_of(house, "latest", folder, say)], []  # or the error that says there is nothing to read
    return backups if every else [backup for backup in backups if backup.verified][-1:], damaged


def restore_order(
    house: House, words: Sequence[str], to: str, overwrite: str, folder: Path, say: Say
) -> restore.Order:
    """What `backup.restore ID [PATH...] --to DIR` asks for; raises UsageError."""
    if words and not to:
        hint = f"inv backup.restore {words[0]} --to restored"
        raise UsageError("backup.restore needs --to: the folder that it writes into", hint=hint)
    backup = backup_named(house, words[:1], "backup.restore", folder, say)  # the others are paths
    secret = _secret_of(house, backup)
    into = Path(os.path.expanduser(to))  # as a shell does it, unless there are quotes around it
    left_out = store.newer_broken(folder, backup) if words[0] == "latest" else ()
    return restore.Order(folder, backup, tuple(words[1:]), into, overwrite, secret, left_out=tuple(left_out))


def restore_files(house: House, order: restore.Order, say: Say) -> restore.Report:
    """Restore files. The journal has one line for all that went well, and one for each that did not."""
    began = time.monotonic()
    with Journal(house.outputs, "backup.restore", host, file="backup") as journal:
        report = restore.restore(order, say)
        done = [outcome for outcome in report.outcomes if outcome.ok]
        amount = sum(int(str(outcome.step.detail["bytes"])) for outcome in done)
        step = Step(RESTORE, order.backup.id, f"asked for, to {order.to}")
        journal.add(Outcome(step, True, f"{len(done)} restored, {size(amount)}", _ms(began)))
        for outcome in report.failed:
            journal.add(outcome)
        return _closed(journal, order, report, began)


def _closed(journal: Journal, order: restore.Order, report: restore.Report, began: float) -> restore.Report:
    """The report, whatever became of the journal: where a disk is read-only, a restore is what is needed most."""
    try:
        journal.close(ok=not report.code, detail=restore.lines(order, report)[-1], ms=_ms(began))
    except StateError as error:
        return report._replace(notes=(*report.notes, _unwritten(error)))
    return report


def _unwritten(error: StateError) -> str:
    return f"WARN {error.message}: what is said here is not in the journal"


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def needed_archives(order: restore.Order, *, git: bool) -> set[str]:
    """The stems of the backups whose archives it takes to restore; raises UsageError for what cannot be asked for."""
    if git:
        git_plan(order)
    return restore.needed_archives(order._replace(paths=(GIT,), to=order.folder / "git") if git else order)


def git_plan(order: restore.Order) -> Plan:
    """What rebuilding the repository would do; raises UsageError."""
    if order.paths:
        raise UsageError("--git rebuilds the repository, and takes no paths", hint="leave out the paths, or --git")
    must_be_new(order.to)
    if not order.backup.git:
        raise UsageError(f"{order.backup.id} holds no state of git", hint="[backup.git] of autosys.toml turns it on")
    if not any(entry.path == GIT for entry, _ in manifest.state(order.folder, order.backup, order.passphrase)):
        said = f"{order.backup.id} holds no state of git: {order.backup.git}"
        raise UsageError(said, hint=f"what is in it: inv backup.show {order.backup.id}")
    return Plan("backup.restore", (Step(REBUILD, str(order.to), order.backup.git),))


def rebuild_repository(house: House, order: restore.Order, say: Say) -> restore.Report:
    """Rebuild the repository: HEAD, branches, index, work tree, untracked files, stashes. Raises GitError."""
    began = time.monotonic()
    (step,) = git_plan(order).steps
    with (
        Journal(house.outputs, "backup.restore", host, file="backup") as journal,
        own_folder(Path(house.place.folder), "rebuild") as scratch,
    ):
        report = restore.restore(order._replace(paths=(GIT,), to=scratch, overwrite="never"), say)
        say(f"rebuilding {order.to}")
        found = rebuild(scratch / GIT, order.to)
        outcomes = [Outcome(step, True, order.backup.git, _ms(began)), *report.failed]
        outcomes += [Outcome(Step(REBUILD, *_split(what)), False, _split(what)[1]) for what in found.failed]
        for outcome in outcomes:
            journal.add(outcome)
        made = restore.Report(tuple(outcomes), found.notes, time.monotonic() - began)
        return _closed(journal, order, made, began)


def _split(what: str) -> tuple[str, str]:
    """`PATH: why` as its two parts."""
    path, _, why = what.partition(": ")
    return path, why


def drill_plan(house: House) -> Plan:
    """What a drill would do; raises UsageError when there is nothing to restore."""
    backup = store.newest_in(folder_of(house), owner_of(house.config))
    reason = f"the newest verified one: {counted(backup.files, 'file')}, {size(backup.bytes)}, into a temporary folder"
    return Plan("backup.drill", (Step(DRILL, backup.id, reason),))


def run_drill(house: House, say: Say) -> Drill:
    """Prove that the newest backup restores; the result goes to the journal, too. UsageError when there is none."""
    owner = owner_of(house.config)
    store.newest_in(folder_of(house), owner)  # that nothing is there proves nothing of what comes later
    began = time.monotonic()
    with Journal(house.outputs, "backup.drill", host, file="backup") as journal:
        secret, state = passphrase(house.config.name), Path(house.place.folder)
        found = drill.drill(folder_of(house), state, Path(house.config.path), owner, passphrase=secret, say=say)
        said = drill.verdict(found)
        journal.add(Outcome(Step(DRILL, found.id, "the newest verified backup"), found.ok, said, _ms(began)))
        try:
            journal.close(ok=found.ok, detail=said, ms=_ms(began))
        except StateError as error:
            say(_unwritten(error))
    if not found.ok:
        with contextlib.suppress(NeedsPassphrase):  # that is why
            verify_backups(house, [found.id], every=False, say=say)  # an archive that is damaged is remembered
    return found


def run_drill_when_due(house: House, say: Say) -> Drill | None:
    """Drill when the last drill is a week old or failed; None when none is due."""
    last = drill_result.load(Path(house.place.folder))
    return run_drill(house, say) if drill_result.is_due(last, wall()) else None


def differences(
    house: House, words: Sequence[str], folder: Path, say: Say
) -> tuple[dict[str, object], list[diff.Difference]]:
    """What differs from one backup to another, or to what a backup would find now; and which two that were."""
    old = backup_named(house, words, "backup.diff", folder, say, most=2)
    new = _backup_of(house, words[1], folder, say) if len(words) == 2 else None
    secret = _secret_of(house, new if new and new.encrypted else old)
    for each in (old, new) if folder == folder_of(house) else ():
        if each:
            _must_be_whole(house, each)
    before = (entry for entry, _ in manifest.state(folder, old, secret))
    if new:
        after = (entry for entry, _ in manifest.state(folder, new, secret))
        return {"from": old.id, "to": new.id}, list(diff.of_backups(before, after))
    with own_folder(Path(house.place.folder), "diff") as staging:
        now = collect.collect(house.config, folder_of(house), wall(), staging, say=say, apart=True)
        progress = Progress("comparing", sum(each.size for each in now.found), say)
        return {"from": old.id, "to": None}, list(diff.of_disk(before, now.found, progress.add))
