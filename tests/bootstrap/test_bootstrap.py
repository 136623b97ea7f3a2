"""`python tasks.py TASK...` as a person types it on a machine that has Python and nothing else."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from checkout import BIN, NOWHERE, PYPROJECT, PYTHON, WORDS, Checkout, quiet_environ, stub


def test_the_first_run_makes_the_environment_and_says_what_it_does(
    made_by_pip: tuple[Checkout, rig.Result],
) -> None:
    checkout, first = made_by_pip
    first.says("autosys: making .venv with Python", "autosys: adding pip ...", "installing autosys (pip) ...")
    assert Path(first.json()["prefix"]) == checkout.venv  # type: ignore[arg-type]
    assert checkout.script("pip").exists()


def test_arguments_and_the_exit_code_pass_through_untouched(made_by_pip: tuple[Checkout, rig.Result]) -> None:
    _, first = made_by_pip
    assert first.rc(7).json()["words"] == WORDS


def test_where_uv_cannot_install_pip_is_tried_and_the_reason_told(
    made_by_pip: tuple[Checkout, rig.Result],
) -> None:
    made_by_pip[1].says("error: no route to the index", "trying pip instead")


def test_with_nothing_to_do_it_says_nothing(made_by_uv: Checkout) -> None:
    assert made_by_uv.run("echo").rc(0).err == ""


def test_with_nothing_to_do_it_imports_three_small_modules_of_ours_and_nothing_else(
    made_by_uv: Checkout,
) -> None:
    """Under 50 ms above `inv` is held by a count: a stopwatch would fail on a busy machine."""

    def imported(*args: str | Path) -> set[str]:
        said = subprocess.run([PYTHON, "-X", "importtime", *args], capture_output=True, check=True).stderr
        return {
            line.rsplit(b"|", 1)[1].strip().decode() for line in said.splitlines() if line.count(b"|") == 2
        }

    more = imported(made_by_uv.root / "tasks.py", "echo") - imported("-c", "pass")
    assert more == {"__future__", "bootstrap", "bootstrap.entry", "bootstrap.stamp"}


def test_our_modules_stay_compiled_between_runs_of_invoke(made_by_uv: Checkout) -> None:
    """Invoke forbids it for all that it loads, which cost 80 ms at every start."""
    package = made_by_uv.root / "autosys_tasks"
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    made_by_uv.run("echo").rc(0)
    assert list((package / "__pycache__").glob("__init__.*.pyc"))


def test_the_same_works_from_any_folder(made_by_uv: Checkout, tmp_path: Path) -> None:
    (made_by_uv.root / "autosys.toml").touch()
    (inside := made_by_uv.root / "sub folder").mkdir(exist_ok=True)
    outside = made_by_uv.run("echo", cwd=tmp_path).rc(0).json()
    assert outside["workspace"] == str(made_by_uv.root)
    assert outside["cwd"] == str(tmp_path)
    assert made_by_uv.run("echo", cwd=inside).rc(0).json()["workspace"] is None


def test_a_task_that_needs_an_extra_gets_it_and_an_update_keeps_it(made_by_uv: Checkout, uv: Path) -> None:
    made_by_uv.run("test", path=uv).rc(0).says("installing autosys and what `test` needs (uv)")
    assert made_by_uv.run("test").rc(0).err == ""
    made_by_uv.declare(PYPROJECT.replace("0.1.0", "0.1.1"))
    assert made_by_uv.run("echo", path=uv).rc(0).json()["iniconfig"] is True
    assert made_by_uv.state() == ["ready", "test"]


NOT_NEEDED_TO_START = "[Ll]ib/**/site-packages/invoke/completion/bash.completion"


def break_nothing_but(what: str) -> Callable[[Checkout], None]:
    """How to damage an environment, by the name of the damage."""

    def damage(checkout: Checkout) -> None:
        venv = checkout.venv
        if what == "no-python":
            checkout.script("python").unlink()
        elif what == "no-inv":
            checkout.script("inv").unlink()
        elif what == "no-packages":
            for lib in venv.glob("[Ll]ib"):
                shutil.rmtree(lib)
        elif what == "no-invoke":
            shutil.rmtree(next(venv.glob("[Ll]ib/**/site-packages/invoke")))
        elif what == "no-pyvenv.cfg":
            (venv / "pyvenv.cfg").unlink()
        elif what == "python-removed":
            gone = "/opt/python-that-was-removed"
            config = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
            lines = [f"home = {gone}" if line.startswith("home") else line for line in config]
            (venv / "pyvenv.cfg").write_text("\n".join(lines), encoding="utf-8")
        elif what == "first-install-cut-off":
            checkout.stamp.write_bytes(b"making\n" + os.fsencode(checkout.root))
            shutil.rmtree(next(venv.glob("[Ll]ib/**/site-packages/invoke")) / "parser")
        elif what == "update-cut-off":
            checkout.stamp.write_bytes(b"updating\n" + os.fsencode(checkout.root))
            next(venv.glob(NOT_NEEDED_TO_START)).unlink()
        elif what == "empty-folder":
            shutil.rmtree(venv)
            venv.mkdir()
        elif what == "a-file":
            shutil.rmtree(venv)
            venv.touch()
        else:
            raise KeyError(what)

    return damage


@pytest.mark.parametrize(
    ("what", "says"),
    [
        pytest.param("no-python", "building it anew", marks=pytest.mark.live),
        pytest.param("python-removed", "building it anew", marks=pytest.mark.live),
        pytest.param("no-pyvenv.cfg", "building it anew", marks=pytest.mark.live),
        ("no-inv", "installing autosys"),
        ("no-invoke", "installing autosys"),
        pytest.param("no-packages", "installing autosys", marks=pytest.mark.live),
        ("first-install-cut-off", "building it anew"),
        ("update-cut-off", "installing autosys"),
        pytest.param("empty-folder", "building it anew", marks=pytest.mark.live),
        pytest.param("a-file", "building it anew", marks=pytest.mark.live),
    ],
)
def test_a_half_made_environment_is_seen_and_mended(
    made_by_uv: Checkout, uv: Path, what: str, says: str
) -> None:
    break_nothing_but(what)(made_by_uv)
    made_by_uv.run("echo", path=uv).rc(0).says(says)
    assert list(made_by_uv.venv.glob(NOT_NEEDED_TO_START)), (
        "packages are whole, also where `inv` starts without"
    )
    assert made_by_uv.run("echo").rc(0).err == "", "mended once is mended"
    assert [path.name for path in made_by_uv.root.glob(".venv*")] == [".venv"]


@pytest.mark.live
def test_an_environment_of_somebody_else_is_kept_and_gets_the_pip_that_it_lacks(
    made_by_pip: tuple[Checkout, rig.Result],
) -> None:
    checkout, _ = made_by_pip
    packages = next(checkout.venv.glob("[Ll]ib/**/site-packages"))
    (packages / "theirs.py").touch()
    for path in packages.glob("pip*"):
        shutil.rmtree(path)
    checkout.stamp.unlink()
    checkout.run("echo").rc(0).says("adding pip")
    assert (packages / "theirs.py").exists()


def test_a_moved_checkout_gets_an_environment_that_names_its_new_place(
    checkout: Checkout, uv: Path, index: None
) -> None:
    """Its scripts and activate files would run the other one."""
    checkout.run("echo", path=uv).rc(0)
    moved = checkout.root.rename(checkout.root.with_name("옮긴 곳"))
    said = rig.start([PYTHON, moved / "tasks.py", "echo"], cwd=moved, env=quiet_environ(uv)).result()
    assert said.rc(0).json()["prefix"] == str(moved / ".venv")
    assert os.fsencode(checkout.root) not in (moved / ".venv" / BIN / "inv").read_bytes()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_killed_in_the_middle_it_begins_again_and_leaves_nothing_behind(
    checkout: Checkout, uv: Path, index: None, sent: signal.Signals, code: int
) -> None:
    running = checkout.start("echo", path=uv)
    rig.wait_for(lambda: checkout.state() == ["making"], what="the first install to begin", every_s=0.002)
    running.process.send_signal(sent)
    assert running.result().code == code
    checkout.run("echo", path=uv).rc(0).says("building it anew")
    assert [path.name for path in checkout.root.glob(".venv*")] == [".venv"]


def test_two_at_once_wait_for_each_other_and_install_once(checkout: Checkout, uv: Path, index: None) -> None:
    results = [running.result() for running in [checkout.start("echo", path=uv) for _ in range(2)]]
    assert [result.code for result in results] == [0, 0], "\n".join(map(str, results))
    told = "".join(result.err for result in results)
    assert told.count("making .venv") == 1
    assert told.count("another `python tasks.py` is preparing .venv") == 1


def python_without(module: str, folder: Path) -> Path:
    """A real interpreter whose standard library lacks one module, as Debian's lacks `ensurepip`."""
    library = Path(
        sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
    )
    copy = folder / "lib" / library.name
    copy.mkdir(parents=True)
    for path in library.iterdir():
        if path.name not in (module, "site-packages"):
            (copy / path.name).symlink_to(path)
    return stub(folder / "bin", "python", f"PYTHONHOME='{folder}' exec '{PYTHON}' \"$@\"") / "python"


def test_a_python_without_ensurepip_gets_the_one_command_that_helps(
    checkout: Checkout, tmp_path: Path
) -> None:
    python = python_without("ensurepip", tmp_path / "debian 한글")
    apt = stub(tmp_path / "apt", "apt", "exit 1")
    said = checkout.run("echo", python=python, path=apt, env={"PYTHONIOENCODING": "cp949"})
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said.rc(1).says("it lacks the module `ensurepip`", f"apt install python{version}-venv")
    assert "Traceback" not in said.err
    assert not checkout.venv.exists()


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_a_python_without_ensurepip_is_enough_where_uv_is(
    checkout: Checkout, tmp_path: Path, uv: Path, index: None, module: str
) -> None:
    python = python_without(module, tmp_path / "debian")
    checkout.run("echo", python=python, path=uv).rc(0)


def test_without_an_index_it_says_why_and_trusts_nothing(made_by_pip: tuple[Checkout, rig.Result]) -> None:
    checkout, _ = made_by_pip
    offline: dict[str, str | None] = {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    checkout.declare(PYPROJECT.replace("requires = []", 'requires = ["hatchling>=1.25"]'))
    for _ in range(2):
        said = checkout.run("echo", env=offline).rc(1)
        said.says("No matching distribution found for hatchling", "is the package index reachable")
        assert said.out == ""
    checkout.declare(PYPROJECT)
    checkout.run("echo", env=offline).rc(0)


@pytest.mark.live
def test_a_first_run_without_an_index_leaves_no_environment(checkout: Checkout, uv: Path) -> None:
    offline: dict[str, str | None] = {"UV_INDEX_URL": NOWHERE, "UV_NO_CACHE": "1", "UV_HTTP_RETRIES": "0"}
    more: dict[str, str | None] = {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    checkout.run("echo", path=uv, env=offline | more).rc(1).says("is the package index reachable")
    assert not list(checkout.root.glob(".venv*"))


FINDS_ALL = "import os, sys; [os.stat(path) for path in sys.path if path and not path.endswith('.zip')]"


def test_no_console_and_no_code_page_can_break_it(made_by_uv: Checkout, uv: Path) -> None:
    """P35; before 3.13 Python reads .pth files in the code page: Hangul in UTF-8 kept it from starting."""
    made_by_uv.declare(PYPROJECT.replace("0.1.0", "0.1.2"))
    narrow: dict[str, str | None] = {"PYTHONIOENCODING": "cp949", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    made_by_uv.run("echo", path=uv, env=narrow).rc(0).says("installing autosys")
    for path in made_by_uv.venv.glob("[Ll]ib/**/site-packages/*.pth"):
        assert path.read_bytes().isascii()
    env: dict[str, str | None] = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    rig.start([made_by_uv.script("python"), "-c", FINDS_ALL], cwd=made_by_uv.root, env=env).result().rc(0)


def old_pythons() -> list[Path]:
    """Interpreters of this machine that are too old."""
    beside = [path for path in PYTHON.parents[2].glob("*/bin/python") if PYTHON.parents[1].name[:1].isdigit()]
    return [
        path
        for path in beside
        if path.parents[1].name.split(".")[:2] in (["2", "7"], ["3", "6"], ["3", "10"])
    ]


PRETEND_TO_BE_OLD = """
import runpy, sys
sys.version_info = (3, 6, 0, "final", 0)
runpy.run_path("tasks.py", run_name="__main__")
"""


@pytest.mark.parametrize("python", [PYTHON, *old_pythons()], ids=lambda path: path.parents[1].name)
def test_a_python_that_is_too_old_says_so_in_one_line(python: Path, tmp_path: Path) -> None:
    source = (rig.REPOSITORY / "tasks.py").read_text(encoding="ascii")
    (tmp_path / "tasks.py").write_text(source, encoding="ascii")
    argv: list[str | Path] = (
        [python, "-c", PRETEND_TO_BE_OLD] if python == PYTHON else [python, "tasks.py", "bringup"]
    )
    said = rig.start(argv, cwd=tmp_path).result().rc(1)
    assert said.err.startswith("autosys: Python 3.11 or newer is needed, and this is")
    assert said.err.count("\n") == 1
    ast.parse(source, feature_version=(3, 4))


def test_on_a_terminal_a_long_step_shows_that_it_goes_on(tmp_path: Path) -> None:
    import pty

    screen, terminal = pty.openpty()
    argv: list[str | Path] = [
        PYTHON,
        "-c",
        STEP_THAT_AWAITS_A_FILE,
        rig.REPOSITORY / "autosys_tasks",
        tmp_path / "go",
    ]
    with subprocess.Popen(argv, stderr=terminal) as child:
        os.close(terminal)
        seen = b""
        while seen.count(b"\r") < 3:
            seen += os.read(screen, 1000)
        (tmp_path / "go").touch()
        assert child.wait(60) == 0
    with contextlib.suppress(OSError):  # how the end of a terminal is told
        while more := os.read(screen, 1000):
            seen += more
    os.close(screen)
    assert b"\rautosys: waiting for a file " in seen
    assert seen.endswith(b" s\r\n")


STEP_THAT_AWAITS_A_FILE = """
import sys
sys.path.insert(0, sys.argv[1])
from bootstrap import steps
steps.SPIN_AFTER_S = 0.1
await_file = "import os, sys, time\\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)"
steps.run_step(".", "waiting for a file", [sys.executable, "-c", await_file, sys.argv[2]])
"""


def test_the_real_checkout_comes_up_from_nothing(tmp_path: Path, uv: Path, index: None) -> None:
    root = tmp_path / "진짜 workspace"
    root.mkdir()
    for name in ("tasks.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(rig.REPOSITORY / name, root)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(rig.REPOSITORY / "autosys_tasks", root / "autosys_tasks", ignore=ignored)
    began = time.monotonic()
    argv: list[str | Path] = [PYTHON, root / "tasks.py", "--list"]
    listed = rig.start(argv, cwd=root, env=quiet_environ(uv)).result()
    listed.rc(0).says("bringup", "watchdog", "health")
    assert (root / ".venv" / BIN / "autosys").exists()
    (names_it,) = (path for path in (root / ".venv").glob("lib/**/site-packages/*.pth") if "autosys" in path.name)
    assert names_it.read_bytes().isascii(), "what hatchling wrote, as every code page reads it"
    print(json.dumps({"first_run_s": round(time.monotonic() - began, 1)}))
