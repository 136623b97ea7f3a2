"""Decides what an upgrade does: facts in, steps with reasons out. Pure.

Stamps decide, git explains. Nothing is installed but where the files, the command, the interpreter or what the
install makes differ from the last upgrade that ended well; nothing is restarted but what runs in such an
environment, or asked for it with `restart_on`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from autosys_tasks.config.model import Environment, Service
from autosys_tasks.core import globs
from autosys_tasks.core.clock import few
from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.upgrade.values import ABSENT, Done, EnvironmentSeen, Facts, Pulled

OF_SCRIPTS = ("chmod", "unblock", "check")
KINDS = (*OF_SCRIPTS, "install", "restart")  # in the order in which they are done
NOTHING_PULLED = Pulled()


class Finding(NamedTuple):
    """Why one environment is stale, or why it is left alone; neither: it is as its files want it."""

    why: tuple[str, ...] = ()
    left: str = ""


Row = tuple[EnvironmentSeen, Finding]


def plan(facts: Facts, services: Mapping[str, Service], *, only: Collection[str] = (), force: bool = False) -> Plan:
    """What is to be done. `only`: these environments and nothing else. `force`: whatever the stamps say."""
    found = findings(facts, only=only, force=force)
    stale = [(seen, each) for seen, each in found if each.why and not seen.taken]
    installs = tuple(_install(seen, each) for seen, each in stale)
    scripts = () if only else _scripts(facts)
    notes = [f"{seen.name}: {each.left}" for seen, each in found if each.left]
    notes += [f"NG {seen.name}: {'; '.join(each.why)}" for seen, each in found if each.why and seen.taken]
    if not only:
        notes += [*facts.notes, *facts.pulled.notes, *map(loose, facts.unmapped)]
    environments = [seen.environment for seen, _each in stale]
    restarts = _restarts(facts, services, environments, pulled=not only)
    return Plan("upgrade", (*scripts, *installs, *restarts), tuple(notes))


def held_back(plan: Plan, conflicts: Collection[str]) -> Plan:
    """The same, less what would install from files, or restart into files, that hold the marks of a merge."""
    kept = tuple(step for step in plan.steps if step.kind in OF_SCRIPTS)
    if not conflicts or kept == plan.steps:
        return plan
    return plan._replace(steps=kept, notes=(*plan.notes, f"NG {held(conflicts)}"))


def held(conflicts: Collection[str]) -> str:
    """Why nothing is done while a merge, a rebase and the like have conflicts."""
    where = few(sorted(conflicts))
    return f"conflicts in {where}: nothing is installed or restarted before they are solved (git status)"


def loose(path: str) -> str:
    """What is said of a manifest that belongs to no environment."""
    return (
        f"WARN {path} belongs to no environment, nothing is installed from it "
        f"(make a virtual environment beside it, declare [environments.NAME], or write it into [upgrade] ignore)"
    )


# --- environments -----------------------------------------------------------------------------------------


def findings(facts: Facts, *, only: Collection[str] = (), force: bool = False) -> list[Row]:
    """Every environment, or these alone, with what is to be said of it."""
    chosen = [seen for seen in facts.environments if not only or seen.name in only]
    return [(seen, finding(seen, facts.pulled, force=force)) for seen in chosen]


def finding(seen: EnvironmentSeen, pulled: Pulled = NOTHING_PULLED, *, force: bool = False) -> Finding:
    """Whether one environment is stale, and why."""
    if seen.vanished:
        asked = ", ".join(seen.environment.manifests)
        return Finding(left=f"WARN none of its manifests is there ({asked}), nothing is installed")
    if seen.taken:
        return Finding((f"{seen.missing}: give environments.{seen.name}.path a folder of its own",))
    why = tuple(_reasons(seen, pulled))
    if force:
        return Finding(why or ("asked for (--force)",))
    if why and seen.record.refused == seen.wanted and seen.record.pending is None:
        left = f"WARN left as a person rolled it back (inv upgrade --force --only {seen.name} installs it again)"
        return Finding(left=left)
    doubts = seen.record.done.doubts if seen.record.done and not why else ()
    hint = f"(when it is there: inv upgrade --force --only {seen.name})"
    return Finding(why, f"WARN {'; '.join(doubts)} {hint}" if doubts else "")


def _reasons(seen: EnvironmentSeen, pulled: Pulled) -> list[str]:
    done = seen.record.done
    found = [seen.missing] if seen.missing else []
    if seen.record.pending is not None:
        found.append("the last upgrade was cut short")
    if done is None:
        return found or ["no upgrade of it is known here that ended well"]
    if done.command != seen.command:
        found.append(f"its command is `{seen.command}` now, and was `{done.command}`")
    if not seen.missing and done.interpreter != seen.interpreter:
        found.append(f"its interpreter is {seen.interpreter} now, and was {done.interpreter}")
    return [*found, *_changes(seen, done, pulled)]


def _changes(seen: EnvironmentSeen, done: Done, pulled: Pulled) -> list[str]:
    """Which files say something else than they did, and whether a pull or somebody's hand brought that."""
    found = []
    for path in sorted({*seen.files, *done.files}):
        was, now = done.files.get(path, ABSENT), seen.files.get(path, ABSENT)
        if was != now and {was, now} != {"", ABSENT}:
            how = "is new" if was == ABSENT else "is gone" if now == ABSENT else "changed"
            found.append(f"{path} {how}{_by_whom(path, pulled)}")
    return found


def _by_whom(path: str, pulled: Pulled) -> str:
    if not pulled.old or not pulled.new:
        return ""
    if path in pulled.files:
        return f" ({pulled.old[:8]}..{pulled.new[:8]})"
    return " (not committed)" if pulled.old == pulled.new or pulled.files else ""


def _install(seen: EnvironmentSeen, found: Finding) -> Step:
    detail = {"environment_kind": seen.environment.kind, "path": seen.environment.path, "files": sorted(seen.files)}
    return Step("install", seen.name, "; ".join(found.why), detail)


# --- services and scripts ---------------------------------------------------------------------------------


def _restarts(
    facts: Facts, services: Mapping[str, Service], environments: Collection[Environment], *, pulled: bool
) -> tuple[Step, ...]:
    """What to restart: bound to an environment that changes, named by `restart_on`, or not ready since."""
    if not (facts.running or facts.owed):
        return ()
    from autosys_tasks.supervise.order import ordered

    steps = []
    for name in ordered(services):
        service = services[name]
        home = next((each for each in environments if is_bound(service, each)), None)
        asks = pulled and name not in facts.restarted
        files = [path for path in facts.pulled.files if globs.matches(service.restart_on, path)] if asks else []
        owed = pulled and name in facts.owed
        if (name in facts.running and service.managed and (home or files)) or owed:
            why = [f"runs in `{home.name}`"] if home else []
            why += [f"{few(files)} changed"] if files else []
            why += ["it was not ready after its last restart"] if owed else []
            steps.append(Step("restart", name, "; ".join(why)))
    return tuple(steps)


def is_bound(service: Service, environment: Environment) -> bool:
    """Whether a service runs in this environment: it says so, or its program lies in it."""
    if service.environment:
        return service.environment == environment.name
    program = _slashed(service.argv[0]) if service.argv else ""
    if "/" not in program:
        return False
    home = _slashed(environment.path) + ("/node_modules" if environment.kind == "node" else "")
    absolute = program if program[0] == "/" or program[1:2] == ":" else f"{_slashed(service.cwd)}/{program}"
    return environment.kind != "command" and absolute.replace("/./", "/").startswith(f"{home}/")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _scripts(facts: Facts) -> tuple[Step, ...]:
    found = [Step(kind, script.path, why) for script in facts.scripts for kind, why in script.needs]
    return tuple(sorted(found, key=lambda step: KINDS.index(step.kind)))


# --- in words ---------------------------------------------------------------------------------------------


def explained(facts: Facts, *, only: Collection[str] = (), force: bool = False) -> list[str]:
    """One line an environment: why it is stale, or why it is not."""
    return [explanation(seen, found) for seen, found in findings(facts, only=only, force=force)]


def explanation(seen: EnvironmentSeen, found: Finding) -> str:
    """One line of `--explain`."""
    if found.why:
        return f"{seen.name}: stale: {'; '.join(found.why)}"
    if found.left:
        return f"{seen.name}: {found.left}"
    return f"{seen.name}: as {few(sorted(seen.files))} {'want' if len(seen.files) > 1 else 'wants'} it"
