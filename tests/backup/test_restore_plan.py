"""What a restore decides: which entries, what becomes of each, and what a person is told. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.progress import Progress
from autosys_tasks.backup.restore.names_text import Rules
from autosys_tasks.backup.restore.plan import (
    ALWAYS,
    CHANGED,
    KEEP,
    LINK_TO,
    MAKE,
    NEVER,
    OVERWRITE,
    REFUSE,
    REPLACE,
    WRITE,
    Existing,
    dry_run_plan,
    plan,
    select,
    shared,
    with_bytes,
    with_targets,
)  # fmt: skip
from autosys_tasks.backup.values import FILE, FOLDER, FULL, HARDLINK, LINK, Backup, Entry
from autosys_tasks.core.errors import UsageError

BASE = Backup("2026-11-28T033000Z", FULL, 1.0)
LINUX = Rules()


def entry(path: str, kind: str = FILE, *, sha256: str = "aa", link: str = "", size: int = 3) -> Entry:
    return Entry(path, kind, size if kind == FILE else 0, 0, 0o644, sha256 if kind == FILE else "", "", link)


STATE = [
    (each, BASE)
    for each in (
        entry(".autosys/git/state.json"), entry(".env"), entry("docs", FOLDER), entry("docs/a.md"), entry("docs/b.txt"),
        entry("docs/deep/c.md"), entry("docs[1].md"), entry("보고서.md"),
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], [".env", "docs", "docs/a.md", "docs/b.txt", "docs/deep/c.md", "docs[1].md", "보고서.md"]),
        (["docs/a.md"], ["docs/a.md"]),
        (["docs/"], ["docs", "docs/a.md", "docs/b.txt", "docs/deep/c.md"]),
        (["./docs\\deep"], ["docs/deep/c.md"]),
        (["docs/*.md"], ["docs/a.md"]),
        (["**/*.md", ".env"], [".env", "docs/a.md", "docs/deep/c.md", "docs[1].md", "보고서.md"]),
        (["docs[1].md"], ["docs[1].md"]),
        ([".autosys"], [".autosys/git/state.json"]),
    ],
)
def test_a_path_names_a_file_a_folder_or_whatever_a_glob_meets(paths: list[str], names: list[str]) -> None:
    assert [each.path for each, _ in select(STATE, paths)] == names


@pytest.mark.parametrize(
    ("path", "near"),
    [("docs/a.mf", "docs/a.md"), ("c.md", "docs/deep/c.md"), ("보고.md", "보고서.md"), (".ENV", ".env")],
)
def test_a_wrong_path_is_usage_with_the_nearest(path: str, near: str) -> None:
    with pytest.raises(UsageError, match="nothing in this backup is named") as raised:
        select(STATE, [".env", path])
    assert raised.value.hint == f"did you mean `{near}`?"


def test_a_glob_that_meets_nothing_is_usage_too() -> None:
    with pytest.raises(UsageError) as raised:
        select(STATE, ["*.7z"])
    assert raised.value.code == 2 and raised.value.hint


def test_a_hard_link_has_its_bytes_also_without_the_first_of_them() -> None:
    first = entry("a", sha256="11", size=9)._replace(member="b")
    state = [(first, BASE), (entry("z", HARDLINK, link="a"), BASE._replace(id="other"))]
    found = select(state, ["z"])
    assert shared(found) == {"a"}
    ((made, holder),) = with_bytes(found, {"a": state[0]})
    assert (made.kind, made.sha256, made.size, made.member, holder) == (HARDLINK, "11", 9, "b", BASE)


def kinds(
    entries: list[Entry], there: dict[str, Existing] | None = None, overwrite: str = NEVER, rules: Rules = LINUX
) -> dict[str, str]:
    items = plan(with_targets([(each, BASE) for each in entries], rules), there or {}, rules, overwrite=overwrite)
    return {item.wanted.entry.path: item.kind for item in items}


def test_a_path_is_found_however_its_letters_are_written() -> None:
    """A person types `é` and Hangul as one code point each; macOS may have written them down as several."""
    apart, whole = "e\u0301/\u1100\u1161.txt", "\u00e9/\uac00.txt"
    state = [(entry("a.txt"), BASE), (entry(apart), BASE)]
    for names in ([whole], ["\u00e9"], ["\u00e9/*.txt"], [whole, apart, "\u00e9/"]):
        assert [each.path for each, _ in select(state, names)] == [apart]
    assert [each.path for each, _ in select(state, [whole, "a.txt"])] == ["a.txt", apart]
    both = [*state, (entry(whole), BASE)]
    assert [each.path for each, _ in select(both, [whole])] == [whole], "its very name counts"
    with pytest.raises(UsageError, match="nothing in this backup"):
        select(state, [whole, "\u00e9.md"])



def test_folders_come_first_and_links_last() -> None:
    entries = [entry("a", LINK, link="b"), entry("b"), entry("c", FOLDER), entry("c/d"), entry("../x")]
    assert list(kinds(entries).items()) == [("c", MAKE), ("b", WRITE), ("c/d", WRITE), ("a", LINK_TO), ("../x", REFUSE)]


def test_what_is_there_stays_unless_told() -> None:
    entries = [entry("same"), entry("other"), entry("link", LINK, link="same"), entry("to", LINK, link="same")]
    there = {
        "same": Existing(FILE, "aa"), "other": Existing(FILE, "bb"), "link": Existing(LINK, link="same"),
        "to": Existing(FILE),
    }  # fmt: skip
    assert set(kinds(entries, there).values()) == {KEEP}
    assert kinds(entries, there, CHANGED) == {"same": KEEP, "other": REPLACE, "link": KEEP, "to": LINK_TO}
    assert kinds(entries, there, ALWAYS) == {"same": REPLACE, "other": REPLACE, "link": LINK_TO, "to": LINK_TO}


@pytest.mark.parametrize("overwrite", OVERWRITE)
def test_no_folder_is_ever_replaced_and_nothing_is_written_through_what_is_none(overwrite: str) -> None:
    there = {"a": Existing(FOLDER), "b": Existing(FILE), "c": Existing(LINK, link="/elsewhere"), "d": Existing("other")}
    entries = [entry("a"), entry("b", FOLDER), entry("b/x"), entry("c/x"), entry("c/y", LINK, link="x"), entry("d/e/f")]
    assert set(kinds(entries, there, overwrite).values()) == {REFUSE}


def test_a_link_that_leads_out_is_made_only_for_who_names_it() -> None:
    wanted = with_targets([(entry("a/out", LINK, link="../../x"), BASE)], LINUX)
    (item,) = plan(wanted, {}, LINUX)
    assert item.kind == KEEP and item.is_not_made and "../../x" in item.reason
    (same,) = plan(wanted, {"a": Existing(FOLDER), "a/out": Existing(LINK, link="../../x")}, LINUX)
    assert same.kind == KEEP and not same.is_not_made, "it is there"
    assert [one.kind for one in plan(wanted, {}, LINUX, named=["./a/out"])] == [LINK_TO]


def test_a_dry_run_names_everything_once() -> None:
    entries = [entry("a?"), entry("b"), entry("../c"), entry("d", FOLDER)]
    rules = Rules(windows=True)
    wanted = with_targets([(each, BASE) for each in entries], rules)
    made = dry_run_plan("backup.restore", plan(wanted, {"b": Existing(FILE), "d": Existing(FOLDER)}, rules))
    assert [step.detail["path"] for step in made.steps] == ["a?"]
    assert [note.split(":")[0] for note in made.notes] == ["../c", "a?", "b"]


KINDS = st.sampled_from([FILE, FOLDER, LINK])
ENTRIES = st.dictionaries(st.sampled_from(["a", "a/b", "a/b/c", "d", "d/e", "../f"]), KINDS).map(
    lambda rows: [entry(path, kind, link="d" if kind == LINK else "") for path, kind in sorted(rows.items())]
)
PATHS_THERE = st.sampled_from(["a", "a/b", "a/b/c", "d", "d/e"])
THERE = st.dictionaries(PATHS_THERE, KINDS.map(lambda kind: Existing(kind, "bb")))


@given(ENTRIES, THERE, st.sampled_from(OVERWRITE))
def test_every_entry_is_decided_once_and_never_overwrites_unless_told(
    entries: list[Entry], there: dict[str, Existing], overwrite: str
) -> None:
    found = kinds(entries, there, overwrite)
    assert sorted(found) == sorted(each.path for each in entries)
    for path, kind in found.items():
        if path in there and overwrite == NEVER:
            assert kind in (KEEP, REFUSE)
        if there.get(path, Existing("")).kind == FOLDER:
            assert kind in (KEEP, REFUSE)


def test_progress_tells_the_rate_and_what_is_left_and_nothing_of_a_short_run() -> None:
    said: list[str] = []
    clock = iter([0.0, 2.0, 2.1, 4.0])
    progress = Progress("restoring", 100_000_000, said.append, lambda: next(clock))
    for _ in range(4):
        progress.add(20_000_000)
    assert said == [
        "restoring: 40 %, 40.0 MB of 100.0 MB, 20.0 MB/s, 3 s left",
        "restoring: 80 %, 80.0 MB of 100.0 MB, 20.0 MB/s, 1 s left",
    ]
