"""Our block in a crontab: nothing else is touched, and an entry is found whatever was done to its line (issue 5.1)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import rig
from hypothesis import given
from hypothesis import strategies as st
from seen import tree

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule import cron, cron_text, run_notes
from autosys_tasks.schedule.run_notes_text import note_of
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site

SITE = Site("desk-1a2b3c4d", "/w/내 책상 50%", ("/w/py thon", "-m", "invoke"), "1", "/w/내 책상 50%/log")
LINES = st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30), max_size=5)
CRONTAB = """\
#!/bin/sh
kept="${0%/*}/kept"
fails() { echo "$1" >&2; exit 1; }
[ ! -e "${0%/*}/broken" ] || fails "crontab: the spool cannot be read"
case "$1" in
    -l) [ -e "$kept" ] || fails "no crontab for me"; exec cat "$kept" ;;
    -r) exec rm "$kept" ;;
    *) exec cat >"$kept" ;;
esac
"""


def crontab(folder: Path) -> Path:
    """A crontab command in that folder, and the file that it keeps its table in."""
    folder.mkdir()
    program = folder / "crontab"
    program.write_text(CRONTAB, encoding="utf-8", newline="\n")
    program.chmod(0o755)
    return folder / "kept"


@pytest.mark.parametrize(
    ("when", "times"),
    [
        (AtLogon(30), "@reboot sleep 30; "),
        (Every(300), "*/5 * * * * "),
        (Every(20), "*/1 * * * * "),
        (Every(7200), "0 */2 * * * "),
        (Daily("03:30:00"), "30 3 * * * "),
    ],
)
def test_times_are_as_cron_has_them(when: AtLogon | Every | Daily, times: str) -> None:
    line = cron_text.line_of(SITE, Entry("watchdog", "heal", when, ("watchdog",), 600))
    assert line.startswith(f"{times}cd '/w/내 책상 50\\%' && '/w/py thon' -I -S -c '")
    assert " 600 -m invoke watchdog >>" in line
    assert "%" not in line.replace("\\%", ""), "a bare one would end the command"


@given(LINES, LINES, st.booleans())
def test_taking_the_block_out_restores_the_rest(before: list[str], ours: list[str], ends: bool) -> None:
    crontab = "\n".join(before) + ("\n" if ends and before else "")
    added = cron_text.with_block(crontab, SITE, ["a", *ours])
    assert cron_text.ours(added, SITE) == ["a", *ours]
    assert cron_text.with_block(added, SITE, []) in (crontab, crontab + "\n")
    assert cron_text.with_block(added, SITE, ["a", *ours]) == added


class Machine:
    """A machine without a user manager: a crontab command of the test's own, since the real one is the person's."""

    def __init__(self, workspace: rig.Workspace, folder: Path) -> None:
        self.workspace, self.kept = workspace.service("api", "sleeps.py"), crontab(folder)
        self.env: dict[str, str | None] = {"PATH": f"{folder}:/usr/bin:/bin"}

    def cli(self, *words: str) -> rig.Result:
        return self.workspace.cli(*words, env=self.env)

    def entry(self, name: str) -> dict[str, object]:
        (said,) = self.cli("schedule.status", "--only", name, "--json").rc(0).json()["entries"]  # type: ignore[misc]
        return said  # type: ignore[no-any-return, has-type]

    def autostart(self) -> dict[str, object]:
        (check,) = self.cli("health", "--only", "autostart", "--json").json()["checks"]  # type: ignore[misc]
        return check  # type: ignore[no-any-return, has-type]

    def runs(self, name: str, cwd: Path) -> None:
        """As cron would: a shell reads the line, with next to nothing set."""
        line = next(one for one in self.kept.read_text("utf-8", "replace").splitlines() if f" {name} >>" in one)
        given = {**{key: None for key in os.environ}, "HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
        given["STARTS"] = str(self.workspace.starts_folder)
        rig.start(["sh", "-c", line.split(" ", 5)[5].replace("\\%", "%")], cwd=cwd, env=given).result()


@pytest.fixture
def machine(workspace: rig.Workspace, tmp_path: Path) -> Machine:
    """One with a service to start."""
    return Machine(workspace, tmp_path / "bin")


@pytest.mark.parametrize(
    ("folder", "why"), [("/w/" + "책상" * 150, "998 bytes"), ("/w/a\nb", "a line break: cd ./w/a.*b. ")]
)
def test_a_path_that_no_crontab_holds_is_refused_with_what_helps(folder: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        cron_text.line_of(SITE._replace(folder=folder), Entry("watchdog", "heal", Every(300), ("watchdog",), 600))
    assert caught.value.hint and caught.value.message.isprintable()


@pytest.mark.only("linux")
def test_dry_runs_change_not_one_byte(machine: Machine) -> None:
    def unchanged(*words: str) -> None:
        before = tree(machine.workspace.root, machine.workspace.state, machine.kept.parent)
        machine.cli(*words, "--dry-run").rc(0)
        assert tree(machine.workspace.root, machine.workspace.state, machine.kept.parent) == before, words

    for task in ("schedule.register", "master.register", "schedule.unregister"):
        unchanged(task)
    machine.cli("schedule.register").rc(0)
    for task in ("schedule.unregister", "master.unregister", "schedule.register", "schedule.keep"):
        unchanged(task)
    machine.cli("schedule.unregister").rc(0)


@pytest.mark.only("linux")
def test_registered_seen_mended_and_removed_with_a_persons_lines_beside(machine: Machine, tmp_path: Path) -> None:
    mine = b"# \xb1\xe8 is not UTF-8\n0 1 * * * mine\n"
    machine.kept.write_bytes(mine)
    machine.cli("schedule.register").rc(0).says("cron")
    assert machine.kept.read_bytes().startswith(mine)
    machine.cli("schedule.status").rc(0).says("registered with cron", "knows no logon")
    machine.kept.write_bytes(machine.kept.read_bytes().replace(b" watchdog >>", b" watchdog  >>"))
    machine.cli("schedule.status", "--only", "watchdog").rc(0).says("differs")
    machine.cli("schedule.register").rc(0).says("update watchdog")
    machine.runs("watchdog", tmp_path)
    assert len(machine.workspace.starts()) == 1, "the very line that is registered runs a tick"
    machine.cli("schedule.unregister").rc(0)
    assert machine.kept.read_bytes() == mine
    machine.workspace.cli("down").rc(0)


@pytest.mark.only("linux")
def test_the_line_itself_tells_how_its_last_run_ended_and_when(machine: Machine, tmp_path: Path) -> None:
    """P15, though cron keeps nothing; a person's own run is no proof that cron has any."""
    machine.cli("schedule.register").rc(0)
    assert machine.entry("watchdog")["last_run"] is None
    machine.cli("watchdog").rc(0)
    assert machine.entry("watchdog")["last_run"] is None
    machine.runs("watchdog", tmp_path)
    told = machine.entry("watchdog")
    assert (told["state"], told["last_result"]) == ("registered", 0) and told["last_run"]
    assert machine.autostart()["verdict"] == "OK"
    toml = machine.workspace.root / "autosys.toml"
    whole = toml.read_text(encoding="utf-8")
    toml.write_text(f"colour = 1\n{whole}", encoding="utf-8")
    machine.runs("watchdog", tmp_path)
    toml.write_text(whole, encoding="utf-8")
    assert machine.entry("watchdog")["last_result"] == 2 and machine.autostart()["verdict"] == "NG"
    machine.cli("schedule.unregister").rc(0)
    assert not machine.kept.exists(), "there was no crontab before"
    assert not (machine.workspace.state / "ran").exists()
    machine.workspace.cli("down").rc(0)


@pytest.mark.only("linux")
def test_a_run_that_hangs_is_ended_and_its_exit_code_says_so(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "hangs")
    site = Site("desk-1a2b3c4d", str(tmp_path), command, "1", f"{tmp_path}/log", state=str(tmp_path))
    (tmp_path / "ran").mkdir()
    (tmp_path / "hangs.py").write_text("import time; print('begun', flush=True); time.sleep(600)", encoding="utf-8")
    for limit_s in (1, 8, 60):  # on a busy machine it has not even begun after one
        line = cron_text.line_of(site, Entry("watchdog", "", Every(300), ("watchdog",), limit_s))
        rig.start(["sh", "-c", line.split(" ", 5)[5]], cwd=tmp_path, env={}).result()
        assert run_notes.last(site, "cron", "watchdog").code == 128 + signal.SIGALRM
        if said := (tmp_path / "log").read_text(encoding="utf-8"):
            break
    assert said.startswith("begun")


@pytest.mark.only("linux")
def test_a_crontab_that_cannot_be_read_is_never_written_over(machine: Machine) -> None:
    machine.kept.write_bytes(b"0 1 * * * mine\n")
    broken = machine.kept.with_name("broken")
    broken.touch()
    machine.cli("schedule.register").rc(3).says("the spool cannot be read")
    assert machine.entry("master")["state"] == "unknown"
    machine.cli("schedule.unregister").rc(3)
    broken.unlink()
    assert machine.kept.read_bytes() == b"0 1 * * * mine\n" and machine.entry("master")["state"] == "missing"


@pytest.mark.only("linux")
def test_units_that_nobody_answers_for_are_unknown_and_go_all_the_same(machine: Machine) -> None:
    """A shell of `su`, or after a log-out: they are there, and the next logon would start them."""
    units = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user"
    wants = units / "timers.target.wants"
    wants.mkdir(parents=True)
    (said,) = machine.cli("schedule.show", "--only", "master", "--json").rc(0).json()["files"][1:]  # type: ignore[index]
    (units / said["path"]).write_text(said["text"], encoding="utf-8")
    (wants / said["path"]).symlink_to(units / said["path"])
    told = machine.entry("master")
    assert told["state"] == "unknown" and told["why"]
    assert machine.entry("watchdog")["state"] == "missing"
    machine.cli("schedule.unregister").rc(0)
    assert not list(units.glob("**/*autosys*")) and machine.entry("master")["state"] == "missing"
    machine.cli("schedule.unregister").rc(0).says("OK")


@pytest.mark.only("linux")
def test_a_line_that_is_too_long_today_differs_and_hides_no_other_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands there is of another version; the status is asked all the same."""
    kept = crontab(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{kept.parent}:/usr/bin:/bin")
    site = SITE._replace(folder="/w/" + "책상" * 150, state=str(tmp_path))
    kept.write_text(cron_text.with_block("", site, ["*/5 * * * * cd /w && py -m invoke watchdog >>log"]), "utf-8")
    entries = [Entry(name, "", Every(300), (name,), 600) for name in ("watchdog", "master")]
    watchdog, master = cron.look(site, entries).values()
    assert watchdog.state == "differs" and "998 bytes" in watchdog.why and master.state == "missing"


def test_a_note_that_is_just_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell empties the file first: that was taken for an entry that never ran."""
    site = SITE._replace(state=str(tmp_path))
    path = Path(note_of(site, "cron", "watchdog"))
    path.parent.mkdir()
    path.write_text("", encoding="utf-8")

    def read(where: Path) -> str:
        text = where.read_text(encoding="utf-8")
        if not text:
            where.write_text("3\n", encoding="utf-8")
        return text

    monkeypatch.setattr(run_notes, "read_text", read)
    assert run_notes.last(site, "cron", "watchdog").code == 3
    monkeypatch.undo()
    monkeypatch.setattr(run_notes, "WRITING_S", 0.0)
    path.write_text("", encoding="utf-8")
    left = run_notes.last(site, "cron", "watchdog")
    assert left.at and left.code is None, "it ran, and could not say how it ended"


@pytest.mark.only("linux")
def test_what_a_fix_registers_is_known_by_its_name_too(machine: Machine) -> None:
    machine.cli("schedule.register").rc(0)
    known = machine.workspace.root / "outputs" / "registered_as.json"
    known.unlink()
    machine.kept.unlink()
    machine.cli("health", "--fix", "--only", "autostart").rc(0, 3)
    assert known.exists() and machine.entry("watchdog")["state"] == "registered"
