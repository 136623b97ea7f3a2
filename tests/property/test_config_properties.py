"""Whatever stands in autosys.toml and its env files: a Config, or an error for a person without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st

from autosys_tasks.config.cross_checks import circles
from autosys_tasks.config.effective import document
from autosys_tasks.config.keys import TABLES, Key
from autosys_tasks.config.lines import key_lines
from autosys_tasks.config.load import load
from autosys_tasks.config.model import Config
from autosys_tasks.config.toml_text import toml
from autosys_tasks.config.variables import parse_env
from autosys_tasks.core.errors import AutosysError

pytestmark = pytest.mark.portable

SECRET = "hunter22-of-nobody"
START = """\
[workspace]
name = "desk"
[services.api]
command = ["python", "-m", "app", "${env:PORT:-1}"]
env = { PORT = "8200" }
depends_on = ["db"]
[services.api.readiness]
http = "http://127.0.0.1:8200/"
status = [200, 204]
[services.db]
command = ["db"]
[probes.lumen]
tcp = "localhost:1"
budget = "1/10min"
[outputs]
"a.json" = "24h"
[backup]
at = 03:30:00
[backup.sets.x]
include = ["a"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples."""
    made = tmp_path_factory.mktemp("any")
    (made / ".env").write_text(f"SECRET={SECRET}\n", encoding="utf-8")
    return made


def read(folder: Path, raw: bytes) -> Config | None:
    """The configuration, or None when the file is broken in a way that is told."""
    (folder / "autosys.toml").write_bytes(raw)
    try:
        config = load(folder, {"SECRET": SECRET})
    except AutosysError as error:
        assert error.code in (1, 2)
        assert error.problems or error.hint
        assert SECRET not in repr((error.message, error.where, error.hint, error.problems))
        return None
    json.dumps(document(config))
    assert SECRET not in repr(document(config))
    return config


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_an_error_for_a_person(folder: Path, raw: bytes) -> None:
    read(folder, raw)


@given(st.text(alphabet=" \n\t[]{}=.,\"'#abc019_-:\\é한", max_size=80))
def test_any_text_in_the_letters_of_toml_is_too(folder: Path, text: str) -> None:
    read(folder, text.encode())


@given(
    st.lists(
        st.tuples(st.integers(0, len(START)), st.integers(0, 6), st.text(max_size=3)), min_size=1, max_size=4
    )
)
def test_a_good_file_with_slips_of_the_keyboard_is_too(
    folder: Path, slips: list[tuple[int, int, str]]
) -> None:
    text = START
    for at, gone, new in slips:
        text = text[:at] + new + text[at + gone :]
    read(folder, text.encode("utf-8", "surrogatepass"))


def test_the_file_without_slips_loads(folder: Path) -> None:
    assert read(folder, START.encode()) is not None


TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([
        "a", "b", ".", "..", ".env", "/", "5min", "0s", "10 MB", "1/10min", "http://localhost:1/",
        "localhost:80", "${env:SECRET}", "${env:NOPE}", "${env:NOPE:-x}", "${env:", "x${env:SECRET}y",
        "(", "always", "python", "http", "command",
    ]),
)  # fmt: skip
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.one_of(st.sampled_from(["a", "b", "A", "@guard", "nul", "큐"]), st.text(max_size=3))


def likely(key: Key) -> st.SearchStrategy[Any]:
    """Mostly values of about the right form, for the ways through the checks."""
    forms: dict[str, st.SearchStrategy[Any]] = {
        "flag": st.booleans(),
        "count": st.integers(-1, 5),
        "number": st.integers(-1, 5),
        "texts": st.lists(TEXTS, max_size=2),
        "globs": st.lists(TEXTS, max_size=2),
        "argv": st.lists(TEXTS, max_size=2),
        "status": st.integers(99, 600),
        "variables": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "headers": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "ages": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "values": st.dictionaries(TEXTS, VALUES, max_size=2),
    }
    if key.kind == "table":
        return st.one_of(tables(key.of), VALUES)
    if key.kind == "tables":
        return st.dictionaries(NAMES, tables(key.of), max_size=3)
    if key.choices:
        return st.one_of(st.sampled_from(key.choices), VALUES)
    return st.one_of(forms.get(key.kind, TEXTS), VALUES)


def tables(table: str) -> st.SearchStrategy[dict[str, Any]]:
    """Documents for one table of the reference, with right and wrong values in it."""
    return st.deferred(
        lambda: st.fixed_dictionaries({}, optional={key.name: likely(key) for key in TABLES[table]}).flatmap(
            lambda found: st.dictionaries(st.text(max_size=3), SCALARS, max_size=1).map(
                lambda more: {**more, **found}
            )
        )
    )


@given(tables(""))
@settings(max_examples=rig.examples(200))
def test_any_document_of_known_keys_and_any_values_is_too(folder: Path, values: dict[str, Any]) -> None:
    text = "".join(f"{toml({key: each})[2:-2]}\n" for key, each in values.items())
    read(folder, text.encode("utf-8", "replace"))


@given(st.text(max_size=60))
def test_any_text_is_an_env_file_or_told_by_line(text: str) -> None:
    values, wrong = parse_env(text)
    lines = text.count("\n") + 1
    assert all(1 <= line <= lines for line, _ in wrong)
    assert all(name and "=" not in name and "\0" not in name + value for name, value in values.items())


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text(st.characters(exclude_characters="'\0\r"))
    )
)
def test_what_is_quoted_comes_out_as_it_went_in(values: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert parse_env(text) == (values, [])


@given(st.text(alphabet=" \n\t[]{}=.,\"'#ab1", max_size=80))
def test_the_lines_of_any_text_are_within_it(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in key_lines(text).values())


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3)))
def test_circles_are_found_exactly_when_no_order_exists(needs: dict[str, list[str]]) -> None:
    left = {name: {each for each in needed if each in needs} for name, needed in needs.items()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    found = circles(needs)
    assert bool(found) == bool(left)
    for circle in found:
        for name, after in zip(circle, (*circle[1:], circle[0]), strict=True):
            assert after in needs[name]
