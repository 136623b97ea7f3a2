"""Measures autosys beside other supervisors on this machine, in one run; Linux only.

python bench/run.py                        everything
python bench/run.py --only kill --peers autosys,runit --quick
python bench/run.py --json FILE --write-docs
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cache
import machine
import measure_bringup
import measure_chaos
import measure_commands
import measure_kill
import measure_memory
import measure_startup
import measure_status
import measure_survival
import page
import peers
import verdicts
from bare import bare, inv
from peers import autosys
from room import compile_child
from timing import in_turn, spread

PARTS = ("startup", "commands", "kill", "bringup", "status", "memory", "survival", "chaos")
REPOSITORY = Path(__file__).resolve().parent.parent


class Size(NamedTuple):
    """How much is measured."""

    kills: dict[int, int]  # services -> kills
    rounds: int  # the kills are spread over this many passes through the peers
    times: int
    idle_s: float
    settle_s: float
    chaos: int  # rounds


FULL = Size(kills={1: 60, 20: 40, 100: 40}, rounds=4, times=15, idle_s=20, settle_s=8, chaos=500)
QUICK = Size(kills={1: 8, 20: 8}, rounds=1, times=3, idle_s=3, settle_s=4, chaos=20)


def main() -> int:
    """Measure what was asked for, print it, write it down; the exit code is 3 when a target is missed."""
    asked = _arguments()
    if asked.read:
        results = json.loads(asked.read.read_text(encoding="utf-8"))
    else:
        results = _measure(asked)
    _write(asked, results)
    return 3 if any(target["met"] is False for target in results["targets"]) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", type=_words(PARTS), default=PARTS, metavar="PART,...", help=", ".join(PARTS)
    )
    parser.add_argument(
        "--peers",
        type=_words(peers.NAMES),
        default=peers.NAMES,
        metavar="PEER,...",
        help=", ".join(peers.NAMES),
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: for trying the bench, not for figures"
    )
    parser.add_argument("--no-install", action="store_true", help="bring nothing into the cache")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: show the results in FILE")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md from the results")
    return parser.parse_args()


def _words(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def words(text: str) -> tuple[str, ...]:
        asked = tuple(word.strip().replace("-", "_") for word in text.split(","))
        for word in asked:
            if word not in known:
                raise argparse.ArgumentTypeError(f"`{word}` is none of: {', '.join(known)}")
        return asked

    return words


def _measure(asked: argparse.Namespace) -> dict[str, object]:
    size = QUICK if asked.quick else FULL
    cache.compile_environment()
    found, versions, absent = _found(asked)
    results: dict[str, object] = {
        "schema": "autosys.bench/1",
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "quick": asked.quick,
        "machine": machine.describe(),
        "versions": versions,
        "not_measured": absent,
    }
    with tempfile.TemporaryDirectory(prefix="bench-child-") as folder, _endings_are_interrupts():
        child = compile_child(Path(folder))
        for part in asked.only:
            begin = time.monotonic()
            results[part] = _part(part, found, child, size)
            _say(f"{part}: {time.monotonic() - begin:.0f} s")
    results["targets"] = verdicts.verdicts(results)
    return results


def _found(asked: argparse.Namespace) -> tuple[list[ModuleType], dict[str, str], dict[str, str]]:
    found, versions, absent = [], {}, {}
    for peer in map(peers.load, asked.peers):
        version = peer.version()
        if version is None and hasattr(peer, "install") and not asked.no_install:
            _say(f"installing {peer.NAME}: {peer.INSTALL}")
            peer.install()
            version = peer.version()
        if version is None:
            absent[peer.NAME] = peer.INSTALL
        else:
            found.append(peer)
            versions[peer.NAME] = version
    return found, versions, absent


def _part(part: str, found: list[ModuleType], child: Path, size: Size) -> dict[str, object]:
    if part == "startup":
        return measure_startup.measure(child, times=size.times)
    if part == "commands":
        return (
            _guarded("autosys", lambda: measure_commands.measure(child, times=size.times))
            if autosys in found
            else {}
        )
    if part == "chaos":
        return _guarded("chaos", lambda: measure_chaos.measure(rounds=size.chaos)) if autosys in found else {}
    if part == "kill":
        return {str(services): _kills(found, child, services, size) for services in size.kills}
    each: dict[str, Callable[[ModuleType], dict[str, object]]] = {
        "bringup": lambda peer: measure_bringup.measure(peer, child, times=max(size.times // 3, 1)),
        "status": lambda peer: measure_status.measure(peer, child, times=size.times),
        "memory": lambda peer: measure_memory.measure(peer, child, seconds=size.idle_s),
        "survival": lambda peer: measure_survival.measure(peer, child, settle_s=size.settle_s),
    }
    results: dict[str, object] = {"bare_inv_ms": _bare_inv(size)} if part == "bringup" else {}
    for peer in found:
        _say(f"{part}: {peer.NAME}")
        results[peer.NAME] = _guarded(peer.NAME, lambda peer=peer: each[part](peer))  # type: ignore[misc]
    return results


def _bare_inv(size: Size) -> dict[str, float]:
    with bare() as nothing:
        return in_turn({"noop": inv(nothing, "noop")}, times=size.times)["noop"]


def _kills(found: list[ModuleType], child: Path, services: int, size: Size) -> dict[str, object]:
    latencies: dict[str, list[float]] = {peer.NAME: [] for peer in found}
    failed: dict[str, object] = {}
    for turn in range(size.rounds):
        for peer in found:
            if peer.NAME in failed:
                continue
            _say(f"kill: {peer.NAME}, {services} services, pass {turn + 1}")
            kills = min(size.kills[services], getattr(peer, "KILLS", size.kills[services])) // size.rounds
            try:
                latencies[peer.NAME] += measure_kill.measure(
                    peer, child, services=services, kills=kills, seed=turn
                )
            except (RuntimeError, TimeoutError, OSError) as error:
                failed[peer.NAME] = {"error": str(error)}
                _say(f"kill: {peer.NAME}: {error}")
    return {**{name: spread(values) for name, values in latencies.items() if values}, **failed}


def _guarded(name: str, measure: Callable[[], dict[str, object]]) -> dict[str, object]:
    """What `measure` gives; a peer that cannot do it says why, and the others are still measured."""
    try:
        return measure()
    except (RuntimeError, TimeoutError, OSError) as error:
        _say(f"{name}: {error}")
        return {"error": str(error)}


def _write(asked: argparse.Namespace, results: dict[str, object]) -> None:
    print(page.terminal(results))
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n")
    if asked.write_docs:
        target = REPOSITORY / "docs" / "benchmarks.md"
        before = target.read_text(encoding="utf-8")
        target.write_text(page.document(results, before), encoding="utf-8", newline="\n")
        _say(f"wrote {target.relative_to(REPOSITORY)}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _endings_are_interrupts() -> Iterator[None]:
    """Let a polite end or a closed terminal do what Ctrl-C does: clean up, then stop."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted: everything that was started has been ended", file=sys.stderr)
        sys.exit(130)
