"""What a loopback server offers: routes, requests, answers, refusals, as plain values. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

BODY_LIMIT = 2 * 1024 * 1024


class Request(NamedTuple):
    """What was asked: the last value of each query key, lower-case header names, the JSON object (or {})."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, object]
    connected: Callable[[], bool]


class Answer(NamedTuple):
    """A status and a JSON object; without a body nothing but the status is sent."""

    status: int
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = {}


class Route(NamedTuple):
    """`respond(request, *parts)` for one method and path; `{}` in a path is a part; `open` needs no token."""

    method: str
    path: str
    respond: Callable[..., Answer]
    open: bool = False


class Site(NamedTuple):
    """Everything a server offers; `statuses` gives the HTTP status of an AutosysError by its kind.

    `on_end` is called once when the server stops taking requests, to wake those that wait.
    """

    routes: Sequence[Route]
    token: str | None = None
    statuses: Mapping[str, int] = {}
    on_end: Callable[[], None] = lambda: None
    body_limit: int = BODY_LIMIT


class Refusal(Exception):
    """An answer that says no, and what to do about it."""

    def __init__(
        self, status: int, message: str, hint: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.answer = Answer(status, refused(message, hint), headers or {})


def refused(message: str, hint: str, kind: str = "request") -> dict[str, object]:
    """The body of every answer that is not a success."""
    return {"error": {"kind": kind, "message": message, "hint": hint}}


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route | None, list[str]]:
    """The route of a request and the path's parts; Refusal 405 when only other methods know the path."""
    known: set[str] = set()
    for route in routes:
        parts = match(route.path, path)
        if parts is not None and route.method == method:
            return route, parts
        if parts is not None:
            known.add(route.method)
    if known:
        hint = f"use {' or '.join(sorted(known))}"
        raise Refusal(405, f"`{path}` does not know {method}", hint, {"Allow": ", ".join(sorted(known))})
    return None, []


def match(pattern: str, path: str) -> list[str] | None:
    """The parts of `path` that stand where `pattern` has `{}`, or None when they differ."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    pairs = list(zip(wanted, given, strict=True))
    if any(want not in ("{}", have) for want, have in pairs):
        return None
    return [unquote(have) for want, have in pairs if want == "{}"]


def parse_body(raw: bytes) -> dict[str, object]:
    """The JSON object in a request's body, {} when there is none; Refusal 400 for anything else."""
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {error}", "send one JSON object in UTF-8") from error
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object", 'send for example {"kind": "ping"}')
    return body


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")
