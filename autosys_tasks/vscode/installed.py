"""Which of the tasks that the editor's menu may name exist in this version.

Rooms may not import Invoke, and health has to know it too; tests/unit/test_vscode_entries.py holds this
against the Collection itself, so a task that is added or taken away cannot be forgotten here.
"""

from __future__ import annotations

NAMED = frozenset(
    {
        "backup", "health", "master", "master.register", "master.status", "master.unregister", "schedule.register",
        "upgrade", "vscode.open",
    }
)  # fmt: skip
