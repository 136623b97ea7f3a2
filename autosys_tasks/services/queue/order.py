"""Fields of a request -> checked values, or all that is wrong with them. Pure: no clock, no database."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.core.errors import AutosysError, Problem

PAYLOAD_LIMIT = 256 * 1024
RESULT_LIMIT = 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
KEY = re.compile(r"[!-~]{1,200}")
DAY_S = 86_400.0

Kinds = Mapping[str, tuple[str, ...] | None]  # kind -> the names payload.name may have; None: any


class Invalid(AutosysError):
    """A request whose fields are wrong, or that names a kind nobody serves."""

    kind = "invalid"


class TooLarge(AutosysError):
    """A payload or a result over its limit."""

    kind = "too-large"


class Order(NamedTuple):
    """A task to be done: seconds are seconds, `payload` is canonical JSON of an object, key may be absent."""

    kind: str
    name: str | None
    payload: str
    priority: int
    delay_s: float
    max_attempts: int
    backoff_s: float
    timeout_s: float
    key: str | None

    def fingerprint(self) -> str:
        """Equal for two orders that ask for the same."""
        from hashlib import sha256

        return sha256(repr(self._replace(key=None)).encode("utf-8")).hexdigest()


class Wish(NamedTuple):
    """A worker that asks for a task: which of its kinds, how long it holds one, how long it waits for one."""

    worker: str
    instance: str
    pid: int | None
    kinds: Kinds
    lease_s: float
    wait_s: float


class Form:
    """Reads fields one by one and collects what is wrong; `check` raises Invalid with all of it."""

    def __init__(self, fields: Mapping[str, object], known: tuple[str, ...]) -> None:
        self._fields = fields
        self.problems = [
            Problem(name[:64], "is no known field", f"known: {', '.join(known) or 'none'}")
            for name in fields
            if name not in known
        ]

    def wrong(self, name: str, message: str) -> None:
        """Note that a field is wrong."""
        self.problems.append(Problem(name, message))

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A finite number in [low, high]; true and false are none."""
        value = self._fields.get(name, default)
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if isinstance(value, int | float) and good and math.isfinite(value):
            return value
        self.wrong(name, f"must be a number from {low:g} to {high:g}")
        return default

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number in [low, high]; 3.0 is one, as in JSON Schema."""
        value = self.number(name, default, low, high)
        if value != int(value):
            self.wrong(name, "must be a whole number")
        return int(value)

    def word(self, name: str, default: str = "") -> str:
        """A short name of letters, digits, dot, dash, underscore and colon; required without a default."""
        value = self._fields.get(name, default)
        if isinstance(value, str) and NAME.fullmatch(value):
            return value
        self.wrong(name, "must be a name of 1 to 64 letters, digits, `.`, `-`, `_`, `:`")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            self.wrong(name, "must be true or false")
        return value is True

    def text(self, name: str, limit: int) -> str:
        """Any text, cut at `limit` characters; lone surrogates become `?`."""
        value = self._fields.get(name, "")
        if not isinstance(value, str):
            self.wrong(name, "must be a text")
            return ""
        return value[:limit].encode("utf-8", "replace").decode("utf-8")

    def check(self) -> None:
        """Raise Invalid when anything was wrong."""
        if self.problems:
            said = "; ".join(f"`{problem.where}` {problem.message}" for problem in self.problems)
            hints = [problem.hint for problem in self.problems if problem.hint]
            hint = hints[0] if hints else "correct the fields and send it again"
            raise Invalid(said, hint=hint, problems=self.problems)


ORDER_FIELDS = (
    "kind", "payload", "priority", "delay_seconds", "max_attempts", "backoff_seconds", "timeout_seconds",
    "idempotency_key",
)  # fmt: skip


def parse_order(fields: Mapping[str, object], key: str | None) -> Order:
    """The order in a request's fields; `key` (the Idempotency-Key header) wins over the field."""
    form = Form(fields, ORDER_FIELDS)
    payload = fields.get("payload", {})
    if not isinstance(payload, dict):
        form.wrong("payload", "must be a JSON object")
        payload = {}
    named = payload.get("name")
    order = Order(
        kind=form.word("kind"),
        name=named if isinstance(named, str) and NAME.fullmatch(named) else None,
        payload=canonical(payload, PAYLOAD_LIMIT, "payload"),
        priority=form.whole("priority", 0, -100, 100),
        delay_s=form.number("delay_seconds", 0, 0, 366 * DAY_S),
        max_attempts=form.whole("max_attempts", 3, 1, 100),
        backoff_s=form.number("backoff_seconds", 5, 0, DAY_S),
        timeout_s=form.number("timeout_seconds", 300, 0.01, 7 * DAY_S),
        key=_key(form, key if key is not None else fields.get("idempotency_key")),
    )
    form.check()
    return order


def _key(form: Form, key: object) -> str | None:
    if key is None or (isinstance(key, str) and KEY.fullmatch(key)):
        return key
    form.wrong("idempotency_key", "must be 1 to 200 visible ASCII characters")
    return None


def parse_wish(fields: Mapping[str, object]) -> Wish:
    """The worker's wish in a request's fields; its instance defaults to its name."""
    form = Form(fields, ("worker", "instance", "pid", "kinds", "lease_seconds", "wait_seconds"))
    worker = form.word("worker")
    wish = Wish(
        worker=worker,
        instance=form.word("instance", worker or "unnamed"),
        pid=form.whole("pid", 0, 0, 2**31) or None,
        kinds=_kinds(form, fields.get("kinds")),
        lease_s=form.number("lease_seconds", 60, 0.1, DAY_S),
        wait_s=form.number("wait_seconds", 0, 0, 30),
    )
    form.check()
    return wish


def _kinds(form: Form, said: object) -> Kinds:
    """`["ping"]`, or `{"ping": null, "command": ["build"]}` for a worker that knows some names only."""
    if isinstance(said, list):
        said = {kind if isinstance(kind, str) else "": None for kind in said}
    if not isinstance(said, dict) or not said or len(said) > 100:
        form.wrong("kinds", 'must name 1 to 100 kinds, as in ["ping", "wait"]')
        return {}
    return {kind: _names(form, kind, names) for kind, names in said.items()}


def _names(form: Form, kind: str, names: object) -> tuple[str, ...] | None:
    listed = names if isinstance(names, list) else []
    good = all(isinstance(name, str) and NAME.fullmatch(name) for name in [kind, *listed])
    if not good or len(listed) > 500 or not (names is None or isinstance(names, list)):
        form.wrong("kinds", f"`{kind[:64]}` must be a name; its value null or a list of names")
    return None if names is None else tuple(listed)


def canonical(value: object, limit: int, what: str) -> str:
    """`value` as JSON in one spelling; TooLarge over `limit` bytes, Invalid when it nests too deep."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (RecursionError, ValueError) as error:
        raise Invalid(f"`{what}` {error}", hint="nest less, and use finite numbers") from error
    if len(text) > limit:
        hint = "put it into a file and send its path"
        raise TooLarge(f"`{what}` has {len(text)} bytes, {limit} are allowed", hint=hint)
    return text
