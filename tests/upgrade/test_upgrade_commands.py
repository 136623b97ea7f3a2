"""`inv upgrade` and its neighbours as a person, a tick and the master meet them: the real commands."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from upgrade_desk import Desk, tree

from autosys_tasks.bootstrap import stamp
from autosys_tasks.core.journal import FILES, last_run
from autosys_tasks.upgrade import tick
from autosys_tasks.upgrade.file_cache import FileCache
from autosys_tasks.upgrade.stamps import read_record, write_record

pytestmark = pytest.mark.only("posix")


def steps(result: rig.Result) -> list[tuple[str, str]]:
    """(kind, target) of a plan."""
    found = result.json()["steps"]
    assert isinstance(found, list)
    return [(step["kind"], step["target"]) for step in found]


@pytest.fixture
def loose(desk: Desk) -> Desk:
    """A workspace that declares nothing: an environment with its list, a list without one, and what is left alone."""
    desk.space.write("")
    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.space.file("도구/requirements-dev.txt", "tiny\n")
    for folder in ("node_modules/a", "backups/x", ".next", ".venv/lib"):
        desk.space.file(f"{folder}/requirements.txt", "nothing-of-ours\n")
    return desk


def test_what_is_discovered_is_shown_and_what_belongs_to_nothing_is_named(loose: Desk) -> None:
    """P45: a list that no environment belongs to is a warning that names it, never a silent skip."""
    config = loose.space.cli("config", "--json").rc(0).json()
    environments, sources = config["config"]["environments"], config["sources"]  # type: ignore[index]
    assert environments == {"python": {"kind": "python", "path": ".venv", "manifests": ["requirements.txt"]}}
    assert sources["environments.python.path"] == "discovered"
    before = {**tree(loose.root), **tree(loose.space.state)}
    plan = loose.space.cli("upgrade", "--dry-run", "--explain", "--json", "--exit-code").rc(9)
    assert steps(plan) == [("install", "python")]
    notes = "\n".join(plan.json()["notes"])  # type: ignore[arg-type]
    assert "python: stale: no upgrade of it is known here" in notes
    assert "도구/requirements-dev.txt belongs to no environment" in notes and "nothing-of-ours" not in notes
    assert {**tree(loose.root), **tree(loose.space.state)} == before, "a dry run changes not one byte"
    assert loose.planned("python") == [("install", "python")]
    loose.space.write('[upgrade]\nignore = ["도구/"]\n')
    loose.space.cli("upgrade", "--dry-run").rc(0)
    assert "belongs to no environment" not in loose.space.cli("upgrade", "--dry-run").out


def test_health_tells_of_an_upgrade_what_is_so_and_mends_it(loose: Desk) -> None:
    def check() -> dict[str, object]:
        found = loose.space.cli("health", "--json", "--only", "upgrade").rc(0, 3).json()["checks"]
        assert isinstance(found, list)
        return dict(found[0])

    assert check()["verdict"] == "SKIP", "nobody has looked"
    said = loose.space.cli("upgrade", "--json", "--explain").rc(0)
    done, why = said.json(), "python: stale: no upgrade of it is known here"
    assert why in str(done["notes"]) and said.err.index(why) < said.err.index("installed python")
    assert done["summary"] == {"done": 1, "failed": 0, "skipped": 0} and done["schema"] == "autosys.run/1"
    assert check()["verdict"] == "WARN" and "도구" in str(check()["why"])
    loose.wants("tiny==2.0")
    found = check()
    assert found["verdict"] == "NG" and "requirements.txt changed" in str(found["why"])
    mended = loose.space.cli("health", "--fix", "--only", "upgrade", "--json").rc(0).json()["checks"]
    assert mended[0]["fixed"] in ("verified", "unverified") and loose.version() == "2.0"  # type: ignore[index]
    status = loose.space.cli("upgrade.status", "--json").rc(0).json()["environments"]
    assert [(each["name"], each["stale"], each["rollback"]) for each in status] == [("python", False, True)]  # type: ignore[attr-defined]
    loose.space.cli("upgrade.rollback").rc(0)
    assert loose.version() == "1.0"


def environments(desk: Desk) -> dict[str, tuple[str, str]]:
    """check -> (verdict, why) of each environment, as health has it."""
    found = desk.space.cli("health", "--json").rc(0, 3).json()["checks"]
    assert isinstance(found, list)
    return {each["id"]: (each["verdict"], each["why"] or "") for each in found if each["id"][:12] == "environment."}


def test_what_was_discovered_is_proven_like_what_is_declared(loose: Desk) -> None:
    assert environments(loose) == {"environment.python": ("OK", "")}
    loose.upgrade()
    python = loose.root / ".venv" / "bin" / "python"
    python.unlink()
    verdict, why = environments(loose)["environment.python"]
    assert verdict == "NG" and "no interpreter" in why
    subprocess.run(["rm", "-r", str(loose.root / ".venv")], check=True)
    verdict, why = environments(loose)["environment.python"]
    assert verdict == "NG" and "there is no environment" in why, "it was there once"
    loose.space.cli("health", "--fix", "--only", "environment.python").rc(0)
    assert loose.version() == "1.0"
    loose.space.cli("health", "--only", "environment.pyton").rc(2).says("did you mean `environment.python`?")


def test_what_only_bears_the_name_of_a_list_stops_no_look(loose: Desk) -> None:
    """A folder that is called so, a link to one, a link to nothing."""
    before = loose.planned()
    (loose.root / "docs" / "requirements.txt").mkdir(parents=True)
    (loose.root / "requirements-x.txt").symlink_to("docs")
    (loose.root / "package.json").symlink_to("nowhere")
    assert loose.planned() == before
    loose.space.cli("upgrade").rc(0)
    loose.space.cli("watchdog").rc(0)


def test_lists_that_all_vanished_install_nothing_and_are_named(loose: Desk) -> None:
    loose.space.cli("upgrade").rc(0)
    (loose.root / "requirements.txt").unlink()
    plan = loose.space.cli("upgrade", "--dry-run", "--json").rc(0)
    assert steps(plan) == [] and any("none of its manifests" in note for note in plan.json()["notes"])  # type: ignore[attr-defined]
    loose.space.write("[environments.main]\n")
    plan = loose.space.cli("upgrade", "--dry-run", "--json").rc(0)
    assert steps(plan) == [] and any("none of its manifests" in note for note in plan.json()["notes"])  # type: ignore[attr-defined]


def test_a_tick_looks_at_the_stamps_alone_and_begins_an_upgrade_beside_it(loose: Desk) -> None:
    loose.space.cli("watchdog").rc(0)
    assert loose.version() == "", "the first upgrade is not a tick's"
    loose.upgrade()
    loose.venv("다른/.venv")
    loose.wants("tiny==1.0", path="다른/requirements.txt")
    assert tick.why_due(loose.house()) == "", "nor is that of another one"
    loose.wants("tiny==2.0")
    assert tick.why_due(loose.house()) and tick.why_due(loose.house()), "it stays due until somebody has upgraded"
    loose.space.cli("watchdog", "--dry-run").rc(0).says("would begin an upgrade", "requirements.txt changed")
    said = loose.space.cli("watchdog", "--json").rc(0).json()["notes"]
    assert "upgrade: begun as pid" in str(said)
    rig.wait_for(lambda: loose.version() == "2.0" and tick.why_due(loose.house()) == "", what="the upgrade")
    loose.space.write("[upgrade]\non_pull = false\n")
    loose.wants("tiny==1.0")
    assert tick.why_due(loose.house()) == "", "switched off"


BROKEN = {
    "python.json": ['{"v":1,"done":{"files":3,"command":1,"interpreter":2,"at":1}}', '{"v":1,"failed":{"at":1}}', "{"],
    "@workspace.json": ['{"v":1,"commit":3,"scripts":4}', "[]"],
    "@files.json": ['{"v":1,"files":{"a":1},"notes":3}', ""],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_remembered_and_cannot_be_read_is_nothing_remembered_and_no_tick_fails_for_it(
    loose: Desk, name: str
) -> None:
    loose.upgrade()
    for text in BROKEN[name]:
        (loose.space.state / "upgrade" / name).write_text(text, encoding="utf-8")
        tick.why_due(loose.house(), dry=True)
        assert loose.upgrade().code == 0 and loose.planned() == []


def test_a_tick_is_red_while_an_environment_is_stale_that_an_upgrade_could_not_mend(loose: Desk) -> None:
    loose.upgrade()
    loose.space.cli("watchdog").rc(0)
    loose.wants("tiny==9.9")
    loose.upgrade()
    told = loose.space.cli("watchdog", "--json").rc(3).json()["notes"]
    assert any(note.startswith("environment python: still stale, ") for note in told), "issue 6: not in silence"
    assert not last_run(loose.house().outputs / FILES["watchdog"], "watchdog")["ok"]
    loose.space.cli("watchdog").rc(3).says("NG environment python: still stale", "-> autosys upgrade", "NG: 1 not")
    loose.wants("tiny==2.0")
    loose.space.cli("watchdog").rc(0).says("begun as pid")
    rig.wait_for(lambda: loose.version() == "2.0" and tick.why_due(loose.house()) == "", what="the upgrade")
    loose.space.cli("watchdog").rc(0)


def test_a_failed_upgrade_is_tried_again_by_ticks_ever_more_rarely(
    loose: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose.upgrade()
    loose.wants("tiny==9.9")
    loose.upgrade()
    house = loose.house()
    assert tick.why_due(house) == "", "it has only just failed"
    record = read_record(house.place, "python")
    assert record.failed is not None
    for tries, minutes in ((1, 6), (2, 11), (3, 21)):
        late = record.failed._replace(tries=tries, at=record.failed.at - minutes * 60)
        write_record(house.place, "python", record._replace(failed=late))
        assert "requirements.txt changed" in tick.why_due(house)
        soon = late._replace(at=record.failed.at - minutes * 60 / 3)
        write_record(house.place, "python", record._replace(failed=soon))
        assert tick.why_due(house) == ""
    loose.wants("tiny==2.0")
    assert "requirements.txt changed" in tick.why_due(house), "another wish is another chance"


def test_the_master_upgrades_first(loose: Desk) -> None:
    assert ("install", "python") in steps(loose.space.cli("master", "--dry-run", "--json").rc(0))
    done = loose.space.cli("master", "--json").rc(0, 3).json()["outcomes"]
    assert [each["kind"] for each in done] == ["upgrade", "bringup", "health"] and done[0]["ok"]  # type: ignore[attr-defined,index]
    assert loose.version() == "1.0"


def test_ignored_folders_are_left_alone_in_a_repository(loose: Desk) -> None:
    subprocess.run(["git", "init", "-q", str(loose.root)], check=True)
    loose.space.file(".gitignore", "도구/\n")
    assert "도구" not in str(loose.upgrade().notes)
    loose.space.file(".gitignore", "other/\n")
    assert "도구" in str(loose.upgrade().notes), "what decides it changed"
    loose.space.file(".gitignore", "도구/\n")
    assert "도구" not in str(loose.upgrade().notes)


def test_what_a_repository_above_the_workspace_leaves_out_is_left_alone(loose: Desk) -> None:
    above = loose.root.parent
    subprocess.run(["git", "init", "-q", str(above)], check=True)
    assert "도구" in str(loose.upgrade().notes)
    (above / ".gitignore").write_text("도구/\n", encoding="utf-8")
    assert "도구" not in str(loose.upgrade().notes)
    (above / ".gitignore").unlink()
    assert "도구" in str(loose.upgrade().notes)
    (above / ".git" / "info").mkdir(exist_ok=True)
    (above / ".git" / "info" / "exclude").write_text("도구/\n", encoding="utf-8")
    assert "도구" not in str(loose.upgrade().notes)


def test_a_git_that_does_not_say_what_it_ignores_is_a_warning_and_is_asked_again(
    loose: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is not known is never taken for "nothing": what git said last counts, and no failure is remembered."""
    subprocess.run(["git", "init", "-q", str(loose.root)], check=True)
    loose.space.file(".gitignore", "도구/\n")
    loose.upgrade()
    path, real = os.environ["PATH"], shutil.which("git")
    failing = tmp_path / "bin" / "git"
    failing.parent.mkdir()
    refusal = 'case "$*" in *check-ignore*) echo fatal: torn >&2; exit 128;; esac'
    failing.write_text(f'#!/bin/sh\n{refusal}\nexec {real} "$@"\n', encoding="utf-8")
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing.parent}{os.pathsep}{path}")
    loose.space.file(".gitignore", "도구/\n# asked anew\n")
    for _twice in range(2):
        notes = str(loose.upgrade().notes)
        assert "WARN which manifests git ignores is not known: git check-ignore ended with 128: torn" in notes
        assert "belongs to no environment" not in notes
    monkeypatch.setenv("PATH", path)
    assert loose.upgrade().notes == ()


def test_what_was_read_while_it_was_young_is_read_again(loose: Desk) -> None:
    """A file may change twice within one tick of the file system's clock."""
    path = loose.root / "requirements.txt"
    first = FileCache(loose.house().place, str(loose.root))
    first.said("requirements.txt")
    assert first.files["requirements.txt"].young
    os.utime(path, (path.stat().st_mtime - 60,) * 2)
    second = FileCache(loose.house().place, str(loose.root))
    second.said("requirements.txt")
    assert not second.files["requirements.txt"].young


def test_an_environment_that_tasks_py_has_made_is_not_installed_again(loose: Desk) -> None:
    (loose.root / "requirements.txt").unlink()
    loose.space.file("pyproject.toml", '[build-system]\nrequires = []\n[project]\nname = "x"\nversion = "1"\n')
    assert loose.planned() == [("install", "python")]
    inv = Path(stamp.script(str(loose.root), "inv"))
    inv.touch()
    lib = Path(stamp.venv(str(loose.root)), *(["Lib"] if os.name == "nt" else ["lib", "python3"]))
    (lib / "site-packages" / "invoke").mkdir(parents=True)
    (lib / "site-packages" / "invoke" / "__init__.py").touch()
    stamp.write_stamp(str(loose.root), ["ready"], stamp.facts(str(loose.root)))
    assert loose.planned() == []
    loose.space.cli("bringup", "--no-guard").rc(0)
    loose.space.file("pyproject.toml", '[build-system]\nrequires = ["x"]\n[project]\nname = "x"\nversion = "1"\n')
    plan = loose.space.cli("upgrade", "--dry-run", "--json").rc(0)
    assert steps(plan) == [("install", "python")]
    assert "pyproject.toml changed" in plan.out, "what it was made from is known since the first bring-up"
