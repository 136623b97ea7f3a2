"""Git's hooks that begin an upgrade: they come beside a person's own, and leave everything as it was."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from repos import Repo
from upgrade_desk import tree

from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of
from autosys_tasks.upgrade import hooks

pytestmark = [pytest.mark.only("posix"), pytest.mark.capability("git")]
NAMES = ("post-merge", "post-checkout", "post-rewrite")
# Says where it was begun and with which of git's variables, waits until it may go on, and leaves what it is to make.
MAKE = """#!/bin/sh
env | grep ^GIT_DIR >> "{state}/variables"
echo begun >> "{state}/begun"
while [ ! -e "{state}/go" ]; do sleep 0.05; done
mkdir -p out
cp deps.txt out/made
"""
TOML = """
[environments.main]
kind = "command"
path = "."
manifests = ["deps.txt"]
install = ["sh", "make.sh"]
outputs = ["out"]
"""
OWN = '#!/bin/sh\necho "{name} $*" >> "{told}"\ncat >> "{told}"\nexit {code}\n'


class Pulled:
    """A workspace that pulls from a repository beside it."""

    def __init__(self, space: rig.Workspace, origin: Repo, here: Repo) -> None:
        self.space, self.origin, self.here = space, origin, here
        self.hooks = here.root / ".git" / "hooks"
        self.made = space.root / "out" / "made"
        self.begun = space.state / "begun"

    def inv(self, *words: str) -> rig.Result:
        """`autosys upgrade.hooks WORDS`."""
        return self.space.cli("upgrade.hooks", *words)

    def state(self) -> str:
        """What it says of the hooks."""
        return str(self.inv("status", "--json").rc(0).json()["state"])

    def push(self, text: str) -> None:
        """Something new on the other side."""
        self.origin.commit({"deps.txt": text})

    def pull(self) -> str:
        """`git pull`, as a person types it, without a terminal."""
        return self.here.git("pull", "--quiet", "--ff-only")

    def go(self) -> None:
        """Let installs end."""
        (self.space.state / "go").touch()

    def times_begun(self) -> int:
        """How many installs were begun."""
        return self.begun.read_text(encoding="utf-8").count("begun") if self.begun.exists() else 0

    def own(self, name: str, *, code: int = 0) -> Path:
        """A hook of the person's own."""
        path = self.hooks / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(OWN.format(name=name, told=self.space.state / "told", code=code), encoding="utf-8")
        path.chmod(0o750)
        return path

    def starters(self) -> list[str]:
        """What begins an upgrade, as text."""
        return [path.read_text(encoding="utf-8") for path in (self.here.root / ".git" / "autosys-hooks").iterdir()]

    def told(self) -> str:
        """What the person's own hooks were told."""
        return (self.space.state / "told").read_text(encoding="utf-8")


@pytest.fixture
def pulled(workspace: rig.Workspace, tmp_path: Path) -> Pulled:
    from repos import made

    workspace.state.mkdir()
    files: dict[str, str | None] = {
        "deps.txt": "1\n", "autosys.toml": TOML, "make.sh": MAKE.replace("{state}", str(workspace.state)),
        ".gitignore": "out/\noutputs/\n.venvs/\n",
    }  # fmt: skip
    origin = made(tmp_path / "origin", files)
    here = Repo(workspace.root)
    here.git("clone", "--quiet", "--template=", origin.root.as_uri(), ".")
    return Pulled(workspace, origin, here)


def test_a_pull_begins_an_upgrade_and_does_not_wait_for_it(pulled: Pulled, wait_for: Callable[..., object]) -> None:
    pulled.inv("install").rc(0).says("OK: each pull begins an upgrade")
    assert pulled.state() == "installed"
    pulled.push("2\n")
    assert pulled.pull() == "", "it says nothing"
    assert not pulled.made.exists(), "the pull has ended, and the install cannot have"
    wait_for(pulled.times_begun, what="the upgrade to begin")
    pulled.go()
    wait_for(lambda: pulled.made.exists() and pulled.made.read_text(encoding="utf-8") == "2\n")
    assert (pulled.space.state / "variables").read_text(encoding="utf-8") == "", "it must not take git's for its own"
    assert (pulled.space.outputs / "logs" / "upgrade.log").exists()
    assert pulled.here.clean()


def test_what_is_no_pull_begins_nothing_and_another_branch_does(
    pulled: Pulled, wait_for: Callable[..., object]
) -> None:
    pulled.go()
    pulled.space.cli("upgrade").rc(0)
    pulled.inv("install").rc(0)
    pulled.here.git("branch", "other")
    log = pulled.space.outputs / "logs" / "upgrade.log"
    pulled.here.git("checkout", "--quiet", "--", "deps.txt")
    pulled.here.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "again")
    assert not log.exists()
    pulled.here.git("checkout", "--quiet", "other")
    wait_for(lambda: log.exists() and "OK" in log.read_text(encoding="utf-8"))


def test_an_old_word_that_one_was_begun_keeps_no_upgrade_from_beginning(
    pulled: Pulled, wait_for: Callable[..., object]
) -> None:
    """The run that wrote it was killed, and its number is another's by now."""
    pulled.inv("install").rc(0)
    (asked,) = [Path(found[1]) for path in pulled.starters() if (found := re.search(r"(?m)^asked='?(.*?)'?$", path))]
    asked.parent.mkdir(parents=True, exist_ok=True)
    asked.write_text(f"{os.getpid()}\n", encoding="utf-8")
    os.utime(asked, (time.time() - 600, time.time() - 600))
    pulled.push("2\n")
    pulled.pull()
    pulled.go()
    wait_for(lambda: pulled.made.exists(), what="the upgrade")


def test_a_burst_of_hooks_begins_one_upgrade_and_what_came_last_is_seen(
    pulled: Pulled, wait_for: Callable[..., object]
) -> None:
    """While one is at work the next one waits; no third one is begun for what that one will see anyway."""
    pulled.inv("install").rc(0)
    pulled.push("2\n")
    pulled.pull()
    wait_for(pulled.times_begun, what="the upgrade to begin")
    pulled.here.git("branch", "other", "HEAD~1")
    for _turn in range(10):
        pulled.here.git("checkout", "--quiet", "other")
        pulled.here.git("checkout", "--quiet", "main")
    pulled.push("3\n")
    pulled.pull()

    def runs() -> int:
        at_work = rig.living_of(str(pulled.space.root), "AUTOSYS_WORKSPACE")
        return sum("autosys_tasks.program" in command for _pid, command in at_work)

    assert runs() <= 3, "the one at work, the one that waits, and at most one that had not said so yet"
    pulled.go()
    wait_for(lambda: pulled.made.exists() and pulled.made.read_text(encoding="utf-8") == "3\n")
    wait_for(lambda: not runs(), what="all to end")
    assert pulled.times_begun() == 2


def test_a_rebase_begins_one_upgrade(pulled: Pulled, wait_for: Callable[..., object]) -> None:
    pulled.go()
    pulled.space.cli("upgrade").rc(0)
    for number in range(12):
        pulled.here.commit({f"mine{number}.txt": "x\n"})
    pulled.push("2\n")
    pulled.inv("install").rc(0)
    pulled.here.git("pull", "--quiet", "--rebase")
    wait_for(lambda: pulled.made.read_text(encoding="utf-8") == "2\n")
    log = pulled.space.outputs / "logs" / "upgrade.log"
    wait_for(lambda: "OK:" in log.read_text(encoding="utf-8"))
    assert log.read_text(encoding="utf-8").count("OK:") == 1
    assert [line["step"] for line in pulled.space.journal("auto_upgrade")].count("summary") == 2


@pytest.mark.parametrize("begins", [True, False], ids=["begins one", "begins none"])
def test_a_hook_costs_a_pull_less_than_a_tenth_of_a_second(pulled: Pulled, begins: bool) -> None:
    pulled.go()
    pulled.inv("install").rc(0)
    argv = [str(pulled.hooks / "post-merge"), "0"] if begins else [str(pulled.hooks / "post-checkout"), "a", "b", "0"]
    costs = [rig.cost_s(lambda: subprocess.run(argv, cwd=pulled.here.root, check=True)) for _turn in range(3)]
    assert min(costs) < 0.1 * rig.stretched(), costs


def test_a_persons_own_hooks_are_called_first_and_come_back_to_the_byte(pulled: Pulled) -> None:
    pulled.go()
    own = [pulled.own("post-merge"), pulled.own("post-rewrite"), pulled.own("pre-push")]
    own[0].write_bytes(own[0].read_bytes() + b"# \xbc\xbc, in another code page\n")
    quiet = pulled.own("post-checkout", code=1)
    quiet.chmod(0o640)  # which git passes over
    before = {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in (*own, quiet)}
    pulled.inv("install").rc(0).says("with the one before")
    pulled.push("2\n")
    pulled.pull()
    assert pulled.told() == "post-merge 0\n"
    pulled.here.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "again")
    old, new = pulled.told().splitlines()[-1].split()
    assert pulled.told().splitlines()[1] == "post-rewrite amend" and new == pulled.here.head() != old
    assert "post-checkout" not in pulled.told()

    pulled.inv("remove").rc(0)
    after = {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in pulled.hooks.iterdir()}
    assert after == before
    assert not (pulled.here.root / ".git" / "autosys-hooks").exists()


def test_the_exit_code_of_a_persons_own_hook_is_the_one_that_counts(pulled: Pulled) -> None:
    pulled.go()
    pulled.own("post-checkout", code=1)
    pulled.inv("install").rc(0)
    pulled.here.git("checkout", "--quiet", "-b", "other", code=1)


def test_install_and_remove_twice_are_the_same_as_once(pulled: Pulled) -> None:
    pulled.own("post-merge")
    pulled.inv("install").rc(0)
    before = tree(pulled.here.root / ".git")
    assert pulled.inv("install", "--json").rc(0).json()["summary"] == {"done": 0, "failed": 0, "skipped": 0}
    assert tree(pulled.here.root / ".git") == before
    pulled.inv("remove").rc(0)
    assert pulled.inv("remove", "--json").rc(0).json()["outcomes"] == []
    assert pulled.state() == "missing"


def test_an_installation_that_was_killed_leaves_nothing_beside_the_hooks_once_it_is_made_again(pulled: Pulled) -> None:
    pulled.space.cli("upgrade.hooks", "install", env={"AUTOSYS_FAULT": "files.before-replace:kill:2"}).rc(-9)
    assert len(list((pulled.here.root / ".git/hooks").glob("*.tmp"))) == 1
    pulled.inv("install").rc(0)
    assert not list((pulled.here.root / ".git/hooks").glob("*.tmp"))


def test_a_dry_run_shows_each_step_and_changes_nothing(pulled: Pulled) -> None:
    pulled.own("post-merge")
    before = tree(pulled.here.root / ".git")
    steps = pulled.inv("install", "--dry-run", "--json").rc(0).json()["steps"]
    kinds = [(each["kind"], Path(each["target"]).name) for each in steps]  # type: ignore[attr-defined]
    assert kinds[1:3] == [("keep", "post-merge"), ("write", "post-merge")]
    pulled.inv("install", "--dry-run", "--exit-code").rc(9)
    assert tree(pulled.here.root / ".git") == before
    pulled.inv("install").rc(0)
    pulled.inv("install", "--dry-run", "--exit-code").rc(0).says("nothing to do")
    steps = pulled.inv("remove", "--dry-run", "--json").rc(0).json()["steps"]
    assert [each["kind"] for each in steps].count("bring-back") == 1  # type: ignore[attr-defined]


def test_hooks_in_another_folder_of_the_repository_are_found_there(pulled: Pulled) -> None:
    pulled.here.git("config", "core.hooksPath", ".git/my hooks")
    pulled.inv("install").rc(0)
    assert sorted(path.name for path in (pulled.here.root / ".git" / "my hooks").iterdir()) == sorted(NAMES)
    assert not pulled.hooks.exists()


@pytest.mark.parametrize("manager", ["husky", "a folder of the work tree", "everybody's", "lefthook"])
def test_hooks_that_somebody_else_looks_after_are_named_and_left_alone(
    pulled: Pulled, manager: str, wait_for: Callable[..., object], tmp_path: Path
) -> None:
    folder = {"husky": ".husky/_", "a folder of the work tree": "hooks"}.get(manager)
    if manager == "everybody's":
        pulled.space.file("../gitconfig", f"[core]\n\thooksPath = {tmp_path}/shared\n")
        said = pulled.space.cli("upgrade.hooks", "install", env={"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")})
        said.rc(3).says("managed", "for all repositories")
        assert not (tmp_path / "shared").exists()
        return
    if folder:
        pulled.here.git("config", "core.hooksPath", folder)
    else:
        pulled.own("post-merge").write_text("#!/bin/sh\nexec lefthook run post-merge\n", encoding="utf-8")
    before = tree(pulled.hooks) if pulled.hooks.exists() else {}
    said = pulled.inv("install").rc(3)
    assert (tree(pulled.hooks) if pulled.hooks.exists() else {}) == before
    assert pulled.here.clean()
    document = pulled.inv("--json").rc(0).json()
    names = {"husky": "husky", "lefthook": "lefthook"}
    assert (document["state"], document["manager"]) == ("managed", names.get(manager, "core.hooksPath"))
    if folder:  # and the line that it says does what the hook would
        line = next(each for each in said.out.splitlines() if each.startswith("  post-merge: ")).partition(": ")[2]
        hook = pulled.here.root / folder / "post-merge"
        hook.parent.mkdir(parents=True, exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        hook.chmod(0o755)
        pulled.push("2\n")
        pulled.pull()
        wait_for(pulled.times_begun, what="the upgrade to begin")
        pulled.go()
        wait_for(pulled.made.exists)


def test_each_work_tree_has_its_own_and_a_removal_leaves_the_others(pulled: Pulled, tmp_path: Path) -> None:
    pulled.go()
    pulled.inv("install").rc(0)
    pulled.here.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    assert not (tmp_path / "side" / "outputs").exists(), "nobody asked for an upgrade there"
    there = rig.Workspace(tmp_path / "side", pulled.space.state.parent / "other")
    assert there.cli("upgrade.hooks", "--json").rc(0).json()["state"] == "missing"
    there.cli("upgrade.hooks", "install").rc(0)
    pulled.inv("remove").rc(0).says("the hooks stay for")
    assert there.cli("upgrade.hooks", "--json").rc(0).json()["state"] == "installed"
    assert pulled.state() == "missing"
    there.cli("upgrade.hooks", "remove").rc(0)
    assert not list(pulled.hooks.glob("post-*"))


@pytest.mark.parametrize("gone", ["its interpreter", "the workspace"])
def test_hooks_of_an_autosys_that_is_gone_do_nothing(pulled: Pulled, gone: str) -> None:
    pulled.inv("install").rc(0)
    (starter,) = (pulled.here.root / ".git" / "autosys-hooks").iterdir()
    if gone == "its interpreter":
        text = starter.read_text(encoding="utf-8")
        starter.write_text(text.replace("/python", "/no-python"), encoding="utf-8")
    else:
        pulled.origin.commit({"autosys.toml": None})
    pulled.push("2\n")
    assert pulled.pull() == ""
    assert not (pulled.space.outputs / "logs" / "upgrade.log").exists()


def test_status_and_health_say_whether_the_hooks_are_there(pulled: Pulled) -> None:
    pulled.go()
    pulled.space.cli("upgrade").rc(0)
    assert pulled.space.cli("upgrade.status", "--json").rc(0).json()["hooks"] == "missing"
    pulled.inv("install").rc(0)
    assert pulled.space.cli("upgrade.status", "--json").rc(0).json()["hooks"] == "installed"
    pulled.space.cli("upgrade.status").rc(0).says("git hooks: installed")
    (check,) = pulled.space.cli("health", "--json", "--only", "upgrade").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "OK" and "git hooks" in check["evidence"]
    (pulled.hooks / "post-merge").unlink()
    (check,) = pulled.space.cli("health", "--json", "--only", "upgrade").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "WARN" and "autosys upgrade.hooks install" in json.dumps(check["fix"])


def test_a_hook_that_came_after_ours_is_not_taken_away(pulled: Pulled) -> None:
    pulled.own("post-merge")
    pulled.inv("install").rc(0)
    new = pulled.own("post-merge", code=3).read_bytes()
    pulled.inv("remove").rc(3).says("keep one of them")
    assert (pulled.hooks / "post-merge").read_bytes() == new
    assert (pulled.hooks / "post-merge.before-autosys").exists()


def test_a_hook_of_a_person_that_cannot_be_kept_is_not_written_over(pulled: Pulled) -> None:
    house = house_of(load(pulled.space.root))
    own = pulled.own("post-merge").read_bytes()
    seen = hooks.look(house)
    (pulled.hooks / "post-merge.before-autosys").mkdir()  # somebody was there in between
    outcomes = hooks.carry_out(seen, hooks.to_install(seen))
    ended = {(each.step.kind, Path(each.step.target).name): each.ok for each in outcomes}
    assert ended["keep", "post-merge"] is False and ended["write", "post-merge"] is None
    assert ended["write", "post-checkout"], "the others are written all the same"
    assert (pulled.hooks / "post-merge").read_bytes() == own


def test_without_a_repository_and_with_a_wrong_word_it_says_so(workspace: rig.Workspace) -> None:
    workspace.write("")
    workspace.cli("upgrade.hooks", "install").rc(3).says("no git repository")
    assert workspace.cli("upgrade.hooks", "--json").rc(0).json()["state"] == "no repository"
    workspace.cli("upgrade.hooks", "instal").rc(2).says("did you mean `install`?")
    assert os.listdir(workspace.root) == ["autosys.toml"]
