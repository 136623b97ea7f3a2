"""The XML of a task: what Windows takes, and what then skips nothing and kills nothing (P28, P34, P59)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import list2cmdline

import desks
import pytest
from desks import BACKUP, ENTRIES, MASTER, NAMES, WATCHDOG
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule import start_text, systemd_text, task_text
from autosys_tasks.schedule.values import Entry, Every, Site

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_a_task_is_byte_for_byte_what_it_was(entry: Entry) -> None:
    """Rewritten with AUTOSYS_GOLDEN=write; read the difference before it is committed."""
    file = GOLDEN / f"task_{entry.name}.xml"
    data = task_text.file_of(desks.site("내 책상 & 100% 'x' 🗂"), entry).data
    text = data.decode("utf-16").encode("utf-8")  # kept as UTF-8, so that a difference can be read
    if os.environ.get("AUTOSYS_GOLDEN") == "write":
        file.write_bytes(text)
    assert data[:2] == b"\xff\xfe"
    assert file.read_bytes().replace(b"\r\n", b"\n") == text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_windows_takes_it_whatever_the_workspace_is_called(entry: Entry, name: str) -> None:
    """P34: limits, batteries, one instance, caught up, repeated for ever."""
    file = task_text.file_of(desks.site(name), entry)
    assert desks.faults(file.data) == []
    assert file.name == f"autosys-desk-1a2b3c4d-{entry.name}.xml"


@pytest.mark.parametrize("name", NAMES)
def test_what_runs_is_what_was_meant(name: str) -> None:
    """P59: the paths arrive whole, blanks, Hangul and all."""
    site = desks.site(name)
    root = task_text.ElementTree.fromstring(task_text.spoken(task_text.file_of(site, MASTER).text))
    assert [desks.of(root, "Actions/Exec/Command"), *desks.words(desks.of(root, "Actions/Exec/Arguments"))] == [
        *site.argv(MASTER)
    ]
    assert desks.of(root, "Actions/Exec/WorkingDirectory") == site.folder


def changed(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return change


MUTANTS: dict[str, tuple[Entry, Callable[[str], str]]] = {
    "a beat that is too short": (WATCHDOG, changed("PT5M", "PT5S")),
    "a beat that ends": (WATCHDOG, changed("</Interval>", "</Interval><Duration>P1D</Duration>")),
    "no start": (WATCHDOG, changed("<StartBoundary>2025-01-01T00:00:00</StartBoundary>", "")),
    "a start with a zone": (BACKUP, changed("T03:30:00<", "T03:30:00Z<")),
    "order in a trigger": (
        MASTER,
        lambda text: text.replace("<Enabled>true</Enabled><UserId>" + desks.SID + "</UserId>",
                                  "<UserId>" + desks.SID + "</UserId><Enabled>true</Enabled>"),
    ),
    "any user's logon": (MASTER, changed(f"<UserId>{desks.SID}</UserId><Delay>", "<Delay>")),
    "a delay of no form": (MASTER, changed("PT30S", "30")),
    "a boolean in capitals": (MASTER, changed("<WakeToRun>false", "<WakeToRun>False")),
    "batteries": (MASTER, changed("<StopIfGoingOnBatteries>false", "<StopIfGoingOnBatteries>true")),
    "not caught up": (BACKUP, changed("<StartWhenAvailable>true</StartWhenAvailable>", "")),
    "72 hours": (WATCHDOG, changed("PT10M", "PT72H")),
    "no limit": (WATCHDOG, changed("PT10M", "PT0S")),
    "two of one": (MASTER, changed("<Hidden>false</Hidden>", "<Hidden>false</Hidden><Hidden>false</Hidden>")),
    "more rights": (MASTER, changed("LeastPrivilege", "HighestAvailable")),
    "another's context": (MASTER, changed('Context="Author"', 'Context="Other"')),
    "a name, not a SID": (MASTER, changed(desks.SID, "홍길동")),
    "quotes": (MASTER, lambda text: text.replace("<Command>C", '<Command>"C')),
    "a console": (MASTER, changed("pythonw.exe", "python.exe")),
    "a folder from nowhere": (MASTER, changed("<WorkingDirectory>C:\\", "<WorkingDirectory>")),
    "too long": (MASTER, changed("<WorkingDirectory>C:\\", "<WorkingDirectory>C:\\" + "x" * 260)),
    "another name space": (MASTER, changed("2004/02/mit/task", "2004/02/mit/tasks")),
    "a later version": (MASTER, changed('<Task version="1.2"', '<Task version="1.9"')),
    "not escaped": (MASTER, changed("&amp;", "&")),
    "a blank line first": (MASTER, lambda text: "\n" + text),
    "outside of our folder": (MASTER, changed("<URI>\\AutoSys", "<URI>\\Microsoft")),
}  # fmt: skip


@pytest.mark.parametrize("what", MUTANTS)
def test_the_reader_sees_what_is_wrong(what: str) -> None:
    """The control: a reader that finds nothing proves nothing."""
    entry, change = MUTANTS[what]
    text = task_text.file_of(desks.site("R&D"), entry).text
    wrong = change(text)
    assert wrong != text
    assert desks.faults(b"\xff\xfe" + wrong.encode("utf-16-le"))


@pytest.mark.parametrize("data", [b"", "<Task/>".encode("utf-8-sig"), "<?xml?>".encode("utf-16-be"), b"<Task/>"])
def test_the_reader_sees_wrong_bytes(data: bytes) -> None:
    assert desks.faults(data)


BAD: dict[str, Site] = {
    "a line break": desks.site("a\nb"),
    "NUL": desks.site("a\0b"),
    "half a surrogate": desks.site("a\ud800b"),
    "U+FFFF": desks.site("a\uffffb"),
    "a control character in the id": desks.site(id="a\x07b"),
    "a variable": desks.site("%TEMP%"),
    "quotes": desks.site('a"b'),
    "a path too long": desks.site("x" * 260),
    "a name too long": desks.site(id="x" * 240),
    "a colon in the id": desks.site(id="a:b"),
    "a slash in the id": desks.site(id="a/b"),
    "up and away": desks.site(id=".."),
    "a blank first": desks.site(id=" a"),
}


def test_a_path_that_a_unit_cannot_hold_is_refused_with_what_helps() -> None:
    with pytest.raises(UsageError, match="cannot hold a path with a line break") as caught:
        systemd_text.files_of(desks.site(folder="/w/a\nb"), MASTER)
    assert caught.value.hint and caught.value.message.isprintable()


@pytest.mark.parametrize("what", BAD)
def test_what_it_cannot_hold_is_refused_with_a_word_on_it(what: str) -> None:
    with pytest.raises(UsageError, match="Task Scheduler cannot hold the") as caught:
        task_text.file_of(BAD[what], MASTER)
    assert caught.value.hint and caught.value.message.isprintable()


def test_one_percent_sign_stays_what_it_is() -> None:
    assert task_text.file_of(desks.site("100% & 50%"), MASTER)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]))))
def test_arguments_survive_the_way_through_a_command_line(arguments: list[str]) -> None:
    assert desks.words(list2cmdline(arguments)) == arguments


# Read back


def test_our_very_task_is_registered_in_windows_own_words_too() -> None:
    """P28: written and looked up by one hash; Windows gives it back in another order and with more in it."""
    site = desks.site("R&D")
    wanted = task_text.file_of(site, WATCHDOG).text
    again = task_text.ElementTree.fromstring(task_text.spoken(wanted))
    settings = again.find(f"{desks.NS}Settings")
    assert settings is not None
    settings[:] = reversed(list(settings))
    task_text.ElementTree.register_namespace("", desks.NS[1:-1])
    text = task_text.ElementTree.tostring(again, encoding="unicode")
    assert text != wanted and task_text.compared(text, wanted) == ("registered", "")


@pytest.mark.parametrize("told", [None, "", "\n", "ERROR"])
def test_no_evidence_is_unknown(told: str | None) -> None:
    """P15: a scheduler that says yes and shows nothing has proven nothing."""
    wanted = task_text.file_of(desks.site(), WATCHDOG).text
    assert task_text.compared(told, wanted)[0] == "unknown"


def test_another_hash_is_another_task() -> None:
    site = desks.site()
    old = task_text.file_of(site, WATCHDOG._replace(when=Every(600.0))).text
    state, why = task_text.compared(old, task_text.file_of(site, WATCHDOG).text)
    assert state == "differs" and "other settings" in why
    foreign = old.replace("<Version>sha256:", "<Version>")
    assert task_text.compared(foreign, old)[0] == "differs"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("-m invoke watchdog", "-m invoke", "Arguments"),
        ("pythonw.exe", "python.exe", "Command"),
        ("<Enabled>true</Enabled><StartBoundary>", "<Enabled>false</Enabled><StartBoundary>", "trigger is off"),
    ],
)
def test_what_a_person_changed_in_it_is_named(old: str, new: str, says: str) -> None:
    """The hash alone would not tell: Windows keeps it when somebody edits the task."""
    wanted = task_text.file_of(desks.site(), WATCHDOG).text
    assert old in wanted
    state, why = task_text.compared(wanted.replace(old, new), wanted)
    assert state == "differs" and says in why


def test_the_same_workspace_gives_the_same_hash_and_a_moved_one_another() -> None:
    """P59."""
    first, again, moved = (task_text.file_of(desks.site(name), MASTER).text for name in ("a", "a", "b"))
    assert task_text.hash_in(first) == task_text.hash_in(again) != task_text.hash_in(moved)


# What a task and a Run value cannot say


def test_variables_reach_the_run_although_a_task_has_none(tmp_path: Path) -> None:
    """As it stands in the task, run here with this Python: the same module, its arguments and the variables."""
    import json
    import subprocess
    import sys

    said = tmp_path / "said"
    (tmp_path / "shows.py").write_text(
        "import json, os, sys\n"
        f"open({str(said)!r}, 'w', encoding='utf-8').write(json.dumps([__name__, sys.argv[1:], os.environ['A_B']]))\n",
        encoding="utf-8",
    )
    command = (sys.executable, "-X", "utf8", "-m", "shows", "--root")
    site = Site("x", str(tmp_path), command, "", "", (("A_B", "책상=1 'x'"),))
    subprocess.run(start_text.argv_of(site, MASTER), cwd=tmp_path, check=True)
    assert json.loads(said.read_text(encoding="utf-8")) == ["__main__", ["--root", "master"], "책상=1 'x'"]


def test_the_file_that_the_run_value_runs_becomes_the_keeper_in_the_workspace(tmp_path: Path) -> None:
    """A Run value starts in C:\\windows: where it goes and what it becomes stands in a file."""
    import json
    import subprocess
    import sys

    folder = tmp_path / "책상 'x' & 100%"
    folder.mkdir()
    (folder / "shows.py").write_text(
        "import json, os, sys\nopen('said', 'w').write(json.dumps([os.getcwd(), sys.argv[1:], os.environ['A_B']]))\n",
        encoding="utf-8",
    )
    site = Site("x", str(folder), (sys.executable, "-X", "utf8", "-m", "shows"), "", "", (("A_B", "1"),))
    starter = tmp_path / "logon.pyw"
    starter.write_text(start_text.starter_of(site).text, encoding="utf-8")
    subprocess.run([sys.executable, "-X", "utf8", str(starter)], cwd=tmp_path, check=True)
    assert json.loads((folder / "said").read_text()) == [str(folder), ["schedule.keep"], "1"]


def test_a_run_value_that_windows_would_not_start_is_refused() -> None:
    starter = "C:\\" + "x" * 200 + "\\logon.pyw"
    with pytest.raises(UsageError, match="260 characters"):
        start_text.value_of(desks.site("y" * 60), starter)
    short = start_text.value_of(desks.site("내 책상 & 100%"), "C:\\상태 1\\logon.pyw")
    assert desks.words(short)[-1] == "C:\\상태 1\\logon.pyw" and len(short) < 260
    file = start_text.registry_file(desks.site("R&D 1"), MASTER, "C:\\a b\\logon.pyw")
    assert '"autosys-desk-1a2b3c4d"="\\"C:\\\\Users' in file.text
