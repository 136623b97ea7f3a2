"""The main job on Windows, as the README has it: from `tasks.py bringup` in an awkward folder to `down` (issue 4.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import person
import psutil
import pytest
import rig
import seen

pytestmark = pytest.mark.only("win32")
SERVICES = ["queue", "worker", "monitor"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[person.Desk]:
    """A desk after its first bring-up."""
    made = person.Desk(tmp_path_factory.mktemp("desk"))
    try:
        made.types("bringup").rc(0).says("making .venv", "installing autosys", "queue", "worker", "monitor")
        yield made
    finally:
        made.end_all()


def states(home: person.Desk) -> dict[str, object]:
    return {name: one["state"] for name, one in seen.rows(home).items()}


def is_up(home: person.Desk) -> bool:
    return set(states(home).values()) == {"ready"}


def test_one_command_makes_everything_ready(home: person.Desk) -> None:
    assert states(home) == dict.fromkeys(SERVICES, "ready")
    assert seen.guard_pid(home)


def test_the_same_command_again_starts_nothing(home: person.Desk) -> None:
    before = seen.rows(home)
    again = home.types("bringup").rc(0)
    assert "making .venv" not in again.err
    assert {n: r["pid"] for n, r in seen.rows(home).items()} == {n: r["pid"] for n, r in before.items()}


def test_health_is_one_document_and_reds_only_what_is_not_there_yet(home: person.Desk) -> None:
    page = home.types("health", "--json").rc(3, 0).json()
    verdicts = {check["id"]: check["verdict"] for check in page["checks"]}  # type: ignore[attr-defined]
    for name in SERVICES:
        assert verdicts[f"service.{name}"] == "OK", page
    for check in ("config", "watchdog", "environment.main", "duplicates", "disk"):
        assert verdicts[check] == "OK", (check, page)


def test_a_venvs_two_processes_count_as_one_instance(home: person.Desk) -> None:
    """P4, P5: the launcher and the interpreter below it."""
    pid = seen.row(home, "queue")["pid"]
    assert isinstance(pid, int)
    assert len(person.tree_of(pid)) == 2
    assert len(seen.rows(home)) == len(SERVICES)


@pytest.mark.parametrize("which", [0, 1], ids=["the launcher", "the interpreter"])
def test_whichever_of_the_two_dies_the_next_tick_heals(home: person.Desk, which: int) -> None:
    seen.kill(seen.guard_pid(home))
    old = seen.row(home, "queue")["pid"]
    assert isinstance(old, int)
    both = person.tree_of(old)
    seen.kill(both[which].pid)
    rig.wait_for(lambda: not any(one.is_running() for one in both), what="both dead")
    home.types("watchdog").rc(0)
    rig.wait_for(lambda: is_up(home), what="all ready")
    new = seen.row(home, "queue")["pid"]
    assert new != old and isinstance(new, int) and len(person.tree_of(new)) == 2


def test_the_guard_heals_within_moments(home: person.Desk) -> None:
    home.types("watchdog").rc(0)
    rig.wait_for(lambda: seen.guard_pid(home))
    old = seen.row(home, "monitor")["pid"]
    assert isinstance(old, int)
    seen.kill(old)
    rig.wait_for(lambda: seen.row(home, "monitor")["pid"] not in (None, old), what="what is less than the guard's beat")
    rig.wait_for(lambda: is_up(home))


COMMANDS = [("ps",), ("health",), ("config",), ("journal",), ("bringup", "--help"), ("--list",)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_code_page_949_to_a_pipe_and_a_file_breaks_nothing(
    home: person.Desk, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """P58: no encoding error, and Hangul stays Hangul."""
    argv = [str(home.scripts / "inv.exe"), *words]
    piped = subprocess.run(argv, cwd=home.root, env=home.environ(), capture_output=True, timeout=100, check=False)
    said = person.text(piped.stdout)
    assert piped.returncode in (0, 3) and "Traceback" not in person.text(piped.stderr)
    file = tmp_path / "출력.txt"
    with file.open("wb") as out:
        subprocess.run(argv, cwd=home.root, env=home.environ(), stdout=out, stderr=out, timeout=100, check=False)
    assert len(person.text(file.read_bytes()).splitlines()) == len(said.splitlines())
    if words == ("health",):
        assert person.NAME in said, "Hangul stays Hangul"


def test_hangul_in_a_document_is_what_it_was(home: person.Desk) -> None:
    argv = [str(home.scripts / "inv.exe"), "ps", "--json"]
    raw = subprocess.run(argv, cwd=home.root, env=home.environ(), capture_output=True, check=True).stdout
    assert json.loads(raw)["workspace"]["path"] == str(home.root)


SCREEN = """
import ctypes, pathlib, subprocess, sys
code = subprocess.call(sys.argv[2:])
kernel32 = ctypes.WinDLL("kernel32")
kernel32.GetStdHandle.restype = ctypes.c_void_p
kernel32.ReadConsoleOutputCharacterW.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint, ctypes.c_uint,
                                                 ctypes.c_void_p)
room, got = ctypes.create_unicode_buffer(80 * 25 + 1), ctypes.c_uint()
there = kernel32.ReadConsoleOutputCharacterW(kernel32.GetStdHandle(-11), room, 80 * 25, 0, ctypes.byref(got))
pathlib.Path(sys.argv[1]).write_text(f"{code} {there} {room.value}", encoding="utf-8")
"""


def test_in_a_console_every_character_is_itself(workspace: rig.Workspace, tmp_path: Path) -> None:
    """P58: Python writes to a console in Unicode, whatever its code page."""
    workspace.service("api", "sleeps.py", more='purpose = "한글 ✓"')
    said = tmp_path / "said"
    argv = [rig.PYTHON, "-c", SCREEN, str(said), sys.executable, "-m", "autosys_tasks.program", "ps"]
    env = {key: value for key, value in {**os.environ, **workspace.env()}.items() if value is not None}
    new = subprocess.CREATE_NEW_CONSOLE
    subprocess.run(argv, cwd=workspace.root, env=env, creationflags=new, timeout=rig.PATIENCE_S, check=True)
    text = said.read_text(encoding="utf-8")
    assert text.startswith("0 1 ") and "한글 ✓" in text and "api" in text


def test_down_leaves_no_process(home: person.Desk) -> None:
    home.types("bringup").rc(0)
    assert len(home.alive()) >= 2 * len(SERVICES)
    home.types("down").rc(0)
    assert home.alive() == []
    assert set(states(home).values()) == {"stopped"}


def test_who_cannot_be_asked_to_end_is_not_waited_for(workspace: rig.Workspace) -> None:
    """Its stop time is for who was asked: Ctrl-Break where there is a console, else nothing to wait for."""
    workspace.service("api", "sleeps.py", more="stop_timeout_s = 60")
    workspace.cli("bringup", "--no-guard").rc(0)
    assert workspace.cli("down").rc(0).took_s < 50


def test_pythonw_has_no_streams_and_does_its_work_all_the_same(home: person.Desk) -> None:
    """As Task Scheduler starts it: stdout is None."""
    home.pythonw("bringup").wait(rig.PATIENCE_S)
    rig.wait_for(lambda: is_up(home))
    assert home.pythonw("watchdog").wait(rig.PATIENCE_S) == 0
    assert home.pythonw("no-such-task").wait(rig.PATIENCE_S) != 0


def test_services_outlive_the_console_that_started_them(home: person.Desk) -> None:
    """P11: the window is closed with a click on its X."""
    import screen

    home.types("down").rc(0)
    code = (
        "import subprocess, sys, time; code = subprocess.call([sys.executable, 'tasks.py', 'bringup']); "
        "open('said', 'w').write(str(code)); time.sleep(600)"
    )
    before = screen.visible()
    console = subprocess.Popen(
        [rig.PYTHON, "-c", code], cwd=home.root, env=home.environ(), creationflags=subprocess.CREATE_NEW_CONSOLE,
    )  # fmt: skip
    said = home.root / "said"
    try:
        rig.wait_for(lambda: said.exists() and said.read_text(), rig.PATIENCE_S, what="the end of bringup")
        assert said.read_text() == "0"
        windows = rig.wait_for(lambda: screen.visible() - before, what="the console's window")
        for window in windows:
            screen.close(window)
        rig.wait_for(lambda: console.poll() is not None, what="the end of the console")
    finally:
        said.unlink(missing_ok=True)
        console.kill()
    assert is_up(home) and seen.guard_pid(home)
    assert all(psutil.pid_exists(int(str(row["pid"]))) for row in seen.rows(home).values())


def test_nothing_of_it_opens_a_window(home: person.Desk) -> None:
    """P30: twelve ticks with something to heal, a bring-up and a guard, all without a console."""
    import screen

    home.types("down").rc(0)
    with screen.watched() as windows:
        assert home.pythonw("bringup").wait(rig.PATIENCE_S) == 0
        for turn in range(12):
            if turn % 4 == 0:
                seen.kill(seen.row(home, "worker")["pid"])
            assert home.pythonw("watchdog").wait(rig.PATIENCE_S) == 0
        assert home.pythonw("health", "--fix").wait(rig.PATIENCE_S) in (0, 3)
    assert windows == set()


def test_the_watch_over_windows_sees_one_that_is_there(home: person.Desk) -> None:
    """The control: a watch that sees nothing proves nothing."""
    import screen

    with screen.watched() as windows:
        subprocess.run([sys.executable, "-c", "pass"], creationflags=subprocess.CREATE_NEW_CONSOLE, check=True)
        rig.wait_for(lambda: windows, what="the console's window")
    assert windows
