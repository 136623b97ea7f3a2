"""A manifest as lines: one JSON document whose lines can be read one at a time. Pure.

    {"schema":"autosys.manifest/1","id":...,"entries":[
    {"path":"a.txt","kind":"file","size":3,...}          an entry; what is 0 or empty is left out
    ,{"path":"b.txt",...}
    ],"deleted":[
    "c.txt"
    ],"foot":{"files":2,...},"sha256":"..."}             of all before `,"sha256"`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.values import (
    DIFFERENTIAL,
    FILE,
    FOLDER,
    FULL,
    HARDLINK,
    HEAD_END,
    LINK,
    NO_TAIL,
    TAILS,
    Backup,
    Entry,
    Failed,
    Skipped,
)

T = TypeVar("T")
SCHEMA = "autosys.manifest/1"
HEAD = ("id", "kind", "created", "base", "base_sha256", "sets", "note", "encrypted", "local_only", "owner")
FAILED = (("path", str), ("why", str), ("required", bool))
FOOT = ("files", "bytes", "git", "verified")
DELETED_LINE, FOOT_BEGIN, DIGEST_BEGIN = '],"deleted":[', b'],"foot":', b',"sha256":"'
KINDS = frozenset((FILE, FOLDER, LINK, HARDLINK))
NOTHING = Entry("", "", 0, 0, 0)
HEX = 64  # digits of a SHA-256
LONGEST = 1 << 26  # bytes of a line, and of a foot
_quoted = json.encoder.encode_basestring_ascii
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().raw_decode  # a third of what json.loads costs, a hundred thousand times


def lines(head: Backup, entries: Iterable[bytes], deleted: Iterable[str], foot: Backup) -> Iterator[bytes]:
    """A manifest in pieces, without its end (`digest_line`). `entries`: their lines, `comma_separated`, by path.

    `foot` names the archive when it has its hash; then, if the archive is encrypted, no names are written.
    ValueError when something is out of order.
    """
    hidden = foot.encrypted and bool(foot.archive_sha256)
    first = {"schema": SCHEMA} | {name: getattr(head, name) for name in HEAD}
    yield _to_json(first)[:-1].encode() + HEAD_END
    yield from () if hidden else entries
    yield f"{DELETED_LINE}\n".encode()
    yield from comma_separated(() if hidden else _in_order(deleted, str, lambda path: f"{_to_json(path)}\n".encode()))
    yield FOOT_BEGIN + _to_json(_foot(foot, hidden)).encode()


def digest_line(digest: str) -> bytes:
    """The end of a manifest: the hash of all before it."""
    return DIGEST_BEGIN + f'{digest}"}}\n'.encode()


def comma_separated(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The rows, with a comma before each but the first."""
    comma = b""
    for one in rows:
        yield comma + one
        comma = b","


def rows_of(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The line of each; ValueError when they are not in order of path."""
    return _in_order(entries, lambda entry: entry.path, row)


def _in_order(things: Iterable[T], path_of: Callable[[T], str], line_of: Callable[[T], bytes]) -> Iterator[bytes]:
    last = None
    for thing in things:
        path = path_of(thing)
        if last is not None and path <= last:
            raise ValueError(f"a manifest is in order of path: `{path}` comes after `{last}`")
        yield line_of(thing)
        last = path


def row(entry: Entry) -> bytes:
    """An entry's line, without the comma before it."""
    path, kind, size, time, mode, digest, member, link, flags, (inode, ctime), tail = entry
    plain = kind == FILE and not (member or link or flags) and tail == NO_TAIL
    if plain and size and time and mode and inode:  # most are: a third of the cost
        said = f'"kind":"file","size":{size},"mtime_ns":{time},"mode":{mode},"sha256":"{digest}"'
        return f'{{"path":{_quoted(path)},{said},"stamp":[{inode},{ctime}]}}\n'.encode()
    pairs = zip(Entry._fields, entry, NOTHING, strict=True)
    return f"{_to_json({name: value for name, value, default in pairs if value != default})}\n".encode()


def _foot(foot: Backup, hidden: bool) -> dict[str, object]:
    failed = [{"path": "" if hidden else one.path, "why": one.why, "required": one.required} for one in foot.failed]
    skipped = [{"path": "" if hidden else path, "why": why} for path, why in foot.skipped]
    row = {name: getattr(foot, name) for name in FOOT} | {"complete": foot.complete, "failed": failed}
    row |= {"skipped": skipped} if skipped else {}
    if foot.archive_sha256:
        row["archive"] = {"name": foot.archive, "bytes": foot.archive_bytes, "sha256": foot.archive_sha256}
    return row


def parse_head(first: bytes) -> dict[str, Any]:
    """The head, from the first line; raises Damaged, or what json raises."""
    if not first.endswith(HEAD_END):
        raise Damaged("it is no manifest: its first line is none")
    head = json.loads(first.removesuffix(HEAD_END) + b"}")
    if head.get("schema") != SCHEMA:
        raise Damaged(f"its schema is {head.get('schema')!r}, not `{SCHEMA}`: another version of autosys wrote it")
    return dict(head)


def parse_foot(last: bytes) -> dict[str, Any]:
    """The foot, from the last line; raises Damaged, or what json raises."""
    if not last.startswith(FOOT_BEGIN) or not last.endswith(b"\n"):
        raise Damaged("it ends too early")
    return dict(json.loads(b"{" + last[2:])["foot"])


def backup_of(head: Mapping[str, Any], foot: Mapping[str, Any]) -> Backup:
    """The backup that head and foot describe; raises Damaged, KeyError or TypeError when they are malformed."""
    archive = foot.get("archive") or {"bytes": 0, "sha256": ""}
    failed = tuple(Failed(*(_typed(kind, one[name]) for name, kind in FAILED)) for one in foot["failed"])
    skipped = tuple(Skipped(_typed(str, one["path"]), _typed(str, one["why"])) for one in foot.get("skipped", ()))
    said = {"owner": "", **head}  # one of before there were owners says none
    words = {name: said[name] for name in HEAD} | {name: foot[name] for name in FOOT}
    words |= {"failed": failed, "skipped": skipped}
    words |= {"archive_bytes": archive["bytes"], "archive_sha256": archive["sha256"]}
    for name, default in Backup("", FULL, 0.0)._asdict().items():
        _typed((int, float) if name == "created" else type(default), words[name])
    if words["kind"] not in (FULL, DIFFERENTIAL):
        raise Damaged(f"its kind is {words['kind']!r}")
    return Backup(**words)


def entries_of(lines: Sequence[str]) -> list[Entry]:
    """The entry of each line; raises Damaged. Parsed together, at half the cost."""
    try:
        rows = json.loads(f"[{''.join(lines).removeprefix(',')}]")
    except ValueError:
        rows = []
    return list(map(_entry, lines, rows) if len(rows) == len(lines) else map(entry_of, lines))


def entry_of(line: str) -> Entry:
    """The entry of one line; raises Damaged."""
    return _entry(line)


def _entry(line: str, row: Any = None) -> Entry:
    try:
        return _entry_of(line, _load(line) if row is None else row)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Damaged(f"this is no entry: {line[:200]!r} ({type(error).__name__}: {error})") from error


def _entry_of(line: str, row: Any) -> Entry:
    said = row.get
    path, kind, size, time, mode = row["path"], row["kind"], said("size", 0), said("mtime_ns", 0), said("mode", 0)
    digest, member, link, stamp = said("sha256", ""), said("member", ""), said("link", ""), said("stamp", (0, 0))
    known = kind in KINDS and path and size >= 0 and (kind != FILE or len(digest) == HEX) and len(stamp) == 2
    words = path.__class__ is digest.__class__ is member.__class__ is link.__class__ is str
    if not known or not words or not size.__class__ is time.__class__ is mode.__class__ is int:
        raise Damaged(f"this is no entry: {line[:200]!r}")
    tail = NO_TAIL
    if "tail" in row:
        tail = begins, ends = tuple(row["tail"])
        if kind != FILE or member != f"{TAILS}/{path}" or not 0 < begins <= size or len(ends) != 64:
            raise Damaged(f"this is no tail: {line[:200]!r}")
    return Entry(path, kind, size, time, mode, digest, member, link, tuple(said("flags", ())), tuple(stamp), tail)


def line_matches(line: str, path: str, size: int, mtime_ns: int, mode: int, stamp: tuple[int, int]) -> bool:
    """Whether an entry's line has exactly this metadata, by comparing text: a fifth of the cost of parsing.

    False means only that the line has to be parsed.
    """
    opens = f',{{"path":{_quoted(path)},"kind":"file","size":{size},"mtime_ns":{mtime_ns},"mode":{mode},"sha256":"'
    at, (inode, ctime) = len(opens), stamp
    return line == f'{opens}{line[at : at + HEX]}","stamp":[{inode},{ctime}]}}'


def paths_of(lines: Sequence[str]) -> list[str]:
    """The deleted path of each line."""
    return [str(_typed(str, _load(line))) for line in lines]


def _load(line: str) -> Any:
    text = line.removeprefix(",").removesuffix("\n")
    value, end = _from_json(text)
    if text[end:]:
        raise Damaged(f"a line has too much in it: {line[:200]!r}")
    return value


def _typed(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise Damaged(f"{value!r} is no {kind}")
    return value


def whole_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Split pieces at line ends, several lines at a time; the last line comes alone. ValueError when not ASCII."""
    last = ""
    for piece in pieces:
        text = last + piece.decode("ascii")
        begins = text.rfind("\n", 0, -1) + 1
        last = text[begins:]
        if len(last) > LONGEST:
            raise Damaged(f"a line has more than {LONGEST} bytes")
        if begins:
            yield text[:begins]
    if last:
        yield last


def split(text: str) -> list[str]:
    """Whole lines without their ends; the lines of a list keep the comma before them."""
    return text.split("\n")[:-1]
