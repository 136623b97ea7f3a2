"""What the tests of upgrades share: tiny packages that need no network, environments, and a workspace to upgrade."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import rig

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.upgrade import build, run
from autosys_tasks.upgrade.commands import Tools

LIST = "--no-index\n--find-links ./wheels\n"


def wheel(folder: Path, name: str, version: str, *, needs: Sequence[str] = (), body: str = "") -> Path:
    """A package of one module, as a file that pip and uv install without asking anybody."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    files = {
        f"{name}.py": body or f"VERSION = {version!r}  {'#' * int(version[0])}\n",  # a .pyc goes by second and size
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(each, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Desk:
    """A scratch workspace with packages at hand."""

    def __init__(self, space: rig.Workspace) -> None:
        self.space, self.root = space, space.root
        self.tools = build.found_tools("", str(space.root))

    def house(self) -> House:
        """The workspace as it is declared now."""
        return house_of(load(self.root))

    def upgrade(self, *only: str, force: bool = False, tools: Tools | None = None) -> run.Report:
        """`inv upgrade`, in this process."""
        return run.upgrade(self.house(), only, force=force, tools=tools)

    def planned(self, *only: str, force: bool = False) -> list[tuple[str, str]]:
        """`inv upgrade --dry-run`: (kind, target) of each step."""
        steps = run.planned(self.house(), only, force=force).plan.steps
        return [(step.kind, step.target) for step in steps]

    def wheels(self, *versions: str, name: str = "tiny", needs: Sequence[str] = ()) -> None:
        """Have these versions of a package at hand."""
        for version in versions:
            wheel(self.root / "wheels", name, version, needs=needs)

    def wants(self, *lines: str, path: str = "requirements.txt") -> None:
        """The list asks for this."""
        self.space.file(path, LIST + "\n".join(lines) + "\n")

    def venv(self, path: str = ".venv") -> Path:
        """An environment that a person made."""
        folder = self.root / path
        argv = [self.tools.uv, "venv", "--quiet", "--python", self.tools.base, str(folder)]
        subprocess.run(argv, check=True, cwd=self.root)
        return folder

    def says(self, code: str, path: str = ".venv") -> str:
        """What the environment's own Python prints."""
        argv = [host.python_in(str(self.root / path)), "-c", code]
        done = subprocess.run(argv, capture_output=True, check=False)
        return (done.stdout if done.returncode == 0 else done.stderr).decode("utf-8", "replace").strip()

    def version(self, name: str = "tiny", path: str = ".venv") -> str:
        """Which version of a package the environment has; "" when none."""
        said = self.says(f"import {name}; print({name}.VERSION)", path)
        return "" if "Error" in said else said


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with what it holds, less what Python compiles on the way."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def without_uv(desk: Desk) -> Tools:
    """As on a machine that has none."""
    return desk.tools._replace(uv="")
