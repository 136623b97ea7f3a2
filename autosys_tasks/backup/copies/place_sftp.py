"""A folder of an SFTP server as a second place.

Keys come from the agent, ~/.ssh and ~/.ssh/config, as `ssh` finds them; a server whose key no known_hosts file has is
refused, since whoever stands in between would get every backup.
"""

from __future__ import annotations

import errno
import logging
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from autosys_tasks.backup.copies.place import CHUNK, LATER, Full, Lost, NameTaken, PlaceError, gone, lacks, login
from autosys_tasks.config.addresses import Address

SOON_S = 15.0  # a connection


class Server:
    """A place (see place.Place) that is a folder of an SFTP server."""

    def __init__(self, client: Any, where: Address, shown: str, make: bool, timeout_s: float, part: str) -> None:
        self.client, self.where, self.shown, self.timeout_s, self.part = client, where, shown, timeout_s, part
        with self._said("open"):
            self.sftp = client.open_sftp()
            self.sftp.get_channel().settimeout(timeout_s)
            self.path = where.path or "."
            if make:
                self._make(self.path)
            elif not self._is_there(self.path):
                raise gone(self.path, shown)

    def names(self) -> Mapping[str, int]:
        """What lies there and how long it is."""
        with self._said("list"):
            found = self.sftp.listdir_attr(self.path)
        return {one.filename: one.st_size for one in found if stat.S_ISREG(one.st_mode or 0)}

    def put(self, name: str, chunks: Iterable[bytes], size: int, *, new: bool = False) -> str:
        """Store it as NAME.part."""
        with self._said("write"):
            with self._file(name + self.part, "wb") as file:
                file.set_pipelined(True)
                for chunk in chunks:
                    file.write(chunk)
            if (there := self.sftp.stat(self._of(name + self.part)).st_size) != size:
                message = f"of {size} bytes {there} arrived at `{self.shown}`"
                raise Full(message, where=self.shown, hint=self._df())
        return name + self.part

    def finish(self, name: str, *, new: bool = False) -> None:
        """NAME.part becomes NAME."""
        with self._said("rename"):
            if new:
                return self._name_anew(name)
            try:
                self.sftp.posix_rename(self._of(name + self.part), self._of(name))
            except OSError as error:  # not every server has it; the older way replaces nothing
                if "nsupported" not in str(error):
                    raise
                self._unlink(name)
                self.sftp.rename(self._of(name + self.part), self._of(name))

    def _name_anew(self, name: str) -> None:
        """By the older way, which replaces nothing with OpenSSH's server; with others it is asked before."""
        taken = NameTaken(f"something has that name at `{self.shown}`", where=self.shown)
        if self._is_there(self._of(name)):
            raise taken
        try:
            self.sftp.rename(self._of(name + self.part), self._of(name))
        except OSError as error:
            if self._is_there(self._of(name)):
                raise taken from error
            raise

    def drop(self, name: str) -> None:
        """Take its `.part` away."""
        with self._said("remove"):
            self._unlink(name + self.part)

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes."""
        with self._said("read"), self._file(name, "rb") as file:
            _keep_quiet(file)
            file.prefetch(file.stat().st_size, max_concurrent_requests=64)
            while chunk := file.read(CHUNK):
                yield chunk

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Up to `size` bytes from offset `at`."""
        with self._said("read"), self._file(name, "rb") as file:
            file.seek(at)
            return bytes(file.read(size))

    def remove(self, name: str) -> None:
        """Take it and its `.part` away."""
        with self._said("remove"):
            self._unlink(name)
            self._unlink(name + self.part)

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    @contextmanager
    def _file(self, name: str, mode: str) -> Iterator[Any]:
        """A file there. A person who presses Ctrl-C waits for no answer to its being closed."""
        with self.sftp.open(self._of(name), mode) as file:
            try:
                yield file
            except KeyboardInterrupt:
                self.client.close()
                raise

    def _of(self, name: str) -> str:
        return posixpath.join(self.path, name)

    def _unlink(self, name: str) -> None:
        try:
            self.sftp.remove(self._of(name))
        except FileNotFoundError:
            return

    def _is_there(self, path: str) -> bool:
        try:
            self.sftp.stat(path)
        except FileNotFoundError:
            return False
        return True

    def _make(self, path: str) -> None:
        if path not in ("", "/") and not self._is_there(path):
            self._make(posixpath.dirname(path))
            self.sftp.mkdir(path, 0o700)

    def _df(self) -> str:
        return f"is its disk full? ssh {login(self.where)} df -h {self.path}"

    @contextmanager
    def _said(self, doing: str) -> Iterator[None]:
        import paramiko

        try:
            yield
        except TimeoutError as error:
            raise self._lost(f"gave no answer within {self.timeout_s:g} s") from error
        except (EOFError, paramiko.SSHException, ConnectionError) as error:
            raise self._lost(f"hung up: {error or 'end of file'}") from error
        except OSError as error:
            if "closed" in str(error).lower():
                raise self._lost(f"hung up: {error}") from error
            why = f"the server says `{error.strerror or error}`"
            hint = f"may this user write there? ssh {login(self.where)} ls -ld {self.path}"
            if error.errno is None and doing == "write":  # a full disk has no code of its own: `Failure`
                raise Full(f"cannot write at `{self.shown}`: {why}", where=self.shown, hint=self._df()) from error
            if error.errno == errno.ENOENT and doing != "read":
                raise gone(self.path, self.shown) from error
            raise PlaceError(f"cannot {doing} at `{self.shown}`: {why}", where=self.shown, hint=hint) from error

    def _lost(self, why: str) -> PlaceError:
        return Lost(f"`{self.shown}` {why}", where=self.shown, hint=LATER)


def _keep_quiet(file: Any) -> None:
    """Silence the traceback of paramiko's prefetch thread when the connection breaks: the reader gets the error."""
    ask = getattr(file, "_prefetch_thread", None)
    if ask is None:
        return

    def quietly(*arguments: object) -> None:
        with suppress(Exception):
            ask(*arguments)

    file._prefetch_thread = quietly


def connected(where: Address, shown: str, make: bool, timeout_s: float, part: str) -> Server:
    """The place, logged in; raises PlaceError, each failure with the command to type."""
    try:
        import paramiko
    except ImportError:
        raise lacks("paramiko", shown) from None
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # else its tracebacks go to stderr beside our sentence
    named = as_ssh_knows(where)
    client = paramiko.SSHClient()
    try:
        _log_in(client, where, named, shown, timeout_s)
        return Server(client, where, shown, make, timeout_s, part)
    except BaseException:
        client.close()
        raise


def as_ssh_knows(where: Address) -> dict[str, Any]:
    """What ~/.ssh/config says of this host, under what the address itself says."""
    import paramiko

    file = Path.home() / ".ssh" / "config"
    said = paramiko.SSHConfig.from_path(str(file)).lookup(where.host) if file.is_file() else {}
    return {
        "hostname": said.get("hostname", where.host),
        "port": where.port or int(said.get("port", 22)),
        "username": where.user or said.get("user") or None,
        "key_filename": said.get("identityfile") or None,
    }


def _log_in(client: Any, where: Address, named: dict[str, Any], shown: str, timeout_s: float) -> None:
    import paramiko

    def refused(message: str, hint: str) -> PlaceError:
        return PlaceError(f"`{shown}` {message}", where=shown, hint=hint)

    class Unknown(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            hint = f"type: ssh {login(where)}   and say yes if that is its fingerprint"
            raise refused(f"is not known here: its key is {key.get_name()} {key.fingerprint}", hint)

    soon = min(timeout_s, SOON_S)
    client.set_missing_host_key_policy(Unknown())
    try:
        _load_known(client)
        client.connect(
            **named, password=where.password or None, timeout=soon, banner_timeout=soon, auth_timeout=timeout_s,
            channel_timeout=timeout_s,
        )  # fmt: skip
    except paramiko.BadHostKeyException as error:
        new = f"{error.key.get_name()} {error.key.fingerprint}"
        name = f"[{named['hostname']}]:{named['port']}" if named["port"] != 22 else named["hostname"]
        hint = f'if you know why: ssh-keygen -R "{name}", then ssh {login(where)}'
        raise refused(f"has another key than known_hosts says, {new}: nothing was sent", hint) from error
    except paramiko.AuthenticationException as error:
        who = named["username"] or "this user"
        hint = f"type: ssh {login(where)}   (it must ask for no password: ssh-copy-id {login(where)}, or an agent)"
        raise refused(f"does not let {who} in: {error}", hint) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        why = str(error) or type(error).__name__
        raise refused(f"cannot be reached: {why}", f"is it up? ssh {login(where)}") from error


def _load_known(client: Any) -> None:
    for file in ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"):
        if Path(file).is_file():
            client.load_system_host_keys(file)
    for name in ("known_hosts", "known_hosts2"):
        if (file_of_user := Path.home() / ".ssh" / name).is_file():
            client.load_system_host_keys(str(file_of_user))
