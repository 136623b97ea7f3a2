"""What this system's schedulers say of the entries; and which mechanisms it has."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from autosys_tasks import host
from autosys_tasks.config.model import Config
from autosys_tasks.core.parallel import run_parallel
from autosys_tasks.schedule.plan import best
from autosys_tasks.schedule.values import Entry, File, NoWay, Seen, Site

TRIAL_S = 20.0
MODULES = {
    "windows": ("task_scheduler", "run_key"),
    "linux": ("systemd", "cron"),
    "macos": ("launchd",),
}


class Mechanism(Protocol):
    """One way in which a system starts something, and how it is asked about it."""

    NAME: str

    def runs(self, site: Site, entry: Entry) -> tuple[str, ...]:
        """The program that it has an entry run, and its words."""

    def why_not(self) -> str:
        """Why it is of no use here; empty when it is."""

    def way_out(self) -> str:
        """What a person does so that it is of use; empty when nothing that a person can do here helps."""

    def look(self, site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
        """What it says of each entry."""

    def install(self, site: Site, entry: Entry) -> str:
        """Register one entry, or renew it; PermissionError when this user may not."""

    def remove(self, site: Site, name: str) -> str:
        """Take one entry away; nothing there is fine."""

    def show(self, site: Site, entry: Entry) -> tuple[File, ...]:
        """The files of one entry, as they are registered."""


def mechanisms(platform: str = host.PLATFORM) -> list[Mechanism]:
    """A platform's mechanisms, the best one first."""
    names = MODULES[platform]
    return [importlib.import_module(f"autosys_tasks.schedule.{name}") for name in names]


def see(site: Site, entries: Sequence[Entry]) -> dict[str, Seen]:
    """What holds of each entry; the next mechanism is asked only about what the one before does not have."""
    told: dict[str, list[Seen]] = {entry.name: [] for entry in entries}
    for mechanism in mechanisms():
        open_ones = [entry for entry in entries if not any(s.state == "registered" for s in told[entry.name])]
        if open_ones:
            for name, seen in mechanism.look(site, open_ones).items():
                told[name].append(seen)
    return {name: best(seen) for name, seen in told.items()}


def no_way(*, guard: bool) -> NoWay | None:
    """Why no mechanism of this system takes an entry, and the ways out; None when one does. `guard`: one may run."""
    known = mechanisms()
    whys = [mechanism.why_not() for mechanism in known]
    if not all(whys):
        return None
    ways = [way for mechanism in known if (way := mechanism.way_out())]
    by_itself = "; until then the guard has the ticks run while all is up: inv bringup" if guard else ""
    why = "; ".join(f"{mechanism.NAME}: {why}" for mechanism, why in zip(known, whys, strict=True))
    return NoWay(why, f"{', or '.join(ways)}; then inv schedule.register{by_itself}")


def no_way_for(config: Config, seen: Iterable[Seen]) -> NoWay | None:
    """The same where something of what was seen is missing; who has all that there is needs no way."""
    return no_way(guard=config.watchdog.guard) if any(each.state == "missing" for each in seen) else None


def refusals(site: Site, entries: Sequence[Entry], seen: Mapping[str, Seen]) -> tuple[tuple[str, str], ...]:
    """(name, why) of each registered entry whose very command cannot run; they are tried side by side."""
    there = [entry for entry in entries if seen[entry.name].state == "registered"]
    whys = run_parallel(*(partial(refuses, site, entry, seen[entry.name].mechanism) for entry in there))
    return tuple((entry.name, why) for entry, why in zip(there, whys, strict=True) if why)


def refuses(site: Site, entry: Entry, name: str) -> str:
    """Why the very command that this mechanism has an entry run cannot, with --dry-run behind it; empty when it can."""
    import os

    from autosys_tasks.host import child
    from autosys_tasks.supervise.environ import base_environ

    mechanism = next(each for each in mechanisms() if name == each.NAME)
    ours = {key: value for key, value in base_environ(os.environ).items() if not key.startswith("AUTOSYS_")}
    try:
        done = child.run([*mechanism.runs(site, entry), "--dry-run"], site.folder, ours | dict(site.env), TRIAL_S)
    except OSError as error:
        return f"its command cannot be run: {error}"
    except child.Late:
        return f"its command did not end within {TRIAL_S:g} s"
    told = (done.err or done.out).decode("utf-8", "replace").strip().splitlines()
    said = [line for line in told if not line.lstrip().startswith("->")] or told  # what is so, and not what to type
    return f"its command ends {done.code}: {said[-1] if said else 'without a word'}" if done.code else ""


def files(site: Site, entries: Iterable[Entry], platform: str) -> list[File]:
    """Everything that registering these entries would write on that platform, with its best mechanism."""
    return [file for entry in entries for file in mechanisms(platform)[0].show(site, entry)]
