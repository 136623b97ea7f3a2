"""What programs rely on: documents to the letter, exit codes, nothing else on stdout, dry runs that change nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from seen import kill, row, rows, unchanged

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of
from autosys_tasks.tasks.master import _outcome

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
PS_KEYS = {
    "name", "purpose", "state", "wanted", "pid", "uptime_s", "restarts", "last_exit", "reason", "rss_bytes",
    "cpu_percent", "ports", "safe_to_close", "log",
}  # fmt: skip
CHECK_KEYS = {"id", "title", "verdict", "evidence", "why", "ms", "fix", "fixed"}


def is_document(document: dict[str, object], name: str, code: int, space: rig.Workspace) -> None:
    assert document["schema"] == f"autosys.{name}/1"
    assert document["exit_code"] == code
    assert STAMP.fullmatch(str(document["at"]))
    assert document["workspace"] == {"name": space.root.name, "path": str(space.root.resolve())}


def test_every_document_says_what_the_interface_says(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", more='purpose = "x"').service(
        "bad", "crashes.py", more='restart = "never"\nreadiness.tcp = "127.0.0.1:1"'
    )
    document = workspace.cli("bringup", "--no-guard", "--json").rc(3).json()
    is_document(document, "run", 3, workspace)
    assert document["task"] == "bringup"
    outcomes = document["outcomes"]
    assert {(o["kind"], o["target"], o["ok"]) for o in outcomes} == {("start", "api", True), ("start", "bad", True)}  # type: ignore[attr-defined]
    assert all(set(o) >= {"kind", "target", "ok", "detail", "ms"} for o in outcomes)  # type: ignore[attr-defined]
    assert sum(document["summary"].values()) == len(outcomes)  # type: ignore[attr-defined, arg-type]
    assert any("bad" in note for note in document["notes"])  # type: ignore[attr-defined]

    document = workspace.cli("ps", "--json").rc(0).json()
    is_document(document, "ps", 0, workspace)
    assert all(set(one) >= PS_KEYS for one in document["services"])  # type: ignore[attr-defined]
    assert set(document["guard"]) >= {"pid", "state"} and document["guard"]["pid"] is None  # type: ignore[arg-type, index, call-overload]
    bad = rows(workspace)["bad"]
    assert bad["pid"] is None and bad["rss_bytes"] is None and bad["uptime_s"] is None and bad["ports"] == []
    assert set(bad["last_exit"]) >= {"code", "signal", "at", "uptime_s", "log_tail"}  # type: ignore[call-overload]
    assert bad["last_exit"]["code"] == 1 and bad["last_exit"]["signal"] is None  # type: ignore[index]

    document = workspace.cli("health", "--json").rc(3).json()
    is_document(document, "health", 3, workspace)
    checks = document["checks"]
    assert all(set(check) >= CHECK_KEYS for check in checks)  # type: ignore[attr-defined]
    counts = document["counts"]
    assert set(counts) == {"OK", "WARN", "NG", "UNKNOWN", "SKIP"} and sum(counts.values()) == len(checks)  # type: ignore[arg-type, attr-defined, call-overload]
    assert document["verdict"] == "NG"
    verdicts = {check["id"]: check["verdict"] for check in checks}  # type: ignore[attr-defined]
    assert verdicts["service.api"] == "OK" and verdicts["service.bad"] == "NG"
    assert {"config", "watchdog", "autostart", "backup", "upgrade", "disk", "duplicates", "rivals", "vscode"} <= set(
        verdicts
    )
    assert all(verdicts[later] != "OK" for later in ("autostart", "backup", "upgrade", "vscode"))
    saved = json.loads((workspace.outputs / "health_latest.json").read_text(encoding="utf-8"))
    assert saved["counts"] == counts

    document = workspace.cli("watchdog", "--json").rc(3).json()
    is_document(document, "run", 3, workspace)
    document = workspace.cli("config", "--json").rc(0).json()
    is_document(document, "config", 0, workspace)
    assert document["config"]["services"]["api"]["purpose"] == "x"  # type: ignore[index, call-overload]
    assert document["sources"]["services.api.purpose"].startswith("autosys.toml:")  # type: ignore[index, call-overload]
    faults = workspace.cli("config", "--faults", "--json").rc(0).json()["faults"]
    assert {"point": "supervise.after-spawn", "room": "supervise"} in faults  # type: ignore[operator]
    document = workspace.cli("journal", "--json").rc(0).json()
    is_document(document, "journal", 0, workspace)
    for line in document["lines"]:  # type: ignore[attr-defined]
        assert set(line) >= {"v", "ts", "run", "task", "step", "target", "reason", "ok", "detail", "ms"}
    summaries = [line for line in document["lines"] if line["step"] == "summary"]  # type: ignore[attr-defined]
    assert summaries and all("counts" in line for line in summaries)
    assert {line["task"] for line in workspace.cli("journal", "--task", "watchdog", "--json").json()["lines"]} <= {
        "watchdog"
    }  # type: ignore[attr-defined]
    document = workspace.cli("down", "--json").rc(0).json()
    is_document(document, "run", 0, workspace)
    again = workspace.cli("down", "--json").rc(0).json()
    assert again["summary"] == {"done": 0, "failed": 0, "skipped": 0}


def test_dry_runs_show_the_plan_and_change_not_one_byte(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", more='depends_on = ["db"]').service("db", "sleeps.py")

    def look() -> None:
        plan = workspace.cli("bringup", "--dry-run", "--json").rc(0).json()
        is_document(plan, "plan", 0, workspace)
        assert [(s["kind"], s["target"]) for s in plan["steps"]][:2] == [("start", "db"), ("start", "api")]  # type: ignore[attr-defined]
        assert all(step["reason"] for step in plan["steps"])  # type: ignore[attr-defined]
        workspace.cli("bringup", "--dry-run", "--exit-code").rc(9)
        workspace.cli("--dry", "bringup").rc(0).says("would start db")
        workspace.cli("watchdog", "--dry-run").rc(0)
        assert workspace.cli("down", "--dry-run", "--json").rc(0).json()["steps"] == []
        workspace.cli("restart", "api", "--dry-run").rc(0)
        workspace.cli("health", "--fix", "--dry-run").rc(0)

    unchanged(workspace, look)
    workspace.cli("bringup", "--no-guard").rc(0)

    def look_again() -> None:
        assert workspace.cli("bringup", "--no-guard", "--dry-run", "--json", "--exit-code").rc(0).json()["steps"] == []
        down = workspace.cli("down", "--dry-run", "--json").rc(0).json()["steps"]
        assert [step["target"] for step in down] == ["api", "db"]  # type: ignore[attr-defined]
        workspace.cli("ps").rc(0)

    unchanged(workspace, look_again)


@pytest.mark.only("posix")  # the same everywhere
def test_a_hint_leads_on_in_a_folder_without_tasks_py(workspace: rig.Workspace) -> None:
    """Interface 1: `autosys` is for such a folder, and `inv` finds no tasks there."""
    workspace.write("[services.api]\ncommand = ['no-such-program']\n")
    for words, code in ((("bringup", "--no-guard"), 3), (("health", "--only", "service.api"), 3), (("restart",), 2)):
        assert "type `autosys`" in workspace.cli(*words).rc(code).err
    workspace.cli("init").rc(0)
    assert "type `autosys`" not in workspace.cli("restart").rc(2).err


EMPTY = [
    ["health", "--only", ""],
    ["upgrade", "--only", ""],
    ["schedule.unregister", "--dry-run", "--only", ""],
    ["watchdog", "--reset", ""],
    ["backup.list", "--from", ""],
    ["backup.restore", "latest", "", "--to", "x"],
    ["health", "--only=disk", "--only=config"],
]


@pytest.mark.only("posix")  # the parser is the same everywhere, and a command takes long to start in Wine
@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_name_is_not_all_of_them_and_a_second_value_is_no_task(
    workspace: rig.Workspace, words: list[str]
) -> None:
    """Interface 2: a wrong value is usage, under Invoke's own program too."""
    workspace.write("")
    workspace.cli(*words).rc(2).says("usage:")


@pytest.mark.only("posix")  # the parser is the same everywhere, and a command takes long to start in Wine
def test_wrong_words_are_usage_and_name_the_nearest(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for args in (
        ("bringup", "apj"),
        ("down", "apj"),
        ("restart", "apj"),
        ("logs", "apj"),
        ("watchdog", "--reset", "apj"),
    ):
        error = workspace.cli(*args, "--json").rc(2).says("`apj`", "`api`").json()
        is_document(error, "error", 2, workspace)
        assert error["error"]["kind"] == "usage"  # type: ignore[index, call-overload]
    workspace.cli("bringup", "apj").rc(2).says("`apj`", "`api`")
    workspace.cli("health", "--only", "servise.api").rc(2).says("service.api")
    workspace.cli("probe", "nothing").rc(2)
    workspace.cli("restart").rc(2)
    workspace.cli("bringup", "--tiemout", "3").rc(2).says("`bringup` takes no `--tiemout`", "`--timeout`")
    workspace.cli("upgrade", "--nonsense").rc(2).says("`upgrade` takes no `--nonsense`", "autosys upgrade --help")
    workspace.cli("upgrade.status", "--nonsense").rc(2).says("autosys upgrade.status --help")
    workspace.cli("no-such-task").rc(2).says("autosys --list")
    assert "`bringup`" in workspace.cli("brngup", "--json").rc(2).json()["error"]["hint"]  # type: ignore[index, call-overload]
    workspace.cli("health", "--only").rc(2).says("--only needs a value")
    workspace.cli("schedule.show", "--platform", "linx").rc(2).says("`linux`")
    workspace.cli("bringup", "--timeout", "soon", "--json").rc(2).json()
    workspace.cli("bringup", "--timeout=-1").rc(2)
    workspace.cli("down", "--timeout", "nan").rc(2)
    workspace.cli("journal", "--since", "soon").rc(2).says("soon")
    workspace.cli("journal", "--task", "brinup").rc(2).says("`bringup`")
    workspace.cli("watchdog", "--reset", "api").rc(0).says("nothing to clear")
    workspace.cli("watchdog", "--follow", "--json").rc(2).json()
    assert workspace.cli("watchdog", "--follow", "--dry-run", "--json").rc(0).json()["task"] == "watchdog"
    workspace.cli("logs", "api", "--follow", "--json").rc(2)
    for fault in ("supervise.after-spwn:kill", "supervise.after-spawn:kil", "supervise.after-spawn:kill:x"):
        workspace.cli("ps", env={"AUTOSYS_FAULT": fault}).rc(2).says("after-spawn")
    assert not workspace.starts()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[services.api\n", "autosys.toml"),
        ('[services.api]\ncomand = ["x"]\n', "command"),
        ('[services.a]\ncommand = ["x"]\ndepends_on = ["b"]\n[services.b]\ncommand = ["x"]\ndepends_on = ["a"]\n', "a"),
        ('[services.a]\ncommand = ["${env:NOT_THERE}"]\n', "NOT_THERE"),
        ('[services.a]\ncommand = ["x"]\ncwd = "nowhere"\nenvironment = "none"\n', "nowhere"),
    ],
)
def test_a_broken_configuration_ends_everything_with_2_and_all_its_problems(
    workspace: rig.Workspace, text: str, says: str
) -> None:
    workspace.write(text)
    commands = ("bringup", "health", "ps", "watchdog", "down", "config", "probe", "journal")
    every = says == "command" and sys.platform != "win32"  # a command takes long to start in Wine
    for command in commands if every else commands[:2]:  # all of them read the file alike
        if command in ("bringup", "ps"):
            error = workspace.cli(command, "--json").rc(2).json()
            assert error["schema"] == "autosys.error/1" and error["exit_code"] == 2
            assert error["error"]["kind"] == "config" and error["error"]["problems"], error  # type: ignore[index, call-overload]
        else:
            workspace.cli(command).rc(2).says(says)
    assert not workspace.state.exists()


def test_not_utf8_is_broken_and_a_bom_is_fine(workspace: rig.Workspace) -> None:
    (workspace.root / "autosys.toml").write_bytes('[workspace]\nname = "책상"\n'.encode("cp949"))
    workspace.cli("config").rc(2).says("UTF-8")
    (workspace.root / "autosys.toml").write_bytes(b"\xef\xbb\xbf" + '[workspace]\nname = "책상"\n'.encode())
    assert workspace.cli("config", "--json").rc(0).json()["workspace"]["name"] == "책상"  # type: ignore[index, call-overload]


def test_the_same_from_any_folder_and_console(workspace: rig.Workspace, tmp_path: Path) -> None:
    """P35, P58, P59."""
    workspace.write('[workspace]\nname = "책상 ✓"\n').service("api", "sleeps.py", more='purpose = "한글 ✓"')
    deep = workspace.root / "a" / "b"
    deep.mkdir(parents=True)
    workspace.cli("bringup", "--no-guard", cwd=deep).rc(0)
    assert workspace.outputs.is_dir() and not (deep / "outputs").exists()
    away = {"AUTOSYS_WORKSPACE": str(workspace.root)}
    workspace.cli("ps", cwd=tmp_path, env=away).rc(0).says("한글")
    workspace.cli("ps", cwd=tmp_path).rc(2).says("autosys.toml")
    korean = {"PYTHONIOENCODING": "cp949", "PYTHONUTF8": "0"}
    argv = [sys.executable, "-m", "autosys_tasks.program", "ps"]
    env = {key: value for key, value in {**os.environ, **workspace.env(), **korean}.items() if value is not None}
    raw = subprocess.run(argv, cwd=workspace.root, env=env, capture_output=True, check=True).stdout
    assert "한글".encode("cp949") in raw and b"\\u2713" in raw
    raw = subprocess.run([*argv, "--json"], cwd=workspace.root, env=env, capture_output=True, check=True).stdout
    assert raw.isascii() and json.loads(raw)["workspace"]["name"] == "책상 ✓"
    plain = {**env, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    subprocess.run(argv, cwd=workspace.root, env=plain, capture_output=True, check=True)


@pytest.mark.only("posix")
def test_a_reader_that_leaves_and_a_console_that_is_closed_hurt_nobody(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    env = {key: value for key, value in {**os.environ, **workspace.env()}.items() if value is not None}
    for closing in ("| head -c 1", ">&- 2>&-", "> /dev/full"):
        script = f'"$0" -m autosys_tasks.program ps {closing}; exit 0'
        done = subprocess.run(
            ["sh", "-c", script, sys.executable],
            cwd=workspace.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr
    dry = ["sh", "-c", '"$0" -m autosys_tasks.program down --dry-run >&- 2>&-', sys.executable]
    unchanged(workspace, lambda: subprocess.run(dry, cwd=workspace.root, env=env, check=True))


@pytest.mark.only("posix")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_what_cannot_be_said_is_named_and_the_work_is_done(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for more in ("", " --json"):
        script = f'"$0" -m autosys_tasks.program bringup --no-guard{more} >/dev/full'
        rig.start(["sh", "-c", script, sys.executable], cwd=workspace.root, env=workspace.env()).result().rc(1).says(
            "cannot write `stdout`"
        )
    assert row(workspace, "api")["state"] == "ready"


@pytest.mark.only("posix")
@pytest.mark.parametrize("args", [["--list"], ["bringup", "--help"], ["config"], ["ps", "--json"]])
def test_a_reader_who_leaves_hurts_nobody(workspace: rig.Workspace, args: list[str]) -> None:
    """`autosys --list | head -1`: what Invoke prints by itself, too."""
    workspace.service("api", "sleeps.py")
    reads, writes = os.pipe()
    os.close(reads)
    argv, env = [sys.executable, "-m", "autosys_tasks.program", *args], {**os.environ, **workspace.env()}
    env = {name: value for name, value in env.items() if value is not None}
    try:
        done = subprocess.run(argv, cwd=workspace.root, env=env, stdout=writes, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.only("posix")
def test_a_log_that_cannot_be_opened_is_named(workspace: rig.Workspace) -> None:
    """A disk that is read-only is no program that cannot be run."""
    (workspace.outputs / "logs" / "api.log").mkdir(parents=True)
    workspace.write("[watchdog]\nretries = 0\n").service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(3).says(str(workspace.outputs / "logs" / "api.log"))


def test_secrets_reach_the_service_and_nothing_else(workspace: rig.Workspace) -> None:
    """P55."""
    secret = "s3cr3t-value-4711"
    workspace.file(".env", f"TOKEN={secret}\n")
    code = "import os, sys; print('hello', os.environ['TOKEN'], sys.argv[1], flush=True); sys.exit(3)"
    argv = json.dumps([sys.executable, "-c", code, "${env:OTHER}"])
    workspace.write(f'[services.api]\ncommand = {argv}\nenv_file = [".env"]\nrestart = "never"\n')
    env = {"OTHER": "an0ther-secret"}
    said = "".join(
        str(workspace.cli(*args, env=env))
        for args in (
            ("bringup", "--no-guard"), ("ps", "--json"), ("ps",), ("health", "--json"), ("config", "--json"),
            ("config",), ("journal", "--json"), ("watchdog", "--json"), ("bringup", "--dry-run", "--json"),
        )
    )  # fmt: skip
    assert "hello" in (workspace.outputs / "logs" / "api.log").read_text(encoding="utf-8")
    assert secret in (workspace.outputs / "logs" / "api.log").read_text(encoding="utf-8"), "the service had it"
    for hidden in (secret, "an0ther-secret"):
        assert hidden not in said
        for path in [*workspace.outputs.rglob("*"), *workspace.state.rglob("*")]:
            if path.is_file() and path.name != "api.log":
                assert hidden not in path.read_text(encoding="utf-8", errors="replace"), path


def test_a_service_has_its_starters_environment_less_what_was_the_starters_own(workspace: rig.Workspace) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)), flush=True); import time; time.sleep(600)"
    argv = json.dumps([sys.executable, "-c", code])
    workspace.file("one.env", 'A=from file\nB="quoted # value"\n')
    bins = Path(host.bin_folder(str(workspace.root / "venv")))
    bins.mkdir(parents=True)
    workspace.write(
        f'[environments.main]\nkind = "python"\npath = "venv"\n[services.api]\ncommand = {argv}\n'
        'environment = "main"\nenv_file = ["one.env"]\nenv = { A = "from env", C = "${env:KEPT:-no}" }\n'
    )
    given = {"KEPT": "kept", "VIRTUAL_ENV": "/other", "AUTOSYS_FAULT": "upgrade.after-switch:kill"}
    workspace.cli("bringup", "--no-guard", env=given).rc(0)
    log = workspace.outputs / "logs" / "api.log"
    env = rig.wait_for(lambda: log.read_text(encoding="utf-8").strip(), 5)
    seen = json.loads(str(env).splitlines()[0])
    assert (seen["A"], seen["B"], seen["C"], seen["KEPT"]) == ("from env", "quoted # value", "kept", "kept")
    assert seen["PATH"].split(os.pathsep)[0] == str(bins)
    assert seen["VIRTUAL_ENV"] == str(workspace.root / "venv") and "AUTOSYS_FAULT" not in seen
    assert seen["AUTOSYS_SERVICE"] == "api" and len(seen["AUTOSYS_INSTANCE"]) == 36
    assert Path(seen["AUTOSYS_HEARTBEAT"]).parent.is_dir()


@pytest.mark.portable
def test_a_torn_journal_and_a_foreign_line_are_passed_over_and_counted(workspace: rig.Workspace) -> None:
    """P57."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    path = workspace.outputs / "watchdog_log.jsonl"
    with path.open("ab") as file:
        file.write(b'not json\n{"a": 1}\n{"v":1,"ts":"2026')
    workspace.cli("watchdog").rc(0)
    document = workspace.cli("journal", "--json").rc(0).json()
    assert document["skipped"] == 3
    assert document["lines"][-1]["task"] == "watchdog"  # type: ignore[index]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[-1:])


def test_init_writes_what_validates_and_never_overwrites(workspace: rig.Workspace) -> None:
    workspace.cli("init").rc(0).says("autosys.toml", "inv bringup")
    workspace.cli("config").rc(0)
    workspace.cli("bringup", "--no-guard").rc(0)
    (workspace.root / "autosys.toml").write_text("# mine\n", encoding="utf-8")
    workspace.cli("init").rc(0).says("stays as it is")
    assert (workspace.root / "autosys.toml").read_text(encoding="utf-8") == "# mine\n"
    tasks = workspace.root / "tasks.py"
    ours = tasks.read_text(encoding="utf-8")
    tasks.write_text("from invoke import task\n", encoding="utf-8")
    workspace.cli("init").rc(0).says("type `autosys` instead of `inv`", "from autosys_tasks import ns")
    tasks.write_text(ours, encoding="utf-8")
    assert "instead of" not in workspace.cli("init").rc(0).out
    mine = "\n\nfrom invoke import task\n\n\n@task\ndef mine(c):\n    print(1)\n\n\nns.add_task(mine)\n"
    tasks.write_text(tasks.read_text(encoding="utf-8") + mine, encoding="utf-8")
    inv = [sys.executable, "-m", "invoke"]
    done = rig.start([*inv, "--list"], cwd=workspace.root, env=workspace.env()).result().rc(0)
    assert "bringup" in done.out and "mine" in done.out


def test_state_and_outputs_that_cannot_be_written_are_named(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.state.parent.joinpath("file").write_text("", encoding="utf-8")
    bad = {"AUTOSYS_STATE": str(workspace.state.parent / "file")}
    workspace.cli("bringup", env=bad).rc(1).says(str(workspace.state.parent / "file"), "->")
    workspace.file("outputs", "in the way")
    workspace.cli("bringup", "--no-guard").rc(1).says("outputs")
    assert "Traceback" not in workspace.cli("bringup", "--no-guard", "--json").rc(1).err
    workspace.said_down = False


def test_health_fix_mends_looks_again_and_says_so(workspace: rig.Workspace) -> None:
    """P25."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    workspace.cli("health").rc(0)
    workspace.cli("down", "api").rc(0)
    page = workspace.cli("health", "--json").rc(0).json()
    assert {c["id"]: c["verdict"] for c in page["checks"]}["service.api"] == "SKIP"  # type: ignore[attr-defined]
    workspace.cli("bringup").rc(0)
    guard = workspace.cli("ps", "--json").json()["guard"]["pid"]  # type: ignore[index, call-overload]
    kill(guard)
    kill(row(workspace, "api")["pid"])
    workspace.cli("health").rc(3).says("->")
    page = workspace.cli("health", "--fix", "--json").rc(0).json()
    fixed = {c["id"]: c["fixed"] for c in page["checks"] if c["fixed"]}  # type: ignore[attr-defined]
    assert fixed.get("service.api") == "verified", fixed
    left = {c["verdict"] for c in page["checks"]}  # type: ignore[attr-defined]
    assert left <= {"OK", "SKIP", "UNKNOWN"}, "Wine does not list the tasks of its scheduler"
    workspace.cli("down").rc(0)


HELP_OF_ALL = """
import sys
from autosys_tasks.program import main
for task in sys.argv[1:]:
    sys.argv = ["autosys", task, "--help"]
    try:
        main()
    except SystemExit as end:
        print("==", task, end.code or 0)
"""


@pytest.mark.portable
def test_help_helps_for_every_task() -> None:
    listed = rig.start([sys.executable, "-m", "autosys_tasks.program", "--list"], cwd=rig.REPOSITORY).result().rc(0)
    tasks = re.findall(r"^  ([a-z.]+) ", listed.out, re.MULTILINE)
    for task in tasks[:2]:
        argv = [sys.executable, "-m", "autosys_tasks.program", task, "--help"]
        assert "Options:" in rig.start(argv, cwd=rig.REPOSITORY).result().rc(0).out
    told = rig.start([sys.executable, "-c", HELP_OF_ALL, *tasks], cwd=rig.REPOSITORY).result().rc(0).out
    ends = re.findall(r"^Options:.*?^== (.+?)$", told, re.MULTILINE | re.DOTALL)
    assert ends == [f"{task} 0" for task in tasks] and len(tasks) > 30
    assert re.search(r" bringup \[SERVICE\.\.\.] \[--options]", told), "as a person types it"
    assert re.search(r"^  SERVICE\.\.\.$", told, re.MULTILINE) and "--service" not in told
    assert re.search(r" ps \[--options]", told) and re.search(r" upgrade \[--options]", told)


def test_a_master_that_can_write_nothing_says_so_once(workspace: rig.Workspace) -> None:
    """Interface 2: 1, an output folder that cannot be written, named; no step is begun."""
    workspace.service("api", "sleeps.py")
    (workspace.root / "outputs").write_text("in the way", encoding="utf-8")
    said = workspace.cli("master").rc(1)
    text = said.out + said.err
    assert text.count("cannot write") == 1 and "outputs" in text and "-> " in text and "[Errno" not in text
    assert "bringup" not in text and not workspace.starts()


@pytest.mark.parametrize("blocked", ["outputs", "outputs/logs"])
def test_a_bring_up_that_can_write_nothing_ends_at_once_and_starts_nothing(
    workspace: rig.Workspace, blocked: str
) -> None:
    """Interface 2: 1, the folder is named; no service and no guard is tried four times."""
    workspace.service("api", "sleeps.py").file(blocked, "in the way")
    said = workspace.cli("bringup").rc(1)
    text = said.out + said.err
    assert text.count("cannot write") == 1 and str(workspace.root / blocked) in text and "-> " in text
    assert not workspace.starts() and not list(workspace.state.rglob("record.jsonl")), "nor the guard"


@pytest.mark.only("posix")  # Windows takes no folder away in which a log is open
def test_a_restart_that_could_write_nothing_stops_nothing(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py").cli("bringup", "--no-guard").rc(0)
    ((pid, at),) = workspace.starts()
    shutil.rmtree(workspace.outputs)
    workspace.file("outputs", "in the way")
    assert "cannot write" in str(workspace.cli("restart", "api").rc(1))
    assert workspace.starts() == [(pid, at)] and host.identity(pid) is not None


def test_what_the_system_says_of_a_step_of_the_master_is_put_into_words(workspace: rig.Workspace) -> None:
    def broken(home: object, timeout: float) -> tuple[bool, str]:
        raise OSError(errno.EROFS, "Read-only file system", "/w/lock")

    home = house_of(load(workspace.service("api", "sleeps.py").root))
    assert _outcome("bringup", broken, home, 1.0).detail == "cannot read or write `/w/lock`: Read-only file system"
