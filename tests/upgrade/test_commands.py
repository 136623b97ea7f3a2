"""The argv lists that make environments, as tables: which tool, from which files, and what is said about it."""

from __future__ import annotations

import pytest

from autosys_tasks.upgrade import commands
from autosys_tasks.upgrade.commands import Python, Tools
from autosys_tasks.upgrade.manifests import Project, project

ALL = Tools("/py", "/uv", "/poetry", "/pdm", "/npm", "/pnpm", "/yarn")
NONE = Tools("/py")
PROJECT = {"pyproject.toml": Project(builds=True)}
FOR_POETRY = {"pyproject.toml": Project(builds=False, poetry=True)}
LIBRARY = {"a/pyproject.toml": Project(builds=False, dependencies=("attrs>=20", "idna"))}


def python(
    *manifests: str, tools: Tools, projects: dict[str, Project] | None = None, **more: bool
) -> tuple[list[str], str]:
    """(each command as words, the notes)."""
    want = Python("/v", "/v/python", "/w", manifests, projects or {}, "/s", **more)  # type: ignore[arg-type]
    found, notes = commands.python_commands(want, tools)
    return [" ".join(command.argv) for command in found], "; ".join(notes)


PIP = "/v/python -m pip install --disable-pip-version-check --no-input"
UV = "/uv pip install --python /v/python"
CASES = [
    ("lists together", ("r.txt", "requirements-b.txt"), ALL, {}, [f"{UV} -r r.txt -r requirements-b.txt"], ""),
    ("without uv", ("r.txt",), NONE, {}, [f"{PIP} -r r.txt"], ""),
    ("a project that is built", ("pyproject.toml",), ALL, PROJECT, [f"{UV} -e /w"], ""),
    ("one that is not, in a folder", ("a/pyproject.toml",), NONE, LIBRARY, [f"{PIP} attrs>=20 idna"], ""),
    (
        "as uv has locked it, and a list",
        ("pyproject.toml", "uv.lock", "r.txt"),
        ALL,
        PROJECT,
        ["/uv export --quiet --frozen --format requirements-txt --output-file /s", f"{UV} -r /s", f"{UV} -r r.txt"],
        "",
    ),
    ("locked, and no uv", ("pyproject.toml", "uv.lock"), NONE, PROJECT, [f"{PIP} -e /w"], "uv.lock needs uv"),
    ("poetry", ("pyproject.toml", "poetry.lock"), ALL, PROJECT, ["/poetry install --no-interaction"], ""),
    ("pdm", ("pyproject.toml", "pdm.lock"), ALL, PROJECT, ["/pdm sync"], ""),
    ("no poetry", ("pyproject.toml", "poetry.lock"), NONE, PROJECT, [f"{PIP} -e /w"], "poetry.lock needs poetry"),
    ("poetry alone can", ("pyproject.toml",), NONE, FOR_POETRY, ["poetry install --no-interaction"], ""),
    ("nothing that installs", ("pdm.lock",), ALL, {}, [], ""),
]


@pytest.mark.parametrize(
    ("name", "files", "tools", "projects", "argvs", "note"), CASES, ids=[case[0] for case in CASES]
)
def test_what_installs_a_python_environment(
    name: str, files: tuple[str, ...], tools: Tools, projects: dict[str, Project], argvs: list[str], note: str
) -> None:
    found, notes = python(*files, tools=tools, projects=projects)
    assert found == argvs
    assert note in notes and bool(note) == bool(notes)


def test_lists_of_one_folder_are_read_there_and_those_of_several_in_the_workspace() -> None:
    """`-e .` in a list is seen from where pip runs: for a person, from the folder of the list."""
    for tools in (ALL, NONE):
        want = Python("/v", "/v/python", "/w", ("api/r.txt", "api/requirements-dev.txt"), {}, "/s")
        (command,), _notes = commands.python_commands(want, tools)
        assert command.cwd == "/w/api" and command.argv[-4:] == ("-r", "r.txt", "-r", "requirements-dev.txt")
        (command,), _notes = commands.python_commands(want._replace(manifests=("api/r.txt", "r.txt")), tools)
        assert command.cwd == "/w" and command.argv[-4:] == ("-r", "api/r.txt", "-r", "r.txt")


def test_a_list_in_another_code_page_goes_to_pip_with_the_code_page_of_the_system() -> None:
    """P47: uv reads UTF-8 alone."""
    found, _notes = python("r.txt", tools=ALL, utf8=False)
    assert found == [f"{PIP} -r r.txt"]
    want = Python("/v", "/v/python", "/w", ("r.txt",), {}, "/s", utf8=False)
    assert commands.python_commands(want, ALL)[0][0].env == {"PYTHONUTF8": "0"}


def test_an_environment_without_pip_is_given_one_where_there_is_no_uv() -> None:
    found, _notes = python("r.txt", tools=NONE, has_pip=False)
    assert found == ["/v/python -m ensurepip --default-pip", f"{PIP} -r r.txt"]


NODE = [
    ("npm", ("package.json", "package-lock.json"), "", "/npm ci --no-audit --no-fund --prefer-offline"),
    ("npm", ("package.json", "npm-shrinkwrap.json"), "", "/npm ci --no-audit --no-fund --prefer-offline"),
    ("npm", ("package.json",), "", "/npm install --no-package-lock --no-audit --no-fund --prefer-offline"),
    ("pnpm", ("package.json", "pnpm-lock.yaml"), "", "/pnpm install --frozen-lockfile"),
    ("yarn", ("package.json", "yarn.lock"), "# yarn lockfile v1", "/yarn install --frozen-lockfile"),
    ("yarn", ("package.json", "yarn.lock"), "", "/yarn install --immutable"),
]


@pytest.mark.parametrize(("manager", "files", "head", "argv"), NODE)
def test_what_installs_node_modules(manager: str, files: tuple[str, ...], head: str, argv: str) -> None:
    assert " ".join(commands.node_command("/w", manager, files, head, ALL).argv) == argv


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[build-system]\nrequires = []\n[project]\nname = "x"\n', Project(builds=True)),
        ('[project]\nname = "x"\ndependencies = ["a", "b"]\n', Project(False, ("a", "b"))),
        ("[broken", Project(builds=True)),
        ('[tool.poetry.dependencies]\npython = "*"\nidna = "*"\n', Project(False, poetry=True)),
        ('[tool.poetry.dependencies]\nidna = "*"\n[build-system]\nrequires = []\n', Project(builds=True)),
        ('[project]\ndependencies = ["a"]\n[tool.poetry.dependencies]\nidna = "*"\n', Project(False, ("a",))),
    ],
)
def test_how_a_project_can_be_installed(text: str, found: Project) -> None:
    assert project(text.encode()) == found
