"""What a check is about and what was seen of it, as values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from autosys_tasks.backup.values import Backup
from autosys_tasks.config.model import Config
from autosys_tasks.core.verdict import Fix
from autosys_tasks.host.types import Identity
from autosys_tasks.probes.values import Answer
from autosys_tasks.schedule.values import NoWay
from autosys_tasks.schedule.values import Seen as Scheduled
from autosys_tasks.supervise.values import Decision, Facts, Now

WITHIN_S = 2.0
GRACE_S = 0.3  # a question ends at its own deadline; its check may come this much later


class Look(NamedTuple):
    """One check to be made: whose it is, how to see its facts (read-only), and by when they must be there."""

    id: str
    title: str
    see: Callable[[], object]
    within_s: float = WITHIN_S

    @property
    def kind(self) -> str:
        """The part of the id before the first dot."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """What the configuration calls its subject, or ""."""
        return self.id.partition(".")[2]


class Seen(NamedTuple):
    """What a look brought: facts, or the error that it ended with, or nothing in time."""

    facts: object = None
    error: str = ""
    hint: str = ""
    late: bool = False
    ms: int = 0


class More(NamedTuple):
    """What a look brought that found what is to be looked at: a check for each takes its place on the page."""

    looks: tuple[Look, ...]
    seen: Mapping[str, Seen] = {}  # by id


class Finding(NamedTuple):
    """The judgement of one check's facts; `why` is "" only when all is as wanted."""

    verdict: str
    evidence: str
    why: str = ""
    fix: Fix | None = None


class ConfigSeen(NamedTuple):
    """The configuration file as it is now, and what runs although it is declared no more, or otherwise."""

    declared: str  # "3 services, 1 environment"
    problems: tuple[str, ...] = ()
    undeclared: tuple[tuple[str, tuple[int, ...]], ...] = ()  # (name, live pids)
    outdated: tuple[str, ...] = ()  # the services that were started as another declaration said
    staged: tuple[str, ...] = ()  # paths in `backups/` and `outputs/` that git takes into a commit


class AutostartSeen(NamedTuple):
    """What the system starts for this workspace, as its scheduler says; `refusals`: whose command cannot run."""

    entries: tuple[Scheduled, ...]
    wanted: frozenset[str] = frozenset()  # what a person had registered
    refusals: tuple[tuple[str, str], ...] = ()  # (entry, why)
    since: float | None = None  # when a person last registered something, seconds since 1970
    no_way: NoWay | None = None  # why no scheduler of this system takes an entry


class BackupSeen(NamedTuple):
    """What is kept of this workspace, when that was last proven, and how the last run and the last drill ended."""

    sets: int = 0  # declared
    git: bool = False  # there is a repository, and its state is asked for
    newest: Backup | None = None  # the newest verified one
    lost: str = ""  # what of it is not as it was verified: an archive that is gone, or has another size
    halves: tuple[str, ...] = ()  # archives and manifests that are no backup any more, each as `NAME: why`
    run_at: float | None = None  # the last run in the journal, seconds since 1970; None: none
    run_made: str = ""  # the id of the backup that it made
    run_owner: str = ""  # whose that is now, when it is another's: the workspace was moved, or the machine renamed
    run_ok: bool = True
    run_detail: str = ""
    idle: tuple[str, ...] = ()  # patterns that matched nothing in that run, and need not
    drill_at: float | None = None  # the last drill
    drill_ok: bool = True
    drill_why: str = ""
    wanted: bool = False  # a person had the nightly entry registered
    since: float | None = None  # when a person last registered something
    late: tuple[str, ...] = ()  # of each second place that lies here, or lacks the newest for too long: why


class ServiceSeen(NamedTuple):
    """A service's facts, and the whole answers that they hold the short form of."""

    facts: Facts
    readiness: Answer | None = None  # None: not asked
    liveness: Answer | None = None
    last_line: str = ""  # of what its previous instance wrote, fit to be shown


class WatchSeen(NamedTuple):
    """Who watches: the guard and its heartbeat, and the last tick that a journal tells of."""

    guard: Facts
    beat: Answer | None = None  # None: no guard to ask
    tick_at: float | None = None  # seconds since 1970; None: no tick in the journal
    tick_ok: bool = True
    tick_detail: str = ""
    anything_wanted: bool = True  # whether any managed service is wanted up


class EnvironmentSeen(NamedTuple):
    """What was found of an environment, and what of it is missing ("" = nothing)."""

    found: str
    missing: str = ""
    nothing_to_see: bool = False  # it declares nothing that could be missing
    manifests: tuple[str, ...] = ()  # globs of what it is made from
    can_be_made: bool = True  # one of these is there, so that `inv upgrade` makes it
    taken: bool = False  # its folder holds other things, and no upgrade makes it there
    vanished: bool = False  # it was made from manifests of which none is there any more


class UpgradeSeen(NamedTuple):
    """What the stamps say: which environments are not as their files want them, and what a person should know."""

    names: tuple[str, ...] = ()  # the environments
    looked: bool = False  # an upgrade has been here
    stale: tuple[tuple[str, str], ...] = ()  # (environment, why)
    failed: tuple[tuple[str, str, float], ...] = ()  # (environment, why, seconds since 1970)
    faults: tuple[tuple[str, str], ...] = ()  # (script, what is wrong with it)
    warnings: tuple[str, ...] = ()
    last: float | None = None  # the newest success, seconds since 1970
    broken: tuple[str, ...] = ()  # why autosys itself as pulled does not work, which commit brought that, the way back
    hooks: str = ""  # installed | missing | differs | managed | no repository
    old: tuple[tuple[str, str], ...] = ()  # (service that still runs what it was before a pull, why)
    unseen: tuple[str, ...] = ()  # scripts that came, and that no upgrade has looked at
    held: str = ""  # why no upgrade does anything now
    restart_on: tuple[str, ...] = ()  # services that ask for a restart when a pull changes certain files
    commit: str = ""  # the last one that an upgrade which ended well has seen
    taken: tuple[str, ...] = ()  # the stale environments whose folders hold other things: no upgrade mends that


class OutputSeen(NamedTuple):
    """How old an output is, by its file's time and by the time that stands in it (seconds since 1970)."""

    path: str
    changed_at: float | None = None  # None: there is no such file
    says_at: float | None = None  # None: it says none
    broken: str = ""  # why it is no document
    unclear: str = ""  # why the time that it says cannot be used


class Room(NamedTuple):
    """The free space where something of ours lies, in bytes."""

    what: str
    path: str
    total: int
    free: int
    writable: bool = True


class Copies(NamedTuple):
    """More processes than one of a service that may run once; `ours` is the one that its record owns."""

    service: str
    ours: Identity | None
    others: tuple[Identity, ...]


class CopiesSeen(NamedTuple):
    """Which services run more than once, among how many processes and services."""

    processes: int
    services: int
    found: tuple[Copies, ...] = ()


class Scene(NamedTuple):
    """What every judgement may need beside its own facts."""

    config: Config
    now: Now
    facts: Mapping[str, Facts]  # of the services that were seen
    decisions: Mapping[str, Decision]
