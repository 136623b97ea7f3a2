"""What is typed or written wrongly is usage: it ends 2, says what is right, and `--help` and `init` help."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import rig
from seen import is_document


@pytest.mark.only("posix")  # the same everywhere
def test_a_hint_leads_on_in_a_folder_without_tasks_py(workspace: rig.Workspace) -> None:
    """Interface 1: `autosys` is for such a folder, and `inv` finds no tasks there."""
    workspace.write("[services.api]\ncommand = ['no-such-program']\n")
    only = ("health", "--only", "service.api")
    for words, code in ((("bringup", "--no-guard"), 3), (only, 3), (("restart",), 2)):
        done = workspace.cli(*words).rc(code).says("autosys ")
        assert "inv " not in done.out + done.err
    workspace.cli("dashboard").rc(0)  # which keeps a page where none is kept
    kept = workspace.root / "outputs" / "health_latest.json"
    assert not re.search(r'"(why|reason|text|detail)": ".*\binv [a-z]', kept.read_text(encoding="utf-8"))
    (workspace.root / "backups").mkdir()
    (workspace.root / "backups" / "other.7z").touch()
    for words in (("health", "--fix"), ("health", "--fix", "--dry-run"), ("backup", "--dry-run"), ("backup.list",)):
        done = workspace.cli(*words)
        assert "inv " not in done.out + done.err
    assert "then autosys bringup api" in _fix(workspace.cli(*only, "--json").json())
    hint = str(workspace.cli("restart", "--json").json()["error"])
    assert "autosys restart NAME" in hint and "`autosys ps`" in hint
    workspace.cli("init").rc(0)
    workspace.cli("restart").rc(2).says("inv restart NAME")
    assert "then inv bringup api" in _fix(workspace.cli(*only, "--json").json())


@pytest.mark.only("posix")  # the same everywhere
def test_where_there_is_no_workspace_the_hint_is_what_makes_one(workspace: rig.Workspace) -> None:
    """Interface 1: `autosys init`, where `inv` finds no tasks."""
    workspace.cli("ps").rc(2).says("-> autosys init")
    assert workspace.cli("ps", "--json").rc(2).json()["error"]["hint"] == "autosys init"
    workspace.cli("ps", env={"AUTOSYS_WORKSPACE": str(workspace.root)}).rc(2).says("or run `autosys init` in")


def _fix(page: Any) -> str:
    return str(page["checks"][0]["fix"])


EMPTY = [
    ["health", "--only", ""],
    ["upgrade", "--only", ""],
    ["schedule.unregister", "--dry-run", "--only", ""],
    ["watchdog", "--reset", ""],
    ["backup.list", "--from", ""],
    ["backup.restore", "latest", "", "--to", "x"],
    ["health", "--only=disk", "--only=config"],
]


@pytest.mark.only("posix")  # the parser is the same everywhere, and a command takes long to start in Wine
@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_name_is_not_all_of_them_and_a_second_value_is_no_task(
    workspace: rig.Workspace, words: list[str]
) -> None:
    """Interface 2: a wrong value is usage, under Invoke's own program too."""
    workspace.write("")
    workspace.cli(*words).rc(2).says("usage:")


@pytest.mark.only("posix")  # the parser is the same everywhere, and a command takes long to start in Wine
def test_wrong_words_are_usage_and_name_the_nearest(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for args in (
        ("bringup", "apj"),
        ("down", "apj"),
        ("restart", "apj"),
        ("logs", "apj"),
        ("watchdog", "--reset", "apj"),
    ):
        error = workspace.cli(*args, "--json").rc(2).says("`apj`", "`api`").json()
        is_document(error, "error", 2, workspace)
        assert error["error"]["kind"] == "usage"  # type: ignore[index, call-overload]
    workspace.cli("bringup", "apj").rc(2).says("`apj`", "`api`")
    workspace.cli("health", "--only", "servise.api").rc(2).says("service.api")
    workspace.cli("probe", "nothing").rc(2)
    workspace.cli("restart").rc(2)
    workspace.cli("bringup", "--tiemout", "3").rc(2).says("`bringup` takes no `--tiemout`", "`--timeout`")
    workspace.cli("upgrade", "--nonsense").rc(2).says("`upgrade` takes no `--nonsense`", "autosys upgrade --help")
    workspace.cli("upgrade.status", "--nonsense").rc(2).says("autosys upgrade.status --help")
    workspace.cli("no-such-task").rc(2).says("autosys --list")
    assert "`bringup`" in workspace.cli("brngup", "--json").rc(2).json()["error"]["hint"]  # type: ignore[index, call-overload]
    workspace.cli("health", "--only").rc(2).says("--only needs a value")
    workspace.cli("schedule.show", "--platform", "linx").rc(2).says("`linux`")
    workspace.cli("bringup", "--timeout", "soon", "--json").rc(2).json()
    workspace.cli("bringup", "--timeout=-1").rc(2)
    workspace.cli("down", "--timeout", "nan").rc(2)
    workspace.cli("journal", "--since", "soon").rc(2).says("soon")
    workspace.cli("journal", "--task", "brinup").rc(2).says("`bringup`")
    workspace.cli("watchdog", "--reset", "api").rc(0).says("nothing to clear")
    workspace.cli("watchdog", "--follow", "--json").rc(2).json()
    assert workspace.cli("watchdog", "--follow", "--dry-run", "--json").rc(0).json()["task"] == "watchdog"
    workspace.cli("logs", "api", "--follow", "--json").rc(2)
    for fault in ("supervise.after-spwn:kill", "supervise.after-spawn:kil", "supervise.after-spawn:kill:x"):
        workspace.cli("ps", env={"AUTOSYS_FAULT": fault}).rc(2).says("after-spawn")
    assert not workspace.starts()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[services.api\n", "autosys.toml"),
        ('[services.api]\ncomand = ["x"]\n', "command"),
        ('[services.a]\ncommand = ["x"]\ndepends_on = ["b"]\n[services.b]\ncommand = ["x"]\ndepends_on = ["a"]\n', "a"),
        ('[services.a]\ncommand = ["${env:NOT_THERE}"]\n', "NOT_THERE"),
        ('[services.a]\ncommand = ["x"]\ncwd = "nowhere"\nenvironment = "none"\n', "nowhere"),
    ],
)
def test_a_broken_configuration_ends_everything_with_2_and_all_its_problems(
    workspace: rig.Workspace, text: str, says: str
) -> None:
    workspace.write(text)
    commands = ("bringup", "health", "ps", "watchdog", "down", "config", "probe", "journal")
    every = says == "command" and sys.platform != "win32"  # a command takes long to start in Wine
    for command in commands if every else commands[:2]:  # all of them read the file alike
        if command in ("bringup", "ps"):
            error = workspace.cli(command, "--json").rc(2).json()
            assert error["schema"] == "autosys.error/1" and error["exit_code"] == 2
            assert error["error"]["kind"] == "config" and error["error"]["problems"], error  # type: ignore[index, call-overload]
        else:
            workspace.cli(command).rc(2).says(says)
    assert not workspace.state.exists()


def test_not_utf8_is_broken_and_a_bom_is_fine(workspace: rig.Workspace) -> None:
    (workspace.root / "autosys.toml").write_bytes('[workspace]\nname = "책상"\n'.encode("cp949"))
    workspace.cli("config").rc(2).says("UTF-8")
    (workspace.root / "autosys.toml").write_bytes(b"\xef\xbb\xbf" + '[workspace]\nname = "책상"\n'.encode())
    assert workspace.cli("config", "--json").rc(0).json()["workspace"]["name"] == "책상"  # type: ignore[index, call-overload]


def test_an_autosys_toml_that_is_no_file_is_said_by_whoever_looks_for_it(workspace: rig.Workspace) -> None:
    """Else `ps` sends a person to `init`, and `init`, which never overwrites, back to `bringup`."""
    path = workspace.root / "autosys.toml"
    makes = [(path.mkdir, path.rmdir, "is not a file")]
    if sys.platform != "win32":
        makes.append((lambda: path.symlink_to("nowhere"), path.unlink, "is a link that leads nowhere"))
    for make, undo, said in makes:
        make()
        for command in ("ps", "init"):
            workspace.cli(command).rc(2).says(said, "move it away, then `autosys init`")
        undo()
    assert not list(workspace.root.iterdir())


@pytest.mark.parametrize("how", ["kill", "enospc"])
def test_an_init_that_was_cut_short_leaves_nothing_that_the_next_one_takes_for_whole(
    workspace: rig.Workspace, how: str
) -> None:
    for number in (1, 2):
        fault = {"AUTOSYS_FAULT": f"files.before-replace:{how}:{number}"}
        assert workspace.cli("init", env=fault).code != 0
        assert not (workspace.root / "tasks.py").exists()
        assert (workspace.root / "autosys.toml").exists() == (number == 2)
        (workspace.root / "autosys.toml").unlink(missing_ok=True)
    workspace.cli("init").rc(0).says("wrote tasks.py")
    workspace.cli("bringup", "--no-guard").rc(0)


def test_init_writes_what_validates_and_never_overwrites(workspace: rig.Workspace) -> None:
    said = workspace.cli("init", "--dry-run", "--json").rc(0).json()["workspace"]
    assert said == {"name": workspace.root.name, "path": str(workspace.root)}, "interface 4: each document has both"
    workspace.cli("init").rc(0).says("autosys.toml", "inv bringup")
    assert workspace.cli("init", "--json").rc(0).json()["workspace"] == said
    workspace.cli("config").rc(0)
    workspace.cli("bringup", "--no-guard").rc(0).says("nothing to start: write [services.NAME] into autosys.toml")
    (workspace.root / "autosys.toml").write_text("# mine\n", encoding="utf-8")
    workspace.cli("init").rc(0).says("stays as it is")
    assert (workspace.root / "autosys.toml").read_text(encoding="utf-8") == "# mine\n"
    tasks = workspace.root / "tasks.py"
    ours = tasks.read_text(encoding="utf-8")
    tasks.write_text("from invoke import task\n", encoding="utf-8")
    workspace.cli("init").rc(0).says("type `autosys` instead of `inv`", "from autosys_tasks import ns")
    tasks.write_text(ours, encoding="utf-8")
    assert "instead of" not in workspace.cli("init").rc(0).out
    mine = "\n\nfrom invoke import task\n\n\n@task\ndef mine(c):\n    print(1)\n\n\nns.add_task(mine)\n"
    tasks.write_text(tasks.read_text(encoding="utf-8") + mine, encoding="utf-8")
    inv = [sys.executable, "-m", "invoke"]
    done = rig.start([*inv, "--list"], cwd=workspace.root, env=workspace.env()).result().rc(0)
    assert "bringup" in done.out and "mine" in done.out


HELP_OF_ALL = """
import sys
from autosys_tasks.program import main
for task in sys.argv[1:]:
    sys.argv = ["autosys", task, "--help"]
    try:
        main()
    except SystemExit as end:
        print("==", task, end.code or 0)
"""


@pytest.mark.portable
def test_help_helps_for_every_task() -> None:
    listed = rig.start([sys.executable, "-m", "autosys_tasks.program", "--list"], cwd=rig.REPOSITORY).result().rc(0)
    tasks = re.findall(r"^  ([a-z.]+) ", listed.out, re.MULTILINE)
    for task in tasks[:2]:
        argv = [sys.executable, "-m", "autosys_tasks.program", task, "--help"]
        assert "Options:" in rig.start(argv, cwd=rig.REPOSITORY).result().rc(0).out
    told = rig.start([sys.executable, "-c", HELP_OF_ALL, *tasks], cwd=rig.REPOSITORY).result().rc(0).out
    ends = re.findall(r"^Options:.*?^== (.+?)$", told, re.MULTILINE | re.DOTALL)
    assert ends == [f"{task} 0" for task in tasks] and len(tasks) > 30
    assert re.search(r" bringup \[SERVICE\.\.\.] \[--options]", told), "as a person types it"
    assert re.search(r"^  SERVICE\.\.\.$", told, re.MULTILINE) and "--service" not in told
    assert re.search(r" ps \[--options]", told) and re.search(r" upgrade \[--options]", told)
