"""A workspace whose files grow, and its backups: one a night, made as the command makes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import rig
from kept_trees import DATA_ALONE, Thing, things, write
from packing import noise
from restoring import order

from autosys_tasks.backup import drill, manifest, run, store, verify
from autosys_tasks.backup.drill_result import Drill
from autosys_tasks.backup.owner import owner_of
from autosys_tasks.backup.passphrase import VARIABLE
from autosys_tasks.backup.restore import run as restore
from autosys_tasks.backup.values import Backup, Entry
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of

LONG = 1_200_000  # bytes: long enough for a tail
LOG = "data/로그/worker 1.log"


class Nights:
    """A workspace and its backups, one a night, made as the command makes them."""

    def __init__(self, space: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.space, self.root, self.folder = space, space.root, space.root / "backups"
        self.patch, self.night = monkeypatch, 0
        monkeypatch.setenv("AUTOSYS_STATE", str(space.state))

    def write(self, path: str, data: bytes, **more: int) -> Path:
        return write(self.root / path, data, mtime=1_700_000_000 + self.night, **more)

    def grow(self, path: str, data: bytes) -> None:
        self.write(path, (self.root / path).read_bytes() + data)

    def backup(self) -> Backup:
        """One more; it is whole, and reads back."""
        self.night += 1
        self.patch.setenv("AUTOSYS_NOW", f"2027-02-20T03:{self.night:02}:00Z")
        report = run.backup(house_of(load(self.root)))
        assert report.code == 0, report
        made = store.listed(self.folder)[0][-1]
        secret = os.environ.get(VARIABLE, "")
        assert verify.verify(self.folder, made, secret)[1] == []
        return made

    def entry(self, backup: Backup, path: str = LOG) -> Entry:
        """What its own manifest says of a path."""
        secret = os.environ.get(VARIABLE, "")
        own = manifest.read_entries(self.folder / backup.manifest, secret)
        return next(entry for entry in own if entry.path == path)

    def drilled(self, state: Path) -> Drill:
        """What a drill says of the newest."""
        secret = os.environ.get(VARIABLE, "")
        return drill.drill(self.folder, state, self.root, owner_of(load(self.root)), passphrase=secret)

    def restored(self, backup: Backup, to: Path, *paths: str) -> restore.Report:
        return restore.restore(order(self.folder, backup, to, *paths, passphrase=os.environ.get(VARIABLE, "")))


@pytest.fixture
def nights(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Nights:
    workspace.write(DATA_ALONE)
    made = Nights(workspace, monkeypatch)
    made.write("data/a.txt", b"first\n")
    made.write("data/z/other.bin", noise(300_000, 9))
    made.write(LOG, noise(LONG))
    return made


@pytest.fixture
def grown(nights: Nights) -> tuple[Nights, Backup, Backup]:
    """A full, and a differential for which the log had grown."""
    full = nights.backup()
    nights.grow(LOG, b"one line more\n" * 1000)
    return nights, full, nights.backup()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def all_of(nights: Nights) -> dict[str, Thing]:
    return {path: thing for path, thing in things(nights.root).items() if path.split("/")[0] == "data"}
