"""The report and the dashboard as self-contained pages: inline CSS, no script, nothing fetched. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from autosys_tasks.core.clock import span
from autosys_tasks.report.rows_text import Table, headline, moment, notes, sentences, tables
from autosys_tasks.report.values import Figures, Line, Span
from autosys_tasks.report.words import say

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
VERDICTS = ("OK", "WARN", "NG", "UNKNOWN", "SKIP")
STRIP_MOST = 400  # spans of one kind: a page stays small
CSS = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1a1d21;--soft:#565d66;--line:#d5dae0;--card:#f5f7f9;
--ok:#1a7f37;--warn:#8a5a00;--ng:#c0212b;--unknown:#5b4bb5;--skip:#5d646c}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--ink:#e8eaed;--soft:#a9b1ba;--line:#363c43;--card:#1d2126;
--ok:#4ac26b;--warn:#e3a73c;--ng:#ff7b72;--unknown:#b3a5ff;--skip:#a2aab3}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.3rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .5rem}p{margin:.3rem 0}
small,.soft{color:var(--soft)}
.OK{--tone:var(--ok)}.WARN{--tone:var(--warn)}.NG{--tone:var(--ng)}.UNKNOWN{--tone:var(--unknown)}.SKIP{--tone:var(--skip)}
.mark{color:var(--tone);font-weight:700}
.stale{border:2px solid var(--warn);border-radius:.4rem;padding:.4rem .7rem;font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.7rem;list-style:none;
margin:0;padding:0}
.tiles li{background:var(--card);border:1px solid var(--line);border-left:.35rem solid var(--tone);border-radius:.4rem;
padding:.5rem .7rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
td{min-width:4rem}th{white-space:nowrap;overflow-wrap:normal}
svg{display:block;width:100%;height:1rem;background:var(--card);border:1px solid var(--line);margin:.1rem 0 .6rem}
.good{fill:var(--ok)}.bad{fill:var(--ng)}.off{fill:var(--skip)}
pre{white-space:pre-wrap;background:var(--card);border:1px solid var(--line);padding:.5rem;margin:.3rem 0}
"""


def report(figures: Figures, name: str, language: str) -> str:
    """The report as a page of its own."""
    hours = f"{figures.window.seconds / 3600:g}"
    lead = [
        f"<h1>{marked(figures.verdict, headline(figures, language))}</h1>",
        paragraph(f"{name}: {say('last_hours', language, hours=hours, at=moment(figures.window.ended))}"),
    ]
    return page(f"{figures.verdict} {name}", language, [*lead, *report_parts(figures, language)])


def report_parts(figures: Figures, language: str) -> list[str]:
    """The figures as blocks of a page, without its head line."""
    said = notes(figures, language)
    return [
        *map(paragraph, sentences(figures, language)),
        *(section(table, language) for table in tables(figures, language) if table.key == "next"),
        *(strip(line, figures, language) for line in figures.lines if line.observed_s > 0 or line.stopped_s > 0),
        *(section(table, language) for table in tables(figures, language) if table.key != "next"),
        *([f"<h2>{text(say('notes', language))}</h2>", *map(paragraph, said)] if said else []),
    ]


def page(title: str, language: str, blocks: Iterable[str]) -> str:
    """A whole document around these blocks."""
    head = (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
    )
    return head + "\n".join(blocks) + "\n</main>\n</body>\n</html>\n"


def text(said: str) -> str:
    """Text that is nothing but text on any page."""
    return escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", said), quote=True)


def paragraph(said: str) -> str:
    """A paragraph."""
    return f"<p>{text(said)}</p>"


def marked(verdict: str, said: str) -> str:
    """A text in its verdict's colour; the verdict is in the text too."""
    tone = verdict if verdict in VERDICTS else "UNKNOWN"
    return f'<span class="mark {tone}">{text(said)}</span>'


def section(table: Table, language: str) -> str:
    """A title and its table, which scrolls by itself on a narrow screen."""
    title = text(say(table.key, language))
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in table.headings)
    rows = "\n".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    opening = f'<h2>{title}</h2>\n<div class="wide" role="region" tabindex="0" aria-label="{title}">'
    return f"{opening}\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"


def strip(line: Line, figures: Figures, language: str) -> str:
    """The window as a strip of up, down and stopped; what is empty was not observed."""
    values = {"name": line.service.name, "up": span(line.up_s), "down": span(line.down_s)}
    label = text(say("strip", language, stopped=span(line.stopped_s), **values))
    drawn = "".join(
        bars(kind, spans, figures) for kind, spans in (("good", line.good), ("off", line.off), ("bad", line.bad))
    )
    opening = f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{label}">'
    return f"<p><small>{label}</small></p>\n{opening}{drawn}</svg>"


def bars(kind: str, spans: Iterable[Span], figures: Figures) -> str:
    """Spans as rectangles, the longest when there are too many; a moment of trouble is still one unit wide."""
    scale = 1000 / max(figures.window.seconds, 1e-9)
    most = sorted(spans, key=lambda one: one[0] - one[1])[:STRIP_MOST]
    least = 2.0 if kind == "bad" else 0.1
    return "".join(
        f'<rect class="{kind}" x="{(began - figures.window.began) * scale:.2f}" y="0" height="10" '
        f'width="{max(least, (ended - began) * scale):.2f}"/>'
        for began, ended in sorted(most)
    )
