"""A Task Scheduler task as XML: every default that would kill or skip it is overridden. Pure.

Facts: MS-TSCH 2.3 and 2.5; the order inside a trigger is that of its schema.
"""

from __future__ import annotations

import hashlib
import re
from subprocess import list2cmdline
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule.command_text import words
from autosys_tasks.schedule.start_text import argv_of
from autosys_tasks.schedule.values import AtLogon, Entry, Every, File, Site

EPOCH = "2025-01-01"  # any day in the past: the trigger's time of day and its beat count from here
NORMAL, BELOW = 5, 7  # Task Scheduler's own default is 7, and what a task starts inherits it
TOP = "\\AutoSys"
SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
OURS = ("Command", "Arguments", "WorkingDirectory")  # what a person may change and the hash does not tell
LONGEST_PATH, LONGEST_NAME = 260, 237
NO_NAME = re.compile(r'[:/*?"<>|]|^[ .]|\\[ .]|[ .](\\|$)')
NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
VARIABLE = re.compile(r"%[A-Za-z_][A-Za-z0-9_()]*%|\$\(Arg")  # what it puts something else in place of


def folder_of(site: Site) -> str:
    """The folder of a workspace in the Task Scheduler's tree; nothing outside of it is ever touched."""
    return f"{TOP}\\{site.id}"


def path_of(site: Site, name: str) -> str:
    """Where a task stands in the Task Scheduler's tree."""
    return f"{folder_of(site)}\\{name.capitalize()}"


def file_of(site: Site, entry: Entry) -> File:
    """The task as it is registered; its own hash is in it, since Windows gives the rest back in another form.

    Raises UsageError for a name or path that the Task Scheduler cannot hold.
    """
    _must_fit(site, entry)
    bare = _xml(site, entry, "")
    digest = hashlib.sha256(bare.encode("utf-8")).hexdigest()[:16]
    return File(entry.name, f"autosys-{site.id}-{entry.name}.xml", _xml(site, entry, digest), "utf-16")


def hash_in(xml: str) -> str:
    """The hash that a registered task has in it; empty when it is not ours."""
    return xml.partition("<Version>sha256:")[2].partition("</Version>")[0]


def spoken(text: str) -> str:
    """The XML for an interface that takes text, not bytes: it names no encoding."""
    return text.replace(' encoding="UTF-16"', "", 1)


def compared(xml: str | None, wanted: str) -> tuple[str, str]:
    """(registered | differs | unknown, why) of a task as it was read back; only its own words are evidence."""
    if not xml or "<Task" not in xml:
        return "unknown", "the Task Scheduler does not show what it has"
    if not hash_in(xml):
        return "differs", "a task of this name that autosys has not made"
    if hash_in(xml) != hash_in(wanted):
        return "differs", "made by another version, or for other settings"
    changed = _changed(xml, wanted)
    return ("differs", f"changed by hand: {', '.join(changed)}") if changed else ("registered", "")


def _changed(xml: str, wanted: str) -> list[str]:
    """Which parts that a person can change are not as wanted; what is not told, or cannot be read, is none."""
    try:
        there, ours = (ElementTree.fromstring(spoken(text)) for text in (xml, wanted))
    except ElementTree.ParseError:
        return []
    found = []
    for name in OURS:
        said = [each.text or "" for each in there.iter(SPACE + name)]
        if said and said != [each.text or "" for each in ours.iter(SPACE + name)]:
            found.append(name)
    triggers = there.find(f"{SPACE}Triggers")
    if any(each.text == "false" for each in triggers.iter(f"{SPACE}Enabled")) if triggers is not None else False:
        found.append("its trigger is off")
    return found


class Told(NamedTuple):
    """What a task of anybody says it runs, where, and as whom."""

    lines: tuple[tuple[str, ...], ...] = ()  # each program with its arguments
    folders: tuple[str, ...] = ()
    user: str = ""  # a SID or a name; "" for a group
    is_elevated: bool = False  # with an administrator's rights
    is_triggered: bool = False  # whether anything sets it off by itself


def told(xml: str) -> Told:
    """What a task says of itself; nothing when it cannot be read."""
    try:
        task = ElementTree.fromstring(spoken(xml))
    except ElementTree.ParseError:
        return Told()
    runs = [[each.findtext(SPACE + name) or "" for name in OURS] for each in task.iter(f"{SPACE}Exec")]
    triggers = task.find(f"{SPACE}Triggers")
    return Told(
        tuple((command.strip('"'), *words(arguments, windows=True)) for command, arguments, _folder in runs),
        tuple(folder.strip('"') for _command, _arguments, folder in runs if folder),
        task.findtext(f"{SPACE}Principals/{SPACE}Principal/{SPACE}UserId") or "",
        task.findtext(f"{SPACE}Principals/{SPACE}Principal/{SPACE}RunLevel") == "HighestAvailable",
        any(each.findtext(f"{SPACE}Enabled") != "false" for each in triggers) if triggers is not None else False,
    )


def ours(path: str) -> tuple[str, str]:
    """(workspace id, entry) of a task that autosys made; ("", "") of any other."""
    found = re.fullmatch(r"\\AutoSys\\(.+-[0-9a-f]{8})\\(\w+)", path)
    return (found[1], found[2].lower()) if found else ("", "")


def _must_fit(site: Site, entry: Entry) -> None:
    command, *arguments = argv_of(site, entry)
    for what, text in (
        ("workspace", site.folder), ("program", command), ("name", path_of(site, entry.name)),
        ("user", site.user), ("purpose", entry.purpose), *(("argument", text) for text in arguments),
    ):  # fmt: skip
        if NO_TEXT.search(text):
            raise _cannot(what, text, "it has a character that XML cannot hold")
        if what != "purpose" and (found := VARIABLE.search(text)):
            raise _cannot(what, text, f"it would put something else in place of `{found[0]}`")
    for what, text in (("workspace", site.folder), ("program", command)):
        if not 1 <= len(text) <= LONGEST_PATH or '"' in text:
            raise _cannot(what, text, f"a path there has 1 to {LONGEST_PATH} characters and no quotes")
    path = path_of(site, entry.name)
    if NO_NAME.search(path) or len(path) > LONGEST_NAME:
        raise _cannot("name", path, f'a name there has at most {LONGEST_NAME} characters, none of : / * ? " < > |')


def _cannot(what: str, text: str, why: str) -> UsageError:
    message = f"the Task Scheduler cannot hold the {what} `{ascii(text)[1:-1]}`: {why}"
    return UsageError(message, where=what, hint="move or rename the workspace, then register again")


def duration(seconds: float) -> str:
    """Seconds as XML Schema writes them: PT1H30M, PT30S."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "H"), (minutes, "M"), (rest, "S"))
    return "PT" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0S")


def _trigger(site: Site, entry: Entry) -> str:
    when = entry.when
    if isinstance(when, AtLogon):
        user, delay = _element("UserId", site.user), _element("Delay", duration(when.delay_s))
        return f"<LogonTrigger><Enabled>true</Enabled>{user}{delay}</LogonTrigger>"
    if isinstance(when, Every):
        start = _element("StartBoundary", f"{EPOCH}T00:00:00")
        beat = f"<Repetition>{_element('Interval', duration(max(60.0, when.every_s)))}</Repetition>"
        return f"<TimeTrigger><Enabled>true</Enabled>{start}{beat}</TimeTrigger>"
    start = _element("StartBoundary", f"{EPOCH}T{when.at}")
    daily = "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"
    return f"<CalendarTrigger><Enabled>true</Enabled>{start}{daily}</CalendarTrigger>"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _xml(site: Site, entry: Entry, digest: str) -> str:
    command, *arguments = argv_of(site, entry)
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>autosys</Author>
    <Version>sha256:{digest}</Version>
    {_element("Description", f"{entry.purpose} ({site.folder})")}
    {_element("URI", path_of(site, entry.name))}
  </RegistrationInfo>
  <Triggers>
    {_trigger(site, entry)}
  </Triggers>
  <Principals>
    <Principal id="Author">
      {_element("UserId", site.user)}
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings><StopOnIdleEnd>false</StopOnIdleEnd><RestartOnIdle>false</RestartOnIdle></IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>{duration(entry.limit_s)}</ExecutionTimeLimit>
    <Priority>{BELOW if entry.background else NORMAL}</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      {_element("Command", command)}
      {_element("Arguments", list2cmdline(arguments))}
      {_element("WorkingDirectory", site.folder)}
    </Exec>
  </Actions>
</Task>
"""
