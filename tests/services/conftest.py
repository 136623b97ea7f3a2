"""A queue of one's own for a test, a shared one for tests that only ask, and an end for whatever was started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import desk
import pytest

P = TypeVar("P", bound=desk.Program)


@pytest.fixture
def ended() -> Iterator[Callable[[P], P]]:
    """ended(program): that program, gone when the test is over."""
    programs: list[desk.Program] = []

    def keep(program: P) -> P:
        programs.append(program)
        return program

    yield keep
    for program in reversed(programs):
        program.close()


@pytest.fixture
def queue(tmp_path: Path, ended: Callable[[desk.Queue], desk.Queue]) -> desk.Queue:
    """A queue server of this test alone, which knows the kinds ping and wait."""
    server = ended(desk.Queue(tmp_path))
    server.present()
    return server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[desk.Queue]:
    """One queue server for the tests of a module that leave no open task behind."""
    server = desk.Queue(tmp_path_factory.mktemp("shared"))
    server.present()
    yield server
    server.close()
