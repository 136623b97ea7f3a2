"""Tells by its name, and by well-known shapes of keys in its text, that a file is a secret. Pure.

It errs on the safe side: what is taken for a secret is kept all the same, but copied elsewhere only when encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

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
# Shapes by a mark that each of them has, and marks by a sign that is in all that have one of these shapes: to look for
# signs, then for marks, and only then for shapes is many times quicker than to try every shape everywhere. Few are ever
# looked for, so that `re` compiles them when they are. A sign is a number: bytes are searched for it in half the time.
_SHAPES: dict[int, dict[bytes, bytes]] = {
    ord("-"): {
        b"PRIVATE KEY": rb"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----",
        b"glpat-": rb"\bglpat-[0-9A-Za-z_-]{20}",
        b"xox": rb"\bxox[abeoprs]-[0-9A-Za-z-]{10,}",
        b"sk-": rb"\bsk-(?:ant-|proj-|or-|svcacct-)?[0-9A-Za-z_-]{20,}",
        b"pypi-": rb"\bpypi-AgE[0-9A-Za-z_-]{50,}",
    },
    ord("_"): {
        **{mark: rb"\b" + mark + rb"[0-9A-Za-z]{36}" for mark in (b"ghp_", b"gho_", b"ghu_", b"ghs_")},
        b"ghr_": rb"\bghr_[0-9A-Za-z]{36}",
        b"aws_secret_access_key": rb"aws_secret_access_key\W{1,5}[0-9A-Za-z/+]{40}\b",
        b"github_pat_": rb"\bgithub_pat_[0-9A-Za-z_]{22,}",
        b"k_live_": rb"\b[rs]k_live_[0-9A-Za-z]{16,}",
        b"hf_": rb"\bhf_[0-9A-Za-z]{30,}",
        b"npm_": rb"\bnpm_[0-9A-Za-z]{36}",
        b"dop_v1_": rb"\bdop_v1_[0-9a-f]{64}",
    },
    ord("/"): {
        b"hooks.slack.com": rb"hooks\.slack\.com/services/T\w+/B\w+/\w{16,}",
        b"discord": rb"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{30,}",
    },
    ord("@"): {
        b"://": rb"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"<>{}$]+:[^\s/@'\"<>{}$]{3,}@[\w.-]",
    },
    ord("A"): {
        b"AKIA": rb"\bAKIA[0-9A-Z]{16}\b",
        b"ASIA": rb"\bASIA[0-9A-Z]{16}\b",
        b"AIza": rb"\bAIza[0-9A-Za-z_-]{35}",
    },
    ord("."): {
        b"ya29.": rb"\bya29\.[0-9A-Za-z_-]{20,}",
        b"SG.": rb"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    },
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
    for sign, shapes in _SHAPES.items():
        if sign in text:
            for mark, shape in shapes.items():
                if mark in text and re.search(shape, text):
                    return True
    return False
