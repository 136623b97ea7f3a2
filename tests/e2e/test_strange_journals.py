"""Journals in which somebody else wrote, or a crash tore a line: what is ours in them is read all the same."""

from __future__ import annotations

import json

import rig

from autosys_tasks.core import journal

READERS = ("journal", "report", "dashboard", "health", "ps", "master.status", "upgrade.status", "watchdog")
STRANGE = (
    '{"v":1,"ts":"2026-11-30T19:00:00Z"}', '{"v":1,"ts":"never","task":"master","step":"summary"}', "[" * 50_000,
    '{"v":1,"ts":1e999,"task":[],"step":{},"ok":"x","ms":"y"}', '{"v":1,"ts":"2026-11-30T19:00:00Z","step":"torn',
)  # fmt: skip


def test_every_command_passes_over_what_is_torn_or_foreign(workspace: rig.Workspace) -> None:
    """P57: passed over and counted, in whichever journal it stands."""
    workspace.write("")
    last = {"v": 1, "ts": "2026-11-30T18:59:59.001Z", "run": "r", "task": "master", "step": "summary", "detail": "OK"}
    ours = json.dumps(last, separators=(",", ":"))
    for name in journal.FILES.values():
        workspace.file(f"outputs/{name}", "\n".join([ours, *STRANGE, ""]))
    found = {word: workspace.cli(word, "--json").rc(0, 3).json() for word in READERS}
    assert found["master.status"]["last"] == last
    assert found["journal"]["skipped"] == 2 * len(journal.FILES), "the torn one, and the one that nobody can parse"
