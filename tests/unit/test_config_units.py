"""Texts that stand for a value, and the lines of keys."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest

from autosys_tasks.config import units
from autosys_tasks.config.lines import key_lines, line_of
from autosys_tasks.config.toml_text import toml


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.seconds, "500ms", 0.5),
        (units.seconds, "30s", 30),
        (units.seconds, "5min", 300),
        (units.seconds, "24h", 86_400),
        (units.seconds, "7d", 604_800),
        (units.seconds, "1.5 h", 5_400),
        (units.size, "10 MB", 10_000_000),
        (units.size, "1 GiB", 1_073_741_824),
        (units.size, "1.5kB", 1_500),
        (units.size, "1 b", 1),
        (units.time_of_day, "03:30", "03:30:00"),
        (units.time_of_day, "23:59:59", "23:59:59"),
        (units.budget, "1/10min", (1, 600)),
        (units.budget, "2 / min", (2, 60)),
        (units.budget, "5/1h", (5, 3600)),
        (units.web_address, "http://h", "http://h/"),
        (units.web_address, "HTTP://Localhost?x", "http://Localhost/?x"),
        (units.web_address, "http://u:p@localhost:80/a#b", "http://u:p@localhost:80/a#b"),
        (units.web_address, "http://[::1]:8200/", "http://[::1]:8200/"),
        (units.web_address, "http://h/상태", "http://h/%EC%83%81%ED%83%9C"),
        (units.web_address, "https://localhost/x", "https://localhost/x"),
        (units.tcp_address, "localhost:1", "localhost:1"),
        (units.tcp_address, "[::1]:65535", "[::1]:65535"),
    ],
)
def test_a_text_stands_for_a_value(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (units.seconds, ["", "5", "5 m", "5 minutes", "-5s", "s", "1e3s", "٣s", "5s ", "1" * 20 + "s"]),
        (units.size, ["", "10", "10 M", "-1 MB", "0 MB", "0.1 B", "MB", "10 XB", "1" * 20 + " MB"]),
        (units.time_of_day, ["", "3:30", "24:00", "03:60", "03:30:60", "03", "0330"]),
        (units.budget, ["", "1", "0/1min", "1/0s", "1/", "-1/1s", "a/1s", "1/1m"]),
        (units.web_address, ["", "h", "ftp://h", "http://", "http:///x", "http://h:0", "http://h:x",
                             "http://h h/",
                             "http://h/a b", "http://h\n/", "http://a@b@c/", "http://[::1/"]),
        (units.tcp_address, ["", "h", "h:", ":1", "h:0", "h:65536", "http://h:1", "::1:1", "h:1/", "h h:1"]),
    ],
)  # fmt: skip
def test_anything_else_is_refused(read: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"^(is not|must)"):
            read(text)


LINES = '''\
# x = 1
top = "a # b"
a.b = 1
[services . api]  # [not.this]
command = [  # one
  "x = 1", 'y]',
  "[z]",
]
text = """
[not.a.table]
key = 1 \\""" """
raw = \'\'\'
[neither]\'\'\'
"quoted key" = 1
'single' = { inner = 1 }
"esc\\u0061ped" = 1
[services."d.b".readiness]
tcp = "h:1"
[[many]]
lost = 1
[services.last]
x = 1
'''


def test_the_line_of_a_key_is_right_or_not_told() -> None:
    tomllib.loads(LINES)
    assert key_lines(LINES) == {
        ("top",): 2,
        ("a",): 3,
        ("a", "b"): 3,
        ("services",): 4,
        ("services", "api"): 4,
        ("services", "api", "command"): 5,
        ("services", "api", "text"): 9,
        ("services", "api", "raw"): 12,
        ("services", "api", "quoted key"): 14,
        ("services", "api", "single"): 15,
        ("services", "d.b"): 17,
        ("services", "d.b", "readiness"): 17,
        ("services", "d.b", "readiness", "tcp"): 18,
        ("many",): 19,
        ("services", "last"): 21,
        ("services", "last", "x"): 22,
    }


def test_what_is_not_written_has_the_line_of_what_would_hold_it() -> None:
    lines = key_lines(LINES)
    assert line_of(lines, ("services", "api", "cwd")) == 4
    assert line_of(lines, ("services", "api", "command", 2)) == 5
    assert line_of(lines, ("services", "api", "single", "inner")) == 15
    assert line_of(lines, ("watchdog", "every")) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (1.5, "1.5"),
        ('a "b" \\ \n\x01', '"a \\"b\\" \\\\ \\n\\u0001"'),
        (["a", 1], '["a", 1]'),
        ({"a b": {"c": []}}, '{ "a b" = { c = [] } }'),
        ({}, "{}"),
        ("03:30:00", "03:30:00"),
    ],
)
def test_a_value_is_written_as_toml(value: object, text: str) -> None:
    assert toml(value) == text
    tomllib.loads(f"x = {text}")
