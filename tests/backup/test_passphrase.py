"""The passphrase: where it comes from, in whichever form it was typed, and what happens without it or with another."""

from __future__ import annotations

import sys
import types
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from packing import Item, pack, unpacked

from autosys_tasks.backup.errors import NeedsPassphrase
from autosys_tasks.backup.passphrase import SERVICE, VARIABLE, passphrase

pytestmark = pytest.mark.portable
PIECES = unicodedata.normalize("NFD", "비밀 é")
WHOLE = unicodedata.normalize("NFC", PIECES)
TOML = """
[backup]
copies = ["{copies}"]
[backup.git]
enabled = false
[backup.sets.data]
include = ["data/"]
"""


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """What a keyring holds, by service and user; the environment says nothing."""
    held: dict[tuple[str, str], str] = {}
    module = types.ModuleType("keyring")
    module.get_password = lambda service, user: held.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.delenv(VARIABLE, raising=False)
    return held


@pytest.fixture
def desk(workspace: rig.Workspace, tmp_path: Path) -> rig.Workspace:
    """A workspace without a secret that is copied to a folder."""
    workspace.write(TOML.format(copies=(tmp_path / "b").as_uri())).file("data/a.txt", "first")
    return workspace


def typed(secret: str) -> dict[str, str | None]:
    return {VARIABLE: secret or None}


def test_it_comes_from_the_keyring_when_the_environment_has_none(
    keyring: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert passphrase("desk") == ""
    keyring[SERVICE, "desk"] = "kept"
    assert passphrase("desk") == "kept" and passphrase("other") == ""
    monkeypatch.setenv(VARIABLE, "set")
    assert passphrase("desk") == "set"
    monkeypatch.setenv(VARIABLE, "")
    assert passphrase("desk") == "kept"


def test_a_keyring_that_cannot_be_asked_has_none(
    keyring: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(service: str, user: str) -> str:
        raise RuntimeError("the keyring is locked")

    monkeypatch.setattr(sys.modules["keyring"], "get_password", locked)
    assert passphrase("desk") == ""
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert passphrase("desk") == ""


@pytest.mark.parametrize("made, given", [(PIECES, WHOLE), (WHOLE, PIECES)])
def test_an_archive_opens_in_whichever_form_it_was_typed(tmp_path: Path, made: str, given: str) -> None:
    """Both are the same on a keyboard."""
    assert made != given
    pack(tmp_path / "a.7z", [Item("a.txt", "file", b"first")], passphrase=made)
    assert [item.data for item in unpacked(tmp_path / "a.7z", given)] == [b"first"]
    with pytest.raises(NeedsPassphrase) as caught:
        unpacked(tmp_path / "a.7z", f"{given}x")
    assert "a.7z" in caught.value.message


def test_what_is_written_is_written_with_whole_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PIECES)
    assert passphrase("desk") == WHOLE


def test_an_archive_of_another_passphrase_keeps_nobody_from_reading_the_others(
    desk: rig.Workspace, at_noon: Callable[[int], dict[str, str]]
) -> None:
    for day, secret in ((1, "old"), (2, "new")):
        desk.cli("backup", env={**at_noon(day), **typed(secret)}).rc(0)
    found = desk.cli("backup.verify", "--all", "--json", env=typed("new")).rc(3).json()
    (locked,) = found["damaged"]  # type: ignore[misc]
    assert locked["path"].startswith("2026-11-01") and VARIABLE in locked["why"] and found["files_checked"] == 1
    assert all(row["damaged"] is None for row in desk.cli("backup.list", "--json").rc(0).json()["backups"])  # type: ignore[attr-defined]
    desk.cli("backup.verify", "--all", env=typed("")).rc(2).says(VARIABLE)


def test_in_clear_nothing_leaves_while_encrypted_ones_are_there(
    desk: rig.Workspace, tmp_path: Path, at_noon: Callable[[int], dict[str, str]]
) -> None:
    """The keyring may only be locked: it is night."""
    desk.cli("backup", env={**at_noon(1), **typed("word")}).rc(0)
    before = sorted((tmp_path / "b").iterdir())
    said = desk.cli("backup", env={**at_noon(2), **typed("")}).rc(0)
    assert sorted((tmp_path / "b").iterdir()) == before and "copied nowhere" in said.out + said.err
    desk.cli("backup", env={**at_noon(3), **typed("word")}).rc(0)
    assert len(list((tmp_path / "b").glob("*.7z"))) == 2


@pytest.fixture
def at_noon() -> Callable[[int], dict[str, str]]:
    """The environment of a day."""
    return lambda day: {"AUTOSYS_NOW": f"2026-11-{day:02d}T12:00:00Z"}
