"""A service that writes more than any limit: what its log keeps, and how soon the guard looks again."""

from __future__ import annotations

from pathlib import Path

import pytest

from autosys_tasks.supervise import logs
from autosys_tasks.supervise.guard import BEAT_S, TRIM_S, trim_again_s


@pytest.mark.only("posix")
def test_of_a_flood_a_log_keeps_as_much_as_all_its_older_ones_may_hold(tmp_path: Path) -> None:
    log = tmp_path / "flood.log"
    lines = [f"line {number:06d} {'x' * 87}\n" for number in range(20_000)]
    log.write_text("".join(lines), encoding="ascii")
    went = logs.rotate_running(str(log), 100_000, 2)
    assert went > 1_900_000 and log.stat().st_size < 100_000
    kept = (tmp_path / "flood.log.1").read_text(encoding="ascii") + log.read_text(encoding="ascii")
    assert kept == "".join(lines[-kept.count("\n") :]), "the last ones, whole and in order"
    assert 190_000 < (tmp_path / "flood.log.1").stat().st_size <= 200_000


@pytest.mark.only("posix")
@pytest.mark.parametrize("blocks", [16, 17])
def test_a_log_that_ends_with_a_block_is_rotated_once(tmp_path: Path, blocks: int) -> None:
    """P56: nothing was cut from such a one, and the same lines pushed the older ones out every half minute."""
    log = tmp_path / "full.log"
    wrote = (f"{'x' * 63}\n" * 1024).encode("ascii") * blocks
    log.write_bytes(wrote)
    (tmp_path / "full.log.1").write_bytes(b"older\n")
    assert logs.rotate_running(str(log), 1 << 20, 2) == (0 if blocks == 16 else (1 << 20))
    if blocks == 17:
        assert (tmp_path / "full.log.1").read_bytes() + log.read_bytes() == wrote
        assert (tmp_path / "full.log.2").read_bytes() == b"older\n"
    assert logs.rotate_running(str(log), 1 << 20, 2) == 0, "and not again"


@pytest.mark.parametrize(
    ("after_s", "limits", "again_s"),
    [(BEAT_S, 0.0, BEAT_S), (BEAT_S, 1.0, BEAT_S), (BEAT_S, 6.0, BEAT_S / 6), (BEAT_S, 600.0, TRIM_S)],
)
def test_logs_are_looked_at_the_sooner_the_more_they_grow(after_s: float, limits: float, again_s: float) -> None:
    assert trim_again_s(after_s, limits) == again_s


def test_a_flood_that_ebbed_is_looked_at_less_and_less() -> None:
    assert [trim_again_s(each, 0.5) for each in (TRIM_S, 8.0, 20.0)] == [2.0, 16.0, BEAT_S]
