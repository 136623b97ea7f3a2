"""A page of ours as a browser would read it."""

from __future__ import annotations

from html.parser import HTMLParser

from autosys_tasks.report import html_text

VOID = {"meta", "rect", "br", "wbr", "link", "img"}


class Page(HTMLParser):
    """What a browser would see: tags that close, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said = ""
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.said += data

    def needs_nothing_from_outside(self) -> None:
        names = {name for name, _value in self.attributes}
        assert not names & {"src", "href", "srcset", "action", "data", "poster", "background"}
        assert not any(name.startswith("on") for name in names)
        assert not set(self.tags) & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        assert "@import" not in html_text.CSS and "url(" not in html_text.CSS
