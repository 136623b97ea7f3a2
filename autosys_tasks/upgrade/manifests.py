"""What of a manifest counts: its dependencies, not its prose. Pure: bytes in, a digest out."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from posixpath import basename
from typing import Any, NamedTuple

from autosys_tasks.upgrade.values import ManifestDigest

PROJECT = ("dependencies", "optional-dependencies", "requires-python", "dynamic")  # the last: where it names the first
POETRY = ("dependencies", "dev-dependencies", "group", "extras", "source")
REST = ("dependency-groups", "build-system")
PDM = ("dev-dependencies", "source", "resolution")
PACKAGE = (
    "dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta",
    "bundledDependencies", "bundleDependencies", "overrides", "resolutions", "workspaces", "packageManager", "pnpm",
)  # fmt: skip
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S.*)")
_LOCAL = re.compile(r"(?:(?:-e|--editable)[ =]?\s*)?(?:[\w.\-\[\], ]+@\s*)?((?:file:|\.{1,2}/|\.$|\.\[)\S*)")
_MEMBER = re.compile(r"\s*-\s*['\"]?([^'\"#]+?)['\"]?\s*(?:#.*)?$")


def digest_of(path: str, raw: bytes, *, whole: bool = False) -> ManifestDigest:
    """What a file asks for. `whole`: every byte of it counts."""
    if whole:
        return ManifestDigest(hashlib.sha256(raw).hexdigest()[:16])
    name = basename(path).lower()
    reader = READERS.get(name) or (_requirements if name.endswith((".txt", ".in")) else _text)
    try:
        return reader(raw)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return _text(raw)  # broken: the tool that installs it will say so


def _hashed(document: object) -> str:
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _text(raw: bytes) -> ManifestDigest:
    """All of it, less how its lines end: git may change that."""
    raw = raw.replace(b"\r\n", b"\n")
    return ManifestDigest(hashlib.sha256(raw).hexdigest()[:16] if raw.strip() else "")


def _decoded(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # another code page: every byte is kept, which is all that a digest needs


def requirement_lines(raw: bytes) -> list[str]:
    """The requirements of a file, one a line: without comments and blanks, long ones put together."""
    joined = re.sub(r"\\\r?\n", " ", _decoded(raw))
    lines = (" ".join(_COMMENT.sub("", line).split()) for line in joined.splitlines())
    return [line for line in lines if line]


def _requirements(raw: bytes) -> ManifestDigest:
    lines = requirement_lines(raw)
    includes = [found for line in lines for found in _named(line)]
    return ManifestDigest(_hashed(lines) if lines else "", tuple(dict.fromkeys(includes)))


def _named(line: str) -> list[str]:
    """The files that a requirement names: other lists, and local projects with what they depend on."""
    if found := _INCLUDE.fullmatch(line):
        return [] if "://" in found[1] or "${" in found[1] else [_unquoted(found[1])]
    found = _LOCAL.match(line)
    if not found or "${" in found[1]:
        return []
    path = re.sub(r"^file:(//)?|\[.*$|[;#].*$", "", found[1]).strip() or "."
    if path.endswith((".whl", ".gz", ".zip")):
        return [path]
    return [f"{path.rstrip('/')}/{name}" for name in ("pyproject.toml", "setup.py", "setup.cfg")]


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'").replace("\\", "/")


def _sections(table: Mapping[str, Any], keys: Iterable[str]) -> dict[str, object]:
    return {key: table[key] for key in keys if table.get(key)}


def _pyproject(raw: bytes) -> ManifestDigest:
    document = tomllib.loads(_decoded(raw))
    project, tool = document.get("project", {}), document.get("tool", {})
    keys = PROJECT if "dependencies" in project.get("dynamic", ()) else PROJECT[:-1]
    counts = {
        "project": _sections(project, keys),
        "poetry": _sections(tool.get("poetry", {}), POETRY),
        "pdm": _sections(tool.get("pdm", {}), PDM),
        "rest": {key: each for key, each in (("uv", tool.get("uv")), *_sections(document, REST).items()) if each},
    }
    asks = any(counts.values())
    return ManifestDigest(_hashed(counts) if asks else "")


def _uv_lock(raw: bytes) -> ManifestDigest:
    """Less the version of the project itself, which is no dependency of it."""
    document = tomllib.loads(_decoded(raw))
    for package in document.get("package", ()):
        if {"editable", "virtual"} & set(package.get("source", {})):
            package.pop("version", None)
    return ManifestDigest(_hashed(document))


def _package(raw: bytes) -> ManifestDigest:
    counts = _sections(json.loads(_decoded(raw)), PACKAGE)
    members: Any = counts.get("workspaces", ())
    if isinstance(members, dict):
        members = members.get("packages", ())
    includes = tuple(f"{str(each).rstrip('/')}/package.json" for each in members if isinstance(members, list))
    return ManifestDigest(_hashed(counts) if set(counts) - {"packageManager", "pnpm"} else "", includes)


def _package_lock(raw: bytes) -> ManifestDigest:
    """Less name and version of the project itself."""
    document = json.loads(_decoded(raw))
    counts = {key: each for key, each in document.items() if key not in ("name", "version")}
    packages = dict(counts.get("packages", {}))
    if isinstance(packages.get(""), dict):
        packages[""] = _sections(packages[""], PACKAGE)
        counts["packages"] = packages
    return ManifestDigest(_hashed(counts))


def _pnpm_members(raw: bytes) -> ManifestDigest:
    found = (_MEMBER.match(line) for line in _decoded(raw).splitlines())
    includes = tuple(f"{each[1].rstrip('/')}/package.json" for each in found if each and each[1][0] != "!")
    return _text(raw)._replace(includes=includes)


READERS: Mapping[str, Callable[[bytes], ManifestDigest]] = {
    "pyproject.toml": _pyproject,
    "uv.lock": _uv_lock,
    "package.json": _package,
    "package-lock.json": _package_lock,
    "npm-shrinkwrap.json": _package_lock,
    "pnpm-workspace.yaml": _pnpm_members,
}


class Project(NamedTuple):
    """What a pyproject.toml can be installed as: the project itself, or only what it depends on."""

    builds: bool
    dependencies: tuple[str, ...] = ()
    poetry: bool = False  # and what it depends on only Poetry can read


def project(raw: bytes) -> Project:
    """How to install from a pyproject.toml; one that does not parse is left to the tool, which says why."""
    try:
        document = tomllib.loads(_decoded(raw))
        listed = tuple(str(each) for each in document.get("project", {}).get("dependencies", ()))
        builds = "build-system" in document
        poetry = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
        return Project(builds, listed, poetry=not (builds or listed) and bool(set(poetry) - {"python"}))
    except (ValueError, AttributeError, TypeError):
        return Project(builds=True)
