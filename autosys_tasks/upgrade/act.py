"""Changes one environment, with what runs in it stopped and ready again, or with everything as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError, Busy
from autosys_tasks.core.faults import fault
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise import run_lock, runs
from autosys_tasks.supervise.house import House
from autosys_tasks.upgrade import build, own_environments, presence, snapshots
from autosys_tasks.upgrade.build import Target
from autosys_tasks.upgrade.commands import Tools
from autosys_tasks.upgrade.discover import listed
from autosys_tasks.upgrade.running import LIMIT_S, InstallError, RunContext, environ
from autosys_tasks.upgrade.stamps import read_record, write_record
from autosys_tasks.upgrade.users import users
from autosys_tasks.upgrade.values import Done, EnvironmentSeen, Failed, Snapshot, digest

TURN_S = 30.0
RESTART_S = 120.0
READY_MORE_S = 30.0


class Job(NamedTuple):
    """One environment to be changed, and the services that run in it."""

    house: House
    seen: EnvironmentSeen
    step: Step
    bound: tuple[Step, ...]  # the restarts that come with it
    ready: frozenset[str]  # those of them that were ready before
    tools: Tools
    lock: host.Lock
    turns: bool = True  # False: the caller has the turn of services already
    force: bool = False
    stuck: str = ""  # why an upgrade of it that was cut short could not be put back: nothing can begin before that

    @property
    def names(self) -> list[str]:
        """The services that run in it."""
        return [step.target for step in self.bound]

    @property
    def log(self) -> str:
        """What the install says."""
        return os.path.join(self.house.config.path, "outputs", "logs", f"upgrade-{self.seen.name}.log")


def install(job: Job) -> list[Outcome]:
    """The install and the restarts that come with it, and how each ended. What fails leaves all as it was."""
    began = time.perf_counter()
    _new_log(job.log)
    restarts: list[Outcome] = []
    try:
        if job.stuck:
            raise InstallError(job.stuck)
        detail = (_beside if own_environments.is_ours(job.seen.environment) else _in_place)(job, restarts)
        ok = True
    except (InstallError, AutosysError, OSError, RuntimeError) as error:
        ok, detail = False, error_text(error)
        _failed(job, detail)
    done = Outcome(job.step, ok, detail, round((time.perf_counter() - began) * 1000))
    untouched = [Outcome(step, None, "not touched: the install failed before") for step in job.bound]
    return [done, *(restarts or untouched)]


def error_text(error: BaseException) -> str:
    """What went wrong, for a person."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error)


def _new_log(log: str) -> None:
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with contextlib.suppress(OSError):
        os.replace(log, f"{log}.1")
    os.close(host.open_append(log))


def _site(job: Job, path: str, *, fresh: bool) -> Target:
    bench = RunContext(job.log, job.lock, environ(job.house.base), time.monotonic() + LIMIT_S)
    return Target(job.house.config.path, job.seen, path, job.tools, bench, fresh)


# --- an environment of ours: built beside, then switched --------------------------------------------------


def _beside(job: Job, restarts: list[Outcome]) -> str:
    path, root = job.seen.environment.path, job.house.config.path
    before = host.pointed(path) or ""
    target, notes = _built(job, before)
    way = Snapshot("link", before if os.path.isdir(before) else "", job.seen.record.done)
    with _or_restore(job, way, restarts):
        pause(job)
        host.point_to(path, target)
        fault("upgrade.after-switch")
        restarts += resume(job)
        _refuse_the_unready(job, restarts)
    _succeeded(job, way)
    notes += own_environments.exclude_from_git(root, path)
    notes += own_environments.remove_old(root, job.seen.environment, {target, way.path})
    return _detail(f"{os.path.basename(path)} leads to {os.path.basename(target)} now", notes)


def _built(job: Job, before: str) -> tuple[str, list[str]]:
    """The folder of an environment that is made from exactly this, proven; one from earlier when that still is whole.

    One that is to be made anew is never made where the link leads to, or would lead back to: somebody may run there.
    """
    made_of = digest(job.seen.name, job.seen.wanted, sys.version_info[:3])
    base = f"{own_environments.store(job.house.config.path, job.seen.environment)}/{made_of}"
    if not job.force and _is_sound(_site(job, base, fresh=False)):
        return base, ["it was built before"]
    kept = job.seen.record.before
    like = [entry.path for entry in listed(os.path.dirname(base)) if entry.name.startswith(made_of)]
    taken = {os.path.abspath(path) for path in (before, kept.path if kept else "", *users(like)) if path}
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    target = next(path for path in names if os.path.abspath(path) not in taken)
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    own_environments.write_label(target, job.seen.name, whole=False)
    site = _site(job, target, fresh=True)
    notes = build.install(site)
    build.verify(site, frozenset())
    own_environments.write_label(target, job.seen.name, whole=True)
    return target, notes


def _is_sound(site: Target) -> bool:
    """Whether an environment of ours was built to its end, and nobody has taken anything away since."""
    if not own_environments.is_whole(site.path):
        return False
    try:
        build.verify(site, frozenset())
    except InstallError:
        return False
    return True


# --- the person's own, changed in place -------------------------------------------------------------------


def _in_place(job: Job, restarts: list[Outcome]) -> str:
    environment, root = job.seen.environment, job.house.config.path
    found = presence.look(environment, root)
    if found.taken:  # since it was planned
        raise InstallError(f"{found.missing}: nothing was touched")
    fresh = environment.kind == "python" and bool(found.missing)
    site = _site(job, environment.path, fresh=fresh)
    complaints = build.complaints(site)
    way = snapshots.save(root, environment)._replace(done=job.seen.record.done)
    with _or_restore(job, way, restarts):
        pause(job)
        if way.kind == "moved":
            snapshots.move_away(way)
        notes = build.install(site)
        build.verify(site, complaints)
        restarts += resume(job)
        _refuse_the_unready(job, restarts)
    _succeeded(job, snapshots.keep_for_rollback(way))
    return _detail(f"installed in {os.path.relpath(environment.path, root)}", notes)


def _detail(text: str, notes: list[str]) -> str:
    return "; ".join([text, *notes])


# --- services ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def turn(house: House) -> Iterator[None]:
    """Hold the turn of those who start services; without it after TURN_S, since the services' own locks keep order."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Busy):
            stack.enter_context(run_lock.held(house.place, "upgrade", wait_s=TURN_S))
        yield


def _turn(job: Job) -> contextlib.AbstractContextManager[None]:
    return turn(job.house) if job.turns else contextlib.nullcontext()


def pause(job: Job) -> None:
    """Stop what runs in it for a while; raises Trouble when that cannot be done."""
    if not job.names:
        return
    with _turn(job):
        stopped = runs.pause(job.house, job.names, "upgrade")
    if failed := [each.step.target for each in stopped if each.ok is False]:
        raise InstallError(f"{', '.join(failed)} did not stop, nothing was changed under it")


def resume(job: Job) -> list[Outcome]:
    """Start what was stopped; True is only said of what is ready."""
    if not job.names:
        return []
    services = job.house.config.services
    probes = [each for each in (services[name].readiness for name in job.names) if each]
    patience = max((each.start_timeout_s for each in probes), default=0.0) + READY_MORE_S
    began = time.perf_counter()
    with _turn(job):
        report = runs.resume(job.house, job.names, "upgrade", timeout_s=patience)
    ms = round((time.perf_counter() - began) * 1000)
    return [_restarted(job, step, report)._replace(ms=ms) for step in job.bound]


def _restarted(job: Job, step: Step, report: runs.Report) -> Outcome:
    decision = report.decisions.get(step.target)
    if decision is None or decision.state == "stopped":
        return Outcome(step, None, "a person stopped it meanwhile")
    if step.target not in report.not_so:
        return Outcome(step, True, f"{decision.state} again")
    if step.target not in job.ready:
        return Outcome(step, False, f"{decision.state}, {decision.reason}; it was not ready before either")
    return Outcome(step, False, f"{decision.state}, {decision.reason}")


def _refuse_the_unready(job: Job, restarts: list[Outcome]) -> None:
    """Who was not ready before says nothing of the new environment."""
    if bad := [each for each in restarts if each.ok is False and each.step.target in job.ready]:
        raise InstallError("; ".join(f"{each.step.target} is not ready with it: {each.detail}" for each in bad))


def restart(house: House, steps: Sequence[Step], *, turns: bool) -> list[Outcome]:
    """Restart services whose files changed, and wait until each is ready."""
    names = [step.target for step in steps]
    with turn(house) if turns else contextlib.nullcontext():
        report = runs.restart(house, names, timeout_s=RESTART_S)
    ended = [report.decisions[name] for name in names]
    return [
        Outcome(step, step.target not in report.not_so, f"{each.state}, {each.reason}")
        for step, each in zip(steps, ended, strict=True)
    ]


# --- what is remembered -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _or_restore(job: Job, way: Snapshot, restarts: list[Outcome]) -> Iterator[None]:
    """What goes wrong inside puts the environment back, starts what ran in it, and is raised again."""
    place, name = job.house.place, job.seen.name
    write_record(place, name, read_record(place, name)._replace(pending=way, path=job.seen.environment.path))
    try:
        yield
    except BaseException as error:
        try:
            with contextlib.suppress(InstallError, AutosysError):  # who does not stop must not keep it from coming back
                pause(job)
            snapshots.restore(job.seen.environment.path, way)
        except OSError as trouble:
            text = f"{error_text(error)}; and what was there before could not be put back: {error_text(trouble)}"
            raise InstallError(text) from error
        finally:
            restarts[:] = [_with_note(each, "with what was there before") for each in resume(job)]
        write_record(place, name, read_record(place, name)._replace(pending=None))
        snapshots.discard(way)
        raise


def _with_note(outcome: Outcome, text: str) -> Outcome:
    return outcome._replace(detail=f"{outcome.detail}, {text}")


def _succeeded(job: Job, before: Snapshot) -> None:
    place, seen = job.house.place, job.seen
    interpreter = presence.look(seen.environment, job.house.config.path).interpreter
    doubts = build.open_questions(_site(job, seen.environment.path, fresh=False))
    done = Done(seen.files, seen.command, interpreter, time.time(), doubts)
    kept = before if before.path else None
    record = read_record(place, seen.name)._replace(done=done, failed=None, refused="", before=kept, pending=None)
    write_record(place, seen.name, record)


def _failed(job: Job, why: str) -> None:
    place, seen = job.house.place, job.seen
    record = read_record(place, seen.name)
    before = record.failed.tries if record.failed and record.failed.wanted == seen.wanted else 0
    with contextlib.suppress(AutosysError):  # a full disk: the outcome itself says what happened
        write_record(place, seen.name, record._replace(failed=Failed(seen.wanted, why, time.time(), before + 1)))


def recover(house: House, names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Put back what an upgrade that was cut short had begun to change.

    What became of each, and of which environments that is not possible now, with why: that keeps none of the others.
    """
    notes, stuck = list[str](), dict[str, str]()
    for name in names:
        record = read_record(house.place, name)
        way = record.pending
        if way is None:
            continue
        if way.path and not snapshots.exists(way):
            record = record._replace(done=None)  # whatever it is now: it was not made from what the files say
            notes.append(f"{name}: an upgrade had been cut short, and what was kept of it is gone: it is made anew")
        else:
            try:
                snapshots.restore(record.path, way)
            except OSError as error:
                why = error_text(error)
                stuck[name] = f"an upgrade had been cut short, and what was there could not be put back: {why}"
                continue
            notes.append(f"{name}: an upgrade had been cut short, what was there before it was put back")
        write_record(house.place, name, record._replace(pending=None))
        snapshots.discard(way)
    return notes, stuck
