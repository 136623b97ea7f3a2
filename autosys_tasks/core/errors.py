"""The errors that are shown to a person: what, where, and what to type next.

AutosysError            1   unexpected, or a folder that cannot be written
├── ConfigError         2   autosys.toml is broken; carries every problem at once
├── UsageError          2   a wrong name or value on the command line
├── NotSo               3   something wanted is not so after acting
├── Busy               11   another run holds the lock
├── StateError          1   the state or output folder cannot be read or written
├── Interrupted       130   Ctrl-C
└── Unexpected          1   a defect of ours
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

TELLING = ("detail", "hint", "message", "notes", "reason", "type", "why")  # keys of documents that may name a command
QUOTING = ("lines", "files")  # keys of documents whose text is quoted unchanged


class Problem(NamedTuple):
    """One thing wrong with a file: where (dotted path, with line when known), what, and what to do."""

    where: str
    message: str
    hint: str = ""


class AutosysError(Exception):
    """An error meant for a person; `code` is the promised exit code."""

    code = 1
    kind = "error"

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", problems: Iterable[Problem] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.problems = tuple(problems)


class ConfigError(AutosysError):
    """autosys.toml is broken; nothing is started."""

    code = 2
    kind = "config"


class UsageError(AutosysError):
    """A wrong name or value on the command line."""

    code = 2
    kind = "usage"


class NotSo(AutosysError):
    """Something wanted is not so after acting."""

    code = 3
    kind = "not-so"


class Busy(AutosysError):
    """Another run holds the lock."""

    code = 11
    kind = "busy"


class StateError(AutosysError):
    """A state or output folder that cannot be read or written."""

    kind = "state"


class Interrupted(AutosysError):
    """A person pressed Ctrl-C; the message says what is left as it was."""

    code = 130
    kind = "interrupted"


class Unexpected(AutosysError):
    """A defect of ours."""

    kind = "unexpected"


def error_lines(error: AutosysError) -> list[str]:
    """An error for a person: what, where, and what to type next."""
    lines = [f"{error.kind}: {error.message}"]
    for problem in error.problems:
        lines.append(f"  {problem.where}: {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
    if error.hint:
        lines.append(f"  -> {error.hint}")
    return lines


def one_line(error: AutosysError) -> str:
    """An error where there is room for one line: what, and what to type next."""
    return f"{error.message} -> {error.hint}" if error.hint else error.message


def with_program(text: str, program: str) -> str:
    """A text whose commands (`inv TASK`) are written for `program`.

    >>> typed("mend it; then inv backup", "autosys")
    'mend it; then autosys backup'
    """
    import re

    return text if program == "inv" else re.sub(r"\binv (?=[a-z])", f"{program} ", text)


def document_with_program(document: dict[str, object], program: str) -> dict[str, object]:
    """The same for a document's texts, except those that it quotes."""

    def translated(value: object, key: str = "") -> object:
        if isinstance(value, Mapping):
            return {name: translated(each, name) for name, each in value.items()}
        if isinstance(value, list | tuple) and key not in QUOTING:
            return [translated(each, key) for each in value]
        return with_program(value, program) if isinstance(value, str) and key in TELLING else value

    return document if program == "inv" else {name: translated(each, name) for name, each in document.items()}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or ""; one that differs in case or form alone is nearest."""
    import difflib
    import unicodedata

    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    names = {plain(name): name for name in known}
    found = difflib.get_close_matches(plain(word), names, n=1, cutoff=0.6)
    return names[found[0]] if found else ""


def unknown_name(what: str, word: str, known: Iterable[str]) -> UsageError:
    """The error for a name that nobody declared, with the nearest spelling."""
    names = sorted(known)
    near = nearest(word, names)
    hint = f"did you mean `{near}`?" if near else f"known: {', '.join(names) or 'none declared'}"
    return UsageError(f"no {what} is named `{word}`", where=word, hint=hint)
