"""What the tests of this folder share."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
import rig


@pytest.fixture(autouse=True)
def nobody_is_waited_for(request: pytest.FixtureRequest) -> Iterator[None]:
    """Who lives on in a scratch workspace is ended at once: an orphan's zombie may take a second to go."""
    space = request.getfixturevalue("workspace") if "workspace" in request.fixturenames else None
    yield
    if isinstance(space, rig.Workspace) and not space.said_down:
        ends = time.monotonic() + 5
        while (living := space.alive()) and time.monotonic() < ends:
            for process in living:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.01)
