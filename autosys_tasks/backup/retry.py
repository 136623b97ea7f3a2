"""Tries locked or unreadable files again, within a budget of time for the whole run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_S = 0.3  # enough for a virus scanner, or an editor that saves
TOTAL_S = 20.0


class RetryBudget:
    """How long one run may wait for other programs in total."""

    def __init__(self, total_s: float = TOTAL_S, sleep: Callable[[float], object] = time.sleep) -> None:
        self.left_s = total_s
        self.sleep = sleep

    def twice(self, action: Callable[[], T]) -> T:
        """`action()`; after an OSError once more, PAUSE_S later. The second error is raised."""
        try:
            return action()
        except OSError:
            self.wait()
            return action()

    def wait(self) -> None:
        """Pause for PAUSE_S, unless the budget is used up."""
        if self.left_s > 0:
            self.left_s -= PAUSE_S
            self.sleep(PAUSE_S)
