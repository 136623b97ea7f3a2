"""Windows's rules for programs and batch files, as pure functions. Runs everywhere."""

from __future__ import annotations

import ntpath

import pytest

from autosys_tasks.host.windows_command import batch_line, candidates, is_batch


def found(name: str, path: str = r"C:\a;D:\b c") -> list[str]:
    """The candidates, with Windows's own joining of paths."""
    return candidates(name, path, r"C:\work", ntpath.join)


def test_a_bare_word_is_looked_for_on_path_with_each_ending():
    assert found("tool")[:4] == [r"C:\a\tool.com", r"C:\a\tool.exe", r"C:\a\tool.bat", r"C:\a\tool.cmd"]
    assert found("tool")[4] == r"D:\b c\tool.com"


def test_a_script_without_an_ending_is_no_program():
    """`node_modules/.bin` holds `tool` for other systems beside `tool.cmd`."""
    assert r"C:\a\tool" not in found("tool")


def test_a_word_with_an_ending_is_taken_as_it_stands_first():
    assert found("Tool.EXE")[0] == r"C:\a\Tool.EXE"
    assert r"C:\a\tool.1.exe" in found("tool.1")


def test_a_path_is_not_looked_for_on_path():
    assert found(r"bin\tool.exe")[0] == r"C:\work\bin\tool.exe"
    assert found("bin/tool.exe")[0] == r"C:\work\bin/tool.exe"
    assert found(r"D:\x y\tool.exe")[0] == r"D:\x y\tool.exe"
    assert all(one.startswith(r"C:\work") for one in found(r".\tool"))


def test_the_working_folder_is_not_searched_for_a_bare_word():
    """What lies in a workspace must not stand in for a program of the system."""
    assert not any(one.startswith(r"C:\work") for one in found("tool"))
    assert found("", "") == found(".") == found("..") == []


def test_quotes_around_a_folder_in_path_are_no_part_of_it():
    assert found("t.exe", r'"C:\Program Files\x";')[0] == r"C:\Program Files\x\t.exe"


def test_batch_files_are_told_by_their_ending():
    assert is_batch(r"C:\x\npm.CMD") and is_batch("a.bat")
    assert not is_batch("a.exe") and not is_batch("cmd")


def test_every_argument_of_a_batch_file_stands_in_quotes():
    line = batch_line((r"C:\한글 & co\run.cmd", "a b", "x&y|z", "", "C:\\dir\\"), r"C:\Windows\cmd.exe")
    assert line == (
        r'"C:\Windows\cmd.exe" /e:on /v:off /d /s /c ""C:\한글 & co\run.cmd" "a b" "x&y|z" "" "C:\dir\\""'
    )


def test_a_percent_sign_names_no_variable():
    line = batch_line(("run.cmd", "%PATH%"), "cmd.exe")
    assert line.endswith('"%%cd:~,%PATH%%cd:~,%""')


@pytest.mark.parametrize("word", ['say "hi"', "two\nlines", "nul\0"])
def test_what_cmd_would_change_is_refused_not_mangled(word):
    with pytest.raises(PermissionError) as refused:
        batch_line(("run.cmd", word), "cmd.exe")
    assert refused.value.filename == word
