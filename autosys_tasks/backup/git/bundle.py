"""Writes a bundle of the commits that are on no remote, under refs that the repository itself need not have.

Git bundles refs only. A scratch repository that borrows all objects holds them, so that every stash, a detached HEAD
and the other work trees' commits get one, and the repository stays as it is. The same state gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.git.folder import named_ids
from autosys_tasks.backup.git.look import NO_NETWORK, Facts, text
from autosys_tasks.backup.scratch import remove_tree
from autosys_tasks.backup.secrets_text import looks_secret
from autosys_tasks.host import git

HEAD = "refs/autosys/head"
STASH = "refs/autosys/stash"
WORKTREE = "refs/autosys/worktree"
UNDER_WAY = "refs/autosys/under-way"
WALK = ("rev-list", "--objects", "--quiet", "--stdin")
OBJECTS = ("rev-list", "--objects", "--stdin")
ONE_THREAD = ("pack.threads=1", "protocol.allow=never")


class Bundle(NamedTuple):
    """A bundle file's head: what it brings, and what must be there already."""

    refs: Mapping[str, str]
    needs: tuple[str, ...]


def own_refs(facts: Facts) -> dict[str, str]:
    """What only this repository may have, by the names that the bundle uses."""
    of_remotes = tuple(f"refs/remotes/{remote.name}/" for remote in facts.remotes)
    found = {ref.name: ref.id for ref in facts.refs if not (ref.symbolic or ref.name.startswith(of_remotes))}
    found.pop("refs/stash", None)
    found |= {f"{STASH}/{number}": stash.id for number, stash in enumerate(facts.stashes)}
    found |= {f"{WORKTREE}/{number}": commit for number, (_, commit) in enumerate(facts.worktrees) if commit.strip("0")}
    if facts.commit and not facts.head:
        found[HEAD] = facts.commit
    return found | {f"{UNDER_WAY}/{blob[:16]}": blob for blob in _there(facts, named_ids(facts.texts))}


def _there(facts: Facts, ids: list[str]) -> list[str]:
    """Those ids that are objects of the repository."""
    if not ids:
        return []
    given = "".join(f"{one}\n" for one in ids).encode()
    said = text(git.must(facts.repository.top, "cat-file", "--batch-check", given=given, config=ONE_THREAD))
    return [line.split()[0] for line in said.splitlines() if not line.endswith((" missing", " ambiguous"))]


def elsewhere(facts: Facts) -> list[str]:
    """Commits that a remote off this machine has, as far as the last fetch or push told."""
    prefixes = tuple(f"refs/remotes/{remote.name}/" for remote in facts.remotes if remote.elsewhere)
    return sorted({ref.id for ref in facts.refs if prefixes and ref.name.startswith(prefixes) and not ref.symbolic})


def write_bundle(facts: Facts, target: Path, lost: list[str], timeout_s: float) -> Bundle | None:
    """Write the bundle `target`; None, and no file, when every commit is on a remote. Raises GitError.

    Where objects are missing, the refs that need them are left out, and named in `lost`.
    """
    refs, hidden = own_refs(facts), [f"^{one}" for one in elsewhere(facts)]
    scratch = target.with_name(".scratch.git")
    try:
        _borrow(facts, scratch, refs)
        words = ("bundle", "create", "--quiet", str(target), "--stdin")
        said = _asked(scratch, words, (*sorted(refs), *hidden), timeout_s)
        if said.code and "empty bundle" not in said.err:
            whole = [name for name in sorted(refs) if not _asked(scratch, WALK, (name, *hidden), timeout_s).code]
            lost += [f"{name}: not all of its commits can be read" for name in sorted(set(refs) - set(whole))]
            refs = {name: refs[name] for name in whole}
            said = _asked(scratch, words, (*whole, *hidden), timeout_s)
    finally:
        remove_tree(scratch)
    if not refs or "empty bundle" in said.err:
        target.unlink(missing_ok=True)
        return None
    if said.code:
        raise git.refused(facts.repository.top, words, said)
    return read_head(target)


def holds_secret(facts: Facts, bundle: Bundle, scratch: Path, timeout_s: float) -> bool:
    """Whether a path in its commits is one that secrets have, also one that a later commit took away.

    `scratch`: a file for what git says. Where git cannot say it, there may be one.
    """
    given = "".join(f"{line}\n" for line in (*bundle.refs.values(), *(f"^{one}" for one in bundle.needs))).encode()
    try:
        git.must(facts.repository.top, *OBJECTS, given=given, config=NO_NETWORK, into=scratch, timeout_s=timeout_s)
        with scratch.open("rb") as file:
            return any(looks_secret(os.fsdecode(line[:-1].partition(b" ")[2])) for line in file)
    except git.GitError:
        return True
    finally:
        scratch.unlink(missing_ok=True)


def _asked(scratch: Path, words: Sequence[str], lines: Iterable[str], timeout_s: float) -> git.Said:
    given = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    env = {"GIT_NO_REPLACE_OBJECTS": "1"}
    return git.ask(scratch, "--git-dir=.", *words, given=given, config=ONE_THREAD, env=env, timeout_s=timeout_s)


def _borrow(facts: Facts, scratch: Path, refs: Mapping[str, str]) -> None:
    """An empty bare repository that sees all objects of the real one, and has these refs."""
    repository, form = facts.repository, f"--object-format={facts.repository.object_format}"
    git.must(scratch.parent, "init", "--quiet", "--bare", "--template=", form, str(scratch))
    alternates = scratch / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_bytes(f"{Path(repository.common_dir, 'objects').as_posix()}\n".encode("utf-8", "surrogateescape"))
    lines = "".join(f"{blob} {name}\n" for name, blob in sorted(refs.items()))
    (scratch / "packed-refs").write_bytes(lines.encode("utf-8", "surrogateescape"))
    if facts.shallow:
        (scratch / "shallow").write_text("\n".join(facts.shallow) + "\n", encoding="ascii", newline="\n")


def read_head(bundle: Path) -> Bundle:
    """What a bundle says of itself before its pack begins."""
    refs, needs = {}, []
    with bundle.open("rb") as file:
        for line in iter(file.readline, b"\n"):
            if not line:
                break
            words = text(line).rstrip("\n")
            if words.startswith("-"):
                needs.append(words[1:].split(" ")[0])
            elif not words.startswith(("#", "@")):
                blob, _, name = words.partition(" ")
                refs[name] = blob
    return Bundle(refs, tuple(needs))
