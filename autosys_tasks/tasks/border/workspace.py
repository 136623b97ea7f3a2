"""The workspace that a command is about, and how its commands are typed there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autosys_tasks.config.model import Config
    from autosys_tasks.core.errors import ConfigError
    from autosys_tasks.supervise.house import House

FOUND: dict[str, str | None] = {"name": None, "path": None}  # the workspace, as far as this run knows it


def current() -> Config:
    """The configuration of the workspace that this command is about."""
    from autosys_tasks.config.load import find_workspace, load
    from autosys_tasks.core.errors import ConfigError

    folder = find_workspace(here(), os.environ)
    FOUND["path"] = str(folder)
    try:
        config = load(folder)
    except ConfigError as error:
        raise _with_its_commit(error, folder) from None
    FOUND["name"] = config.name
    return config


def _with_its_commit(error: ConfigError, folder: Path) -> ConfigError:
    """The same error, with the commit that broke autosys.toml where one did: without it the file is whole (P48)."""
    from autosys_tasks.bootstrap.blame import before, blame
    from autosys_tasks.config.load import FILE, meant
    from autosys_tasks.core.errors import ConfigError, Problem

    text = before(str(folder), FILE)
    try:
        if not text or not meant(text, folder):
            return error
    except ConfigError:
        return error
    found = blame(str(folder), FILE, "")
    return ConfigError(
        error.message,
        where=error.where,
        hint=f"{error.hint}; or take that commit back: {found.back}",
        problems=[*error.problems, Problem(found.said, "the file was whole before it")],
    )


def house() -> House:
    """The workspace as the supervisor sees it."""
    from autosys_tasks.supervise.house import house_of

    return house_of(current())


def here() -> Path:
    """The folder in which the command was given; raises ConfigError when it is gone."""
    from autosys_tasks.core.errors import ConfigError

    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the folder in which this runs is gone", hint="change to the workspace, then again") from None


def found_path() -> str | None:
    """The folder of the workspace that this run is about, None when there is none."""
    from autosys_tasks.config.load import find_workspace
    from autosys_tasks.core.errors import AutosysError

    try:
        return FOUND["path"] or str(find_workspace(here(), os.environ))
    except AutosysError:
        return None


def program() -> str:
    """What a person types before a task of ours: `inv`; `autosys` where there is no tasks.py, or one without our
    tasks, of which `inv` knows nothing, and where there is no workspace yet."""
    from autosys_tasks.config.taskfile import finds_ours

    folder = found_path()
    found = finds_ours(folder) if folder else None
    through_inv = "autosys_tasks.console" not in sys.modules
    return "inv" if found or (found is None and through_inv) else "autosys"


def as_typed(text: str) -> str:
    """What is shown to a person, as it is typed in this workspace."""
    from autosys_tasks.core.errors import with_program

    return with_program(text, program()) if "inv " in text else text


def typed_document(document: dict[str, object]) -> dict[str, object]:
    """What a document tells, as it is typed in this workspace."""
    from autosys_tasks.core.errors import document_with_program

    return document_with_program(document, program())
