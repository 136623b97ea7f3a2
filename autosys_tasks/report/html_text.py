"""The report and the dashboard as self-contained pages: inline CSS, no script, nothing fetched. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from autosys_tasks.core.clock import span
from autosys_tasks.report.rows_text import Table, headline, moment, notes, sentences, tables
from autosys_tasks.report.texts import say
from autosys_tasks.report.values import Figures, Line, Span

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
VERDICTS = ("OK", "WARN", "NG", "UNKNOWN", "SKIP")
STRIP_MOST = 400  # spans of one kind: a page stays small
HEIGHTS = {"bad": 10, "good": 7, "off": 3}
LONG = 14  # letters: a cell with more may be folded
CSS = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1a1d21;--soft:#565d66;--line:#d5dae0;--card:#f5f7f9;
--ok:#1a7f37;--warn:#8a5a00;--ng:#c0212b;--unknown:#5b4bb5;--skip:#5d646c}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--ink:#e8eaed;--soft:#a9b1ba;--line:#363c43;--card:#1d2126;
--ok:#4ac26b;--warn:#e3a73c;--ng:#ff7b72;--unknown:#b3a5ff;--skip:#a2aab3}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.3rem 0}h2{font-size:1.2rem;margin:1.8rem 0 .5rem}h3{font-size:1rem;margin:1.3rem 0 .4rem}
p{margin:.3rem 0}.soft,figcaption{color:var(--soft)}
.OK{--tone:var(--ok)}.WARN{--tone:var(--warn)}.NG{--tone:var(--ng)}.UNKNOWN{--tone:var(--unknown)}.SKIP{--tone:var(--skip)}
.mark{color:var(--tone);font-weight:700}
.stale{border:2px solid var(--warn);border-radius:.4rem;padding:.4rem .7rem;font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.7rem}
.tiles{list-style:none;margin:0;padding:0}
.tiles li,pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.5rem .7rem}
.tiles li{border-left:.35rem solid var(--tone)}.tiles h3,.tiles p{margin:.1rem 0}
.helps::before{content:"→ ";color:var(--soft)}
.wide{overflow-x:auto}.wide:focus-visible{outline:2px solid var(--ink);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}
th,td{white-space:nowrap}.long{white-space:normal;min-width:8rem}
thead th{white-space:normal;overflow-wrap:normal;word-break:keep-all}tbody th{font-weight:600}
figure{margin:.5rem 0}figcaption{font-size:.9rem}
svg{display:block;width:100%;height:1rem;background:var(--card);border:1px solid var(--line)}
.soft span{white-space:nowrap}
i{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .6em;background:var(--card);border:1px solid var(--line)}
.good{fill:var(--ok);background:var(--ok)}.bad{fill:var(--ng);background:var(--ng)}.off{fill:var(--skip);background:var(--skip)}
pre{white-space:pre-wrap;margin:.3rem 0}
@media(max-width:66rem){
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table{display:block}tbody{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.6rem}
tr{display:block;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.4rem .7rem}
th,td{display:block;border:0;padding:.05rem 0;white-space:normal}.long{min-width:0}td.none{display:none}
td{display:grid;grid-template-columns:minmax(7.5rem,34%) 1fr;gap:.6rem}
td::before{content:attr(data-is);color:var(--soft)}
}
"""


def report(figures: Figures, name: str, language: str) -> str:
    """The report as a page of its own."""
    hours = f"{figures.window.seconds / 3600:g}"
    lead = [
        f"<h1>{marked(figures.verdict, headline(figures, language))}</h1>",
        paragraph(f"{name}: {say('last_hours', language, hours=hours, at=moment(figures.window.ended))}"),
        paragraph(say("services_alone", language)),
    ]
    title = f"{figures.verdict} {say('services', language)} - {name} - {say('report', language)}"
    return page(title, language, [*lead, *report_parts(figures, language, 2)])


def report_parts(figures: Figures, language: str, level: int) -> list[str]:
    """The figures as blocks of a page, without its head line; `level` of their headings."""
    said = notes(figures, language)
    return [
        *map(paragraph, sentences(figures, language)),
        *(
            section(table, language, level, strips(figures, language) if table.key == "services" else ())
            for table in tables(figures, language)
        ),
        *([heading(level, say("notes", language)), *map(paragraph, said)] if said else []),
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


def folding(said: str) -> str:
    """The same, with places at which a path may be folded."""
    return re.sub(r"([/_])(?=\w)", r"\1<wbr>", text(said))


def marked(verdict: str, said: str) -> str:
    """A text in its verdict's colour; the verdict is in the text too."""
    tone = verdict if verdict in VERDICTS else "UNKNOWN"
    return f'<span class="mark {tone}">{text(said)}</span>'


def heading(level: int, said: str) -> str:
    """A heading of that level."""
    return f"<h{level}>{text(said)}</h{level}>"


def section(table: Table, language: str, level: int = 2, before: Iterable[str] = ()) -> str:
    """A title and its table, whose rows are cards on a narrow screen; blocks `before` stand between the two."""
    title = say(table.key, language)
    head = "".join(f'<th scope="col">{text(each)}</th>' for each in table.headings)
    named = table.headings[0] == say("service", language)
    rows = "\n".join(f"<tr>{row_html(table.headings, row, named)}</tr>" for row in table.rows)
    opening = f'<div class="wide" role="region" tabindex="0" aria-label="{text(title)}">'
    body = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    return "\n".join([heading(level, title), *before, opening, body])


def row_html(headings: Sequence[str], row: Sequence[str], named: bool) -> str:
    """The cells of a row, which is `named` when the first says whose it is."""
    first = [f'<th scope="row"{kind(row[0])}>{text(row[0])}</th>'] if named else []
    return "".join([*first, *map(cell, headings[len(first) :], row[len(first) :])])


def cell(heading: str, said: str) -> str:
    """One cell, with its heading for the narrow screen; what begins with a verdict has its colour."""
    verdict = said.partition(" ")[0]
    shown = marked(verdict, said) if verdict in VERDICTS else text(said)
    return f'<td data-is="{text(heading)}"{kind(said)}>{shown}</td>'


def kind(said: str) -> str:
    """The class of a cell: `none` has nothing to say, `long` may be folded."""
    name = "none" if not said.strip("-/ ") else "long" if len(said) > LONG else ""
    return f' class="{name}"' if name else ""


def strips(figures: Figures, language: str) -> list[str]:
    """The window as a strip for each service that was watched, with a legend."""
    drawn = [strip(line, figures, language) for line in figures.lines if line.observed_s > 0 or line.stopped_s > 0]
    if not drawn:
        return []
    kinds = (("good", "is_up"), ("bad", "is_down"), ("off", "is_stopped"), ("", "not_observed"))
    legend = " ".join(f'<span><i class="{kind}"></i>{text(say(key, language))}</span>' for kind, key in kinds)
    window = f"{moment(figures.window.began)} \N{EN DASH} {moment(figures.window.ended)}"
    return [f'<p class="soft">{text(window)} {legend}</p>', *drawn]


def strip(line: Line, figures: Figures, language: str) -> str:
    """The window as a strip of up, down and stopped; what is empty was not observed."""
    values = {"name": line.service.name, "up": span(line.up_s), "down": span(line.down_s)}
    label = text(say("strip", language, stopped=span(line.stopped_s), **values))
    drawn = "".join(
        bars(kind, spans, figures) for kind, spans in (("good", line.good), ("off", line.off), ("bad", line.bad))
    )
    opening = '<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
    return f"<figure><figcaption>{label}</figcaption>{opening}{drawn}</svg></figure>"


def bars(kind: str, spans: Iterable[Span], figures: Figures) -> str:
    """Spans as rectangles, the longest when there are too many; a moment of trouble is still one unit wide.

    Kinds differ in height too, for whoever cannot tell their colours.
    """
    scale = 1000 / max(figures.window.seconds, 1e-9)
    most = sorted(spans, key=lambda one: one[0] - one[1])[:STRIP_MOST]
    least, height = (2.0 if kind == "bad" else 0.1), HEIGHTS[kind]
    return "".join(
        f'<rect class="{kind}" x="{(began - figures.window.began) * scale:.2f}" y="{10 - height}" height="{height}" '
        f'width="{max(least, (ended - began) * scale):.2f}"/>'
        for began, ended in sorted(most)
    )
