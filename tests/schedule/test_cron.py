"""Our block in a crontab: nothing else is touched, and an entry is found whatever was done to its line (issue 5.1)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import rig
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.schedule import cron_text
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site

SITE = Site("desk-1a2b3c4d", "/w/내 책상 50%", ("/w/py thon", "-m", "invoke"), "1", "/w/내 책상 50%/log")
LINES = st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30), max_size=5)
CRONTAB = """\
import pathlib, sys
kept = pathlib.Path(__file__).with_name("kept")
if sys.argv[1:] == ["-l"]:
    if not kept.exists():
        sys.exit("no crontab for me")
    sys.stdout.buffer.write(kept.read_bytes())
else:
    kept.write_bytes(sys.stdin.buffer.read())
"""


def crontab(folder: Path) -> Path:
    """A crontab command in that folder, and the file that it keeps its table in."""
    folder.mkdir()
    (folder / "crontab.py").write_text(CRONTAB, encoding="utf-8")
    program = folder / "crontab"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/crontab.py" "$@"\n', encoding="utf-8")
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
    assert line.startswith(f"{times}cd '/w/내 책상 50\\%' && '/w/py thon' -m invoke watchdog >>")
    assert "%" not in line.replace("\\%", ""), "a bare one would end the command"


@given(LINES, LINES, st.booleans())
def test_taking_the_block_out_restores_the_rest(before: list[str], ours: list[str], ends: bool) -> None:
    crontab = "\n".join(before) + ("\n" if ends and before else "")
    added = cron_text.with_block(crontab, SITE, ["a", *ours])
    assert cron_text.ours(added, SITE) == ["a", *ours]
    assert cron_text.with_block(added, SITE, []) in (crontab, crontab + "\n")
    assert cron_text.with_block(added, SITE, ["a", *ours]) == added


@pytest.mark.only("linux")
def test_registered_seen_mended_and_removed_with_a_persons_lines_beside(
    workspace: rig.Workspace, tmp_path: Path
) -> None:
    """A crontab command of the test's own, since the real one has one table for each user."""
    folder = tmp_path / "bin"
    kept = crontab(folder)
    mine = b"# \xb1\xe8 is not UTF-8\n0 1 * * * mine\n"
    kept.write_bytes(mine)
    env: dict[str, str | None] = {"PATH": f"{folder}:/usr/bin:/bin", "XDG_RUNTIME_DIR": None}
    workspace.service("api", "sleeps.py")
    workspace.cli("schedule.register", env=env).rc(0).says("cron")
    assert kept.read_bytes().startswith(mine)
    workspace.cli("schedule.status", env=env).rc(0).says("registered with cron", "keeps no results")
    kept.write_bytes(kept.read_bytes().replace(b" watchdog >>", b" watchdog  >>"))
    workspace.cli("schedule.status", "--only", "watchdog", env=env).rc(0).says("differs")
    workspace.cli("schedule.register", env=env).rc(0).says("update watchdog")
    line = next(one for one in kept.read_text("utf-8", "replace").splitlines() if " watchdog >>" in one)
    rig.start(["sh", "-c", line.split(" ", 5)[5].replace("\\%", "%")], cwd=tmp_path, env=workspace.env()).result().rc(0)
    assert len(workspace.starts()) == 1, "the very line that is registered runs a tick"
    workspace.cli("schedule.unregister", env=env).rc(0)
    assert kept.read_bytes() == mine
    workspace.cli("down").rc(0)
