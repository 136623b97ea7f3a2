"""Reads our 7z archives: a few blocks at a time, each decoded once, in bounded memory, every CRC compared.

A bad archive raises Damaged or NeedsPassphrase, never another exception. Bad bytes of a member are raised from the
iterator that gives them: a sink that catches the error goes on with the next member.
"""

from __future__ import annotations

import contextlib
import itertools
import lzma
import os
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autosys_tasks import host
from autosys_tasks.backup import threads
from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.passphrase import forms
from autosys_tasks.backup.seven_zip import lzma2_runs
from autosys_tasks.backup.seven_zip.codec import LZMA2, Key, crc32, decoded, decrypted
from autosys_tasks.backup.seven_zip.header import MAGIC, SIGNATURE_SIZE
from autosys_tasks.backup.seven_zip.parse import BlockInfo, Member, contents, encoded_header
from autosys_tasks.core.files import retry_while_held

__all__ = ["Archive", "Member"]
LARGEST_HEADER = 1 << 29
READ_SIZE = 64 << 10  # few enough for the cache of a CPU
MOST_CYCLES = 24
MANY = 1 << 9  # a block with more members is read by one thread: several would wait for one another at each
BLOCKS_AT_ONCE = 64  # blocks that threads read before the next are looked for
PRead = Callable[[int, int, int], bytes]
PREAD: PRead | None = getattr(os, "pread", None)  # forked workers share a file's position; Windows has no pread
Check = Callable[[], None]  # raises Cancelled when another thread has failed
HINT = "set AUTOSYS_BACKUP_PASSPHRASE to the passphrase that it was made with"


class Archive:
    """An archive of ours, open for reading; a context manager.

    `independent`: decode with other code than the writer's, where there is some (zlib instead of isal).
    `file`: read this instead of the file at `path`; it may be remote.
    """

    def __init__(
        self, path: Path, passphrase: str = "", *, independent: bool = False, file: BinaryIO | None = None
    ) -> None:
        host.keep_freed_memory()
        self._path, self._passphrase, self._use_isal = path, passphrase, not independent
        self._pread = PREAD if file is None else None
        self._crc32 = zlib.crc32 if independent else crc32
        self._keys: dict[tuple[int, bytes], Key] = {}
        self._lock = threading.Lock()  # held to seek and read, where there is no pread
        with self._as_damaged():
            self._file = file or retry_while_held(lambda: open(path, "rb"))  # noqa: SIM115 - closed at exit
        try:
            with self._as_damaged():
                self._blocks, self._members = contents(self._header())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def members(self) -> Iterator[Member]:
        """Every member, in the archive's order."""
        return iter(self._members)

    def read(self, names: Collection[str] | None, sink: Callable[[Member, Iterator[bytes]], None]) -> None:
        """Call `sink(member, pieces)` for each member with one of these names (None: all).

        Members of one block come in the archive's order. `sink` is called from several threads, for members of
        different blocks; for blocks of more than MANY members only from this one, while others decode ahead. A block
        without such members is not decoded. The CRC is compared before `pieces` ends.
        """
        wanted = None if names is None else frozenset(names)

        def deliver(members: Iterable[_Located], check_cancelled: Check) -> None:
            for member, stream, at in members:
                check_cancelled()
                sink(member, self._bytes(member, stream, at, check_cancelled))

        with _Pools(ThreadPoolExecutor(1, "unpack"), ThreadPoolExecutor(threads.worker_count(), "unpack-run")) as pools:
            located = (one for one in self._located(pools) if wanted is None or one[0].name in wanted)
            waiting: list[list[_Located]] = []
            for stream, group in itertools.groupby(located, key=itemgetter(1)):
                if stream and stream.has_many_members:
                    deliver(group, _never_cancelled)
                    continue
                waiting.append(list(group))
                if len(waiting) == BLOCKS_AT_ONCE:
                    threads.for_each(iter(waiting), deliver)
                    waiting.clear()
            threads.for_each(iter(waiting), deliver)

    def many_member_blocks(self) -> list[int]:
        """The numbers of the blocks with more than MANY members."""
        return [number for number, block in enumerate(self._blocks) if block.members > MANY]

    def block_reader(self) -> Callable[[int], Iterator[tuple[Member, Iterator[bytes]]]]:
        """A function from a block's number to its members and their bytes; call it with ascending numbers.

        It starts no thread, for forked workers. Use it either in them or here, not in both.
        """
        located = ((member, stream, at) for member, stream, at in self._located() if stream)
        blocks = itertools.groupby(located, key=lambda found: found[1].number)

        def block(number: int) -> Iterator[tuple[Member, Iterator[bytes]]]:
            for member, stream, at in next(inside for found, inside in blocks if found == number):
                yield member, self._bytes(member, stream, at, _never_cancelled)

        return block

    def stream(self, name: str) -> Iterator[bytes]:
        """The bytes of the one member of that name; Damaged when there is none."""
        for member, stream, at in self._located():
            if member.name == name:
                return self._bytes(member, stream, at, _never_cancelled)
        raise Damaged(f"there is no `{name}` in it", where=str(self._path))

    def _located(self, pools: _Pools | None = None) -> Iterator[_Located]:
        """Every member, the stream of its block (for one without bytes: the last block), and its offset in it.

        `pools` decode blocks of more than MANY members.
        """
        blocks, left, at = enumerate(self._blocks), 0, 0
        stream: _Stream | None = None
        for member in self._members:
            if member.size and not left:
                number, block = next(blocks)
                stream, left, at = self._stream(number, block, pools), block.members, 0
            yield member, stream, at
            if member.size:
                left, at = left - 1, at + member.size

    def _stream(self, number: int, block: BlockInfo, pools: _Pools | None) -> _Stream:
        has_many_members = block.members > MANY
        if not pools or not has_many_members:
            pieces = self._decoded(block, fast=self._use_isal)
        elif block.codec == LZMA2 and block.size <= lzma2_runs.LARGEST:
            pieces = self._decoded_by_runs(block, pools.several)
        else:
            pieces = threads.prefetched(self._decoded(block, fast=self._use_isal), pools.one)
        return _Stream(pieces, number, has_many_members)

    def _bytes(self, member: Member, stream: _Stream | None, at: int, check_cancelled: Check) -> Iterator[bytes]:
        """A member's bytes, in one piece when they are decoded already and good."""
        data = stream.buffered(at, member.size) if stream else b""
        if data and self._crc32(data) == member.crc:
            return iter((data,))
        return self._checked(member, stream, at, check_cancelled)

    def _checked(self, member: Member, stream: _Stream | None, at: int, check_cancelled: Check) -> Iterator[bytes]:
        crc, crc32_of = 0, self._crc32
        if stream is not None:
            try:  # not `with self._as_damaged()`: entered for each member, it would cost too much
                for piece in stream.read(at, member.size):
                    check_cancelled()
                    crc = crc32_of(piece, crc)
                    yield piece
            except Exception as error:
                with self._as_damaged():
                    raise error
        if crc != member.crc:
            raise Damaged("its bytes are not those that were packed: the CRC differs", where=str(self._path))

    # Blocks

    def _decoded(self, block: BlockInfo, *, fast: bool = False) -> Iterator[bytes]:
        return decoded(block.codec, block.settings, self._decrypted(block), block.size, fast)

    def _decoded_by_runs(self, block: BlockInfo, pool: ThreadPoolExecutor) -> Iterator[bytes]:
        yield from lzma2_runs.decoded(block.settings, self._decrypted(block), block.size, pool)

    def _decrypted(self, block: BlockInfo) -> Iterator[bytes]:
        pieces = self._pieces(SIGNATURE_SIZE + block.at, block.packed)
        if block.aes:
            key, iv = self._key(block.aes)
            pieces = decrypted(pieces, key.cipher(iv), block.coded)
        return pieces

    def _pieces(self, at: int, size: int) -> Iterator[bytes]:
        while size:
            piece = self._read_at(at, min(size, READ_SIZE))
            if len(piece) < min(size, READ_SIZE):
                raise Damaged("the archive ends too early")
            at, size = at + len(piece), size - len(piece)
            yield piece

    def _read_at(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from offset `at`; fewer only at the file's end."""
        if pread := self._pread:
            data = pread(self._file.fileno(), size, at)
            while len(data) < size and (more := pread(self._file.fileno(), size - len(data), at + len(data))):
                data += more
            return data
        with self._lock:
            self._file.seek(at)
            return self._file.read(size)

    def _key(self, settings: bytes) -> tuple[Key, bytes]:
        """The key and the initial vector that AES-256's settings name; a key is derived once."""
        if not self._passphrase:
            raise NeedsPassphrase(f"`{self._path.name}` is encrypted", where=str(self._path), hint=HINT)
        cycles, salted = settings[0] & 0x3F, 2 + (settings[0] >> 7) + (settings[1] >> 4)
        salt, iv = settings[2:salted], settings[salted:].ljust(16, b"\0")
        if cycles > MOST_CYCLES or len(iv) != 16:
            raise Damaged("it is encrypted in a way that none of ours is")
        if (cycles, salt) not in self._keys:
            self._keys[cycles, salt] = Key(self._passphrase, salt, cycles)
        return self._keys[cycles, salt], iv

    # The header

    def _header(self) -> bytes:
        first, size = self._file.read(SIGNATURE_SIZE), self._file.seek(0, os.SEEK_END)
        if first == bytes(SIGNATURE_SIZE):
            raise Damaged("it was never finished: its first bytes are zero")
        if len(first) < SIGNATURE_SIZE or not first.startswith(MAGIC):
            raise Damaged("it is no 7z archive")
        if zlib.crc32(first[12:]) != int.from_bytes(first[8:12], "little"):
            raise Damaged("its first bytes are not what was written")
        at, length, crc = (int.from_bytes(first[a:b], "little") for a, b in ((12, 20), (20, 28), (28, 32)))
        if SIGNATURE_SIZE + at + length > size:
            raise Damaged(f"it ends too early: {size} bytes of {SIGNATURE_SIZE + at + length}")
        following = b"".join(self._pieces(SIGNATURE_SIZE + at, length))
        if zlib.crc32(following) != crc:
            raise Damaged("its header is not what was written")
        packed = encoded_header(following)
        return following if packed is None else self._unpacked(packed)

    def _unpacked(self, block: BlockInfo) -> bytes:
        if block.size > LARGEST_HEADER or block.packed_crc is None:
            raise Damaged("its header is none of ours: another program wrote it")
        crc = 0
        for piece in self._pieces(SIGNATURE_SIZE + block.at, block.packed):
            crc = zlib.crc32(piece, crc)
        if crc != block.packed_crc:
            raise Damaged("its header is not what was written")
        for form in forms(self._passphrase) if block.aes else (self._passphrase,):
            self._passphrase = form
            self._keys.clear()
            with contextlib.suppress(Damaged, zlib.error, lzma.LZMAError):
                header = b"".join(self._decoded(block))
                if zlib.crc32(header) == block.crc:
                    return header
        if block.aes:
            message = f"the passphrase is not the one that `{self._path.name}` was made with"
            raise NeedsPassphrase(message, where=str(self._path), hint=HINT)
        raise Damaged("its header is not what was written")

    @contextlib.contextmanager
    def _as_damaged(self) -> Iterator[None]:
        """Turn every error within into Damaged, except NeedsPassphrase."""
        where = str(self._path)
        try:
            yield
        except NeedsPassphrase:
            raise
        except Damaged as error:
            raise Damaged(error.message, where=where) from error
        except FileNotFoundError as error:
            raise Damaged(f"there is no `{self._path.name}`", where=where) from error
        except OSError as error:
            raise Damaged(f"it cannot be read: {error.strerror or error}", where=where) from error
        except Exception as error:
            raise Damaged(f"it cannot be decoded ({type(error).__name__}: {error})", where=where) from error


class _Pools(NamedTuple):
    """Threads that decode blocks of more than MANY members. `one` has a single thread, for `prefetched`."""

    one: ThreadPoolExecutor
    several: ThreadPoolExecutor

    def __enter__(self) -> _Pools:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self:
            pool.shutdown(cancel_futures=True)


class _Stream:
    """The decoded bytes of a block, read member by member, forward only."""

    def __init__(self, pieces: Iterator[bytes], number: int, has_many_members: bool) -> None:
        self._pieces, self._piece, self._offset = pieces, b"", 0  # _offset: where _piece begins
        self.number = number  # of the block
        self.has_many_members = has_many_members  # more than MANY

    def buffered(self, at: int, size: int) -> bytes:
        """The same as `read` in one piece, if these bytes are decoded already; else b""."""
        begins = at - self._offset
        return self._piece[begins : begins + size] if 0 <= begins <= len(self._piece) - size else b""

    def read(self, at: int, size: int) -> Iterator[bytes]:
        """The `size` bytes that begin at `at`."""
        end = at + size
        while at < end:
            while self._offset + len(self._piece) <= at:
                self._offset, self._piece = self._offset + len(self._piece), b""
                self._piece = next(self._pieces, b"")
                if not self._piece:
                    raise Damaged("the block that holds it is broken before it")
            piece = self._piece[at - self._offset : end - self._offset]
            at += len(piece)
            yield piece


_Located = tuple[Member, _Stream | None, int]


def _never_cancelled() -> None:
    """The `check_cancelled` of a reader without other threads."""
