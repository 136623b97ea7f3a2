"""Rebuilds a captured repository in a new folder: from its remotes and the bundle, then the index, then the files.

It ends by looking at the result as the capture did, and names whatever is not the same.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks.backup.git.bundle import read_head
from autosys_tasks.backup.git.capture import BUNDLE
from autosys_tasks.backup.git.folder import ITS_FILES, OWN_FILES, SHARED_FILES
from autosys_tasks.backup.git.look import STATUS, text
from autosys_tasks.backup.git.output_text import (
    ABSENT,
    StatusEntry,
    entries,
    index_lines,
    no_filters,
    settings,
    settings_text,
)
from autosys_tasks.backup.git.put import put_files, within
from autosys_tasks.backup.git.record import read_state
from autosys_tasks.backup.scratch import remove_tree
from autosys_tasks.core.errors import UsageError
from autosys_tasks.core.files import retry_while_held
from autosys_tasks.host import git

FILES = "changed and untracked files alone: inv backup.restore ID .autosys/git/files --to DIR"
PATIENT_S = 86_400.0  # for what a slow line takes; a person waits, and Ctrl-C ends it
NO_STALL = ("http.lowSpeedLimit=1", "http.lowSpeedTime=60")
WHO = {"GIT_COMMITTER_NAME": "autosys", "GIT_COMMITTER_EMAIL": "autosys@localhost"}  # in the logs of refs alone


class Rebuilt(NamedTuple):
    """`failed` names each thing that is not as it was, with the reason; `notes` what a person should know."""

    failed: tuple[str, ...]
    notes: tuple[str, ...]


class Site(NamedTuple):
    """Where a repository is being rebuilt, from what."""

    folder: Path
    top: Path
    state: dict[str, Any]
    failed: list[str]
    notes: list[str]
    timeout_s: float

    def git(self, *words: str, **more: Any) -> bytes:
        """Git in the new repository; raises GitError."""
        return git.must(self.top, *words, **{"env": WHO, "timeout_s": self.timeout_s, **more})

    def listed(self, words: tuple[str, ...], paths: Iterable[str]) -> None:
        """Git with these paths as its input, if there are any."""
        given = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
        if given:
            self.git(*words, given=given)


def rebuild(folder: Path, to: Path, *, timeout_s: float = 600.0) -> Rebuilt:
    """Rebuild what `capture` wrote into `folder` as the new folder `to`.

    `to` appears whole at the end, or not at all. Raises UsageError when it is there and not empty, GitError when a
    remote that is needed cannot be reached or no longer has what it had.
    """
    must_be_new(to)
    state = read_state(folder)
    to.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        found = _built(folder, scratch / "top", state, timeout_s)
        if to.is_dir():
            to.rmdir()
        retry_while_held(lambda: (scratch / "top").rename(to))
    finally:
        remove_tree(scratch)
    return found


def must_be_new(to: Path) -> None:
    """Raises UsageError when something is in the way of a new folder `to`."""
    if os.path.lexists(to) and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"`{to}` is there already", where=str(to), hint="name a folder that is new, or empty")


def _built(folder: Path, top: Path, state: dict[str, Any], timeout_s: float) -> Rebuilt:
    site = Site(folder, top, state, [], [*state["notes"]], timeout_s)
    changed = entries(state["status"])
    _begin(site)
    _set_refs(site, _bring_commits(site))
    _fill_index(site, changed)
    put_files(top, folder / "files", state, _to_remove(site, changed), site.failed)
    _mark(site, changed)
    _keep_stashes(site)
    _write_texts(site, ITS_FILES)
    _rebuild_modules(site)
    site.failed.extend(f"{path}: not as it was" for path in _differing(site))
    site.failed.extend(f"not captured: {lack}" for lack in state["partial"])
    return Rebuilt(tuple(site.failed), tuple(site.notes))


def _begin(site: Site) -> None:
    """An empty repository with the settings, patterns and the end of a shallow history."""
    site.top.mkdir(parents=True, exist_ok=True)
    site.git("init", "--quiet", "--template=", f"--object-format={site.state['object_format']}")
    with (site.top / ".git" / "config").open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(settings_text(site.state["settings"]))
    _write_texts(site, (*SHARED_FILES, *OWN_FILES))
    if site.state["shallow"] and not site.state["needs_remote"]:
        _write(site.top / ".git" / "shallow", "".join(f"{one}\n" for one in site.state["shallow"]))


def _write_texts(site: Site, names: tuple[str, ...]) -> None:
    for name, words in site.state["texts"].items():
        if name.split("/")[0] in names or name in names:
            _write(site.top / ".git" / name, words)


def _write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(words.encode("utf-8", "surrogateescape"))


def _bring_commits(site: Site) -> list[str]:
    """From each remote that has some, then from the bundle; the remotes that were reached.

    Raises GitError when together they lack what it needs.
    """
    reached, unreached = [], []
    for name, remote in site.state["remotes"].items():
        if remote["elsewhere"] and site.state["needs_remote"]:
            try:
                site.git("fetch", "--quiet", "--no-tags", "--", name, config=NO_STALL, timeout_s=PATIENT_S)
                reached.append(name)
            except git.GitError as error:
                unreached.append(f"{name} ({remote['address']}): {error.message}")
    bundle = site.folder / BUNDLE
    needed = [*read_head(bundle).needs, *_tips(site.state)] if bundle.exists() else _tips(site.state)
    brought = set(read_head(bundle).refs.values()) if bundle.exists() else set()
    if lacking := _lacking(site, (*needed, *_own_refs(site.state).values()), brought):
        for name in reached:  # the branch may be gone there, and its commits still kept
            git.ask(site.top, "fetch", "--quiet", "--no-tags", "--", name, *sorted(lacking), timeout_s=site.timeout_s)
    lacking = _lacking(site, needed, brought)
    if lacking and unreached:
        raise git.GitError(
            f"cannot fetch from {'; '.join(unreached)}", where=str(site.folder),
            hint=f"its history is there alone: make `git fetch` from it work, then type the same again; {FILES}",
        )  # fmt: skip
    if lacking:
        message = f"neither the backup nor a remote has {', '.join(sorted(lacking))}"
        raise git.GitError(message, where=str(site.folder), hint=FILES)
    if bundle.exists():
        site.git("bundle", "unbundle", os.path.abspath(bundle))
    site.notes.extend(f"not fetched: {what}" for what in unreached)
    return reached


def _lacking(site: Site, ids: Iterable[str], brought: set[str]) -> set[str]:
    return (wanted := set(ids) - brought) - _there(site, sorted(wanted))


def _own_refs(state: Mapping[str, Any]) -> dict[str, str]:
    return {name: one for name, one in state["refs"].items() if not name.startswith("refs/remotes/")}


def _tips(state: Mapping[str, Any]) -> list[str]:
    return [state["head"]["commit"]] if state["head"]["commit"] else []


def _there(site: Site, ids: Iterable[str]) -> set[str]:
    """Those of these objects that the new repository has."""
    given = "".join(f"{one}\n" for one in ids).encode()
    said = text(site.git("cat-file", "--batch-check", given=given)) if given else ""
    return {line.split()[0] for line in said.splitlines() if not line.endswith((" missing", " ambiguous"))}


def _set_refs(site: Site, reached: list[str]) -> None:
    """Every branch and tag as it was. Those of a remote that was reached stay as they were fetched just now."""
    refs, head = site.state["refs"], site.state["head"]
    have, fetched = _there(site, refs.values()), tuple(f"refs/remotes/{name}/" for name in reached)
    wanted = {name: one for name, one in refs.items() if one in have and not name.startswith(fetched)}
    lines = "".join(f"update {name} {one}\n" for name, one in wanted.items())
    site.git("update-ref", "--stdin", given=lines.encode("utf-8", "surrogateescape"))
    lost = {name: one for name, one in _own_refs(site.state).items() if one not in have}
    site.failed.extend(f"{name}: no remote and no bundle has its commit {one}" for name, one in lost.items())
    if head["ref"]:
        site.git("symbolic-ref", "HEAD", head["ref"])
    elif head["commit"]:
        site.git("update-ref", "--no-deref", "HEAD", head["commit"])


def _fill_index(site: Site, changed: list[StatusEntry]) -> None:
    """The index as it was, and the files that the work tree had from it."""
    if site.state["head"]["commit"]:
        site.git("read-tree", "HEAD")
    blobs = [os.path.abspath(site.folder / "index" / one) for one in site.state["staged"]]
    given = "".join(f"{path}\n" for path in blobs).encode("utf-8", "surrogateescape")
    made = text(site.git("hash-object", "-w", "--no-filters", "--stdin-paths", given=given)).split()
    site.failed.extend(f"staged content {one}: damaged" for one in set(site.state["staged"]) - set(made))
    if lines := index_lines(changed):
        site.git("update-index", "-z", "--index-info", given=lines)
    site.listed(("update-index", "--skip-worktree", "-z", "--stdin"), site.state["skipped"])
    words = ("checkout-index", "--all", "--force", "--index", "--quiet")
    said = git.ask(site.top, *words, timeout_s=site.timeout_s)
    if said.code and site.state.get("filtered"):
        said = git.ask(site.top, *words, config=_no_filters(site), timeout_s=site.timeout_s)
        site.notes.append("a filter of git failed: files that pass one lie there as git keeps them")
    if said.code:
        site.failed.extend(line for line in said.err.splitlines() if "unmerged" not in line)


def _no_filters(site: Site) -> tuple[str, ...]:
    return no_filters(settings(text(site.git("config", "-z", "--list", "--show-scope"))))


def _to_remove(site: Site, changed: list[StatusEntry]) -> list[str]:
    """What was not there, whether or not git was to look."""
    taken = {*site.state["files"], *site.state["links"], *(one["path"] for one in site.state["modules"])}
    unseen = [path for path in site.state["assumed"] if path not in taken]
    return [*(one.path for one in changed if one.mode == ABSENT), *unseen]


def _mark(site: Site, changed: list[StatusEntry]) -> None:
    """What stands in the index by its name alone, and what git shall not look at."""
    listed = set(text(site.git("ls-files", "-z")).split("\0"))
    gone = [one.path for one in changed if one.in_tree == "D" and one.path not in listed]
    for path in gone:  # git takes the name of a file that is there alone
        _write(within(site.top, path), "")
    intended = [*(one.path for one in changed if one.added_in_intent), *gone]
    site.listed(("add", "--intent-to-add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"), intended)
    for path in gone:
        os.unlink(site.top / path)
    site.listed(("update-index", "--assume-unchanged", "-z", "--stdin"), site.state["assumed"])


def _keep_stashes(site: Site) -> None:
    have = _there(site, [one["commit"] for one in site.state["stashes"]])
    for stash in reversed(site.state["stashes"]):
        if stash["commit"] in have:
            site.git("stash", "store", "--message", stash["message"], stash["commit"])
        else:
            site.failed.append(f"stash `{stash['message']}`: its commit is not in the bundle")


def _rebuild_modules(site: Site) -> None:
    """The repositories within, each from its own folder; `git submodule` is told of those that it has to know."""
    for module in site.state["modules"]:
        if not module["folder"]:
            continue
        try:
            folder = site.folder / module["folder"]
            inner = _built(folder, within(site.top, module["path"]), read_state(folder), site.timeout_s)
            site.failed.extend(f"{module['path']}: {what}" for what in inner.failed if "not captured: " not in what)
            if module["tracked"] and (site.top / ".gitmodules").exists():
                site.git("submodule", "--quiet", "init", "--", module["path"])
        except (git.GitError, OSError) as error:
            site.failed.append(f"{module['path']}: {error}")


def _differing(site: Site) -> Iterator[str]:
    """Paths whose state is not the one that was captured; of what passes a filter git cannot tell."""
    records = text(site.git(*STATUS, config=_no_filters(site))).split("\0")
    now, was = _by_path(records), _by_path(site.state["status"])
    paths = (now.keys() | was.keys()) - {*site.state.get("filtered", ())}
    return (path for path in sorted(paths) if now.get(path) != was.get(path))


def _by_path(records: Iterable[str]) -> dict[str, StatusEntry]:
    """What git says of each path; what lies within a submodule is captured, and compared, on its own."""
    found = (one._replace(submodule=one.submodule[:2]) for one in entries(records))
    return {one.path: one for one in found if (one.submodule, one.in_index, one.in_tree) != ("S.", ".", "M")}
