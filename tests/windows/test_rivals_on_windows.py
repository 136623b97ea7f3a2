"""Who else starts a workspace on Windows: a real registry, a Startup folder, a second task (P7)."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from ctypes import wintypes as w
from pathlib import Path
from typing import Any

import desks
import pytest
import rig
from shortcuts import shortcut

from autosys_tasks.config.load import load
from autosys_tasks.schedule import (
    resident_files,
    run_key,
    run_values,
    start_text,
    starters,
    startup_folder,
    task_scheduler,
    task_text,
)
from autosys_tasks.schedule.site import site_of
from autosys_tasks.schedule.start_text import RUN
from autosys_tasks.schedule.values import Site

pytestmark = pytest.mark.only("win32")

if sys.platform == "win32":
    import winreg

    from autosys_tasks.host import windows_scheduler

NAMES = ("내 시작", "mine", "off", "once")
MACHINE = "autosys test of a machine's value"


@pytest.fixture
def registry() -> Iterator[Callable[..., None]]:
    """set(name, text, path, kind): values of this user's Run keys, which are gone afterwards."""
    made: list[tuple[str, str]] = []

    def set_value(name: str, text: object, path: str = RUN, kind: int = 1) -> None:
        made.append((path, name))
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, path) as key:
            winreg.SetValueEx(key, name, 0, kind, text)  # type: ignore[arg-type]

    yield set_value
    for path, name in made:
        run_key.delete(path, name)


def site(workspace: rig.Workspace) -> Site:
    return site_of(load(workspace.root))._replace(state=str(workspace.state))


def check(workspace: rig.Workspace, *more: str) -> dict[str, object]:
    found = workspace.cli("health", "--only", "rivals", "--json", *more).rc(0, 3).json()["checks"]
    return found[0]  # type: ignore[index, no-any-return]


def is_listed() -> bool:
    """Whether this Task Scheduler lists its tasks; Wine's does not, and says so by its number."""
    try:
        with windows_scheduler.connect() as scheduler:
            list(scheduler.walk(without=task_scheduler.WINDOWS_OWN))
    except OSError as error:
        assert "0x80004001" in str(error)
        return False
    return True


def test_run_values_are_named_kept_and_taken_away(workspace: rig.Workspace, registry: Callable[..., None]) -> None:
    workspace.write("")
    root = str(workspace.root)
    registry("내 시작", f'pythonw.exe "{root.upper()}\\start.pyw"')
    registry("once", f'cmd /c "cd /d "{root}" && start.cmd"', f"{RUN}Once", winreg.REG_EXPAND_SZ)
    registry("mine", f'"{root}2\\start.cmd"')
    registry("off", f'"{root}\\start.cmd"')
    registry("off", b"\x03" + bytes(11), f"{start_text.APPROVED}\\Run", winreg.REG_BINARY)
    red = check(workspace)
    why = str(red["why"])
    assert red["verdict"] == "NG" and "Run value" in str(red["evidence"])
    assert f"HKCU\\{RUN}\\내 시작" in why and f"HKCU\\{RUN}Once\\once" in why
    assert "mine" not in why and "off" not in why
    fixed = check(workspace, "--fix")
    assert fixed["verdict"] != "NG" and fixed["fixed"] in ("verified", "unverified")
    left = {value.name for key in run_values.KEYS[:2] for value in run_values.values(key)}
    assert left & set(NAMES) == {"mine", "off"}
    files = {path.name: path for path in (workspace.state / "rivals").rglob("*.reg")}
    assert set(files) == {"내 시작.reg", "once.reg"}
    for path in files.values():
        subprocess.run(["reg", "import", str(path)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    back = {value.name: value for key in run_values.KEYS[:2] for value in run_values.values(key)}
    assert back["내 시작"].text == f'pythonw.exe "{root.upper()}\\start.pyw"', "the way back leads back"
    assert back["once"].expands and back["once"].text.endswith('&& start.cmd"')


def test_a_value_of_the_machine_is_left_to_an_administrator(workspace: rig.Workspace) -> None:
    """P32: named, with the very command, and not touched; whoever may write it is one (Wine's user is)."""
    workspace.write("")
    try:
        with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, RUN) as key:
            winreg.SetValueEx(key, MACHINE, 0, winreg.REG_SZ, f'"{workspace.root}\\start.cmd"')
    except PermissionError:
        pytest.skip("not run by an administrator, who alone can make such a value")
    try:
        red = check(workspace, "--fix")
        assert red["verdict"] == "NG" and red["fixed"] in ("failed", "not_applied")
        text = str(red["fix"]["text"])  # type: ignore[index]
        assert text == f'as an administrator: reg delete "HKLM\\{RUN}" /v "{MACHINE}" /f'
        assert not (workspace.state / "rivals").exists()
    finally:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, RUN, 0, winreg.KEY_SET_VALUE) as key:
            winreg.DeleteValue(key, MACHINE)


def test_a_startup_folder_is_found_where_windows_has_it_and_its_files_taken_away(workspace: rig.Workspace) -> None:
    workspace.write("")
    folder = startup_folder._folder(startup_folder.MINE, "Startup", "APPDATA")
    assert folder.name.lower() == "startup"
    made = {
        "책상.lnk": shortcut("C:\\Windows\\notepad.exe", "", str(workspace.root / "app")),
        "link.lnk": shortcut(str(workspace.root / "start.cmd")),
        "desk.cmd": f'@echo off\r\ncd /d "{workspace.root}"\r\ninv bringup\r\n'.encode("utf-8-sig"),
        "mine.cmd": f'cd /d "{workspace.root}2"\r\n'.encode(),
    }
    there = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, data in made.items():
            (folder / name).write_bytes(data)
        why = str(check(workspace)["why"])
        assert f"{folder / 'link.lnk'} starts" in why and f"{folder / 'desk.cmd'} starts" in why
        assert "mine.cmd" not in why and "책상.lnk" not in why, "who only shows something starts nothing"
        check(workspace, "--fix")
        assert {path.name for path in folder.iterdir()} & set(made) == {"mine.cmd", "책상.lnk"}
        copies = {path.name: path.read_bytes() for path in (workspace.state / "rivals").rglob("*.*")}
        assert copies == {name: made[name] for name in ("link.lnk", "desk.cmd")}
    finally:
        for name in made:
            (folder / name).unlink(missing_ok=True)
        if there:
            folder.rmdir()


def test_of_the_task_scheduler_and_the_run_key_at_once_the_run_value_is_the_rival(workspace: rig.Workspace) -> None:
    """P7, P32: exactly one starts it, and the better one stays."""
    workspace.write("")
    desk = site(workspace)
    workspace.cli("schedule.register").rc(0).says("task scheduler")
    run_key._write(start_text.value_name(desk), start_text.value_of(desk, str(workspace.state / "logon.pyw")))
    resident_files.write_names(resident_files.place_of(desk), ["master", "watchdog"])
    try:
        red = check(workspace)
        assert red["verdict"] == "NG" and str(red["why"]).count("second best") == 2
        check(workspace, "--fix")
        assert run_key._read(RUN, start_text.value_name(desk)) is None
        rows = workspace.cli("schedule.status", "--json").rc(0).json()["entries"]
        assert [row["state"] for row in rows] == ["registered"] * 3  # type: ignore[attr-defined]
        assert check(workspace)["verdict"] == ("OK" if is_listed() else "UNKNOWN")
    finally:
        workspace.cli("schedule.unregister").rc(0)
        run_key.remove(desk, "master")
        run_key.remove(desk, "watchdog")


def test_the_run_value_of_a_workspace_that_was_moved_is_found(
    workspace: rig.Workspace, tmp_path: Path, registry: Callable[..., None]
) -> None:
    """P59: its starter says where it goes."""
    workspace.write('[workspace]\nname = "desk"\n')
    old = site(workspace)._replace(id="desk-99999999", folder=str(tmp_path / "옛 책상"))
    logon = tmp_path / "logon.pyw"
    logon.write_text(start_text.starter_of(old).text, encoding="utf-8")
    registry(start_text.value_name(old), start_text.value_of(old, str(logon)))
    red = check(workspace)
    assert red["verdict"] == "NG" and "the workspace was moved" in str(red["why"])
    Path(old.folder).mkdir()
    assert check(workspace)["verdict"] != "NG", "it still exists"
    Path(old.folder).rmdir()
    check(workspace, "--fix")
    assert run_key._read(RUN, start_text.value_name(old)) is None


EXPORTED = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals><Principal id="Author"><UserId>{user}</UserId></Principal></Principals>
  <Actions Context="Author"><Exec>
    <Command>pythonw.exe</Command><Arguments>start.py</Arguments><WorkingDirectory>{folder}</WorkingDirectory>
  </Exec></Actions>
</Task>"""


def test_a_second_task_is_a_rival_and_only_this_users_is_taken_away(workspace: rig.Workspace) -> None:
    """What the Task Scheduler would list is given to the same reader; what is taken away is a real task."""
    workspace.write("")
    desk, path = site(workspace), "\\내 작업\\desk"
    xml = EXPORTED.format(user=desk.user, folder=str(workspace.root).replace("&", "&amp;"))
    task = windows_scheduler.Task(xml, True, 3, None, None, None)
    mine = task_scheduler.starter(desk, path, task)
    foreign = task_scheduler.starter(desk, path, task._replace(xml=xml.replace(desk.user, "S-1-5-18")))
    assert mine.on and not mine.by_hand and foreign.by_hand == f'schtasks /delete /tn "{path}" /f'
    assert not task_scheduler.starter(desk, path, task._replace(enabled=False)).on
    elevated = xml.replace("</UserId>", "</UserId><RunLevel>HighestAvailable</RunLevel>")
    assert task_scheduler.starter(desk, path, task._replace(xml=elevated)).by_hand == foreign.by_hand
    seen = starters.see(desk, (), (), lambda site: [starters.Listing("2 tasks", (mine, foreign))])
    assert [rival.why for rival in seen.rivals] == [f"it runs in `{workspace.root}`"] * 2
    with windows_scheduler.connect() as scheduler:
        scheduler.register(path, task_text.spoken(task_text.file_of(desk, desks.MASTER).text))
        try:
            (done, said), (left, by_hand) = starters.take_away(desk, seen.rivals, str(workspace.state))
            assert done and scheduler.read(path) is None and "schtasks /create" in said
            assert not left and foreign.by_hand in by_hand
        finally:
            scheduler.delete(path)
            scheduler.delete_folder("\\내 작업")
    (copy,) = (workspace.state / "rivals").rglob("*.xml")
    assert copy.read_bytes() == b"\xff\xfe" + xml.encode("utf-16-le")


def test_a_scheduler_that_lists_nothing_is_no_scheduler_without_tasks(workspace: rig.Workspace) -> None:
    """P24: unknown, not OK."""
    workspace.write("")
    found = check(workspace)
    assert found["verdict"] == ("OK" if is_listed() else "UNKNOWN"), found
    assert "task" in str(found["evidence"] if is_listed() else found["why"]).lower()


# --- a folder of tasks that was made here, since Wine lists none -------------------------------------------


class Made:
    """A COM object of this test: a table whose methods are Python functions; how often it was let go of."""

    def __init__(self, **methods: Any) -> None:
        self.released = 0
        self._kept: list[Any] = []
        table = (ctypes.c_void_p * 21)(*[self._method(self._untold) for _ in range(21)])
        table[windows_scheduler.RELEASE] = self._method(self._release)
        for place, function, arguments in methods.values():
            table[place] = self._method(function, *arguments)
        self._table = table
        self._object = (ctypes.c_void_p * 1)(ctypes.addressof(table))
        self.address = ctypes.addressof(self._object)

    def _method(self, function: Callable[..., int], *arguments: Any) -> int | None:
        made = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *arguments)(function)
        self._kept.append(made)
        return ctypes.cast(made, ctypes.c_void_p).value

    def _untold(self, *_: object) -> int:
        return ctypes.c_long(windows_scheduler.NOT_TOLD).value

    def _release(self, *_: object) -> int:
        self.released += 1
        return 0


def named(path: str, **more: Any) -> Made:
    def give(_me: int, cell: Any) -> int:
        cell[0] = windows_scheduler._oleaut32.SysAllocString(path)
        return 0

    return Made(path=(windows_scheduler.PATH, give, [ctypes.POINTER(ctypes.c_void_p)]), **more)


def several(members: list[Made]) -> Made:
    def count(_me: int, cell: Any) -> int:
        cell[0] = len(members)
        return 0

    def item(_me: int, number: Any, cell: Any) -> int:
        assert number.kind == 3
        cell[0] = members[(number.value[0] or 0) - 1].address
        return 0

    variant = windows_scheduler._Variant
    return Made(
        count=(windows_scheduler.COUNT, count, [ctypes.POINTER(w.LONG)]),
        item=(windows_scheduler.ITEM, item, [variant, ctypes.POINTER(ctypes.c_void_p)]),
    )


def folder_of(path: str, tasks: list[Made], folders: list[Made], denied: bool = False) -> Made:
    lists = {windows_scheduler.GET_TASKS: several(tasks), windows_scheduler.GET_FOLDERS: several(folders)}

    def give(place: int) -> tuple[int, Callable[..., int], list[Any]]:
        def method(_me: int, _flags: int, cell: Any) -> int:
            cell[0] = lists[place].address
            return ctypes.c_long(windows_scheduler.DENIED).value if denied else 0

        return place, method, [w.LONG, ctypes.POINTER(ctypes.c_void_p)]

    return named(path, tasks=give(windows_scheduler.GET_TASKS), folders=give(windows_scheduler.GET_FOLDERS))


def test_a_list_that_does_not_tell_how_many_there_are_is_no_empty_list() -> None:
    """P24: Wine gives such a list."""
    made = Made()  # kept: its address alone does not keep it
    with pytest.raises(OSError, match="0x80004001"):
        list(windows_scheduler._each(windows_scheduler._Interface(made.address)))


def test_every_task_is_seen_in_every_folder_that_this_user_may_see() -> None:
    one, two, three, hidden = (named(path) for path in ("\\1", "\\내 폴더\\2", "\\내 폴더\\3", "\\Microsoft\\x"))
    folders = [
        folder_of("\\Microsoft", [hidden], []),
        folder_of("\\Admins", [hidden], [], denied=True),
        folder_of("\\내 폴더", [two, three], []),
    ]
    root = folder_of("\\", [one], folders)
    found = list(windows_scheduler._walk(windows_scheduler._Interface(root.address), ("\\Microsoft",)))
    assert [path for path, _task in found] == ["\\1", "\\내 폴더\\2", "\\내 폴더\\3"]
    assert [made.released for made in (one, two, three, hidden, *folders)] == [1, 1, 1, 0, 1, 1, 1]


def test_a_path_with_a_variable_in_it_leads_to_the_workspace_as_well(
    workspace: rig.Workspace, registry: Callable[..., None]
) -> None:
    drive, path = os.path.splitdrive(str(workspace.write("").root))
    if drive.lower() == os.environ["SYSTEMDRIVE"].lower():
        registry("mine", f'"%SystemDrive%{path}\\start.cmd"', kind=winreg.REG_EXPAND_SZ)
        assert check(workspace)["verdict"] == "NG"
