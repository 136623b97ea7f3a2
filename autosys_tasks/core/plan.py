"""A plan is a value: steps with reasons, printed by a dry run and carried out otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

NOTHING: Mapping[str, object] = {}
NO_WORDS: Mapping[str, str] = {}


class Step(NamedTuple):
    """One thing to do to one target, and why. `detail`: more fields for displays and acts."""

    kind: str
    target: str
    reason: str
    detail: Mapping[str, object] = NOTHING


class Plan(NamedTuple):
    """What a task will do, in order. An empty plan means that all is as wanted."""

    task: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """How a step ended: `ok` None means it was not tried."""

    step: Step
    ok: bool | None
    detail: str
    ms: int = 0


def summary(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Counts that can never contradict their parts: done + failed + skipped = number of outcomes."""
    counts = {"done": 0, "failed": 0, "skipped": 0}
    for outcome in outcomes:
        counts["skipped" if outcome.ok is None else "done" if outcome.ok else "failed"] += 1
    return counts


def step_json(step: Step) -> dict[str, object]:
    """A step as the `plan` document shows it."""
    return {"kind": step.kind, "target": step.target, "reason": step.reason, **step.detail}


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """An outcome as the `run` document shows it."""
    return {
        "kind": outcome.step.kind,
        "target": outcome.step.target,
        "ok": outcome.ok,
        "detail": outcome.detail,
        "ms": outcome.ms,
    }


def outcome_line(outcome: Outcome, done: Mapping[str, str] = NO_WORDS) -> str:
    """An outcome for a person. `done` has the word for a kind of step that was done.

    >>> outcome_line(Outcome(Step("stop", "api", ""), True, "ended"), {"stop": "stopped"})
    'stopped api: ended'
    >>> outcome_line(Outcome(Step("stop", "api", ""), None, "a person did"))
    'did not stop api: a person did'
    """
    kind = outcome.step.kind
    said = {True: done.get(kind, kind), False: f"could not {kind}", None: f"did not {kind}"}[outcome.ok]
    return f"{said} {outcome.step.target}: {outcome.detail}"


def plan_lines(plan: Plan) -> list[str]:
    """A plan for a person: one line a step, with its reason."""
    lines = [f"would {step.kind} {step.target}: {step.reason}" for step in plan.steps]
    return [*lines, *plan.notes] or ["nothing to do"]
