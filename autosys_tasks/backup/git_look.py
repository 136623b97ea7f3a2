"""Looks at a repository: head, branches, stashes, what is not committed, what is under way. Changes not one byte."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.git_text import SUBMODULE, is_elsewhere, no_filters, settings
from autosys_tasks.host import git

STATUS = ("status", "--porcelain=v2", "-z", "--no-renames", "--ignore-submodules=none", "--untracked-files=no")
OTHERS = ("ls-files", "-z", "--others", "--exclude-standard")
REFS = "%(refname)%00%(objectname)%00%(symref)%00%(upstream:short)%00%(upstream:track,nobracket)"
NO_NETWORK = ("protocol.allow=never",)  # a partial clone would fetch what it lacks
UNDER_WAY = {
    "rebase-merge": "rebase", "rebase-apply": "rebase", "MERGE_HEAD": "merge", "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert", "BISECT_LOG": "bisect", "sequencer": "sequence",
}  # fmt: skip
ITS_FILES = (
    *UNDER_WAY, "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "REBASE_HEAD", "ORIG_HEAD", "BISECT_START", "BISECT_TERMS",
    "BISECT_NAMES", "BISECT_EXPECTED_REV",
)  # fmt: skip
SHARED_FILES = ("info/exclude", "info/attributes")
OWN_FILES = ("SQUASH_MSG", "info/sparse-checkout")
LARGEST_KEPT = 1_000_000  # bytes; these files are lines of text


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
    head: str  # the ref that HEAD is, "" when detached
    commit: str  # what HEAD points at, "" before the first commit
    refs: tuple[Ref, ...]
    stashes: tuple[Stash, ...]
    remotes: tuple[Remote, ...]
    settings: Mapping[str, list[tuple[str, str]]]
    status: tuple[str, ...]  # records of `git status --porcelain=v2`
    others: tuple[str, ...]  # neither tracked nor ignored, below the workspace; with a `/` at the end: a repository
    submodules: tuple[str, ...]
    skipped: tuple[str, ...]  # `--skip-worktree`: a sparse checkout's, or a person's own
    assumed: tuple[str, ...]  # `--assume-unchanged`
    texts: Mapping[str, str]  # small files of the git folder, by their path in it
    shallow: tuple[str, ...]
    worktrees: tuple[tuple[str, str], ...]  # (path, commit) of its other work trees
    lfs: tuple[str, ...]  # tracked paths whose content Git LFS keeps
    hooks: int
    lacks: tuple[str, ...]  # what could not be read

    @property
    def under_way(self) -> str:
        """The operation that has begun and not ended ("rebase"), or ""."""
        tops = {name.split("/")[0] for name in self.texts}
        return next((word for name, word in UNDER_WAY.items() if name in tops), "")


class Reader(NamedTuple):
    """Asks one repository, without the network and without its filters."""

    top: str
    config: tuple[str, ...]
    timeout_s: float

    def lines(self, *words: str, cwd: str = "", **more: object) -> list[str]:
        """What git wrote, as its NUL-separated records."""
        raw = git.must(cwd or self.top, *words, config=self.config, timeout_s=self.timeout_s, **more)
        return [record for record in text(raw).split("\0") if record]


def text(raw: bytes) -> str:
    """Git's bytes; a name that is not UTF-8 survives the way back."""
    return raw.decode("utf-8", "surrogateescape")


def look(repository: git.Repository, workspace: Path, timeout_s: float) -> Facts:
    """Everything that the capture of `repository` needs to know. Raises GitError."""
    found = settings(text(git.must(repository.top, "config", "-z", "--list", "--show-scope", config=NO_NETWORK)))
    reader = Reader(repository.top, (*NO_NETWORK, *no_filters(found)), timeout_s)
    refs = references(reader)
    head, commit = head_of(reader)
    lacks: list[str] = []
    listed = _or_none(lacks, "the index", lambda: reader.lines("ls-files", "-z", "-v", "--stage"))
    return Facts(
        repository=repository,
        head=head,
        commit=commit,
        refs=refs,
        stashes=stashes(reader) if any(ref.name == "refs/stash" for ref in refs) else (),
        remotes=remotes(reader, found),
        settings=found,
        status=tuple(_or_none(lacks, "what is not committed", lambda: status(reader, lacks))),
        others=tuple(_or_none(lacks, "untracked files", lambda: others(reader, workspace))),
        submodules=tuple(_path(line) for line in listed if line[2:8] == SUBMODULE),
        skipped=tuple(_path(line) for line in listed if line[0] in "Ss"),
        assumed=tuple(_path(line) for line in listed if line[0].islower()),
        texts=kept_texts(repository),
        shallow=shallow(repository),
        worktrees=worktrees(reader) if (Path(repository.common_dir) / "worktrees").is_dir() else (),
        lfs=lfs_paths(reader) if (Path(repository.common_dir) / "lfs" / "objects").is_dir() else (),
        hooks=own_hooks(repository),
        lacks=tuple(lacks),
    )


def _or_none(lacks: list[str], what: str, ask: Callable[[], list[str]]) -> list[str]:
    """The answer; where the repository is too damaged for one, none, and that is named."""
    try:
        return ask()
    except git.GitError as error:
        lacks.append(f"{what}: {error.message}")
        return []


def status(reader: Reader, lacks: list[str]) -> list[str]:
    """What `git status` says; a submodule that it cannot read is not to hide all the rest."""
    try:
        return reader.lines(*STATUS)
    except git.GitError as error:
        found = reader.lines(*STATUS, "--ignore-submodules=all")
        lacks.append(f"the state of submodules: {error.message}")
        return found


def references(reader: Reader) -> tuple[Ref, ...]:
    """Every ref there is."""
    raw = git.must(reader.top, "for-each-ref", f"--format={REFS}", config=reader.config, timeout_s=reader.timeout_s)
    return tuple(Ref(*line.split("\0")) for line in text(raw).splitlines())


def head_of(reader: Reader) -> tuple[str, str]:
    """HEAD as (ref or "", commit or "")."""
    branch = git.ask(reader.top, "symbolic-ref", "--quiet", "HEAD")
    commit = git.ask(reader.top, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", config=reader.config)
    return text(branch.out).strip() if not branch.code else "", text(commit.out).strip()


def stashes(reader: Reader) -> tuple[Stash, ...]:
    """Every stash, the newest first."""
    records = reader.lines("log", "-z", "--walk-reflogs", "--format=%H %gs", "refs/stash", "--")
    return tuple(Stash(*(f"{record} ".split(" ", 1))) for record in records)


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


def others(reader: Reader, workspace: Path) -> list[str]:
    """Files that git neither tracks nor ignores, below the workspace, by their path from the repository's top."""
    inside = os.path.relpath(os.path.realpath(workspace), os.path.realpath(reader.top)).replace(os.sep, "/")
    prefix = "" if inside == "." else f"{inside}/"
    return [f"{prefix}{path}" for path in reader.lines(*OTHERS, cwd=os.path.join(reader.top, prefix))]


def _path(line: str) -> str:
    return line.partition("\t")[2]


def lfs_paths(reader: Reader) -> tuple[str, ...]:
    """Tracked paths that an attribute gives to Git LFS."""
    return tuple(reader.lines("ls-files", "-z", ":(attr:filter=lfs)", env={"GIT_LITERAL_PATHSPECS": "0"}))


def worktrees(reader: Reader) -> tuple[tuple[str, str], ...]:
    """(path, commit) of the repository's other work trees."""
    raw = git.must(reader.top, "worktree", "list", "--porcelain", config=reader.config)
    blocks = [dict(line.partition(" ")[::2] for line in block.splitlines()) for block in text(raw).split("\n\n")]
    here = os.path.realpath(reader.top)
    rows = [(block["worktree"], block.get("HEAD", "")) for block in blocks if "worktree" in block]
    return tuple((path, commit) for path, commit in rows if os.path.realpath(path) != here)


def shallow(repository: git.Repository) -> tuple[str, ...]:
    """The commits at which a shallow history ends."""
    if not repository.shallow:
        return ()
    return tuple(Path(repository.common_dir, "shallow").read_text(encoding="ascii").split())


def kept_texts(repository: git.Repository) -> dict[str, str]:
    """Small files of the git folder: what an operation under way needs, and the repository's own lists of patterns."""
    own = Path(repository.git_dir)
    its = ITS_FILES if any((own / name).exists() for name in UNDER_WAY) else ()
    rows: dict[str, str] = {}
    for base, names in ((own, (*its, *OWN_FILES)), (Path(repository.common_dir), SHARED_FILES)):
        for path in (base / name for name in names):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and file.stat().st_size <= LARGEST_KEPT:
                    rows[file.relative_to(base).as_posix()] = text(file.read_bytes())
    return rows


def named_ids(texts: Mapping[str, str]) -> list[str]:
    """Every object that an operation under way may still need, by its whole id."""
    word = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b")
    return sorted({found for name, words in texts.items() if "info/" not in name for found in word.findall(words)})


def own_hooks(repository: git.Repository) -> int:
    """How many hooks the repository has beside the samples that git puts there."""
    folder = Path(repository.common_dir, "hooks")
    return sum(not file.name.endswith(".sample") for file in folder.glob("*")) if folder.is_dir() else 0
