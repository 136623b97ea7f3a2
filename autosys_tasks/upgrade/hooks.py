"""Git's hooks that begin an upgrade after a pull: whether they are there, and how they come and go.

A person's own hook is never changed: it is called by ours, and has its name back when ours goes. Where a tool looks
after the hooks, or they lie in the work tree, nothing is touched, and the line to be added is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import (
    cannot_write,
    make_folder,
    read_bytes,
    remove_unfinished_of,
    retry_while_held,
    write_atomic,
)
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.host import git
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import site_id
from autosys_tasks.upgrade import hook_text, run
from autosys_tasks.upgrade.hook_text import BEFORE, FOLDER, MARK, NAMES

WAIT_S = 600  # for another upgrade
EXECUTABLE = 0o755


class Hook(NamedTuple):
    """One of git's hooks. `state`: missing | ours | differs (ours, as another version writes it) | person's."""

    name: str
    path: str
    state: str
    before: bool  # whether the one that was there before ours is kept beside it

    @property
    def is_new(self) -> bool:
        """Whether a person's own came after ours: there are two of them, and only the person knows which is right."""
        return self.before and self.state == "person's"


class Seen(NamedTuple):
    """The hooks of the workspace's repository. `state`: installed | missing | differs | managed | no repository."""

    state: str
    why: str = ""
    folder: str = ""
    manager: str = ""  # who looks after them, when it is not git alone
    hooks: tuple[Hook, ...] = ()
    starter: str = ""  # the file of this workspace, which begins its upgrades
    number: str = ""  # its name
    wanted: str = ""  # what is to stand in it
    written: str | None = None  # what stands in it; None = there is none
    others: tuple[str, ...] = ()  # those of other workspaces of the repository


def look(house: House) -> Seen:
    """What is there now; asks git, changes nothing."""
    root = house.config.path
    try:
        repository = git.find(root)
    except git.GitError as error:
        return Seen("no repository", error.message)
    if repository is None or not repository.top:
        return Seen("no repository", "the workspace lies in no git repository with a work tree")
    folder, why = _folder(root, repository)
    hooks = tuple(_hook(folder, name) for name in NAMES)
    texts = [_text(hook.path) or "" for hook in hooks if hook.state == "person's"]
    manager = next(filter(None, (hook_text.manager(text, "") for text in texts)), "")
    if not why and manager:
        why = f"{manager} looks after the hooks in {folder}"
    starters, number = f"{repository.common_dir}/{FOLDER}", site_id(house.config)
    seen = Seen(
        "",
        why,
        folder,
        hook_text.manager("", folder) or manager or ("core.hooksPath" if why else ""),
        hooks,
        f"{starters}/{number}",
        number,
        _wanted(house, repository.top),
        _text(f"{starters}/{number}"),
        tuple(sorted(set(_names(starters)) - {number})),
    )
    return seen._replace(state=_state(seen))


def _wanted(house: House, top: str) -> str:
    python = host.background_python().replace("\\", "/")
    argv = [python, "-X", "utf8", "-m", "autosys_tasks.program", "upgrade", "--timeout", str(WAIT_S)]
    said = os.environ.get("AUTOSYS_STATE")
    state = os.path.abspath(said) if said else ""
    asked = Path(run.asked_file(house)).as_posix()
    return hook_text.starter(top, Path(house.config.path).as_posix(), argv, state, asked)


def _folder(root: str, repository: git.Repository) -> tuple[str, str]:
    """Where git looks for hooks, and why we leave that alone ("" when we do not)."""
    said = git.ask(root, "config", "--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
    words = said.out.decode("utf-8", "surrogateescape").split("\0")
    found = [(scope, path) for scope, path in zip(words[::2], words[1::2], strict=False) if scope != "command"]
    if not found:
        return f"{repository.common_dir}/hooks", ""
    scope, path = found[-1]
    folder = os.path.normpath(os.path.join(repository.top, path))
    inside = f"{Path(folder).as_posix()}/".startswith(f"{Path(repository.common_dir).as_posix()}/")
    if scope in ("global", "system"):
        return folder, f"core.hooksPath names {folder} for all repositories"
    if not inside and f"{Path(folder).as_posix()}/".startswith(f"{Path(repository.top).as_posix()}/"):
        return folder, f"core.hooksPath names {folder}, which lies in the work tree"
    return folder, ""


def _hook(folder: str, name: str) -> Hook:
    path = f"{folder}/{name}"
    before = os.path.lexists(path + BEFORE)
    if not os.path.lexists(path):
        return Hook(name, path, "missing", before)
    text = _text(path)
    if text is None or MARK not in text:
        return Hook(name, path, "person's", before)
    runs = text == hook_text.hook(name) and os.access(path, os.X_OK)
    return Hook(name, path, "ours" if runs else "differs", before)


def _text(path: str) -> str | None:
    """What stands in a hook, which may be a program; None when there is none."""
    raw = read_bytes(path)
    return None if raw is None else raw.decode("utf-8", "replace")


def _state(seen: Seen) -> str:
    if seen.why:
        return "managed"
    if seen.written is None:
        return "missing"
    as_wanted = seen.written == seen.wanted and all(hook.state == "ours" for hook in seen.hooks)
    return "installed" if as_wanted else "differs"


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


# --- coming and going -------------------------------------------------------------------------------------


def to_install(seen: Seen) -> Plan:
    """What an installation would do."""
    if seen.state == "no repository":
        return Plan("upgrade.hooks", notes=(seen.why,))
    steps = []
    if seen.written != seen.wanted:
        steps.append(Step("write", seen.starter, "begins an upgrade of this workspace in the background"))
    if seen.state == "managed":
        return Plan("upgrade.hooks", tuple(steps), tuple(by_hand(seen)))
    for hook in seen.hooks:
        if hook.is_new:
            steps.append(Step("refuse", hook.path, f"there are two of them, {hook.name} and {hook.name}{BEFORE}"))
            continue
        if hook.state == "person's":
            steps.append(Step("keep", hook.path, f"it is called first, as {hook.name}{BEFORE}"))
        if hook.state != "ours":
            steps.append(Step("write", hook.path, "git runs it after a pull"))
    return Plan("upgrade.hooks", tuple(steps))


def to_remove(seen: Seen) -> Plan:
    """What a removal would do; hooks that other workspaces of the repository use stay."""
    if seen.state == "no repository":
        return Plan("upgrade.hooks", notes=(seen.why,))
    steps = []
    if seen.written is not None:
        steps.append(Step("delete", seen.starter, "it began the upgrades of this workspace"))
    if seen.others:
        return Plan("upgrade.hooks", tuple(steps), (f"the hooks stay for {', '.join(seen.others)}",))
    for hook in seen.hooks:
        if hook.state in ("ours", "differs"):
            steps.append(Step("delete", hook.path, "it is ours"))
        if hook.is_new:
            steps.append(Step("refuse", hook.path, f"it is new, and {hook.name}{BEFORE} is the one from before"))
        elif hook.before:
            steps.append(Step("bring-back", hook.path, "as it was before"))
    return Plan("upgrade.hooks", tuple(steps))


def by_hand(seen: Seen) -> list[str]:
    """What a person adds where somebody else looks after the hooks."""
    return [f"{seen.why}: add to it", *(f"  {name}: {hook_text.call(name, seen.number)}" for name in NAMES)]


def carry_out(seen: Seen, todo: Plan) -> Iterator[Outcome]:
    """Each step to its end; what cannot be done is a failure, after which that file alone is left as it is."""
    texts = {seen.starter: seen.wanted, **{hook.path: hook_text.hook(hook.name) for hook in seen.hooks}}
    failed = set()
    for step in todo.steps:
        if step.target in failed:
            yield Outcome(step, None, "not tried: the step before it failed")
            continue
        try:
            outcome = Outcome(step, *_done(step, texts))
        except OSError as error:
            outcome = Outcome(step, False, cannot_write(step.target, error).message)
        except StateError as error:
            outcome = Outcome(step, False, error.message)
        failed |= set() if outcome.ok else {step.target}
        yield outcome
    with_nothing = os.path.dirname(seen.starter)
    if os.path.isdir(with_nothing) and not os.listdir(with_nothing):
        os.rmdir(with_nothing)


def _done(step: Step, texts: dict[str, str]) -> tuple[bool, str]:
    path = step.target
    if step.kind == "refuse":
        return False, f"{step.reason}: keep one of them, then the same command"
    if step.kind == "keep":
        if os.path.lexists(path + BEFORE):  # since it was planned
            return False, f"there is a {os.path.basename(path)}{BEFORE} already"
        retry_while_held(lambda: os.rename(path, path + BEFORE))
    elif step.kind == "write":
        make_folder(Path(path).parent)
        remove_unfinished_of(path, host.identity)
        write_atomic(path, texts[path], mode=EXECUTABLE)
        os.chmod(path, EXECUTABLE)
    elif step.kind == "delete":
        retry_while_held(lambda: os.unlink(path))
    else:
        retry_while_held(lambda: os.rename(path + BEFORE, path))
    return True, step.reason


# --- for a person -----------------------------------------------------------------------------------------


def lines(seen: Seen) -> list[str]:
    """What is there, with the next command."""
    hooks = [f"  {hook.name}: {hook.state}{', with the one before' if hook.before else ''}" for hook in seen.hooks]
    if seen.state == "installed":
        return [f"OK: each pull begins an upgrade ({seen.folder})", *hooks]
    if seen.state == "no repository":
        return [f"no hooks: {seen.why}"]
    if seen.state == "managed":
        begins = seen.written == seen.wanted
        return [f"managed: {seen.why}", *(by_hand(seen)[1:] if begins else ["  -> inv upgrade.hooks install"])]
    word = "WARN: the hooks are not as this version writes them" if seen.state == "differs" else "no hooks of ours"
    return [f"{word} ({seen.folder})", *hooks, "  -> inv upgrade.hooks install"]


def fields(seen: Seen) -> dict[str, object]:
    """The same of a document."""
    return {
        "state": seen.state,
        "why": seen.why or None,
        "folder": seen.folder or None,
        "manager": seen.manager or None,
        "hooks": [{"name": hook.name, "state": hook.state, "chained": hook.before} for hook in seen.hooks],
    }
