"""Where no supervisor of the system's keeps what it starts in units: macOS, Windows."""

from __future__ import annotations

from collections.abc import Sequence


def unit_of(_pid: int) -> str:
    """The unit that a process stands in; there are none."""
    return ""


def move_to_scope(_pids: Sequence[int], _scope: str, _about: str, _stop_timeout_s: float) -> str:
    """Have processes held in a unit of its own; there is nobody to ask."""
    return ""


def lingers() -> bool:
    """Whether units outlive this user's last session; there are none."""
    return False
