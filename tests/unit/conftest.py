"""What the tests of the configuration read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autosys_tasks.config.load import load
from autosys_tasks.config.model import Config


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Config]:
    """read(text, API_PORT="1"): the configuration of a folder that holds this text as autosys.toml."""

    def read(text: str, **environ: str) -> Config:
        (tmp_path / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
        return load(tmp_path, environ)

    return read
