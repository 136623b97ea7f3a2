"""Where Invoke ends: every way in which a task can end, as its exit code and its one document."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke import Exit

from autosys_tasks import program
from autosys_tasks.core.errors import UsageError, nearest
from autosys_tasks.core.printable import printable
from autosys_tasks.tasks.border import documents, streams, verb, workspace


def fails(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


ENDS = [
    (fails(UsageError("no such thing", hint="inv --list")), 2, "usage"),
    (fails(KeyboardInterrupt()), 130, "interrupted"),
    (fails(RuntimeError("nobody thought of it")), 1, "unexpected"),
    (fails(ValueError("neither of this")), 1, "unexpected"),
    (fails(PermissionError(13, "Permission denied", "a/place")), 1, "state"),
]


@pytest.mark.parametrize(("body", "code", "kind"), ENDS, ids=[kind + str(at) for at, (_b, _c, kind) in enumerate(ENDS)])
def test_whatever_goes_wrong_is_one_document_and_its_code(
    body: Callable[[], None], code: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interface 4: an error in `--json` mode is a document too."""
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=True):
        body()
    document = json.loads(capsys.readouterr().out)
    assert ended.value.code == document["exit_code"] == code
    assert document["schema"] == "autosys.error/1" and document["error"]["kind"] == kind
    assert all(value != "" for value in document["error"].values()), "absent knowledge is null"
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=False):
        body()
    said = capsys.readouterr()
    assert ended.value.code == code and said.err and not said.out


def test_how_a_task_ended_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=True):
        documents.finish(None, "run", 3, {"task": "x"}, [], as_json=True)
    assert ended.value.code == 3 and json.loads(capsys.readouterr().out)["schema"] == "autosys.run/1"


def test_a_time_that_is_none_is_usage_before_anything_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interface 2: a wrong value is usage."""
    monkeypatch.setenv("AUTOSYS_NOW", "soon")
    begun = []
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=True):
        begun.append(1)
    assert ended.value.code == 2 and "soon" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not begun


def test_a_reader_who_has_left_changes_neither_the_work_nor_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """`inv down 2>&1 | head -1` goes on to its end; `inv health | true` still says 3."""
    for name in ("stdout", "stderr"):
        read, write = os.pipe()
        os.close(read)
        monkeypatch.setattr(sys, name, os.fdopen(write, "w", encoding="utf-8"))
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=True):
        streams.say("on the way")
        streams.say("again")
        documents.finish(None, "health", 3, {}, [], as_json=True)
    assert ended.value.code == 3


@pytest.mark.only("posix")
def test_a_reader_who_leaves_help_is_no_error() -> None:
    """`inv down --help | head -1` ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    argv = [sys.executable, "-m", "invoke", "down", "--help"]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, stdout=write, stderr=subprocess.PIPE, cwd=root, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.only("linux")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [("config", "--faults"), ("config", "--faults", "--json"), ("--list",), ("ps", "--help")], ids=" ".join
)
def test_a_stdout_that_is_full_is_an_error_and_not_python_s_own_end(words: tuple[str, ...], buffered: str) -> None:
    """Interface 2: 1, and named; Python alone would end 120."""
    with open("/dev/full", "wb") as full:
        done = said(*words, out=full, err=subprocess.PIPE, unbuffered=buffered)
    assert done.returncode == 1 and "cannot write `stdout`" in done.stderr and "ignored" not in done.stderr, done
    assert "Traceback" not in done.stderr


@pytest.mark.only("linux")
@pytest.mark.parametrize(("words", "code"), [(("config", "--faults"), 1), (("nonesuch",), 2), (("ps", "--nope"), 2)])
def test_where_nothing_can_be_said_at_all_the_exit_code_says_it(words: tuple[str, ...], code: int) -> None:
    with open("/dev/full", "wb") as full:
        assert said(*words, out=full, err=full).returncode == code


@pytest.mark.only("posix")
def test_help_for_who_has_closed_stdout_is_no_error() -> None:
    done = said("ps", "--help", err=subprocess.PIPE, closed=True)
    assert (done.returncode, done.stderr) == (0, "")


def said(
    *words: str, out: Any = None, err: Any = None, unbuffered: str = "", closed: bool = False
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "autosys_tasks.program", *words]
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"] if closed else []
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run([*shell, *argv], stdout=out, stderr=err, env=env, text=True, check=False)


@pytest.mark.parametrize(
    ("word", "known", "meant"), [("API", ["api"], "api"), ("\u1100\u1161b", ["xy", "\uac00b"], "\uac00b")]
)
def test_a_name_that_differs_in_case_or_form_alone_is_the_nearest(word: str, known: list[str], meant: str) -> None:
    assert nearest(word, known) == meant


def test_a_command_in_a_folder_that_is_gone_says_so(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    try:
        gone.rmdir()
    except OSError:
        pytest.skip("this system keeps a folder that somebody stands in")
    with pytest.raises(Exit) as ended, verb.person_readable(as_json=True):
        workspace.current()
    assert ended.value.code == 2 and "gone" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_long_list_is_the_same_document(encoding: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Interface 4: exactly one JSON document, with `\\u` escapes where the console is not UTF-8."""
    lines = [{"ts": str(number), "detail": '한 "글" \ud800\n', "ok": None} for number in range(documents.LONG_LIST + 1)]
    document: dict[str, object] = {"schema": "autosys.journal/1", "lines": lines, "skipped": 0}
    with open(1, "w", encoding=encoding, closefd=False) as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        documents.print_json(document)
    found = json.loads(capfdbinary.readouterr().out.decode(encoding))
    assert [*found] == [*document] and found == document


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii", "utf-16"])
def test_a_document_is_utf_8_or_ascii_whatever_the_console_is(
    encoding: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Interface 4; and a path that a locale without UTF-8 has kept byte for byte is the path."""
    document: dict[str, object] = {"schema": "autosys.ps/1", "path": "\udced\udc95\udc9c \udcff 🐱", "ok": "글"}
    with open(1, "w", encoding=encoding, closefd=False) as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        documents.print_json(document)
    told = capfdbinary.readouterr().out.decode("utf-8" if "8" in encoding else "ascii")
    assert json.loads(told) == document | {"path": "한 \udcff 🐱"}


def test_ctrl_c_while_modules_are_read_comes_when_they_are() -> None:
    """A C module, interrupted halfway, fails with an error of its own: a traceback and 1 instead of 130."""
    before, done = signal.signal(signal.SIGINT, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), program._undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("read")
        with program._undisturbed():
            done.append("again")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["read", "again"]


INTERRUPTED = """
import sys
from autosys_tasks.slim import load_invoke
load_invoke()
import invoke

def interrupted(self):
    raise KeyboardInterrupt

setattr(invoke.Program, sys.argv.pop(1), interrupted)
from autosys_tasks.program import main
main()
"""


@pytest.mark.parametrize("where", ["parse_tasks", "parse_collection", "execute"])
def test_ctrl_c_between_tasks_is_a_document_too(where: str) -> None:
    """For one that comes in Invoke's own lines it ends 1, and says nothing."""
    argv = [sys.executable, "-c", INTERRUPTED, where, "config", "--json"]
    ended = subprocess.run(argv, capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 130, ended
    document = json.loads(ended.stdout)
    assert document["exit_code"] == 130 and document["error"]["kind"] == "interrupted"


TWICE = """
import sys
from autosys_tasks.slim import load_invoke
load_invoke()
from autosys_tasks.tasks.border import documents
say_it = documents.put

def put(text):
    say_it(text)
    raise KeyboardInterrupt

documents.put = put
from autosys_tasks.program import main
main()
"""


def test_ctrl_c_once_more_makes_no_second_document() -> None:
    argv = [sys.executable, "-c", TWICE, "config", "--json"]
    ended = subprocess.run(argv, capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 130 and json.loads(ended.stdout)["schema"], ended


def test_what_several_threads_say_at_once_is_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops end side by side, and each is told by its own thread: a line and its end are one write."""
    writes: list[str] = []

    class Stream:
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Stream())
    streams.say("stopped api: ended")
    assert [text for text in writes if text] == ["stopped api: ended\n"]


NAMES = ["t/new\nOK: 9 files read, 0 damaged", "t/red\x1b[31m", "t/back\r", "t/\u202egpj.exe", "t/c1\x9b2J", "t/\u2028"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_s_name_cannot_command_the_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is shown is one line for one line, whoever named the file; nothing else of it is changed."""
    streams.say(f"skipped {name}: a pipe")
    documents.finish(None, "run", 0, {}, [f"NG {name}: gone", "t/가\t🐱 é"], as_json=False)
    out, err = capsys.readouterr()
    assert err == f"skipped {printable(name)}: a pipe\n"
    assert out == f"NG {printable(name)}: gone\nt/가\t🐱 é\n"
    assert printable(name).isprintable() and name.encode("unicode_escape").decode() == printable(name)
