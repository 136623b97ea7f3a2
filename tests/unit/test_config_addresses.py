"""Addresses of places: their parts, and that no password is ever shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autosys_tasks.config.addresses import WRONG, Address, masked, parse
from autosys_tasks.config.effective import document
from autosys_tasks.config.load import load
from autosys_tasks.core.errors import ConfigError

GOOD = {
    "file:///mnt/nas/backup/": Address("file", "", "/mnt/nas/backup"),
    "file:///D:/backup": Address("file", "", "/D:/backup"),
    "file://localhost/mnt/my%20disk": Address("file", "", "/mnt/my disk"),
    "file:///mnt/내 백업@home:1/x": Address("file", "", "/mnt/내 백업@home:1/x"),
    "file://nas/share/desk": Address("file", "nas", "/share/desk"),
    "s3://bucket": Address("s3", "bucket", ""),
    "s3://bucket/a/b/": Address("s3", "bucket", "a/b"),
    "s3://bucket/50%25": Address("s3", "bucket", "50%25"),
    "s3://KEY:a/b+c=@bucket/p": Address("s3", "bucket", "p", "KEY", "a/b+c="),
    "sftp://nas/desk": Address("sftp", "nas", "/desk"),
    "sftp://nas/~/desk": Address("sftp", "nas", "desk"),
    "sftp://nas/~": Address("sftp", "nas", ""),
    "sftp://me@nas:2222/d": Address("sftp", "nas", "/d", "me", "", 2222),
    "sftp://me:p%40ss%2Fw@nas:22/d": Address("sftp", "nas", "/d", "me", "p@ss/w", 22),
    "sftp://nas:22/a@b": Address("sftp", "nas", "/a@b", "", "", 22),
    "sftp://[::1]:22/d": Address("sftp", "::1", "/d", "", "", 22),
}
BAD = (
    "", "D:/backup", "/mnt", "ftp://host/x", "file://", "file:relative", "s3://", "s3:///prefix", "sftp:///path",
    "sftp://host:0/x", "sftp://host:99999/x", "sftp://ho st/x", "s3://bucket:9000/x", "S3://bucket", "s3://b\n/x",
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_an_address_has_these_parts(text: str) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == WRONG


SHOWN = {
    "file:///a:b@c": "file:///a:b@c",
    "s3://bucket/p": "s3://bucket/p",
    "s3://KEY:se/cr@et@bucket/p": "s3://KEY:***@bucket/p",
    "sftp://me:hunter2@nas/d": "sftp://me:***@nas/d",
    "sftp://me@nas:22/d@e": "sftp://me@nas:22/d@e",
    "sftp://nas:22/d@e": "sftp://nas:22/d@e",
    "sftp://me:${env:PW}@nas/d": "sftp://me:${env:PW}@nas/d",
    "sftp://${env:WHO}:${env:PW}@${env:NAS}/d": "sftp://${env:WHO}:${env:PW}@${env:NAS}/d",
    "sftp://me:${env:PW:-hunter2}@nas/d": "sftp://me:***@nas/d",
    "sftp://me:x${env:PW}@nas/d": "sftp://me:***@nas/d",
    "${env:PLACE}": "${env:PLACE}",
}


@pytest.mark.parametrize("text", SHOWN)
def test_an_address_is_shown_without_its_password(text: str) -> None:
    assert masked(text) == SHOWN[text]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., object]:
    def read(copies: str, **environ: str) -> object:
        (tmp_path / "autosys.toml").write_text(f"[backup]\ncopies = {copies}\n", encoding="utf-8")
        return load(tmp_path, environ)

    return read


def test_a_password_comes_from_the_environment_and_is_never_among_the_effective_values(
    read: Callable[..., object],
) -> None:
    config = read('["sftp://me:${env:PW}@nas/d", "s3://KEY:plain-secret@bucket", "${env:PLACE}"]', PW="h@unt/er2/%41@",
                  PLACE="file:///mnt")  # fmt: skip
    assert parse(config.backup.copies[0]) == Address("sftp", "nas", "/d", "me", "h@unt/er2/%41@")
    assert config.backup.copies[1:] == ("s3://KEY:plain-secret@bucket", "file:///mnt")
    shown = ["sftp://me:${env:PW}@nas/d", "s3://KEY:***@bucket", "${env:PLACE}"]
    assert list(config.backup.copies_shown) == shown
    assert document(config)[0]["backup"]["copies"] == shown


@pytest.mark.parametrize(
    "copies",
    ['["ftp://me:hunter2@nas/d"]', '"sftp://me:hunter2@nas/d"', '["ftp://me:hunter2@${env:NAS}"]',
     '["sftp://me:hunter2@${env:ABSENT}/d"]', '["${env:SECRET}"]'],
)  # fmt: skip
def test_an_error_never_shows_a_password(read: Callable[..., object], copies: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(copies, NAS="nas", SECRET="ftp://me:hunter2@nas")
    said = str([caught.value.message, caught.value.problems])
    assert "hunter2" not in said and "backup.copies" in said
