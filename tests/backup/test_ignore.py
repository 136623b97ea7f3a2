"""`.autosysignore` says what .gitignore would say: held against git itself."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from desk_tree import collected, config_of, paths, tree
from git_repos import Repo, new_repo
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.ignore_text import Level, ignored_by, read_rules
from autosys_tasks.backup.values import FILE

FOLDERS = ["a", "a/b", "a/b/a", "b", "b/a", "ab", "foo", "foo/x"]
NAMES = ["a", "b", "ab", "a b", "b ", "#a", "!b", "x.txt", "ab.txt", "foo", "a[b", "a\\b", "B", "*", "-", "]", "b1"]
TREE = sorted({f"{folder}/{name}".lstrip("/") for folder in ["", *FOLDERS] for name in NAMES} - set(FOLDERS))


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository with all of TREE in it."""
    repo = new_repo(tmp_path_factory.mktemp("ignore") / "repo")
    for folder in FOLDERS:
        (repo.root / folder).mkdir(parents=True, exist_ok=True)
    for path in TREE:
        (repo.root / path).touch()
    return repo


def by_git(repo: Repo, files: dict[str, str]) -> set[str]:
    """What git ignores with these .gitignore files."""
    for folder in ["", *FOLDERS]:
        (repo.root / folder / ".gitignore").unlink(missing_ok=True)
    for folder, text in files.items():
        (repo.root / folder / ".gitignore").write_bytes(text.encode())
    given = "".join(f"{path}\0" for path in [*FOLDERS, *TREE]).encode()
    said = repo.git("check-ignore", "--no-index", "-z", "--stdin", given=given, ok=(0, 1))
    return {path for path in said.split("\0") if path}


def by_us(files: dict[str, str]) -> set[str]:
    """What we leave out, as a walk does it: from the top, and no deeper where a folder is left out."""
    levels = {folder: Level(folder, read_rules(text)) for folder, text in files.items()}
    out: set[str] = set()
    for path in sorted([*FOLDERS, *TREE]):
        above = [path[:cut] for cut in range(len(path)) if path[cut] == "/"]
        ours = [levels[folder] for folder in ["", *above] if folder in levels]
        if out & set(above) or ignored_by(ours, path, path in FOLDERS) is not None:
            out.add(path)
    return out


CASES = [
    "a", "/a", "a/", "/a/", "!a", "*\n!a", "a/*\n!a/b", "a/\n!a/b", "**", "**/a", "a/**", "a/**/a", "**/b/**", "**/",
    "a/b", "a/b/", "*.txt", "/*.txt", "a/*.txt", "?", "a?", "[ab]", "[!a]", "[^a]", "[a-b]b", "[]a]", "[", "[a", "a[b",
    "a\\[b", "\\a", "\\#a", "#a", "\\!b", "a b", "a\\ b", "b\\ ", "b\\  ", "b ", "a  ", "a\\", "a\\\\b", "\\*", "\\\\",
    " a", "\ta", "a\t", "a\r\nb\r\n", "\ufeffa\nb", "", "\n\n", "/", "//", "a//", "a//b", "//a", "./a", "../a", "/**",
    "a**", "**a", "a/**b", "***", "***/a", "a/***/a", "a/**/", "foo/**/x", "foo**", "*/a", "*/*/a", "*/",
    "[[:alpha:]]", "[[:digit:]b]1", "b[[:digit:]]", "[[:upper:]]", "[[:nonsense:]]", "[a-]", "[-]", "[b-a]", "[\\]]",
    "[a\\-b]", "[*]", "[!-a]", "a/b\n!a/b/a\n", "*\n!*/\n!*.txt", "b\n!/b", "!", "!/", "! a", "A", "[A-B]",
]  # fmt: skip


@pytest.mark.only("posix")
@pytest.mark.capability("git")
@pytest.mark.parametrize("text", CASES, ids=repr)
def test_a_file_means_what_git_makes_of_it(repo: Repo, text: str) -> None:
    files = {"": text}
    assert by_us(files) == by_git(repo, files)


DEEPER = [
    {"": "a", "a": "!a"}, {"": "*.txt", "a": "!*.txt"}, {"a": "/b"}, {"a": "b/a"}, {"a/b": "*", "": "!*"},
    {"": "b", "a": "!b", "a/b": "b"}, {"a": "a/b"}, {"a/b": "!/a\n*"}, {"foo": "**/a", "": "!foo/x/a"},
]  # fmt: skip


@pytest.mark.only("posix")
@pytest.mark.capability("git")
@pytest.mark.parametrize("files", DEEPER, ids=repr)
def test_of_two_files_the_deeper_one_decides(repo: Repo, files: dict[str, str]) -> None:
    assert by_us(files) == by_git(repo, files)


PIECES = st.sampled_from(["a", "b", "ab", "*", "**", "?", "/", "/", "[ab]", "[!b]", "\\", " ", "!", "#", "foo"])
GITS_DIFFER = re.compile(r"[^/*!]\*\*")  # before 2.52 `a**/b` was `a` and `**/b`
LINES = st.lists(PIECES, max_size=5).map("".join).filter(lambda line: not GITS_DIFFER.search(line))
TEXTS = st.lists(LINES, max_size=3).map("\n".join)
FILES = st.dictionaries(st.sampled_from(["", "a", "a/b", "foo"]), TEXTS, max_size=3)


@pytest.mark.only("posix")
@pytest.mark.capability("git")
@given(FILES)
def test_whatever_stands_in_the_files_git_agrees(repo: Repo, files: dict[str, str]) -> None:
    assert by_us(files) == by_git(repo, files)


def test_two_stars_within_a_name_are_one() -> None:
    rules = [Level("", read_rules("a**/b"))]
    assert ignored_by(rules, "ax/b", False) == "" and ignored_by(rules, "a/x/b", False) is None


@given(st.text(max_size=30))
def test_no_text_is_an_error(text: str) -> None:
    ignored_by([Level("", read_rules(text))], "a/b", False)


# In a workspace


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace whose state folder lies beside it."""
    monkeypatch.setenv("AUTOSYS_STATE", str(tmp_path / "state"))
    return tmp_path / "desk"


def test_what_the_files_of_the_folders_name_is_left_out(desk: Path) -> None:
    tree(desk, "a.log", "keep.log", "data/x.txt", "data/cache/big.bin", "data/deep/y.log", "data/deep/z.txt")
    (desk / ".autosysignore").write_text("*.log\n!keep.log\ncache/\n", encoding="utf-8")
    (desk / "data/deep/.autosysignore").write_text("!*.log\n/z.txt\n", encoding="utf-8")
    found = collected(config_of(desk, "**"))
    assert paths(found, FILE) == [
        ".autosysignore", "data/deep/.autosysignore", "data/deep/y.log", "data/x.txt", "keep.log",
    ]  # fmt: skip


def test_a_pattern_that_is_left_out_whole_says_by_which_file(desk: Path) -> None:
    tree(desk, "data/x.txt")
    (desk / "data/.autosysignore").write_text("x.txt\n", encoding="utf-8")
    (said,) = collected(config_of(desk, "data/*.txt", required=True)).missing
    assert "data/.autosysignore" in said.why and "data/x.txt" in said.why and said.required


@pytest.mark.only("posix")
def test_an_ignore_file_that_cannot_be_read_is_named_and_nothing_is_left_out(desk: Path) -> None:
    tree(desk, "data/x.txt")
    (desk / "data/.autosysignore").mkdir()
    assert "data/x.txt" in paths(collected(config_of(desk, "**")), FILE), "a folder of that name is a folder"
    (desk / "data/.autosysignore").rmdir()
    os.symlink("x.txt", desk / "data/.autosysignore")
    assert "data/x.txt" in paths(collected(config_of(desk, "**")), FILE), "a link is not followed"


def test_an_ignore_file_in_another_encoding_does_not_stop_anything(desk: Path) -> None:
    tree(desk, "x.txt", "한글.txt", "y.txt")
    (desk / ".autosysignore").write_bytes("한글.txt\n".encode("utf-16"))
    assert paths(collected(config_of(desk, "*.txt")), FILE) == ["x.txt", "y.txt"]
