"""Makes several calls at the same time, with one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.parallel import results_within
from autosys_tasks.core.verdict import NG, UNKNOWN
from autosys_tasks.probes.values import Answer


def ask_all(calls: Mapping[str, Callable[[], Answer]], within_s: float) -> dict[str, Answer]:
    """Every answer by name, in the order given, at the latest after `within_s` seconds.

    A call without an answer by then is UNKNOWN (its thread is left behind and delays no exit); one that raises is NG,
    never OK by default.
    """
    seen = results_within({name: (partial(_answered, name, call), within_s) for name, call in calls.items()})
    return {name: seen.get(name) or _late(name, within_s) for name in calls}


def _answered(name: str, call: Callable[[], Answer]) -> Answer:
    began = time.perf_counter()
    try:
        return call()
    except Exception as error:  # noqa: BLE001 (a question that cannot be put is a finding, not a crash)
        said = error.message if isinstance(error, AutosysError) else f"{type(error).__name__}: {error}"
        ms = (time.perf_counter() - began) * 1000
        return Answer(NG, "could not ask", f"asking `{name}` failed: {said}", ms)


def _late(name: str, within_s: float) -> Answer:
    return Answer(UNKNOWN, "no answer", f"`{name}` did not answer within {within_s:g} s", within_s * 1000)
