"""Makes one backup: collect, pack, read back, publish."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup import act, damage_list, manifest, pack, plan, secrets_text, store
from autosys_tasks.backup.base import Base
from autosys_tasks.backup.collect import collect
from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.owner import assign_number, owner_of, part_suffixes
from autosys_tasks.backup.pack import Content, Packed
from autosys_tasks.backup.passphrase import VARIABLE, passphrase
from autosys_tasks.backup.record import Record
from autosys_tasks.backup.scratch import own_folder
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import FILE, FULL, SECRET, Backup, Collected, Failed, id_of, time_of
from autosys_tasks.config.model import Config
from autosys_tasks.core.clock import counted, size, wall
from autosys_tasks.core.faults import fault
from autosys_tasks.core.garbage import gc_frozen
from autosys_tasks.core.plan import Step
from autosys_tasks.supervise.house import House

KEEP, LOOK, WRITE, VERIFY = "keep", "look", "write", "verify"
NOTHING = "WARN nothing is in it: no set ([backup.sets.NAME] in autosys.toml) finds a file, and git has no repository"
NAMED, NEEDED = "a set names it", "a required set names it"


class Draft(NamedTuple):
    """A backup before it is written: its content, and why it is a full or a differential one."""

    load: Content
    reason: str
    found: Collected
    backups: list[Backup]  # of this workspace, that exist already


def make(run: Record, note: str) -> None:
    """Make a backup and set `run.made`; what an interrupted run left is tidied up first."""
    config, place = run.house.config, run.house.place
    folder = store.folder_of(config.path)
    assign_number(place.folder)
    run.notes += act.clean_up(folder, part_suffixes(owner_of(config)))
    with own_folder(Path(place.folder), "staging") as staging, _unfrozen_afterwards():
        with gc_frozen():
            draft = _draft(run.house, partial(collect, config, folder, wall(), staging, say=run.say), note)
        _report_missing(run, draft.found)
        with Spool(staging / "entries") as spool:
            run.made = _store(run, folder, spool, draft)


@contextlib.contextmanager
def _unfrozen_afterwards() -> Iterator[None]:
    """At the end let Python's garbage collector see the frozen objects again."""
    try:
        yield
    finally:
        gc.unfreeze()


def _report_missing(run: Record, found: Collected) -> None:
    """Add to the run: patterns that match nothing, what cannot be read, what was skipped."""
    for each in found.missing:
        if each.unmatched and not each.required:
            run.unmatched.append(each.path)
            run.add(Step(LOOK, each.path, NAMED), None, each.why)
        else:
            _report_failed(run, each)
    run.notes += _notes(found)


def _notes(found: Collected) -> list[str]:
    return [*found.notes, *(f"skipped {each.path}: {each.why}" for each in found.skipped)]


def _report_failed(run: Record, each: Failed) -> None:
    run.add(Step(KEEP, each.path, NEEDED if each.required else NAMED), False, each.why)


def draft_for_dry_run(house: House, scratch: Path) -> tuple[Content, str, tuple[str, ...]]:
    """For a dry run: what a backup would store now, the reason for its kind, and notes for a person."""
    folder = store.folder_of(house.config.path)
    look = partial(collect, house.config, folder, wall(), scratch, databases=False)
    load, reason, found, backups = _draft(house, look)
    lacking = [f"{each.path}: {each.why}" for each in found.missing]
    return load, reason, (*lacking, *_notes(found), *_warnings(load.head, found, backups))


def _store(run: Record, folder: Path, spool: Spool, draft: Draft) -> Backup:
    """Write, read back and publish the archive; when any of that fails nothing of it stays."""
    secret, load = passphrase(run.house.config.name), draft.load
    part = folder / f"{load.head.archive}{load.head.part}"
    act.prepare(folder, plan.bytes_to_store(load.found))
    try:
        packed = _write(run, load, part, spool, secret, draft.reason)
        warnings = _warnings(packed.backup, draft.found, draft.backups, packed.secrets)
        run.notes += warnings
        for warning in warnings:
            run.say(warning)
        _read_back(run, packed, part, secret)
        described = folder / f"{load.head.manifest}{load.head.part}"
        manifest.write(described, packed.backup, packed.entries, load.deleted, packed.backup)
        act.publish(folder, load.head)
    except BaseException:
        act.discard(folder, load.head)
        raise
    return packed.backup


def _write(run: Record, load: Content, part: Path, spool: Spool, secret: str, reason: str) -> Packed:
    fault("backup.before-write")
    began = time.monotonic()
    packed = pack.pack(load, part, spool, secret, run.say)
    fault("backup.after-write")
    for each in packed.backup.failed[len(load.head.failed) :]:
        _report_failed(run, each)
    run.add(Step(WRITE, load.head.stem, reason), True, made_text(packed.backup), began)
    return packed


def _read_back(run: Record, packed: Packed, part: Path, secret: str) -> None:
    began = time.monotonic()
    pack.check(packed, part, secret, run.say)
    fault("backup.after-verify")
    step = Step(VERIFY, packed.backup.stem, "only what reads back gets its name")
    run.add(step, True, "every byte was read back", began)


def made_text(backup: Backup) -> str:
    """`120 files of 1.2 MB in 340.0 kB`."""
    return f"{counted(backup.files, 'file')} of {size(backup.bytes)} in {size(backup.archive_bytes)}"


def _draft(house: House, look: Callable[..., Collected], note: str = "") -> Draft:
    """Decide between full and differential. `look` collects the files; with `base`, all but those that the base has."""
    config, folder, now, digest = house.config, store.folder_of(house.config.path), wall(), sets_digest(house.config)
    secret, backups = passphrase(config.name), store.owned(folder, owner_of(config))
    lost = {each.id: why for each in backups if (why := store.archive_problem(folder, each))}
    unusable = {**damage_list.load(Path(house.place.folder)), **lost}
    kind, base, reason = plan.choose(backups, digest, now, encrypted=bool(secret), unusable=unusable)
    if base:
        try:
            found = look(base=Base(manifest.read_lines(folder / base.manifest, secret), base.created))
        except (Damaged, NeedsPassphrase) as error:
            reason = f"the full backup {base.id} cannot be built upon: {error.message}"
            kind, base = FULL, None
    if not base:
        found = look()
    identity = next_id(now, [each.id for each in backups], store.ids(folder))
    head = Backup(
        identity, kind, now, owner=owner_of(config), sets=digest, git=found.git, note=note, encrypted=bool(secret),
        failed=tuple(each for each in found.missing if each.required or not each.unmatched),
        skipped=found.skipped,
        local_only=not secret and (_any_encrypted(backups) or any(SECRET in each.flags for each in found.found)),
    )  # fmt: skip
    load = Content(head, tuple((each, None) for each in found.found), required=_required(config))
    return Draft(_differential(load, base, found) if base else load, reason, found, backups)


def _differential(load: Content, base: Backup, found: Collected) -> Content:
    """The same load without what the base holds unchanged."""
    unread = [each.path for each in found.missing if not each.unmatched]
    changes = plan.changed(found.found, found.left, base.created, unread)
    same = [each.size for each in changes.same if each.kind == FILE]
    return load._replace(
        head=load.head._replace(
            base=base.id, base_sha256=base.archive_sha256, local_only=load.head.local_only or base.local_only
        ),
        found=changes.read, deleted=changes.deleted, files=found.files + len(same), bytes=found.bytes + sum(same),
    )  # fmt: skip


def _required(config: Config) -> frozenset[str]:
    return frozenset(name for name, each in config.backup.sets.items() if each.required)


def _warnings(head: Backup, found: Collected, backups: Sequence[Backup], more: int = 0) -> list[str]:
    """Warnings about secrets in clear, a missing passphrase, or an empty backup."""
    said = [] if found.found or found.files else [NOTHING]
    bare = _any_encrypted(backups) and not head.encrypted
    count = more + sum(SECRET in each.flags for each in found.found)
    if head.local_only and (count or not bare):
        files = counted(count, "file that looks like a secret", "files that look like secrets")
        said.append(f"WARN it holds {files}, in clear: it stays here, for this user alone; {VARIABLE} encrypts it")
    if bare:
        why = f"no passphrase was found ({VARIABLE})"
        said.append(f"WARN backups before were encrypted, and this one is not: {why}, and it is copied nowhere")
    return said


def _any_encrypted(backups: Sequence[Backup]) -> bool:
    """Whether any backup is encrypted: then one in clear is an accident, such as a locked keyring."""
    return any(one.encrypted for one in backups)


def sets_digest(config: Config) -> str:
    """A digest of the sets, [backup.git] and the rules for secrets; where it changes, a new full backup is due.

    The rules count because a differential does not look at the names of unchanged files.
    """
    asked = [[list(each) for each in config.backup.sets.values()], config.backup.git, secrets_text.RULES]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def next_id(now: float, mine: Sequence[str], taken: Collection[str] = ()) -> str:
    """`now` as the id of a backup, or a second after the newest of `mine` when the clock was set back.

    Ids only grow; `created` is what the clock says, and ages are counted by that. `taken`: other ids in the folder.
    """
    said, newest = id_of(now), max(mine, default="")
    said = said if said > newest else id_of(time_of(newest) + 1)
    while said in taken:
        said = id_of(time_of(said) + 1)
    return said
