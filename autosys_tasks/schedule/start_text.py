"""How Windows is told to start something: as a command line, and what cannot be said there as a small program. Pure.

Neither a task nor a Run value can be given an environment, and a Run value starts in the system's own folder.
"""

from __future__ import annotations

from subprocess import list2cmdline

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule.values import Entry, File, Site

KEEP = "schedule.keep"  # the task that keeps the times where no scheduler does
LONGEST_VALUE = 260  # what Windows starts of a Run value
RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"  # below HKEY_CURRENT_USER
APPROVED = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\StartupApproved"  # Task Manager's switches
WITH_ENVIRONMENT = (
    "import os,runpy,sys;i=sys.argv.index('-m');os.environ.update(a.split('=',1) for a in sys.argv[1:i]);"
    "m=sys.argv[i+1];del sys.argv[:i+1];runpy.run_module(m,run_name='__main__',alter_sys=True)"
)


def argv_of(site: Site, entry: Entry) -> tuple[str, ...]:
    """What a scheduler runs that can set no variables: the same as `site.argv`, with them."""
    if not site.env:
        return site.argv(entry)
    before, module, after = _parts(site)
    variables = [f"{name}={value}" for name, value in site.env]
    return (*before, "-c", WITH_ENVIRONMENT, *variables, "-m", module, *after, *entry.task)


def value_name(site: Site) -> str:
    """The name of the workspace's Run value."""
    return f"autosys-{site.id}"


def value_of(site: Site, starter: str) -> str:
    """The text of the Run value, which runs the file `starter`; raises UsageError when Windows would not start it."""
    text = list2cmdline([*_parts(site)[0], starter])
    if len(text) > LONGEST_VALUE:
        why = f"Windows starts at most {LONGEST_VALUE} characters at logon, and this needs {len(text)}: {text}"
        raise UsageError(why, where="Run key", hint="give the workspace, or AUTOSYS_STATE, a shorter path")
    return text


def starter_of(site: Site) -> File:
    """The program that the Run value runs: it goes to the workspace and becomes the keeper."""
    _before, module, after = _parts(site)
    text = (
        f'"""Keeps the times of {_plain(site.folder)}. Made by `inv schedule.register`."""\n'
        "import os, runpy, sys\n\n"
        f"os.chdir({site.folder!r})\n"
        f"os.environ.update({dict(site.env)!r})\n"
        f"sys.path.insert(0, {site.folder!r})\n"
        f"sys.argv[1:1] = {[*after, KEEP]!r}\n"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    )
    return File("", "logon.pyw", text)


def registry_file(site: Site, entry: Entry, starter: str) -> File:
    """The Run value in the form that regedit imports."""
    text = reg_text(f"HKEY_CURRENT_USER\\{RUN}", value_name(site), value_of(site, starter))
    return File(entry.name, f"{value_name(site)}.reg", text, "utf-16")


def reg_text(key: str, name: str, value: str, *, expands: bool = False) -> str:
    """A text value of the registry in the form that regedit imports; `expands`: `%NAME%` in it is a variable."""
    if expands or not value.isprintable():
        data = ",".join(f"{byte:02x}" for byte in f"{value}\0".encode("utf-16-le", "surrogatepass"))
        said = f"hex({2 if expands else 1}):{data}"
    else:
        said = f'"{_escaped(value)}"'
    return f'Windows Registry Editor Version 5.00\r\n\r\n[{key}]\r\n"{_escaped(name)}"={said}\r\n'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plain(text: str) -> str:
    """A path as a docstring can hold it."""
    return text.replace("\\", "/").replace('"', "'")


def _parts(site: Site) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """(interpreter and its options, module, what stands behind it)."""
    words = site.command
    if "-m" not in words[:-1]:
        raise UsageError(f"`{list2cmdline(words)}` runs no module", where="command", hint="python -m MODULE")
    at = words.index("-m")
    return words[:at], words[at + 1], words[at + 2 :]
