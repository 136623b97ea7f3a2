"""What an upgrade may cost, with room for a busy machine; the figures themselves are in docs/benchmarks.md."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import rig
from repos import Repo
from upgrade_desk import Desk

from autosys_tasks.upgrade import run

pytestmark = [pytest.mark.only("posix"), pytest.mark.capability("git")]
MANY = 10_000


def least_cost_s(work: Callable[[], object], times: int = 5) -> float:
    """The seconds of a processor, its own and its children's, that the quickest of some runs takes."""
    costs = []
    for _turn in range(times):
        before = os.times()
        work()
        costs.append(sum(now - then for now, then in zip(os.times()[:4], before[:4], strict=True)))
    return min(costs)


@pytest.fixture
def repo(desk: Desk) -> Repo:
    """A workspace in a repository, with one environment as its list wants it."""
    desk.space.write('[environments.main]\nkind = "command"\npath = "."\ninstall = ["true"]\noutputs = ["deps.txt"]\n'
                     'manifests = ["deps.txt"]\n')  # fmt: skip
    found = Repo(desk.root)
    found.git("init", "--quiet", "-b", "main", "--template=")
    found.commit({"deps.txt": "1\n", ".gitignore": "outputs/\n.venvs/\n"})
    assert desk.upgrade().code == 0
    return found


def test_nothing_to_do_costs_next_to_nothing(desk: Desk, repo: Repo) -> None:
    house = desk.house()
    for path in (desk.root / "deps.txt", desk.root / ".gitignore", desk.root / "autosys.toml"):
        os.utime(path, (1e9, 1e9))  # else it is so young that it is read again
    desk.upgrade()
    assert least_cost_s(lambda: run.upgrade(house)) < 0.06 * rig.stretched(), "15 ms are the aim"


def test_a_pull_of_ten_thousand_files_is_told_in_a_moment(desk: Desk, repo: Repo) -> None:
    repo.commit_many([f"src/{number // 100}/{number}.py" for number in range(MANY)])
    repo.git("checkout-index", "--all", "--force")
    seen = run.planned(desk.house())
    assert len(seen.facts.pulled.files) == MANY and not seen.plan.steps
    assert least_cost_s(lambda: run.planned(desk.house()), times=3) < 0.6 * rig.stretched(), "150 ms are the aim"
