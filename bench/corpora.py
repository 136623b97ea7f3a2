"""Makes the trees that archives are measured with, the same ones each time: a workspace, many small files, logs."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

MB = 1_000_000
SYLLABLES = ("ka", "ro", "mi", "ten", "sul", "da", "pre", "in", "con", "ta", "ver", "le", "shi", "on", "er", "up", "ba")
WEIGHTS = list(accumulate(1 / (number + 3) for number in range(4000)))
FULL = {"workspace": 3000, "many": 100_000, "logs": 1000 * MB}  # files, files, bytes
ROUNDS = {"many": 2, "logs": 2}  # at most: they take nearly all of a run
JOURNAL = 21 * MB
QUICK = {"workspace": 300, "many": 3000, "logs": 24 * MB}  # long enough, each log, for its tail alone to be kept


def make(name: str, folder: Path, amount: int) -> None:
    """Fill `folder` with the tree of that name, `amount` files or bytes of it."""
    folder.mkdir(parents=True)
    {"workspace": _workspace, "many": _many, "logs": _logs}[name](folder, amount)
    for path in _files(folder):
        _age(path)


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
    """Sources, notes and settings of 0 to 60 kB in folders of twenty; one file in twelve is a picture or an archive."""
    rng = random.Random(1)
    words = _words(rng)
    for number in range(files):
        path = folder / f"part {number // 400}" / f"room{number // 20 % 20:02d}" / f"file{number:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = int(min(60_000, rng.expovariate(1 / 9000)))
        if number % 12 == 0:
            path.with_suffix(".png").write_bytes(rng.randbytes(size // 2) + bytes(size // 2))
        elif number % 12 == 1:
            path.with_suffix(rng.choice((".zip", ".jpg"))).write_bytes(rng.randbytes(size))
        else:
            path.with_suffix(rng.choice((".py", ".md", ".json"))).write_bytes(_prose(rng, words, size))


def _many(folder: Path, files: int) -> None:
    """Files of 1.8 kB, five hundred to a folder."""
    rng = random.Random(2)
    words = _words(rng)
    for number in range(files):
        if number % 500 == 0:
            (folder / f"{number // 500:04d}").mkdir()
        text = _prose(rng, words, rng.randrange(3600))
        (folder / f"{number // 500:04d}" / f"note-{number:06d}.md").write_bytes(text)


def _logs(folder: Path, size: int) -> None:
    """Journals of one JSON object a line, twelve at least."""
    count = max(12, size // JOURNAL)
    for number in range(count):
        with (folder / f"worker-{number:02d}.jsonl").open("wb") as file:
            for chunk in _journal(random.Random(number), size // count):
                file.write(chunk)


def _journal(rng: random.Random, size: int) -> Iterator[bytes]:
    """Chunks of distinct lines; what differs between two lines is what differs in a real journal."""
    at, words = 1_795_000_000.0, _words(rng)[:300]
    while size > 0:
        lines = []
        for _ in range(2000):
            at += rng.expovariate(2)
            task, status = rng.choice(words), rng.choice(("done", "done", "done", "retry", "failed"))
            row = {"v": 1, "ts": round(at, 3), "run": f"{rng.getrandbits(48):012x}", "task": task, "status": status,
                   "ms": round(rng.expovariate(1 / 80), 2), "detail": " ".join(rng.choices(words, k=5))}  # fmt: skip
            lines.append(json.dumps(row))
        chunk = ("\n".join(lines) + "\n").encode()
        size -= len(chunk)
        yield chunk


def _words(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(SYLLABLES, k=rng.randrange(1, 5))) for _ in range(len(WEIGHTS))]


def _prose(rng: random.Random, words: list[str], size: int) -> bytes:
    """Words as a person uses them: few of them often."""
    text = " ".join(rng.choices(words, cum_weights=WEIGHTS, k=size // 6 + 1))
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]
    return "\n".join(lines).encode()[:size]
