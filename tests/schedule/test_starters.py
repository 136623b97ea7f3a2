"""What each place of a system starts by itself, read from real files; and taken away from them (P7)."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

import desks
import pytest
import test_cron
from shortcuts import shortcut

from autosys_tasks.schedule import (
    autostart_folder,
    cron,
    cron_text,
    launchd,
    launchd_text,
    starters,
    startup_folder,
    systemd_text,
    task_text,
    user_units,
)
from autosys_tasks.schedule.values import Listing, Rival, Site, Starter

SITE = Site("desk-1a2b3c4d", "/w/내 책상 50%", ("/w/py thon", "-m", "invoke"), str(os.getpid()), "/w/내 책상 50%/log")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of this test's own."""
    made = tmp_path / "집"
    made.mkdir()
    for name, value in (("HOME", made), ("XDG_CONFIG_HOME", made / ".config")):
        monkeypatch.setenv(name, str(value))
    return made


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return path


def only(listings: list[Listing]) -> tuple[Starter, ...]:
    """The starters of the one listing, which has no trouble."""
    (listing,) = listings
    assert not listing.trouble
    return listing.starters


# --- systemd ----------------------------------------------------------------------------------------------


def unit(home: Path, name: str, text: str, *, enabled: bool = True, wants: str = "default.target") -> Path:
    folder = home / ".config" / "systemd" / "user"
    path = write(folder / name, text)
    if enabled:
        (folder / f"{wants}.wants").mkdir(exist_ok=True)
        (folder / f"{wants}.wants" / name).symlink_to(path)
    return path


@pytest.mark.only("posix")
def test_units_are_read_as_systemd_reads_them(home: Path) -> None:
    unit(home, "a.service", '[Service]\nExecStart=-"/w/my desk/run" "50%%" \\\n  $$x\nWorkingDirectory=%h/desk\n')
    unit(home, "b.timer", "[Timer]\nOnCalendar=daily\n", wants="timers.target")
    unit(home, "b.service", "[Service]\nExecStartPre=/first\nExecStart=/old\n", enabled=False)
    write(home / ".config/systemd/user/b.service.d/new.conf", "[Service]\nExecStart=\nExecStart=/new\n")
    unit(home, "c.path", "[Path]\nUnit=d.service\n")
    unit(home, "d.service", "[Service]\nExecStart=/d\n", enabled=False)
    found = {starter.name: starter for starter in only(user_units.listings(SITE))}
    assert list(found) == ["a.service", "b.timer", "c.path"], "what nothing enables starts nothing"
    assert found["a.service"].commands == (("/w/my desk/run", "50%", "$x"),)
    assert found["a.service"].folder == f"{home}/desk"
    assert found["b.timer"].commands == (("/first",), ("/new",))
    assert found["c.path"].commands == (("/d",),)
    assert all(starter.on and not starter.ours for starter in found.values())


@pytest.mark.only("posix")
def test_a_masked_unit_is_off_and_an_instance_is_read_from_its_template(home: Path) -> None:
    folder = home / ".config" / "systemd" / "user"
    template = unit(home, "t@.service", "[Service]\nExecStart=/run %i\nWorkingDirectory=%f\n", enabled=False)
    (folder / "default.target.wants").mkdir()
    (folder / "default.target.wants" / "t@w-my\\x20desk.service").symlink_to(template)
    unit(home, "masked.service", "[Service]\nExecStart=/w\n").unlink()
    (folder / "masked.service").symlink_to("/dev/null")
    outside = write(home / "elsewhere" / "linked.service", "[Service]\nExecStart=/linked\n")
    (folder / "default.target.wants" / "linked.service").symlink_to(outside)
    linked, masked, instance = only(user_units.listings(SITE))
    assert (linked.commands, masked.on) == ((("/linked",),), False)
    assert (instance.commands, instance.folder) == ((("/run", "w-my\\x20desk"),), "/w/my desk")
    user_units.take_away(SITE, instance)
    user_units.take_away(SITE, linked)
    assert template.exists() and outside.exists(), "others may be made from it, or link to it"
    assert [starter.name for starter in only(user_units.listings(SITE))] == ["masked.service"]


@pytest.mark.only("posix")
def test_our_own_units_are_known_by_their_name_and_kept_whole(home: Path) -> None:
    for file in systemd_text.files_of(SITE, desks.MASTER):
        unit(home, file.name, file.text, enabled=file.name.endswith(".timer"), wants="timers.target")
    (starter,) = only(user_units.listings(SITE))
    assert (starter.ours, starter.entry, starter.folder) == (SITE.id, "master", SITE.folder)
    assert [name.rpartition(".")[2] for name, _data in starter.kept] == ["timer", "service"]
    assert starter.commands == ((*SITE.command, "master"),)
    user_units.take_away(SITE, starter)
    assert list((home / ".config/systemd/user").glob("*.*r")) == []


@pytest.mark.only("posix")
def test_a_strangers_timer_goes_and_its_service_which_nothing_starts_then_stays(home: Path) -> None:
    unit(home, "b.timer", "[Timer]\nOnCalendar=daily\n", wants="timers.target")
    service = unit(home, "b.service", "[Service]\nExecStart=/w/x\n", enabled=False)
    (starter,) = only(user_units.listings(SITE))
    user_units.take_away(SITE, starter)
    assert only(user_units.listings(SITE)) == () and service.exists()


def test_places_that_are_not_there_hold_nothing(home: Path, tmp_path: Path) -> None:
    for listing in (user_units.listings(SITE)[0], autostart_folder.listing(home / "no"), launchd.listing(home / "no")):
        assert (listing.starters, listing.trouble) == ((), "") and listing.what.startswith("0 ")
    assert startup_folder.listing(home / "no").what == "0 Startup files"


@pytest.mark.only("posix")
def test_a_place_that_cannot_be_read_says_so(home: Path) -> None:
    unit(home, "a.service", "").unlink()
    (home / ".config/systemd/user/a.service").mkdir()
    (listing,) = user_units.listings(SITE)
    assert "systemd/user" in listing.trouble and "cannot be read" in listing.trouble


# --- the session's desktop entries ------------------------------------------------------------------------

ENTRIES = [
    ("Exec=/w/desk/run --x %U\nPath=/w/desk", ("/w/desk/run", "--x"), "/w/desk", True),
    ('Exec="/w/my desk/run" "50%%" "a\\\\"b"', ("/w/my desk/run", "50%", 'a"b'), "", True),
    ('Exec=sh -c "cd \'/w/desk\' && ./run"', ("sh", "-c", "cd '/w/desk' && ./run"), "", True),
    ("Exec=/w/desk/run\nHidden=true", ("/w/desk/run",), "", False),
    ("Exec=/w/desk/run\nX-GNOME-Autostart-enabled=false", ("/w/desk/run",), "", False),
    ("Exec=/a\n[Desktop Action x]\nExec=/w/desk/run\nHidden=true", ("/a",), "", True),
    ('Exec="/never ended', (), "", True),
]


@pytest.mark.parametrize(("text", "words", "folder", "on"), ENTRIES)
def test_desktop_entries_are_read_as_a_session_reads_them(
    tmp_path: Path, text: str, words: tuple[str, ...], folder: str, on: bool
) -> None:
    path = write(tmp_path / "내.desktop", f"[Desktop Entry]\nType=Application\n{text}\n")
    write(tmp_path / "notes.txt", "[Desktop Entry]\nExec=/w/desk/run\n")
    (starter,) = autostart_folder.listing(tmp_path).starters
    assert (starter.commands, starter.folder, starter.on) == ((words,), folder, on)
    autostart_folder.take_away(SITE, starter)
    assert not path.exists()


def test_what_cannot_be_kept_or_needs_an_administrator_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "desk.desktop", "[Desktop Entry]\nExec=/w/desk/run\n")
    (starter,) = autostart_folder.listing(tmp_path).starters
    admins = Rival(starter._replace(by_hand="del it"), "why")
    assert starters.take_away(SITE, [admins], str(tmp_path / "state"))[0] == (
        False, f"{path} needs an administrator: del it",
    )  # fmt: skip
    full = write(tmp_path / "full", "no folder")
    ((done, said),) = starters.take_away(SITE, [Rival(starter, "why")], str(full))
    assert not done and f"{path} stays: cannot write" in said and path.exists()
    ((done, said),) = starters.take_away(SITE, [Rival(starter, "why")], str(tmp_path / "{state}"))
    assert done and "{state}" in said and not path.exists()


# --- cron -------------------------------------------------------------------------------------------------

CRONTAB = """\
# m h dom mon dow command
PATH=/w/desk/bin:/usr/bin
A = b c d e f g

@reboot cd /w/desk && ./run
*/5 * * * * /usr/bin/env x\\%y%this is input
#@reboot cd /w/desk && ./run
# >>> autosys desk-99999999
@reboot sleep 30; cd '/old desk' && python -m invoke master >>'/old desk/log' 2>&1
# <<< autosys desk-99999999
0 3 * * 1-5  mine
"""


def test_the_lines_of_a_crontab_are_those_that_start_something() -> None:
    first, second, ours, last = cron_text.starters(CRONTAB)
    assert (first.name, first.where) == ("cd /w/desk && ./run", "line 5 of the crontab")
    assert first.commands == (("cd", "/w/desk", "&&", "./run"),)
    assert second.commands == (("/usr/bin/env", "x%y"),)
    assert (ours.ours, ours.entry, ours.folder) == ("desk-99999999", "master", "/old desk")
    assert (last.name, last.where, last.ours) == ("mine", "line 11 of the crontab", "")
    assert last.kept == (("crontab-line-11", b"0 3 * * 1-5  mine"),)


def test_a_block_that_does_not_end_makes_nobodys_lines_ours() -> None:
    (starter,) = cron_text.starters("# >>> autosys desk-99999999\n@reboot cd /w/desk && ./run\n")
    assert starter.ours == ""


def test_our_own_block_is_known_with_the_entries_that_are_in_it() -> None:
    lines = [cron_text.line_of(SITE, entry) for entry in desks.ENTRIES]
    found = cron_text.starters(cron_text.with_block("0 0 * * * mine\n", SITE, lines))
    assert [(starter.ours, starter.entry) for starter in found[1:]] == [(SITE.id, e.name) for e in desks.ENTRIES]
    assert {starter.folder for starter in found[1:]} == {SITE.folder}


@pytest.mark.only("linux")
def test_one_line_goes_from_a_crontab_and_the_rest_stays_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crontab command of the test's own, since the real one has one table for each user."""
    kept = test_cron.crontab(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{kept.parent}:/usr/bin:/bin")
    assert only(cron.listings(SITE)) == ()
    kept.write_bytes(b"# \xb1\xe8\n" + CRONTAB.encode("utf-8"))
    first, _second, moved, last = only(cron.listings(SITE))
    for starter in (first, moved, last, last):
        cron.take_away(SITE, starter)
    left = [line for number, line in enumerate(CRONTAB.splitlines(), 1) if number not in (5, 8, 9, 10, 11)]
    assert kept.read_bytes() == b"# \xb1\xe8\n" + "".join(f"{line}\n" for line in left).encode("utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cron.listings(SITE) == [Listing("no cron")]


# --- launchd ----------------------------------------------------------------------------------------------


def test_agents_are_read_and_what_nothing_sets_off_is_off(tmp_path: Path) -> None:
    agent = {"Label": "com.me.desk", "ProgramArguments": ["/bin/sh", "-c", "x"], "WorkingDirectory": "/w/책상"}
    write(tmp_path / "1.plist", plistlib.dumps(agent))
    write(tmp_path / "2.plist", plistlib.dumps({**agent, "RunAtLoad": True, "Label": "com.me.two"}))
    write(tmp_path / "3.plist", plistlib.dumps({**agent, "StartInterval": 60, "Disabled": True}))
    write(tmp_path / "4.plist", plistlib.dumps({"Program": "/w/run", "KeepAlive": True}, fmt=plistlib.FMT_BINARY))
    write(tmp_path / "5.plist", launchd_text.file_of(SITE, desks.MASTER).text)
    write(tmp_path / "6.plist", "no plist")
    idle, two, off, program, ours, broken = launchd.listing(tmp_path, frozenset({"com.me.three"})).starters
    assert [each.on for each in (idle, two, off, program, ours, broken)] == [False, True, False, True, True, False]
    assert (two.name, two.commands, two.folder) == ("com.me.two", (("/bin/sh", "-c", "x"),), "/w/책상")
    assert program.commands == (("/w/run",),)
    assert (ours.ours, ours.entry, ours.folder) == (SITE.id, "master", SITE.folder)
    assert not launchd.listing(tmp_path, frozenset({"com.me.two"})).starters[1].on


# --- Windows ----------------------------------------------------------------------------------------------


def test_scripts_and_shortcuts_of_a_startup_folder_are_read(tmp_path: Path) -> None:
    write(tmp_path / "desktop.ini", "[.ShellClassInfo]\n")
    write(tmp_path / "a.lnk", shortcut("C:\\py\\pythonw.exe", '"C:\\my desk\\x.pyw" -v', "C:\\my desk"))
    write(tmp_path / "b.cmd", b"\xef\xbb\xbf" + "@echo off\r\nrem cd C:\\old\r\ncd /d C:\\내 책상\r\n".encode())
    write(tmp_path / "c.vbs", 'CreateObject("Wscript.Shell").Run "C:\\desk\\x.cmd", 0\n'.encode("utf-16"))
    write(tmp_path / "d.lnk", "no shortcut")
    write(tmp_path / "e.exe", b"MZ")
    found = startup_folder.listing(tmp_path, is_off=lambda name: name == "e.exe").starters
    link, script, basic, broken, program = found
    assert link.commands == (("C:\\py\\pythonw.exe", "C:\\my desk\\x.pyw", "-v"),)
    assert link.folder == "C:\\my desk"
    assert script.commands == (("@echo", "off"), ("cd", "/d", "C:\\내 책상"))
    assert "C:\\desk\\x.cmd," in " ".join(basic.commands[0])
    assert broken.commands == () and not program.on and link.on


EXPORTED = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers>{triggers}</Triggers>
  <Principals><Principal id="Author"><UserId>PC\\Hong</UserId></Principal></Principals>
  <Actions Context="Author">
    <Exec><Command>"C:\\Program Files\\py.exe"</Command><Arguments>"C:\\my desk\\x.py" -v</Arguments></Exec>
    <Exec><Command>cmd</Command><WorkingDirectory>C:\\desk</WorkingDirectory></Exec>
  </Actions>
</Task>"""


def test_a_task_says_what_it_runs_where_and_whether_anything_sets_it_off() -> None:
    said = task_text.told(EXPORTED.format(triggers="<LogonTrigger><Enabled>true</Enabled></LogonTrigger>"))
    assert said.lines == (("C:\\Program Files\\py.exe", "C:\\my desk\\x.py", "-v"), ("cmd",))
    assert (said.folders, said.user, said.is_triggered) == (("C:\\desk",), "PC\\Hong", True)
    for off in ("", "<LogonTrigger><Enabled>false</Enabled></LogonTrigger>"):
        assert not task_text.told(EXPORTED.format(triggers=off)).is_triggered
    assert task_text.told(EXPORTED.format(triggers="<LogonTrigger/>")).is_triggered
    assert task_text.told("<Task>") == task_text.Told()


def test_our_own_task_is_known_by_where_it_stands() -> None:
    site = desks.site("내 책상 & 100% 'x'")
    said = task_text.told(task_text.file_of(site, desks.WATCHDOG).text)
    assert said.lines == ((*site.command, "watchdog"),) and said.folders == (site.folder,)
    assert task_text.ours(task_text.path_of(site, "watchdog")) == (site.id, "watchdog")
    assert task_text.ours("\\AutoSys\\somebody\\Task") == ("", "")
