"""Looks at environments, their manifests, and the services that run; changes nothing but what `Memory.save` keeps."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autosys_tasks.config.model import Config, Environment
from autosys_tasks.core import globs
from autosys_tasks.core.errors import AutosysError, one_line
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import read_wanted
from autosys_tasks.upgrade import changes, head, manifest_names, mapping, presence
from autosys_tasks.upgrade.discover import Found, matching, walk
from autosys_tasks.upgrade.file_cache import FileCache
from autosys_tasks.upgrade.stamps import file_marks, known_names, read_record
from autosys_tasks.upgrade.values import Done, EnvironmentSeen, Facts

if TYPE_CHECKING:
    from autosys_tasks.supervise.values import Facts as ServiceFacts

USUAL = {"python": manifest_names.PYTHON, "node": manifest_names.NODE}
GIT_S = 15.0


def look(house: House, memory: FileCache) -> Facts:
    """Every environment, declared or discovered, and the manifests that belong to none."""
    config, root = house.config, house.config.path
    found = walk(root, config.upgrade.scripts)
    ignored, silent = _ignored(memory, found)
    candidates = [path for path in found.manifests if path not in ignored]
    said = {path: memory.said(path) for path in candidates}
    mapped = _declared(config) or mapping.discovered(root, candidates, _venvs(house, found.venvs), said)
    seen = tuple(_seen(house, memory, each, discovered=not config.environments) for each in mapped)
    known = [path for each in seen for path in each.files]
    loose = mapping.unmapped(candidates, said, known)
    for path in _watched(seen, candidates, root):
        memory.watch(path)
    for path in found.scripts:
        memory.watch(path, "script")
    kept = tuple(path for path in loose if not globs.matches(config.upgrade.ignore, path))
    return Facts(seen, kept, notes=(*silent, *(() if config.environments else _gone(house, seen))))


def _gone(house: House, seen: Iterable[EnvironmentSeen]) -> Iterator[str]:
    """Environments that were discovered once, are still there, and have lost all their manifests."""
    there_now = {each.name for each in seen}
    for name in known_names(house.place):
        record = read_record(house.place, name)
        if name not in there_now and record.done and os.path.isdir(record.path):
            yield f"{name}: WARN none of its manifests is there ({', '.join(record.done.files)}), nothing is installed"


def _venvs(house: House, venvs: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The virtual environments of each folder, with those that were discovered once and are gone without another."""
    root, found = house.config.path, dict(venvs)
    for record in (read_record(house.place, name) for name in known_names(house.place)):
        path = Path(record.path)  # one that was declared once may be on another drive
        if record.done and record.done.command == "pip" and path.is_relative_to(root) and not os.path.lexists(path):
            folder, _, name = path.relative_to(root).as_posix().rpartition("/")
            if folder not in venvs:
                found[folder] = (name,)
    return found


def environments(house: House) -> Mapping[str, Environment]:
    """Those that are declared; where none is, those that are discovered."""
    if house.config.environments:
        return house.config.environments
    facts = look(house, FileCache(house.place, house.config.path))
    return {seen.name: seen.environment for seen in facts.environments}


def see(house: House, environment: Environment) -> EnvironmentSeen:
    """One environment, and what its manifests say now."""
    mapped = mapping.Mapped(environment, tuple(manifests_of(environment, house.config)))
    return _seen(house, FileCache(house.place, house.config.path), mapped, discovered=not house.config.environments)


def discovered_keys(house: House) -> dict[str, dict[str, object]]:
    """The environments that were found where none is declared, as somebody would declare them."""
    if house.config.environments:
        return {}
    root = house.config.path
    found = look(house, FileCache(house.place, root)).environments
    return {
        seen.name: {
            "kind": seen.environment.kind,
            "path": os.path.relpath(seen.environment.path, root).replace(os.sep, "/"),
            "manifests": list(seen.manifests),
        }
        for seen in found
    }


def _ignored(memory: FileCache, found: Found) -> tuple[set[str], tuple[str, ...]]:
    """(the manifests that git ignores, why that is not known); asked only when one, or what decides it, is new.

    Where git does not say, what it said last counts, and the next look asks again.
    """
    basis = [[path, memory.said(path, whole=True).digest] for path in (*found.ignores, *head.ignores(memory.root))]
    question = {"manifests": list(found.manifests), "ignores": basis}
    if memory.notes.get("question") == question:
        return set(memory.notes["ignored"]), ()
    try:
        answer = ignored_by_git(memory.root, found.manifests) if found.manifests else []
    except AutosysError as error:
        why = f"WARN which manifests git ignores is not known: {one_line(error)}"
        return set(memory.notes.get("ignored", ())), (why,)
    memory.notes |= {"question": question, "ignored": sorted(answer)}
    return set(answer), ()


def ignored_by_git(root: str, paths: Collection[str]) -> list[str]:
    """Those of the paths that git ignores; none where there is no repository, or no git. Raises GitError."""
    from autosys_tasks.host import git

    given = b"".join(os.fsencode(path) + b"\0" for path in paths)
    words, env = ("check-ignore", "-z", "--stdin"), {"GIT_LITERAL_PATHSPECS": "0"}  # else it refuses
    try:
        said = git.ask(root, *words, given=given, env=env, timeout_s=GIT_S)
    except git.NotInstalled:
        return []
    if said.code > 1 and "not a git repository" not in said.err:
        raise git.refused(root, words, said)
    return [os.fsdecode(path) for path in said.out.split(b"\0") if path]


def _declared(config: Config) -> list[mapping.Mapped]:
    return [mapping.Mapped(each, tuple(manifests_of(each, config))) for each in config.environments.values()]


def manifests_of(environment: Environment, config: Config) -> list[str]:
    """The files that a declared environment is made from, seen from the workspace.

    A glob that is written is seen from the workspace, and from the environment's own folder when nothing
    matches there; what a kind usually has is looked for in its own folder first.
    """
    home = _home(environment, config.path)
    written = "manifests" in config.written.get("environments", {}).get(environment.name, {})
    bases = ("", home) if written else (home, "")
    usual = () if written else USUAL.get(environment.kind, ())
    found: dict[str, None] = {}
    for glob in dict.fromkeys((*environment.manifests, *usual)):
        for base in dict.fromkeys(bases if written or not found else bases[:1]):
            paths = matching(f"{config.path}/{base}" if base else config.path, glob)
            found |= dict.fromkeys(mapping.join(base, path) for path in paths)
            if paths:
                break
    return [path for path in found if not _is_made(path, environment, home)]


def _is_made(path: str, environment: Environment, home: str) -> bool:
    """Whether that file lies in a folder that the environment's command makes: a copy of a manifest there is none."""
    made = {mapping.join(base, name) for name in environment.outputs for base in ("", home)} - {""}
    return any(path.startswith(f"{folder}/") for folder in made)


def _home(environment: Environment, root: str) -> str:
    """The folder that an environment belongs to, seen from the workspace; "" at the top or outside."""
    folder = os.path.dirname(environment.path) if environment.kind == "python" else environment.path
    home = os.path.relpath(folder, root).replace(os.sep, "/") if folder.startswith(root) else "."
    return "" if home == "." else home


def _seen(house: House, memory: FileCache, mapped: mapping.Mapped, *, discovered: bool) -> EnvironmentSeen:
    environment = mapped.environment
    files = memory.with_includes(mapped.manifests, whole=environment.kind == "command")
    found = presence.look(environment, house.config.path)
    record = read_record(house.place, environment.name)
    if (at := _by_tasks_py(environment, mapped.manifests, house.config.path)) is not None:
        record = record._replace(done=Done(files, command_of(environment, files), found.interpreter, at))
    seen = EnvironmentSeen(
        environment, files, command_of(environment, files), found.interpreter, found.missing,
        record, discovered, mapped.manifests, found.taken,
    )  # fmt: skip
    if seen.idle:
        return seen._replace(missing="")
    made = record.done is not None and record.done.files == files  # else it is stale, and may well lack something
    return seen._replace(missing=presence.missing_packages(environment)) if made and not seen.missing else seen


def _by_tasks_py(environment: Environment, own: Collection[str], root: str) -> float | None:
    """When `python tasks.py` has made this very environment from this very pyproject.toml, as its own stamp says."""
    if tuple(own) != ("pyproject.toml",) or environment.path != os.path.join(root, ".venv"):
        return None
    from autosys_tasks.bootstrap import stamp

    made = file_marks(stamp.stamp_path(root))
    return made[1] / 1e9 if made and stamp.ready(root, set()) else None


def command_of(environment: Environment, files: Iterable[str]) -> str:
    """What makes an environment, as far as it changes what comes out: not which tool happens to be on PATH."""
    if environment.kind == "command":
        return " ".join(environment.install)
    return manager_of(files) if environment.kind == "node" else "pip"


def manager_of(files: Iterable[str]) -> str:
    """Which of Node's package managers a project uses: its lock says so."""
    there_are = {path.rpartition("/")[2] for path in files}
    return "pnpm" if "pnpm-lock.yaml" in there_are else "yarn" if "yarn.lock" in there_are else "npm"


def _watched(seen: Iterable[EnvironmentSeen], candidates: Iterable[str], root: str) -> set[str]:
    """Beside the manifests themselves: where new ones would appear, what each is made with, and git's own state."""
    folders = {mapping.folder_of(path) or "." for path in candidates}
    paths = {each.environment.path for each in seen} | {f"{each.environment.path}/pyvenv.cfg" for each in seen}
    return folders | paths | {"autosys.toml"} | changes.watched(root)


# --- services ---------------------------------------------------------------------------------------------


def running(house: House) -> frozenset[str]:
    """The services of which a process lives, or would, had not a run that was cut short stopped it."""
    from autosys_tasks.supervise.plan import pids_of

    return frozenset(name for name, each in _facts(house) if pids_of(each) or _is_left_stopped(each))


def left_stopped(house: House) -> frozenset[str]:
    """The services that a run had stopped for a while, and was ended before it started them again."""
    return frozenset(name for name, each in _facts(house) if _is_left_stopped(each))


def _is_left_stopped(facts: ServiceFacts) -> bool:
    return facts.wanted.up and facts.wanted.hold is not None and facts.held_by is None


def _facts(house: House) -> Iterable[tuple[str, ServiceFacts]]:
    from autosys_tasks.supervise import look as supervise_look

    managed = [name for name, service in house.config.services.items() if service.managed]
    return supervise_look.look(house, managed).items()


def owing(house: House, owed: Mapping[str, str]) -> dict[str, str]:
    """The services whose restart failed and that are wanted and still not ready."""
    known = [name for name in owed if name in house.config.services and house.config.services[name].managed]
    wanted = [name for name in known if read_wanted(house.place, name).up]
    well = ready(house, wanted) if wanted else ()
    return {name: owed[name] for name in wanted if name not in well}


def ready(house: House, names: Iterable[str]) -> frozenset[str]:
    """Those of the named services that are as wanted now."""
    from autosys_tasks.supervise import look as supervise_look
    from autosys_tasks.supervise.plan import decide_all
    from autosys_tasks.supervise.state import now

    facts = supervise_look.look(house, names, ask=True)
    services: Mapping[str, object] = house.config.services
    decisions = decide_all(house.services, facts, now(), house.config.watchdog)
    return frozenset(name for name in facts if name in services and decisions[name].state in ("ready", "done"))
