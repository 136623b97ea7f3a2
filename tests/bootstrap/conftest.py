"""Checkouts in an awkward folder, new ones and two that every test here may share and must leave working."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from checkout import WORDS, Checkout, stub

AWKWARD = "책상 R&D 100%"
collect_ignore = ["test_bootstrap.py"] if sys.platform == "win32" else []  # there: tests/windows/test_main_job.py


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH that holds uv (it comes with the `test` extra) and nothing else."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if not found:
        pytest.fail("no uv here; type: python tasks.py test")
    folder = tmp_path_factory.mktemp("uv")
    (folder / Path(found).name).symlink_to(found)
    return folder


@pytest.fixture(scope="session")
def index(uv: Path) -> None:
    """Tests that install packages need a package index."""
    argv = [str(uv / "uv"), "pip", "compile", "--quiet", "--no-cache", "-"]
    asked = subprocess.run(argv, input=b"iniconfig", capture_output=True, check=False)
    if asked.returncode:
        missing = f"the package index cannot be reached: {asked.stderr.decode(errors='replace')[-300:]}"
        pytest.fail(missing) if os.environ.get("AUTOSYS_REQUIRE_ALL") == "1" else pytest.skip(missing)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """One without a .venv."""
    return Checkout(tmp_path / AWKWARD)


@pytest.fixture(scope="session")
def made_by_pip(index: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, rig.Result]:
    """One after its first run, with a uv on PATH that cannot install; and how that run went."""
    made = Checkout(tmp_path_factory.mktemp("pip") / AWKWARD)
    broken = stub(tmp_path_factory.mktemp("broken"), "uv", "echo 'error: no route to the index' >&2; exit 2")
    return made, made.run("echo", "--words", WORDS, "--code", "7", path=broken)


@pytest.fixture(scope="session")
def made_by_uv(index: None, tmp_path_factory: pytest.TempPathFactory, uv: Path) -> Checkout:
    """One after its first run, with uv on PATH."""
    made = Checkout(tmp_path_factory.mktemp("by-uv") / AWKWARD)
    made.run("echo", path=uv).rc(0)
    return made
