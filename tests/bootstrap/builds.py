"""Stands for hatchling in scratch checkouts: an editable install of the same form, without an environment to build in.

Hatchling itself builds the real checkout (test_bootstrap.py, at its end).
"""

from __future__ import annotations

import os
import tomllib
import zipfile
from pathlib import Path


def build_editable(folder: str, settings: object = None, metadata: object = None) -> str:
    """PEP 660: a wheel whose .pth names this folder, in UTF-8 as hatchling's does; its name."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Dist: {need}" for need in project["dependencies"]]
    for extra, needs in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {need}; extra == '{extra}'" for need in needs)]
    files = {
        f"_editable_impl_{name}.pth": os.getcwd(),
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(Path(folder, f"{name}-{version}-py3-none-any.whl"), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return Path(str(wheel.filename)).name
