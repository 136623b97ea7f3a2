"""What git writes, as values: status, refs, settings, addresses of remotes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ABSENT = "000000"  # the mode of a path that is not there
SUBMODULE = "160000"
KEPT_SETTINGS = re.compile(
    r"remote\..+\.(url|pushurl|fetch)|branch\..+\.(remote|merge|rebase|pushremote)|user\.(name|email)"
    r"|core\.(autocrlf|eol|filemode|longpaths|safecrlf|sparsecheckout|sparsecheckoutcone)"
)
OF_ITSELF = re.compile(  # what git writes when it makes a repository, or a submodule known
    r"core\.(repositoryformatversion|bare|logallrefupdates|filemode|symlinks|ignorecase|precomposeunicode|worktree)"
    r"|extensions\..+|index\.sparse|submodule\..+\.(url|active)"
)
OF_ITS_BYTES = ("core.autocrlf", "core.eol")  # the work tree's files hang on them, whichever file says so
BEFORE_HOST = re.compile(r"(?<=://)([^/?#]*)@")
QUERY = re.compile(r"(https?://[^?#]*)[?#].*", re.IGNORECASE | re.DOTALL)
DRIVE = re.compile(r"[A-Za-z]:($|[\\/])")


class StatusEntry(NamedTuple):
    """A path that is not as in HEAD: a line of `git status --porcelain=v2`.

    `modes` and `ids` are of HEAD and the index, or of the three sides of a conflict; `mode` is of the work tree.
    """

    path: str
    in_index: str  # what the index changed of HEAD, "." nothing
    in_tree: str  # what the work tree changed of the index
    submodule: str  # "N..." for what is none
    mode: str
    modes: tuple[str, ...]
    ids: tuple[str, ...]

    @property
    def in_conflict(self) -> bool:
        """Whether the index holds several sides of it."""
        return len(self.ids) == 3

    @property
    def added_in_intent(self) -> bool:
        """`git add -N`: in the index by name alone."""
        return self.in_tree == "A" and not self.in_conflict

    @property
    def differs_in_tree(self) -> bool:
        """Whether the work tree's file is another than the index's."""
        return self.in_conflict or self.in_tree != "."

    def staged(self) -> list[tuple[str, str, int]]:
        """(mode, id, stage) of each side that the index holds, when that is not HEAD's; empty when it was removed."""
        if self.in_conflict:
            sides = zip(self.modes, self.ids, (1, 2, 3), strict=True)
        else:
            sides = zip(self.modes[1:], self.ids[1:], (0,), strict=True)
        return [side for side in sides if side[0] != ABSENT]


def entry(record: str) -> StatusEntry | None:
    """The entry of a record of `git status --porcelain=v2 -z --no-renames`; None for a header or an untracked path."""
    if record[:2] == "1 ":
        _, xy, sub, head, index, tree, *rest = record.split(" ", 8)
        return StatusEntry(rest[2], xy[0], xy[1], sub, tree, (head, index), (rest[0], rest[1]))
    if record[:2] == "u ":
        _, xy, sub, one, two, three, tree, *rest = record.split(" ", 10)
        return StatusEntry(rest[3], xy[0], xy[1], sub, tree, (one, two, three), (rest[0], rest[1], rest[2]))
    return None


def entries(records: Iterable[str]) -> list[StatusEntry]:
    """Every entry among these records."""
    return [found for record in records if (found := entry(record)) is not None]


def index_lines(changed: Iterable[StatusEntry]) -> bytes:
    """What `git update-index -z --index-info` needs to make an index of HEAD into the one that was seen."""
    lines = []
    for one in changed:
        if one.in_index == "." and not one.in_conflict:
            continue
        sides = one.staged()
        if one.in_conflict or not sides:
            lines.append(f"0 {'0' * len(one.ids[0])}\t{one.path}")
        lines += [f"{mode} {blob} {stage}\t{one.path}" for mode, blob, stage in sides]
    return "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")


def settings(listed: str) -> dict[str, list[tuple[str, str]]]:
    """`git config -z --list --show-scope` as {key: [(scope, value), ...]}; section and name are in lower case."""
    found: dict[str, list[tuple[str, str]]] = {}
    fields = listed.split("\0")
    for scope, pair in zip(fields[::2], fields[1::2], strict=False):
        key, equals, value = pair.partition("\n")
        found.setdefault(key, []).append((scope, value if equals else "true"))
    return found


def kept_settings(found: Mapping[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    """The repository's own settings that a rebuilt one needs; addresses without passwords, and nothing else of it."""
    own = _own(found)
    own |= {key: [found[key][-1][1]] for key in OF_ITS_BYTES if key in found}
    if own.get("core.filemode") == ["true"]:
        del own["core.filemode"]  # the default; said aloud, it would make every program look changed on Windows
    return {key: [without_secret(value) for value in own[key]] for key in own if own[key] and is_kept(key)}


def left_settings(found: Mapping[str, list[tuple[str, str]]]) -> list[str]:
    """The names of the repository's own settings that are not kept; without the passwords that may be in one."""
    left = (key for key, values in _own(found).items() if values and not is_kept(key) and not OF_ITSELF.fullmatch(key))
    return sorted(without_secret(key) for key in left)


def _own(found: Mapping[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    return {key: [value for scope, value in pairs if scope in ("local", "worktree")] for key, pairs in found.items()}


def is_kept(key: str) -> bool:
    """Whether a setting belongs to what is kept: it names no program that git would run, and no secret."""
    return bool(KEPT_SETTINGS.fullmatch(key)) and without_secret(key) == key


def settings_text(kept: Mapping[str, Iterable[str]]) -> str:
    """These settings as lines of a `.git/config`; what is not of the kept ones is left out."""
    lines = []
    for key, values in kept.items():
        section, _, name = key.rpartition(".")
        top, _, sub = section.partition(".")
        for value in values if is_kept(key) else ():
            lines.append(f"[{top} {_quoted(sub)}]" if sub else f"[{top}]")
            lines.append(f"\t{name} = {_quoted(value)}")
    return "".join(f"{line}\n" for line in lines)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def no_filters(found: Mapping[str, object]) -> tuple[str, ...]:
    """Settings under which git runs none of the filters that are set up: files are taken as they lie there."""
    parts = ("clean=", "smudge=", "process=", "required=false")
    return tuple(f"filter.{driver}.{part}" for driver in drivers(found) for part in parts)


def drivers(found: Iterable[str]) -> list[str]:
    """The names of the filters that are set up."""
    return sorted({key[7 : key.rindex(".")] for key in found if key.startswith("filter.") and key.count(".") > 1})


def without_secret(url: str) -> str:
    """An address of a remote without the password in it; but for SSH, the user may be one (a token) and goes, too.

    So does what stands behind a `?` on the web.
    """
    secure = url.partition("://")[0].endswith("ssh")
    return QUERY.sub(r"\1", BEFORE_HOST.sub(lambda found: _user(found[1]) if secure else "", url))


def _user(before_host: str) -> str:
    name = before_host.partition(":")[0]
    return f"{name}@" if name else ""


def is_elsewhere(url: str) -> bool:
    """Whether a remote's address leads off this machine's own folders (a share of the network is elsewhere)."""
    scheme, divided, rest = url.partition("://")
    if divided:
        return scheme != "file" or bool(rest.split("/")[0] not in ("", "localhost"))
    if url.startswith(("\\\\", "//")):
        return True
    host, colon, _ = url.partition(":")
    return bool(colon) and "/" not in host and not DRIVE.match(url)


def is_within(path: str) -> bool:
    """Whether a path of git's is one below the work tree that may be written: no way out, nothing of `.git`.

    A backslash is looked at as Windows would, and may be part of a name all the same.
    """
    names = re.split(r"[/\\]", path)
    bad = any(part in ("", ".", "..") for part in path.split("/")) or ".." in names or any(map(_is_git_folder, names))
    return not bad and not DRIVE.match(path) and "\0" not in path


def _is_git_folder(part: str) -> bool:
    """`.git` as Windows and macOS would read it too."""
    plain = re.sub("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]", "", part).split(":")[0].rstrip(" .").lower()
    return plain in (".git", "git~1")


def chosen(sizes: Mapping[str, int], each_max: int, total_max: int) -> tuple[list[str], dict[str, str]]:
    """Of these files: those to keep, and those to leave out with the reason. The small ones first."""
    kept, left, total = [], {}, 0
    for path, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        if size > each_max:
            left[path] = f"{size} bytes, more than {each_max}"
        elif total + size > total_max:
            left[path] = f"{size} bytes, beyond {total_max} in all"
        else:
            total += size
            kept.append(path)
    return sorted(kept), left
