"""The dashboard and the report in a real browser: nothing is asked for, and everything can be read (P14, P17, P21)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import browser
import pytest
import rig
from test_report import filled

from autosys_tasks.report import samples

pytestmark = [pytest.mark.only("posix"), pytest.mark.capability("browser")]
PAGES = ("dashboard_latest", "monitoring_report_latest")
LOOKS = [(390, False), (390, True), (1060, False), (1400, False), (1400, True)]
LANGUAGES = ("en", "ko")
WORD = "아주긴낱말" * 20 + "x" * 120
LOGGED = "<script>alert('답')</script> 마지막 말"
TOML = f"""
[workspace]
name = "내 책상"
[watchdog]
guard = false
retries = 0
[outputs]
"outputs/{WORD[:60]}.json" = "24h"
[services.bad-with-a-name-like-that-of-a-train]
command = {json.dumps([rig.PYTHON, "-c", f"print({LOGGED!r}, flush=True); raise SystemExit(3)"])}
purpose = "{WORD}"
readiness = {{ file = "never there", max_age_s = 9 }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages of a workspace in which things are ill, well and stopped, in each language."""
    space = rig.Workspace(tmp_path_factory.mktemp("pages") / "내 책상 R&D", rig.scratch_state())
    try:
        _written(space)
        yield space.root
    finally:
        space.end_all()
        shutil.rmtree(space.state.parent, ignore_errors=True)


def _written(space: rig.Workspace) -> None:
    space.root.mkdir()
    space.write(TOML).service("api", "sleeps.py", more='purpose = "대시보드에 답합니다"').service("rests", "sleeps.py")
    filled(space.state / samples.FILE, time.time() - 3600, time.time(), 15, ("api", "rests"))
    space.cli("bringup").rc(3)
    space.cli("down", "rests").rc(0)
    space.cli("health").rc(3)
    for language in LANGUAGES:
        for task in ("dashboard", "report"):
            space.cli(task, env={"AUTOSYS_LANG": language}).rc(0)
        for name in PAGES:
            shutil.copy(space.outputs / f"{name}.html", space.root / f"{name} {language}.html")
    space.cli("down").rc(0)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    """One browser for all pages."""
    with browser.running(tmp_path_factory.mktemp("profile")) as made:
        yield made


def each(folder: Path, name: str) -> list[tuple[str, int, bool]]:
    """Every way in which a page is looked at: address, width, dark."""
    return [((folder / f"{name} {said}.html").as_uri(), width, dark) for said in LANGUAGES for width, dark in LOOKS]


BAD = "bad-with-a-name"
SAID = {  # what a person has to be able to read on each
    "dashboard_latest": (f"NG service {BAD}", f"autosys bringup {BAD}", LOGGED, "SKIP service rests"),
    "monitoring_report_latest": ("NG:", f"autosys logs {BAD}", "exited 3", "still open"),
}

# What is wider than the screen, or than the part of the page that holds it.
WIDE = """[...document.querySelectorAll('body *')].filter(each =>
    each.getBoundingClientRect().right > innerWidth + 1 || (each.scrollWidth > each.clientWidth + 1 && each.clientWidth
    && !['thead', 'tr', 'th'].includes(each.localName))).map(each => each.outerHTML.slice(0, 90))"""

# Letters whose contrast to what is behind them is less than WCAG AA asks of small text.
FAINT = """(() => {
    const rgba = said => (said.match(/[\\d.]+/g) || []).map(Number);
    const line = c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * line(r / 255) + .7152 * line(g / 255) + .0722 * line(b / 255);
    const behind = each => { for (let at = each; at; at = at.parentElement) {
        const found = rgba(getComputedStyle(at).backgroundColor);
        if (found.length == 3 || found[3] > 0) return found; }
        return [255, 255, 255]; };
    const ratio = (each, pseudo) => {
        const a = light(rgba(getComputedStyle(each, pseudo).color)), b = light(behind(each));
        return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
    let seen = 0;
    for (let node; node = texts.nextNode();) if (node.data.trim() && node.parentElement.checkVisibility()) {
        seen += 1;
        if (ratio(node.parentElement, null) < 4.5) faint.push(node.data.slice(0, 60)); }
    for (const cell of document.querySelectorAll('td')) if (ratio(cell, '::before') < 4.5) faint.push(cell.dataset.is);
    return seen > 20 ? faint : ['too little text: ' + seen];
})()"""
TEXT = "document.body.innerText"
HEADINGS = "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(each => Number(each.localName[1]))"
DARK = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(each => each < 60)"
FOCUS = """(() => { const each = document.activeElement, style = getComputedStyle(each);
    const width = style.outlineStyle == 'none' ? 0 : parseFloat(style.outlineWidth);
    return [each.getAttribute('aria-label') || each.localName, width]; })()"""
SCROLLING = "[...document.querySelectorAll('.wide')].map(each => each.getAttribute('aria-label'))"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_fits_the_screen_and_can_be_read(
    started: browser.Browser, folder: Path, name: str
) -> None:
    for url, width, dark in each(folder, name):
        with browser.opened(started, url, width=width, dark=dark) as page:
            where = f"{url} at {width}{' dark' if dark else ''}"
            assert not page.complaints(), where
            assert page.js("performance.getEntriesByType('resource').length") == 0, where
            assert page.js("innerWidth") == width >= page.js("document.documentElement.scrollWidth"), where
            assert page.js(WIDE) == [], where
            assert page.js(FAINT) == [], where
            assert page.js(DARK) is dark, where


@pytest.mark.parametrize("name", PAGES)
def test_its_headings_are_an_outline(started: browser.Browser, folder: Path, name: str) -> None:
    for language in LANGUAGES:
        url = (folder / f"{name} {language}.html").as_uri()
        with browser.opened(started, url, width=1400) as page:
            levels = page.js(HEADINGS)
            assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 4
            assert all(below <= above + 1 for above, below in pairwise(levels)), levels
            assert page.js("document.documentElement.lang") == language
            assert "내 책상" in page.js("document.title") and "NG" in page.js("document.title")
            names = [node["name"]["value"] for node in nodes(page, "heading")]
            assert len(names) == len(levels) and all(names)


def nodes(page: browser.Page, role: str) -> list[dict[str, Any]]:
    """What a screen reader is told of that role."""
    page.tell("Accessibility.enable")
    found = page.tell("Accessibility.getFullAXTree")["nodes"]
    return [node for node in found if node.get("role", {}).get("value") == role and not node["ignored"]]


@pytest.mark.parametrize("width", [390, 1400])
def test_a_red_says_what_why_and_what_to_type_and_a_table_stays_one(
    started: browser.Browser, folder: Path, width: int
) -> None:
    """On a narrow screen rows are cards; to a screen reader they are a table all the same."""
    for name, said in SAID.items():
        with browser.opened(started, (folder / f"{name} en.html").as_uri(), width=width) as page:
            seen = page.js(TEXT)
            assert [text for text in said if text not in seen] == [], seen
            assert len(nodes(page, "row")) >= 6 and len(nodes(page, "rowheader")) >= 3
            headings = {node["name"]["value"] for node in nodes(page, "columnheader")}
            assert {"service", "state", "cause", "purpose"} <= headings


@pytest.mark.parametrize("name", PAGES)
def test_whatever_may_scroll_is_reached_by_the_keyboard_and_shows_it(
    started: browser.Browser, folder: Path, name: str
) -> None:
    with browser.opened(started, (folder / f"{name} ko.html").as_uri(), width=1400) as page:
        wanted = page.js(SCROLLING)
        reached = []
        for _ in wanted:
            page.press("Tab")
            label, outline = page.js(FOCUS)
            assert outline >= 1, f"{label}: no outline"
            reached.append(label)
        assert reached == wanted and len(wanted) >= 3


TOFU = """(() => { const drawn = letter => {
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
        pen.font = '40px ' + getComputedStyle(document.body).fontFamily;
        pen.fillText(letter, 10, 60);
        return canvas.toDataURL(); };
    return drawn('한') == drawn('글'); })()"""


@pytest.mark.capability("hangul")
def test_hangul_is_hangul(started: browser.Browser, folder: Path) -> None:
    """P35: what has no letter for it draws the same box for each."""
    with browser.opened(started, (folder / "dashboard_latest ko.html").as_uri(), width=390) as page:
        seen = page.js(TEXT)
        assert "문제가 있습니다" in seen and "대시보드에 답합니다" in seen and "\ufffd" not in seen
        assert page.js(TOFU) is False
