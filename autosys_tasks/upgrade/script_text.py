"""What a script's first line and name say of it, what checks it, and what such a check said. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})
BY_ENDING = {
    ".sh": "sh", ".bash": "bash", ".zsh": "zsh", ".ksh": "ksh", ".py": "python", ".pyw": "python",
    ".ps1": "powershell", ".psm1": "powershell", ".js": "node", ".mjs": "node", ".cjs": "node",
}  # fmt: skip
PYTHON = (
    "import sys; n = sys.argv[1]; s = open(n, 'rb').read()\n"
    "try: compile(s, n, 'exec', dont_inherit=True)\n"
    "except SyntaxError as e: sys.exit('line %s: %s' % (e.lineno or '?', e.msg))\n"
    "except ValueError as e: sys.exit(str(e))\n"
)
POWERSHELL = (
    "$e=$null; [void][Management.Automation.Language.Parser]::ParseFile($env:AUTOSYS_SCRIPT,[ref]$null,[ref]$e); "
    "foreach($x in $e){[Console]::Error.WriteLine('line '+$x.Extent.StartLineNumber+': '+$x.Message)}; "
    "exit [int]($e.Count -gt 0)"
)
HERE = "{}"
LONGEST = 200
LINE = re.compile(r"(?:\bline |: ?)(\d+)\b:? ?")


class Checker(NamedTuple):
    """How a language's syntax is looked at, without running anything."""

    programs: tuple[str, ...]  # the first one that is there; () = our own Python
    arguments: tuple[str, ...]  # HERE stands for the script


def has_shebang(head: bytes) -> bool:
    """Whether a file's first bytes name an interpreter."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"#!")


def language(path: str, head: bytes) -> str:
    """What a script is written in, by its first line, else by its name: sh, bash, python, node ...; "" = unknown."""
    if has_shebang(head):
        return _interpreter(head.splitlines()[0].decode("utf-8", "replace").lstrip("\ufeff")[2:])
    name = path.rpartition("/")[2].lower()
    return BY_ENDING.get(name[name.rfind(".") :], "") if "." in name else ""


def _interpreter(line: str) -> str:
    """`/usr/bin/env -S VAR=1 python3.11 -u` is python; of an unknown one the bare name."""
    words = [word.rpartition("/")[2] for word in line.replace("\\", "/").split()]
    if words[:1] == ["env"]:
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    name = words[0].lower().removesuffix(".exe") if words else ""
    if re.fullmatch(r"pythonw?(3(\.\d+)?)?|uv", name):
        return "python"
    return {"pwsh": "powershell", "nodejs": "node"}.get(name, name)


def checker(language: str) -> Checker | None:
    """What can look at a language's syntax; None = nothing that we know."""
    if language in SHELLS:
        return Checker((language, "bash") if language in ("sh", "ash") else (language,), ("-n", HERE))
    return {
        "python": Checker((), ("-I", "-X", "utf8", "-c", PYTHON, HERE)),
        "node": Checker(("node",), ("--check", HERE)),
        "powershell": Checker(("pwsh", "powershell"), ("-NoProfile", "-NonInteractive", "-Command", POWERSHELL)),
    }.get(language)


def fault(said: str, path: str) -> str:
    """What a checker said of `path`, as one line that begins with the script's line where that is told."""
    lines = [" ".join(line.split()) for line in said.replace(path, "").splitlines() if line.strip()]
    if not lines:
        return "refused without a word"
    found = LINE.search(lines[0])
    error = next((line for line in lines if "Error: " in line), lines[0])
    text = error[found.end() :] if found and error == lines[0] else error
    return (f"line {found[1]}: {text}" if found else text)[:LONGEST]
