"""What is scheduled, as values: when, what, and what a scheduler says of it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from autosys_tasks.config.model import Config

MASTER, WATCHDOG, BACKUP = "master", "watchdog", "backup"
NIGHT_S = 4 * 3600  # a backup that takes longer hangs
PLATFORMS = ("windows", "linux", "macos")


class AtLogon(NamedTuple):
    """Once, so long after this user logs on."""

    delay_s: float


class Every(NamedTuple):
    """Again and again, for ever."""

    every_s: float


class Daily(NamedTuple):
    """Every day at a time of the local clock; caught up when the machine was off."""

    at: str  # HH:MM:SS


class Entry(NamedTuple):
    """One thing that the operating system starts for a workspace."""

    name: str  # master | watchdog | backup
    purpose: str
    when: AtLogon | Every | Daily
    task: tuple[str, ...]  # the `inv` command and its options
    limit_s: int  # the scheduler ends a run that takes longer
    background: bool = False  # below what the person works with


class Site(NamedTuple):
    """Whose entries these are, and with what they are run; all paths are absolute."""

    id: str  # <slug>-<8 hex of the workspace path>: our name space
    folder: str  # the workspace
    command: tuple[str, ...]  # interpreter and module; an entry's task is put behind it
    user: str  # SID on Windows, the user's number elsewhere
    log: str  # where an entry's output goes, for the systems that want a file named
    env: tuple[tuple[str, str], ...] = ()  # of AUTOSYS_STATE and the like, what must be the same in every run
    state: str = ""  # the state folder

    def argv(self, entry: Entry) -> tuple[str, ...]:
        """What the scheduler runs."""
        return (*self.command, *entry.task)


class File(NamedTuple):
    """One generated file, exactly as it is registered."""

    entry: str
    name: str
    text: str
    encoding: str = "utf-8"

    @property
    def data(self) -> bytes:
        """Its bytes: UTF-16 has the mark that Task Scheduler asks for."""
        return b"\xff\xfe" + self.text.encode("utf-16-le") if self.encoding == "utf-16" else self.text.encode("utf-8")


class Seen(NamedTuple):
    """What a scheduler says of one entry. `state`: registered | differs | missing | unknown."""

    name: str
    state: str
    why: str = ""
    mechanism: str = ""
    last_run: float | None = None  # seconds since 1970
    last_result: int | None = None  # the exit code that the scheduler kept; None = never ran, or not told
    next_run: float | None = None
    by_hand: str = ""  # what a person types, where registering anew mends it not


class NoWay(NamedTuple):
    """No mechanism of this system takes an entry: why none of them does, and what a person does about it."""

    why: str
    way_out: str


def entries(config: Config) -> tuple[Entry, ...]:
    """What autosys.toml asks for."""
    return (
        Entry(MASTER, "start everything after logon", AtLogon(config.schedule.master_delay_s), (MASTER,), 1800),
        Entry(WATCHDOG, "heal what died", Every(config.watchdog.every_s), (WATCHDOG,), 600),
        Entry(BACKUP, "keep a copy", Daily(config.backup.at), (BACKUP, "--due"), NIGHT_S, background=True),
    )


class Starter(NamedTuple):
    """Something that the system starts by itself for this user, whoever had it do so."""

    place: str  # the module that lists its kind, and takes it away
    name: str  # what a person calls it: a value, a file, a unit, a task
    where: str  # exactly where it stands
    commands: tuple[tuple[str, ...], ...] = ()  # the command lines that it runs, as words
    folder: str = ""  # where it runs them
    ours: str = ""  # the id of the workspace that autosys made it for; "" when somebody else made it
    entry: str = ""  # which entry of that workspace it is
    on: bool = True  # False when a person switched it off, or nothing sets it off
    by_hand: str = ""  # what an administrator types to remove it; "" when this user may
    kept: tuple[tuple[str, bytes], ...] = ()  # (file name, content) of what is kept before it goes
    back: str = ""  # how a person has it back, `{}` standing for the kept file


class Listing(NamedTuple):
    """What one place was found to hold, or why it could not be read."""

    what: str  # "3 Run values"
    starters: tuple[Starter, ...] = ()
    trouble: str = ""

    @classmethod
    def unread(cls, place: object, error: OSError) -> Listing:
        """Of a place that cannot be read."""
        return cls("", trouble=f"`{error.filename or place}` cannot be read: {error.strerror}")


class Rival(NamedTuple):
    """A starter that starts this workspace beside our own entry, or tries to and fails, and how that is known."""

    starter: Starter
    why: str


class RivalsSeen(NamedTuple):
    """What was looked at, what of it could not be read, and who starts this workspace beside us."""

    looked: tuple[str, ...]
    troubles: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    registered: bool = True  # False when it is certain that nothing of ours would start it
