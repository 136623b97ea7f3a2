"""Histories: what the files said at the last upgrade, what they say now, and what follows. No file, no process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from autosys_tasks.config.model import Environment, Service
from autosys_tasks.core.plan import step_json
from autosys_tasks.upgrade import manifests, mapping, plan
from autosys_tasks.upgrade.values import (
    ABSENT,
    Done,
    EnvironmentSeen,
    Facts,
    Failed,
    ManifestDigest,
    Pulled,
    Record,
    ScriptSeen,
    Snapshot,
)

Files = Mapping[str, str]
REQ, OTHER = "attrs==1\n", "attrs==2\n"
PACKAGE = '{"version": "1", "scripts": {}, "dependencies": {"left": "1"}}'
LOCK = (
    '{"version": "1", "lockfileVersion": 3, "packages": {"": {"version": "1"}, "node_modules/left": {"version": "1"}}}'
)
PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["attrs"]\n'
API = Service("api", ("python", "-m", "api"), environment="main", cwd="/w")
WEB = Service("web", ("npm", "start"), environment="web", cwd="/w/web")
WATCHES = Service("watches", ("run",), restart_on=("app/**/*.py", "설정/*.json"), cwd="/w")
BY_PATH = Service("path", (".venv/bin/python", "x.py"), cwd="/w")
SERVICES = {service.name: service for service in (API, WEB, WATCHES, BY_PATH)}
MAIN = Environment("main", "python", "/w/.venv", ("requirements*.txt", "pyproject.toml", "uv.lock"))
NODE = Environment("web", "node", "/w/web", ("web/package.json", "web/package-lock.json"))
TOOL = Environment("tool", "command", "/w", ("Makefile",), install=("make", "deps"), outputs=("vendor/",))
ALL = frozenset(SERVICES)


def said(files: Files, path: str, seen: Environment | None = None) -> ManifestDigest:
    if path not in files:
        return ManifestDigest(ABSENT)
    found = manifests.digest_of(path, files[path].encode(), whole=seen is not None and seen.kind == "command")
    return found._replace(includes=tuple(mapping.join(mapping.folder_of(path), each) for each in found.includes))


def digests(files: Files, environment: Environment) -> dict[str, str]:
    """What an environment's manifests say, with what they name."""
    from autosys_tasks.core import globs

    todo = [path for path in files if globs.matches(environment.manifests, path)]
    found: dict[str, str] = {}
    while todo:
        path = todo.pop()
        if path not in found:
            one = said(files, path, environment)
            found[path] = one.digest
            todo += one.includes
    return found


class Case(NamedTuple):
    """One history; `then` None: no upgrade is known here."""

    name: str
    then: Files | None
    now: Files
    steps: tuple[str, ...] = ()
    says: str = ""  # in a reason or a note
    environment: Environment = MAIN
    running: frozenset[str] = frozenset()
    pulled: tuple[str, ...] | None = None  # None: git tells nothing
    record: Record = Record()
    missing: str = ""
    interpreter: str = "3.11"
    command: str = "pip"
    scripts: tuple[ScriptSeen, ...] = ()
    only: tuple[str, ...] = ()
    force: bool = False


R = "requirements.txt"
INSTALL, RESTART = "install main", "restart api"
HISTORIES = [
    # what files say
    Case("nothing changed", {R: REQ}, {R: REQ}),
    Case("a version changed", {R: REQ}, {R: OTHER}, (INSTALL,), "requirements.txt changed"),
    Case("only a comment changed", {R: REQ}, {R: f"# 한국어\n{REQ}"}),
    Case("only the ends of lines changed", {R: REQ}, {R: REQ.replace("\n", "\r\n")}),
    Case(
        "requirements_rpa.txt changed",
        {R: REQ, "requirements_rpa.txt": REQ},
        {R: REQ, "requirements_rpa.txt": OTHER},
        (INSTALL,),
    ),
    Case(
        "requirements_tuning.txt is new",
        {R: REQ},
        {R: REQ, "requirements_tuning.txt": REQ},
        (INSTALL,),
        "tuning.txt is new",
    ),
    Case(
        "requirements-lock.txt is gone",
        {R: REQ, "requirements-lock.txt": REQ},
        {R: REQ},
        (INSTALL,),
        "lock.txt is gone",
    ),
    Case("a list of comments alone came", {R: REQ}, {R: REQ, "requirements-x.txt": "# later\n"}),
    Case(
        "an included list changed",
        {R: "-r base.in\n", "base.in": REQ},
        {R: "-r base.in\n", "base.in": OTHER},
        (INSTALL,),
        "base.in",
    ),
    Case(
        "an included list vanished",
        {R: "-r base.in\n", "base.in": REQ},
        {R: "-r base.in\n"},
        (INSTALL,),
        "base.in is gone",
    ),
    Case("constraints changed", {R: "-c c.in\na\n", "c.in": "a<2\n"}, {R: "-c c.in\na\n", "c.in": "a<3\n"}, (INSTALL,)),
    Case("two lists include one another", {R: "-r b.in\n", "b.in": f"-r {R}\n"}, {R: "-r b.in\n", "b.in": f"-r {R}\n"}),
    Case("a project's version changed", {"pyproject.toml": PROJECT}, {"pyproject.toml": PROJECT.replace('"1"', '"2"')}),
    Case(
        "a project's dependency changed",
        {"pyproject.toml": PROJECT},
        {"pyproject.toml": PROJECT.replace("attrs", "idna")},
        (INSTALL,),
    ),
    Case(
        "settings of a linter changed",
        {"pyproject.toml": PROJECT},
        {"pyproject.toml": f"{PROJECT}[tool.ruff]\nx = 1\n"},
    ),
    Case(
        "uv.lock came",
        {"pyproject.toml": PROJECT},
        {"pyproject.toml": PROJECT, "uv.lock": "version = 1\n"},
        (INSTALL,),
        "uv.lock is new",
    ),
    Case(
        "a list of a folder that is not ours changed",
        {R: REQ, "docs/requirements.txt": REQ},
        {R: REQ, "docs/requirements.txt": OTHER},
    ),
    Case("all lists vanished", {R: REQ}, {}, (), "WARN none of its manifests"),
    Case("there never was a list", None, {}, (), "WARN none of its manifests"),
    Case("a list was renamed", {R: REQ}, {"requirements-x.txt": REQ}, (INSTALL,)),
    Case("back to what it was", {R: REQ}, {R: REQ}, (), record=Record(failed=Failed("x", "no such version", 1.0))),
    # what is known
    Case("the first run", None, {R: REQ}, (INSTALL,), "no upgrade of it is known"),
    Case(
        "the first run, nothing there",
        None,
        {R: REQ},
        (INSTALL,),
        "there is no environment",
        missing="there is no environment",
    ),
    Case(
        "the last try failed",
        {R: REQ},
        {R: OTHER},
        (INSTALL,),
        record=Record(failed=Failed("x", "no such version", 1.0)),
    ),
    Case("the first try failed", None, {R: REQ}, (INSTALL,), record=Record(failed=Failed("x", "no such version", 1.0))),
    Case(
        "the last one was cut short",
        {R: REQ},
        {R: REQ},
        (INSTALL,),
        "cut short",
        record=Record(pending=Snapshot("copy", "/x")),
    ),
    Case(
        "its interpreter is gone",
        {R: REQ},
        {R: REQ},
        (INSTALL,),
        "no interpreter",
        missing="there is no interpreter `x`",
    ),
    Case("its interpreter changed", {R: REQ}, {R: REQ}, (INSTALL,), "its interpreter is 3.12 now", interpreter="3.12"),
    Case("its manager changed", {R: REQ}, {R: REQ}, (INSTALL,), "its command is `pnpm` now", command="pnpm"),
    Case("asked for", {R: REQ}, {R: REQ}, (INSTALL,), "--force", force=True),
    Case("another one asked for", {R: REQ}, {R: OTHER}, (), only=("web",)),
    Case("rolled back from this", {R: REQ}, {R: OTHER}, (), "rolled it back", record=Record(refused="now")),
    Case("rolled back from another", {R: REQ}, {R: OTHER}, (INSTALL,), record=Record(refused="other")),
    Case("rolled back, and asked for", {R: REQ}, {R: OTHER}, (INSTALL,), record=Record(refused="now"), force=True),
    # what git says: it explains, it does not decide
    Case("pulled", {R: REQ}, {R: OTHER}, (INSTALL,), "(aaaaaaaa..bbbbbbbb)", pulled=(R,)),
    Case("edited, and not committed", {R: REQ}, {R: OTHER}, (INSTALL,), "(not committed)", pulled=("other.txt",)),
    Case("history was rewritten", {R: REQ}, {R: OTHER}, (INSTALL,), pulled=None),
    Case("1,400 files changed, none of ours", {R: REQ}, {R: REQ}, pulled=tuple(f"f{n}.md" for n in range(1400))),
    # services
    Case("only what runs in it restarts", {R: REQ}, {R: OTHER}, (INSTALL, RESTART, "restart path"), running=ALL),
    Case("what does not run is left alone", {R: REQ}, {R: OTHER}, (INSTALL,), running=frozenset({"web"})),
    Case("nothing changed, all run", {R: REQ}, {R: REQ}, running=ALL),
    Case(
        "a file that a service watches",
        {R: REQ},
        {R: REQ},
        ("restart watches",),
        "app/x/y.py changed",
        running=ALL,
        pulled=("app/x/y.py",),
    ),
    Case(
        "its path is in Hangul",
        {R: REQ},
        {R: REQ},
        ("restart watches",),
        "설정/이름 하나.json",
        running=ALL,
        pulled=("설정/이름 하나.json",),
    ),
    Case("it watches, and is stopped", {R: REQ}, {R: REQ}, running=frozenset({"api"}), pulled=("app/x.py",)),
    Case("it watches other files", {R: REQ}, {R: REQ}, running=ALL, pulled=("lib/x.py", "app/x.txt")),
    Case(
        "one environment asked for, files changed",
        {R: REQ},
        {R: OTHER},
        (INSTALL, RESTART, "restart path"),
        running=ALL,
        pulled=("app/x.py",),
        only=("main",),
    ),
    # Node
    Case(
        "only scripts and version",
        {"web/package.json": PACKAGE},
        {"web/package.json": PACKAGE.replace('"1"', '"2"', 1).replace("{}", '{"a": "b"}')},
        environment=NODE,
    ),
    Case(
        "a dependency",
        {"web/package.json": PACKAGE},
        {"web/package.json": PACKAGE.replace('"left"', '"right"')},
        ("install web",),
        environment=NODE,
    ),
    Case(
        "its lock",
        {"web/package.json": PACKAGE, "web/package-lock.json": LOCK},
        {
            "web/package.json": PACKAGE,
            "web/package-lock.json": LOCK.replace('left": {"version": "1"', 'left": {"version": "2"'),
        },
        ("install web", "restart web"),
        environment=NODE,
        running=ALL,
    ),
    Case(
        "its lock's own version",
        {"web/package-lock.json": LOCK},
        {"web/package-lock.json": LOCK.replace('"version": "1", "lock', '"version": "2", "lock')},
        environment=NODE,
    ),
    Case(
        "node_modules is gone",
        {"web/package.json": PACKAGE},
        {"web/package.json": PACKAGE},
        ("install web",),
        "node_modules",
        environment=NODE,
        missing="there is no folder `node_modules`",
    ),
    # any command
    Case("any byte of it", {"Makefile": "a:\n"}, {"Makefile": "a: # b\n"}, ("install tool",), environment=TOOL),
    Case(
        "what it makes is gone",
        {"Makefile": "a:\n"},
        {"Makefile": "a:\n"},
        ("install tool",),
        "missing: vendor/",
        environment=TOOL,
        missing="missing: vendor/",
    ),
    Case("its files vanished", {"Makefile": "a:\n"}, {}, (), "WARN none of its manifests", environment=TOOL),
    # scripts
    Case(
        "a new script",
        {R: REQ},
        {R: REQ},
        ("chmod run.sh", "check run.sh"),
        scripts=(ScriptSeen("run.sh", (("check", "new"), ("chmod", "new"))),),
    ),
    Case(
        "a changed script is no new one",
        {R: REQ},
        {R: REQ},
        ("check a.sh",),
        scripts=(ScriptSeen("a.sh", (("check", "changed"),)),),
    ),
    Case(
        "a script, and one environment asked for",
        {R: REQ},
        {R: REQ},
        scripts=(ScriptSeen("a.sh", (("check", "new"),)),),
        only=("main",),
    ),
]


def facts(case: Case) -> Facts:
    environment = case.environment
    command = case.command if environment.kind == "python" else " ".join(environment.install) or "npm"
    was = "pip" if environment.kind == "python" else command
    record = case.record
    if case.then is not None:
        record = record._replace(done=Done(digests(case.then, environment), was, "3.11", 1.0))
    seen = EnvironmentSeen(environment, digests(case.now, environment), command, case.interpreter, case.missing, record)
    if record.refused == "now":
        seen = seen._replace(record=record._replace(refused=seen.wanted))
    pulled = Pulled("a" * 40, "b" * 40, case.pulled) if case.pulled is not None else Pulled()
    return Facts((seen,), (), case.running, pulled, case.scripts)


@pytest.mark.parametrize("case", HISTORIES, ids=[case.name for case in HISTORIES])
def test_what_follows_from_a_history(case: Case) -> None:
    """P43 to P46, P49: content decides; a failed, first, rewritten or uncommitted change is missed by nobody."""
    seen = facts(case)
    found = plan.plan(seen, SERVICES, only=case.only, force=case.force)
    assert tuple(f"{step.kind} {step.target}" for step in found.steps) == case.steps
    assert all(step.reason for step in found.steps)
    told = "\n".join([*(step.reason for step in found.steps), *found.notes])
    assert case.says in told
    lines = [plan.explanation(*each) for each in plan.findings(seen, force=case.force)]
    assert len(lines) == 1 and lines[0].startswith(f"{case.environment.name}: "), "explained, whatever it is"


def test_a_manifest_without_an_environment_is_a_warning_that_names_it() -> None:
    """P45."""
    found = plan.plan(Facts(unmapped=("도구/requirements.txt",)), {})
    assert not found.steps and "도구/requirements.txt" in found.notes[0] and found.notes[0].startswith("WARN")


def test_every_kind_of_step_has_its_place_and_a_form_for_json() -> None:
    case = next(case for case in HISTORIES if case.name == "only what runs in it restarts")
    scripts = (ScriptSeen("a.sh", (("check", "new"), ("unblock", "new"), ("chmod", "new"))),)
    found = plan.plan(facts(case)._replace(scripts=scripts), SERVICES)
    kinds = [step.kind for step in found.steps]
    assert kinds == sorted(kinds, key=plan.KINDS.index) and set(kinds) == set(plan.KINDS)
    assert all({"kind", "target", "reason"} <= set(step_json(step)) for step in found.steps)


@pytest.mark.parametrize(
    ("service", "environment", "bound"),
    [
        (API, MAIN, True),
        (API, NODE, False),
        (BY_PATH, MAIN, True),
        (Service("x", ("/w/.venv/bin/tool",), cwd="/w"), MAIN, True),
        (Service("x", ("C:\\w\\.venv\\Scripts\\python.exe",), cwd="C:\\w"), MAIN._replace(path="C:\\w\\.venv"), True),
        (Service("x", ("/w/.venv2/bin/tool",), cwd="/w"), MAIN, False),
        (Service("x", ("python", "x.py"), cwd="/w"), MAIN, False),
        (Service("x", ("web/node_modules/.bin/vite",), cwd="/w"), NODE, True),
        (Service("x", ("/w/web/run",), cwd="/w"), NODE, False),
        (Service("x", ("/w/.venv/bin/python",), environment="web", cwd="/w"), MAIN, False),
    ],
)
def test_a_service_is_bound_by_what_it_says_or_by_where_its_program_lies(
    service: Service, environment: Environment, bound: bool
) -> None:
    assert plan.is_bound(service, environment) is bound
