"""Runs the suite on CPython for Windows, from Linux: python tests/windows/run.py [--python 3.11] [PYTEST ARGS]

Without arguments: all of it on the oldest Python, the main job on the newest, then the tests that need somebody
outside (a power cut). With arguments: those, on each Python. On Windows itself none of this is needed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from build import CHECKOUT, PYTHONS, Lacking, Python, built
from wine import PLACE, C, Ended, Machine, text_of

FAILED = re.compile(r"^(FAILED|ERROR) (\S+::.*?)(?: - .*)?$", re.MULTILINE)
CLOSING = re.compile(r"^=+ (.*\bin [\d.]+s.*) =+$", re.MULTILINE)
LIMIT_S = 1800.0  # of one share, on a machine that many others use too
EACH = 2  # shares on a core at once: a test waits for about as long as it works
FEW = 3  # so many accidents are tried once more, and said so; more are none
SURVIVAL = ("tests/e2e/test_survival.py", "tests/e2e/test_healing.py")
BACKUP = "tests/backup"
HEALTH, WINDOWS = "tests/health", "tests/windows"
OURS = ("-m", "not portable")  # what holds here when it holds on Linux is not run again
SHARES = (  # all of it on the oldest Python, the main job on the newest; the longest first, so that they end together
    ("3.13", WINDOWS),
    ("3.11", BACKUP),
    ("3.11", "tests/e2e", *(f"--ignore={place}" for place in SURVIVAL)),
    ("3.11", "tests", *(f"--ignore={place}" for place in ("tests/e2e", BACKUP, HEALTH, WINDOWS))),
    ("3.11", *SURVIVAL),
    ("3.11", HEALTH),
)


class Counted(NamedTuple):
    """One run of pytest: its exit code (None = ended by us, too late) and what its closing line says."""

    name: str
    code: int | None
    passed: int
    failed: int
    skipped: int
    bad: tuple[str, ...] = ()  # the tests that failed
    accidents: int = 0  # at most: a fixture that a file shares fails once, and each of its tests with it
    again: int = 0  # of those that passed: at the second try


def main() -> int:
    """The exit code of the first run that failed, 2 where no Windows can be made, else 0."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--python", choices=[python.minor for python in PYTHONS], help="only on this one")
    options.add_argument("--inside", action="store_true", help="leave out the tests that drive it from Linux")
    said, rest = options.parse_known_args()
    try:
        rig = built()
    except Lacking as error:
        print(f"windows: {error}", file=sys.stderr)
        return 2
    began = time.monotonic()
    shares = [(python.minor, *rest) for python in PYTHONS] if rest else SHARES
    pythons = {python.minor: python for python in PYTHONS if said.python in (None, python.minor)}
    chosen = () if rest else OURS
    jobs = [partial(inside, rig, pythons[minor], [*args, *chosen]) for minor, *args in shares if minor in pythons]
    if not rest and not said.inside:
        jobs.insert(len(jobs) // 2, partial(tried, partial(from_linux, rig), ["tests/windows"]))
    try:
        results = on_cores(jobs)
    except KeyboardInterrupt:
        print("windows: interrupted; nothing of it is left", file=sys.stderr)
        return 130
    return told(results, time.monotonic() - began)


def on_cores(jobs: list[Callable[[], Counted]]) -> list[Counted]:
    """All jobs, each on one core: a program and its Windows' kernel take turns, and two cores hinder them."""
    cores: SimpleQueue[int] = SimpleQueue()
    for core in [*os.sched_getaffinity(0)] * EACH:
        cores.put(core)

    def one(job: Callable[[], Counted]) -> Counted:
        core = cores.get()
        os.sched_setaffinity(0, {core})  # this thread's, and so that of all that it starts
        try:
            return job()
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        ended = [pool.submit(one, job) for job in jobs]
        try:
            return [one.result() for one in ended]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C ends those that run; no other begins
            raise


def inside(rig: Path, python: Python, args: list[str]) -> Counted:
    """One run of pytest in a Windows of its own; lines come out as they come, the version before them."""
    run = partial(once, rig, python)
    return run(args) if "--live" in args else tried(run, args)  # what chaos broke once is broken


def tried(run: Callable[[list[str]], Counted], args: list[str]) -> Counted:
    """A run, and once more what failed of it when that is little: alone, since a shared core makes clocks lie here."""
    first = run(args)
    if first.code is None:
        print(f"windows: {first.name}: did not end in time; once more", flush=True)
        return run(args)
    if first.code != 1 or not 0 < first.accidents <= FEW:
        return first
    flags = [arg for arg in args if arg.startswith("--") and not arg.startswith("--ignore")]
    second = run([*flags, *first.bad])
    passed = first.passed + second.passed
    return first._replace(code=second.code, passed=passed, failed=second.failed, again=second.passed)


def once(rig: Path, python: Python, args: list[str]) -> Counted:
    """The same without a second try."""
    required = {key: value for key, value in os.environ.items() if key.startswith("AUTOSYS_REQUIRE")}
    with Machine(rig, python.folder) as machine:
        place = machine.prefix / C / PLACE
        lay(CHECKOUT, place)
        argv = ["-m", "pytest", "-p", "no:cacheprovider", "--durations=10", "--color=no", *args]
        said = machine.python(*argv, cwd=place, timeout_s=LIMIT_S, told=Lines(python.version), **required)
    return counted(" ".join([f"Python {python.version}", *args]), said)


class Lines:
    """Prints what comes in as whole lines, each with a name before it."""

    def __init__(self, name: str) -> None:
        self.name, self.rest = name, b""

    def __call__(self, chunk: bytes) -> None:
        """Take what came."""
        *whole, self.rest = (self.rest + chunk).split(b"\n")
        for line in whole:
            print(f"{self.name}| {text_of(line).rstrip()}", flush=True)


def counted(name: str, said: Ended) -> Counted:
    """What pytest's closing line says; without one, nothing has passed."""
    closing = (CLOSING.findall(said.text) or [""])[-1]

    def number(word: str) -> int:
        found = re.search(rf"(\d+) {word}", closing)
        return int(found[1]) if found else 0

    bad = number("failed") + number("error")
    code = said.code if closing or said.code else 1
    found = FAILED.findall(said.text)
    accidents = len({test if how == "FAILED" else test.partition("::")[0] for how, test in found})
    names = tuple(dict.fromkeys(test for _how, test in found))
    return Counted(name, code, number("passed"), bad, number("skipped"), names, accidents)


def from_linux(rig: Path, args: list[str]) -> Counted:
    """The tests that switch such a Windows on and off."""
    env = {**os.environ, "AUTOSYS_WINDOWS_RIG": str(rig)}
    argv = [sys.executable, "-m", "pytest", "--windows", "--color=no", *args]
    process = subprocess.Popen(argv, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE)
    lines, kept = Lines("linux"), b""
    assert process.stdout is not None
    for line in process.stdout:
        lines(line)
        kept += line
    return counted("from Linux", Ended(process.wait(), kept))


def lay(checkout: Path, place: Path) -> None:
    """A copy of what git knows of the checkout, and of what it would take up."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(argv, cwd=checkout, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source = checkout / name
        if source.is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place / name)


def told(results: list[Counted], took_s: float) -> int:
    """Say how each run went, then all together, in the line that counts."""
    for one in results:
        end = "did not end in time" if one.code is None else f"exit code {one.code}"
        print(f"windows: {one.name}: {one.passed} passed, {one.failed} failed, {one.skipped} skipped; {end}")
        for name in one.bad if one.again else ():
            print(f"windows:   at the second try: {name}")
    print(f"windows: {took_s:.0f} s")
    sums = [sum(getattr(one, word) for one in results) for word in ("passed", "failed", "skipped")]
    print("windows: {} passed, {} failed, {} skipped".format(*sums))
    return next((1 if one.code is None else one.code for one in results if one.code != 0), 0)


if __name__ == "__main__":
    sys.exit(main())
