"""The dashboard: the latest health page as tiles, the services as they are, the report's figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autosys_tasks.core.clock import parse_utc, span
from autosys_tasks.core.verdict import ALL, UNKNOWN, overall
from autosys_tasks.report.html_text import folding, heading, marked, page, paragraph, report_parts, section, text
from autosys_tasks.report.rows_text import ROW_KEYS, Table, moment, row_cells, sentences
from autosys_tasks.report.texts import say
from autosys_tasks.report.values import Figures

Json = Mapping[str, object]
WORST_FIRST = ("NG", "UNKNOWN", "WARN", "OK", "SKIP")
RENEW = "inv health; inv dashboard"


class Tile(NamedTuple):
    """One check as the page shows it."""

    id: str
    title: str
    verdict: str
    evidence: str
    why: str
    help: str
    typed: bool = False  # whether what helps is a command


class Board(NamedTuple):
    """What a dashboard shows. `checked_at` None: the health document does not say when it was made."""

    name: str
    at: float
    tiles: tuple[Tile, ...]
    checked_at: float | None
    stale_after_s: float
    rows: Sequence[Json]
    figures: Figures

    @property
    def age_s(self) -> float | None:
        """How old the checks are; a time in the future is as good as none."""
        if self.checked_at is None or self.checked_at > self.at + 60:
            return None
        return max(0.0, self.at - self.checked_at)

    @property
    def stale(self) -> bool:
        """Whether the checks are too old to tell what is so now."""
        return self.age_s is None or self.age_s > self.stale_after_s

    @property
    def verdict(self) -> str:
        """Never better than any part of the page, and no OK out of checks that are stale or looked at nothing."""
        parts = [tile.verdict for tile in self.tiles] + [line.service.verdict for line in self.figures.lines]
        worst = overall(parts)
        return UNKNOWN if worst == "OK" and (self.stale or not self.tiles) else worst


def board(
    name: str, at: float, health: Json, stale_after_s: float, rows: Sequence[Json], figures: Figures
) -> Board:
    """A dashboard out of a health document, which is not trusted to be whole."""
    try:
        checked_at = parse_utc(str(health.get("at")))
    except ValueError:
        checked_at = None
    checks = health.get("checks")
    known = [check for check in checks if isinstance(check, Mapping)] if isinstance(checks, list) else []
    tiles = sorted(map(tile, known), key=lambda each: WORST_FIRST.index(each.verdict))
    return Board(name, at, tuple(tiles), checked_at, stale_after_s, rows, figures)


def tile(check: Json) -> Tile:
    """One check; a verdict that is none of ours is UNKNOWN."""
    verdict = str(check.get("verdict"))
    said = [str(check.get(key) or "") for key in ("id", "title", "evidence", "why")]
    name, title, evidence, why = said
    return Tile(name, title, verdict if verdict in ALL else UNKNOWN, evidence, why, *_help(check.get("fix")))


def _help(fix: object) -> tuple[str, bool]:
    if not isinstance(fix, Mapping):
        return "", False
    command = fix.get("command")
    if isinstance(command, list):
        return " ".join(map(str, command)), True
    return str(fix.get("text") or ""), False


def html(shown: Board, language: str, renews_s: int | None = None) -> str:
    """The whole page. `renews_s`: whoever shows it asks for it again that often."""
    verdict = shown.verdict
    last_words = [line.service for line in shown.figures.lines if line.service.last_words]
    cells = tuple(row_cells(row, language) for row in shown.rows)
    headings = tuple(say(key, language) for key in ROW_KEYS)
    blocks = [
        f"<h1>{marked(verdict, f'{verdict} {shown.name}')}</h1>",
        paragraph(say(verdict, language)),
        f'<p class="soft">{text(lasting(shown, language, renews_s))}</p>',
        heading(2, say("checks", language)),
        *aging(shown, language),
        f'<ul class="tiles" role="list">\n{"".join(map(tile_html, shown.tiles))}</ul>' if shown.tiles else "",
        *([section(Table("services_now", headings, cells), language)] if cells else []),
        *(words_html(service.name, service.last_words, language) for service in last_words),
        heading(2, say("report", language)),
        *report_parts(shown.figures, language, 3),
    ]
    return page(f"{verdict} {shown.name} - {say('dashboard', language)}", language, blocks)


def lasting(shown: Board, language: str, renews_s: int | None) -> str:
    """Of when the page is, and whether it goes on."""
    at = moment(shown.at)
    return say("page_renews", language, at=at, every=renews_s) if renews_s else say("page_ages", language, at=at)


def aging(shown: Board, language: str) -> list[str]:
    """How old the checks are, loudly when they are stale."""
    if shown.checked_at is None or shown.age_s is None:
        return [f'<p class="stale">{text(say("no_time", language))}: {text(RENEW)}</p>']
    at = say("checked_at", language, at=moment(shown.checked_at), age=span(shown.age_s))
    loud = say("stale", language, age=span(shown.age_s), command=RENEW)
    return [paragraph(at), *([f'<p class="stale">{text(loud)}</p>'] if shown.stale else [])]


def tile_html(each: Tile) -> str:
    """A check: verdict, what it is about, evidence, reason, what helps."""
    said = [f"<h3>{marked(each.verdict, each.verdict)} {folding(each.title or each.id)}</h3>"]
    said += [f"<p>{folding(one)}</p>" for one in dict.fromkeys((each.evidence, each.why)) if one]
    shown = f"<code>{folding(each.help)}</code>" if each.typed else folding(each.help)
    said += [f'<p class="helps">{shown}</p>'] if each.help else []
    return f'<li class="{each.verdict}">{"".join(said)}</li>\n'


def words_html(name: str, last_words: str, language: str) -> str:
    """The last lines of the log of a service that is ill."""
    return f"<p>{text(name)}: {text(say('last_words', language))}</p>\n<pre>{text(last_words)}</pre>"


def lines(shown: Board, language: str) -> list[str]:
    """The dashboard in a few lines of a terminal: the verdict, what is not well, the report's sentences."""
    ill = [each for each in shown.tiles if each.verdict in ("NG", "UNKNOWN", "WARN")]
    said = [f"{shown.verdict} {shown.name}: {say(shown.verdict, language)}"]
    for each in ill[:8]:
        said.append(f"{each.verdict} {each.id}: {each.why or each.evidence}")
        said += [f"   -> {each.help}"] if each.help else []
    if shown.age_s is None:
        said.append(say("no_time", language))
    elif shown.stale:
        said.append(say("stale", language, age=span(shown.age_s), command=RENEW))
    return [*said, *sentences(shown.figures, language)]


def fields(shown: Board, report: Mapping[str, object]) -> dict[str, object]:
    """The fields of the `dashboard` document."""
    tally = {verdict: sum(1 for each in shown.tiles if each.verdict == verdict) for verdict in ALL}
    age_s = shown.age_s
    return {
        "verdict": shown.verdict,
        "checks": {
            "at": None if shown.checked_at is None else moment(shown.checked_at).replace(" ", "T"),
            "age_s": None if age_s is None else round(age_s, 3),
            "stale": shown.stale,
            "counts": tally,
        },
        "services": list(shown.rows),
        "report": dict(report),
    }
