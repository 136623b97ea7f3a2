"""autosys.toml as it is read when it is right, every default, and where the file is found."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autosys_tasks.config.load import find_workspace, load
from autosys_tasks.config.model import Config, Service, Upgrade, Watchdog
from autosys_tasks.core.errors import ConfigError, StateError
from autosys_tasks.core.probe import Probe

EXAMPLE = """\
[workspace]
name = "desk"                    # default: the folder's name
language = "auto"                # en | ko | auto

[environments.main]
kind = "python"                  # python | node | command
path = ".venv"
manifests = ["requirements*.txt", "pyproject.toml", "uv.lock"]
smoke = ["python", "-c", "import app"]        # must pass after an install
# kind = "command": install = ["make", "deps"], outputs = ["vendor/"]

[services.api]
purpose = "answers the dashboard"             # one line, shown by ps and health
command = ["python", "-m", "app.api", "--port", "${env:API_PORT}"]
environment = "main"             # `python`, `node`, `npm` ... mean this environment's own
cwd = "."
env = { API_PORT = "8200" }
env_file = [".env"]              # values never reach a log, a journal, or ps; ${env:X}, ${env:X:-default}
depends_on = ["db"]              # started, and ready, before this one
restart = "always"               # always | on-failure | never
oneshot = false                  # a job: ready when it exited 0
optional = false                 # absent program = SKIP, not NG
managed = true                   # false: watched, never started or stopped
single_instance = true
priority = "normal"              # idle | low | normal | high
memory_max = "500 MB"
stop_timeout_s = 10
stop_http = "http://127.0.0.1:8200/shutdown"  # asked first; then the OS's polite signal; then the whole tree
restart_on = ["app/**/*.py"]     # a pull that changes these restarts it
log_max = "10 MB"
log_keep = 5
[services.api.readiness]         # exactly one of http tcp command log file heartbeat
http = "http://127.0.0.1:8200/readyz"
status = 200                     # or a list; json = { "status" = "ok" }; text = "..."
interval_s = 0.2
timeout_s = 2
start_timeout_s = 60
success_threshold = 1
failure_threshold = 3
[services.api.liveness]
heartbeat = true                 # the service touches the file named by AUTOSYS_HEARTBEAT
max_age_s = 90
interval_s = 30

[probes.lumen]                   # things we only look at; same keys as readiness, and
http = "https://example.org/chat"
method = "POST"
body = '{"ping": 1}'
warn_ms = 1500
alert_ms = 5000
budget = "1/10min"               # calls cost money: everybody shares one result

[outputs]
"outputs/monitoring_report_latest.json" = "24h"      # path = greatest age

[watchdog]
every = "5min"
guard = true
retries = 3
backoff_s = [0, 2, 4, 8]
stable_after_s = 60

[upgrade]
on_pull = true                   # master and watchdog look for a stale stamp
scripts = ["**/*.sh"]

[backup]
at = 03:30:00
keep_days = 14
keep_weekly = 0
keep_monthly = 0
copies = []                      # "file:///D:/backup", "s3://bucket/prefix", "sftp://host/path"
[backup.sets.config]
include = [".env", "config.json"]
required = true                  # matching nothing, or failing, is NG
[backup.sets.logs]
include = ["outputs/**/*.jsonl"]
newer_than = "7d"
[backup.git]
enabled = true

[schedule]
master = { at = "logon", delay = "30s" }
# watchdog and backup take their times from their own tables

[notify]                         # later
"""
API = '[services.api]\ncommand = ["api"]\n'


# What is right


def test_the_example_of_the_interface_loads_as_it_says(read: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=open sesame\n", encoding="utf-8")
    config = read(EXAMPLE + '[services.db]\ncommand = ["db"]\n')
    api = config.services["api"]
    assert config.name == "desk"
    assert api.argv == ("python", "-m", "app.api", "--port", "8200")
    assert api.shown == ("python", "-m", "app.api", "--port", "${env:API_PORT}")
    assert api.env == {"TOKEN": "open sesame", "API_PORT": "8200"}
    assert api.secrets == ("open sesame",)
    assert (api.cwd, api.environment, api.depends_on) == (str(tmp_path), "main", ("db",))
    assert (api.memory_max, api.log_max, api.stop_timeout_s) == (500_000_000, 10_000_000, 10)
    assert api.stop_http == "http://127.0.0.1:8200/shutdown"
    assert api.readiness == Probe(
        kind="http",
        name="api",
        target="http://127.0.0.1:8200/readyz",
        shown="http://127.0.0.1:8200/readyz",
        status=(200,),
    )
    assert api.liveness == Probe(kind="heartbeat", name="api", max_age_s=90, interval_s=30)
    lumen = config.probes["lumen"]
    assert (lumen.method, lumen.body) == ("POST", '{"ping": 1}')
    assert (lumen.warn_ms, lumen.alert_ms, lumen.budget) == (1500, 5000, (1, 600))
    assert config.outputs == {"outputs/monitoring_report_latest.json": 86_400}
    assert config.backup.at == "03:30:00"
    assert config.backup.sets["config"].required
    assert config.backup.sets["config"].include == (".env", "config.json")
    assert config.backup.sets["logs"].newer_than_s == 7 * 86_400
    assert config.backup.git
    assert config.schedule.master_delay_s == 30
    assert config.environments["main"].path == str(tmp_path / ".venv")
    assert config.environments["main"].smoke == ("python", "-c", "import app")


def test_the_example_says_nothing_but_the_defaults(read: Callable[..., Config], tmp_path: Path) -> None:
    """Whoever deletes a line that holds a default changes nothing."""
    (tmp_path / ".env").write_text("", encoding="utf-8")
    full = read(EXAMPLE + '[services.db]\ncommand = ["db"]\n')
    bare = read('[workspace]\nname = "desk"\n' + API)
    for field in Service._fields:
        if field not in ("argv", "shown", "purpose", "environment", "env", "depends_on", "memory_max",
                         "stop_http",
                         "restart_on", "readiness", "liveness"):  # fmt: skip
            assert getattr(full.services["api"], field) == getattr(bare.services["api"], field), field
    assert (full.watchdog, full.upgrade) == (bare.watchdog, bare.upgrade) == (Watchdog(), Upgrade())
    assert full.backup._replace(sets={}) == bare.backup
    assert full.schedule == bare.schedule


def test_an_empty_file_is_a_workspace_named_after_its_folder(
    read: Callable[..., Config], tmp_path: Path
) -> None:
    config = read("")
    assert (config.name, config.language, config.path) == (tmp_path.name, "auto", str(tmp_path))
    assert config.services == config.probes == config.environments == config.outputs == {}


def test_a_bom_and_windows_line_ends_are_fine(read: Callable[..., Config], tmp_path: Path) -> None:
    """P42."""
    (tmp_path / "autosys.toml").write_bytes(b"\xef\xbb\xbf" + API.replace("\n", "\r\n").encode())
    assert load(tmp_path, {}).services["api"].argv == ("api",)


def test_localhost_stays_a_name_which_the_probes_know(read: Callable[..., Config]) -> None:
    """P61: they ask 127.0.0.1 first, and then ::1, where Vite and others listen alone."""
    config = read(
        API + 'stop_http = "http://LOCALHOST:8200/down"\n'
        '[services.api.readiness]\nhttp = "http://localhost:8200/ready?x=localhost"\n'
        '[services.api.liveness]\ntcp = "localhost:8200"\n'
        '[probes.tls]\nhttp = "https://localhost/"\n[probes.other]\nhttp = "http://localhost.example.org"\n'
    )
    api = config.services["api"]
    assert api.stop_http == "http://LOCALHOST:8200/down"
    assert api.readiness is not None and api.readiness.target == "http://localhost:8200/ready?x=localhost"
    assert api.liveness is not None and api.liveness.target == "localhost:8200"
    assert config.probes["tls"].target == "https://localhost/"
    assert config.probes["other"].target == "http://localhost.example.org/"


def test_paths_are_seen_from_the_workspace(read: Callable[..., Config], tmp_path: Path) -> None:
    """P58: whatever folder a command is run in."""
    (tmp_path / "앱 폴더").mkdir()
    config = read(
        API + 'cwd = "./앱 폴더/../앱 폴더"\nreadiness = { file = "outputs/beat", max_age_s = 3 }\n'
    )
    api = config.services["api"]
    assert api.cwd == str(tmp_path / "앱 폴더")
    assert api.readiness is not None and api.readiness.target == str(tmp_path / "outputs" / "beat")


def test_names_of_any_script_are_names(read: Callable[..., Config]) -> None:
    names = ("api", "큐서버", "हिन्दी", "2nd", "a.b-c_d", "console", "com10", "x" * 60)
    config = read("".join(f'[services."{name}"]\ncommand = ["x"]\n' for name in names))
    assert tuple(config.services) == names


def test_a_probe_that_may_be_slow_has_the_time_to_be_slow(read: Callable[..., Config]) -> None:
    """An answer between two seconds and alert_ms is a WARN, and would else be a time-out."""
    config = read(
        '[probes.a]\ntcp = "h:1"\nalert_ms = 5000\n[probes.b]\ntcp = "h:1"\n'
        '[probes.c]\ntcp = "h:1"\nalert_ms = 5000\ntimeout_s = 1\n'
    )
    assert [config.probes[name].timeout_s for name in "abc"] == [5, 2, 1]


def test_what_is_only_watched_needs_no_command(read: Callable[..., Config]) -> None:
    config = read('[services.db]\nmanaged = false\nreadiness = { tcp = "127.0.0.1:5432" }\n')
    assert (config.services["db"].argv, config.services["db"].managed) == ((), False)


def test_environments_know_what_their_kind_usually_has(read: Callable[..., Config], tmp_path: Path) -> None:
    config = read(
        '[environments.py]\n[environments.web]\nkind = "node"\npath = "web"\n'
        '[environments.c]\nkind = "command"\nmanifests = ["Makefile"]\ninstall = ["make"]\n'
        'outputs = ["vendor/"]\n'
    )
    assert config.environments["py"].path == str(tmp_path / ".venv")
    assert config.environments["py"].manifests == ("requirements*.txt", "pyproject.toml", "uv.lock")
    assert config.environments["web"].path == str(tmp_path / "web")
    assert "package-lock.json" in config.environments["web"].manifests
    assert (config.environments["c"].install, config.environments["c"].outputs) == (("make",), ("vendor/",))


def test_notify_takes_anything_and_does_nothing(read: Callable[..., Config]) -> None:
    assert read('[notify]\nto = ["me"]\n[notify.mail]\nport = 25\n').notify == {
        "to": ["me"],
        "mail": {"port": 25},
    }


# Where the file is


def test_the_workspace_is_the_nearest_folder_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "autosys.toml").write_text("", encoding="utf-8")
    assert find_workspace(deep, {}) == find_workspace(tmp_path, {}) == Path(os.path.realpath(tmp_path))
    (tmp_path / "a" / "autosys.toml").write_text("", encoding="utf-8")
    assert find_workspace(deep, {}) == Path(os.path.realpath(tmp_path / "a"))


def test_a_variable_names_the_workspace_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "autosys.toml").write_text("", encoding="utf-8")
    found = find_workspace(Path(tmp_path.anchor), {"AUTOSYS_WORKSPACE": str(tmp_path / "ws")})
    assert found == Path(os.path.realpath(tmp_path / "ws"))


def test_who_names_the_file_is_told_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "autosys.toml"
    path.touch()
    with pytest.raises(ConfigError) as caught:
        find_workspace(tmp_path, {"AUTOSYS_WORKSPACE": str(path)})
    assert caught.value.hint.endswith(f": {os.path.realpath(tmp_path)}")


@pytest.mark.parametrize("environ", [{}, {"AUTOSYS_WORKSPACE": "gone"}])
def test_no_workspace_is_told_with_the_command_that_makes_one(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_workspace(tmp_path, environ)
    assert caught.value.code == 2
    assert "inv init" in caught.value.hint


def test_a_folder_without_the_file_is_told_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert (caught.value.code, caught.value.hint) == (2, "inv init")


@pytest.mark.only("posix")
def test_a_link_to_a_workspace_is_that_workspace(tmp_path: Path) -> None:
    """P6: two paths to one folder would have two state folders, and start everything twice."""
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "autosys.toml").write_text(API, encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "ws", target_is_directory=True)
    assert load(tmp_path / "link", {}) == load(tmp_path / "ws", {})
    assert find_workspace(tmp_path / "link", {}) == find_workspace(tmp_path / "ws", {})


@pytest.mark.only("posix")
def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "autosys.toml").symlink_to("autosys.toml")
    with pytest.raises(StateError) as caught:
        load(tmp_path, {})
    assert caught.value.code == 1
    assert str(tmp_path / "autosys.toml") in caught.value.message


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "autosys.toml").mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        load(tmp_path, {})
