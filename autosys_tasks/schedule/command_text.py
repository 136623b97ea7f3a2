"""Which paths a command line leads to: words are taken apart and compared as paths, never as substrings. Pure."""

from __future__ import annotations

import ntpath
import posixpath
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator

LONG = ("\\\\?\\", "\\??\\")  # before a path that Windows is to take as it is
OPENS = re.compile(r"""[\s"'();&|<>]""")  # a word with one of these may hold a command line of its own
WRITES = re.compile(r"[&\d]?>{1,2}[&|]?")  # what follows is written to, and not run
NAMED = re.compile(r"^[\w./-]+=")
LOOSE = "(),;"  # a sentence of a script goes on after a path with these
GO = re.compile(r'(?i)((?:^|[&(|])\s*@?(?:cd|chdir|pushd)\s+(?:/d\s+)?)(?!/)([^"&|\r\n]*[^"&|\s])')
OPERATORS = ("&", "&&", "|", "||", ";", "\n")
BARE = re.compile(r'(?i)\s*([a-z]:[\\/][^"<>|]*?\.(?:exe|com|bat|cmd|pyw?|vbs|ps1))(?=\s|$)')  # Windows finds its end
CMD = re.compile(r'(?is)(\s*"?(?:[^"]*[\\/])?cmd(?:\.exe)?"?(?:\s+/\w\S*)*?\s+/[ck])\s*(.+)')  # then all is one line
WINDOWS_WORD = re.compile(r'(?:"[^"]*"?|[^\s"<>])+|[<>]+&?')
QUOTED = re.compile(r""""([^"]+)"|'([^']+)'""")


def is_windows(folder: str) -> bool:
    """Whether a path is one of Windows': what compares without case there, and how words are taken apart."""
    return ntpath.splitdrive(folder)[0] != ""


def is_inside(path: str, folder: str) -> bool:
    """Whether an absolute path is the folder, or lies below it."""
    there, here = _plain(path, folder), _plain(folder, folder)
    separator = "\\" if is_windows(folder) else "/"
    return bool(there) and (there == here or there.startswith(here.rstrip(separator) + separator))


def _plain(path: str, folder: str) -> str:
    """A path as it compares with those of the folder's system; empty when it is not absolute there."""
    path = unicodedata.normalize("NFC", path)
    if not is_windows(folder):
        return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else ""
    for mark in LONG:
        path = path.removeprefix(mark)
    drive, rest = ntpath.splitdrive(path)
    return ntpath.normpath(path).replace("/", "\\").lower() if drive and rest[:1] in ("\\", "/", "") else ""


def words(text: str, windows: bool) -> tuple[str, ...]:
    """A command line's words, as its system takes it apart; what an output is written to is left out."""
    try:
        found = _windows_words(text) if windows else _posix_words(text)
    except ValueError:  # a quote that never ends
        found = OPENS.split(text)
    return tuple(word for before, word in zip(["", *found], found, strict=False) if not WRITES.fullmatch(before))


def _posix_words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    return list(lexer)


def _windows_words(text: str) -> list[str]:
    """Blanks part words outside of quotes; a program's path, what `cd` goes to and what cmd runs may have some."""
    if line := CMD.fullmatch(text):
        return [*_windows_words(line[1]), line[2].strip().removeprefix('"').removesuffix('"')]
    text = BARE.sub(r'"\1"', text, count=1) if BARE.match(text) else text
    text = GO.sub(r'\1"\2"', text).replace("&&", " & ").replace("||", " | ")
    return [word.replace('"', "") for word in WINDOWS_WORD.findall(text)]


def path_in(command: str, is_ours: Callable[[str], bool], windows: bool) -> str:
    """The first path of a word or of the command lines inside it that is ours; empty when none is."""
    return next((path for path in _paths(command, windows) if is_ours(path)), "")


def _paths(word: str, windows: bool) -> Iterator[str]:
    value = NAMED.sub("", word)
    yield from dict.fromkeys((word, value, value.strip(LOOSE)))
    if not OPENS.search(word):
        return
    pieces = words(word, windows)[_is_rooted(value, windows) :]  # up to its end, such a word was one path
    quoted = [double or single for double, single in QUOTED.findall(word)]
    for piece in (*pieces, *quoted):
        if 0 < len(piece) < len(word):
            yield from _paths(piece, windows)


def _is_rooted(text: str, windows: bool) -> bool:
    return bool(ntpath.splitdrive(text)[0]) if windows else text.startswith(("/", "~"))


def program(line: tuple[str, ...], windows: bool) -> str:
    """What a command line runs, by its name: `python` of `C:\\Python 3\\Python.exe`."""
    first = line[0] if line else ""
    name = ntpath.basename(first) if windows else posixpath.basename(first)
    return name.lower().removesuffix(".exe")


def is_one_command(line: tuple[str, ...]) -> bool:
    """Whether a command line runs one program, and no other behind it."""
    return not any(word in OPERATORS for word in line)
