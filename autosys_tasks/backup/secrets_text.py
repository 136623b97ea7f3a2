"""Tells by its name, and by well-known shapes of keys in its text, that a file is a secret. Pure.

It errs on the safe side: what is taken for a secret is kept all the same, but copied elsewhere only when encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from autosys_tasks.backup.values import SECRET

LARGEST = 65_536  # bytes of a text that is looked into
# One of these words is in every such name: most names are done with when none is.
_WORDS = frozenset((
    "env", "envrc", "rsa", "dsa", "ecdsa", "ed25519", "pem", "key", "ppk", "p12", "pfx", "p8", "jks", "keystore", "kdb",
    "kdbx", "asc", "gpg", "ovpn", "age", "credential", "credentials", "secret", "secrets", "account", "serviceaccount",
    "token", "tokens", "password", "passwords", "netrc", "pgpass", "npmrc", "pypirc", "htpasswd", "cnf", "s3cfg",
    "boto", "rclone", "wallet", "cookies", "login",
))  # fmt: skip
_NAMES = re.compile(
    r"""
    \.env | \.env\.[^/]+ | [^/]+\.env | \.envrc
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)? | [^/]+\.(?:pem|key|ppk|p12|pfx|p8|jks|keystore|kdbx?|asc|gpg|ovpn|age)
    | \.?credentials?(?:[-_. ][^/]*)? | [^/]*[-_. ]credentials?(?:\.[^/]+)? | client_secrets?(?:[-_. ][^/]*)?
    | (?:[^/]*[-_. ])?secrets?(?:[-_. ][^/]*)? | service[-_]?account(?:[-_. ][^/]*)?\.json
    | \.?(?:[^/]*[-_. ])?tokens?(?:\.(?:json|txt|ya?ml|pickle|dat))? | [^/]+\.tokens?
    | passwords?(?:\.[^/]+)? | [._]netrc | \.pgpass | pgpass\.conf | \.npmrc | \.pypirc | \.htpasswd | \.git-credentials
    | \.my\.cnf | \.s3cfg | \.boto | \.vault[-_]token | rclone\.conf | wallet\.dat
    | cookies\.(?:txt|sqlite) | login\ data
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLACES = re.compile(r"(?:.*/)?(?:\.ssh|\.gnupg|\.aws|\.kube|\.?secrets?|credentials)(?:/.*)?", re.IGNORECASE)
_HARMLESS = re.compile(
    r"[^/]*[-_. ](?:example|sample|template|dist|defaults?)|[^/]+\.(?:pub|md|rst|html?|css|py|js|ts|tsx|ps1|sh)"
    r"|known_hosts(?:\.old)?|authorized_keys",
    re.IGNORECASE,
)
RULES = [one.pattern for one in (_NAMES, _PLACES, _HARMLESS)]
# Shapes by the rarest sign that each of them has (a number: bytes are searched for one in no time). Each begins with a
# word or a sign of its own and says behind that what goes before it (`(?<=...)`): `re` leaps to where such a word is,
# and a text is searched in a third of the time. Few are ever looked for, so that `re` compiles them when they are.
_KEY, _DASHED = rb"[0-9A-Za-z]", rb"[0-9A-Za-z_-]"
_SHAPES: dict[int, tuple[bytes, ...]] = {
    ord("Y"): (rb"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----",),
    ord("-"): (
        rb"-(?=%b{10})(?:(?<=\bxox[abeoprs]-)[0-9A-Za-z-]{10}|(?<=\bglpat-)%b{20}|(?<=\bsk-)%b{20}"
        rb"|(?<=\bpypi-)AgE%b{50})" % (_DASHED, _DASHED, _DASHED, _DASHED),
    ),
    ord("_"): (
        rb"_(?:(?=%b{16})(?:(?<=\b[rs]k_live_)|(?<=\bhf_)%b{30}|(?<=\bgh[pousr]_)%b{36}|(?<=\bnpm_)%b{36}"
        rb"|(?<=\bdop_v1_)[0-9a-f]{64})"
        rb"|pat_(?<=\bgithub_pat_)[0-9A-Za-z_]{22}|access_key(?<=aws_secret_access_key)\W{1,5}[0-9A-Za-z/+]{40}\b)"
        % (_KEY, _KEY, _KEY, _KEY),
    ),
    ord("/"): (
        rb"hooks\.slack\.com/services/T\w+/B\w+/\w{16}",
        rb"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{30}",
    ),
    ord("@"): (rb"://(?<=[a-z0-9+.-]://)[^\s:/@'\"<>{}$]+:[^\s/@'\"<>{}$]{3,}@[\w.-]",),
    ord("A"): (rb"A(?<=\bA)(?:[KS]IA[0-9A-Z]{16}\b|Iza%b{35})" % _DASHED,),
    ord("9"): (rb"ya29\.(?<=\bya29\.)%b{20}" % _DASHED,),
    ord("G"): (rb"SG\.(?<=\bSG\.)[\w-]{16,}\.[\w-]{16}",),
}


def looks_secret(path: str) -> bool:
    """Whether a path is one that secrets have: `.env`, `*.pem`, `id_rsa`, `credentials.json`, `.ssh/...`."""
    folder, _, name = path.rpartition("/")
    named = not _WORDS.isdisjoint(_parts(name)) and _NAMES.fullmatch(name) is not None
    return (named or _is_place(folder)) and not _HARMLESS.fullmatch(name)


def some_look_secret(folder: str, names: Iterable[str]) -> bool:
    """Whether there may be one among these of a folder; "no" for all of them costs little more than for one."""
    return _is_place(folder) or not _WORDS.isdisjoint(_parts("/".join(names)))


def _parts(text: str) -> list[str]:
    for sign in "-_ /":
        text = text.replace(sign, ".")
    return text.lower().split(".")


@lru_cache(maxsize=1024)
def _is_place(folder: str) -> bool:
    return _PLACES.fullmatch(folder) is not None


def holds_secret(text: bytes) -> bool:
    """Whether a text (its first bytes are enough) has something of the shape of a key, a token or a password in it."""
    for sign in _SHAPES:
        if sign in text:
            for search in _searches(sign):
                if search(text):
                    return True
    return False  # said of most, a hundred thousand times: without `any`, in half the time


def with_secret(flags: tuple[str, ...], text: bytes) -> tuple[str, ...]:
    """The flags of a file of this text: SECRET among them, when the text holds one."""
    if SECRET in flags or len(text) > LARGEST or not holds_secret(_plain(text)):
        return flags
    return (*flags, SECRET)


def _plain(text: bytes) -> bytes:
    """UTF-16, which PowerShell writes, as if it were ASCII."""
    return text.replace(b"\0", b"") if text[:2] in (b"\xff\xfe", b"\xfe\xff") else text


@cache
def _searches(sign: int) -> tuple[Callable[[bytes], object], ...]:
    return tuple(re.compile(shape).search for shape in _SHAPES[sign])
