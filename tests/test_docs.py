"""Docs that cannot rot: generated pages are up to date, links lead somewhere, commands of the README run."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rig

from autosys_tasks import ns
from autosys_tasks.core import errors

ROOT = rig.REPOSITORY
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    return [line for kind, block in FENCE.findall(text(page)) if not kind for line in block.splitlines() if line]


def test_the_page_of_commands_is_what_the_tasks_say() -> None:
    """If this fails: python docs/make.py --write"""
    argv = [sys.executable, "-X", "utf8", "docs/make.py"]
    made = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout
    assert made.decode("utf-8").replace("\r\n", "\n") == text("docs/tasks.md")


def test_every_task_flag_and_help_text_is_on_the_page() -> None:
    page = text("docs/tasks.md")
    for name, aliases in ns.task_names.items():
        assert re.search(rf"^## inv {min((name, *aliases), key=len)}( |$)", page, re.MULTILINE) and ns[name].__doc__
    empty = [line for line in page.splitlines() if line.startswith("| `--") and line.endswith("|  |")]
    assert not empty, f"flags that say nothing: {empty}"


def test_every_exit_code_and_state_is_explained() -> None:
    page = text("docs/json.md")
    codes = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AutosysError)
    }
    for code in codes | {0, 9, 130}:
        assert f"| {code} |" in page
    shown = set(re.findall(r'Decision\("(\w+)"', text("autosys_tasks/supervise/plan.py")))
    for state in shown | {"stopped", "done", "unready", "starting"}:
        assert f"| `{state}` |" in page, state


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", words):
        assert not target or target.startswith("http") or (page.parent / target).exists(), f"{page}: {target}"
    for anchor in re.findall(r"\]\(#([^)]*)\)", words):
        titles = re.findall(r"^#+ (.*)$", words, re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in slugs, f"{page}: #{anchor}"


def test_the_readmes_say_the_same_in_two_languages() -> None:
    english, korean = text("README.md"), text("README.ko.md")
    assert commands("README.md") == commands("README.ko.md")
    assert len(re.findall("^#", english, re.MULTILINE)) == len(re.findall("^#", korean, re.MULTILINE))
    links = [sorted(set(re.findall(r"\]\((docs/[^)]*)\)", page))) for page in (english, korean)]
    assert links[0] == links[1]
    assert {"python tasks.py bringup", "python tasks.py test"} <= set(commands("README.md"))
    assert len(english.splitlines()) < 100, "it stays short"


@pytest.mark.only("posix")  # on Windows, tests/windows/test_main_job.py goes the README's way
@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_commands_for_a_new_workspace_run_as_written(page: str, workspace: rig.Workspace) -> None:
    toml = next(block for kind, block in FENCE.findall(text(page)) if kind == "toml")
    port = str(rig.free_port())
    for line in commands(page):
        if line.startswith("autosys "):
            workspace.cli(*line.split()[1:]).rc(0)
        if line == "autosys init":
            path = workspace.root / "autosys.toml"
            path.write_text(path.read_text(encoding="utf-8") + toml.replace("8200", port), encoding="utf-8")
    workspace.cli("ps").rc(0).says("ready", *([port] if rig.tells_whose_ports() else []))
    workspace.cli("down").rc(0)


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    titles = re.findall(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)
    assert next(title for title in titles if title != "Unreleased") == version
    from autosys_tasks import __version__

    assert __version__ == version


def test_the_picture_and_the_figures_are_there() -> None:
    assert "<svg" in text("docs/picture.svg") and "http" not in text("docs/picture.svg").replace(
        "http://www.w3.org", ""
    ).replace("http 200", "")
    assert "kill -9" in text("docs/benchmarks.md")


@pytest.mark.only("posix")
def test_what_is_committed_speaks_of_the_project_alone() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode()
    own = Path(__file__).resolve()
    bad = re.compile("/wor" + "k/|/roo" + r"t/\.|pypi\." + r"org|npmjs\." + "org")
    for name in listed.split("\0"):
        path = ROOT / name
        if (
            name
            and path.is_file()
            and path != own
            and path.suffix in (".py", ".md", ".toml", ".json", ".yml", ".svg", "")
        ):
            found = bad.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{name}: {found and found[0]}"
