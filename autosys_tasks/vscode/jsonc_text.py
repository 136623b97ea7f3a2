"""Reads JSON as VS Code does: // and /* */ comments, trailing commas. Keeps every position. Pure.

Sources: microsoft/node-jsonc-parser (its scanner), and the files that people have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 100
TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
    | (?P<comment>//[^\r\n]* | /\*.*?\*/)
    | (?P<string>"(?:[^"\\\x00-\x1f] | \\(?:["\\/bfnrt] | u[0-9a-fA-F]{4}))*")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<word>true|false|null)
    | (?P<mark>[{}\[\]:,])
    """,
    re.VERBOSE | re.DOTALL,
)
NOT_UTF8 = re.compile("[\ud800-\udfff]")  # what the `surrogateescape` of a decoder leaves
EOL = re.compile(r"\r\n|\n|\r")
STRAY = {'"': "a string that does not end on its line, or a wrong escape in it", "/": "a comment that does not end"}


class Broken(ValueError):
    """The text is no such document: what, and at which line and column (both from 1)."""

    def __init__(self, message: str, text: str, at: int) -> None:
        super().__init__(message)
        lines = EOL.split(text[:at])
        self.message, self.line, self.column = message, len(lines), len(lines[-1].lstrip("\ufeff")) + 1

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class Token(NamedTuple):
    """A piece of the text with a meaning, and where it stands."""

    kind: str  # comment string number word mark, or "end"
    text: str
    start: int
    end: int


class Node(NamedTuple):
    """A value: `value` is a scalar's, `keys` name an object's `items`, and are empty for an array."""

    kind: str  # object array string number word
    start: int
    end: int
    value: object = None
    items: tuple[Node, ...] = ()
    keys: tuple[Token, ...] = ()


class Document(NamedTuple):
    """A whole file: its text, its value, and the comments in it."""

    text: str
    root: Node
    comments: tuple[Token, ...]


def parse(text: str) -> Document:
    """The document in a text; raises Broken."""
    tokens = list(_tokens(text))
    reader = _Reader(text, [token for token in tokens if token.kind != "comment"])
    root = reader.value(0)
    reader.expect("end")
    return Document(text, root, tuple(token for token in tokens if token.kind == "comment"))


def is_empty(text: str) -> bool:
    """Whether there are blanks and comments alone, which VS Code takes for an empty document; raises Broken."""
    return all(token.kind in ("comment", "end") for token in _tokens(text))


def plain(node: Node) -> object:
    """A value to compare with: order, repeated keys and the way a number is written count; positions do not."""
    if node.kind == "object":
        return ("object", *((_read(key.text), plain(item)) for key, item in zip(node.keys, node.items, strict=True)))
    if node.kind == "array":
        return ("array", *map(plain, node.items))
    return (node.kind, node.value)


def member(node: Node, name: str) -> tuple[Token, Node] | None:
    """The key and the value of that name in an object; of several the last, which counts in VS Code too."""
    found = [pair for pair in zip(node.keys, node.items, strict=True) if _read(pair[0].text) == name]
    return found[-1] if found else None


def _read(raw: str) -> object:
    return json.loads(raw)


def _tokens(text: str) -> Iterator[Token]:
    if odd := NOT_UTF8.search(text):
        raise Broken("this is not UTF-8", text, odd.start())
    at = 1 if text.startswith("\ufeff") else 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Broken(STRAY.get(text[at], f"unexpected {text[at]!r}"), text, at)
        kind = found.lastgroup or ""
        if kind != "space":
            yield Token(kind, found[0], at, found.end())
        at = found.end()
    yield Token("end", "", at, at)


class _Reader:
    """Turns tokens into values, one after the other."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text, self._tokens, self._next = text, tokens, 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def broken(self, wanted: str) -> Broken:
        said = "the end of the file" if self.token.kind == "end" else f"`{self.token.text}`"
        return Broken(f"expected {wanted}, not {said}", self._text, self.token.start)

    def take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def expect(self, what: str) -> Token:
        if what not in (self.token.kind, self.token.text):
            raise self.broken({"end": "nothing more", "string": 'a key in ""'}.get(what, f"`{what}`"))
        return self.take()

    def value(self, depth: int) -> Node:
        token = self.token
        if depth > DEEPEST:
            raise Broken("nested too deeply", self._text, token.start)
        if token.kind in ("string", "word", "number"):
            self.take()
            value = token.text if token.kind == "number" else _read(token.text)
            return Node(token.kind, token.start, token.end, value)
        if token.text in ("{", "["):
            return self._container(depth)
        raise self.broken("a value")

    def _container(self, depth: int) -> Node:
        opened = self.take()
        is_object = opened.text == "{"
        closing = "}" if is_object else "]"
        keys: list[Token] = []
        items: list[Node] = []
        while self.token.text != closing:
            if is_object:
                keys.append(self.expect("string"))
                self.expect(":")
            items.append(self.value(depth + 1))
            if self.token.text != closing and self.token.text != ",":
                raise self.broken(f"`,` or `{closing}`")
            if self.token.text == ",":
                self.take()
        end = self.take().end
        return Node("object" if is_object else "array", opened.start, end, None, tuple(items), tuple(keys))
