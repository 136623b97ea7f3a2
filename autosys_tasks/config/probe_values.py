"""Probes: exactly one kind each, addresses in their final form, `${env:X}` replaced. Asks nobody anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from autosys_tasks.config import units
from autosys_tasks.config.keys import ONLY_FOR, PROBE_KINDS
from autosys_tasks.config.shape import Fault, Keys, Table
from autosys_tasks.config.variables import Scope, absolute, filled, secret
from autosys_tasks.core.probe import Probe

HEARTBEAT_AGE_S = 90.0
TIMEOUT_S = 2.0
SAME = ("interval_s", "start_timeout_s", "success_threshold", "failure_threshold", "method")
LOOKS_ONLY = ("warn_ms", "alert_ms", "budget")


def service_probe(name: str, table: str, values: Table, raw: Mapping[str, Any], scope: Scope) -> Probe | None:
    """A service's readiness or liveness; None when it has none."""
    if values[table] is None:
        return None
    return _probe(name, values[table], raw[table], ("services", name, table), scope)


def look(name: str, values: Table, raw: Mapping[str, Any], scope: Scope) -> Probe:
    """A probe of its own."""
    at = ("probes", name)
    probe = _probe(name, values, raw, at, scope)
    if probe.warn_ms is not None and probe.alert_ms is not None and probe.warn_ms > probe.alert_ms:
        message = "is greater than `alert_ms`: a slow answer would never be a warning"
        scope.faults.append(Fault((*at, "warn_ms"), message, "make it the smaller one"))
    return probe


def _probe(name: str, values: Table, raw: Mapping[str, Any], at: Keys, scope: Scope) -> Probe:
    kind = next((each for each in PROBE_KINDS if each in raw and each in values), "")
    scope.faults.extend(_kind_faults(kind, values, raw, at))
    found: list[str] = []
    scope = scope._replace(found=(*scope.found, found))  # shown on its own, a probe needs its own secrets
    written = values[kind] if kind else None
    argv = _filled_json(written or (), (*at, kind), scope) if kind == "command" else ()
    return Probe(
        name=name,
        kind=kind,
        target=_target(kind, written, (*at, kind), scope),
        shown=_shown(written),
        argv=tuple(argv),
        status=values["status"] or (),
        json=_filled_json(values["json"] or {}, (*at, "json"), scope),
        text=filled(values["text"] or "", scope, (*at, "text")) or "",
        body=filled(values["body"] or "", scope, (*at, "body")) or "",
        headers=_headers(values["headers"] or {}, (*at, "headers"), scope),
        max_age_s=values["max_age_s"] or (HEARTBEAT_AGE_S if kind == "heartbeat" else None),
        timeout_s=values["timeout_s"] or max(TIMEOUT_S, (values["alert_ms"] or 0) / 1000),
        **{key: values[key] for key in (*SAME, *LOOKS_ONLY) if key in values},
        secrets=secret(found),
    )


def _shown(written: object) -> str:
    if isinstance(written, tuple):
        return " ".join(written)
    return written if isinstance(written, str) else ""


def _kind_faults(kind: str, values: Table, raw: Mapping[str, Any], at: Keys) -> list[Fault]:
    """Exactly one question is asked, and every key belongs to it."""
    asked = [each for each in PROBE_KINDS if each in raw]
    known = ", ".join(each for each in PROBE_KINDS if each in values)
    if not asked:
        return [Fault(at, "does not say how to ask", f"write exactly one of {known}")]
    if len(asked) > 1:
        return [Fault(at, f"asks in {len(asked)} ways: {', '.join(asked)}", f"keep exactly one of {known}")]
    if raw.get("heartbeat") is False:
        return [Fault((*at, "heartbeat"), "must be true", "write heartbeat = true, or ask another way")]
    if kind == "file" and "max_age_s" not in raw:
        hint = "write the greatest age that is still well, as in max_age_s = 90"
        return [Fault((*at, "max_age_s"), "is missing", hint)]
    return [
        Fault((*at, key), f"`{key}` belongs to {' and '.join(kinds)}, and this asks by {kind}", "take it out")
        for key, kinds in ONLY_FOR.items()
        if key in raw and key in values and kind and kind not in kinds
    ]


def _target(kind: str, written: Any, at: Keys, scope: Scope) -> str:
    forms: Mapping[str, Callable[[str], str]] = {
        "http": units.web_address,
        "tcp": units.tcp_address,
        "log": _regex,
        "file": lambda path: absolute(path, scope),
    }
    return address(written, at, scope, forms[kind]) if kind in forms else ""


def address(written: str | None, at: Keys, scope: Scope, form: Callable[[str], str]) -> str:
    """What `written` stands for, in its final form; "" when nothing is written, or it is wrong."""
    text = None if written is None else filled(written, scope, at)
    if text is None:
        return ""
    try:
        return form(text)
    except ValueError as error:
        scope.faults.append(Fault(at, f"`{written}` {error}"))
        return ""


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("is not a regular expression of Python") from None
    return text


def _headers(written: Mapping[str, str], at: Keys, scope: Scope) -> dict[str, str]:
    result = {name: filled(value, scope, (*at, name)) or "" for name, value in written.items()}
    for name, value in result.items():
        if "\n" in value or "\r" in value:
            scope.faults.append(Fault((*at, name), f"`{name}` must be one line", "take the line break out"))
    return result


def _filled_json(value: Any, at: Keys, scope: Scope) -> Any:
    """A value of nested tables and lists with every text filled."""
    if isinstance(value, str):
        return filled(value, scope, at) or ""
    if isinstance(value, dict):
        return {name: _filled_json(each, (*at, name), scope) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled_json(each, (*at, index), scope) for index, each in enumerate(value)]
    return value
