"""Looks at a repository: head, branches, stashes, what is not committed, what is under way. Changes not one byte."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks.backup.git.folder import UNDER_WAY, kept_texts, own_hooks, shallow, stashed
from autosys_tasks.backup.git.output_text import SUBMODULE, drivers, is_elsewhere, no_filters, settings
from autosys_tasks.core.clock import counted
from autosys_tasks.host import git

STATUS = ("status", "--porcelain=v2", "-z", "--no-renames", "--ignore-submodules=dirty", "--untracked-files=no")
OTHERS = ("ls-files", "-z", "--others", "--exclude-standard")
REFS = "%(refname)%00%(objectname)%00%(symref)%00%(upstream:short)%00%(upstream:track,nobracket)"
LOSES = re.compile(r"warning: (ignoring broken ref .*|could not open directory .*)")  # it goes on, and ends with 0
NO_NETWORK = ("protocol.allow=never",)  # a partial clone would fetch what it lacks


class Ref(NamedTuple):
    """A ref: where it points, and what it follows (`track`: "ahead 1, behind 2", "gone", "")."""

    name: str
    id: str
    symbolic: str
    upstream: str
    track: str


class Stash(NamedTuple):
    """A stash, by its commit."""

    id: str
    message: str


class Remote(NamedTuple):
    """A remote: as written in the settings, where git goes for it, and whether that is off this machine."""

    name: str
    url: str
    address: str
    elsewhere: bool


class Facts(NamedTuple):
    """What a repository is, at one moment."""

    repository: git.Repository
    env: Mapping[str, str]  # with which git writes nothing into it
    head: str  # the ref that HEAD is, "" when detached
    commit: str  # what HEAD points at, "" before the first commit
    refs: tuple[Ref, ...]
    stashes: tuple[Stash, ...]
    remotes: tuple[Remote, ...]
    settings: Mapping[str, list[tuple[str, str]]]
    status: tuple[str, ...]  # records of `git status --porcelain=v2`
    unjudged: tuple[str, ...]  # where these cannot be had: what differs from the index
    others: tuple[str, ...]  # neither tracked nor ignored, below the workspace; with a `/` at the end: a repository
    submodules: tuple[str, ...]
    skipped: tuple[str, ...]  # `--skip-worktree`: a sparse checkout's, or a person's own
    assumed: tuple[str, ...]  # `--assume-unchanged`
    texts: Mapping[str, str]  # small files of the git folder, by their path in it
    shallow: tuple[str, ...]
    worktrees: tuple[tuple[str, str], ...]  # (path, commit) of its other work trees
    lfs: tuple[str, ...]  # tracked paths whose content Git LFS keeps
    filtered: Mapping[str, list[str]]  # tracked paths by the filter that they pass
    hooks: int
    lacks: tuple[str, ...]  # what could not be read

    @property
    def under_way(self) -> str:
        """The operation that has begun and not ended ("rebase"), or ""."""
        tops = {name.split("/")[0] for name in self.texts}
        return next((word for name, word in UNDER_WAY.items() if name in tops), "")


class Reader(NamedTuple):
    """Asks one repository, without the network and without its filters; `lacks` takes what git only warns of."""

    top: str
    config: tuple[str, ...]
    env: Mapping[str, str]
    timeout_s: float
    lacks: list[str]

    def text(self, *words: str, cwd: str = "", env: Mapping[str, str] | None = None) -> str:
        """What git wrote; raises GitError when it ended with an error."""
        folder = cwd or self.top
        said = git.ask(folder, *words, config=self.config, timeout_s=self.timeout_s, env={**self.env, **(env or {})})
        if said.code:
            raise git.refused(folder, words, said)
        self.lacks.extend(found[1] for line in said.err.split("\n") if (found := LOSES.fullmatch(line)))
        return text(said.out)

    def lines(self, *words: str, **more: Any) -> list[str]:
        """What git wrote, as its NUL-separated records."""
        return [record for record in self.text(*words, **more).split("\0") if record]


def text(raw: bytes) -> str:
    """Git's bytes; a name that is not UTF-8 survives the way back."""
    return raw.decode("utf-8", "surrogateescape")


def look(repository: git.Repository, workspace: Path, apart: Path, timeout_s: float) -> Facts:
    """Everything that the capture of `repository` needs to know; `apart` is no folder yet. Raises GitError."""
    found = settings(text(git.must(repository.top, "config", "-z", "--list", "--show-scope", config=NO_NETWORK)))
    lacks: list[str] = []
    env = objects_apart(repository, apart) if any(value == "true" for _, value in found.get("index.sparse", ())) else {}
    reader = Reader(repository.top, (*NO_NETWORK, *no_filters(found)), env, timeout_s, lacks)
    refs = references(reader)
    head, commit = head_of(reader, repository)
    listed = _or_none(lacks, "the index", lambda: reader.lines("ls-files", "-z", "-v", "--stage"))
    known = len(lacks)
    changed = _or_none(lacks, "what is not committed", lambda: reader.lines(*STATUS))
    return Facts(
        repository=repository,
        env=env,
        head=head,
        commit=commit,
        refs=refs,
        stashes=stashes(reader, repository, refs),
        remotes=remotes(reader, found),
        settings=found,
        status=tuple(changed),
        unjudged=tuple(_or_none(lacks, "what is not staged", lambda: modified(reader))) if len(lacks) > known else (),
        others=tuple(_or_none(lacks, "untracked files", lambda: untracked(reader, workspace))),
        submodules=tuple(_path(line) for line in listed if line[2:8] == SUBMODULE),
        skipped=tuple(_path(line) for line in listed if line[0] in "Ss"),
        assumed=tuple(_path(line) for line in listed if line[0].islower()),
        texts=kept_texts(repository),
        shallow=shallow(repository),
        worktrees=worktrees(reader) if (Path(repository.common_dir) / "worktrees").is_dir() else (),
        lfs=tuple(of_filter(reader, "lfs")) if (Path(repository.common_dir) / "lfs" / "objects").is_dir() else (),
        filtered=filtered(reader, found, repository.common_dir, listed),
        hooks=own_hooks(repository),
        lacks=tuple(lacks),
    )


def objects_apart(repository: git.Repository, folder: Path) -> dict[str, str]:
    """The variables with which git puts new objects into `folder`: to read a sparse index, it makes some."""
    folder.mkdir()
    real = Path(repository.common_dir, "objects").as_posix().replace("\\", "\\\\").replace('"', '\\"')
    return {"GIT_OBJECT_DIRECTORY": os.fspath(folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{real}"'}


def _or_none(lacks: list[str], what: str, ask: Callable[[], list[str]]) -> list[str]:
    """The answer; where the repository is too damaged for one, none, and that is named."""
    try:
        return ask()
    except git.GitError as error:
        lacks.append(f"{what}: {error.message}")
        return []


def modified(reader: Reader) -> list[str]:
    """What differs from the index, for which no commit need be read."""
    return reader.lines("ls-files", "-z", "--modified")


def references(reader: Reader) -> tuple[Ref, ...]:
    """Every ref there is, but those that git's own housekeeping fetches."""
    lines = reader.text("for-each-ref", f"--format={REFS}").split("\n")[:-1]
    return tuple(Ref(*line.split("\0")) for line in lines if not line.startswith("refs/prefetch/"))


def head_of(reader: Reader, repository: git.Repository) -> tuple[str, str]:
    """HEAD as (ref or "", commit or ""); one that cannot be read is a lack."""
    branch = git.ask(reader.top, "symbolic-ref", "--quiet", "HEAD")
    commit = text(git.ask(reader.top, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", config=reader.config).out)
    if branch.code and not commit:
        written = text(Path(repository.git_dir, "HEAD").read_bytes()).strip()
        reader.lacks.append(f"HEAD: git cannot read `{written}`")
        return written.removeprefix("ref: ") if written.startswith("ref: refs/") else "", ""
    return text(branch.out).removesuffix("\n") if not branch.code else "", commit.strip()


def stashes(reader: Reader, repository: git.Repository, refs: Iterable[Ref]) -> tuple[Stash, ...]:
    """Every stash, the newest first; git passes over those that it cannot read, which is a lack."""
    newest = next((ref.id for ref in refs if ref.name == "refs/stash"), "")
    if not newest:
        return ()
    records = reader.lines("log", "-z", "--walk-reflogs", "--format=%H %gs", "refs/stash", "--")
    if (lost := stashed(repository) - len(records)) > 0:
        reader.lacks.append(f"{counted(lost, 'stash', 'stashes')} that git cannot read")
    return tuple(Stash(*(f"{record} ".split(" ", 1))) for record in records) or (Stash(newest, ""),)


def remotes(reader: Reader, found: Mapping[str, list[tuple[str, str]]]) -> tuple[Remote, ...]:
    """The remotes that have an address."""
    rows = []
    for key, pairs in found.items():
        if key.startswith("remote.") and key.endswith(".url"):
            name, url = key[len("remote.") : -len(".url")], pairs[0][1]
            said = git.ask(reader.top, "ls-remote", "--get-url", name, config=reader.config)
            address = text(said.out).strip() or url
            rows.append(Remote(name, url, address, is_elsewhere(address)))
    return tuple(rows)


def untracked(reader: Reader, workspace: Path) -> list[str]:
    """Files that git neither tracks nor ignores, below the workspace, by their path from the repository's top."""
    inside = os.path.relpath(os.path.realpath(workspace), os.path.realpath(reader.top)).replace(os.sep, "/")
    prefix = "" if inside == "." else f"{inside}/"
    return [f"{prefix}{path}" for path in reader.lines(*OTHERS, cwd=os.path.join(reader.top, prefix))]


def _path(line: str) -> str:
    return line.partition("\t")[2]


def of_filter(reader: Reader, driver: str) -> list[str]:
    """Tracked paths that an attribute gives to a filter."""
    return reader.lines("ls-files", "-z", f":(attr:filter={driver})", env={"GIT_LITERAL_PATHSPECS": "0"})


def filtered(
    reader: Reader, found: Mapping[str, list[tuple[str, str]]], common_dir: str, listed: Iterable[str]
) -> dict[str, list[str]]:  # fmt: skip
    """What passes each filter that is set up; git is asked only where there are attributes at all."""
    own = os.path.exists(os.path.join(common_dir, "info", "attributes"))
    attributes = own or "core.attributesfile" in found or any(line.endswith(".gitattributes") for line in listed)
    named = [driver for driver in drivers(found) if re.fullmatch(r"[\w.-]+", driver)] if attributes else ()
    rows = {driver: of_filter(reader, driver) for driver in named}
    return {driver: paths for driver, paths in rows.items() if paths}


def worktrees(reader: Reader) -> tuple[tuple[str, str], ...]:
    """(path, commit) of the repository's other work trees."""
    said = reader.text("worktree", "list", "--porcelain")
    blocks = [dict(line.partition(" ")[::2] for line in block.split("\n")) for block in said.split("\n\n")]
    here = os.path.realpath(reader.top)
    rows = [(one["worktree"], one.get("HEAD", "")) for one in blocks if "worktree" in one and "bare" not in one]
    return tuple((path, commit) for path, commit in rows if os.path.realpath(path) != here)
