"""Everything at once, killed at random: nothing twice, nothing lost, nobody forgotten (P1, P2, P6; pains 1, 4, 6)."""

from __future__ import annotations

import os

import pytest
import rig

from live import chaos

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]


def test_nothing_starts_twice_and_nothing_is_lost_however_all_is_killed(workspace: rig.Workspace, short: bool) -> None:
    rounds = 500 if not short else 60 if os.name == "posix" else 10
    tally = chaos.run(workspace, rounds, seed=20261125)
    print(tally)
    assert tally.duplicates == 0
    assert tally.strays == 0
    assert tally.lost_lines == 0
    assert tally.missing == 0
    assert tally.wanted_broken == 0
    assert tally.services_killed >= chaos.SERVICES and tally.commands_killed >= chaos.COMMANDS, "that was no chaos"
