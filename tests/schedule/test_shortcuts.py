"""What a Windows shortcut runs: read out of its bytes, as MS-SHLLINK has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shortcuts import shortcut

from autosys_tasks.schedule.lnk_text import Shortcut, parsed

TARGET = "C:\\Users\\홍길동\\내 책상\\start.cmd"
CASES = [
    (shortcut(TARGET), Shortcut(TARGET)),
    (shortcut(TARGET, encoding="cp949"), Shortcut(TARGET)),
    (shortcut(TARGET, "-x 'a b'", "D:\\작업"), Shortcut(TARGET, "-x 'a b'", "D:\\작업")),
    (shortcut(TARGET, padding=b"\x14\x00ids"), Shortcut(TARGET)),
    (shortcut(relative="..\\내 책상\\x.cmd"), Shortcut(relative="..\\내 책상\\x.cmd")),
    (shortcut(TARGET, typed="%USERPROFILE%\\x.cmd"), Shortcut("%USERPROFILE%\\x.cmd")),
    (shortcut(), Shortcut()),
]


@pytest.mark.parametrize(("data", "wanted"), CASES)
def test_target_arguments_and_folder_are_read(data: bytes, wanted: Shortcut) -> None:
    assert parsed(data, "cp949") == wanted


@given(st.integers(0, 400), st.binary(max_size=60))
def test_whatever_the_bytes_are_it_is_a_shortcut_or_none(cut: int, more: bytes) -> None:
    data = shortcut(TARGET, "a", "b", typed="c")[:cut] + more
    try:
        parsed(data, "cp949")
    except ValueError:
        pass
