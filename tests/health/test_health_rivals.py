"""`inv health --only rivals`: who else starts this workspace is named, kept, and taken away when asked (P7, P59)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import rig
import user_manager

from autosys_tasks.config.load import load
from autosys_tasks.schedule import systemd_text
from autosys_tasks.schedule.site import site_of
from autosys_tasks.schedule.values import entries

pytestmark = pytest.mark.only("linux")
ONLY = ("health", "--only", "rivals")
KEEPS = "[Desktop Entry]\nType=Application\nExec={}\n"


class Home:
    """A home folder of a test's own, and the workspace seen from it."""

    def __init__(self, workspace: rig.Workspace, folder: Path) -> None:
        self.workspace, self.folder = workspace, folder
        self.env: dict[str, str | None] = {"HOME": str(folder), "XDG_CONFIG_HOME": None}

    def starts(self, name: str, command: object) -> Path:
        """A desktop entry of this user."""
        return self.file(f"autostart/{name}.desktop", KEEPS.format(command))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / ".config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def enabled(self, name: str, text: str) -> Path:
        """A unit of this user that a logon starts."""
        path = self.file(f"systemd/user/{name}", text)
        link = path.parent / "timers.target.wants" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
        return path

    def check(self, *more: str) -> dict[str, object]:
        found = self.workspace.cli(*ONLY, "--json", *more, env=self.env).rc(0, 3).json()["checks"]
        return found[0]  # type: ignore[index, no-any-return]

    def everything(self) -> dict[str, tuple[int, bytes]]:
        """Each file of home, state and workspace with its time and content."""
        roots = (self.folder, self.workspace.state, self.workspace.root)
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    def kept(self) -> dict[str, bytes]:
        files = (path for path in (self.workspace.state / "rivals").rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def home(workspace: rig.Workspace, tmp_path: Path) -> Home:
    """That, with a workspace that declares nothing."""
    folder = tmp_path / "내 집"
    folder.mkdir()
    return Home(workspace.write(""), folder)


def test_nobody_else_is_green_and_says_what_was_looked_at(home: Home) -> None:
    """P24: and the neighbours of the workspace, by name and by place, are nobody's rivals."""
    home.starts("other", f'"{home.workspace.root}2/start.sh"')
    home.starts("copier", f'tar czf /backup.tgz "{home.workspace.root}"')
    home.enabled("x.service", "[Service]\nExecStart=/usr/bin/x\n")
    found = home.check()
    assert (found["verdict"], found["fix"]) == ("OK", None)
    assert str(found["evidence"]).startswith("looked at 1 user unit, 2 desktop entries, ")


def test_each_rival_is_named_kept_and_taken_away_and_nothing_else_is_touched(home: Home) -> None:
    root = home.workspace.root
    entry = home.starts("desk", f"sh -c \"cd '{root}' && ./start.sh\"".replace("%", "%%"))
    folder = str(root).replace("%", "%%")
    timer = home.enabled("desk.timer", "[Timer]\nOnCalendar=daily\n")
    home.file("systemd/user/desk.service", f"[Service]\nWorkingDirectory={folder}\nExecStart=/usr/bin/x\n")
    mine, hidden = home.starts("mine", "/usr/bin/mine"), home.starts("off", root / "start.sh")
    hidden.write_text(hidden.read_text(encoding="utf-8") + "Hidden=true\n", encoding="utf-8")
    content = entry.read_bytes()
    red = home.check()
    assert red["verdict"] == "NG"
    assert red["fix"] == {"kind": "run", "command": ["autosys", *ONLY[:1], "--fix", *ONLY[1:]]}
    assert str(entry) in str(red["why"]) and str(timer) in str(red["why"])
    assert "autosys schedule.register" in str(red["why"]), "nothing of ours would start it"
    before = home.everything()
    home.workspace.cli(*ONLY, "--fix", "--dry-run", env=home.env).rc(0).says("would fix rivals", str(entry))
    assert home.everything() == before, "a dry run changes not one byte"
    said = home.workspace.cli(*ONLY, "--fix", env=home.env).rc(0).says("fixed: verified", "to have it back")
    said.says("nothing of ours starts it yet: autosys schedule.register")
    assert not entry.exists() and not timer.exists() and not (timer.parent / "timers.target.wants/desk.timer").exists()
    assert mine.exists() and hidden.exists() and (timer.parent / "desk.service").exists()
    assert home.kept() == {"desk.desktop": content, "desk.timer": b"[Timer]\nOnCalendar=daily\n"}
    kept = next((home.workspace.state / "rivals").rglob("desk.desktop"))
    assert str(kept) in said.out + said.err, "where the copy is"
    after = home.everything()
    again = home.check("--fix")
    assert (again["verdict"], again["fixed"]) == ("OK", None) and home.everything() == after
    entry.write_bytes(kept.read_bytes())
    assert home.check()["verdict"] == "NG", "the way back leads back"


def units_of(workspace: rig.Workspace, home: Home) -> list[Path]:
    """What registering this workspace would leave in the home folder."""
    config = load(workspace.root, {})
    files = [file for entry in entries(config) for file in systemd_text.files_of(site_of(config), entry)]
    timers = [home.enabled(file.name, file.text) for file in files if file.name.endswith(".timer")]
    return timers + [
        home.file(f"systemd/user/{file.name}", file.text) for file in files if not file.name.endswith(".timer")
    ]


def test_entries_of_a_workspace_that_was_moved_are_found_where_it_is_now(home: Home, tmp_path: Path) -> None:
    """P59: the old entries start nothing, every five minutes; those of a copy that lives are its own."""
    workspace = home.workspace.write('[workspace]\nname = "desk"\n')
    units = units_of(workspace, home)
    assert home.check()["verdict"] == "OK", "our own entries are no rivals"
    workspace.root = workspace.root.rename(tmp_path / "옮긴 책상")
    red = home.check()
    assert red["verdict"] == "NG" and str(red["why"]).count("the workspace was moved") == 3
    old = tmp_path / "책상 R&D 100%"
    old.mkdir()
    assert home.check()["verdict"] == "OK", "it still exists"
    old.rmdir()
    fixed = home.check("--fix")
    assert (fixed["verdict"], fixed["fixed"]) == ("OK", "verified")
    assert not any(unit.exists() for unit in units) and set(home.kept()) == {unit.name for unit in units}


@pytest.mark.capability("user manager")
def test_a_workspace_that_was_moved_and_renamed_knows_what_it_was_registered_as(
    home: Home, tmp_path: Path
) -> None:
    """P59: its name in autosys.toml is the folder's; other people's entries for folders that are gone stay."""
    space, units = home.workspace.write(""), tmp_path / "manager"
    units.mkdir()
    with user_manager.running(units, space.env()) as manager:
        env = {**home.env, **manager.env}
        space.cli("schedule.register", env=env).rc(0)
        other = manager.units / "autosys-other-00000000-master.timer"
        shutil.copy(next(manager.units.glob("*-master.timer")), other)
        (other.parent / "timers.target.wants" / other.name).symlink_to(other)
        service = next(manager.units.glob("*-master.service")).read_text("utf-8")
        other.with_suffix(".service").write_text(service.replace("책상", "남의 책상"), "utf-8")
        space.root = space.root.rename(tmp_path / "옮긴 책상 50%")
        (red,) = space.cli(*ONLY, "--json", env=env).rc(3).json()["checks"]  # type: ignore[misc]
        assert str(red["why"]).count("the workspace was moved") == 3, red  # type: ignore[has-type]
        (fixed,) = space.cli(*ONLY, "--fix", "--json", env=env).rc(0).json()["checks"]  # type: ignore[misc]
        assert fixed["fixed"] == "verified" and {path.stem for path in manager.units.glob("*.*")} >= {other.stem}  # type: ignore[has-type]
        space.cli("schedule.register", env=env).rc(0)
        space.cli("schedule.unregister", env=env).rc(0)
        assert {path.stem for path in manager.units.glob("*.timer")} == {other.stem}
        assert not (space.outputs / "registered_as.json").exists()


def test_entries_under_a_name_that_the_workspace_had_are_rivals(home: Home) -> None:
    home.workspace.write('[workspace]\nname = "old"\n')
    units_of(home.workspace, home)
    home.workspace.write('[workspace]\nname = "new"\n')
    red = home.check()
    assert red["verdict"] == "NG" and str(red["why"]).count("a name that this workspace had") == 3
    assert home.check("--fix")["fixed"] == "verified"


def test_a_path_through_a_link_or_a_variable_leads_to_the_workspace_as_well(home: Home) -> None:
    (home.folder / "desk").symlink_to(home.workspace.root)
    for command in ("~/desk/start.sh", "sh -c 'cd $HOME/desk && ./start.sh'", f'"{home.folder}/desk/start.sh"'):
        home.starts("desk", command)
        assert home.check()["verdict"] == "NG", command


def test_a_place_that_cannot_be_read_is_unknown_and_hides_no_rival(home: Home) -> None:
    """P12, P24: never OK without having looked."""
    (home.enabled("a.service", "")).unlink()
    (home.folder / ".config/systemd/user/a.service").mkdir()
    found = home.check()
    assert (found["verdict"], "cannot be read" in str(found["why"])) == ("UNKNOWN", True)
    home.starts("desk", f'"{home.workspace.root / "start.sh"}"'.replace("%", "%%"))
    found = home.check()
    assert found["verdict"] == "NG" and "cannot be read" in str(found["why"])


def test_a_job_that_a_person_wants_beside_ours_is_let_be_and_counted(home: Home) -> None:
    """P23: what is meant to be so is no permanent red; what is ours, nobody can want twice."""
    mine = home.starts("sync-mail", f'"{home.workspace.root / "mail.sh"}"'.replace("%", "%%"))
    assert home.check()["verdict"] == "NG"
    home.workspace.write('[schedule]\nbeside = ["sync-*"]\n')
    found = home.check("--fix")
    assert (found["verdict"], mine.exists()) == ("OK", True) and "1 of them let be" in str(found["evidence"])


def test_in_a_workspace_that_holds_the_home_folder_nobody_can_tell(home: Home) -> None:
    """Whatever starts for this user starts in it: nothing there is taken away."""
    mine = home.starts("mine", home.workspace.root / "bin" / "mine")
    home.env["HOME"] = str(home.workspace.root)
    home.env["XDG_CONFIG_HOME"] = str(home.folder / ".config")
    found = home.check("--fix")
    assert (found["verdict"], mine.exists()) == ("UNKNOWN", True)
