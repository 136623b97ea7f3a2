"""Small files, whole or not at all: also on a disk that takes only a part."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autosys_tasks import host
from autosys_tasks.bootstrap import tree
from autosys_tasks.core import files, journal
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise import logs

with contextlib.suppress(ImportError):
    import pwd  # not on Windows

SCRIPT = """
import os, resource, sys
from pathlib import Path
from autosys_tasks import host
from autosys_tasks.core import files, journal
from autosys_tasks.core.errors import StateError
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as a disk with one block left: the rest is not taken
for act in (
    lambda: files.write_atomic(folder / "page.json", "x" * 10000),
    lambda: journal.append(folder / "log.jsonl", {"v": 1, "text": "x" * 10000}, host),
):
    try:
        act()
    except StateError as error:
        print(error.where)
"""


@pytest.mark.only("posix")
def test_a_disk_that_takes_only_a_part_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    """Interface 2: 1, a folder that cannot be written, named. A truncated page would be a green that lies."""
    (tmp_path / "page.json").write_text("old", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(tmp_path / "page.json"), str(tmp_path / "log.jsonl")]
    assert (tmp_path / "page.json").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "page.json"]


ROTATE = """
import os, resource, sys
from autosys_tasks.supervise import logs
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
print(logs.rotate_running(sys.argv[1], 300_000, 2))
"""


@pytest.mark.only("posix")
def test_a_log_whose_head_does_not_fit_beside_it_loses_no_line(tmp_path: Path) -> None:
    """Its copy is cut short by a full disk: then nothing is taken out, and nothing is left lying about."""
    log = tmp_path / "api.log"
    log.write_bytes(b"a line\n" * 100_000)
    done = subprocess.run([sys.executable, "-c", ROTATE, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["api.log"] and log.stat().st_size == 700_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949"])
def test_as_many_lines_are_shown_as_were_asked_for(tmp_path: Path, encoding: str) -> None:
    """Interface 2: `logs --lines N`, however long the log is and in whichever file the lines stand."""
    said = [f"줄 {number} \x0b {'x' * 90}" for number in range(60_000)]
    (tmp_path / "api.log.1").write_bytes(("\n".join(said[:20_000]) + "\n").encode(encoding))
    (tmp_path / "api.log").write_bytes(("\r\n".join(said[20_000:]) + "\r\n").encode(encoding))
    for lines in (0, 1, 50, 39_999, 40_001, 60_000):
        shown = logs.tail_lines(str(tmp_path / "api.log"), lines)
        assert len(shown) == lines
        assert encoding == "cp949" or shown == (said[-lines:] if lines else [])
    assert len(logs.tail_lines(str(tmp_path / "api.log"), 99_999)) == 60_000
    (tmp_path / "half.log").write_bytes(b"\n\na")
    assert logs.tail_lines(str(tmp_path / "half.log"), 9) == ["", "", "a"]


@pytest.mark.only("posix")
def test_each_folder_that_is_made_on_the_way_is_this_users_own(tmp_path: Path) -> None:
    made = files.make_folder(tmp_path / "state" / "probes")
    assert [path.stat().st_mode & 0o777 for path in (made, made.parent)] == [0o700, 0o700]
    (tmp_path / "taken").write_text("no folder", encoding="utf-8")
    for path in ("taken", "taken/below"):
        with pytest.raises(StateError):
            files.make_folder(tmp_path / path)


def started(folder: Path) -> journal.Journal:
    return journal.Journal(folder, "down", host)


def test_a_run_that_is_interrupted_has_its_summary_too(tmp_path: Path) -> None:
    """Interface 5: the last line of a run has `"step":"summary"`, and counts of its own lines."""
    with pytest.raises(KeyboardInterrupt), started(tmp_path) as run:
        run.add(Outcome(Step("stop", "api", "asked"), True, "ended"))
        raise KeyboardInterrupt
    lines, skipped = journal.read(tmp_path / "watchdog_log.jsonl")
    assert [line["step"] for line in lines] == ["stop", "summary"] and not skipped
    assert lines[-1]["counts"] == {"done": 1, "failed": 0, "skipped": 0} and lines[-1]["ok"] is False


def test_the_last_line_of_a_run_that_failed_says_why(tmp_path: Path) -> None:
    with pytest.raises(StateError), started(tmp_path):
        raise StateError("cannot write `x`: No space left on device")
    assert journal.read(tmp_path / "watchdog_log.jsonl")[0][-1]["detail"] == "cannot write `x`: No space left on device"


def test_a_file_of_the_last_good_version_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """What the system says of a full disk names no file."""
    (tmp_path / "taken" / "full").mkdir(parents=True)
    with pytest.raises(OSError) as caught:  # which one, each system has its own word for
        tree.write_text(str(tmp_path / "taken"), "text")
    assert caught.value.filename == str(tmp_path / "taken") and os.listdir(tmp_path) == ["taken"]


def test_a_journal_that_cannot_be_written_is_raised_when_all_is_done(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("in the way", encoding="utf-8")
    run = started(tmp_path / "outputs")
    run.add(Outcome(Step("stop", "api", "asked"), True, "ended"))
    with pytest.raises(StateError, match="the run itself went on: stopped"):
        run.close(ok=True, detail="stopped")
    with pytest.raises(KeyboardInterrupt), started(tmp_path / "outputs"):
        raise KeyboardInterrupt


def test_a_name_that_is_no_utf8_breaks_no_document(tmp_path: Path) -> None:
    """LC_ALL=C gives Hangul paths as lone surrogates."""
    files.write_atomic(tmp_path / "page.json", json.dumps({"path": "\udcec\udcb1"}, ensure_ascii=False))
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8")) == {"path": "\udcec\udcb1"}


def test_what_a_killed_writer_left_is_taken_away_an_hour_later(tmp_path: Path) -> None:
    for name, age_s in (("wanted.json.12.tmp", 4000), ("wanted.json.13.tmp", 10), ("12.tmp", 4000), ("a.tmp", 4000)):
        (tmp_path / name).write_text("x", encoding="ascii")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    deep = tmp_path / "services" / "api"
    deep.mkdir(parents=True)
    shutil.copy2(tmp_path / "wanted.json.12.tmp", deep)
    files.remove_unfinished(tmp_path, below=1)
    assert {path.name for path in tmp_path.iterdir()} == {"wanted.json.13.tmp", "12.tmp", "a.tmp", "services"}
    assert list(deep.iterdir()), "only as deep as was said"
    files.remove_unfinished(tmp_path, below=2)
    assert not list(deep.iterdir())
    files.remove_unfinished(tmp_path / "absent")


def test_beside_a_persons_files_only_what_a_dead_process_began_for_that_file_is_taken_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    stay = {f"tasks.json.{os.getpid()}.tmp", f"mine.json.{ended.pid}.tmp", "tasks.json.old.tmp", "tasks.json"}
    for name in (*stay, f"tasks.json.{ended.pid}.tmp", f"tasks.json.{10**8}.tmp"):
        (tmp_path / name).write_text("x", encoding="ascii")
    files.remove_unfinished_of(tmp_path / "tasks.json", host.identity)
    assert {path.name for path in tmp_path.iterdir()} == stay
    files.remove_unfinished_of(tmp_path / "absent" / "tasks.json", host.identity)


def test_what_is_followed_goes_on_in_a_new_file_and_no_line_is_glued_to_another(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"old\nfirst\npart")
    lines = logs.follow(str(log), 1, poll_s=0.001)
    assert next(lines) == "first"
    with log.open("ab") as file:
        file.write(b"ly\ndied")
    assert next(lines) == "partly"
    log.rename(tmp_path / "api.log.1")
    log.write_bytes(b"begun anew\n")
    assert [next(lines), next(lines)] == ["died", "begun anew"]
    lines.close()


def test_a_full_log_that_cannot_be_moved_away_keeps_no_service_from_its_start(tmp_path: Path) -> None:
    """An editor may hold one of them (Windows): a line, and a service, are worth more than a limit."""
    log = tmp_path / "api.log"
    log.write_bytes(b"x" * 100)
    (tmp_path / "api.log.1").mkdir()
    for keep in (1, 2):
        (tmp_path / "api.log.1" / "held").touch()
        (tmp_path / "api.log.2").mkdir(exist_ok=True)
        assert logs.rotate_stopped(str(log), 10, keep) == 100 and log.read_bytes() == b"x" * 100


def test_a_folder_is_gone_only_where_its_drive_answers(tmp_path: Path) -> None:
    assert not files.is_gone(tmp_path) and files.is_gone(tmp_path / "none" / "deeper")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert files.is_gone(str(tmp_path / "file" / "below")), "a file is where its folder was"
    assert not files.is_gone("\0"), "nobody knows"


@pytest.mark.only("posix")
@pytest.mark.capability("root")
def test_what_another_user_has_is_called_theirs(tmp_path: Path) -> None:
    """Nobody may look into a folder of theirs: what stands above it says whose it is."""
    os.chown(tmp_path, 1, -1)
    theirs = pwd.getpwuid(1).pw_name
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert f"(it belongs to {theirs})" in files.cannot_write(tmp_path / "services" / "wanted.json", denied).hint
    assert "belongs" not in files.cannot_write("/", denied).hint


@pytest.mark.only("posix")
@pytest.mark.parametrize(("number", "lost"), [(errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False)])
def test_names_that_the_disk_did_not_take_are_no_success(
    tmp_path: Path, number: int, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that knows no fsync of a folder says EINVAL; a disk that fails says EIO."""

    def fails(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=os.strerror(number)) if lost else contextlib.nullcontext():
        files.sync_folder(tmp_path)
    assert "disk" in files.cannot_write(tmp_path, OSError(number, "")).hint or not lost


@pytest.mark.parametrize(
    ("name", "number", "hint"),
    [
        ("outputs", errno.EEXIST, "move the file `{}/outputs` away, then"),
        ("outputs/logs/api.log", errno.ENOTDIR, "move the file `{}/outputs` away, then"),
        ("backups", errno.EISDIR, "move the folder `{}/backups` away, then"),
        ("backups", errno.EEXIST, "make the folder writable"),
    ],
)
def test_what_is_in_the_way_is_to_be_moved_away(tmp_path: Path, name: str, number: int, hint: str) -> None:
    """Who may write there all the same is not told to make it writable."""
    (tmp_path / "outputs").write_text("", encoding="utf-8")
    (tmp_path / "backups").mkdir()
    wanted = hint.replace("{}/", f"{tmp_path}{os.sep}")
    assert files.cannot_write(tmp_path / name, OSError(number, "")).hint.startswith(wanted)


@pytest.mark.only("posix")  # Windows refuses to open it
def test_a_folder_that_is_read_as_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        files.read_text(tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_a_document_that_is_nested_too_deeply_does_not_parse_and_is_no_defect(tmp_path: Path) -> None:
    path = tmp_path / "health_latest.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match="too deeply"):
        files.read_json(path)
