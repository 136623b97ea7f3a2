"""Pages that say the same figures in every format and language, and take no text for anything but text."""

from __future__ import annotations

import re
from string import Formatter

import pytest
from html_page import Page
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.report import dashboard_text, html_text, json_text, md_text, terminal_text
from autosys_tasks.report.figures import figures
from autosys_tasks.report.texts import LANGUAGES, TEXTS, chosen
from autosys_tasks.report.values import Event, Figures, Gap, Machine, Sample, Seen, Service, Window

pytestmark = pytest.mark.portable

END = 1_800_000_000.0
WINDOW = Window(END - 3600, END)
EVIL = "<script>alert('한글')</script> & | ` \x1b[31m\x00"


def seen(text: str = EVIL) -> Seen:
    times = [END - 3600 + 15 * n for n in range(241)]
    ill = Service("나쁜 것", text, True, False, "blocked", "NG", text, False, None, None, text, f"inv logs {text}")
    well = Service("api", text, True, False, "ready", "OK", "alive", True, END - 3600)
    event = Event(END - 600, "guard", "start", "api", "killed by signal 9", True, "pid 1", 8)
    samples = tuple(Sample(at, True, 2.5, 30_000_000) for at in times)
    machine = tuple(Machine(at, 12.5, 40.0, 5_000_000_000) for at in times)
    return Seen(WINDOW, (ill, well), (event,), machine, {"api": samples}, skipped_lines=3, samples_trouble=text)


def board(found: Figures, age_s: float | None = 30, verdict: str = "OK") -> dashboard_text.Board:
    check = {"id": EVIL, "title": EVIL, "verdict": verdict, "evidence": EVIL, "why": EVIL, "fix": {"command": [EVIL]}}
    at = {} if age_s is None else {"at": "2027-01-15T07:59:30.000Z" if age_s == 30 else "2027-01-15T04:00:00.000Z"}
    row = {"name": EVIL, "state": EVIL, "pid": None, "uptime_s": None, "rss_bytes": None, "ports": [], "purpose": EVIL}
    return dashboard_text.board(EVIL, END, {**at, "checks": [check]}, 600, [row], found)


def test_every_text_is_there_in_both_languages_with_the_same_values() -> None:
    for key, texts in TEXTS.items():
        assert len(texts) == len(LANGUAGES) and all(text.strip() for text in texts), key
        values = [sorted(name for _t, name, _s, _c in Formatter().parse(text) if name) for text in texts]
        assert values[0] == values[1], key
        assert texts[0].isascii(), key
    assert sum(any("가" <= char <= "힣" for char in korean) for _english, korean in TEXTS.values()) > 40


@pytest.mark.parametrize(
    ("configured", "said", "system", "language"),
    [
        ("ko", "en", "en_US.UTF-8", "ko"), ("auto", "ko", "C", "ko"), ("auto", "en", "ko_KR.UTF-8", "en"),
        ("auto", "", "ko_KR.UTF-8", "ko"), ("auto", "", "Korean_Korea.949", "ko"), ("auto", "", "", "en"),
        ("auto", "fr", "de_DE", "en"), ("auto", "", "kok_IN", "en"), ("en", "ko", "ko_KR", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_configured_one_then_the_said_one_then_the_systems(
    configured: str, said: str, system: str, language: str
) -> None:
    assert chosen(configured, said, system) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_formats_say_the_same_figures(language: str) -> None:
    """P19: two pages of one report that contradict each other."""
    found = figures(seen("plain"))
    document = json_text.fields(found)
    texts = [md_text.page(found, "desk", language), Page(html_text.report(found, "desk", language)).said]
    api = document["services"][1]  # type: ignore[index]
    up = f"{api['uptime_percent']:g} %"
    assert up == "99.999 %" and api["restarts"]["by_reason"] == {"killed by signal 9": 1}
    observed = f"({document['observed']['percent']:g} %)"  # type: ignore[index]
    for text in texts:
        for figure in (up, observed, "30.0 MB / 30.0 MB", "2.5 % / 2.5 %", "8 ms", "killed by signal 9", "5.0 GB"):
            assert figure in text, figure
        assert text.count("2027-01-15 07:49:59Z") == 1
    assert up in "\n".join(terminal_text.lines(found, "desk", language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_evidence_is_said_and_no_percentage_beside_it(language: str) -> None:
    """P24."""
    well = Service("api", "", True, False, "ready", "OK", "alive", True, END - 60)
    found = figures(Seen(WINDOW, (well,)))
    word = {"en": "no evidence", "ko": "증거 없음"}[language]
    for text in (
        md_text.page(found, "desk", language),
        Page(html_text.report(found, "desk", language)).said.replace(html_text.CSS, ""),
        "\n".join(terminal_text.lines(found, "desk", language)),
    ):
        assert word in text and not re.search(r"\d+ ?%", text), text
        assert "OK:" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_verdict_on_services_alone_says_so_in_every_format(language: str) -> None:
    """P19: OK above a missing backup, which a report does not look at."""
    well = Service("api", "", True, False, "ready", "OK", "alive", True, END - 3600)
    calm = figures(seen("x")._replace(services=(well,)))
    document, headline = json_text.fields(calm), TEXTS["services_OK"][LANGUAGES.index(language)]
    assert document["verdict"] == "OK" and document["covers"] == "services"
    for text in (
        md_text.page(calm, "desk", language),
        Page(html_text.report(calm, "desk", language)).said,
        "\n".join(terminal_text.lines(calm, "desk", language)),
    ):
        assert f"OK: {headline}" in text and "inv health" in text
        assert TEXTS["OK"][LANGUAGES.index(language)] not in text.replace(headline, "")
    title = Page(html_text.report(calm, "desk", language)).said.split("- desk")[0]
    assert title.strip() == f"OK {TEXTS['services'][LANGUAGES.index(language)]}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_services_say_pages_stay_whole_and_fetch_nothing(language: str) -> None:
    """P14: a dashboard that does not parse."""
    found = figures(seen())
    for text in (html_text.report(found, EVIL, language), dashboard_text.html(board(found), language)):
        page = Page(text)
        page.needs_nothing_from_outside()
        assert f'<html lang="{language}">' in text and "prefers-color-scheme:dark" in text
        assert "width=device-width" in text
        assert page.tags.count("h1") == page.tags.count("main") == 1
        assert "<script>alert('한글')</script>" in page.said and "\x00" not in text and "\x1b" not in text
    rows = [line for line in md_text.page(found, EVIL, language).splitlines() if line.startswith("|")]
    assert rows and "<script>" not in "\n".join(rows)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4, 5, 10}


@given(st.text(max_size=60))
def test_any_text_is_only_text(said: str) -> None:
    page = Page(f"<p title=\"{html_text.text(said)}\">{html_text.text(said)}</p>")
    assert page.tags == ["p"]
    cell = md_text.plain(said)
    assert "\n" not in cell and not re.search(r"(?<!\\)(\\\\)*[|<`]", cell)


def test_stale_checks_are_said_loudly_and_prove_no_green() -> None:
    """P20, P21: an old OK is no OK."""
    well = Service("api", "", True, False, "ready", "OK", "alive", True, END - 3600)
    calm = figures(seen("x")._replace(services=(well,)))
    fresh, old, ageless = board(calm), board(calm, 4 * 3600), board(calm, None)
    assert (fresh.stale, fresh.verdict, fresh.age_s) == (False, "OK", 30)
    assert (old.stale, old.verdict) == (True, "UNKNOWN")
    assert (ageless.stale, ageless.verdict, ageless.age_s) == (True, "UNKNOWN", None)
    assert 'class="stale"' not in dashboard_text.html(fresh, "en")
    page = dashboard_text.html(old, "en")
    assert 'class="stale"' in page and "4 h before this page" in page and "2027-01-15 04:00:00Z" in page
    assert 'class="stale"' in dashboard_text.html(ageless, "ko")
    assert any("stale" in line for line in dashboard_text.lines(old, "en"))


def test_a_dashboard_is_never_better_than_what_it_shows() -> None:
    """P19: `HEALTH: GOOD` above five critical alerts."""
    found = figures(seen("x"))
    assert board(found).verdict == "NG", "the checks are OK, a service is down now"
    calm = figures(Seen(WINDOW))
    for worst, shown in (("NG", "NG"), ("WARN", "WARN"), ("UNKNOWN", "WARN"), ("nonsense", "WARN"), ("OK", "OK")):
        assert board(calm, verdict=worst).verdict == shown
    assert dashboard_text.board("desk", END, {"at": "2027-01-15T07:59:59Z"}, 600, [], calm).verdict == "UNKNOWN"
    counted = dashboard_text.fields(board(found), {})["checks"]
    assert sum(counted["counts"].values()) == 1  # type: ignore[index]


def test_a_page_stays_small_however_much_happened() -> None:
    """P56."""
    times = [END - 3600 + 0.2 * n for n in range(18_000)]
    samples = tuple(Sample(at, n % 3 > 0, 1.0, 1) for n, at in enumerate(times))
    well = Service("api", "", True, False, "ready", "OK", "alive", True, END - 1)
    busy = Seen(WINDOW, (well,), machine=tuple(map(Machine, times)), samples={"api": samples})
    gaps = tuple(Gap(END - 3600 + 60 * n, END - 3600 + 60 * n + 40, "the machine slept") for n in range(50))
    many = figures(busy._replace(gaps=gaps, stable_after_s=0))
    assert len(many.incidents) > 100
    assert len(html_text.report(many, "desk", "ko")) < 120_000
    assert len(md_text.page(many, "desk", "en")) < 20_000 and "+" in md_text.page(many, "desk", "en")
