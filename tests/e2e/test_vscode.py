"""The editor's tasks through the real command: put in, looked at, taken out, and what runs on opening the folder."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
import rig
from seen import row, tree, unchanged

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.tasks import opening
from autosys_tasks.vscode import act

# The parser and the plans are the same everywhere: on Windows runs what asks something of its files.
THEIRS = """{
\t// by hand
\t"version": "2.0.0",
\t"tasks": [
\t\t{"label": "빌드 🎈", "type": "shell", "command": "make"}, // "tasks": [
\t],
}
"""


@pytest.fixture
def desk(workspace: rig.Workspace) -> rig.Workspace:
    """A workspace that declares nothing."""
    return workspace.write("[watchdog]\nguard = false\n")


def file_of(space: rig.Workspace) -> Path:
    return space.root / ".vscode" / "tasks.json"


def tasks_in(space: rig.Workspace) -> list[dict[str, object]]:
    """The tasks in the file, read by another parser (P36: strict JSON)."""
    found = json.loads(file_of(space).read_text(encoding="utf-8"))["tasks"]
    assert isinstance(found, list)
    return found


def state(space: rig.Workspace) -> dict[str, object]:
    document = space.cli("vscode.status", "--json").rc(0).json()
    assert document["schema"] == "autosys.vscode.status/1"
    assert set(document) >= {"file", "state", "entries", "why", "workspace", "at", "exit_code"}
    assert document["file"] == str(file_of(space).resolve())
    return document


def test_a_file_is_made_known_and_taken_away_again(desk: rig.Workspace) -> None:
    """P38; the law that planning again after acting gives an empty plan."""
    assert (state(desk)["state"], state(desk)["entries"]) == ("missing", [])
    plan = desk.cli("vscode.sync", "--dry-run", "--json").rc(0).json()
    assert plan["schema"] == "autosys.plan/1" and plan["task"] == "vscode.sync"
    assert [(step["kind"], step["target"]) for step in plan["steps"]] == [("create", ".vscode/tasks.json")]  # type: ignore[attr-defined]
    unchanged(desk, lambda: desk.cli("vscode.sync", "--dry-run", "--exit-code").rc(9).says("would create"))

    made = desk.cli("vscode.sync", "--json").rc(0)
    run = made.json()
    assert run["schema"] == "autosys.run/1" and run["summary"] == {"done": 1, "failed": 0, "skipped": 0}
    assert any("Manage Automatic Tasks" in note for note in run["notes"])  # type: ignore[attr-defined]
    seen = state(desk)
    assert (seen["state"], seen["why"], seen["auto_run"]) == ("in_sync", None, "not verifiable")
    assert seen["entries"] == [task["label"] for task in tasks_in(desk)]
    before = file_of(desk).read_bytes()
    again = desk.cli("vscode.sync", "--json").rc(0).json()
    assert (again["notes"], again["summary"]) == ([], {"done": 0, "failed": 0, "skipped": 0})
    assert file_of(desk).read_bytes() == before
    desk.cli("vscode.sync", "--dry-run", "--exit-code").rc(0)

    unchanged(desk, lambda: desk.cli("vscode.remove", "--dry-run", "--exit-code").rc(9).says("would delete"))
    desk.cli("vscode.remove").rc(0)
    assert not file_of(desk).parent.exists()
    assert desk.cli("vscode.remove", "--json").rc(0).json()["summary"]["done"] == 0  # type: ignore[index, call-overload]


def test_the_persons_own_file_is_theirs_to_the_byte(desk: rig.Workspace) -> None:
    """P31, P38: what is not ours stays, a copy is kept outside of the workspace, and removal restores it."""
    original = THEIRS.replace("\n", "\r\n").encode("utf-8")
    file_of(desk).parent.mkdir()
    file_of(desk).write_bytes(original)
    before = tree(desk.root)
    desk.cli("vscode.sync").rc(0).says("our block is in")
    assert set(tree(desk.root)) == set(before), "nothing else appears in the workspace"
    assert (desk.state / "vscode" / "tasks.json.backup").read_bytes() == original
    text = file_of(desk).read_bytes()
    head, rest = text.split(b"\r\n\t\t// >>> autosys", 1)
    assert original == head + rest.split(b"// <<< autosys", 1)[1]
    desk.cli("vscode.remove").rc(0)
    assert file_of(desk).read_bytes() == original


@pytest.mark.only("posix")
def test_a_link_stays_a_link_and_a_file_keeps_its_mode(desk: rig.Workspace) -> None:
    real = desk.file("dotfiles/tasks.json", THEIRS)
    real.chmod(0o600)
    file_of(desk).parent.mkdir()
    file_of(desk).symlink_to(real)
    desk.cli("vscode.sync").rc(0)
    assert file_of(desk).is_symlink() and "autosys" in real.read_text(encoding="utf-8")
    assert real.stat().st_mode & 0o777 == 0o600


@pytest.mark.only("posix")
def test_a_file_that_does_not_parse_is_left_alone_and_its_last_good_copy_named(desk: rig.Workspace) -> None:
    """P37: line and column, exit 2, not one byte written."""
    desk.file(".vscode/tasks.json", THEIRS)
    desk.cli("vscode.sync").rc(0)
    broken = file_of(desk).read_text(encoding="utf-8").replace('"label": "빌드 🎈"', '"label: "빌드 🎈"')
    desk.file(".vscode/tasks.json", broken)
    line = 1 + broken[: broken.index("빌드")].count("\n")
    kept = str(desk.state / "vscode" / "tasks.json.backup")

    def look() -> None:
        for verb in ("vscode.sync", "vscode.remove"):
            desk.cli(verb).rc(2).says(f".vscode/tasks.json:{line}:", kept)
            error = desk.cli(verb, "--json").rc(2).json()["error"]
            assert error["kind"] == "config" and error["where"].startswith(f".vscode/tasks.json:{line}:")  # type: ignore[index, call-overload, attr-defined]
        seen = state(desk)
        assert seen["state"] == "broken" and str(seen["why"]).startswith(f"line {line}, column ")

    unchanged(desk, look)
    page = desk.cli("health", "--only", "vscode", "--json").rc(3).json()["checks"]
    assert page[0]["verdict"] == "NG" and f"line {line}" in page[0]["why"]  # type: ignore[index, call-overload]
    assert kept in page[0]["fix"]["text"]  # type: ignore[index, call-overload]


@pytest.mark.only("posix")
def test_a_block_edited_by_hand_is_red_and_mended_by_health(desk: rig.Workspace) -> None:
    """P29: a command that this version does not have is no green; the fix is proven by looking again."""
    assert desk.cli("health", "--only", "vscode", "--json").rc(0).json()["checks"][0]["verdict"] == "SKIP"  # type: ignore[index, call-overload]
    desk.cli("vscode.sync").rc(0)
    text = file_of(desk).read_text(encoding="utf-8")
    desk.file(".vscode/tasks.json", text.replace('"--fix"', '"--repair"'))
    assert state(desk)["state"] == "differs" and "Auto-Fix" in str(state(desk)["why"])
    page = desk.cli("health", "--fix", "--only", "vscode", "--json").rc(0).json()["checks"]
    assert (page[0]["verdict"], page[0]["fixed"]) == ("OK", "verified")  # type: ignore[index, call-overload]
    assert "not verifiable" in page[0]["evidence"]  # type: ignore[index, call-overload]
    assert file_of(desk).read_text(encoding="utf-8") == text


@pytest.mark.only("posix")
def test_a_broken_file_that_holds_our_tasks_is_red_on_a_machine_that_wrote_none(desk: rig.Workspace) -> None:
    """P37: git brought it, so no copy is kept here."""
    desk.file(".vscode/tasks.json", '{"tasks": [{"label": "a, "detail": "a backup now (autosys)"}]}')
    page = desk.cli("health", "--only", "vscode", "--json").rc(3).json()["checks"]
    assert "line 1, column" in page[0]["why"]  # type: ignore[index, call-overload]


@pytest.mark.only("posix")
def test_a_file_that_an_editor_formatted_anew_is_still_in_sync(desk: rig.Workspace) -> None:
    desk.cli("vscode.sync").rc(0)
    text = file_of(desk).read_text(encoding="utf-8")
    desk.file(".vscode/tasks.json", re.sub(r", (?=\")", ",\n                ", text))
    assert state(desk)["state"] == "in_sync"


@pytest.mark.only("posix")
def test_a_label_that_the_person_has_too_is_named(desk: rig.Workspace) -> None:
    """P36: two tasks with one label cannot be told apart; whose is whose is for the person to settle."""
    desk.file(".vscode/tasks.json", '{"tasks": [{"label": "🏥 Health: Full System Check"}]}')
    desk.cli("vscode.sync").rc(0).says("a task of yours is called")


def test_every_task_in_the_menu_runs_as_it_is_written(workspace: rig.Workspace) -> None:
    """P29: what VS Code would start is started here, word for word: program, arguments, working folder."""
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("vscode.sync").rc(0)
    by_label = {str(task["label"]): task for task in tasks_in(workspace)}
    assert len(by_label) >= 3
    for label in ("Auto: Bring-up on VS Code Open (safe)", "🏥 Health: Full System Check"):
        task = by_label[label]
        words = [task["command"], *task["args"]]  # type: ignore[misc]
        argv = [str(word).replace("${workspaceFolder}", str(workspace.root)) for word in words]
        rig.start(argv, cwd=workspace.root, env=workspace.env()).result().rc(0)
    assert row(workspace, "api")["state"] == "ready"


@pytest.mark.only("posix")
def test_the_interpreter_is_the_workspaces_own_when_autosys_is_in_it(desk: rig.Workspace) -> None:
    desk.cli("vscode.sync").rc(0)
    for task in tasks_in(desk):
        assert os.path.isabs(str(task["command"])) and "windows" not in task
        assert task["args"][:4] == ["-X", "utf8", "-m", "autosys_tasks.program"]  # type: ignore[index]
    python = Path(host.python_in(str(desk.root / ".venv")))
    python.parent.mkdir(parents=True)
    python.write_bytes(b"")
    desk.file("tasks.py", "from autosys_tasks import ns\n")
    packages = "Lib/site-packages" if sys.platform == "win32" else "lib/python3.11/site-packages"
    desk.file(f".venv/{packages}/autosys-0.1.0.dist-info/METADATA")
    desk.cli("vscode.sync").rc(0)
    for task in tasks_in(desk):
        assert task["command"] == "${workspaceFolder}/.venv/bin/python"
        assert task["windows"] == {"command": "${workspaceFolder}\\.venv\\Scripts\\python.exe"}
        assert task["args"][:4] == ["-X", "utf8", "-m", "invoke"]  # type: ignore[index]


@pytest.mark.only("posix")
@pytest.mark.parametrize("order", ["kill:1", "kill:2", "enospc:1", "enospc:2"])
def test_a_sync_that_dies_in_the_middle_leaves_the_file_as_it_was(desk: rig.Workspace, order: str) -> None:
    """P31: whole or not at all, whether it dies over the copy or over the file."""
    path = desk.file(".vscode/tasks.json", THEIRS)
    desk.cli("vscode.sync", env={"AUTOSYS_FAULT": f"files.before-replace:{order}"}).rc(-9, 1)
    assert path.read_text(encoding="utf-8") == THEIRS
    assert len(list(path.parent.iterdir())) == 1 + (order == "kill:2"), "what a killed one had begun lies beside it"
    desk.cli("vscode.sync").rc(0)
    assert state(desk)["state"] == "in_sync" and list(path.parent.iterdir()) == [path]


@pytest.fixture
def home(desk: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> House:
    """The same workspace, seen from this process."""
    monkeypatch.setenv("AUTOSYS_STATE", str(desk.state))
    return house_of(load(desk.root))


def test_what_was_saved_meanwhile_is_not_written_over(desk: rig.Workspace, home: House) -> None:
    """P31: an editor may save between our look and our writing."""
    planned = act.planned_sync(home)
    desk.file(".vscode/tasks.json", THEIRS)
    _change, outcomes = act.carry_out(home, lambda: planned)
    assert [outcome.ok for outcome in outcomes] == [False] and "meanwhile" in outcomes[0].detail
    assert file_of(desk).read_text(encoding="utf-8") == THEIRS


def test_two_at_once_do_not_write_into_each_other(desk: rig.Workspace) -> None:
    (desk.state / "vscode").mkdir(parents=True)
    lock = host.take_lock(str(desk.state / "vscode" / "lock"))
    assert lock is not None
    desk.cli("vscode.sync").rc(11).says("another run writes .vscode/tasks.json")
    lock.release()
    assert not file_of(desk).exists()
    desk.cli("vscode.sync").rc(0)


# --- what runs when the folder is opened ------------------------------------------------------------------


def links(result: rig.Result) -> list[str]:
    return [line for line in (result.out + result.err).splitlines() if line.startswith("[")]


def test_opening_the_folder_brings_up_and_says_how_each_step_ended(workspace: rig.Workspace) -> None:
    """P39: all steps report; when all is up it is a no-op that takes less than 5 s."""
    workspace.service("api", "sleeps.py", 1000).service("rests", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    workspace.cli("down", "rests").rc(0)
    pid = row(workspace, "api")["pid"]
    results: list[rig.Result] = []
    cost_s = rig.cost_s(lambda: results.append(workspace.cli("vscode.open").rc(0)))
    (result,) = results
    said = links(result)
    numbers = [line.partition("]")[0] for line in said]
    assert numbers == [f"[{n}/{len(said)}" for n in range(1, len(said) + 1)]
    assert said[0].startswith(f"[1/{len(said)}] bringup: OK") and said[-1].split("] ")[1].startswith("health: ")
    assert result.out.splitlines()[-1].startswith("OK")
    assert sys.platform == "win32" or cost_s < 5 * rig.stretched(), "there only the clock tells, and others are at work"
    assert row(workspace, "api")["pid"] == pid, "what is up is left alone"
    assert row(workspace, "rests")["state"] == "stopped", "what a person stopped stays stopped"


@pytest.mark.only("posix")
def test_a_step_that_fails_stops_none_of_the_others(workspace: rig.Workspace) -> None:
    """P39, and the exit code follows the worst."""
    port = rig.free_port()
    workspace.write(f'[watchdog]\nretries = 0\n[probes.gone]\ntcp = "127.0.0.1:{port}"\n')
    workspace.service("bad", "crashes.py").service("good", "sleeps.py", 1000)
    result = workspace.cli("vscode.open", "--json").rc(3)
    document = result.json()
    assert document["schema"] == "autosys.run/1" and document["task"] == "vscode.open"
    outcomes = {each["target"]: each for each in document["outcomes"]}  # type: ignore[attr-defined]
    assert {"bringup", "probe", "health"} <= set(outcomes)
    assert [outcomes[name]["ok"] for name in ("bringup", "probe", "health")] == [False, False, False]
    assert "bad" in outcomes["bringup"]["detail"] and "gone" in outcomes["probe"]["detail"]
    assert len(links(result)) == len(outcomes)
    assert row(workspace, "good")["state"] == "ready"
    said = links(workspace.cli("vscode.open").rc(3))[-1]
    assert "(autosys health --fix" in said, "as it is typed where there is no tasks.py"


def test_another_task_is_a_link_too_and_its_last_line_tells_how_it_ended(home: House) -> None:
    ended = opening.by_command(home, "probe")
    assert (ended.ok, ended.said) == (True, "no probe is declared")
    failed = opening.by_command(home, "no-such-task")
    assert failed.ok is False and "no task is named `no-such-task`" in failed.said, "and not only its hint"


@pytest.mark.only("posix")
def test_a_dry_run_of_opening_changes_not_one_byte(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 1000)

    def look() -> None:
        plan = workspace.cli("vscode.open", "--dry-run", "--json").rc(0).json()
        assert plan["task"] == "vscode.open"
        assert ("start", "api") in [(step["kind"], step["target"]) for step in plan["steps"]]  # type: ignore[attr-defined]

    unchanged(workspace, look)


def test_what_was_meant_for_one_process_alone_is_passed_on_to_no_link(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOSYS_FAULT", "no-such-point:kill")
    monkeypatch.setenv("AUTOSYS_NOW", "soon")
    assert opening.by_command(home, "probe").ok
