"""What of a manifest counts, and which environment it belongs to: as tables, no file and no process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autosys_tasks.core import globs
from autosys_tasks.upgrade import discover, mapping
from autosys_tasks.upgrade.manifest_names import manifests
from autosys_tasks.upgrade.manifests import digest_of
from autosys_tasks.upgrade.values import ManifestDigest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
[project]
name = "책상"
version = "1.0"
dependencies = ["attrs>=20"]
[project.scripts]
desk = "desk:main"
[project.optional-dependencies]
test = ["pytest"]
[tool.ruff]
line-length = 100
"""
PACKAGE = {"name": "desk", "version": "1.0.0", "scripts": {"build": "x"}, "dependencies": {"left": "^1"}}
LOCK = {
    "name": "desk", "version": "1.0.0", "lockfileVersion": 3,
    "packages": {"": {"name": "desk", "dependencies": {"left": "^1"}}, "node_modules/left": {"version": "1.0.3"}},
}  # fmt: skip
UV = """
version = 1
[[package]]
name = "desk"
version = "0.1.0"
source = { editable = "." }
[[package]]
name = "attrs"
version = "23.1"
source = { registry = "r" }
"""


def package(**more: object) -> str:
    return json.dumps({**PACKAGE, **more})


def lock(version: str, left: str) -> str:
    packages = {**LOCK["packages"], "": {**LOCK["packages"][""], "version": version}}  # type: ignore[dict-item]
    return json.dumps({**LOCK, "version": version, "packages": {**packages, "node_modules/left": {"version": left}}})


# (file, before, after, does it ask for something else?)
CHANGES = [
    ("requirements.txt", "attrs\n", "attrs\nidna\n", True),
    ("requirements.txt", "attrs==1\n", "attrs==2\n", True),
    ("requirements.txt", "attrs\n", "# 한국어 주석\nattrs  # why\n\n", False),
    ("requirements.txt", "attrs\nidna\n", "attrs\r\nidna\r\n", False),
    ("requirements.txt", "attrs --hash=sha256:a\n", "attrs \\\n  --hash=sha256:a\n", False),
    ("requirements.txt", "-r base.txt\n", "-r other.txt\n", True),
    ("requirements.txt", "a @ https://x/#egg=a\n", "a @ https://x/#egg=b\n", True),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace("1.0", "1.1"), False),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace("desk:main", "desk:start"), False),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace("100", "120"), False),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace("attrs>=20", "attrs>=21"), True),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace('"pytest"', '"pytest", "mypy"'), True),
    ("pyproject.toml", PYPROJECT, PYPROJECT.replace("hatchling", "setuptools"), True),
    ("pyproject.toml", PYPROJECT, PYPROJECT + '[dependency-groups]\ndev = ["ruff"]\n', True),
    ("pyproject.toml", PYPROJECT, PYPROJECT + '[tool.uv]\nconstraint-dependencies = ["x<2"]\n', True),
    ("pyproject.toml", PYPROJECT, PYPROJECT + '[tool.poetry.dependencies]\nx = "*"\n', True),
    ("pyproject.toml", PYPROJECT, "[broken", True),
    ("uv.lock", UV, UV.replace("0.1.0", "0.2.0"), False),
    ("uv.lock", UV, UV.replace("23.1", "23.2"), True),
    ("poetry.lock", "a\nb\n", "a\r\nb\r\n", False),
    ("poetry.lock", "a\nb\n", "a\nc\n", True),
    ("package.json", package(), package(version="1.0.1"), False),
    ("package.json", package(), package(scripts={"build": "y"}, repository="z", contributes={"commands": []}), False),
    ("package.json", package(), package(dependencies={"left": "^2"}), True),
    ("package.json", package(), package(devDependencies={"right": "^1"}), True),
    ("package.json", package(), package(overrides={"left": "1.0.1"}), True),
    ("package-lock.json", lock("1.0.0", "1.0.3"), lock("1.0.1", "1.0.3"), False),
    ("package-lock.json", lock("1.0.0", "1.0.3"), lock("1.0.0", "1.0.4"), True),
    ("yarn.lock", "a:\n", "b:\n", True),
]


@pytest.mark.parametrize(("name", "before", "after", "differs"), CHANGES)
def test_only_a_change_of_dependencies_counts(name: str, before: str, after: str, differs: bool) -> None:
    """P44: 9 of 16 changes of one package.json touched no dependency."""
    first, second = (digest_of(f"web/{name}", text.encode()) for text in (before, after))
    assert first.digest and second.digest
    assert (first.digest != second.digest) is differs


def test_of_a_command_s_files_every_byte_counts() -> None:
    first, second = (digest_of("Makefile.txt", text, whole=True).digest for text in (b"a # b\n", b"a\n"))
    assert first != second


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "# nothing yet\n"),
        ("pyproject.toml", "[tool.ruff]\nline-length = 120\n"),
        ("pyproject.toml", '[project]\nname = "x"\nversion = "1"\n'),
        ("package.json", '{"type": "module", "scripts": {"x": "y"}}'),
    ],
)
def test_a_file_that_asks_for_nothing_says_so(name: str, text: str) -> None:
    assert digest_of(name, text.encode()).digest == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_the_encoding_of_a_comment_changes_nothing(encoding: str) -> None:
    """P47: a list with Korean comments says what it says, in whichever code page somebody saved it."""
    plain = digest_of("requirements.txt", b"attrs\n")
    assert digest_of("requirements.txt", "attrs  # 한국어 주석\n".encode(encoding)) == plain


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("-r base.txt", ["base.txt"]),
        ("-rbase.txt", ["base.txt"]),
        ("--requirement=dev/base.txt", ["dev/base.txt"]),
        ("-c ../limits.txt", ["../limits.txt"]),
        ("-r https://example.org/r.txt", []),
        ("-r ${HOME}/r.txt", []),
        ("-e .", ["./pyproject.toml", "./setup.py", "./setup.cfg"]),
        ("-e ./libs/a[x]", ["./libs/a/pyproject.toml", "./libs/a/setup.py", "./libs/a/setup.cfg"]),
        ("./wheels/a-1.0-py3-none-any.whl", ["./wheels/a-1.0-py3-none-any.whl"]),
        ("a @ file:./a", ["./a/pyproject.toml", "./a/setup.py", "./a/setup.cfg"]),
        ("attrs>=20", []),
        ("--find-links ./wheels", []),
    ],
)
def test_what_a_list_names_belongs_to_it(line: str, names: list[str]) -> None:
    assert list(digest_of("requirements.txt", line.encode()).includes) == names


def test_members_of_a_node_workspace_belong_to_its_root() -> None:
    found = digest_of("package.json", package(workspaces=["packages/*"]).encode())
    assert found.includes == ("packages/*/package.json",)
    assert digest_of("pnpm-workspace.yaml", b"packages:\n  - 'apps/*'  # x\n  - \"!apps/old\"\n").includes == (
        "apps/*/package.json",
    )


MANIFESTS = [
    "requirements.txt", "requirements_rpa.txt", "requirements_linux.txt", "requirements_tuning.txt",
    "requirements-api.txt", "requirements-lock.txt", "dev-requirements.txt", "pyproject.toml", "uv.lock",
]  # fmt: skip


@pytest.mark.parametrize("name", MANIFESTS)
def test_no_usual_name_is_missed(name: str) -> None:
    """P43: the rule `*requirements.txt` missed requirements_rpa.txt and four others."""
    assert manifests(["README.md", name, name.upper()]) == [name, name.upper()]


@pytest.mark.parametrize("name", ["requirements.md", "notes.txt", "Cargo.lock", "setup.py", "a.toml"])
def test_no_other_name_is_taken_for_a_list(name: str) -> None:
    assert manifests([name]) == []


# --- mapping ----------------------------------------------------------------------------------------------


def discovered(
    found: dict[str, str], venvs: dict[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """(environment -> its manifests, what belongs to none) of a workspace at /w."""
    reads = {path: ManifestDigest(digest) for path, digest in found.items()}
    mapped = mapping.discovered("/w", found, venvs, reads)
    known = [path for each in mapped for path in each.manifests]
    shown = {f"{each.environment.name} {each.environment.path}": each.manifests for each in mapped}
    return shown, mapping.unmapped(found, reads, known)


def test_each_list_belongs_to_the_environment_beside_it() -> None:
    found, loose = discovered(
        {"requirements.txt": "1", "api/requirements.txt": "2", "docs/requirements.txt": "3", "pyproject.toml": ""},
        {"": (".venv",), "api": ("venv", ".venv")},
    )
    assert found == {"python /w/.venv": ("requirements.txt",), "api /w/api/.venv": ("api/requirements.txt",)}
    assert loose == ("docs/requirements.txt",), "P45: what is mapped to nothing is named, never skipped in silence"


def test_a_node_project_is_its_folder_and_may_stand_beside_a_python_one() -> None:
    files = {"web/package.json": "1", "web/package-lock.json": "2", "web/requirements.txt": "3", "package.json": ""}
    found, loose = discovered(files, {"web": (".venv",)})
    assert found == {
        "web /w/web/.venv": ("web/requirements.txt",),
        "web-node /w/web": ("web/package.json", "web/package-lock.json"),
    }
    assert loose == ()


def test_a_member_of_a_node_workspace_is_no_project_of_its_own() -> None:
    member = "packages/a/package.json"
    reads = {"package.json": ManifestDigest("1", (member,)), member: ManifestDigest("2")}
    (found,) = mapping.discovered("/w", reads, {}, reads)
    assert found.manifests == ("package.json",)


@pytest.mark.parametrize(
    ("folder", "path", "joined"),
    [("", "a.txt", "a.txt"), ("a/b", "../c", "a/c"), ("a", "./.", "a"), ("", "../x", "../x"), ("a", "/x/y", "/x/y")],
)
def test_a_path_is_seen_from_the_file_that_names_it(folder: str, path: str, joined: str) -> None:
    assert mapping.join(folder, path) == joined


GLOBS = [
    ("app/**/*.py", "app/a.py", True),
    ("app/**/*.py", "app/x/y/a.py", True),
    ("app/**/*.py", "lib/app/a.py", False),
    ("*.py", "a.py", True),
    ("*.py", "x/a.py", False),
    ("**/*.sh", "a.sh", True),
    ("**/*.sh", "한글 폴더/a b.sh", True),
    ("docs/", "docs/a/b.md", True),
    ("./a?.txt", "ab.txt", True),
    ("a[0-9].txt", "a5.txt", True),
    ("a[!0-9].txt", "a5.txt", False),
    ("app", "app/x.py", False),
    ("a.b", "axb", False),
]


@pytest.mark.parametrize(("glob", "path", "matches"), GLOBS)
def test_globs_mean_what_people_mean(glob: str, path: str, matches: bool) -> None:
    assert globs.matches((glob,), path) is matches


@pytest.mark.parametrize(("glob", "path", "matches"), GLOBS)
def test_a_walk_finds_what_a_glob_names_though_it_looks_at_endings_first(
    tmp_path: Path, glob: str, path: str, matches: bool
) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).touch()
    found = [each for each in discover.walk(str(tmp_path), (glob,)).scripts if (tmp_path / each).is_file()]
    assert found == ([path] if matches else [])
