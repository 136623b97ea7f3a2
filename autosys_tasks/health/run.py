"""Makes a page: every look at once, each with its own deadline; mends what is safe, and looks again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError, StateError, unknown_name
from autosys_tasks.core.files import cannot_write, make_folder, write_atomic
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.parallel import results_within
from autosys_tasks.core.plan import Outcome, Plan
from autosys_tasks.core.verdict import NG, Check, overall
from autosys_tasks.health import plan
from autosys_tasks.health.look import FINDS, looks
from autosys_tasks.health.look_things import Listings, Usage, disk_usage
from autosys_tasks.health.values import Look, More, Seen
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.order import closure
from autosys_tasks.supervise.state import now

LATEST = "health_latest.json"
CarryOut = Callable[[House, Plan], list[Outcome]]


class Mended(NamedTuple):
    """The page after the fixes, and what was done for it."""

    checks: list[Check]
    outcomes: list[Outcome]
    trouble: str = ""  # why that could not be written down


def chosen(house: House, only: str) -> tuple[str, ...]:
    """The check ids in a comma-separated text, () for all; raises UsageError for one that does not exist.

    Which environments are there where none is declared, the page says: until then each may be.
    """
    known = {look.id for look in looks(house)}
    ids = _parted(only, known)
    for each in ids:
        if each not in known and not (FINDS in known and each.startswith(f"{FINDS}.")):
            raise unknown_name("check", each, known)
    return ids


def _parted(only: str, known: Collection[str]) -> tuple[str, ...]:
    """What stands between the commas; the id of a path with commas in it is one."""
    found, parts = [], only.split(",")
    while parts:
        heads = ((",".join(parts[:many]).strip(), many) for many in range(len(parts), 0, -1))
        word, many = next((head for head in heads if head[0] in known), (parts[0].strip(), 1))
        found += [word] if word else []
        parts = parts[many:]
    return tuple(found)


def page(
    house: House, only: Collection[str] = (), *, dry: bool = False, usage: Usage = disk_usage,
    listed: Listings | None = None,
) -> list[Check]:  # fmt: skip
    """The checks, or those named; never later than the longest deadline among them.

    Raises UsageError for one that is named and that nothing found.
    """
    wanted = looks(house, dry=dry, usage=usage, listed=listed)
    if only:
        needed = set(only) | _dependencies(house, only)
        wanted = [look for look in wanted if look.id in needed or _is_asked(look.id, only)]
    checks = plan.page(house.config, *_unfolded(wanted, see_all(wanted)), now())
    for each in only:
        if not any(_is_asked(check.id, (each,)) for check in checks):
            raise unknown_name("check", each, [check.id for check in checks])
    return [check for check in checks if not only or _is_asked(check.id, only)]


def _is_asked(check_id: str, only: Iterable[str]) -> bool:
    """Whether a check is named. The one that finds others stands for each of them, and each of them for it."""
    for each in only:
        shorter, longer = sorted((each, check_id), key=len)
        if each == check_id or (shorter == FINDS and longer.startswith(f"{FINDS}.")):
            return True
    return False


def _dependencies(house: House, only: Iterable[str]) -> set[str]:
    """What a service waits for is looked at with it: without that, nobody knows what it is waiting for."""
    services = house.config.services
    named = [each.removeprefix("service.") for each in only if each.startswith("service.")]
    return {f"service.{name}" for name in closure(services, named)}


def _unfolded(wanted: Iterable[Look], seen: Mapping[str, Seen]) -> tuple[list[Look], dict[str, Seen]]:
    """The looks with those that were found in the place of the one that found them; and what all of them brought."""
    unfolded, brought = list[Look](), dict(seen)
    for look in wanted:
        more = seen[look.id].facts
        unfolded += more.looks if isinstance(more, More) else [look]
        brought |= more.seen if isinstance(more, More) else {}
    return unfolded, brought


def see_all(wanted: Sequence[Look]) -> dict[str, Seen]:
    """What every look brought, at the latest at its deadline; a thread left behind holds up no exit."""
    seen = results_within({look.id: (partial(_see, look), look.within_s) for look in wanted})
    return {look.id: seen.get(look.id) or _late(look) for look in wanted}


def _late(look: Look) -> Seen:
    return Seen(late=True, ms=round(look.within_s * 1000))


def _see(look: Look) -> Seen:
    began = time.perf_counter()
    try:
        facts = look.see()
        seen = Seen(facts._replace(seen=see_all(facts.looks)) if isinstance(facts, More) else facts)
    except PermissionError as error:
        found = cannot_write(error.filename or look.id, error, "read")
        seen = Seen(error=found.message, hint=found.hint)
    except Exception as error:  # noqa: BLE001 (a check that raises is a red, never a default)
        said = error.message if isinstance(error, AutosysError) else f"{type(error).__name__}: {error}"
        seen = Seen(error=said, hint=error.hint if isinstance(error, AutosysError) else "")
    return seen._replace(ms=round((time.perf_counter() - began) * 1000))


def fix(house: House, first: Sequence[Check], only: Collection[str], carry_out: CarryOut) -> Mended:
    """Carry out the safe fixes of what is NG, then look at everything again: only that look proves a fix."""
    order = plan.fixes(first)
    if not any(check.verdict == NG for check in first):
        return Mended(list(first), [])
    outcomes = carry_out(house, order)
    second = plan.looked_again(first, page(house, only), outcomes)
    return Mended(second, outcomes, _written_down(house, second, outcomes) if outcomes else "")


def _written_down(house: House, second: Sequence[Check], outcomes: Iterable[Outcome]) -> str:
    journal = Journal(house.outputs, "health", host)
    left = [check.id for check in second if check.verdict == NG]
    try:
        for outcome in outcomes:
            journal.add(outcome)
        journal.close(ok=not left, detail=f"still NG: {', '.join(left)}" if left else "all NG mended")
    except StateError as error:
        return error.message
    return ""


def exit_code(checks: Iterable[Check], trouble: str = "") -> int:
    """3 while anything is NG, else 1 when the page could not be kept, else 0."""
    return 3 if overall(check.verdict for check in checks) == NG else int(bool(trouble))


def keep(house: House, document: Mapping[str, object]) -> str:
    """Replace outputs/health_latest.json by this page; why that could not be done, or ""."""
    try:
        make_folder(house.outputs)
        write_atomic(house.outputs / LATEST, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    except StateError as error:
        return error.message
    return ""
