"""What the page makes of its checks: those that go wrong, its summary, the plan of its fixes."""

from __future__ import annotations

import pytest
from judged import GUARDED, NOW, TAKE_AWAY, page

from autosys_tasks.config.model import Config
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.core.verdict import ALL, NG, OK, SKIP, UNKNOWN, WARN, Check, Fix, counts, overall
from autosys_tasks.health import plan, show
from autosys_tasks.health.values import Look, Seen


def test_a_check_that_raises_is_red_and_one_that_is_late_is_unknown_by_name() -> None:
    """P12, P18: no exception becomes a default."""
    looks = [Look("disk", "disk", lambda: None), Look("probe.p", "p", lambda: None, 2.3)]
    seen = {"disk": Seen(error="OSError: gone"), "probe.p": Seen(late=True, ms=2300)}
    disk, late = plan.page(Config("/w", "w"), looks, seen, NOW)
    assert (disk.verdict, disk.why) == (NG, "check error: OSError: gone")
    assert (late.verdict, late.why) == (UNKNOWN, "`probe.p` did not answer within 2.3 s")


def test_a_judgement_that_raises_is_red() -> None:
    """P12: facts that nobody can judge are no green."""
    found = page(GUARDED, "disk", 3)
    assert found.verdict == NG
    assert found.why.startswith("check error: TypeError")


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([OK, SKIP], OK),
        ([OK, WARN], WARN),
        ([OK, UNKNOWN], WARN),
        ([WARN, NG, OK], NG),
        ([], OK),
        ([SKIP], OK),
    ],
)
def test_a_summary_never_contradicts_its_parts(verdicts: list[str], whole: str) -> None:
    """P17, P19: 100 % with a failure cannot be written down."""
    checks = [Check(f"c{n}", "c", verdict, "e", "w") for n, verdict in enumerate(verdicts)]
    fields = show.fields(checks)
    assert fields["verdict"] == overall(verdicts) == whole
    assert fields["counts"] == counts(verdicts)
    assert sum(counts(verdicts).values()) == len(verdicts)
    assert set(counts(verdicts)) == set(ALL)
    assert show.lines("w", checks)[-1].startswith(f"{whole}: ")


UP_API = Fix(("inv", "bringup", "api"))


def red(check: str, fix: Fix | None, verdict: str = NG) -> Check:
    return Check(check, check, verdict, "seen", "why", fix)


def test_only_the_safe_fixes_of_what_is_red_become_steps_and_each_remedy_is_offered_once() -> None:
    page_ = [
        red("watchdog", Fix(("inv", "watchdog"))),
        red("service.api", UP_API),
        red("service.api2", UP_API),
        red("duplicates", Fix(("inv", "health", "--fix", "--only", "duplicates"))),
        red("rivals", TAKE_AWAY),
        red("disk", Fix(text="free some space")),
        red("probe.p", None),
        red("service.slow", Fix(("inv", "restart", "slow")), WARN),
    ]
    order = plan.fixes(page_)
    assert [step.target for step in order.steps] == ["rivals", "duplicates", "service.api", "watchdog"]
    assert order.notes == ("disk: why -> free some space",)


@pytest.mark.parametrize(
    ("after", "fix", "ok", "fixed"),
    [
        (OK, UP_API, True, "verified"),
        (OK, UP_API, False, "verified"),
        (SKIP, UP_API, True, "verified"),
        (NG, UP_API, True, "unverified"),
        (WARN, UP_API, True, "unverified"),
        (NG, UP_API, False, "failed"),
        (NG, UP_API, None, "not_applied"),
        (NG, Fix(text="by hand"), True, "not_applied"),
        (NG, None, True, "not_applied"),
    ],
)
def test_only_a_second_look_proves_a_fix(after: str, fix: Fix | None, ok: bool | None, fixed: str) -> None:
    """P25: a fix that was tried is no fix that worked."""
    step = Step("fix", "service.api", "why", {"command": list(UP_API.command)})
    first, second = ([red("service.api", fix, verdict), red("disk", None, OK)] for verdict in (NG, after))
    found = plan.looked_again(first, second, [Outcome(step, ok, "")])
    assert [check.fixed for check in found] == [fixed, None]


def test_a_fix_is_a_command_or_a_text_and_never_both() -> None:
    assert show.fix_json(UP_API, "inv") == {"kind": "run", "command": ["inv", "bringup", "api"]}
    assert show.fix_json(Fix(text="by hand"), "inv") == {"kind": "manual", "text": "by hand"}
    assert show.fix_json(None, "inv") is None
    assert show.fix_json(UP_API, "autosys") == {"kind": "run", "command": ["autosys", "bringup", "api"]}
    by_hand = show.fix_json(Fix(text="invite, then inv backup"), "autosys")
    assert by_hand == {"kind": "manual", "text": "invite, then autosys backup"}
