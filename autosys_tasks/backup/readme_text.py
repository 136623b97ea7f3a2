"""The README in every archive, for restoring by hand without autosys. Pure."""

from __future__ import annotations

README = """\
This is a backup that autosys made. 7-Zip (https://7-zip.org) opens it, on every system: `7z x NAME.7z`.

NAME-full.7z holds everything, by the paths of the workspace. NAME-differential.7z holds what was new or changed
against the full backup that its manifest names (`base`). To restore by hand: extract that full one, extract the
differential one over it, join the tails, then remove what the manifest lists under `deleted`.

A tail is what is new of a file that only grew: .autosys/tail/logs/a.log belongs behind the logs/a.log of the full
backup. In the folder that you extracted to, once for each (on Linux and macOS, on Windows):
    cat .autosys/tail/logs/a.log >> logs/a.log
    copy /b logs\\a.log+.autosys\\tail\\logs\\a.log logs\\a.log
or, on Linux and macOS, once for all of them:
    (cd .autosys/tail && find . -type f -exec sh -c 'cat "$1" >> "../../$1"' - {} ';')

.autosys/manifest.json lists every file with its SHA-256. A hard link is listed there alone, with the file it shares
its content with (`link`).
.autosys/git is the state of the repository: `history.bundle` (commits that were on no remote; `git fetch` reads
it), `patch.diff` (uncommitted work, to read), `files` (changed and untracked files as they lay there), `state.json`.

With autosys: inv backup.list, inv backup.restore ID --to DIR, inv backup.restore ID --git --to DIR.
"""


def readme() -> bytes:
    """The text as it stands in an archive."""
    return README.encode("utf-8")
