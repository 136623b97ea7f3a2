"""Invoke without what no task of ours uses: half the modules that it loads, and a third of what a command costs."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """A stand-in that loads the real module when something of it is asked for."""

    def __init__(self, name: str, **known: Any) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # the import system's own question
        self.step_aside()
        return getattr(import_module(self.__name__), name)

    def step_aside(self) -> None:
        """Who imports it from now on gets the real one."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


def load_invoke() -> None:
    """Import Invoke, and neither asyncio (by the mock library of its MockContext) nor email (by what knows its version)
    nor YAML."""
    stand_ins = (
        Later("unittest.mock", Mock=_mock),
        Later("importlib.metadata", version=lambda _name: "unknown"),  # Invoke's `__version__`, which nobody asks
        Later("invoke.vendor.yaml"),
    )
    for module in stand_ins:
        sys.modules.setdefault(module.__name__, module)
    with contextlib.suppress(ImportError):  # said by whoever needs it next
        import_module("invoke")
    for module in stand_ins:
        module.step_aside()


def _mock(*args: Any, **options: Any) -> Any:
    return import_module("unittest.mock").Mock(*args, **options)
