"""py7zr's parser of headers alone. All of py7zr takes as long to load as a night in which nothing changed."""

from __future__ import annotations

import functools
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

PARSER = "py7zr.archiveinfo"
_lock = threading.Lock()


@functools.cache
def parser() -> Any:
    """The module that parses headers; where it asks for more of py7zr than it did, with the whole of py7zr."""
    with _lock:
        if "py7zr" not in sys.modules:
            try:
                return _alone()
            except (ImportError, AttributeError):
                pass
        return import_module(PARSER)


def _alone() -> ModuleType:
    """Import it with stand-ins for py7zr's coders, and forget those: a later `import py7zr` gets the real ones."""
    package, coders, spec = ModuleType("py7zr"), ModuleType("py7zr.compressor"), find_spec("py7zr")
    assert spec is not None and spec.submodule_search_locations is not None, "autosys needs it"
    package.__path__ = spec.submodule_search_locations
    stand_ins: dict[str, Any] = {"SevenZipCompressor": None, "SevenZipDecompressor": None}
    vars(coders).update(stand_ins)
    sys.modules.update({"py7zr": package, "py7zr.compressor": coders})
    try:
        vars(package)["Bad7zFile"] = import_module("py7zr.exceptions").Bad7zFile
        return import_module(PARSER)
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "py7zr"]:
            del sys.modules[name]
