"""Env files and `${env:X}`: who wins, what is secret, and that no value is ever shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autosys_tasks.config.load import load
from autosys_tasks.config.model import Config
from autosys_tasks.config.variables import parse_env
from autosys_tasks.core.errors import ConfigError


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Config]:
    """read(text, env_text, X="1"): the configuration of a folder with this autosys.toml and this .env."""

    def read(text: str, dotenv: str = "", **environ: str) -> Config:
        (tmp_path / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
        (tmp_path / ".env").write_text(dotenv, encoding="utf-8", newline="\n")
        return load(tmp_path, environ)

    return read


# Env files

DOTENV = [
    ("A=1", {"A": "1"}),
    ("A=", {"A": ""}),
    ("export A=1\n  export\tB = two words \n", {"A": "1", "B": "two words"}),
    ("# note\n\n \t\nA=1 # note\nB=1#2\nC=#x\nD= # note\n", {"A": "1", "B": "1#2", "C": "", "D": ""}),
    ('A=\'1 # 2\'\nB="3 # 4" # note\nC=""\n', {"A": "1 # 2", "B": "3 # 4", "C": ""}),
    (r'A="x\ny\t\"z\" \\ \d \$"', {"A": 'x\ny\t"z" \\ \\d $'}),
    (r"A='x\ny'", {"A": r"x\ny"}),
    (r"A=C:\new\table", {"A": r"C:\new\table"}),
    ('KEY="-----BEGIN\nabc\n-----END"\nB=2', {"KEY": "-----BEGIN\nabc\n-----END", "B": "2"}),
    ("A=1\r\nB='2'\r\n\r\nC=3", {"A": "1", "B": "2", "C": "3"}),
    ("A=postgres://u:p@h/db?x=1&y=${Z}", {"A": "postgres://u:p@h/db?x=1&y=${Z}"}),
    ("A=1\nA=2", {"A": "2"}),
    ("이름=값", {"이름": "값"}),
    ("A=1  \t # note\n", {"A": "1"}),
    ("A = 'x' \n", {"A": "x"}),
    ("A='it''s'x\n", {}),
]


@pytest.mark.parametrize(("text", "values"), DOTENV, ids=[repr(case[0])[:30] for case in DOTENV])
def test_an_env_file_is_read_as_people_write_it(text: str, values: dict[str, str]) -> None:
    assert parse_env(text)[0] == values


WRONG = [
    ("A=1\nnonsense\nB=2", [(2, "is not KEY=VALUE")]),
    ("=1", [(1, "is not KEY=VALUE")]),
    ("two words=1", [(1, "is not KEY=VALUE")]),
    ("A=1\n\nB='open\nC=3", [(3, "opens a quote that nothing closes")]),
    ('A="1"2\nB=2', [(1, "has text after the closing quote")]),
    ("A=x\0y", [(1, "holds a NUL character")]),
]


@pytest.mark.parametrize(("text", "wrong"), WRONG, ids=[case[1][0][1] for case in WRONG])
def test_what_is_wrong_in_an_env_file_is_told_by_line(text: str, wrong: list[tuple[int, str]]) -> None:
    assert parse_env(text)[1] == wrong


def test_a_wrong_line_costs_no_other_line() -> None:
    assert parse_env("A=1\nnonsense\nB='open\nC=3") == (
        {"A": "1", "C": "3"},
        [(2, "is not KEY=VALUE"), (3, "opens a quote that nothing closes")],
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"A=hunter2\nhunter3\n", "line 2 of `.env` is not KEY=VALUE"),
        (b"\xff\xfeA\x00", "`.env` is not UTF-8"),
        ("A=한글".encode("cp949"), "`.env` is not UTF-8"),
    ],
)
def test_a_broken_env_file_is_told_without_its_text(tmp_path: Path, raw: bytes, message: str) -> None:
    """P55: an error message is a place where secrets leak."""
    (tmp_path / "autosys.toml").write_text(
        '[services.a]\ncommand = ["x"]\nenv_file = [".env"]\n', encoding="utf-8"
    )
    (tmp_path / ".env").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.message for problem in caught.value.problems] == [message]
    assert "hunter" not in repr(caught.value.problems)


def test_an_env_file_with_a_bom_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    """P42."""
    (tmp_path / "autosys.toml").write_text(
        '[services.a]\ncommand = ["x"]\nenv_file = [".env"]\n', encoding="utf-8"
    )
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\r\nB=2\r\n")
    assert load(tmp_path, {}).services["a"].env == {"A": "1", "B": "2"}


def test_a_later_env_file_wins_and_env_wins_over_both(read: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "more.env").write_text("B=more\nC=more\n", encoding="utf-8")
    text = '[services.a]\ncommand = ["x"]\nenv_file = [".env", "more.env"]\nenv = { C = "own" }\n'
    assert read(text, "A=dot\nB=dot\nC=dot\n").services["a"].env == {"A": "dot", "B": "more", "C": "own"}


# ${env:X}

LOOK = (
    '[services.a]\nenv_file = [".env"]\nenv = { OWN = "own", BOTH = "own" }\ncommand = ["x", "${env:NAME}"]\n'
)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("${env:OWN}", "own"),
        ("${env:FILE}", "file"),
        ("${env:OUTER}", "outer"),
        ("${env:BOTH}", "own"),
        ("${env:SHARED}", "file"),
        ("${env:EMPTY}", ""),
        ("${env:EMPTY:-instead}", "instead"),
        ("${env:NOPE:-instead}", "instead"),
        ("${env:NOPE:-}", ""),
        ("${env:NOPE:-a:-b}", "a:-b"),
        ("${env:FILE:-instead}", "file"),
        ("<${env:OWN}${env:FILE}>", "<ownfile>"),
        ("${env:RECURSIVE}", "${env:OWN}"),
        ("$env:OWN ${OWN} $OWN {env:OWN}", "$env:OWN ${OWN} $OWN {env:OWN}"),
    ],
)
def test_a_reference_is_what_the_service_will_see(
    read: Callable[..., Config], reference: str, value: str
) -> None:
    config = read(
        LOOK.replace("${env:NAME}", reference),
        "FILE=file\nBOTH=file\nSHARED=file\nEMPTY=\nRECURSIVE=${env:OWN}\n",
        OUTER="outer",
        SHARED="outer",
        BOTH="outer",
    )
    assert config.services["a"].argv == ("x", value)


def test_references_are_replaced_wherever_a_service_speaks(
    read: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / ".env").write_text("PORT=8200\n", encoding="utf-8")
    config = read(
        '[services.a]\ncommand = ["x"]\ncwd = "${env:DIR}"\nenv_file = ["${env:DIR}/.env"]\n'
        'env = { URL = "http://h:${env:PORT}", PATH = "/opt:${env:PATH}" }\nstop_http = "${env:URL}/down"\n'
        '[services.a.readiness]\nhttp = "${env:URL}/ready"\nmethod = "POST"\nbody = "${env:PORT}"\n'
        'text = "${env:PORT}"\nheaders = { X = "${env:PORT}" }\njson = { a = { b = ["${env:PORT}", 1] } }\n'
        '[services.a.liveness]\ncommand = ["ask", "${env:PORT}"]\n'
        '[probes.p]\ntcp = "h:${env:OUTER}"\n[probes.f]\nfile = "${env:DIR}/beat"\nmax_age_s = 1\n',
        DIR="here",
        OUTER="9",
        PATH="/bin",
    )
    service = config.services["a"]
    assert service.cwd == str(tmp_path / "here")
    assert service.env == {"PORT": "8200", "URL": "http://h:8200", "PATH": "/opt:/bin"}
    assert service.stop_http == "http://h:8200/down"
    ready = service.readiness
    assert ready is not None and ready.target == "http://h:8200/ready"
    assert (ready.body, ready.text, ready.headers) == ("8200", "8200", {"X": "8200"})
    assert ready.json == {"a": {"b": ["8200", 1]}}
    assert service.liveness is not None and service.liveness.argv == ("ask", "8200")
    assert config.probes["p"].target == "h:9"
    assert config.probes["f"].target == str(tmp_path / "here" / "beat")


def test_a_probe_of_its_own_knows_no_env_file(read: Callable[..., Config]) -> None:
    text = '[services.a]\ncommand = ["x"]\nenv_file = [".env"]\n[probes.p]\nhttp = "http://h/${env:TOKEN}"\n'
    with pytest.raises(ConfigError) as caught:
        read(text, "TOKEN=1\n")
    assert [problem.message for problem in caught.value.problems] == ["`${env:TOKEN}` is not defined"]


# Secrets


def test_what_came_from_elsewhere_is_secret_and_what_stands_in_the_file_is_not(
    read: Callable[..., Config],
) -> None:
    """P55: values of env files and of the environment reach no log, journal or `ps`."""
    config = read(
        '[services.a]\ncommand = ["x", "${env:OUTER}", "${env:OWN}", "${env:NOPE:-default}"]\n'
        'env_file = [".env"]\nenv = { OWN = "written", IN_ENV = "pre-${env:INNER}" }\n'
        'readiness = { http = "http://h/${env:ASKED}" }\n',
        "FILE=from file\nTINY=abc\n",
        OUTER="from outside",
        INNER="from inside",
        ASKED="from-readiness",
        OTHER="not used",
    )
    service = config.services["a"]
    assert set(service.secrets) == {"from file", "from outside", "from inside", "from-readiness"}
    assert service.shown == ("x", "${env:OUTER}", "${env:OWN}", "${env:NOPE:-default}")
    assert service.readiness is not None
    assert service.readiness.shown == "http://h/${env:ASKED}"
    assert service.readiness.secrets == ("from-readiness",)


def test_a_secret_that_holds_another_comes_first(read: Callable[..., Config]) -> None:
    """Masked in this order, no tail of the longer one is left standing."""
    text = '[services.a]\ncommand = ["x"]\nenv_file = [".env"]\n'
    assert read(text, "A=word\nB=password\n").services["a"].secrets == ("password", "word")


def test_probes_of_their_own_know_their_secrets(read: Callable[..., Config]) -> None:
    text = '[probes.p]\nhttp = "http://h/"\nheaders = { Authorization = "Bearer ${env:TOKEN}" }\n'
    assert read(text, TOKEN="hunter22").probes["p"].secrets == ("hunter22",)


@pytest.mark.parametrize(
    "line",
    [
        'cwd = "${env:SECRET}"',
        'stop_http = "${env:SECRET}"',
        'readiness = { http = "${env:SECRET}" }',
        'readiness = { tcp = "${env:SECRET}" }',
        'readiness = { log = "(${env:SECRET}" }',
        'readiness = { http = "http://h/", headers = { X = "${env:SECRET}\\n" } }',
        'env_file = [".env", "${env:SECRET}"]',
        'env = { AUTOSYS_SERVICE = "${env:SECRET}" }',
    ],
)
def test_no_value_is_in_an_error(read: Callable[..., Config], line: str) -> None:
    """P55: what is wrong is shown as it is written, not as it came out."""
    with pytest.raises(ConfigError) as caught:
        read(f'[services.a]\ncommand = ["x"]\nenv_file = [".env"]\n{line}\n'.replace(
            'env_file = [".env"]\nenv_file', "env_file"), "SECRET=hunter22\n", SECRET="hunter22")  # fmt: skip
    assert caught.value.problems
    assert "hunter22" not in repr((caught.value.problems, caught.value.message, caught.value.hint))
