"""Texts that stand for a value: durations, sizes, times, budgets, addresses. Pure; all raise ValueError."""

from __future__ import annotations

import re

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
         "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(ms|s|min|h|d)")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmgt]i?b|b)", re.IGNORECASE)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_BUDGET = re.compile(r"([0-9]{1,9}) ?/ ?(.+)")
_URL = re.compile(
    r"(https?)://(?:([^\s/?#@]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+)(?::([0-9]{1,5}))?([/?#]\S*)?", re.I
)
_TCP = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+):([0-9]{1,5})")


def seconds(text: str) -> float:
    """`"500ms"`, `"30s"`, `"5min"`, `"24h"`, `"7d"` as seconds."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError('is not a duration: write a number and one of ms, s, min, h, d, as in "5min"')
    return float(found[1]) * SECONDS[found[2]]


def size(text: str) -> int:
    """`"10 MB"` or `"1 GiB"` as bytes, at least 1."""
    found = _SIZE.fullmatch(text)
    count = int(float(found[1]) * BYTES[found[2].lower()]) if found else 0
    if count < 1:
        raise ValueError(
            'is not a size: write a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, as in "10 MB"'
        )
    return count


def time_of_day(text: str) -> str:
    """`"03:30"` or `"03:30:00"` as `HH:MM:SS`."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError("is not a time of day: write hours, minutes and seconds, as in 03:30:00")
    return f"{found[1]}:{found[2]}:{found[3] or '00'}"


def budget(text: str) -> tuple[int, float]:
    """`"1/10min"` as (calls, seconds); `"2/min"` means in one minute."""
    found = _BUDGET.fullmatch(text)
    per = found[2] if found else ""
    try:
        calls, span = int(found[1]) if found else 0, seconds(f"1{per}" if per in SECONDS else per)
    except ValueError:
        calls, span = 0, 0.0
    if calls < 1 or span <= 0:
        raise ValueError('is not a budget: write calls / duration, as in "1/10min"')
    return calls, span


def web_address(text: str) -> str:
    """An http or https address, its path in ASCII."""
    found = _URL.fullmatch(text)
    if not found or not _port_ok(found[4] or "80"):
        raise ValueError('is not an http or https address, as "http://127.0.0.1:8200/readyz" is')
    scheme, user, host, port, rest = found[1].lower(), found[2], found[3], found[4], found[5] or "/"
    rest = rest if rest.startswith("/") else f"/{rest}"
    return f"{scheme}://{f'{user}@' if user else ''}{host}{f':{port}' if port else ''}{_ascii(rest)}"


def tcp_address(text: str) -> str:
    """`host:port`, as it is written."""
    found = _TCP.fullmatch(text)
    if not found or not _port_ok(found[2]):
        raise ValueError('is not host:port, as "127.0.0.1:5432" is')
    return text


def _port_ok(port: str) -> bool:
    return 1 <= int(port) <= 65535


def _ascii(path: str) -> str:
    if path.isascii():
        return path
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in raw)
