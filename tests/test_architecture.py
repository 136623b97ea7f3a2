"""The house as designed: who imports whom, who asks for the OS, who prints; held against the code itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.portable

ROOT = Path(__file__).resolve().parent.parent / "autosys_tasks"
BELOW = {
    "core": (),
    "config": ("core",),
    "host": ("core",),
    "probes": ("core", "host"),
    "supervise": ("core", "config", "host", "probes", "bootstrap"),
    "schedule": ("core", "config", "host", "probes", "supervise", "bootstrap"),
    "vscode": ("core", "config", "host", "probes", "supervise"),
    "report": ("core", "config", "host", "probes", "supervise"),
    "upgrade": ("core", "config", "host", "probes", "supervise", "bootstrap"),
    "backup": ("core", "config", "host", "probes", "supervise", "bootstrap"),
    "health": (
        "core", "config", "host", "probes", "supervise", "schedule", "vscode", "upgrade", "backup", "bootstrap",
    ),
    "services": ("core", "config", "host", "probes"),
    "bootstrap": (),
}
PURE = (
    "due.py", "plan.py", "plan_service.py", "plan_things.py", "values.py", "model.py", "types.py", "verdict.py",
    "spans.py", "observation.py", "deaths.py", "figures.py", "report/texts.py", "plan_rivals.py", "rivals.py",
    "globs.py", "manifests.py", "mapping.py", "manifest_names.py", "backup/errors.py", "retain.py",
    "addresses.py", "daily.py", "plan_backup.py", "plan_autostart.py", "supervise/order.py",
    "core/probe.py",
)  # fmt: skip
IMPURE_MODULES = {"os", "sys", "time", "subprocess", "socket", "random", "psutil", "git", "threading", "pathlib"}
PURE_NAMES = {"subprocess.list2cmdline"}  # a function of its argument
PURE_ROOMS = ("core.errors", "core.plan", "core.probe", "core.verdict", "core.clock", "config.model", "host.types")
MAY_PRINT = ("tasks", "services", "bootstrap")
PRINTERS = ("display.py", "guard.py", "follow.py", "program.py", "reference.py")
LIGHT_TOP = ("invoke", "autosys_tasks.tasks.border", "__future__", "typing")
LONGEST = 400


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def is_pure(where: str, name: str) -> bool:
    return name in PURE or f"{where}/{name}" in PURE or name.endswith("_text.py")


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else ""


def imports(tree: ast.AST, *, top_only: bool = False) -> Iterator[str]:
    """Every module that is imported, with the name taken from it: `autosys_tasks.core.files`."""
    for node in tree.body if top_only and isinstance(tree, ast.Module) else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "a relative import"


def broken_rules(path: Path, source: str) -> list[str]:
    """What of the house's rules this source would break, standing at this path."""
    tree, where = ast.parse(source), room(path)
    found = [f"{path}: {len(source.splitlines())} lines"] if len(source.splitlines()) > LONGEST else []
    if where != "bootstrap":  # which runs before anything is installed
        found += [f"{path}: a relative import" for name in imports(tree) if name == "a relative import"]
    found += list(_wrong_rooms(path, where, tree))
    if is_pure(where, path.name) and where in BELOW:
        found += list(_impure(path, tree))
    found += list(_wrong_words(path, where, tree))
    if where == "tasks" and path.name not in ("parsing.py", "table.py") and path.parent.name != "border":
        heavy = [name for name in imports(tree, top_only=True) if not name.startswith(LIGHT_TOP)]
        found += [f"{path}: imports `{name}` at its top" for name in heavy]
    return found


def _wrong_rooms(path: Path, where: str, tree: ast.AST) -> Iterator[str]:
    for name in imports(tree):
        if name.split(".")[0] == "invoke" and where not in ("tasks", "") and where in BELOW:
            yield f"{path}: imports Invoke"
        parts = name.split(".")
        if parts[0] != "autosys_tasks" or where not in BELOW or len(parts) < 2:
            continue
        if parts[1] != where and parts[1] not in BELOW[where] and parts[1] in (*BELOW, "tasks"):
            yield f"{path}: imports `{name}`"


def _impure(path: Path, tree: ast.AST) -> Iterator[str]:
    for name in imports(tree):
        if name.split(".")[0] in IMPURE_MODULES and name not in PURE_NAMES:
            yield f"{path}: is pure, and imports `{name}`"
        inside = name.removeprefix("autosys_tasks.")
        pure_name = Path(inside.replace(".", "/")).parts
        allowed = inside.startswith(PURE_ROOMS) or any(is_pure(pure_name[0], f"{part}.py") for part in pure_name)
        if name.startswith("autosys_tasks.") and not allowed:
            yield f"{path}: is pure, and imports `{name}`"


def _wrong_words(path: Path, where: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asks = (node.value.id, node.attr) in {("sys", "platform"), ("os", "name")}
            if asks and where not in ("host", "bootstrap"):
                yield f"{path}: asks which OS this is"
            if (node.value.id, node.attr) == ("os", "system"):
                yield f"{path}: runs a shell"
        if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", None) is True:
            yield f"{path}: runs a shell"
        prints = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        if prints and where not in MAY_PRINT and path.name not in PRINTERS:
            yield f"{path}: prints"
    bad = {"utils", "helpers", "common", "manager", "misc"}
    if path.stem in bad or path.stem.endswith(("_v2", "_new", "_old")):
        yield f"{path}: a name that says nothing"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_stands_where_the_house_says(path: Path) -> None:
    assert not broken_rules(path, path.read_text(encoding="utf-8"))


MUTANTS = {
    "core/files.py": "from autosys_tasks.host import spawn",
    "config/load.py": "import autosys_tasks.supervise.act",
    "host/linux.py": "def f():\n    from autosys_tasks.probes import ask",
    "probes/http.py": "from autosys_tasks.config.model import Service",
    "supervise/act.py": "from autosys_tasks.health.run import run",
    "health/run.py": "import invoke",
    "services/log.py": "from autosys_tasks.supervise import act",
    "supervise/plan.py": "import time",
    "health/plan.py": "from autosys_tasks.supervise import act",
    "report/figures.py": "from autosys_tasks.report import look",
    "report/html_text.py": "import pathlib",
    "report/look.py": "from autosys_tasks.services.monitor.store import Store",
    "supervise/look.py": "import sys\nx = sys.platform",
    "health/look.py": "print(1)",
    "vscode/act.py": "from autosys_tasks.health.run import page",
    "vscode/jsonc_text.py": "import pathlib",
    "tasks/ps.py": "import psutil",
    "core/utils.py": "x = 1",
    "probes/command.py": "import subprocess\nsubprocess.run('ls', shell=True)",
    "schedule/due.py": "import time",
    "schedule/task_text.py": "from autosys_tasks import host",
    "schedule/rivals.py": "from autosys_tasks.schedule import starters",
    "schedule/run_key.py": "import sys\nx = sys.platform",
    "schedule/resident.py": "import invoke",
    "upgrade/plan.py": "from autosys_tasks.upgrade import stamps",
    "upgrade/manifests.py": "import os",
    "upgrade/look.py": "from autosys_tasks.health.run import page",
    "backup/git/capture.py": "from autosys_tasks.schedule import resident",
    "backup/git/output_text.py": "import os",
    "backup/copies/plan.py": "import time",
    "host/git.py": "from autosys_tasks.backup.git import capture",
    "supervise/keeper.py": "x = 1\n" * 401,
}


@pytest.mark.parametrize("place", MUTANTS)
def test_a_module_that_breaks_the_house_is_caught(place: str) -> None:
    assert broken_rules(ROOT / place, MUTANTS[place])


def test_every_fault_point_is_declared_and_stands_in_the_code() -> None:
    from autosys_tasks.core.faults import POINTS

    texts = (text for path in files() if "fault(" in (text := path.read_text(encoding="utf-8")))
    nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    calls = [call for call in calls if "fault" in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))]
    used = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert used == set(POINTS)


def test_no_task_has_a_short_flag() -> None:
    """A habit typed by hand must not change its meaning when a parameter is added."""
    from autosys_tasks import ns

    for context in ns.to_contexts():
        short = [flag for flag in context.flags if not flag.startswith("--")]
        assert short == (["-k"] if context.name == "test" else []), context.name  # pytest's own, by that name


HEAVY = {"git", "py7zr", "rich", "psutil", "filelock", "sqlite3", "http.server", "tomllib", "ctypes"}


def loaded_after(code: str) -> set[str]:
    import subprocess

    script = f"import sys; {code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_listing_the_tasks_loads_none_of_the_heavy_libraries() -> None:
    ours = loaded_after("from autosys_tasks import ns; ns.to_contexts()")
    bare = loaded_after("import invoke.program")
    assert not (ours - bare) & HEAVY
    assert len(ours - bare) < 46, sorted(ours - bare)


def test_the_console_command_loads_an_invoke_without_what_no_task_uses(tmp_path: Path) -> None:
    """Without it half of what Invoke loads, and a third of what a command costs; who does use it gets it."""
    slim = "from autosys_tasks.slim import load_invoke; load_invoke(); import autosys_tasks.console as console"
    unused = {"asyncio", "unittest", "email", "zipfile", "invoke.vendor.yaml"}
    loaded = loaded_after(f"{slim}; console.program().run('autosys --version', exit=False)")
    assert "invoke" in loaded and not loaded & unused
    (tmp_path / "invoke.yaml").write_text("run:\n  echo: true\n", encoding="utf-8")
    uses = f"""
{slim}
import importlib.metadata
from invoke import Config, MockContext, Result
done = MockContext(run=Result("well"), repeat=True)
assert done.run("x").ok and done.run.called
here = Config(project_location={str(tmp_path)!r})
here.load_project()
assert here.run.echo
assert importlib.metadata.version("invoke")[0].isdigit()
"""
    assert loaded_after(uses) >= {"asyncio", "unittest.mock", "invoke.vendor.yaml"}


def test_what_the_console_command_has_compiled_once_it_keeps() -> None:
    """Invoke forbids it, and then our modules are compiled anew at every start: half of what a command costs."""
    run = "import autosys_tasks.console as console; console.program().run('autosys --list', exit=False)"
    loaded_after(f"sys.dont_write_bytecode = True; {run}; assert not sys.dont_write_bytecode")


@pytest.mark.parametrize("entry", ["from autosys_tasks import ns", "from autosys_tasks.program import main; main()"])
def test_what_a_command_has_loaded_is_never_looked_through_for_garbage(entry: str) -> None:
    """With it each command took a seventh more, most of that in its last moments: `inv` and `autosys` alike."""
    code = f"""
import atexit, contextlib, gc, os, sys
atexit.register(lambda: gc.get_freeze_count() > 10_000 or os._exit(3))  # the first one is called last
sys.argv = ["autosys", "--version"]
with contextlib.suppress(SystemExit):
    {entry}
assert gc.isenabled() and gc.get_freeze_count() > 10_000, gc.get_freeze_count()
gc.unfreeze()  # as a backup does
"""
    assert "autosys_tasks.tasks.table" in loaded_after(code)


def test_the_guard_needs_no_invoke_and_nothing_heavy() -> None:
    loaded = loaded_after("import autosys_tasks.supervise.guard")
    needed = {"tomllib"} | ({"ctypes"} if sys.platform == "win32" else set())
    assert not loaded & ((HEAVY - needed) | {"invoke", "asyncio", "ssl", "http.client", "logging", "argparse"})


def test_no_two_test_modules_have_one_name() -> None:
    """They have no package: the second one of a name would be taken for the first."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []
