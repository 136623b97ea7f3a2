"""Which files a word may mean on Windows, and the command line of a batch file. Pure."""

from __future__ import annotations

import errno
from collections.abc import Callable

RUNNABLE = (".com", ".exe", ".bat", ".cmd")  # what CreateProcess can start, a batch file through cmd
UNSAFE = '"\r\n\0'  # cmd reads these inside quotes too, and no way to write them suits every batch file
PERCENT = "%%cd:~,%"  # a percent sign, and nothing of the current folder: so no %NAME% can come about


def candidates(name: str, path: str, cwd: str, join: Callable[..., str]) -> list[str]:
    """Where `name` may be, in order: as written when it has a program's ending, else with each of them."""
    if not name or name in (".", ".."):
        return []
    names = [name] if name.lower().endswith(RUNNABLE) else []
    names += [name + ending for ending in RUNNABLE]
    by_path = any(sign in name for sign in "\\/:")
    folders = [""] if by_path else [folder.strip('"') for folder in path.split(";") if folder]
    return [join(cwd, folder, one) for folder in folders for one in names]


def is_batch(program: str) -> bool:
    """Whether cmd has to read it."""
    return program.lower().endswith((".bat", ".cmd"))


def batch_line(argv: tuple[str, ...], shell: str) -> str:
    """The command line that runs a batch file with these arguments, every one in quotes.

    Raises PermissionError for an argument that cmd would change or run: refused, never mangled.
    """
    for word in argv:
        if any(sign in word for sign in UNSAFE):
            raise PermissionError(errno.EACCES, "a batch file cannot be given this argument safely", word)
    return f'"{shell}" /e:on /v:off /d /s /c "{" ".join(_quoted(word) for word in argv)}"'


def _quoted(word: str) -> str:
    slashes = len(word) - len(word.rstrip("\\"))
    word = word.replace("%", PERCENT)
    return f'"{word}{chr(92) * slashes}"'  # a backslash before the closing quote would swallow it
