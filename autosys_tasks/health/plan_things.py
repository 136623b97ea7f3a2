"""Judges what is no service: configuration, who watches, environments, upgrades, outputs, disk, copies. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from autosys_tasks.config.model import Service
from autosys_tasks.core.clock import counted, few, size, span
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Fix
from autosys_tasks.health.values import (
    ConfigSeen,
    CopiesSeen,
    EnvironmentSeen,
    Finding,
    OutputSeen,
    Room,
    Scene,
    UpgradeSeen,
    WatchSeen,
)
from autosys_tasks.probes.values import Answer
from autosys_tasks.supervise.plan import decide
from autosys_tasks.supervise.values import GUARD
from autosys_tasks.vscode.entries_text import MARK
from autosys_tasks.vscode.plan import status
from autosys_tasks.vscode.values import FILE, Facts

LEAST = ((NG, 0.01, 500_000_000), (WARN, 0.05, 2_000_000_000))
MARKS = (">>> autosys", "<<< autosys", MARK.strip())
AHEAD_S = 60.0  # a time this far in the future is no evidence of youth


def of_config(scene: Scene, name: str, seen: ConfigSeen) -> Finding:
    """The file is as right as it was, and what runs is what it declares."""
    if seen.problems:
        return Finding(NG, "autosys.toml is broken now", "; ".join(seen.problems), Fix(text="inv config"))
    if seen.undeclared:
        who = ", ".join(f"{each} (pid {', '.join(map(str, pids))})" for each, pids in seen.undeclared)
        text = "declare it again, or end it: `inv down` ends it with everything else"
        return Finding(WARN, seen.declared, f"runs, and is declared no more: {who}", Fix(text=text))
    if seen.outdated:
        why = f"started when autosys.toml, or a variable in it, was another: {', '.join(seen.outdated)}"
        return Finding(WARN, seen.declared, why, Fix(text=f"inv restart {' '.join(seen.outdated)}"))
    if seen.staged:
        folders = sorted({path.partition("/")[0] for path in seen.staged})
        lines = " and ".join(f"`/{each}/`" for each in folders)
        text = f"git rm -r --cached {' '.join(folders)}; and for it to stay so: {lines} in .gitignore"
        return Finding(WARN, seen.declared, f"git has what may hold secrets: {few(seen.staged)}", Fix(text=text))
    return Finding(OK, seen.declared)


def of_watch(scene: Scene, name: str, seen: WatchSeen) -> Finding:
    """Somebody watches: a guard that beats, or ticks that come."""
    guard = seen.guard
    if guard.leader is None and (not scene.config.watchdog.guard or not guard.wanted.up):
        return _by_ticks(scene, seen)
    if guard.leader is None:
        state = decide(_guard_stand_in(scene), guard, scene.now, scene.config.watchdog)
        blocked = state.state == "blocked"
        fix = Fix(text="inv logs guard; when mended: inv bringup") if blocked else Fix(("inv", "watchdog"))
        return Finding(NG, f"no guard, {_tick_text(seen, scene)}", f"{state.state}: {state.reason}", fix)
    record = guard.record
    up = f", up {span(scene.now.boot - record.started_boot)}" if record else ""
    who = f"guard pid {guard.leader.pid}{up}"
    if seen.beat is None or seen.beat.verdict == UNKNOWN:
        return Finding(WARN, who, "it has only just started, and has not beaten yet")
    if seen.beat.verdict == NG:
        return Finding(NG, who, f"the guard hangs: {seen.beat.why}", Fix(("inv", "watchdog")))
    return Finding(OK, f"{who}, {seen.beat.evidence}")


def _guard_stand_in(scene: Scene) -> Service:
    return Service(GUARD, ("guard",), cwd=scene.config.path)


def _by_ticks(scene: Scene, seen: WatchSeen) -> Finding:
    evidence, every_s = _tick_text(seen, scene), scene.config.watchdog.every_s
    if not seen.anything_wanted:
        return Finding(SKIP, evidence, "nothing is wanted up", Fix(text="inv bringup"))
    age = None if seen.tick_at is None else scene.now.wall - seen.tick_at
    if age is not None and -AHEAD_S <= age <= 2 * every_s:
        return Finding(OK, f"{evidence}, one is wanted every {span(every_s)}")
    off = "is switched off" if not scene.config.watchdog.guard else "was stopped by a person"
    text = f"have `inv watchdog` run every {span(every_s)}, or let inv bringup start the guard"
    return Finding(NG, evidence, f"nobody watches: the guard {off}, and no tick is recent", Fix(text=text))


def _tick_text(seen: WatchSeen, scene: Scene) -> str:
    if seen.tick_at is None:
        return "no tick in the journal"
    age = scene.now.wall - seen.tick_at
    when = f"dated {span(-age)} ahead of now" if age < -AHEAD_S else f"{span(age)} ago"
    return f"last tick {when}" + ("" if seen.tick_ok else f" (not ok: {seen.tick_detail})")


def of_environment(scene: Scene, name: str, seen: EnvironmentSeen) -> Finding:
    """An environment is there, or it is red; one whose manifests are gone is yellow."""
    named = ", ".join(seen.manifests)
    if seen.nothing_to_see:
        return Finding(SKIP, "no evidence", seen.found)
    if not seen.missing and seen.vanished:
        why = f"none of its manifests is there ({named}), nothing is installed"
        text = f"bring back what it is made from, or take environments.{name} out of autosys.toml"
        return Finding(WARN, seen.found, why, Fix(text=text))
    if not seen.missing:
        return Finding(OK, seen.found)
    if seen.taken:
        return Finding(NG, seen.found, seen.missing, _free_folder([name]))
    fix = Fix(("inv", "upgrade")) if seen.can_be_made else Fix(text=f"write one of {named}; then inv upgrade")
    return Finding(NG, seen.found, seen.missing, fix)


def _free_folder(names: Sequence[str]) -> Fix:
    """What only a person can do where an environment's folder holds other things."""
    paths = ", ".join(f"environments.{name}.path" for name in names)
    return Fix(text=f"give {paths} a folder of its own; then inv upgrade")


def of_upgrade(scene: Scene, name: str, seen: UpgradeSeen) -> Finding:
    """Every environment is as its files want it, and the last upgrade of each ended well."""
    if seen.broken:
        *told, back = seen.broken
        why = f"autosys as it was pulled does not work, the last good version runs: {'; '.join(told)}"
        return Finding(NG, "autosys runs from a copy of its last good version", why, Fix(text=back.removeprefix("-> ")))
    restarts = seen.restart_on if seen.hooks != "no repository" else ()
    if not (seen.names or restarts or seen.warnings or seen.faults or seen.old or seen.unseen or seen.held):
        deaf = f"; restart_on of {', '.join(seen.restart_on)} needs a git repository" if seen.restart_on else ""
        return Finding(SKIP, "no evidence", f"no environment is declared, and none was found{deaf}")
    mended = [each for each, _why in seen.stale if each not in seen.taken]
    fix = _free_folder(seen.taken) if seen.taken and not mended else Fix(("inv", "upgrade"))
    watched = ", ".join((*seen.names, *(f"restart_on of {each}" for each in restarts)))
    evidence = f"{watched or 'no environment'}; {_upgrade_text(seen, scene)}"
    if seen.held:
        return Finding(NG, evidence, seen.held, Fix(text="solve them (git status says how), then inv upgrade"))
    if seen.failed:
        ago = {each: span(scene.now.wall - at) for each, _why, at in seen.failed}
        told = [f"the last upgrade of {each} failed {ago[each]} ago: {why}" for each, why, _at in seen.failed]
        return Finding(NG, evidence, "; ".join(told), fix)
    if watched and not (seen.looked or seen.old):
        return Finding(SKIP, evidence, "no upgrade has looked at it yet (inv upgrade does it)")
    if seen.stale:
        return Finding(NG, evidence, "; ".join(f"{each} is stale: {why}" for each, why in seen.stale), fix)
    if seen.faults:
        told = [f"{path}: {what}" for path, what in seen.faults]
        mend = Fix(text="mend what it says, then inv upgrade")
        return Finding(NG, evidence, f"scripts with a fault: {'; '.join(told)}", mend)
    if seen.old:
        told = [f"{each} still runs what was there before: {why}" for each, why in seen.old]
        return Finding(NG, evidence, "; ".join(told), fix)
    if seen.unseen:
        return Finding(WARN, evidence, f"scripts came that nobody has looked at: {', '.join(seen.unseen)}", fix)
    if seen.hooks == "differs":
        why = "the git hooks that begin an upgrade are not as this version writes them"
        return Finding(WARN, evidence, why, Fix(text="inv upgrade.hooks install"))
    if seen.warnings:
        told = [warning.replace("WARN ", "", 1) for warning in seen.warnings]
        return Finding(WARN, evidence, "; ".join(told), Fix(text="inv upgrade --dry-run --explain"))
    return Finding(OK, evidence)


def _upgrade_text(seen: UpgradeSeen, scene: Scene) -> str:
    hooks = "; git hooks begin one after a pull" if seen.hooks == "installed" else ""
    if seen.last is None and seen.commit:
        return f"an upgrade ended well at commit {seen.commit[:9]}{hooks}"
    if seen.last is None:
        return f"no upgrade is known that ended well{hooks}"
    return f"last success {span(scene.now.wall - seen.last)} ago{hooks}"


def of_output(scene: Scene, name: str, seen: OutputSeen) -> Finding:
    """An output is young enough: the older of its file's time and of what it says of itself counts."""
    allowed = scene.config.outputs[name]
    fix = Fix(text=f"run what writes {name}")
    if seen.changed_at is None:
        return Finding(NG, "no such file", f"there is no `{seen.path}`", fix)
    times = [at for at in (seen.changed_at, seen.says_at) if at is not None]
    age = scene.now.wall - min(times)
    says = seen.says_at is not None and seen.says_at < seen.changed_at
    evidence = f"{span(age)} old by {'its own `at`' if says else 'its file time'}"
    if seen.broken:
        return Finding(NG, evidence, seen.broken, fix)
    if age > allowed:
        return Finding(NG, evidence, f"too old: {span(age)}, allowed {span(allowed)}", fix)
    if age < -AHEAD_S:
        return Finding(WARN, f"dated {span(-age)} ahead of now", "a time in the future is no evidence", fix)
    if seen.unclear:
        return Finding(WARN, evidence, seen.unclear, fix)
    return Finding(OK, f"{evidence}, allowed {span(allowed)}")


def of_probe(scene: Scene, name: str, seen: Answer) -> Finding:
    """A probe's answer is its verdict."""
    fix = None if seen.verdict == OK else Fix(text=f"when mended: inv probe {name} --fresh")
    return Finding(seen.verdict, seen.evidence, seen.why, fix)


def of_disk(scene: Scene, name: str, seen: tuple[Room, ...]) -> Finding:
    """Enough room, and a right to write, wherever something of ours lies: the worst place decides."""
    found = [_of_room(room) for room in seen]
    if not found:
        return Finding(UNKNOWN, "no evidence", "no place was looked at")
    worst = min(found, key=lambda each: (NG, WARN, UNKNOWN, OK).index(each.verdict))
    return worst._replace(evidence="; ".join(each.evidence for each in found))


def _of_room(room: Room) -> Finding:
    share = room.free / room.total if room.total else 1.0
    evidence = f"{room.what}: {size(room.free)} free of {size(room.total)} ({share:.0%})"
    if not room.writable:
        why = f"`{room.path}` ({room.what}) cannot be written"
        return Finding(NG, evidence, why, Fix(text=f"make {room.path} writable"))
    for verdict, least_share, least in LEAST:
        if share < least_share or room.free < least:
            why = f"`{room.path}` ({room.what}) has less than {least_share:.0%} or {size(least)} free"
            return Finding(verdict, evidence, why, Fix(text=f"free some space on {room.path}"))
    return Finding(OK, evidence)


def of_copies(scene: Scene, name: str, seen: CopiesSeen) -> Finding:
    """No service that may run once runs twice; whose process is kept is the one that its record owns."""
    if not seen.services:
        return Finding(SKIP, "no evidence", "no service is declared that may run only once")
    if not seen.processes:
        return Finding(UNKNOWN, "no evidence", "no process of this user could be seen")
    evidence = f"{counted(seen.services, 'service')} compared with {counted(seen.processes, 'process', 'processes')}"
    if not seen.found:
        return Finding(OK, evidence)
    whys, orphans = [], []
    for copies in seen.found:
        ours = [f"{copies.ours.pid} (ours)"] if copies.ours else []
        pids = ", ".join([*ours, *(str(who.pid) for who in copies.others)])
        whys.append(f"{copies.service}: {len(ours) + len(copies.others)} running, expected 1: pid {pids}")
        orphans += [] if copies.ours else [copies.service]
    fix = Fix(("inv", "health", "--fix", "--only", "duplicates"))
    if len(orphans) == len(whys):
        fix = Fix(text=f"none of them is ours: end them, then inv bringup {' '.join(orphans)}")
    return Finding(NG, evidence, "; ".join(whys), fix)


def of_editor(scene: Scene, name: str, seen: Facts) -> Finding:
    """Our tasks in the editor's file are those of this version; who never put them in is asked for nothing."""
    found = status(seen)
    if found.state == "in_sync":
        tasks = counted(len(found.labels), "task")
        evidence = f"{tasks} in {FILE}; whether VS Code may run one by itself is not verifiable"
        hint = Fix(text=f"change that in {FILE}") if found.notes else None
        return Finding(WARN if found.notes else OK, evidence, "; ".join(found.notes), hint)
    if found.state == "differs":
        return Finding(NG, f"{FILE} holds our block", f"the block differs: {found.why}", Fix(("inv", "vscode.sync")))
    was_there = seen.backup is not None or any(mark in (seen.text or "") for mark in MARKS)
    if found.state == "broken" and was_there:
        kept = f"; what was kept before our last change: {seen.backup}" if seen.backup else ""
        text = f"correct {FILE}{kept}; then inv vscode.sync"
        return Finding(NG, f"{FILE} does not parse", found.why, Fix(text=text))
    return Finding(SKIP, "no evidence", f"{found.why} (inv vscode.sync puts our tasks in)")
