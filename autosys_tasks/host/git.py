"""The `git` program, asked in a way that is the same everywhere: no prompt, no hook, no colour, no localised text.

Runs git for rooms that may not know one another; knows nothing of backups or upgrades. Optional locks are off, so
that a question leaves the repository as it was. What a repository's own configuration would have git run (hooks, a
file system monitor, an external diff, a pager, housekeeping) is not run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import decode
from autosys_tasks.host import child

TIMEOUT_S = 60.0
CALM = (
    "core.quotePath=false", "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=", "gc.auto=0",
    "maintenance.auto=false", "color.ui=false", "log.showSignature=false", "protocol.ext.allow=never",
    "submodule.recurse=false", "fetch.recurseSubmodules=false", "diff.external=",
)  # fmt: skip
SILENT = {
    "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "never", "GIT_EDITOR": ":", "GIT_PAGER": "cat",
    "GIT_LITERAL_PATHSPECS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_DEFAULT_REF_FORMAT": "files",
}  # fmt: skip
# What git itself gives its hooks, or a person one command; a run must not take it for its own.
OF_ONE_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE", "GIT_QUARANTINE_PATH", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS",
    "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_ATTR_SOURCE", "GIT_ALLOW_PROTOCOL",
)  # fmt: skip


NO_REASON = "Could not read from remote repository"


class GitError(AutosysError):
    """Git could not be asked, or ended with an error; `message` holds what it said last."""

    kind = "git"


class NotInstalled(GitError):
    """There is no git on PATH."""


class TimedOut(GitError):
    """Git did not end in time, and was ended with all it had started."""


class Said(NamedTuple):
    """How one call of git ended."""

    code: int
    out: bytes
    err: str


class Repository(NamedTuple):
    """Where a repository lies. `top` is its work tree, "" when it is bare."""

    top: str
    git_dir: str  # this work tree's own
    common_dir: str  # what it shares with its other work trees
    shallow: bool
    object_format: str  # sha1 | sha256


def ask(
    folder: Path | str, *words: str, given: bytes = b"", into: Path | None = None, config: Sequence[str] = (),
    env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S,
) -> Said:  # fmt: skip
    """Run `git WORDS` in `folder` and say how it ended, whatever its exit code.

    `given` is its input; its output goes to the file `into`, if one is named. `config` are more `name=value` for this
    call. Raises NotInstalled, TimedOut after `timeout_s`, and GitError when git cannot be run.
    """
    options = [word for pair in (*CALM, *config) for word in ("-c", pair)]
    argv = [_program(folder), *options, *words]
    environ = {key: value for key, value in os.environ.items() if key not in OF_ONE_REPOSITORY}
    return _run(argv, folder, {**environ, **SILENT, **(env or {})}, given, into, timeout_s)


def must(folder: Path | str, *words: str, **more: Any) -> bytes:
    """What `git WORDS` wrote; raises GitError with what it said when its exit code is not 0. Options as for `ask`."""
    said = ask(folder, *words, **more)
    if said.code:
        raise refused(folder, words, said)
    return said.out


def refused(folder: Path | str, words: Sequence[str], said: Said) -> GitError:
    """The error for a call that git ended with an exit code."""
    verb = next((word for word in words if not word.startswith("-")), "")
    hint = ""
    if "dubious ownership" in said.err or "unsafe repository" in said.err:
        hint = f'another user owns it; if you trust it: git config --global --add safe.directory "{folder}"'
    return GitError(f"git {verb} ended with {said.code}: {_why(said.err)}", where=str(folder), hint=hint)


def _why(said: str) -> str:
    """The line of git's words that tells most: its first error, unless ssh has said before it why."""
    lines = [line for line in said.splitlines() if line.strip()]
    at = next((at for at, line in enumerate(lines) if line.startswith(("fatal: ", "error: "))), len(lines) - 1)
    if at > 0 and NO_REASON in lines[at]:
        at -= 1
    return lines[at].removeprefix("fatal: ").removeprefix("error: ").strip() if lines else ""


def above(folder: Path | str) -> bool:
    """Whether a folder may lie in a work tree, told without running git: it, or one above it, has a `.git`."""
    here = Path(folder)
    return any(os.path.lexists(each / ".git") for each in (here, *here.parents))


def find(folder: Path | str) -> Repository | None:
    """The repository that `folder` lies in, or None; raises GitError when one is there that git does not take."""
    words = ["--absolute-git-dir", "--git-common-dir", "--is-shallow-repository", "--is-bare-repository"]
    said = ask(folder, "rev-parse", *words)
    if said.code:
        if "not a git repository" in said.err and not os.path.lexists(os.path.join(folder, ".git")):
            return None
        raise refused(folder, ("rev-parse",), said)
    lines = said.out.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    if len(lines) != len(words):
        raise GitError("the path of its repository has a line break in it", where=str(folder))
    git_dir, common, shallow, bare = lines
    top = b"" if bare == "true" else must(folder, "rev-parse", "--show-toplevel")
    form = ask(folder, "rev-parse", "--show-object-format")
    return Repository(
        top.decode("utf-8", "surrogateescape").rstrip("\n"),
        git_dir,
        os.path.normpath(os.path.join(folder, common)),
        shallow == "true",
        form.out.decode("ascii").strip() if not form.code else "sha1",
    )


def _program(folder: Path | str) -> str:
    found = host.program("git", os.environ.get("PATH", ""), os.fspath(folder))
    if found is None:
        raise NotInstalled("git is not installed, or not on PATH", where="git", hint="install git, then type the same")
    return found


def _run(
    argv: list[str], folder: Path | str, env: Mapping[str, str], given: bytes, into: Path | None, timeout_s: float
) -> Said:
    try:
        code, out, err = child.run(argv, folder, env, timeout_s, given=given, into=into)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise GitError(f"cannot run git: {error.strerror}", where=str(error.filename or folder)) from error
    except child.Late:
        raise TimedOut(f"git did not end within {timeout_s:g} s", where=str(folder)) from None
    return Said(code, out, decode(err))
