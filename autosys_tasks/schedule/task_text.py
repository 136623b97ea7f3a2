"""A Task Scheduler task as XML: every default that would kill or skip it is overridden. Pure.

Facts: MS-TSCH 2.3 and 2.5; the order inside a trigger is that of its schema.
"""

from __future__ import annotations

import hashlib
from subprocess import list2cmdline
from xml.sax.saxutils import escape

from autosys_tasks.schedule.values import AtLogon, Entry, Every, File, Site

EPOCH = "2025-01-01"  # any day in the past: the trigger's time of day and its beat count from here
NORMAL, BELOW = 5, 7  # Task Scheduler's own default is 7, and what a task starts inherits it


def path_of(site: Site, name: str) -> str:
    """Where a task stands in the Task Scheduler's tree."""
    return f"\\AutoSys\\{site.id}\\{name.capitalize()}"


def file_of(site: Site, entry: Entry) -> File:
    """The task as it is registered; its own hash is in it, since Windows gives the rest back in another form."""
    bare = _xml(site, entry, "")
    digest = hashlib.sha256(bare.encode("utf-8")).hexdigest()[:16]
    return File(entry.name, f"autosys-{site.id}-{entry.name}.xml", _xml(site, entry, digest), "utf-16")


def hash_in(xml: str) -> str:
    """The hash that a registered task has in it; empty when it is not ours."""
    return xml.partition("<Version>sha256:")[2].partition("</Version>")[0]


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
    command, *arguments = site.argv(entry)
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
