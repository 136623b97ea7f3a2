"""The passphrase of a workspace's backups: from the environment, else from the system's keyring when that is there."""

from __future__ import annotations

import os
import unicodedata

VARIABLE, SERVICE = "AUTOSYS_BACKUP_PASSPHRASE", "autosys"


def passphrase(workspace: str) -> str:
    """The passphrase of the workspace of this name; "" when none is set.

    Always with its characters in one piece (NFC), as most systems type them: one that was set in pieces (macOS) is the
    same, here and where 7-Zip asks for it.
    """
    return unicodedata.normalize("NFC", os.environ.get(VARIABLE) or _from_keyring(workspace))


def forms(secret: str) -> list[str]:
    """A passphrase in each way that it can be written; its own first."""
    return list(dict.fromkeys((secret, *(unicodedata.normalize(form, secret) for form in ("NFC", "NFD")))))


def _from_keyring(workspace: str) -> str:
    try:
        import keyring
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, workspace) or ""
    except Exception:  # noqa: BLE001 (a keyring that is locked, or has no place to keep anything, has no passphrase)
        return ""
