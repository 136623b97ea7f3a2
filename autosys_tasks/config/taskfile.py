"""Whether `inv` finds our tasks by their names in a workspace: its tasks.py may be the person's own."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import Path

NAME = "tasks.py"
# What Invoke takes for the whole is `ns` or `namespace`; ours under another name is a part, and has other names.
OURS = re.compile(
    rb"^[ \t]*from[ \t]+autosys_tasks[ \t]+import\b[^\n#]*\bns\b(?![ \t]+as[ \t]+(?!ns\b|namespace\b))", re.MULTILINE
)
ANOTHER = re.compile(rb"^(?:ns|namespace)(?:[ \t]*:[^=\n]*)?[ \t]*=[ \t]*(?:invoke\.)?Collection\b", re.MULTILINE)


def finds_ours(folder: Path | str) -> bool | None:
    """Whether `inv` knows our tasks there as they are called everywhere; None where there is no tasks.py.

    It is read, never run: what cannot be told counts as not, for `autosys` knows them in any case.
    """
    try:
        text = Path(folder, NAME).read_bytes().removeprefix(BOM_UTF8)
    except OSError:
        return False if Path(folder, NAME).exists() else None
    return bool(OURS.search(text)) and not ANOTHER.search(text)
