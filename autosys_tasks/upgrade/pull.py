"""`inv upgrade --pull`: fetch, and forward if that takes nothing away. Never resets, stashes, merges or overwrites."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from autosys_tasks.core.clock import counted, few
from autosys_tasks.host import git
from autosys_tasks.upgrade.history import SHORT, History, decoded, see

FETCH_S = 120.0
FORWARD_S = 300.0
NAMED_AT_MOST = 5
NO_NET = (
    "could not resolve", "couldn't connect", "could not connect", "connection refused", "connection timed out",
    "failed to connect", "network is unreachable", "no route to host", "unable to access", "operation timed out",
    "connection reset", "the remote end hung up", "early eof",
)  # fmt: skip
NO_RIGHT = (
    "terminal prompts disabled", "authentication failed", "permission denied", "could not read username",
    "could not read password", "host key verification failed", "error: 401", "error: 403", "error: 404",
    "repository not found",
)  # fmt: skip


class PullEnd(NamedTuple):
    """How a pull ended. Nothing but `forwarded` has changed a file of the workspace."""

    # forwarded | nothing | ahead | no-upstream | detached | diverged | in-the-way | offline | denied | refused | silent
    state: str
    why: str
    hint: str = ""  # what to type next
    old: str = ""
    new: str = ""
    files: tuple[str, ...] = ()  # in-the-way: what would be overwritten

    @property
    def ok(self) -> bool:
        """Whether the workspace is where its upstream is, or ahead of it."""
        return self.state in ("forwarded", "nothing", "ahead")


class Upstream(NamedTuple):
    """Where a branch is pulled from."""

    remote: str  # "." = a branch of this very repository
    name: str  # as people write it: origin/main


def pull(folder: str, *, fetch_s: float = FETCH_S) -> PullEnd:
    """Fetch and fast-forward the branch of the workspace's repository; everything that could be lost is left alone."""
    seen = see(folder)
    if seen.silent:
        return PullEnd("silent", seen.why)
    if not seen.branch:
        why = f"HEAD is detached at {seen.commit[:SHORT]} (a rebase, a bisection, or a checked-out commit)"
        return PullEnd("detached", why, "git switch BRANCH")
    try:
        return _from_upstream(folder, seen, fetch_s)
    except git.TimedOut as error:
        return PullEnd("offline", error.message, "git fetch")
    except git.GitError as error:
        return PullEnd("refused", error.message, "git status")


def _from_upstream(folder: str, seen: History, fetch_s: float) -> PullEnd:
    upstream = upstream_of(folder, seen.branch)
    if upstream is None:
        why = f"the branch `{seen.branch}` is pulled from nowhere"
        return PullEnd("no-upstream", why, f"git branch --set-upstream-to=origin/{seen.branch}")
    if upstream.remote != ".":
        said = git.ask(folder, "fetch", "--quiet", upstream.remote, env={"GIT_NO_LAZY_FETCH": "0"}, timeout_s=fetch_s)
        if said.code:
            return _not_fetched(folder, upstream, said)
    known = git.ask(folder, "rev-parse", "--verify", "--quiet", "@{upstream}^{commit}")
    if known.code:
        return PullEnd("no-upstream", f"`{upstream.name}` is gone", f"git branch --unset-upstream {seen.branch}")
    return _forwarded(folder, seen, upstream, known.out.decode("ascii").strip())


def upstream_of(folder: str, branch: str) -> Upstream | None:
    """What `git pull` would pull a branch from; None = nothing is set."""
    form = "--format=%(upstream:remotename)%00%(upstream:short)%00%(upstream)"
    remote, short, full = git.must(folder, "for-each-ref", form, f"refs/heads/{branch}").rstrip(b"\n").split(b"\0")
    if not full:
        return None
    return Upstream(os.fsdecode(remote) or ".", os.fsdecode(short or full))


def _not_fetched(folder: str, upstream: Upstream, said: git.Said) -> PullEnd:
    text, why = said.err.lower(), git.refused(folder, ("fetch",), said).message
    state = "denied" if any(word in text for word in NO_RIGHT) else "offline"
    if state == "offline" and not any(word in text for word in NO_NET):
        state = "refused"
    then = {"offline": "inv upgrade --pull, when the network is back", "denied": f"git fetch {upstream.remote}"}
    return PullEnd(state, why, then.get(state, f"git fetch {upstream.remote}"))


def _forwarded(folder: str, seen: History, upstream: Upstream, new: str) -> PullEnd:
    old = seen.commit
    ahead, behind = map(int, git.must(folder, "rev-list", "--left-right", "--count", f"{old}...{new}", "--").split())
    if not behind:
        why = f"{counted(ahead, 'commit')} not pushed" if ahead else f"as `{upstream.name}` has it"
        return PullEnd("ahead" if ahead else "nothing", why, old=old, new=old)
    if ahead:
        here, there = counted(ahead, "commit"), counted(behind, "commit")
        why = f"{here} here and {there} in `{upstream.name}` have gone different ways"
        return PullEnd("diverged", why, "git pull --rebase", old, new)
    lost = in_the_way(folder, seen, new)
    if lost:
        return _in_the_way(lost, old, new)
    words = ("merge", "--ff-only", "--no-overwrite-ignore", "--no-stat", "--quiet", new)
    config, env = ("merge.autoStash=false",), {"GIT_NO_LAZY_FETCH": "0"}
    said = git.ask(folder, *words, config=config, env=env, timeout_s=FORWARD_S)
    if said.code:
        return PullEnd("refused", git.refused(folder, words, said).message, "git status", old, new)
    return PullEnd("forwarded", f"{counted(behind, 'commit')} of `{upstream.name}`", old=old, new=new)


def in_the_way(folder: str, seen: History, new: str) -> tuple[str, ...]:
    """What is here, is in no commit, and would have to give way to `new`: edits, and files that git does not know."""
    words = ("diff-tree", "-r", "-z", "--no-renames", "--name-status", seen.commit, new)
    top = os.fsdecode(git.must(folder, "rev-parse", "--show-toplevel")).rstrip("\n")
    said = decoded(git.must(top, *words)).split("\0")
    coming = dict(zip(said[1::2], said[:-1:2], strict=True))
    edited = set(see(top).edited) & set(coming)
    unknown = {path for path, kind in coming.items() if kind == "A" and path not in edited}
    blocked = {there for path in unknown if (there := _standing_at(top, path))}
    return tuple(sorted(edited | (blocked - _tracked(top, blocked) if blocked else set())))


def _standing_at(top: str, path: str) -> str:
    """What stands where a new file is to be: the path itself, or a file in the place of a folder; "" = nothing."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        full = os.path.join(top, above)
        if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
            return above
    return path if os.path.lexists(os.path.join(top, path)) else ""


def _tracked(top: str, paths: Iterable[str]) -> set[str]:
    """Those of the paths that are in the index: a tracked file that gives way to a folder is no loss."""
    said = git.must(top, "ls-files", "-z")  # all of it: thousands of names are too long for a command line
    return set(paths) & set(decoded(said).split("\0"))


def _in_the_way(lost: tuple[str, ...], old: str, new: str) -> PullEnd:
    hint = "commit them or move them away, then inv upgrade --pull"
    why = f"what is not committed would be overwritten: {few(lost, NAMED_AT_MOST)}"
    return PullEnd("in-the-way", why, hint, old, new, lost)
