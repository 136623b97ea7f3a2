"""Addresses of the places that backups are copied to: their parts, and how they may be shown. Pure.

User, password and path may be percent-encoded, as in any address (the prefix in a bucket is taken as it is). What
`${env:X}` brings as user or password is taken as it is, `/`, `@` and `%` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

SCHEMES = ("file", "s3", "sftp")
WRONG = 'must be addresses, as "file:///D:/backup", "s3://bucket/prefix" or "sftp://host/path" are'
MASK = "***"
_REFERENCE = re.compile(r"\$\{env:[^}]*\}")
_HIDDEN = re.compile("\0(\\d+)\0")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/?#@\[\]]*)(?::([0-9]{1,5}))?")


class Address(NamedTuple):
    """One place. `password` is nobody's to see: show `masked(text)`."""

    scheme: str  # file | s3 | sftp
    host: str  # the bucket of s3; of a file: "", or the server of a Windows share
    path: str  # no `/` at its end; s3: the prefix; sftp: absolute, or from the home folder when it began with `/~/`
    user: str = ""
    password: str = ""
    port: int = 0  # 0: the usual one


def parse(text: str) -> Address:
    """The parts of an address; raises ValueError with a message that completes "backup.copies ..."."""
    scheme, there, rest = text.partition("://")
    if not there or scheme not in SCHEMES or "\n" in text:
        raise ValueError(WRONG)
    who, rest = ("", rest) if scheme == "file" else _who(rest)
    name, slash, path = rest.partition("/")
    host = _HOST.fullmatch(name)
    if not host or (not slash and scheme == "file") or (not host[1] and scheme != "file"):
        raise ValueError(WRONG)
    if int(host[2] or 1) not in range(1, 65_536) or (host[2] and scheme != "sftp"):
        raise ValueError(WRONG)
    from urllib.parse import unquote

    user, _, password = who.partition(":")
    host_name, port = _host(scheme, host[1]), int(host[2] or 0)
    return Address(scheme, host_name, _path(scheme, path), unquote(user), unquote(password), port)


def _host(scheme: str, name: str) -> str:
    return "" if scheme == "file" and name == "localhost" else name.strip("[]")


def _path(scheme: str, path: str) -> str:
    if scheme == "s3":
        return path.strip("/")
    from urllib.parse import unquote

    path = unquote(path).rstrip("/")
    if scheme == "sftp" and (path == "~" or path.startswith("~/")):
        return path[2:]
    return f"/{path}"


def _who(rest: str) -> tuple[str, str]:
    """`user:password` and what stands behind its `@`; a password that is not encoded may hold `/` or `@`."""
    front = rest.partition("/")[0]
    held = front if "@" in front or not re.search(r":(?!\d*$)", front) else rest
    who, there, _ = held.rpartition("@")
    return (who, rest[len(who) + 1 :]) if there else ("", rest)


def filled(written: str, value: Callable[[str], str]) -> str:
    """The address with each `${env:...}` replaced by its value; in user and password so that it stands for itself."""
    from urllib.parse import quote

    scheme, who, behind, references = _taken_apart(written)
    values = [value(each) for each in references]
    who = _HIDDEN.sub(lambda match: quote(values[int(match[1])], safe=""), who)
    return scheme + who + _HIDDEN.sub(lambda match: values[int(match[1])], behind)


def masked(written: str) -> str:
    """The address as it may be shown: the password as `***`, unless it is a `${env:X}` that says nothing."""
    scheme, who, behind, references = _taken_apart(written)
    user, colon, password = who.removesuffix("@").partition(":")
    only = _HIDDEN.fullmatch(password)
    if colon and not (only and ":-" not in references[int(only[1])]):
        who = f"{user}:{MASK}@"
    return scheme + _HIDDEN.sub(lambda match: references[int(match[1])], who + behind)


def _taken_apart(written: str) -> tuple[str, str, str, list[str]]:
    """`sftp://`, `user:password@`, the rest, and the references: in those three a number stands for each."""
    references = _REFERENCE.findall(written)
    counter = iter(range(len(references)))
    plain = _REFERENCE.sub(lambda _: f"\0{next(counter)}\0", written)
    scheme, there, rest = plain.partition("://")
    if not there or scheme == "file":
        return "", "", plain, references
    who, behind = _who(rest)
    return f"{scheme}://", f"{who}@" if who else "", behind, references
