"""What only somebody outside of a Windows can do: switch it off, switch it on, and see that nothing is left of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
from build import CHECKOUT, PACKAGES
from run import Counted, counted, lay, tried
from wine import PLACE, C, Ended, Machine, sweep

pytestmark = [pytest.mark.windows, pytest.mark.only("linux"), pytest.mark.timeout(300)]
RUN = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
WORKSPACE = f"C:\\{PLACE}\\책상 & 100%"
STATE = "C:\\상태"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A fresh Windows that is on."""
    with Machine(Path(os.environ["AUTOSYS_WINDOWS_RIG"])) as made:
        yield made


def test_a_test_that_fails_there_fails_here(machine: Machine) -> None:
    file = machine.drive / "test_bad.py"
    file.write_text("def test_good(): pass\ndef test_bad(): assert 0\n", encoding="utf-8")
    said = machine.python("-m", "pytest", "-p", "no:cacheprovider", "--color=no", "C:\\test_bad.py")
    one = counted("it", said)
    assert (one.code, one.passed, one.failed) == (1, 1, 1)
    silent = counted("it", machine.python("-c", "pass"))
    assert silent.code != 0, "no closing line is no success"


def test_a_fixture_that_fails_is_one_accident_however_many_tests_wait_for_it() -> None:
    bad = [f"ERROR tests/a.py::test_{number} - OSError: x" for number in range(9)] + ["FAILED tests/a.py::test_alone"]
    calls: list[list[str]] = []

    def run(args: list[str]) -> Counted:
        calls.append(args)
        closing = "== 10 passed in 1.00s ==" if args[1:] else "== 1 failed, 5 passed, 9 errors in 1.00s =="
        return counted("it", Ended(1 - bool(args[1:]), "\n".join([*bad, closing]).encode()))

    once_more = tried(run, ["tests"])
    assert (once_more.code, once_more.passed, once_more.again) == (0, 15, 10) and len(calls[1]) == 10
    bad += [f"FAILED tests/b.py::test_{number}" for number in range(2)]
    assert tried(run, ["tests"]).code == 1, "more are no accident"


def test_the_workflow_installs_all_that_a_windows_is_made_of() -> None:
    text = (CHECKOUT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert set(PACKAGES) <= set(text.split())


def test_the_user_the_code_page_and_the_console_are_korean(machine: Machine) -> None:
    facts = "ctypes.windll.kernel32.GetACP(), getpass.getuser(), sys.stdout.encoding"
    code = f"import ctypes, getpass, sys; print({facts})"
    assert machine.python("-c", code).text.split() == ["949", "홍길동", "cp949"]


def test_nothing_is_left_of_a_windows_that_was_switched_off() -> None:
    machine = Machine(Path(os.environ["AUTOSYS_WINDOWS_RIG"]))
    sweep()  # by another run, at this very moment
    assert machine.folder.exists()
    with machine as made:
        folder = made.folder
        sleeper = "[sys.executable, '-c', 'import time; time.sleep(600)']"
        code = f"import subprocess, sys; subprocess.Popen({sleeper}, creationflags=0x8)"
        assert made.python("-c", code).code == 0
        assert any("time.sleep" in line for _pid, line in made.processes())
    assert made.processes() == []
    assert not folder.exists()


def autosys(machine: Machine, *args: str) -> dict[str, object]:
    """A document of a command in the workspace there."""
    said = machine.python(
        "-m", "autosys_tasks.program", *args, "--json", cwd=inside(machine, WORKSPACE), AUTOSYS_STATE=STATE,
    )  # fmt: skip
    document = json.loads(said.text[said.text.index("{\n") :])  # both of its streams come together
    assert isinstance(document, dict)
    return document


def inside(machine: Machine, path: str) -> Path:
    """Where a path on C: is on this side."""
    return machine.prefix / C / path.removeprefix("C:\\").replace("\\", "/")


SLEEPS = "import os, time; open('C:\\\\시작\\\\' + str(os.getpid()), 'x').close(); time.sleep(3600)"


def set_up(machine: Machine) -> None:
    """A workspace of three services that need one another, and a Run value that brings it up at logon."""
    lay(CHECKOUT, machine.prefix / C / PLACE)
    (machine.drive / "시작").mkdir()
    folder = inside(machine, WORKSPACE)
    folder.mkdir()
    argv = json.dumps([machine.python_exe, "-c", SLEEPS])
    names = {"db": "", "api": 'depends_on = ["db"]', "web": 'depends_on = ["api"]'}
    toml = "".join(f"[services.{name}]\ncommand = {argv}\n{more}\n" for name, more in names.items())
    (folder / "autosys.toml").write_text(toml, encoding="utf-8")
    python = machine.python_exe.replace("python.exe", "pythonw.exe")
    start = (
        f"import os, runpy, sys; os.chdir(r'{WORKSPACE}'); "
        f"os.environ['AUTOSYS_STATE'] = r'{STATE}'; sys.argv = ['autosys', 'bringup']; "
        "runpy.run_module('autosys_tasks.program', run_name='__main__')"
    )
    (machine.drive / "logon.pyw").write_text(start, encoding="utf-8")
    value = f'"{python}" "C:\\logon.pyw"'
    assert machine.run("reg", "add", RUN, "/v", "autosys", "/d", value, "/f").code == 0


def pids(machine: Machine) -> dict[str, int]:
    """The pid of each service that is ready."""
    rows = autosys(machine, "ps")["services"]
    assert isinstance(rows, list)
    return {row["name"]: row["pid"] for row in rows if row["state"] == "ready"}


def all_ready(machine: Machine) -> dict[str, int]:
    def ready() -> dict[str, int]:
        found = pids(machine)
        return found if len(found) == 3 else {}

    return rig.wait_for(ready, 60, what="all three ready", every_s=0.2)


def test_after_a_power_cut_logon_brings_everything_back_and_harms_nobody(machine: Machine) -> None:
    """Stale records, torn files, and pids that now belong to others (pain 4; issue 4.4)."""
    set_up(machine)
    assert autosys(machine, "bringup")["exit_code"] == 0
    before = all_ready(machine)
    machine.power_cut()
    assert machine.processes() == []
    for name, keep in (("api", 40), ("web", 0)):
        record = inside(machine, STATE) / "services" / name / "record.jsonl"
        record.write_bytes(record.read_bytes()[:keep])
    journal = inside(machine, WORKSPACE) / "outputs" / "watchdog_log.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    # Strangers that log on first, so that they get the pids that the services had.
    stranger = f'"{machine.python_exe}" -c "import time; time.sleep(3600)"'
    for number in range(12):
        machine_run(machine, f"a{number}", stranger)
    machine.power_on()
    after = all_ready(machine)
    strangers = [line for _pid, line in machine.processes() if "import time; time.sleep(3600)" in line]
    assert len(strangers) == 12, "nobody else was ended"
    starts = sorted(path.name for path in (machine.drive / "시작").iterdir())
    assert len(starts) == 6, f"three starts before, three after: {before} {after} {starts}\n{journals(machine)}"
    assert autosys(machine, "watchdog")["exit_code"] == 0
    assert autosys(machine, "down")["exit_code"] == 0
    assert len([line for _pid, line in machine.processes() if "time.sleep" in line]) == 12


def journals(machine: Machine) -> str:
    """All that it noted, for who looks for a reason."""
    paths = sorted(inside(machine, WORKSPACE).glob("outputs/**/*.*l*g*"))
    return "\n".join(f"== {path.name}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in paths)


def machine_run(machine: Machine, name: str, value: str) -> None:
    """Another Run value."""
    assert machine.run("reg", "add", RUN, "/v", name, "/d", value, "/f").code == 0


QUICK = f"""
import sys
sys.path[:0] = [r"C:\\{PLACE}\\tests\\schedule", r"C:\\{PLACE}"]
import stand_in
stand_in.main(__file__)
"""


def runs_of(machine: Machine, task: str) -> list[float]:
    """When a task of the workspace with the quick tasks ran."""
    names = (path.name.split() for path in (inside(machine, WORKSPACE) / "ran").glob(f"{task} *"))
    return sorted(float(words[1]) for words in names)


def keepers(machine: Machine) -> list[str]:
    return [line for _pid, line in machine.processes() if "logon.pyw" in line]


def quick(machine: Machine, task: str) -> str:
    """Run a task there to its end; what it said."""
    said = machine.python("-X", "utf8", "-m", "quick", task, cwd=inside(machine, WORKSPACE), AUTOSYS_STATE=STATE)
    assert said.code == 0, said.text
    return said.text


def test_the_run_value_brings_the_keeper_back_at_logon_and_it_runs_the_master(machine: Machine) -> None:
    """P32: where registering a task is denied, the fallback works from the first logon on, and goes without a trace."""
    lay(CHECKOUT, machine.prefix / C / PLACE)
    folder = inside(machine, WORKSPACE)
    folder.mkdir()
    (folder / "autosys.toml").write_text("", encoding="utf-8")
    (folder / "quick.py").write_text(QUICK, encoding="utf-8")
    quick(machine, "schedule.register")
    rig.wait_for(lambda: runs_of(machine, "master"), 60, what="the master of this session")
    assert len(keepers(machine)) == 1
    machine.power_cut()
    assert machine.processes() == []
    before = runs_of(machine, "master")
    machine.power_on()
    after = rig.wait_for(lambda: runs_of(machine, "master")[len(before) :], 60, what="the master after logon")
    rig.wait_for(lambda: max(runs_of(machine, "watchdog"), default=0.0) > after[0], what="a tick after logon")
    assert len(after) == 1 and len(keepers(machine)) == 1
    quick(machine, "schedule.unregister")
    rig.wait_for(lambda: not keepers(machine), what="the end of the keeper")
    machine.power_cut()
    machine.power_on()
    assert not keepers(machine) and not (inside(machine, STATE) / "logon.pyw").exists()


REGISTERS = f"""
from pathlib import Path
from autosys_tasks.config.load import load
from autosys_tasks.schedule import run_key
from autosys_tasks.schedule.site import chosen, site_of
config = load(Path(r"{WORKSPACE}"))
print([run_key.install(site_of(config), entry) for entry in chosen(config, "")])
"""


def test_with_the_run_key_alone_logon_brings_the_services_up(machine: Machine) -> None:
    """P32, P15: the whole way, with the real commands: Run value, keeper, `master`, services that are ready."""
    set_up(machine)
    assert machine.run("reg", "delete", RUN, "/v", "autosys", "/f").code == 0
    toml = inside(machine, WORKSPACE) / "autosys.toml"
    delay = '[schedule]\nmaster = { at = "logon", delay = "1s" }\n'
    toml.write_text(toml.read_text(encoding="utf-8") + delay, encoding="utf-8")
    said = machine.python("-X", "utf8", "-c", REGISTERS, AUTOSYS_STATE=STATE)
    assert said.code == 0 and "was started" in said.text, said.text
    all_ready(machine)
    machine.power_cut()
    machine.power_on()
    all_ready(machine)
    rows = autosys(machine, "schedule.status")["entries"]
    assert isinstance(rows, list)
    told = {row["name"]: (row["state"], row["mechanism"]) for row in rows}
    assert told["master"] == told["watchdog"] == ("registered", "run key"), rows
    assert autosys(machine, "schedule.unregister")["exit_code"] == 0
    rig.wait_for(lambda: not keepers(machine), 60, what="the end of the keeper")
    assert autosys(machine, "down")["exit_code"] == 0


def test_services_outlive_the_session_that_started_them(machine: Machine) -> None:
    """The command ends, its console is gone; what it started answers a command of another session."""
    set_up(machine)
    assert autosys(machine, "bringup")["exit_code"] == 0
    one = all_ready(machine)
    assert all_ready(machine) == one
