"""Probes a URL: compares status, JSON and text of the response with what is wanted. Shows no query, no body."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, WARN
from autosys_tasks.probes.client import Reply, Url, fetch, parse_url
from autosys_tasks.probes.net import Absent, NoAnswer
from autosys_tasks.probes.values import Answer, Subject, lapse, quote

MISSING = object()
LONGEST_RETRY_S = 86_400.0


def ask_http(probe: Probe, subject: Subject) -> Answer:
    """Whether the address answers as wanted within `timeout_s`. 429 is WARN; a redirect is its own status."""
    try:
        url = parse_url(probe.target)
    except NoAnswer as error:
        return Answer(NG, "not asked", str(error), absent=isinstance(error, Absent))
    place = quote(str(url), subject)
    try:
        reply = _fetched(probe, url)
    except TimeoutError as error:
        return Answer(NG, f"no answer from {place}", f"timed out after {probe.timeout_s:g} s ({error})")
    except NoAnswer as error:
        why = quote(str(error), subject)
        return Answer(NG, f"no answer from {place}", why, absent=isinstance(error, Absent))
    return _judged(probe, reply, subject)


def _fetched(probe: Probe, url: Url) -> Reply:
    return fetch(
        url,
        method=probe.method.upper(),
        headers=probe.headers,
        body=probe.body.encode("utf-8", "surrogateescape"),
        deadline=time.monotonic() + probe.timeout_s,
        wants_body=lambda status: _wanted(probe, status),
    )


def _wanted(probe: Probe, status: int) -> bool:
    return status in probe.status if probe.status else 200 <= status < 300


def _judged(probe: Probe, reply: Reply, subject: Subject) -> Answer:
    evidence, status = f"http {reply.status}", reply.status
    if status == 429 and not _wanted(probe, status):
        wait_s = retry_after(reply.headers.get("retry-after", ""))
        why = "throttled" if wait_s is None else f"throttled, asked to wait {lapse(wait_s)}"
        return Answer(WARN, evidence, why, status=status, retry_after_s=wait_s)
    why = _wrong_status(probe, reply, subject)
    why = why or _wrong_json(probe, reply, subject) or _wrong_text(probe, reply)
    return Answer(NG if why else OK, evidence, why, status=status)


def retry_after(value: str) -> float | None:
    """Seconds that `Retry-After` (a number or a date) asks for, at most a day; None when it says nothing."""
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_S)
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - time.time()), LONGEST_RETRY_S)
    except ValueError:
        return None


def _wrong_status(probe: Probe, reply: Reply, subject: Subject) -> str:
    status = reply.status
    if _wanted(probe, status):
        return ""
    wanted = f", wanted {' or '.join(map(str, probe.status))}" if probe.status else ""
    said = f"status {status}{wanted}"
    if 300 <= status < 400 and "location" in reply.headers:
        target = reply.headers["location"].partition("?")[0].partition("#")[0]
        said += f": sent on to `{quote(target, subject)}`, redirects are not followed"
    return f"{said}: check misconfigured ({_helps(status)})" if 300 <= status < 500 else said


def _helps(status: int) -> str:
    if status in (401, 403):
        return f"it wants to know who asks: another path, or status = {status}"
    return "is the path right?" if status == 404 else f"another path, or status = {status}"


def _wrong_json(probe: Probe, reply: Reply, subject: Subject) -> str:
    if not probe.json:
        return ""
    if not reply.whole:
        return "the answer is larger than 1 MB: no JSON was read"
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = reply.headers.get("content-type", "").partition(";")[0]
        return f"the answer is not JSON{f' ({quote(said, subject)})' if said else ''}"
    return _difference(probe.json, document, subject)


def _difference(wanted: Mapping[str, object], document: object, subject: Subject, above: str = "") -> str:
    """The first difference between the document and the wanted keys; other keys may be anything."""
    for key, want in wanted.items():
        name, found = f"{above}{key}", _found(document, key)
        if isinstance(want, Mapping) and isinstance(found, Mapping):
            if why := _difference(want, found, subject, f"{name}."):
                return why
        elif found is MISSING:
            return f"json has no `{name}`, wanted {_json(want, subject)}"
        elif not _same(found, want):
            return f"json `{name}` is {_json(found, subject)}, wanted {_json(want, subject)}"
    return ""


def _found(document: object, key: str) -> object:
    """The value at a key, or at a path such as `checks.0.state`; MISSING when there is none."""
    if isinstance(document, Mapping) and key in document:
        return document[key]
    for part in key.split("."):
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return MISSING
    return document


def _same(found: object, want: object) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    return found == want and isinstance(found, bool) == isinstance(want, bool)


def _json(value: object, subject: Subject) -> str:
    return quote(json.dumps(value, ensure_ascii=False, default=str), subject, 60)


def _wrong_text(probe: Probe, reply: Reply) -> str:
    if not probe.text or probe.text in _text(reply):
        return ""
    return "text not found" if reply.whole else "text not found in the first 1 MB"


def _text(reply: Reply) -> str:
    charset = reply.headers.get("content-type", "").partition("charset=")[2].partition(";")[0].strip("\"' ")
    try:
        return reply.body.decode(charset or "utf-8", "replace")
    except LookupError:
        return reply.body.decode("utf-8", "replace")
