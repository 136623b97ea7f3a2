"""A pulled commit that breaks autosys itself: the last good version goes on, and everybody is told who did it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import rig
from repos import IDENTITY, Repo, made

from autosys_tasks import host

pytestmark = [pytest.mark.only("posix"), pytest.mark.capability("git")]
SERVICE, NO_GUARD = "[services.api]\ncommand = {argv}\n", "[watchdog]\nguard = false\n"
BREAKS = {
    "syntax": ("supervise/keeper.py", "def f(:\n", "SyntaxError"),
    "a room that this command does not need": ("backup/git/output_text.py", "def f(:\n", "SyntaxError"),
    "a dependency that is not there": ("supervise/act.py", "import no_such_thing\n", "no_such_thing"),
    "a module that is gone": ("supervise/messages.py", None, "autosys_tasks.supervise.messages"),
    "the table of tasks": ("tasks/table.py", "raise RuntimeError('oh')\n", "RuntimeError: oh"),
}


class House:
    """A workspace that is a clone of a repository with a package of its own, and who pushes to that."""

    def __init__(self, space: rig.Workspace, origin: Repo) -> None:
        self.space, self.origin = space, origin
        self.here = Repo(space.root)
        self.here.git("clone", "--quiet", "--template=", origin.root.as_uri(), ".")

    def inv(self, *words: str) -> rig.Result:
        """`python -m invoke`, as the scheduler has it."""
        argv = [sys.executable, "-X", "utf8", "-m", "invoke", *words]
        return rig.start(argv, cwd=self.space.root, env=self.space.env()).result()

    def push(self, files: dict[str, str | None], said: str) -> str:
        """A commit on the other side, pulled by a person; its name."""
        commit = self.origin.commit({f"autosys_tasks/{name}": text for name, text in files.items()}, said)
        self.here.git("pull", "--quiet", "--ff-only")
        return commit

    def text(self, name: str) -> str:
        """A module as it is on the other side."""
        return (self.origin.root / "autosys_tasks" / name).read_text(encoding="utf-8")

    def breaks(self, name: str, text: str | None = "def f(:\n", said: str = "Make it faster") -> str:
        """A commit that breaks this module, or takes it away."""
        return self.push({name: None if text is None else self.text(name) + text}, said)

    def check(self) -> dict[str, object]:
        """What `inv health` says of upgrades."""
        page = self.inv("health", "--only", "upgrade", "--json").json()
        return {"exit_code": page["exit_code"], **page["checks"][0]}  # type: ignore[index]

    def pids(self) -> tuple[int, int]:
        """(service, guard)."""
        page = self.inv("ps", "--json").rc(0).json()
        return page["services"][0]["pid"], page["guard"]["pid"]  # type: ignore[index]

    def guard_runs(self, pid: int) -> str:
        """Where the guard's code lies; it looks now, and not within a minute."""
        host.ring(f"{self.space.state}/guard.bell")
        words = psutil.Process(pid).cmdline()
        return words[words.index("-c") + 2] if "-c" in words else ""  # it is just becoming another


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds autosys, as the workspace of a person who works on it does."""
    root = tmp_path_factory.mktemp("origin")
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(rig.REPOSITORY / "autosys_tasks", root / "autosys_tasks", ignore=leave)
    shutil.copy(rig.REPOSITORY / "tasks.py", root)
    argv = json.dumps([rig.PYTHON, str(rig.PROGRAMS / "sleeps.py")])
    files: dict[str, str | None] = {
        "autosys.toml": SERVICE.replace("{argv}", argv) + NO_GUARD,
        ".gitignore": "__pycache__/\noutputs/\n",
    }
    made(root, files)
    return root


@pytest.fixture
def home(workspace: rig.Workspace, source: Path, tmp_path: Path) -> House:
    shutil.copytree(source, tmp_path / "origin")
    return House(workspace, Repo(tmp_path / "origin"))


def test_a_pulled_syntax_error_stops_nothing_and_goes_when_it_is_mended(
    home: House, wait_for: Callable[..., object]
) -> None:
    toml = (home.space.root / "autosys.toml").read_text(encoding="utf-8")
    home.space.write(toml.replace(NO_GUARD, ""))
    home.inv("bringup").rc(0)
    home.inv("watchdog").rc(0)
    api, guard = home.pids()
    commit = home.breaks("supervise/keeper.py")

    home.inv("watchdog").rc(0).says("the last good one runs instead", commit[:7], "Make it faster")
    wait_for(lambda: "last-good" in home.guard_runs(guard), what="the guard to leave the broken code")
    os.kill(api, signal.SIGKILL)
    wait_for(lambda: home.pids()[0] not in (None, api), what="the service to be healed")
    assert home.pids()[1] == guard

    os.kill(guard, signal.SIGKILL)
    home.inv("watchdog").rc(0)
    again = home.pids()[1]
    assert again not in (None, guard)
    assert "last-good" in home.guard_runs(again)

    check = home.check()
    assert (check["verdict"], check["exit_code"]) == ("NG", 3)
    assert "Make it faster" in str(check["why"]) and commit[:7] in str(check["why"])
    assert "autosys_tasks/supervise/keeper.py" in str(check["why"])

    back = str(check["fix"]["text"])  # type: ignore[index]
    subprocess.run(shlex.split(back), check=True, env={**os.environ, **IDENTITY}, capture_output=True)
    said = home.inv("watchdog").rc(0)
    assert "broken" not in said.err
    wait_for(lambda: home.guard_runs(again) == str(home.space.root), what="the guard to come back")
    assert home.check()["exit_code"] == 0


@pytest.mark.live
@pytest.mark.parametrize("how", BREAKS)
def test_whatever_breaks_the_package_is_named_with_its_commit(home: House, how: str) -> None:
    name, text, says = BREAKS[how]
    home.inv("watchdog").rc(0)
    home.push({"py.typed": "\n"}, "something harmless")
    commit = home.breaks(name, text)
    home.push({"py.typed": "\n\n"}, "harmless, too")
    said = home.inv("ps", "--json").rc(0).says(says, commit[:7], "Make it faster", "revert --no-edit")
    assert said.json()["services"]
    assert str(home.check()["why"]).count(commit[:7]) == 1


SCHEDULED = """
import json, sys
from autosys_tasks.config.load import load
from autosys_tasks.schedule.site import to_register
from autosys_tasks.schedule.values import entries
from pathlib import Path
config = load(Path.cwd())
site = to_register(config)
print(json.dumps([site.argv(entry) for entry in entries(config) if entry.name == "watchdog"][0]))
"""
DEEP = {
    "the workspace's tasks.py": ("../tasks.py", "def f(:\n"),
    "the package's own beginning": ("__init__.py", "def f(:\n"),
    "what chooses the version": ("bootstrap/lastgood.py", "def f(:\n"),
    "what tries a version": ("bootstrap/trial.py", "def f(:\n"),
    "what supervises": ("supervise/runs.py", "import no_such_thing\n"),
}


def registered(home: House) -> list[str]:
    """The command line of a tick, as `inv schedule.register` would have the system keep it."""
    env = {**home.space.env(), "AUTOSYS_WORKSPACE": None}
    said = rig.start([sys.executable, "-c", SCHEDULED], cwd=home.space.root, env=env).result().rc(0)
    return [str(word) for word in json.loads(said.out)]


@pytest.mark.live
@pytest.mark.parametrize("how", DEEP)
def test_what_the_scheduler_starts_survives_a_break_of_whatever_it_begins_with(home: House, how: str) -> None:
    argv = registered(home)
    assert argv[argv.index("-m") + 1] == "invoke"
    rig.start(argv, cwd=home.space.root, env=home.space.env()).result().rc(0)
    name, text = DEEP[how]
    before = home.text(name)
    commit = home.breaks(name, text)
    (api,) = (int(pid) for pid, _at in home.space.starts())
    os.kill(api, signal.SIGKILL)
    said = rig.start(argv, cwd=home.space.root, env=home.space.env()).result().rc(0)
    assert len(home.space.starts()) == 2, "the service was healed"
    said.says(commit[:7], "Make it faster")
    home.push({name: before + "# mended\n"}, "Mend it")
    assert rig.start(argv, cwd=home.space.root, env=home.space.env()).result().rc(0).err == ""
    kept = json.loads((home.space.state / "last-good" / "good.json").read_text(encoding="utf-8"))
    assert kept["commit"] == home.here.head(), "today's version ran, and is the last good one now"


CHOOSES = {
    "what chooses the version": ("bootstrap/lastgood.py", "def f(:\n"),
    "what that needs": ("bootstrap/lastgood.py", "import no_such_thing\n"),
    "the package's own beginning": ("__init__.py", "def f(:\n"),
    "who tries": ("bootstrap/trial.py", "def f(:\n"),
}
RARE = [pytest.param(how, marks=pytest.mark.live) for how in ("what that needs", "the package's own beginning")]


@pytest.mark.parametrize("how", ["what chooses the version", "who tries", *RARE])
def test_a_person_who_types_a_command_sees_no_traceback_whatever_broke(home: House, how: str) -> None:
    """P48: one clear message with the commit and the way back, and the last good version goes on."""
    home.inv("watchdog").rc(0)
    name, text = CHOOSES[how]
    commit = home.breaks(name, text)
    said = home.inv("ps", "--json").rc(0).says("the last good one runs instead", commit[:7], "Make it faster", "revert")
    assert "Traceback" not in said.err, said.err
    assert said.json()["services"]
    why = str(home.check()["why"])
    assert commit[:7] in why and (name in why or name == "bootstrap/trial.py"), why  # nobody else knows the file
    shutil.rmtree(home.space.state / "last-good")
    if name != "bootstrap/trial.py":  # which nothing needs where there is no other version to choose
        home.inv("ps").rc(1).says("broken", commit[:7], "Make it faster", "revert")
        error = home.inv("ps", "--json").rc(1)
        assert error.json()["schema"] == "autosys.error/1" and "Traceback" not in error.err
        assert error.json()["error"]["where"] == f"autosys_tasks/{name}"  # type: ignore[index]


@pytest.mark.parametrize("json", [[], ["--json"]], ids=["words", "json"])
def test_where_everything_that_knows_is_broken_there_still_is_one_message(home: House, json: list[str]) -> None:
    home.inv("watchdog").rc(0)
    home.push({f"bootstrap/{name}.py": "def f(:\n" for name in ("blame", "place", "tree")}, "Make it faster")
    said = home.inv("ps", *json).rc(1)
    said.says("SyntaxError", "git revert")
    assert "Traceback" not in said.err
    if json:
        assert said.json()["error"]["kind"] == "broken"  # type: ignore[index]


@pytest.mark.parametrize("text", ["def f(:\n", pytest.param("import no_such_thing\n", marks=pytest.mark.live)])
def test_a_broken_tasks_py_is_red_with_its_commit(home: House, text: str) -> None:
    """P48: our own task file. Invoke itself cannot read it; `autosys` and what the scheduler starts do without."""
    home.inv("watchdog").rc(0)
    commit = home.breaks("../tasks.py", text)
    page = home.space.cli("health", "--only", "upgrade", "--json").rc(3).json()
    why = str(page["checks"][0]["why"])  # type: ignore[index]
    assert "tasks.py" in why and commit[:7] in why and "Make it faster" in why


def test_a_pull_that_takes_tasks_py_away_is_red_until_it_is_there_again(home: House) -> None:
    """P48: nobody can type `inv` any more, and everything else goes on."""
    home.inv("watchdog").rc(0)
    text = home.text("../tasks.py")
    commit = home.push({"../tasks.py": None}, "Tidy up")
    page = home.space.cli("health", "--only", "upgrade", "--json").rc(3).json()
    why = str(page["checks"][0]["why"])  # type: ignore[index]
    assert "tasks.py: it is gone" in why and commit[:7] in why and "Tidy up" in why
    home.push({"../tasks.py": text}, "Bring it back")
    home.inv("health", "--only", "upgrade").rc(0)


def test_a_pull_that_breaks_autosys_toml_is_named_with_the_way_back(home: House) -> None:
    """P48: our own config, which nothing but that commit broke; an edit is no commit, and the person's to mend."""
    whole = home.text("../autosys.toml")
    commit = home.push({"../autosys.toml": f"{whole}[services.web]\ncomand = ['x']\n"}, "Add a web")
    error = home.space.cli("health", "--json").rc(2).json()["error"]
    assert isinstance(error, dict) and error["problems"][-1]["where"].startswith(f'commit {commit[:7]} "Add a web"')
    home.space.cli("ps").rc(2).says("the file was whole before it", f"revert --no-edit {commit[:7]}")
    (home.space.root / "autosys.toml").write_text(f"{whole}x = = 1\n", encoding="utf-8")
    assert "commit" not in home.space.cli("ps").rc(2).err
    home.here.git("checkout", "--quiet", "autosys.toml")
    home.push({"../autosys.toml": f"{whole}x = = 1\n"}, "Mend it, badly")
    assert "commit" not in home.space.cli("ps").rc(2).err, "it was broken before that one too"


def test_a_repair_that_is_pulled_brings_everything_back(home: House) -> None:
    home.inv("watchdog").rc(0)
    before = home.text("supervise/keeper.py")
    home.breaks("supervise/keeper.py")
    home.inv("watchdog").rc(0).says("the last good one runs instead")
    home.push({"supervise/keeper.py": before + "# mended\n"}, "Mend it")
    assert home.inv("watchdog").rc(0).err == ""
    kept = json.loads((home.space.state / "last-good" / "good.json").read_text(encoding="utf-8"))
    copy = home.space.state / "last-good" / kept["copy"] / "autosys_tasks" / "supervise" / "keeper.py"
    assert copy.read_text(encoding="utf-8").endswith("# mended\n")
    assert kept["commit"] == home.here.head()


def test_what_was_tried_once_is_not_tried_again(home: House) -> None:
    home.inv("watchdog").rc(0)
    tried = home.space.state / "last-good" / "tried.json"
    assert not tried.exists()
    home.breaks("supervise/keeper.py")
    home.inv("ps").rc(0)
    first = tried.stat().st_mtime_ns
    home.inv("ps").rc(0).says("the last good one runs instead")
    assert tried.stat().st_mtime_ns == first


def test_an_edit_that_nobody_committed_is_named_as_one(home: House) -> None:
    home.inv("watchdog").rc(0)
    path = home.space.root / "autosys_tasks" / "supervise" / "keeper.py"
    path.write_text(home.text("supervise/keeper.py") + "def f(:\n", encoding="utf-8")
    home.inv("ps").rc(0).says("autosys_tasks/supervise/keeper.py is edited, and not committed", "stash push")
    assert not home.here.clean(), "only a person puts an edit aside"


def test_without_a_copy_the_error_has_the_commit_and_the_way_back(home: House) -> None:
    commit = home.breaks("tasks/table.py")
    home.inv("ps").rc(1).says("SyntaxError", "autosys_tasks/tasks/table.py", commit[:7], "Make it faster", "revert")
    error = home.inv("ps", "--json").rc(1).json()
    assert error["schema"] == "autosys.error/1"
    assert commit[:7] in error["error"]["message"]  # type: ignore[index]


def test_without_a_copy_a_room_that_does_not_import_is_named_with_its_commit(home: House) -> None:
    commit = home.breaks("supervise/look.py")
    home.inv("ps").rc(1).says(commit[:7], "Make it faster", "revert")


def test_an_upgrade_that_pulls_something_broken_says_so_and_ends_3(home: House) -> None:
    home.inv("watchdog").rc(0)
    text = home.text("upgrade/act.py") + "def f(:\n"
    commit = home.origin.commit({"autosys_tasks/upgrade/act.py": text}, "Make it faster")
    home.inv("upgrade", "--pull").rc(3).says("still stale: autosys itself", commit[:7], "revert")


def test_a_dry_run_changes_nothing_while_it_is_broken(home: House) -> None:
    home.inv("watchdog").rc(0)
    home.breaks("supervise/keeper.py")
    before = sorted(path.name for path in (home.space.state / "last-good").iterdir())
    home.inv("watchdog", "--dry-run").rc(0)
    assert sorted(path.name for path in (home.space.state / "last-good").iterdir()) == before
