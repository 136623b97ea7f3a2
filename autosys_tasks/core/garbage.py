"""Spares Python's collector the search among many small things that all stay."""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """The collector is off: a fifth of the time that 100,000 files take."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def uncollected_at_the_end() -> None:
    """What is left when this process ends is not looked through once more: it goes anyway (15 ms of each command)."""
    atexit.register(gc.freeze)


@contextlib.contextmanager
def frozen() -> Iterator[None]:
    """The same, and what is made in here is never looked through later, nor at the end of the process."""
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()
