"""The repository is part of what is collected, and can be rebuilt from that; secrets are flagged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk_tree import collected, config_of, paths, tree
from git_repos import Repo, new_repo

from autosys_tasks.backup.collect import collect
from autosys_tasks.backup.git.rebuild import rebuild
from autosys_tasks.backup.staged import holds_secret_text
from autosys_tasks.backup.values import FILE, GIT, Collected, Found
from autosys_tasks.config.model import Backup, Config

KEY = "AKIA" + "Q7" * 8


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a workspace will be, whose state folder lies beside it."""
    monkeypatch.setenv("AUTOSYS_STATE", str(tmp_path / "state"))
    return tmp_path / "책상 desk"


@pytest.fixture
def repo(desk: Path) -> Repo:
    """A repository with work that is nowhere else."""
    repo = new_repo(desk)
    repo.write(".gitignore", "backups/\n")
    repo.commit("first", **{"a.txt": "one\n", "config.json": "{}\n", "old.txt": "old\n"})
    repo.write("a.txt", "two\n")
    repo.write("new/메모.txt", "untracked\n")
    repo.write(".env", "PASSWORD=hunter22\n")
    repo.write("settings.ini", f"id = {KEY}\n")
    repo.write("config.json", f'{{"id": "{KEY}"}}\n')
    (desk / "old.txt").unlink()
    repo.write("backups/2026.7z", "not to be taken")
    return repo


def by_path(found: Collected) -> dict[str, Found]:
    """What was found, by path."""
    return {one.path: one for one in found.found}


@pytest.mark.capability("git")
@pytest.mark.only("posix")
def test_the_repository_can_be_rebuilt_from_what_was_collected(repo: Repo, tmp_path: Path) -> None:
    found = collected(config_of(repo.root, "a.txt", git=True))
    assert not found.missing and found.git
    assert paths(found) == sorted(paths(found))
    elsewhere = tmp_path / "elsewhere"
    for one in found.found:
        if one.path.startswith(f"{GIT}/") and one.kind == FILE:
            target = elsewhere / one.path.removeprefix(f"{GIT}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one.source, target)
    done = rebuild(elsewhere, tmp_path / "again")
    assert not done.failed
    assert Repo(tmp_path / "again").state() == repo.state()


@pytest.mark.capability("git")
@pytest.mark.only("posix")
def test_secrets_of_the_repository_are_flagged_and_not_in_the_patch(repo: Repo) -> None:
    found = by_path(collected(config_of(repo.root, "a.txt", git=True)))
    secret = {path.removeprefix(f"{GIT}/files/") for path, one in found.items() if "secret" in one.flags}
    assert secret == {".env", "settings.ini", "config.json"}
    patch = Path(found[f"{GIT}/patch.diff"].source).read_text(encoding="utf-8")
    assert KEY not in patch and "+two" in patch
    assert not [path for path in found if "2026.7z" in path]


@pytest.mark.capability("git")
@pytest.mark.only("posix")
@pytest.mark.parametrize("where", [".", "inner"])
def test_a_secret_in_a_commit_that_is_nowhere_else_is_flagged_also_when_it_was_taken_away(
    desk: Path, where: str
) -> None:
    outer = new_repo(desk)
    outer.commit("first", **{"a.txt": "one\n"})
    repo = outer if where == "." else new_repo(desk / "inner")
    name = f"{GIT}/history.bundle" if where == "." else f"{GIT}/modules/0/history.bundle"
    repo.commit("harmless", **{"b.txt": "one\n"})
    assert "secret" not in by_path(collected(config_of(desk, "a.txt", git=True)))[name].flags
    repo.commit("a secret", **{"설정/.env": "PASSWORD=hunter22\n"})
    repo.git("rm", "-q", "설정/.env")
    repo.git("commit", "-q", "-m", "away")
    assert "secret" in by_path(collected(config_of(desk, "a.txt", git=True)))[name].flags


@pytest.mark.capability("git")
@pytest.mark.only("posix")
def test_an_unchanged_repository_gives_the_same_bytes(repo: Repo) -> None:
    config = config_of(repo.root, "a.txt", git=True)
    first = {one.path: Path(one.source).read_bytes() for one in collected(config).found if one.kind == FILE}
    again = {one.path: Path(one.source).read_bytes() for one in collected(config).found if one.kind == FILE}
    assert first == again


@pytest.mark.capability("git")
@pytest.mark.only("posix")
def test_a_repository_that_git_does_not_take_is_named_and_the_files_are_there(desk: Path) -> None:
    tree(desk, "a.txt", ".git/HEAD")
    found = collected(config_of(desk, "a.txt", git=True))
    assert paths(found) == ["a.txt"]
    assert [one.path for one in found.missing] == [GIT]


def test_no_repository_is_no_fault(desk: Path) -> None:
    tree(desk, "a.txt")
    found = collected(config_of(desk, "a.txt", git=True))
    assert paths(found) == ["a.txt"] and not found.missing and found.git == "no git repository here"


def test_no_git_is_a_fault_only_where_there_is_a_repository(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(desk, "a.txt")
    monkeypatch.setenv("PATH", str(desk))
    assert not collected(config_of(desk, "a.txt", git=True)).missing
    tree(desk, ".git/HEAD")
    assert [one.path for one in collected(config_of(desk, "a.txt", git=True)).missing] == [GIT]


def test_nothing_asked_for_is_nothing_found(desk: Path) -> None:
    tree(desk, "a.txt")
    config = Config(str(desk), "desk", backup=Backup(git=False))
    assert collect(config, desk / "backups", 0, desk.parent / "staging") == Collected(())


# Secrets among files


def test_a_secret_is_flagged_by_its_name_at_once_and_by_its_text_when_it_is_read(desk: Path) -> None:
    tree(desk, ".env", ".env.example", "keys/id_rsa", "plain.txt")
    (desk / "notes.md").write_text(f"the id is {KEY}, do not tell", encoding="utf-8")
    (desk / "from-powershell.txt").write_bytes(f"the id is {KEY}".encode("utf-16"))
    (desk / "large.log").write_text(f"{KEY}\n" * 5000, encoding="utf-8")
    found = by_path(collected(config_of(desk, "**")))
    assert {path for path, one in found.items() if "secret" in one.flags} == {".env", "keys/id_rsa"}
    looked = {path for path, one in found.items() if "secret" in one.flags or holds_secret_text(one.source)}
    assert looked == {".env", "keys/id_rsa", "notes.md", "from-powershell.txt"}


def test_a_file_that_vanished_is_not_looked_into(desk: Path) -> None:
    tree(desk, "x.txt")
    one = by_path(collected(config_of(desk, "x.txt")))["x.txt"]
    (desk / "x.txt").unlink()
    assert not holds_secret_text(one.source)


@pytest.mark.capability("git")
@pytest.mark.only("posix")
def test_a_repository_that_git_does_not_trust_is_named_with_the_command_that_trusts_it(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for this
    (failed,) = collected(config_of(repo.root, "a.txt", git=True)).missing
    assert "dubious ownership" in failed.why and "git config --global --add safe.directory" in failed.why
