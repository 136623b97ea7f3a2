"""What an upgrade says of environments, as lines for a person and fields of a document. Prints nothing."""

from __future__ import annotations

from autosys_tasks.core.clock import span, utc_text, wall
from autosys_tasks.upgrade import plan, run
from autosys_tasks.upgrade.values import EnvironmentSeen, Facts

DONE = {
    "install": "installed", "restart": "restarted", "rollback": "went back with", "pull": "pulled",
    "check": "checked", "unblock": "unblocked", "keep": "kept", "write": "wrote", "delete": "deleted",
    "bring-back": "brought back",
}  # fmt: skip


def environment_json(row: plan.Row) -> dict[str, object]:
    """An environment of the `upgrade.status` document; what is not known is None."""
    seen, found = row
    done, failed = seen.record.done, seen.record.failed
    return {
        "name": seen.name,
        "kind": seen.environment.kind,
        "path": seen.environment.path,
        "discovered": seen.discovered,
        "manifests": sorted(seen.files),
        "stale": bool(found.why),
        "why": "; ".join(found.why) or found.left or None,
        "last_success": utc_text(done.at) if done else None,
        "last_failure": {"at": utc_text(failed.at), "why": failed.why, "tries": failed.tries} if failed else None,
        "rollback": _goes_back(seen),
    }


def status_lines(facts: Facts) -> list[str]:
    """The same for a person."""
    lines = []
    for seen, found in plan.findings(facts):
        done, failed = seen.record.done, seen.record.failed
        lines.append(f"{'NG' if found.why else 'OK'} {plan.explanation(seen, found)}")
        lines += [f"   last success {span(wall() - done.at)} ago"] if done else []
        lines += [f"   NG last try {span(wall() - failed.at)} ago: {failed.why}"] if failed else []
        lines += ["   inv upgrade.rollback goes back to the one before"] if _goes_back(seen) else []
    lines += [plan.loose(path) for path in facts.unmapped]
    return lines or ["no environment is declared or was found"]


def _goes_back(seen: EnvironmentSeen) -> bool:
    from autosys_tasks.upgrade import snapshots  # an upgrade that has nothing to do does without

    return seen.record.before is not None and snapshots.exists(seen.record.before)


def lines(report: run.Report) -> list[str]:
    """How an upgrade ended; the verdict last, with what to type when it is red."""
    bad = [each for each in report.outcomes if each.ok is False]
    said = [*report.notes, *(f"NG {each.step.target}: {each.detail}" for each in bad)]
    hint = [f"   -> {_next(report)}"] if report.code else []
    return [*said, f"{run.verdict(report)}, after {span(report.seconds)}", *hint]


def _next(report: run.Report) -> str:
    """What helps. Who went back gets nothing of an upgrade, unless it is forced."""
    returned = [each.step.target for each in report.outcomes if each.step.kind == "rollback" and each.ok]
    unready = [each.step.target for each in report.outcomes if each.step.kind == "restart" and each.ok is False]
    if not (returned and unready):
        return "mend it, then inv upgrade; inv upgrade.status tells more"
    mend = f"inv logs {unready[0]}; when mended: inv bringup {' '.join(unready)}"
    return f"{mend}; or forward again: inv upgrade --force --only {','.join(returned)}"
