"""Real second places on this machine: an S3 server, an SFTP server, folders; each in a process of its own."""

from __future__ import annotations

import functools
import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rig

from autosys_tasks.backup.copies.place import Place, open_place

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret-of-the-test"}
AWS = {
    **KEYS, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}  # fmt: skip
SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp {sftp}
"""


class Sshd(NamedTuple):
    """An OpenSSH server of this user's, and what its clients need in their home."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def home(self, home: Path, *, known: bool = True, key: bool = True) -> None:
        """Give `home` a key that is let in, and the server's key."""
        ssh = home / ".ssh"
        ssh.mkdir(parents=True, exist_ok=True)
        for name in ("id_ed25519", "known_hosts"):
            (ssh / name).unlink(missing_ok=True)
        if key:
            shutil.copy(self.folder / "user", ssh / "id_ed25519")
        if known:
            kind, text, *_ = (self.folder / "host.pub").read_text(encoding="ascii").split()
            (ssh / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n", encoding="ascii")

    def address(self, path: Path | str) -> str:
        """The address of a folder there."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{path}"


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The process lives as long as this does."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there."""

    def asked() -> bool:
        assert process.poll() is None, f"the server ended: {process.args!r}"
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    rig.wait_for(asked, 60, what=f"a server at {port}")


@contextmanager
def s3_server() -> Iterator[str]:
    """moto's S3 server; its address."""
    port = rig.free_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet)
    with ended(process):
        listening(port, process)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def sftp_server(folder: Path) -> Iterator[Sshd]:
    """OpenSSH's server, as this user."""
    sshd, port = shutil.which("sshd"), rig.free_port()
    if sshd is None:
        pytest.fail("no sshd: mark the test with its capability")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    config = folder / "config"
    config.write_text(SSHD.format(port=port, folder=folder, sftp="internal-sftp"), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks its helpers in: the service's start makes it elsewhere
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    with ended(process):
        listening(port, process)
        yield Sshd(port, folder, process)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys for the S3 server, and nothing of this machine's."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server for all tests of this process."""
    with s3_server() as address:
        yield address


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An SFTP server for all tests of this process."""
    with sftp_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def s3_client() -> object:
    """A client of the test's own, made from the environment."""
    return _session().create_client("s3", region_name="us-east-1")


@functools.cache
def _session() -> Any:
    from botocore.session import get_session

    return get_session()


@functools.cache
def _loader(*paths: str) -> Any:
    """What S3 is, read once for all sessions of this process: that costs more than all the rest of one."""
    from botocore.loaders import create_loader

    return create_loader(*paths)


POSIX = (pytest.mark.only("posix"),)
KINDS = [
    "file",
    pytest.param("s3", marks=POSIX),
    pytest.param("sftp", marks=(*POSIX, pytest.mark.capability("sshd"))),
]
MADE = iter(range(1000))


class Site:
    """Where tests make places of one kind."""

    def __init__(self, kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
        self.kind, self.folder = kind, folder
        if kind == "s3":
            os.environ["AWS_ENDPOINT_URL_S3"] = request.getfixturevalue("s3")
            request.getfixturevalue("monkeypatch").setattr("botocore.session.create_loader", _loader)
            self.bucket = f"bucket{os.getpid()}-{next(MADE)}"
            s3_client().create_bucket(Bucket=self.bucket)
        if kind == "sftp":
            self.sshd: Sshd = request.getfixturevalue("sshd")
            self.sshd.home(Path.home())

    def address(self, name: str = "백업 a") -> str:
        """A place that is not there yet."""
        if self.kind == "file":
            return (self.folder / name).as_uri()
        return f"s3://{self.bucket}/{name}" if self.kind == "s3" else self.sshd.address(self.folder / name)

    def open(self, name: str = "백업 a", **more: object) -> Place:
        """The same, opened."""
        return open_place(self.address(name), "the place", **{"make": True, **more})


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path, aws: None) -> Site:
    """Where tests make places, of each kind in turn."""
    return Site(request.param, tmp_path, request)


@pytest.fixture
def near(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Where tests make places that are folders."""
    return Site("file", tmp_path, request)


def put(place: Place, name: str, data: bytes) -> str:
    """Put these bytes there as NAME.part, a thousand at a time; the name under which they lie."""
    return place.put(name, (data[at : at + 1000] for at in range(0, len(data), 1000)), len(data))
