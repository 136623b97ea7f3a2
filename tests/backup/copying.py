"""Copies what a folder of backups holds to one place, in a process of its own: python copying.py FOLDER STATE URL."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from autosys_tasks.backup.copies.run import copy_all
from autosys_tasks.backup.values import Backup, Kept
from autosys_tasks.config import model
from autosys_tasks.config.addresses import masked

DAY = 86400.0


def backup(folder: Path, day: int, base: int = 0, *, data: bytes = b"", **more: object) -> Backup:
    """A backup of that day, as far as copying looks at it: an archive, a manifest, and what is known of both."""
    kind = "differential" if base else "full"
    data = data or hashlib.sha256(str(day).encode()).digest() * 50_000
    one = Backup(
        _id(day), kind, day * DAY, _id(base) if base else "", archive_bytes=len(data), verified=True,
        archive_sha256=hashlib.sha256(data).hexdigest(), **more,
    )  # fmt: skip
    (folder / f"{one.stem}.7z").write_bytes(data)
    (folder / f"{one.stem}.manifest.json").write_text(json.dumps(one._asdict()), encoding="utf-8")
    return one


def _id(day: int) -> str:
    return f"2026-11-{day:02}T033000Z"


def there(folder: Path) -> list[Backup]:
    """The backups of such a folder."""
    plain = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.manifest.json"))]
    return [Backup(**{**one, "failed": ()}) for one in plain]


def keep_all(backups: Sequence[Backup]) -> list[Kept]:
    """Retention that lets nothing go."""
    return [Kept(one.id, True, "kept") for one in backups]


def keep_newest(count: int) -> Callable[[Sequence[Backup]], list[Kept]]:
    """Retention that lets the older ones go."""
    return lambda backups: [Kept(one.id, at >= len(backups) - count, "old") for at, one in enumerate(backups)]


def declared(*addresses: str) -> model.Backup:
    """The part of a configuration that names places."""
    return model.Backup(copies=addresses, copies_shown=tuple(masked(one) for one in addresses))


def main() -> int:
    """0 when nothing failed, else 4; what failed on stderr."""
    folder, state, *addresses = sys.argv[1:]
    backups = there(Path(folder))
    retain = keep_newest(int(os.environ["KEEP"])) if "KEEP" in os.environ else keep_all
    outcomes, notes = copy_all(declared(*addresses), Path(folder), backups, Path(state), 100 * DAY, retain)
    for outcome in outcomes:
        print(outcome.step.target, outcome.ok, outcome.detail)
    print(*notes, sep="\n")
    return 4 if any(outcome.ok is False for outcome in outcomes) else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(main())
