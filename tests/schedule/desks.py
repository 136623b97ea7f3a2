"""What the tests of schedules share: sites with awkward names, and a strict reader of Task Scheduler's XML."""

from __future__ import annotations

import re
from pathlib import PureWindowsPath
from xml.etree import ElementTree

from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site

SID = "S-1-5-21-1004336348-1177238915-682003330-1001"
MASTER = Entry("master", "start everything after logon", AtLogon(30.0), ("master",), 1800)
WATCHDOG = Entry("watchdog", "heal what died", Every(300.0), ("watchdog",), 600)
BACKUP = Entry("backup", "keep a copy", Daily("03:30:00"), ("backup",), 3600, background=True)
ENTRIES = (MASTER, WATCHDOG, BACKUP)
NAMES = ("desk", "my own desk", "책상", "R&D <1>", "100%", "Kim's", "desk 🗂", "내 책상 & 100% 'x'")


def site(name: str = "desk", *, folder: str = "", env: tuple[tuple[str, str], ...] = (), id: str = "") -> Site:
    """A workspace of that name on drive C."""
    folder = folder or f"C:\\Users\\홍길동\\{name.replace('<', '(').replace('>', ')')}"
    command = (f"{folder}\\.venv\\Scripts\\pythonw.exe", "-X", "utf8", "-m", "invoke")
    return Site(id or "desk-1a2b3c4d", folder, command, SID, f"{folder}\\outputs\\logs\\schedule.log", env)


# A strict reader: what the schema and Windows' own rules say (MS-TSCH 2.3 and 2.5), of what we use of it.

NS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
COMMON = ["Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit"]
TRIGGERS = {
    "LogonTrigger": [*COMMON, "UserId", "Delay"],
    "TimeTrigger": [*COMMON, "RandomDelay"],
    "CalendarTrigger": [*COMMON, "RandomDelay", "ScheduleByDay"],
}
BOOLEANS = {
    "Enabled", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "AllowHardTerminate", "StartWhenAvailable",
    "RunOnlyIfNetworkAvailable", "StopOnIdleEnd", "RestartOnIdle", "AllowStartOnDemand", "Hidden", "RunOnlyIfIdle",
    "WakeToRun",
}  # fmt: skip
WANTED = {  # every default that would kill or skip a run, overridden
    "MultipleInstancesPolicy": "IgnoreNew", "DisallowStartIfOnBatteries": "false", "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true", "RunOnlyIfNetworkAvailable": "false", "StopOnIdleEnd": "false",
    "RunOnlyIfIdle": "false", "AllowHardTerminate": "true",
}  # fmt: skip
DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(?:T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
ORDERED = {"Exec": ("Command", "Arguments", "WorkingDirectory")}


def seconds(text: str) -> int:
    """A duration of days and less; 0 when it is none."""
    found = DURATION.fullmatch(text)
    if not found or found[1] or found[2]:
        return 0
    days, hours, minutes, rest = (int((part or "0")[:-1] or 0) for part in found.groups()[2:])
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def faults(data: bytes) -> list[str]:
    """What Windows would refuse, or what would make a task that is not as wanted."""
    if data[:2] != b"\xff\xfe":
        return ["it does not begin with the mark of UTF-16LE"]
    text = data[2:].decode("utf-16-le")
    if not text.startswith('<?xml version="1.0" encoding="UTF-16"?>'):
        return ["the declaration does not stand first, or names another encoding"]
    try:
        task = ElementTree.fromstring(text.replace(' encoding="UTF-16"', "", 1))
    except ElementTree.ParseError as error:
        return [f"not well-formed: {error}"]
    if task.tag != f"{NS}Task" or task.get("version") != "1.2":
        return ["not a Task 1.2 in its name space"]
    found = [f"{name(e)} holds {name(c)} twice" for e in task.iter() for c in set(e) if len(e.findall(c.tag)) > 1]
    found += [f"{name(e)} is `{e.text}`, not a boolean" for e in task.iter() if wrong_boolean(e)]
    for part in (triggers, settings, principal, action):
        found += part(task)
    return found


def name(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(NS)


def wrong_boolean(element: ElementTree.Element) -> bool:
    return name(element) in BOOLEANS and element.text not in ("true", "false")


def of(task: ElementTree.Element, path: str) -> str:
    return task.findtext("/".join(NS + part for part in path.split("/"))) or ""


def triggers(task: ElementTree.Element) -> list[str]:
    found = []
    each = task.findall(f"{NS}Triggers/*")
    if len(each) != 1:
        found.append(f"{len(each)} triggers, not one")
    for one in each:
        kind, parts = name(one), [name(part) for part in one]
        order = TRIGGERS.get(kind, [])
        places = [order.index(part) if part in order else -1 for part in parts]
        if -1 in places or places != sorted(places):
            found.append(f"{kind}: {', '.join(parts)} are not in the order of the schema")
        start = one.findtext(f"{NS}StartBoundary")
        if kind != "LogonTrigger" and not (start and MOMENT.fullmatch(start)):
            found.append(f"{kind}: StartBoundary is `{start}`")
        if kind == "LogonTrigger" and not (one.findtext(f"{NS}UserId") or "").startswith("S-1-"):
            found.append("LogonTrigger without UserId: any user's logon, for which a standard user has no right")
        delay = one.findtext(f"{NS}Delay")
        if delay is not None and not DURATION.fullmatch(delay):
            found.append(f"Delay is `{delay}`")
        found += repetition(one)
        if kind == "CalendarTrigger" and one.findtext(f"{NS}ScheduleByDay/{NS}DaysInterval") != "1":
            found.append("not every day")
    return found


def repetition(trigger: ElementTree.Element) -> list[str]:
    if name(trigger) != "TimeTrigger":
        return []
    interval = trigger.findtext(f"{NS}Repetition/{NS}Interval") or ""
    found = [] if 60 <= seconds(interval) <= 31 * 86400 else [f"the beat is `{interval}`, not PT1M to P31D"]
    if trigger.find(f"{NS}Repetition/{NS}Duration") is not None:
        found.append("the repetition ends some day")
    return found


def settings(task: ElementTree.Element) -> list[str]:
    there = {name(each): each.text for each in task.iter() if not len(each)}
    found = [f"{key} is {there.get(key)}, not {value}" for key, value in WANTED.items() if there.get(key) != value]
    if not 60 <= seconds(of(task, "Settings/ExecutionTimeLimit")) < 72 * 3600:
        found.append("no time limit of its own")
    if of(task, "Settings/Priority") not in ("5", "7"):
        found.append("Priority is neither normal nor background")
    return found


def principal(task: ElementTree.Element) -> list[str]:
    each = task.findall(f"{NS}Principals/{NS}Principal")
    contexts = [actions.get("Context") for actions in task.findall(f"{NS}Actions")]
    found = [] if contexts == [one.get("id") for one in each] else ["Actions' Context is not the one Principal's id"]
    wanted = {"LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}
    there = {key: of(task, f"Principals/Principal/{key}") for key in wanted}
    found += [f"{key} is `{there[key]}`, not {value}" for key, value in wanted.items() if there[key] != value]
    if not of(task, "Principals/Principal/UserId").startswith("S-1-"):
        found.append("UserId is no SID")
    return found


def action(task: ElementTree.Element) -> list[str]:
    found = []
    for key in ("Command", "WorkingDirectory"):
        text = of(task, f"Actions/Exec/{key}")
        if not 1 <= len(text) <= 260:
            found.append(f"{key} has {len(text)} characters")
        if '"' in text:
            found.append(f"{key} has quotes")
        if not PureWindowsPath(text).is_absolute():
            found.append(f"{key} is not absolute")
    if not of(task, "Actions/Exec/Command").lower().endswith("pythonw.exe"):
        found.append("the program opens a window")
    uri = of(task, "RegistrationInfo/URI")
    if not uri.startswith("\\AutoSys\\") or len(uri) >= 238 or re.search(r'[:/*?"<>|]', uri):
        found.append(f"no name for a task: `{uri}`")
    return found


def words(line: str) -> list[str]:
    """A command line as Windows programs take it apart (CommandLineToArgvW, after the program's name)."""
    found, word, quoted, at, begun = [], "", False, 0, False
    while at < len(line):
        run = len(line[at:]) - len(line[at:].lstrip("\\"))
        if run and line[at + run : at + run + 1] == '"':
            word, at, begun = word + "\\" * (run // 2), at + run, True
            if run % 2:
                word, at = word + '"', at + 1
            continue
        if run:
            word, at, begun = word + "\\" * run, at + run, True
            continue
        if line[at] == '"':
            quoted, begun = not quoted, True
        elif line[at] in " \t" and not quoted:
            found, word, begun = ([*found, word] if begun else found), "", False
        else:
            word, begun = word + line[at], True
        at += 1
    return [*found, word] if begun else found
