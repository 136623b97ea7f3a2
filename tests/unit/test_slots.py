"""Two slots: a document is replaced in place, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st

from autosys_tasks.core import slots
from autosys_tasks.core.errors import StateError


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "책상 record.jsonl")


def test_what_was_written_last_is_read(path: str) -> None:
    assert slots.read(path) is None
    for number in range(5):
        slots.write(path, {"n": number, "text": "한글 \ud800"})
        assert slots.read(path) == {"n": number, "text": "한글 \ud800"}
        assert Path(path).stat().st_size == 2 * slots.SLOT


def test_each_line_is_json_for_whoever_wants_to_look(path: str) -> None:
    slots.write(path, {"n": 1})
    slots.write(path, {"n": 2})
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    assert [line["document"]["n"] for line in lines] == [1, 2]


@settings(max_examples=rig.examples(200))
@given(cut=st.integers(0, slots.SLOT), earlier=st.integers(1, 4))
def test_a_write_cut_short_anywhere_leaves_the_old_or_the_new(path: str, cut: int, earlier: int) -> None:
    """kill -9 or a full disk in the middle of it: never a part, never nothing (5.3)."""
    Path(path).unlink(missing_ok=True)
    for number in range(earlier):
        slots.write(path, {"n": number})
    before = Path(path).read_bytes()
    slots.write(path, {"n": "new"})
    after = Path(path).read_bytes()
    start = next(i for i in range(0, len(after), slots.SLOT) if before[i : i + slots.SLOT] != after[i : i + slots.SLOT])
    Path(path).write_bytes(after[: start + cut] + before[start + cut :])
    assert slots.read(path) in ({"n": earlier - 1}, {"n": "new"})


@pytest.mark.parametrize("bad", [b"", b"{}", b"\0" * 16384, b"x" * 20000])
def test_what_is_no_document_is_said_to_be_none(path: str, bad: bytes) -> None:
    Path(path).write_bytes(bad)
    with pytest.raises(ValueError):
        slots.read(path)
    slots.write(path, {"n": 1})
    assert slots.read(path) == {"n": 1}


def test_what_does_not_fit_or_cannot_be_written_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        slots.write(path, "x" * slots.SLOT)
    assert slots.read(path) is None
    with pytest.raises(StateError):
        slots.write(str(tmp_path), {})
