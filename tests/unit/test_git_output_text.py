"""What git writes, as values: addresses, paths that lead out, settings, what is taken of untracked files."""

from __future__ import annotations

import pytest

from autosys_tasks.backup.git import output_text as git_text


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("https://git.test/desk.git", True), ("git@git.test:desk.git", True), ("ssh://git.test/desk", True),
        ("gh:person/desk", True), (r"\\nas\share\desk.git", True), ("//nas/share/desk.git", True),
        ("file://nas/share/desk.git", True), ("file:///srv/desk.git", False), ("file://localhost/srv/desk.git", False),
        ("/srv/git/desk.git", False), ("../desk.git", False), ("desk.git", False), (r"C:\git\desk.git", False),
        ("D:/git/desk.git", False), ("./a:b/desk.git", False),
    ],
)  # fmt: skip
def test_only_what_is_off_this_machine_counts_as_a_remote(url: str, elsewhere: bool) -> None:
    assert git_text.is_elsewhere(url) is elsewhere


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://person:s3cret@git.test/x", "https://git.test/x"),
        ("https://:s3cret@git.test/x", "https://git.test/x"),
        ("https://ghp_token@git.test/x", "https://git.test/x"),
        ("ssh://git:s3cret@git.test/x", "ssh://git@git.test/x"),
        ("git@git.test:x", "git@git.test:x"),
        ("https://git.test/a:b@c", "https://git.test/a:b@c"),
        ("HTTPS://git.test/x.git?private_token=s3cret&y=1", "HTTPS://git.test/x.git"),
        ("https://t0ken@git.test/x#s3cret", "https://git.test/x"),
        ("url.https://git.test/?token=s3cret.insteadof", "url.https://git.test/"),
        ("file:///srv/what?/x.git", "file:///srv/what?/x.git"),
    ],
)
def test_a_password_is_cut_out_of_an_address(url: str, kept: str) -> None:
    assert git_text.without_secret(url) == kept


def test_a_path_that_leads_out_or_into_git_is_known() -> None:
    good = ["a", "a/b", "a.git/b", ".gitignore", "문서/보고서", 'q"uote\\', "a\\b", ":colon", "..a/b..", "git~10"]
    bad = ["", "/a", "a//b", "../a", "a/..", "a/./b", ".git", "a/.GIT/hooks/x", ".git./x", ".git ", "GIT~1/x", "a\0b"]
    bad += ["C:/x", "c:\\x", "a\\..\\b", "a\\.git\\x", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/x"]
    assert [path for path in good if not git_text.is_within(path)] == []
    assert [path for path in bad if git_text.is_within(path)] == []


def test_settings_that_name_a_program_are_not_kept() -> None:
    listed = "".join(
        f"{scope}\0{key}\n{value}\0"
        for scope, key, value in [
            ("global", "user.name", "of the machine"), ("local", "user.name", "of the desk"),
            ("local", "remote.origin.url", "https://a:b@git.test/x"), ("local", "remote.origin.uploadpack", "touch x"),
            ("local", "branch.main.merge", "refs/heads/main"), ("local", "core.sshcommand", "touch x"),
            ("local", "filter.lfs.clean", "git-lfs clean"), ("local", "core.filemode", "true"),
            ("local", "remote.https://t0ken@git.test/x.url", "https://t0ken@git.test/x"),
        ]
    )  # fmt: skip
    found = git_text.settings(listed)
    assert git_text.kept_settings(found) == {
        "user.name": ["of the desk"],
        "remote.origin.url": ["https://git.test/x"],
        "branch.main.merge": ["refs/heads/main"],
    }
    assert git_text.left_settings(found) == [
        "core.sshcommand", "filter.lfs.clean", "remote.https://git.test/x.url", "remote.origin.uploadpack",
    ]  # fmt: skip
    assert "filter.lfs.process=" in git_text.no_filters(found)


def test_settings_are_written_so_that_git_cannot_take_one_for_another() -> None:
    kept = {'remote.a"]\\.url': ['x"\\\n[core]\n\tpager = touch x'], "core.pager": ["touch x"], "user.name": ["a"]}
    assert git_text.settings_text(kept) == (
        '[remote "a\\"]\\\\"]\n\turl = "x\\"\\\\\\n[core]\\n\tpager = touch x"\n[user]\n\tname = "a"\n'
    )


def test_small_untracked_files_come_first_and_every_other_has_its_reason() -> None:
    kept, left = git_text.chosen({"big": 90, "b": 40, "a": 30, "c": 40}, each_max=50, total_max=80)
    assert kept == ["a", "b"]
    assert left == {"c": "40 bytes, beyond 80 in all", "big": "90 bytes, more than 50"}


def test_the_index_is_told_of_every_side_and_of_what_was_removed() -> None:
    old, new, none = "1" * 40, "2" * 40, "0" * 40
    records = [
        "# branch.head main",
        f"1 M. N... 100644 100755 100755 {old} {new} changed in the index",
        f"1 .M N... 100644 100644 100644 {old} {old} changed in the tree",
        f"1 D. N... 100644 000000 000000 {old} {none} removed",
        f"1 DA N... 100644 000000 100644 {old} {none} in intent",
        f"u DU N... 100644 000000 100644 100644 {old} {none} {new} torn",
    ]
    assert git_text.index_lines(git_text.entries(records)).decode().split("\0") == [
        f"100755 {new} 0\tchanged in the index", f"0 {none}\tremoved", f"0 {none}\tin intent", f"0 {none}\ttorn",
        f"100644 {old} 1\ttorn", f"100644 {new} 3\ttorn", "",
    ]  # fmt: skip
