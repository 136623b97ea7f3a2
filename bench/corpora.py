"""Makes the trees that archives are measured with, the same ones each time: a workspace, many small files, logs."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sysconfig
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

MB = 1_000_000
TEXT = 8 * MB  # of the library of Python, from which texts are cut: each passage comes again now and then
SERVICES = [f"{name}-{place}" for name in ("api", "worker", "mail", "search", "db", "web") for place in ("eu", "kr")]
REASONS = ("not running", "port 8123 is closed", "no heartbeat for 95 s", "exited with 137", "http 503")
FULL = {"workspace": 3000, "many": 100_000, "logs": 1000 * MB}  # files, files, bytes
JOURNAL = 20 * MB
QUICK = {"workspace": 300, "many": 3000, "logs": 24 * MB}  # long enough, each log, for its tail alone to be kept


def make(name: str, folder: Path, amount: int) -> None:
    """Fill `folder` with the tree of that name, `amount` files or bytes of it."""
    folder.mkdir(parents=True)
    {"workspace": _workspace, "many": _many, "logs": _logs}[name](folder, amount)
    for path in _files(folder):
        _age(path)


def copy(source: Path, folder: Path) -> None:
    """Fill `folder` with the plain files of another tree."""
    for path in _files(source):
        if not path.is_symlink():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            _age(target)


def change(folder: Path) -> None:
    """What a day does: every hundredth file gets a line more; a file of a megabyte gets a hundredth more of itself."""
    for number, path in enumerate(_files(folder)):
        size = path.stat().st_size
        if size >= MB or number % 100 == 0:
            chunk = next(_journal(random.Random(size), size), b"")
            with path.open("ab") as file:
                file.write(chunk[: max(60, size // 100)])
            _age(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _age(path: Path) -> None:
    """An hour older: what was written a moment ago is read with more care than most files of a night need."""
    then = time.time() - 3600
    os.utime(path, (then, then))


def _workspace(folder: Path, files: int) -> None:
    """Texts of 0 to 60 kB in folders of twenty; one file in twelve is a picture, one an archive."""
    rng, text = random.Random(1), _library()
    for number in range(files):
        path = folder / f"part {number // 400}" / f"room{number // 20 % 20:02d}" / f"file{number:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = int(min(60_000, rng.expovariate(1 / 9000)))
        if number % 12 == 0:
            path.with_suffix(".png").write_bytes(rng.randbytes(size // 2) + bytes(size // 2))
        elif number % 12 == 1:
            path.with_suffix(rng.choice((".zip", ".jpg"))).write_bytes(rng.randbytes(size))
        else:
            path.with_suffix(rng.choice((".py", ".md", ".json"))).write_bytes(_passage(rng, text, size))


def _many(folder: Path, files: int) -> None:
    """Texts of 1.8 kB, five hundred to a folder."""
    rng, text = random.Random(2), _library()
    for number in range(files):
        if number % 500 == 0:
            (folder / f"{number // 500:04d}").mkdir()
        path = folder / f"{number // 500:04d}" / f"note-{number:06d}.md"
        path.write_bytes(_passage(rng, text, rng.randrange(3600)))


def _library() -> bytes:
    """The first sources of the library of the Python that runs this: what people wrote."""
    text = b""
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts and len(text) < TEXT:
            text += path.read_bytes()
    return text[:TEXT]


def _passage(rng: random.Random, text: bytes, size: int) -> bytes:
    """So many bytes of it, from the beginning of some line on."""
    at = text.index(b"\n", rng.randrange(len(text) - size - 10_000)) + 1
    return text[at : at + size]


def _logs(folder: Path, size: int) -> None:
    """Journals, twelve at least; every eleventh has an older one, compressed, beside it."""
    count = max(12, size // JOURNAL)
    for number in range(count):
        with (folder / f"watchdog-{number:02d}.jsonl").open("wb") as file:
            for chunk in _journal(random.Random(number), size // count):
                file.write(chunk)
        if number % 11 == 0:
            old = gzip.compress(b"".join(_journal(random.Random(-1 - number), size // count)), mtime=0)
            (folder / f"watchdog-{number:02d}.jsonl.1.gz").write_bytes(old)


def _journal(rng: random.Random, size: int) -> Iterator[bytes]:
    """Chunks of lines as `watchdog` writes them: every five minutes what was started, and a summary."""
    at = 1_795_000_000.0
    while size > 0:
        lines = []
        for _ in range(1000):
            at += rng.gauss(300, 2)
            run, begun = f"{rng.getrandbits(48):012x}", rng.choices((0, 1, 2, 5), (6, 2, 1, 1))[0]
            for service in rng.sample(SERVICES, begun):
                reason, detail = rng.choice(REASONS), f"pid {rng.randrange(300, 60_000)}"
                lines.append(_line(at, run, "start", service, reason, detail, int(rng.expovariate(1 / 400))))
                at += rng.expovariate(2)
            counts = {"counts": {"done": begun, "failed": 0, "skipped": 0}, "not_so": []}
            detail = f"{len(SERVICES) - begun} as wanted"
            lines.append(_line(at, run, "summary", "", "", detail, int(rng.expovariate(1 / 40)), **counts))
        chunk = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        size -= len(chunk)
        yield chunk


def _line(
    at: float, run: str, step: str, target: str, reason: str, detail: str, ms: int, **more: object
) -> dict[str, object]:
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return {"v": 1, "ts": stamp, "run": run, "task": "watchdog", "step": step, "target": target, "reason": reason,
            "ok": True, "detail": detail, "ms": ms, **more}  # fmt: skip
