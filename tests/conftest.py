"""Fixtures for every test, and the guard that every test is under: nothing of the person's is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import rig

REAL_HOME = Path.home()
HOMES = {
    "HOME": "", "USERPROFILE": "", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache", "LOCALAPPDATA": "local", "APPDATA": "roaming",
    "XDG_RUNTIME_DIR": "run",  # no user manager of the person's is asked
}  # fmt: skip
LEAKY = (
    "AUTOSYS_WORKSPACE",
    "AUTOSYS_STATE",
    "AUTOSYS_NOW",
    "AUTOSYS_FAULT",
    "AUTOSYS_LANG",
    "AUTOSYS_INSTANCE",
)
LONGEST = (  # these files come first, so that no worker idles at the end
    "test_survival", "test_bootstrap", "test_installing_in_place", "test_command_lines", "test_backup_runs",
    "test_healing", "test_backup_ends", "test_broken_pull", "test_installing", "test_installing_others",
    "test_states", "test_wrong_words", "test_interface", "test_launchd", "test_cron", "test_owners", "test_keeper",
    "test_archive_commands", "test_with_scopes", "test_with_systemd", "test_vscode",
    "test_health_page", "test_backup_and_back", "test_report", "test_after_a_pull", "test_copies_commands",
    "test_git_awkward", "test_archive_limits", "test_copies", "test_hooks", "test_health_rivals",
    "test_upgrade_commands", "test_queue_server", "test_guard", "test_night", "test_restore", "test_pages",
    "test_git_random",
)  # fmt: skip
REAL_PLACES = (".local/state", ".config/systemd/user", ".config/autostart", "Library/LaunchAgents", ".vscode")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="run the long tests, marked `live`, and only those")
    parser.addoption("--short", action="store_true", help="with --live: fewer rounds, for every submission")
    parser.addoption("--windows", action="store_true", help="the tests that drive a Windows from Linux, and only those")


def pytest_configure(config: pytest.Config) -> None:
    # No deadline of its own: it goes by the clock, and others may be at work. A fixture serves all examples of a test.
    # CI tries the same examples each time: what it says is about the change. Every other run looks for new ones.
    excused = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
    count = rig.examples(100)
    hypothesis.settings.register_profile(
        "patient", max_examples=count, deadline=None, suppress_health_check=excused, derandomize=rig.IN_CI
    )
    hypothesis.settings.load_profile("patient")
    config.option.loadscopereorder = False  # xdist: files in our order, not by their number of tests
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it each command of a test compiles all of ours anew,
    sys.dont_write_bytecode = False  # and every worker of pytest all tests: 5 s of a processor each
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started with `&` by a script: our children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {name for name in ("live", "windows") if config.getoption(f"--{name}")}

    def is_wanted(item: pytest.Item) -> bool:
        return {name for name in ("live", "windows") if item.get_closest_marker(name)} == wanted and is_for_here(item)

    leave = [item for item in items if not is_wanted(item)]
    items[:] = sorted(filter(is_wanted, items), key=place)
    config.hook.pytest_deselected(items=leave)


def place(item: pytest.Item) -> int:
    """Where its file comes among all."""
    return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)


def is_for_here(item: pytest.Item) -> bool:
    """Whether it is about this system; what is about another one is nothing that this machine lacks."""
    here = {"linux": sys.platform == "linux", "posix": os.name == "posix", "win32": sys.platform == "win32"}
    return all(here[str(name)] for marker in item.iter_markers("only") for name in marker.args)


# Capabilities


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("capability"):
        for name in marker.args:
            reason = lacking(str(name))
            if reason and os.environ.get("AUTOSYS_REQUIRE_ALL") == "1":
                pytest.fail(f"capability `{name}` is required here: {reason}", pytrace=False)
            if reason:
                pytest.skip(f"capability `{name}`: {reason}")


def lacking(name: str) -> str:
    """Why this machine lacks a capability, "" when it has it; any name not listed is a program on PATH."""
    if name == "root":
        return "" if getattr(os, "geteuid", lambda: 1)() == 0 else "not run as root"
    if name == "mount":
        return can_mount()
    if name == "old-python":
        return "" if old_pythons() else "no Python older than 3.11 found"
    if name == "user manager":
        import user_manager

        return user_manager.lacking()
    if name == "browser":
        import browser

        return browser.lacking()
    if name == "hangul":
        return "" if has_hangul() else "no font with Hangul (fc-list :lang=ko)"
    return "" if shutil.which(name) else f"no program `{name}` on PATH"


def can_mount() -> str:
    """Why no small disk can be mounted for a test, "" when one can."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if not done.returncode:
            subprocess.run(["umount", folder], check=True)
        return done.stderr.strip()


def has_hangul() -> bool:
    """Whether a font of this machine has Hangul in it."""
    found = shutil.which("fc-list")
    return bool(found and subprocess.run([found, ":lang=ko"], capture_output=True, check=False).stdout.strip())


def old_pythons() -> list[Path]:
    """Interpreters too old for autosys that this machine happens to have."""
    found = [shutil.which(f"python{version}") for version in ("2.7", "3.6", "3.8", "3.9", "3.10")]
    return [Path(path) for path in found if path]


# The guard


@pytest.fixture(scope="session")
def scratch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of every test, which has to stay free of our things."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def nothing_of_the_person_is_touched(
    scratch_home: Path, monkeypatch: pytest.MonkeyPatch, real_places_stay: None
) -> Iterator[None]:
    """Home, state and the repository's outputs are out of reach, and looked at afterwards."""
    for name, folder in HOMES.items():
        monkeypatch.setenv(name, str(scratch_home / folder))
    for name in LEAKY:
        monkeypatch.delenv(name, raising=False)
    yield
    ours = bearing_our_name(scratch_home)
    if ours:
        shutil.rmtree(scratch_home)
        scratch_home.mkdir()
    assert not ours, f"a test without AUTOSYS_STATE wrote into the home folder: {ours}"


def bearing_our_name(home: Path) -> list[str]:
    """What of ours lies below that folder, after each of all tests: no folder is looked into that is of others.

    What pip and uv keep in their caches is their own, and so is what systemd remembers of a timer that is registered.
    """
    found: list[str] = []
    for root, folders, files in os.walk(home):
        folders[:] = [name for name in folders if name not in ("cache", "timers")]
        found += [os.path.join(root, name) for name in (*folders, *files) if "autosys" in name]
    return found


@pytest.fixture(scope="session")
def real_places_stay() -> Iterator[None]:
    """Fails the run when anything of ours appeared in the real home or in the repository's own outputs."""
    busy = bool(
        list(rig.processes_with("AUTOSYS_WORKSPACE", str(rig.REPOSITORY)))
    )  # its own services write there
    before = seen(busy)
    yield
    assert seen(busy) == before, f"tests touched real places: {seen(busy) ^ before}"


def seen(busy: bool) -> set[tuple[str, int]]:
    """What of ours lies in places that tests must not touch, with times."""
    paths = [path for place in REAL_PLACES for path in (REAL_HOME / place).glob("*autosys*")]
    if not busy:
        paths += [path for folder in ("outputs", "backups") for path in (rig.REPOSITORY / folder).rglob("*")]
    return {(str(path), 0 if path.is_dir() else path.stat().st_mtime_ns) for path in paths if path.exists()}


# Fixtures


@pytest.fixture
def wait_for() -> Callable[..., object]:
    """wait_for(fact, deadline_s): the first true answer of `fact`, or the test fails."""
    return rig.wait_for


@pytest.fixture
def free_port() -> Callable[[], int]:
    """free_port(): another port of 127.0.0.1 that nobody listens on."""
    return rig.free_port


@pytest.fixture
def short(request: pytest.FixtureRequest) -> bool:
    """Whether a live test shall be content with fewer rounds."""
    return bool(request.config.getoption("--short"))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[rig.Workspace]:
    """A scratch workspace; who lives on in it is ended, and fails the test if that had said `down`."""
    root = tmp_path / "책상 R&D 100%"
    root.mkdir()
    space = rig.Workspace(root, rig.scratch_state())
    yield space
    if space.said_down:
        rig.wait_for(space.caught_up, rig.PATIENCE_S, what="a tick's backup to end, which is none of `down`")
    left = space.end_all()
    shutil.rmtree(space.state.parent, ignore_errors=True)
    assert not (left and space.said_down), f"`down` was said, and these lived on: {left}"


@pytest.fixture
def cli(workspace: rig.Workspace) -> Callable[..., rig.Result]:
    """cli("ps", "--json").rc(0).json(): the real command, run in the scratch workspace to its end."""
    return workspace.cli
