"""Judges what the system starts for this workspace: registered, unchanged, able to run, its last run good. Pure."""

from __future__ import annotations

from autosys_tasks.core.clock import span
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Fix
from autosys_tasks.health.values import AutostartSeen, Finding, Scene
from autosys_tasks.schedule.due import late_s
from autosys_tasks.schedule.values import MASTER, Seen, entries


def of_autostart(scene: Scene, name: str, seen: AutostartSeen) -> Finding:
    """What was registered is registered, as this version has it, its command runs, and its last run was good.

    A scheduler that does not answer is no evidence of either: registering anew could only make a second entry.
    """
    if not seen.wanted and not any(each.state in ("registered", "differs") for each in seen.entries):
        nothing = "nothing is registered that starts this workspace after logon"
        if seen.no_way:
            return Finding(SKIP, "no evidence", f"{nothing}: {seen.no_way.why}", Fix(text=seen.no_way.way_out))
        return Finding(SKIP, "no evidence", f"{nothing} (inv schedule.register does it)")
    told = [(each, _of_entry(scene, each, seen)) for each in seen.entries]
    evidence = ", ".join(f"{each.name} {_entry_text(scene, each)}" for each, _judged in told)
    for verdict in (NG, UNKNOWN, WARN):
        whys: dict[str, list[str]] = {}
        for each, (judged, why) in told:
            if judged == verdict:
                whys.setdefault(why, []).append(each.name)
        if whys:
            said = "; ".join(f"{', '.join(names)}: {why}" for why, names in whys.items())
            red = [each for each, (judged, _why) in told if judged == NG and each.state != "registered"]
            by_hand = [each.by_hand for each in red if each.by_hand]
            if by_hand and len(by_hand) == len(red):
                return Finding(verdict, evidence, said, Fix(text=f"if that is not meant: {', '.join(by_hand)}"))
            return Finding(verdict, evidence, said, _autostart_fix(verdict, bool(red), seen))
    return Finding(OK, evidence)


def _autostart_fix(verdict: str, gone: bool, seen: AutostartSeen) -> Fix:
    no_way = seen.no_way
    if verdict == NG and gone and no_way:
        return Fix(text=f"{no_way.way_out}; to want it no more: inv schedule.unregister")
    if verdict == NG and gone:
        return Fix(("inv", "schedule.register"))
    if verdict == UNKNOWN:
        return Fix(text="where the scheduler answers (a session of your own, no `su`): inv health --only autostart")
    if verdict == NG and seen.refusals:
        return Fix(text="to see why, type the command that this shows: inv schedule.show")
    return Fix(text="what that run found: inv journal --since 24h; what is so now: inv health")


def _of_entry(scene: Scene, each: Seen, seen: AutostartSeen) -> tuple[str, str]:
    refusals = dict(seen.refusals)
    if each.state == "differs":
        return NG, f"not as it was registered: {each.why}"
    if each.state != "registered":
        verdict = UNKNOWN if each.state == "unknown" else NG
        why = seen.no_way.why if seen.no_way and verdict == NG else each.why
        return (verdict, f"wanted, and {each.state}: {why}") if each.name in seen.wanted else (OK, "")
    if each.name in refusals:
        return NG, refusals[each.name]
    if each.last_result in (3, 4):
        return WARN, "its last run ended with something not as wanted"
    if each.last_result:
        return NG, f"its last run ended with exit code {each.last_result}"
    return _of_its_age(scene, each, seen)


def _of_its_age(scene: Scene, each: Seen, seen: AutostartSeen) -> tuple[str, str]:
    """An entry that could have run and did not; a warning, since a machine that slept says the same for one beat.

    Whoever is logged off has no runs, and systemd forgets those of before: the master's run tells when a logon was.
    """
    booted = scene.now.wall - scene.now.boot
    logon = next((one.last_run or 0.0 for one in seen.entries if one.name == MASTER), 0.0)
    entry = next(one for one in entries(scene.config) if one.name == each.name)
    chances = None if seen.since is None else max(seen.since, booted, logon)
    late = 0.0 if chances is None else late_s(entry, each.last_run, chances, scene.now.wall)
    if not late:
        return OK, ""
    ran = "it has never run" if each.last_run is None else "it ran and runs no more"
    return WARN, f"{ran}: nothing for {span(late)}, though the system was told to start it more often"


def _entry_text(scene: Scene, each: Seen) -> str:
    if each.state != "registered":
        return each.state
    ran = "not run yet" if each.last_run is None else f"last run {span(max(0.0, scene.now.wall - each.last_run))} ago"
    return f"with {each.mechanism}, {ran}"
