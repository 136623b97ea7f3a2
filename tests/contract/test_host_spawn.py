"""Contract of `host`: what a child is given, and which file a word means."""

from __future__ import annotations

import ast
import ctypes
import os
import stat
import sys
import venv
from pathlib import Path

import pytest

from autosys_tasks import host

LIVES = "import time; print('up', flush=True); time.sleep(600)"


def test_a_child_has_exactly_the_environment_it_was_given(yard, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_STARTER", "1")
    env = yard.env(GREETING="안녕 100% & 'quote'", EMPTY="")
    yard.run("import os; print(ascii(dict(os.environ)), flush=True)", env=env)
    seen = ast.literal_eval(yard.lines()[0])
    if os.name == "nt":  # names without case, and a few that the system itself adds
        env, seen = ({key.upper(): value for key, value in one.items()} for one in (env, seen))
        assert "SECRET_OF_THE_STARTER" not in seen
        seen = {key: value for key, value in seen.items() if key in env}
    assert seen == env


def test_arguments_arrive_as_they_were_written(yard):
    words = (
        "a b",
        "한글",
        "&",
        "%PATH%",
        '"quoted"',
        "it's",
        "back\\slash\\",
        "",
        "*",
        "$HOME",
        "^",
        "tab\t",
    )
    assert yard.run("import sys; print(ascii(sys.argv[1:]), flush=True)", *words) == host.Exit(code=0)
    assert tuple(ast.literal_eval(yard.lines()[0])) == words


def test_a_child_stands_in_its_folder_and_reads_nothing(yard):
    inner = yard.folder / "안 & 50%"
    inner.mkdir()
    yard.run("import os, sys; print(ascii([os.getcwd(), sys.stdin.read()]), flush=True)", cwd=str(inner))
    where, said = ast.literal_eval(yard.lines()[0])
    assert Path(where).samefile(inner)
    assert said == ""


def test_both_outputs_of_a_child_go_to_its_log(yard):
    log = yard.folder / "새 폴더" / "로그 & 1%.log"
    yard.run("import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True)", log=str(log))
    assert sorted(yard.lines(2, log)) == ["err", "out"]


def test_a_missing_program_is_told_as_such(yard):
    lock = host.take_lock(yard.lock)
    order = yard.order("")._replace(argv=(str(yard.folder / "no such program"),))
    with pytest.raises(FileNotFoundError):
        host.spawn(order, lock)
    assert lock is not None
    lock.release()
    assert host.lock_held(yard.lock) is False


def test_a_child_has_a_session_of_its_own_or_no_window(yard):
    """P30: no console window, and no Ctrl-C meant for somebody else."""
    if hasattr(os, "getsid"):
        who = yard.start(LIVES)
        assert os.getsid(who.pid) == who.pid == os.getpgid(who.pid)
    elif hasattr(ctypes, "windll"):
        yard.run(
            "import ctypes; k, u = ctypes.windll.kernel32, ctypes.windll.user32;"
            "print(u.IsWindowVisible(k.GetConsoleWindow()), flush=True)"
        )
        assert yard.lines() == ["0"]
    else:
        pytest.skip("neither sessions nor windows here")


def test_a_child_outlives_its_starter(yard, waiter):
    """P11: closing what started a service does not end the service."""
    code = yard.ours(
        "launch = host.Launch(tuple(sys.argv[4:]), dict(os.environ), sys.argv[1], sys.argv[2])\n"
        "print(host.spawn(launch, host.take_lock(sys.argv[3])), flush=True)\n"
        "import time; time.sleep(600)"
    )
    inner = yard.folder / "inner.log"
    order = yard.order(LIVES, log=str(inner))
    starter = yard.start(code, order.cwd, order.log, yard.lock, *order.argv)
    child = yard.told(yard.instance)
    yard.lines(1, inner)
    waiter.watch("starter", starter)
    host.end_group(starter.pid) if os.name != "nt" else host.end(starter)
    assert list(waiter.wait(60)) == ["starter"]
    assert host.alive(child) is True
    assert host.lock_held(yard.lock) is True


@pytest.mark.parametrize("priority", ["idle", "low", "normal"])
def test_priority_is_what_was_asked(yard, priority):
    import psutil

    who = yard.start(LIVES, priority=priority)
    nice = psutil.Process(who.pid).nice()
    wanted = {"idle": (19, 64), "low": (10, 16384), "normal": (psutil.Process().nice(), 32)}
    assert nice in wanted[priority]


def test_become_turns_into_the_program_and_its_exit_code(yard):
    code = yard.ours("sys.exit(host.become(tuple(sys.argv[1:]), dict(os.environ)))")
    order = yard.order("import sys; print(ascii(sys.argv[1:]), flush=True); sys.exit(7)", "a b", "한글 &")
    assert yard.run(code, *order.argv) == host.Exit(code=7)
    assert ast.literal_eval(yard.lines()[0]) == ["a b", "한글 &"]


def test_who_became_another_program_is_asked_to_end_as_that_program(yard, waiter):
    """A renewed guard ends at once when `down` asks, not after five seconds by force."""
    hears = yard.ours(
        "import threading; asked = threading.Event(); host.on_polite_stop(asked.set)\n"
        "print('listens', flush=True); asked.wait(60); print('asked', flush=True); sys.exit(3)"
    )
    code = yard.ours("sys.exit(host.become(tuple(sys.argv[1:]), dict(os.environ)))")
    who = yard.start(code, *yard.order(hears).argv)
    assert yard.lines() == ["listens"]
    waiter.watch("it", who)
    assert host.ask_to_end(who)
    assert list(waiter.wait(60)) == ["it"]
    assert yard.lines(2)[-1] == "asked"


def executable(folder: Path, name: str) -> Path:
    """A file that this OS would run."""
    suffix = "" if hasattr(os, "getuid") else ".exe"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name + suffix)
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_is_found_on_path_in_order(yard):
    first, second = executable(yard.folder / "일 %", "tool"), executable(yard.folder / "이", "tool")
    path = os.pathsep.join([str(yard.folder / "none"), str(first.parent), str(second.parent)])
    assert Path(host.program("tool", path, str(yard.folder)) or "").samefile(first)
    assert Path(host.program("tool", str(second.parent), str(yard.folder)) or "").samefile(second)
    assert host.program("tool", str(yard.folder / "none"), str(yard.folder)) is None


def test_a_program_is_found_by_its_path(yard):
    tool = executable(yard.folder / "bin", "tool")
    away = str(yard.folder / "none")
    assert Path(host.program(str(tool), "", away) or "").samefile(tool)
    assert Path(host.program(f"bin{os.sep}tool", "", str(yard.folder)) or "").samefile(tool)
    assert host.program(f"bin{os.sep}tool", str(yard.folder), away) is None
    assert host.program(str(yard.folder / "bin" / "other"), "", away) is None


def test_a_folder_or_a_plain_file_is_no_program(yard):
    (yard.folder / "bin" / "tool").mkdir(parents=True)
    (yard.folder / "bin" / "text.txt").write_text("no program", encoding="utf-8")
    for name in ("tool", "text.txt", ".", ""):
        assert host.program(name, str(yard.folder / "bin"), str(yard.folder)) is None


def test_the_running_interpreter_is_found_as_it_stands(yard):
    real = Path(sys.executable).resolve()
    assert Path(host.program(real.name, str(real.parent), str(yard.folder)) or "").samefile(real)


def test_an_environment_has_its_interpreter_in_its_bin_folder(yard):
    venv.create(yard.folder / "환경 1", with_pip=False)
    environment = str(yard.folder / "환경 1")
    assert Path(host.python_in(environment)).is_file()
    assert Path(host.python_in(environment)).parent == Path(host.bin_folder(environment))
