"""A second place that cannot be used says in one sentence what is wrong, and what to do."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import other_places
import pytest
import rig
from other_places import Site, Sshd, put

from autosys_tasks.backup.copies import place_s3
from autosys_tasks.backup.copies.place import Full, Lost, PlaceError, open_place
from autosys_tasks.config.addresses import masked


def said(address: str, timeout_s: float = 5.0) -> PlaceError:
    """The error of a place that cannot be used."""
    with pytest.raises(PlaceError) as caught:
        place = open_place(address, masked(address), make=True, timeout_s=timeout_s)
        try:
            put(place, "a", b"x")
        finally:
            place.close()
    error = caught.value
    assert error.hint and "\n" not in error.message and masked(address) in error.message, error.message
    return error


@pytest.fixture
def nobody() -> str:
    return f"127.0.0.1:{rig.free_port()}"


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(20)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """An S3 server that refuses everything, with this code."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = f"<Error><Code>{code}</Code><Message>It is so.</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.only("posix")
class TestBucket:
    """What goes wrong with S3."""

    @pytest.fixture(autouse=True)
    def env(self, aws: None) -> None:
        return

    def test_a_bucket_that_is_not_there(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
        error = said("s3://nobodys-bucket/x")
        assert "there is no bucket `nobodys-bucket`" in error.message and "aws s3 mb" in error.hint

    def test_no_credentials(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        error = said("s3://bucket/x")
        assert "no credentials" in error.message and "AWS_ACCESS_KEY_ID" in error.hint

    def test_wrong_credentials_and_they_are_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "0")  # this server looks at who asks
        with other_places.s3_server() as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
            error = said("s3://AKIDWRONG:hunter2%2Fx@bucket/x")
        assert "refuses these credentials" in error.message and "InvalidAccessKeyId" in error.message
        assert "hunter2" not in error.message + error.hint

    def test_nobody_there(self, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{nobody}")
        error = said("s3://bucket/x")
        assert "cannot be reached" in error.message and nobody in error.message

    def test_a_server_that_says_nothing(self, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{silent}")
        error = said("s3://bucket/x", timeout_s=0.3)
        assert isinstance(error, Lost) and "no answer within 0.3 s" in error.message

    @pytest.mark.parametrize("status, code", [(507, "InsufficientStorage"), (403, "QuotaExceeded")])
    def test_a_bucket_that_is_full(self, status: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(status, code) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
            error = said("s3://bucket/x")
        assert f"is full: It is so ({code})" in error.message and "make room" in error.hint

    def test_a_clock_that_is_wrong_is_what_is_to_be_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(403, "RequestTimeTooSkewed") as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
            error = said("s3://bucket/x")
        assert "RequestTimeTooSkewed" in error.message and "set the clock" in error.hint

    def test_a_name_that_can_be_no_bucket(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
        assert "no bucket can be named `a*b`" in said("s3://a*b/x").message

    def test_parts_go_up_one_by_one_and_those_of_a_dead_try_go_away(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = Site("s3", tmp_path, request)
        monkeypatch.setattr(place_s3, "PART_BYTES", 5 << 20)
        client, place, data = other_places.s3_client(), site.open("p"), os.urandom(12 << 20)
        client.create_multipart_upload(Bucket=site.bucket, Key="p/a")  # a try that was killed
        client.create_multipart_upload(Bucket=site.bucket, Key="p/ab")  # somebody else's
        put(place, "a", data)
        assert b"".join(place.read("a")) == data
        assert client.head_object(Bucket=site.bucket, Key="p/a")["ETag"].endswith('-3"')
        left = client.list_multipart_uploads(Bucket=site.bucket)["Uploads"]
        assert [one["Key"] for one in left] == ["p/ab"]
        client.create_multipart_upload(Bucket=site.bucket, Key="p/a")
        place.remove("a")
        assert [one["Key"] for one in client.list_multipart_uploads(Bucket=site.bucket)["Uploads"]] == ["p/ab"]


@pytest.mark.only("posix")
@pytest.mark.capability("sshd")
class TestServer:
    """What goes wrong with SFTP."""

    @pytest.fixture(autouse=True)
    def env(self, aws: None) -> None:
        return

    def test_a_server_that_nobody_knows_is_refused_with_the_command_to_type(self, sshd: Sshd, tmp_path: Path) -> None:
        sshd.home(Path.home(), known=False)
        error = said(sshd.address(tmp_path))
        assert "is not known here: its key is ssh-ed25519 SHA256:" in error.message
        assert f"type: ssh -p {sshd.port} " in error.hint and list(tmp_path.iterdir()) == []
        assert not (Path.home() / ".ssh" / "known_hosts").exists()

    def test_a_server_with_another_key_than_before_gets_nothing(self, sshd: Sshd, tmp_path: Path) -> None:
        sshd.home(Path.home())
        other = (sshd.folder / "user.pub").read_text(encoding="ascii").split()[1]
        known = Path.home() / ".ssh" / "known_hosts"
        known.write_text(f"[127.0.0.1]:{sshd.port} ssh-ed25519 {other}\n", encoding="ascii")
        error = said(sshd.address(tmp_path))
        assert "another key" in error.message and f'ssh-keygen -R "[127.0.0.1]:{sshd.port}"' in error.hint

    def test_a_key_that_is_not_let_in(self, sshd: Sshd, tmp_path: Path) -> None:
        sshd.home(Path.home(), key=False)
        error = said(sshd.address(tmp_path).replace("@", ":hunter2@"))
        assert "does not let" in error.message and "ssh-copy-id" in error.hint
        assert "hunter2" not in error.message + error.hint

    def test_nobody_there(self, nobody: str) -> None:
        error = said(f"sftp://{nobody}/x")
        assert "cannot be reached" in error.message and "is it up?" in error.hint

    def test_a_server_that_says_nothing(self, silent: str, capfd: pytest.CaptureFixture[str]) -> None:
        assert "cannot be reached" in said(f"sftp://{silent}/x", timeout_s=0.3).message
        assert capfd.readouterr().err == ""  # no traceback of the library's

    def test_a_host_without_address(self) -> None:
        assert "cannot be reached" in said("sftp://nobody.invalid/x").message

    def test_a_server_that_dies_between(self, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
        with other_places.sftp_server(tmp_path_factory.mktemp("sshd")) as server:
            server.home(Path.home())
            place = open_place(server.address(tmp_path), "the place", timeout_s=60)
            import psutil

            for child in psutil.Process(server.process.pid).children(recursive=True):
                child.kill()
            with pytest.raises(Lost) as caught:
                put(place, "a", os.urandom(1 << 20))
            place.close()
        assert "the place" in caught.value.message

    def test_a_line_that_breaks_while_it_reads_prints_no_traceback(
        self, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import psutil

        printed: list[object] = []
        monkeypatch.setattr(threading, "excepthook", printed.append)
        (tmp_path / "a").write_bytes(bytes(32 << 20))
        with other_places.sftp_server(tmp_path_factory.mktemp("sshd")) as server:
            server.home(Path.home())
            place = open_place(server.address(tmp_path), "the place", timeout_s=60)
            with pytest.raises(Lost):
                for _chunk in place.read("a"):
                    for child in psutil.Process(server.process.pid).children(recursive=True):
                        child.kill()
            place.close()
        rig.wait_for(lambda: not any("prefetch" in each.name for each in threading.enumerate()), what="no thread")
        assert printed == []

    def test_ctrl_c_waits_for_no_answer_of_a_server_that_hangs(
        self, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
    ) -> None:
        import psutil

        def chunks() -> Iterator[bytes]:
            yield b"a" * 1000
            for each in stopped:
                each.suspend()
            raise KeyboardInterrupt

        with other_places.sftp_server(tmp_path_factory.mktemp("sshd")) as server:
            server.home(Path.home())
            place = open_place(server.address(tmp_path), "the place", timeout_s=90)
            stopped = psutil.Process(server.process.pid).children(recursive=True)
            began = time.monotonic()
            try:
                with pytest.raises(KeyboardInterrupt):
                    place.put("a", chunks(), 2000)
                place.close()
            finally:
                for each in stopped:
                    each.kill()
        assert time.monotonic() - began < 60, "it waited until the server's time was over"

    def test_a_folder_that_may_not_be_written(self, sshd: Sshd) -> None:
        sshd.home(Path.home())
        error = said(sshd.address("/proc/nothing"))
        assert "cannot open" in error.message or "is not there" in error.message

    def test_what_ssh_knows_of_the_host_holds(self, sshd: Sshd, tmp_path: Path) -> None:
        sshd.home(Path.home())
        ssh = Path.home() / ".ssh"
        (ssh / "id_ed25519").rename(ssh / "other key")
        text = f'Host nas\n HostName 127.0.0.1\n Port {sshd.port}\n IdentityFile "{ssh / "other key"}"\n'
        (ssh / "config").write_text(text, encoding="utf-8")
        try:
            place = open_place(f"sftp://nas{tmp_path}", "nas")
            put(place, "a", b"x")
            place.close()
        finally:
            (ssh / "config").unlink()
        assert (tmp_path / "a.part").read_bytes() == b"x"


@pytest.mark.only("linux")
@pytest.mark.capability("root")
class TestFull:
    """A disk without room: a file system of 2 MB."""

    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        import subprocess

        folder = tmp_path / "small"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
        yield folder
        subprocess.run(["umount", folder], check=True)

    @pytest.mark.parametrize("told", [3_000_000, 0])
    def test_a_folder(self, small: Path, told: int) -> None:
        """Whether the size was known before, or the disk said it while it was written."""
        place = open_place(small.as_uri(), "the place")
        with pytest.raises(PlaceError) as caught:
            place.put("a", (bytes(1 << 20) for _ in range(3)), told)
        assert "`the place` is full" in caught.value.message and "make room" in caught.value.hint
        assert isinstance(caught.value, Full)

    @pytest.mark.capability("sshd")
    def test_an_sftp_server(self, small: Path, sshd: Sshd) -> None:
        sshd.home(Path.home())
        place = open_place(sshd.address(small), "the place")
        with pytest.raises(PlaceError) as caught:
            place.put("a", (bytes(1 << 20) for _ in range(3)), 3 << 20)
        place.close()
        assert f"df -h {small}" in caught.value.hint and "the place" in caught.value.message
        assert isinstance(caught.value, Full)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module, address in (("botocore", "s3://bucket"), ("paramiko", "sftp://nas/x")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(PlaceError) as caught:
            open_place(address, address)
        assert module.split(".")[0] in caught.value.message and "autosys[copies]" in caught.value.hint
