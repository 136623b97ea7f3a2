"""`inv backup.list` and its kin: what can be done with backups that are there."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

ID = "the id of a backup; `latest` is the newest verified one"
FROM = "a second place instead of backups/: an address as in `copies` of [backup], where `${env:X}` may stand"
RESTORE = {
    "id": f"{ID}; behind it files, folders or globs to restore (default: all of it)",
    "to": "the folder that is restored into, new or there already",
    "overwrite": "what to do with files that are there: never (default), changed or always",
    "from_": FROM,
    "git": "rebuild the git repository instead: HEAD, branches, index, work tree, untracked files, stashes",
}
RESTORE_INTERRUPTED = "what has its name is whole; the same command goes on from here"
DIFF = {"id": f"{ID}; with a second one: from the first to that, else to now", "from_": FROM}


@verb(of_files=True, name="list", help={"from_": FROM})
def listed(c, from_="", json=False):  # type: ignore[no-untyped-def]
    """Every backup, the oldest first."""
    from autosys_tasks.backup import commands, show
    from autosys_tasks.backup.copies import remote
    from autosys_tasks.backup.owner import owner_of
    from autosys_tasks.config.addresses import masked

    home = house()
    backups, others = remote.listed(home, from_)
    owner, damaged = owner_of(home.config), {} if from_ else commands.known_damage(home, backups)
    rows = [show.backup_json(each, owner, damaged) for each in backups]
    lines = show.listed_lines(backups, others, owner, damaged, masked(from_))
    return finish(home.config, "backup.list", 0, {"backups": rows, "others": others}, lines, json)


@verb(of_files=True, many=["id"], help={"id": ID, "from_": FROM})
def show(c, id, from_="", json=False):  # type: ignore[no-untyped-def]
    """All that is in one backup, and what is lacking."""
    from autosys_tasks.backup import commands, show
    from autosys_tasks.backup.copies import remote
    from autosys_tasks.backup.owner import owner_of

    home = house()
    with remote.fetched(home, from_ if id else "", id, say, archives=False) as folder:
        backup = commands.backup_named(home, id, "backup.show", folder, say)
        (backup, entries), owner = commands.contents(home, backup, folder), owner_of(home.config)
        damaged = {} if from_ else commands.known_damage(home, [backup])
        fields = show.shown_fields(backup, entries, owner, damaged) if json else {}
        lines = [] if json else show.shown_lines(backup, entries, owner, damaged)
    return finish(home.config, "backup.show", 0, fields, lines, json)


@verb(of_files=True, many=["id"], help={"id": f"{ID} (default)", "all": "every backup that is there", "from_": FROM})
def verify(c, id, all=False, from_="", json=False):  # type: ignore[no-untyped-def]
    """Read a backup back and compare every hash."""
    from autosys_tasks.backup import show
    from autosys_tasks.backup.copies import remote

    home = house()
    backups, checked, damaged = remote.verified(home, from_, id, every=all, say=say)
    fields = show.verified_fields(backups, checked, damaged)
    lines = show.verified_lines(backups, checked, damaged)
    return finish(home.config, "backup.verify", 3 if damaged else 0, fields, lines, json)


@verb(of_files=True, many=["id"], help=RESTORE, interrupted=RESTORE_INTERRUPTED)
def restore(c, id, to="", overwrite="never", git=False, from_="", dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Bring files back into a folder; what is there stays unless told. With --git: the repository."""
    from autosys_tasks.backup import commands
    from autosys_tasks.backup.copies import remote
    from autosys_tasks.backup.restore import run as room
    from autosys_tasks.backup.restore.plan import dry_run_plan

    home = house()
    dry = is_dry(c, dry_run)
    with remote.fetched(home, from_ if id and to else "", id[:1], say, archives=False) as folder:
        order = commands.restore_order(home, id, to, overwrite, folder, say)
        if dry:
            plan = commands.git_plan(order) if git else dry_run_plan("backup.restore", room.planned(order, say).items)
            return show_plan(home.config, plan, as_json=json, exit_code=exit_code)
        if from_:
            remote.bring(home, from_, commands.needed_archives(order, git=git), folder, say)
        report = (commands.rebuild_repository if git else commands.restore_files)(home, order, say)
    left_out, steps = [f"left out is {each}" for each in order.left_out], room.next_steps(order, report, from_, git=git)
    fields = run_fields("backup.restore", report.outcomes, [*left_out, *report.notes, *steps]) if json else {}
    lines = [*room.lines(order, report), *(f"   -> {step}" for step in steps)]
    return finish(home.config, "run", report.code, fields, lines, json)


@verb(of_files=True, many=["id"], help=DIFF)
def diff(c, id, from_="", json=False):  # type: ignore[no-untyped-def]
    """What is not the same in two backups, or in one and on the disk now."""
    from autosys_tasks.backup import commands
    from autosys_tasks.backup import diff as room
    from autosys_tasks.backup.copies import remote

    home = house()
    with remote.fetched(home, from_ if id else "", id, say, archives=False) as folder:
        between, found = commands.differences(home, id, folder, say)
    return finish(home.config, "backup.diff", 0, between | room.fields(found), room.lines(found), json)


@verb(of_files=True, interrupted="nothing is left of it")
def drill(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Prove that the newest backup restores: into a temporary folder, every hash compared, nothing left."""
    from autosys_tasks.backup import commands, drill, drill_result

    home = house()
    if is_dry(c, dry_run):
        return show_plan(home.config, commands.drill_plan(home), as_json=json, exit_code=exit_code)
    found = commands.run_drill(home, say)
    code, fields = 0 if found.ok else 3, drill_result.fields(found)
    return finish(home.config, "backup.drill", code, fields, [drill.verdict(found)], json)


def names(collection: Any) -> None:
    """Put all of them into a collection."""
    for each in (listed, show, verify, restore, diff, drill):
        collection.add_task(each)
