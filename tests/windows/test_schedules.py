"""The Task Scheduler and the Run key of a real registry: registered, read back, changed, taken away."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import desks
import pytest
import rig
from desks import ENTRIES, MASTER, NAMES, WATCHDOG

from autosys_tasks.schedule import resident_files, run_key, start_text, task_scheduler, task_text
from autosys_tasks.schedule.values import Every, Site

pytestmark = pytest.mark.only("win32")

if sys.platform == "win32":
    from autosys_tasks.host import windows_scheduler


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A workspace of this user; what is registered for it is taken away."""
    folder = tmp_path / "내 책상 & 100% 'x'"
    folder.mkdir()
    made = desks.site(folder=str(folder), env=(("AUTOSYS_STATE", str(tmp_path / "상태")),))
    made = made._replace(user=windows_scheduler.user_sid())
    yield made
    for entry in ENTRIES:
        task_scheduler.remove(made, entry.name)
        run_key.remove(made, entry.name)


def state(site: Site, *, of: object = task_scheduler) -> dict[str, str]:
    return {name: seen.state for name, seen in of.look(site, ENTRIES).items()}  # type: ignore[attr-defined]


def xml_of(site: Site, name: str) -> str:
    with windows_scheduler.connect() as scheduler:
        task = scheduler.read(task_text.path_of(site, name))
    assert task is not None and task.xml
    return str(task.xml)


def test_the_user_has_a_sid() -> None:
    assert windows_scheduler.user_sid().startswith("S-1-5-")


def test_registered_read_back_and_taken_away(site: Site) -> None:
    """P28: what was registered is what is looked up, and what is taken away."""
    assert task_scheduler.why_not() == ""
    assert set(state(site).values()) == {"missing"}
    for entry in ENTRIES:
        assert "registered" in task_scheduler.install(site, entry)
    assert set(state(site).values()) == {"registered"}
    assert task_text.hash_in(xml_of(site, "watchdog")) == task_text.hash_in(task_text.file_of(site, WATCHDOG).text)
    assert "removed" in task_scheduler.remove(site, "master")
    assert state(site) == {"master": "missing", "watchdog": "registered", "backup": "registered"}
    assert task_scheduler.remove(site, "master") == "nothing to remove"


def test_never_ran_is_no_result(site: Site) -> None:
    """P15: 0 would mean that it went well."""
    task_scheduler.install(site, WATCHDOG)
    seen = task_scheduler.look(site, [WATCHDOG])["watchdog"]
    assert (seen.state, seen.mechanism) == ("registered", "task scheduler")
    assert (seen.last_run, seen.last_result) == (None, None)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_the_workspace_is_called(site: Site, name: str) -> None:
    other = site._replace(folder=str(Path(site.folder) / name.replace("<", "(").replace(">", ")")))
    task_scheduler.install(other, MASTER)
    assert task_scheduler.look(other, [MASTER])["master"].state == "registered"


def test_other_settings_are_another_task_until_it_is_registered_again(site: Site) -> None:
    task_scheduler.install(site, WATCHDOG)
    slower = WATCHDOG._replace(when=Every(600.0))
    seen = task_scheduler.look(site, [slower])["watchdog"]
    assert seen.state == "differs" and seen.why
    task_scheduler.install(site, slower)
    assert task_scheduler.look(site, [slower])["watchdog"].state == "registered"
    assert task_scheduler.look(site, [WATCHDOG])["watchdog"].state == "differs"


def test_a_task_of_our_name_that_somebody_else_made_differs(site: Site) -> None:
    with windows_scheduler.connect() as scheduler:
        text = task_text.spoken(task_text.file_of(site, MASTER).text)
        scheduler.register(task_text.path_of(site, "master"), text.replace("<Version>sha256:", "<Version>9"))
    seen = task_scheduler.look(site, [MASTER])["master"]
    assert seen.state == "differs"


def test_a_disabled_task_is_not_registered(site: Site) -> None:
    with windows_scheduler.connect() as scheduler:
        text = task_text.spoken(task_text.file_of(site, MASTER).text)
        off = text.replace("<AllowStartOnDemand>true</AllowStartOnDemand>\n    <Enabled>true", "<Enabled>false")
        assert off != text
        scheduler.register(task_text.path_of(site, "master"), off)
    seen = task_scheduler.look(site, [MASTER])["master"]
    assert (seen.state, seen.why) == ("differs", "disabled")


def test_the_folder_goes_with_the_last_task_and_foreign_tasks_stay(site: Site) -> None:
    foreign, ours = "\\AutoSys\\somebody\\Task", task_text.folder_of(site)
    text = task_text.spoken(task_text.file_of(site, MASTER).text)
    with windows_scheduler.connect() as scheduler:
        scheduler.register(foreign, text)
        try:
            task_scheduler.install(site, MASTER)
            task_scheduler.install(site, WATCHDOG)
            assert not scheduler.delete_folder(ours), "something is in it"
            task_scheduler.remove(site, "master")
            assert state(site)["watchdog"] == "registered"
            task_scheduler.remove(site, "watchdog")
            assert not folder_there(ours)
            assert scheduler.read(foreign) is not None
        finally:
            scheduler.delete(foreign)
            scheduler.delete_folder("\\AutoSys\\somebody")
    task_scheduler.install(site, MASTER)
    task_scheduler.remove(site, "master")
    assert not folder_there(task_text.TOP), "nothing is left of us"
    assert task_scheduler.remove(site, "master") == "nothing to remove"


def folder_there(path: str) -> bool:
    with windows_scheduler.connect() as scheduler:
        try:
            with scheduler._folder(path):
                return True
        except FileNotFoundError:
            return False


def test_a_refusal_is_a_permission_error_and_every_error_has_its_number() -> None:
    """P32, P40: by the number, in whatever language the machine speaks."""
    refused = windows_scheduler._error(windows_scheduler.DENIED, "register it")
    assert isinstance(refused, PermissionError) and "0x80070005" in str(refused)
    for code in (windows_scheduler.NOT_FOUND, windows_scheduler.NO_PATH):
        assert isinstance(windows_scheduler._error(code, "read it"), FileNotFoundError)
    other = windows_scheduler._error(0x80041318, "register it")
    assert type(other) is OSError and "0x80041318" in str(other)


def test_what_is_no_task_is_an_error_with_its_number(site: Site) -> None:
    with windows_scheduler.connect() as scheduler, pytest.raises(OSError, match="HRESULT 0x8"):
        scheduler.register("\\AutoSys\\desk\\Bad", "<Task>")


def test_from_any_thread_and_in_any_apartment(site: Site) -> None:
    task_scheduler.install(site, MASTER)
    answers: list[str] = []

    def ask(apartment: int | None) -> None:
        if apartment is not None:
            ctypes.WinDLL("ole32").CoInitializeEx(None, apartment)
        answers.append(task_scheduler.look(site, [MASTER])["master"].state)
        if apartment is not None:
            ctypes.WinDLL("ole32").CoUninitialize()

    threads = [threading.Thread(target=ask, args=(apartment,)) for apartment in (None, 0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == ["registered"] * 3


def test_a_date_of_windows_is_a_moment() -> None:
    moment = datetime(2026, 11, 25, 3, 30)
    date = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    assert windows_scheduler.since_1970(date) == moment.timestamp()
    assert [windows_scheduler.since_1970(never) for never in (0.0, 36494.0, None)] == [None, None, None]


class Silent:
    """A second implementation of the connected scheduler: it says yes to everything and shows nothing."""

    def __init__(self, **told: object) -> None:
        nothing = dict.fromkeys(("xml", "enabled", "state", "last_result", "last_run", "next_run"))
        self.task = SimpleNamespace(**{**nothing, **told})

    def read(self, path: str) -> object:
        return self.task


def test_a_scheduler_without_evidence_has_registered_nothing(site: Site) -> None:
    """P15, P32: neither an empty answer, nor our own text without a word on whether it is enabled."""
    ours = task_text.file_of(site, MASTER).text
    for silent in (Silent(), Silent(xml=""), Silent(enabled=True), Silent(xml=ours)):
        seen = task_scheduler.seen(site, MASTER, silent)
        assert seen.state == "unknown" and seen.why
    assert task_scheduler.seen(site, MASTER, Silent(xml=ours, enabled=True)).state == "registered"


def test_arguments_are_taken_apart_by_windows_as_by_us() -> None:
    """The control of our own reader of command lines."""
    split = ctypes.WinDLL("shell32").CommandLineToArgvW
    split.restype = ctypes.POINTER(ctypes.c_wchar_p)
    for arguments in (["a b", "", 'q"t', "c:\\x\\", "a\\\\b c\\", "책상 & 100%"], ["-c", start_text.WITH_ENVIRONMENT]):
        count, line = ctypes.c_int(), subprocess.list2cmdline(arguments)
        found = split(f"x.exe {line}", ctypes.byref(count))
        assert desks.words(line) == arguments == [found[n] for n in range(1, count.value)]


def test_the_commands_register_prove_and_take_away(workspace: rig.Workspace) -> None:
    """P15, P28, P32: what `schedule.status` says is what the Task Scheduler shows."""
    workspace.write("")
    workspace.cli("schedule.register").rc(0)
    try:
        rows = workspace.cli("schedule.status", "--json").rc(0).json()["entries"]
        assert isinstance(rows, list)
        told = {row["name"]: (row["state"], row["mechanism"], row["last_result"]) for row in rows}
        assert told == dict.fromkeys(("master", "watchdog", "backup"), ("registered", "task scheduler", None)), rows
        workspace.write('[watchdog]\nevery = "10min"\n')
        rows = workspace.cli("schedule.status", "--json").rc(0).json()["entries"]
        assert isinstance(rows, list) and [row["state"] for row in rows] == ["registered", "differs", "registered"]
        workspace.cli("schedule.register").rc(0)
        workspace.cli("schedule.register", "--dry-run", "--exit-code").rc(0).says("nothing to do")
    finally:
        workspace.cli("schedule.unregister").rc(0)
    assert not folder_there(task_text.TOP)


def test_a_fallback_of_an_earlier_day_goes_when_the_task_scheduler_has_it(workspace: rig.Workspace) -> None:
    """Else it would be started twice."""
    from autosys_tasks.config.load import load
    from autosys_tasks.schedule.site import site_of

    config = load(workspace.write("").root)
    site = site_of(config)._replace(state=str(workspace.state))
    run_key._write(start_text.value_name(site), "pythonw.exe of-an-earlier-day")
    resident_files.write_names(resident_files.place_of(site), ["master", "watchdog"])
    try:
        workspace.cli("schedule.register").rc(0)
        assert set(state(site, of=run_key).values()) == {"missing"}
    finally:
        workspace.cli("schedule.unregister").rc(0)
    assert run_key._read(start_text.RUN, start_text.value_name(site)) is None


# The Run key


STAND_IN = f"""
import sys
sys.path[:0] = [{str(rig.REPOSITORY)!r}, {str(Path(__file__).parent.parent / "schedule")!r}]
import stand_in
stand_in.main(__file__)
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Site]:
    """A workspace whose tasks are quick, run with the Python of these tests."""
    folder = tmp_path / "책상 & 100%"
    folder.mkdir()
    (folder / "autosys.toml").write_text("", encoding="utf-8")
    (folder / "quick.py").write_text(STAND_IN, encoding="utf-8")
    pythonw = os.path.join(sys.prefix, "pythonw.exe")
    command = (pythonw if os.path.exists(pythonw) else rig.PYTHON, "-X", "utf8", "-m", "quick")
    env = (("AUTOSYS_STATE", str(tmp_path / "s")),)
    made = Site("desk-1a2b3c4d", str(folder), command, "S-1-0", str(folder / "outputs" / "schedule.log"), env)
    yield made
    for entry in ENTRIES:
        run_key.remove(made, entry.name)
    rig.wait_for(lambda: not resident_files.is_kept(resident_files.place_of(made)), what="the end of the keeper")


def test_the_run_value_is_set_seen_and_removed_and_the_keeper_comes_and_goes_with_it(desk: Site) -> None:
    """P32: the fallback is real, seen as such, and leaves nothing."""
    assert run_key.why_not() == ""
    assert set(state(desk, of=run_key).values()) == {"missing"}
    assert "started" in run_key.install(desk, MASTER)
    place = resident_files.place_of(desk)
    assert state(desk, of=run_key) == {"master": "registered", "watchdog": "missing", "backup": "missing"}
    ran = rig.wait_for(lambda: run_key.look(desk, [MASTER])["master"].last_run, what="a run of the master")
    assert ran
    rig.wait_for(lambda: run_key.look(desk, [MASTER])["master"].last_result == 0, what="its result")
    assert "its keeper runs" in run_key.install(desk, WATCHDOG)
    seen = run_key.look(desk, [WATCHDOG])["watchdog"]
    assert seen.state == "registered" and seen.mechanism == "run key"
    assert "no more" in run_key.remove(desk, "master")
    assert resident_files.is_kept(place)
    assert "removed" in run_key.remove(desk, "watchdog")
    rig.wait_for(lambda: not resident_files.is_kept(place), what="the end of the keeper")
    assert run_key._read(start_text.RUN, start_text.value_name(desk)) is None
    assert run_key.remove(desk, "watchdog") == "nothing to remove"
    assert not Path(place.folder, "logon.pyw").exists()


def test_neither_the_keeper_nor_what_it_starts_opens_a_window(desk: Site) -> None:
    """P30: the same watch over windows sees one in the control of the main job."""
    import screen

    with screen.watched() as windows:
        run_key.install(desk, MASTER)
        run_key.install(desk, WATCHDOG)
        rig.wait_for(lambda: len(list(Path(desk.folder, "ran").glob("watchdog *"))) >= 3, what="three ticks")
    assert windows == set()


def test_a_changed_value_differs_and_so_does_one_switched_off_in_task_manager(desk: Site) -> None:
    import winreg

    run_key.install(desk, MASTER)
    name = start_text.value_name(desk)
    good = run_key._read(start_text.RUN, name)
    assert isinstance(good, str)
    run_key._write(name, good.replace("logon.pyw", "other.pyw"))
    assert run_key.look(desk, [MASTER])["master"].state == "differs"
    run_key._write(name, good)
    assert run_key.look(desk, [MASTER])["master"].state == "registered"
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, run_key.APPROVED) as key:  # type: ignore[attr-defined]
        winreg.SetValueEx(key, name, 0, winreg.REG_BINARY, b"\x03" + bytes(11))  # type: ignore[attr-defined]
    seen = run_key.look(desk, [MASTER])["master"]
    assert seen.state == "differs" and "switched off" in seen.why
    run_key.install(desk, MASTER)
    assert run_key.look(desk, [MASTER])["master"].state == "registered"
    Path(resident_files.place_of(desk).folder, "logon.pyw").write_text("", encoding="utf-8")
    assert run_key.look(desk, [MASTER])["master"].state == "differs"


def test_other_peoples_run_values_stay(desk: Site) -> None:
    run_key._write("somebody", "x.exe")
    try:
        run_key.install(desk, MASTER)
        run_key.remove(desk, "master")
        assert run_key._read(start_text.RUN, "somebody") == "x.exe"
    finally:
        run_key.delete(start_text.RUN, "somebody")

