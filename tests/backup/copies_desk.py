"""A folder of backups, a state folder and one second place: what tests of copies share."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import rig
from copying import DAY, backup, declared, keep_all
from other_places import Site

from autosys_tasks.backup.copies import run as copies
from autosys_tasks.backup.copies import state as copies_state
from autosys_tasks.backup.copies.run import copy_all
from autosys_tasks.backup.values import Backup, Kept
from autosys_tasks.core.plan import Outcome

HERE = Path(__file__).resolve().parent
NOW = 100 * DAY


class Desk:
    """A folder of backups, a state folder, and one second place."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.here, self.state = site, folder / "backups", folder / "state"
        self.here.mkdir()
        self.backups: list[Backup] = []
        self.address = site.address()
        self.retain: Callable[..., list[Kept]] = keep_all

    def add(self, day: int, base: int = 0, **more: object) -> Backup:
        one = backup(self.here, day, base, **more)
        self.backups.append(one)
        return one

    def copy(self, now: float = NOW) -> list[Outcome]:
        self.outcomes, self.notes = copy_all(
            declared(self.address), self.here, self.backups, self.state, now, self.retain, timeout_s=10
        )
        return self.outcomes

    def there(self) -> dict[str, str]:
        """What lies at the place, by name, each as its SHA-256."""
        place = self.site.open()
        found = {name: hashlib.sha256(b"".join(place.read(name))).hexdigest() for name in place.names()}
        place.close()
        return found

    def write(self, name: str, data: bytes) -> None:
        """Somebody else's file at the place."""
        place = self.site.open()
        place.put(name, [data], len(data))
        place.finish(name)
        place.close()

    def whole(self, *backups: Backup) -> dict[str, str]:
        """What has to lie there when these are copied."""
        names = [name for one in backups for name in (f"{one.stem}.7z", f"{one.stem}.manifest.json")]
        return {name: hashlib.sha256((self.here / name).read_bytes()).hexdigest() for name in names}

    def known(self, now: float = NOW) -> copies.PlaceState:
        return copies_state.load(self.state, declared(self.address), now)[0]

    def child(self, fault: str = "", env: Mapping[str, str] | None = None) -> rig.Result:
        """The same in a process that may be killed."""
        argv = [sys.executable, HERE / "copying.py", self.here, self.state, self.address]
        more = {"AUTOSYS_FAULT": fault, "PYTHONPATH": str(rig.REPOSITORY), **(env or {})}
        return rig.start(argv, cwd=self.here, env=more).result()


@pytest.fixture
def disk(near: Site, tmp_path: Path) -> Desk:
    """One whose place is a folder."""
    return Desk(near, tmp_path)
