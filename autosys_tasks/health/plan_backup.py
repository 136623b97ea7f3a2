"""Judges what is kept of the workspace: proven by an archive that was read back, and by drills. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from autosys_tasks.core.clock import counted, few, size, span
from autosys_tasks.core.verdict import NG, OK, SKIP, WARN, Fix
from autosys_tasks.health.values import BackupSeen, Finding, Scene

AGE_S = 26 * 3600.0  # a night, and the time that a late one takes
DRILL_S = 35 * 86_400.0
AHEAD_S = 60.0
RUN = Fix(("inv", "backup"))
TRY = Fix(text="to restore the newest one and compare every file: inv backup.drill")
DRILL = Fix(("inv", "backup.drill"))
HIDDEN = "a name that is encrypted"
WHICH = "with the passphrase, this says which: inv backup.show latest; "
HALVES = Fix(text="bring back what is missing, or remove these files; then inv backup.verify")
Judged = tuple[str, str, Fix]  # verdict, why, fix


def of_backup(scene: Scene, name: str, seen: BackupSeen) -> Finding:
    """The newest verified backup is young, whole, still there, and restoring it was tried."""
    if not (seen.sets or seen.git):
        return Finding(SKIP, "no evidence", "nothing is declared to be kept ([backup.sets.NAME] in autosys.toml)")
    told = list(_never_made(scene, seen) if seen.newest is None else _of_newest(scene, seen))
    evidence = _evidence(scene, seen)
    for verdict in (NG, WARN):
        found = [(why, fix) for judged, why, fix in told if judged == verdict]
        if found:
            return Finding(verdict, evidence, "; ".join(why for why, _fix in found), found[0][1])
    return Finding(OK, evidence)


def _never_made(scene: Scene, seen: BackupSeen) -> Iterator[Judged]:
    waited = scene.now.wall - (scene.now.wall if seen.since is None else seen.since)
    if seen.run_at is not None and not seen.run_ok:
        yield NG, f"no backup was ever made: the last run failed {_ago(scene, seen.run_at)}: {seen.run_detail}", RUN
    elif seen.run_owner:
        moved = "the workspace was moved or renamed since, or the machine was"
        yield NG, f"the last backup, {seen.run_made}, is of `{seen.run_owner}`: {moved}", RUN
    elif seen.run_made:
        yield NG, f"the backup {seen.run_made} was made, and is gone", RUN
    elif seen.wanted and waited > AGE_S:
        yield NG, f"one is wanted every night, and none was made in {span(waited)}", RUN
    elif seen.wanted:
        yield WARN, f"none was made yet, the first is due at {scene.config.backup.at}", Fix(text="inv backup")
    else:
        text = "inv backup; to have one every night: inv schedule.register"
        yield WARN, "none was ever made, and none is wanted every night", Fix(text=text)


def _of_newest(scene: Scene, seen: BackupSeen) -> Iterator[Judged]:
    newest = seen.newest
    assert newest is not None
    age = scene.now.wall - newest.created
    if seen.lost:
        yield NG, seen.lost, RUN
    if age > AGE_S:
        yield NG, f"the newest verified backup is {span(age)} old, allowed {span(AGE_S)}", RUN
    if age < -AHEAD_S:
        yield WARN, f"the newest one is dated {span(-age)} ahead of now, which proves no youth", RUN
    if seen.run_at is not None and not seen.run_ok and not seen.run_made and seen.run_at >= newest.created:
        yield NG, f"the last run failed {_ago(scene, seen.run_at)}: {seen.run_detail}", RUN
    if seen.halves:
        yield WARN, f"no backup any more: {few(seen.halves)}", HALVES
    yield from _of_what_it_lacks(seen)
    for said in seen.late:
        yield WARN, said, Fix(text="mend that, then inv backup")
    yield from _of_drill(scene, seen)


def _of_what_it_lacks(seen: BackupSeen) -> Iterator[Judged]:
    failed = seen.newest.failed if seen.newest else ()
    needed = [f"{each.path or HIDDEN}: {each.why}" for each in failed if each.required]
    others = [f"{each.path or HIDDEN}: {each.why}" for each in failed if not each.required]
    which = "" if all(each.path for each in failed) else WHICH
    mend = Fix(text=f"{which}mend it, or take it out of [backup.sets]; then inv backup")
    if needed:
        yield NG, f"required, and not in it: {few(needed)}", mend
    if others:
        yield WARN, f"not in it: {few(others)}", mend
    if seen.idle:
        yield WARN, f"matched nothing: {few(seen.idle)}", Fix(text="take it out of [backup.sets], or write it")


def _of_drill(scene: Scene, seen: BackupSeen) -> Iterator[Judged]:
    if seen.drill_at is None:
        yield WARN, "restoring was never tried", TRY
    elif not seen.drill_ok:
        yield NG, f"the last drill failed {_ago(scene, seen.drill_at)}: {seen.drill_why}", DRILL
    elif scene.now.wall - seen.drill_at > DRILL_S:
        yield WARN, f"the last drill was {_ago(scene, seen.drill_at)}", TRY


def _ago(scene: Scene, at: float) -> str:
    return f"{span(max(0.0, scene.now.wall - at))} ago"


def _evidence(scene: Scene, seen: BackupSeen) -> str:
    if seen.newest is None:
        return "no backup is known"
    newest = seen.newest
    files = f"{counted(newest.files, 'file')}, {size(newest.bytes)}"
    drilled = "never drilled" if seen.drill_at is None else f"drilled {_ago(scene, seen.drill_at)}"
    return f"{newest.id} ({newest.kind}, {files}) verified {_ago(scene, newest.created)}, {drilled}"
