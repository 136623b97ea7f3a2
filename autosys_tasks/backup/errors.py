"""The two errors that reading a backup ends with: it is damaged, or it needs a passphrase."""

from __future__ import annotations

from autosys_tasks.core.errors import NotSo, UsageError


class Damaged(NotSo):
    """An archive, one of its members, or a manifest is not what was written; the message says what is wrong."""

    kind = "damaged"


class NeedsPassphrase(UsageError):
    """An archive is encrypted, and no passphrase was given or one that does not fit."""

    kind = "passphrase"
