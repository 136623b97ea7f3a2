"""Who else starts this workspace: a table of what people and other tools leave behind (P7, P59)."""

from __future__ import annotations

import ntpath
import posixpath
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.schedule import command_text
from autosys_tasks.schedule.command_text import is_inside, words
from autosys_tasks.schedule.rivals import let_be, rivals
from autosys_tasks.schedule.values import Site, Starter

ID = "desk-1a2b3c4d"

INSIDE = [
    ("/w/desk", "/w/desk", True),
    ("/w/desk/", "/w/desk", True),
    ("/w/desk", "/w/desk/", True),
    ("/w/desk/a/b.py", "/w/desk", True),
    ("/w/other/../desk/a", "/w/desk", True),
    ("/w/desk/../other", "/w/desk", False),
    ("/w/desk2", "/w/desk", False),
    ("/w/desk 2/a", "/w/desk", False),
    ("/w/Desk", "/w/desk", False),
    ("/mnt/w/desk", "/w/desk", False),
    ("w/desk", "/w/desk", False),
    ("", "/w/desk", False),
    ("/w/책상", "/w/책상", True),
    ("C:\\desk", "C:\\desk", True),
    ("c:\\DESK\\a", "C:\\desk", True),
    ("C:/desk/", "C:\\desk", True),
    ("C:\\desk", "C:\\desk\\", True),
    ("C:\\desk2\\a", "C:\\desk", False),
    ("C:\\desk 2", "C:\\desk", False),
    ("D:\\desk", "C:\\desk", False),
    ("\\desk", "C:\\desk", False),
    ("desk", "C:\\desk", False),
    ("\\\\?\\C:\\desk\\a", "C:\\desk", True),
    ("\\\\server\\share\\desk\\a", "\\\\server\\share\\desk", True),
    ("C:\\anything", "C:\\", True),
]


@pytest.mark.parametrize(("path", "folder", "wanted"), INSIDE)
def test_paths_are_compared_as_paths(path: str, folder: str, wanted: bool) -> None:
    """Never a mere substring: `C:\\desk2` is not `C:\\desk`."""
    assert is_inside(path, folder) is wanted


WINDOWS = [
    ('"C:\\desk\\.venv\\Scripts\\pythonw.exe" -m invoke master', True),
    ('"C:\\desk2\\.venv\\Scripts\\pythonw.exe" -m invoke master', False),
    ('pythonw.exe "c:\\DESK\\start.pyw"', True),
    ("C:\\Python311\\pythonw.exe C:\\desk\\start.pyw", True),
    ("C:\\desk\\run.exe -x", True),
    ("C:\\desk 2\\run.exe -x", False),
    ('"C:\\desk 2\\run.exe" -x', False),
    ('cmd /c "cd /d C:\\desk && run"', True),
    ('cmd /c "cd /d C:\\desk&&run"', True),
    ('cmd /c "cd /d C:\\desk 2 && run"', False),
    ('cmd /c "cd /d "C:\\Desk" && run"', True),
    ('cmd /c "cd /d "C:\\Desk 2" && run"', False),
    ('"C:\\Windows\\System32\\cmd.exe" /d /k cd /d C:\\desk', True),
    ("cmd.exe /c C:\\desk\\run.cmd", True),
    ("cmd.exe /c python.exe C:\\desk\\run.py", True),
    ("cmd.exe /c C:\\py\\python.exe C:\\desk\\run.py", True),
    ("cd C:\\desk", True),
    ("pushd C:\\desk 2", False),
    ("start /min C:\\desk\\run.bat", True),
    ('start "" "C:\\desk\\run.bat"', True),
    ("powershell -WindowStyle Hidden -File C:\\desk\\scripts\\go.ps1", True),
    ("powershell -Command \"& 'C:\\desk\\go.ps1'\"", True),
    ("powershell -Command \"Set-Location C:\\desk; ./go\"", True),
    ('CreateObject("Wscript.Shell").Run """C:\\desk\\run.cmd"" -x", 0', True),
    ('CreateObject("Wscript.Shell").Run "C:\\desk 2\\run.cmd", 0', False),
    ('CreateObject("Wscript.Shell").CurrentDirectory = "C:\\desk"', True),
    ("autosys --root=C:\\desk\\", True),
    ("autosys --root=C:\\desk2", False),
    ("foo.exe >> C:\\desk\\outputs\\foo.log 2>&1", False),
    ("C:\\Windows\\explorer.exe C:\\desk", False),
    ('"C:\\Program Files\\7-Zip\\7z.exe" a D:\\desk.7z C:\\desk', False),
    ("robocopy C:\\desk D:\\desk & C:\\desk\\run.cmd", True),
    ("", False),
    ('"C:\\desk', True),
]
POSIX = [
    ("/w/desk/start.sh", True),
    ("/w/desk2/start.sh", False),
    ("/usr/bin/python3 /w/desk/start.py", True),
    ("cd /w/desk && ./start.sh", True),
    ("cd '/w/desk 2' && ./start.sh", False),
    ("cd /w/desk\\ 2 && ./start.sh", False),
    ("cd /w/desk;./start.sh", True),
    ("(cd /w/desk&&./start.sh)", True),
    ("sh -c 'cd \"/w/desk\"; ./start.sh'", True),
    ("sh -c 'cd \"/w/desk 2\"; ./start.sh'", False),
    ("sh -c '/usr/bin/python3 /w/desk/start.py'", True),
    ("sh -c '/w/desk/start.sh --now'", True),
    ("python3 -c \"import os; os.chdir('/w/desk')\"", True),
    ("AUTOSYS_WORKSPACE=/w/desk autosys master", True),
    ("AUTOSYS_WORKSPACE='/w/desk 2' autosys master", False),
    ("inv --search-root=/w/desk master", True),
    ("nohup nice -n 10 /w/desk/start.sh", True),
    ("/usr/bin/foo >>/w/desk/outputs/foo.log 2>&1", False),
    ("/usr/bin/foo > /w/desk/x; /w/desk/start.sh", True),
    ("tar czf /backup/desk.tgz /w/desk", False),
    ("/usr/bin/rsync -a /w/desk/ host:desk", False),
    ("tar czf /backup/desk.tgz /w/desk && /w/desk/after.sh", True),
    ("xdg-open /w/desk/report.html", False),
    ("echo it's", False),
    ("cd /w/desk; echo it's", True),
    ("/w/R&D/start.sh", False),
]


def found(command: str, workspace: str, **more: object) -> bool:
    """Whether a stranger's command makes it a rival of the workspace in that folder."""
    site = Site(ID, workspace, ("python",), "1", "log")
    starter = Starter("run_values", "x", "x", (words(command, command_text.is_windows(workspace)),))
    starter = starter._replace(**more)  # type: ignore[arg-type]
    return bool(rivals(site, [starter], partial(is_inside, folder=workspace), lambda path: False))


@pytest.mark.parametrize(("command", "wanted"), WINDOWS)
def test_a_command_of_windows_starts_the_workspace_or_does_not(command: str, wanted: bool) -> None:
    assert found(command, "C:\\desk") is wanted


@pytest.mark.parametrize(("command", "wanted"), POSIX)
def test_a_command_of_a_shell_starts_the_workspace_or_does_not(command: str, wanted: bool) -> None:
    assert found(command, "/w/desk") is wanted


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ('cmd /c "cd /d "C:\\내 책상 & 100%" && run"', "C:\\내 책상 & 100%"),
        ("C:\\내 책상\\run.exe -x", "C:\\내 책상"),
        ("cd C:\\내 책상", "C:\\내 책상"),
        ('"C:\\R&D\\run.exe"', "C:\\R&D"),
        ("cd '/w/내 책상 50%' && x", "/w/내 책상 50%"),
        ("cd /w/내\\ 책상 && x", "/w/내 책상"),
        ("'/w/R&D/run'", "/w/R&D"),
    ],
)
def test_awkward_names_are_found(command: str, folder: str) -> None:
    assert found(command, folder)


LETTERS = st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='"/\\<>|?*:')
NAMES = st.text(LETTERS, min_size=1, max_size=12)


@given(NAMES, NAMES, st.booleans())
def test_quoted_paths_are_found_and_their_neighbours_are_not(name: str, more: str, windows: bool) -> None:
    """Whatever the workspace is called, and whatever its neighbour's name adds to its own."""
    joined = ntpath.join if windows else posixpath.join
    quoted = '"{}"'.format if windows else command_text.shlex.quote
    folder = joined("C:\\w" if windows else "/w", name.strip(" .") or "x")
    assert found(f"run {quoted(joined(folder, 'x'))}", folder)
    beside = folder + more
    if not is_inside(beside, folder):
        assert not found(f"run {quoted(joined(beside, 'x'))}", folder)


def test_who_runs_in_the_workspace_is_a_rival_whatever_it_runs() -> None:
    assert found("/usr/bin/env inv bringup", "/w/desk", folder="/w/desk")
    assert found("", "/w/desk", folder="/w/desk/app", commands=())
    assert not found("/usr/bin/env inv bringup", "/w/desk", folder="/w/desk2")
    assert not found("", "/w/desk", folder="", commands=())


SITE = Site(ID, "/w/desk", ("python",), "1", "log")
OLD, MOVED = "desk-99999999", "/old/desk"


def ours(id: str, folder: str, **more: object) -> Starter:
    starter = Starter("user_units", "u", "u", (("python", "-m", "x"),), folder, id, "master")
    return starter._replace(**more)  # type: ignore[arg-type]


OURS = [
    ("our current entry", ours(ID, "/w/desk"), ""),
    ("and where it has another folder by hand", ours(ID, "/w/other"), ""),
    ("the workspace was moved", ours(OLD, MOVED), "`/old/desk`, which is gone"),
    ("it was moved and renamed", ours("renamed-99999999", MOVED), "`/old/desk`, which is gone"),
    ("what it was copied from", ours("renamed-99999999", "/there/desk"), ""),
    ("a copy that still exists", ours(OLD, "/there/desk"), ""),
    ("another workspace that is gone", ours("shop-99999999", MOVED), ""),
    ("another workspace, inside of this one", ours("shop-99999999", "/w/desk/shop"), ""),
    ("another workspace, with our Python", ours("shop-9", "/there/x", commands=(("/w/desk/.venv/bin/python",),)), ""),
    ("a name that this workspace had", ours("old-name-1a2b3c4d", "/w/desk"), "a name that this workspace had"),
    ("nobody can tell what it was for", ours(OLD, ""), ""),
    ("moved, and switched off", ours(OLD, MOVED, on=False), ""),
    ("a stranger that a person switched off", Starter("cron", "x", "x", (("/w/desk/x",),), on=False), ""),
]


@pytest.mark.parametrize(("what", "starter", "wanted"), OURS, ids=[what for what, *_rest in OURS])
def test_our_own_entries_are_rivals_only_when_stale(what: str, starter: Starter, wanted: str) -> None:
    """P59: the entry of a workspace that was moved is found; one of a workspace that lives is nobody's rival."""
    was = {"renamed-99999999"}
    judged = rivals(SITE, [starter], partial(is_inside, folder="/w/desk"), lambda path: path == MOVED, known_as=was)
    assert bool(judged) is bool(wanted)
    assert not wanted or wanted in judged[0].why


def test_of_two_mechanisms_of_ours_the_worse_one_is_a_rival() -> None:
    """P7: exactly one starts it."""
    starters = [ours(ID, "/w/desk"), ours(ID, "/w/desk", place="cron"), ours(ID, "", place="cron", entry="watchdog")]
    judged = rivals(SITE, starters, lambda path: True, lambda path: True, {("cron", "master")})
    assert [rival.starter for rival in judged] == [starters[1]]
    assert "second best" in judged[0].why


def test_a_person_lets_be_what_they_name_and_nobody_what_is_ours() -> None:
    theirs = Starter("user_units", "Nightly-Sync.timer", "x")
    assert let_be(theirs, ("nightly-*",)) and not let_be(theirs, ("sync*",)) and not let_be(theirs, ())
    assert not let_be(theirs._replace(ours="desk-1"), ("nightly-*",))
