"""Contract of `host.units`: who stands in which unit, and a unit of its own for a process, of a real user manager."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
import user_manager

from autosys_tasks import host

LIVES = "import time; time.sleep(600)"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[user_manager.UserManager]:
    """A user manager that this very process finds."""
    with user_manager.running(tmp_path, {}) as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made.env["XDG_RUNTIME_DIR"])
        monkeypatch.setattr(host.units, "PATIENCE_S", 10.0)
        yield made


@pytest.fixture
def lingers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says so of this user, for as long as it is there."""
    monkeypatch.setattr(host.units, "LINGERING", str(tmp_path))
    file = tmp_path / host.user_name()
    file.touch()
    return file


def scope() -> str:
    return f"autosys-{uuid.uuid4().hex}.scope"


def test_with_nobody_to_ask_everything_stays_where_it_is(yard):
    who = yard.start(LIVES)
    before = host.units.unit_of(who.pid)
    assert host.units.move_to_scope([who.pid], scope(), "nobody is there", 5.0) == ""
    assert host.units.unit_of(who.pid) == before
    assert host.units.unit_of(2**22 + 1) == "", "nobody is in no unit"


@pytest.mark.only("linux")
@pytest.mark.capability("user manager")
def test_who_stands_outside_is_taken_in_by_a_manager_that_stays_and_by_no_other(yard, manager, lingers):
    """A manager that ends with the last session would end sooner what a session may leave alone."""
    who, name = yard.start(LIVES), scope()
    lingers.unlink()
    before = host.units.unit_of(who.pid)
    assert host.units.move_to_scope([who.pid], name, "", 5.0) == ""
    assert host.units.unit_of(who.pid) == before
    lingers.touch()
    assert host.units.move_to_scope([who.pid], name, "", 5.0) == ""
    assert host.units.unit_of(who.pid) == name
    lingers.unlink()
    assert host.units.move_to_scope([who.pid], another := scope(), "", 5.0) == "", "from one of its units into another"
    assert host.units.unit_of(who.pid) == another


@pytest.mark.only("linux")
@pytest.mark.capability("user manager")
def test_a_scope_is_as_it_was_asked_for_and_forgotten_when_it_is_empty(yard, manager, lingers):
    about = [*("x" * length for length in range(1, 9)), "책상 R&D 100% %h", "two\twords"]
    for words in about:
        who, name = yard.start(LIVES), scope()
        assert host.units.move_to_scope([who.pid], name, words, 7) == ""
        shown = manager.ctl("show", name, "--property=Description,TimeoutStopUSec,CollectMode").splitlines()
        assert {f"Description={words}", "TimeoutStopUSec=7s", "CollectMode=inactive-or-failed"} == set(shown)
        host.end(who)
    rig.wait_for(lambda: manager.listed("autosys-*") == [], what="no scope is left")


@pytest.mark.only("linux")
@pytest.mark.capability("user manager")
def test_a_refusal_is_told_in_the_managers_words(yard, manager, lingers):
    first, second, name = yard.start(LIVES), yard.start(LIVES), scope()
    assert host.units.move_to_scope([first.pid], name, "", 5.0) == ""
    for wanted in (name, "no name for a unit"):
        why = host.units.move_to_scope([second.pid], wanted, "", 5.0)
        assert why.removeprefix("the user manager refuses: ") not in ("", why), why
    assert host.units.unit_of(second.pid) != name
