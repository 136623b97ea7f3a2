"""Which manifest belongs into which environment. Pure: what was found comes as arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from autosys_tasks.config.model import Environment
from autosys_tasks.upgrade import manifest_names
from autosys_tasks.upgrade.values import ABSENT, ManifestDigest


class Mapped(NamedTuple):
    """An environment and its own manifests; what those include is added by who reads them."""

    environment: Environment
    manifests: tuple[str, ...]


def discovered(
    root: str, found: Iterable[str], venvs: Mapping[str, Sequence[str]], said: Mapping[str, ManifestDigest]
) -> list[Mapped]:
    """The environments of a workspace that declares none: a venv beside its manifests, a folder with package.json."""
    python, node = _by_folder(found, said)
    taken: set[str] = set()
    result = []
    for folder in sorted({*python, *node}):
        if folder in python and venvs.get(folder):
            name = _name(folder, "python", taken)
            path = "/".join(part for part in (root, folder, _preferred(venvs[folder])) if part)
            result.append(_mapped(Environment(name, "python", path), python[folder]))
        if folder in node:
            name = _name(folder, "node", taken)
            path = f"{root}/{folder}" if folder else root
            result.append(_mapped(Environment(name, "node", path), node[folder]))
    return result


def _mapped(environment: Environment, files: list[str]) -> Mapped:
    return Mapped(environment._replace(manifests=tuple(files)), tuple(files))


def _by_folder(
    found: Iterable[str], said: Mapping[str, ManifestDigest]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The manifests that ask for something, by folder: Python's, and Node's without members of a workspace."""
    python: dict[str, list[str]] = {}
    node: dict[str, list[str]] = {}
    members = {each for one in said.values() for each in one.includes}
    for path in found:
        folder, _, name = path.rpartition("/")
        if name not in manifest_names.NODE:
            if said[path].digest:
                python.setdefault(folder, []).append(path)
        elif path not in members and said.get(join(folder, "package.json"), ManifestDigest("")).digest:
            node.setdefault(folder, []).append(path)
    return python, node


def _preferred(names: Sequence[str]) -> str:
    return next((name for name in (".venv", "venv") if name in names), names[0])


def _name(folder: str, kind: str, taken: set[str]) -> str:
    """What a discovered environment is called: its kind at the top, else its folder."""
    base = folder.replace("/", "-").replace(" ", "_").lstrip("@") or kind  # `@` begins our own files of that name
    name = base if base not in taken else f"{base}-{kind}"
    taken.add(name)
    return name


def unmapped(found: Iterable[str], said: Mapping[str, ManifestDigest], mapped: Iterable[str]) -> tuple[str, ...]:
    """The manifests that ask for something and belong to no environment; a lock of Node goes by its package.json."""
    known = set(mapped)
    asking = (path for path in found if path not in known and said[path].digest not in ("", ABSENT))
    return tuple(path for path in asking if path.rpartition("/")[2] not in manifest_names.NODE[1:])


def folder_of(path: str) -> str:
    """The folder of a path with `/`; "" at the top."""
    return path.rpartition("/")[0]


def join(folder: str, path: str) -> str:
    """A path that was written in a file of that folder, seen from the workspace; an absolute one stays."""
    if path.startswith("/") or path[1:2] == ":":
        return path
    parts: list[str] = []
    for part in (*folder.split("/"), *path.split("/")):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
