"""Entries and files as documents and as lines for a person."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable

from autosys_tasks.core.clock import span, utc_text
from autosys_tasks.schedule.values import File, NoWay, Seen


def entry_json(seen: Seen) -> dict[str, object]:
    """One entry as `schedule.status` shows it."""
    return {
        "name": seen.name,
        "state": seen.state,
        "mechanism": seen.mechanism or None,
        "last_run": _at(seen.last_run),
        "last_result": seen.last_result,
        "next_run": _at(seen.next_run),
        "why": seen.why or None,
    }


def _at(seconds: float | None) -> str | None:
    return None if seconds is None else utc_text(seconds)


def file_json(file: File) -> dict[str, object]:
    """One file as `schedule.show` shows it; its bytes where they are not plain UTF-8."""
    data = base64.b64encode(file.data).decode("ascii") if file.encoding != "utf-8" else None
    return {"name": file.entry, "path": file.name, "text": file.text, "bytes": data}


def lines(seen: Iterable[Seen], no_way: NoWay | None = None) -> list[str]:
    """Each entry on a line: state, mechanism, how its last run ended, when the next comes; what to do about it."""
    told = [_line(each, helpless=no_way is not None) for each in seen]
    return [*told, *no_way_text(no_way)]


def no_way_text(no_way: NoWay | None) -> list[str]:
    """Of a system that takes no entry: why, and what to do about it."""
    return [f"no scheduler of this system takes an entry: {no_way.why}", f"   -> {no_way.way_out}"] if no_way else []


def _line(seen: Seen, *, helpless: bool) -> str:
    if helpless and seen.state == "missing":
        return f"{seen.name:<9} missing"
    parts = [f"{seen.name:<9} {seen.state}" + (f" with {seen.mechanism}" if seen.mechanism else "")]
    if seen.last_run is not None:
        ended = "not told" if seen.last_result is None else f"exit code {seen.last_result}"
        parts.append(f"last run {span(max(0.0, time.time() - seen.last_run))} ago: {ended}")
    if seen.next_run is not None:
        parts.append(f"next in {span(max(0.0, seen.next_run - time.time()))}")
    if seen.why:
        parts.append(seen.why)
    text = ", ".join(parts)
    if seen.state == "registered":
        return text
    if seen.by_hand:
        return f"{text}\n   -> if that is not meant: {seen.by_hand}"
    where = "where the scheduler answers (a session of your own, no `su`): " if seen.state == "unknown" else ""
    return f"{text}\n   -> {where}inv schedule.register"
