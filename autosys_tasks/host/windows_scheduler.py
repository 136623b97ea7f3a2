"""Windows: the Task Scheduler through its COM interface, with ctypes alone: no localised text, the real errors.

A method is called by its place in the interface's table (taskschd.h); places 0 to 6 are IUnknown's and IDispatch's.
"""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import ctypes
import errno
import sys
import uuid
from collections.abc import Container, Iterator
from ctypes import wintypes as w
from datetime import datetime, timedelta
from typing import Any, NamedTuple

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32

CLASS, SERVICE = "0f87369f-a4e5-4cfc-bd3e-73e6154572dd", "2faba4c7-4da9-4013-9697-20cc3fd40f85"
RELEASE = 2  # of every interface
GET_FOLDER, CONNECT = 7, 10  # ITaskService
GET_FOLDERS, DELETE_FOLDER, GET_TASK, GET_TASKS, DELETE_TASK, REGISTER_TASK = 10, 12, 13, 14, 15, 16  # ITaskFolder
PATH = 8  # of a folder and of a task
COUNT, ITEM = 7, 8  # of what holds several
STATE, ENABLED, LAST_RUN, LAST_RESULT, NEXT_RUN, XML = 9, 10, 15, 16, 18, 20  # IRegisteredTask
CREATE_OR_UPDATE, INTERACTIVE_TOKEN = 6, 3
HIDDEN_TOO, NUMBER = 1, 3  # TASK_ENUM_HIDDEN, VT_I4
NOT_FOUND, NO_PATH, DENIED, NOT_EMPTY = 0x80070002, 0x80070003, 0x80070005, 0x80070091
NOT_TOLD, OTHER_APARTMENT = 0x80004001, 0x80010106
SOME_TRIGGERS_FAILED = 0x0004131B  # counts as success there: registered, and part of it will never start
NO_RESULT = (0x00041301, 0x00041303, 0x00041325)  # it runs now, it never ran, it is queued
FIRST_DAY = datetime(1899, 12, 30)  # of an OLE date
NEVER_BEFORE = datetime(2000, 1, 1)  # a task that never ran has a date of 1899 or 1999

_ole32, _oleaut32 = ctypes.WinDLL("ole32"), ctypes.WinDLL("oleaut32")
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_oleaut32.SysAllocString.restype, _oleaut32.SysAllocString.argtypes = ctypes.c_void_p, (w.LPCWSTR,)
_oleaut32.SysFreeString.restype, _oleaut32.SysFreeString.argtypes = None, (ctypes.c_void_p,)
_ole32.CoCreateInstance.argtypes = (ctypes.c_char_p, ctypes.c_void_p, w.DWORD, ctypes.c_char_p, ctypes.c_void_p)
_ole32.CoInitializeEx.argtypes = (ctypes.c_void_p, w.DWORD)
for _name in ("CoCreateInstance", "CoInitializeEx"):
    getattr(_ole32, _name).restype = ctypes.c_long


class Task(NamedTuple):
    """What the Task Scheduler says of one task; None = it does not tell, or there is nothing to tell."""

    xml: str | None
    enabled: bool | None
    state: int | None  # 1 disabled, 2 queued, 3 ready, 4 running
    last_result: int | None  # an exit code, 0 .. 4294967295; None also when it never ran or runs now
    last_run: float | None  # seconds since 1970
    next_run: float | None


class _Variant(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_ushort), ("reserved", ctypes.c_ushort * 3), ("value", ctypes.c_void_p * 2))


def _number(value: int) -> _Variant:
    return _Variant(NUMBER, value=(ctypes.c_void_p * 2)(value, 0))


class _Interface:
    """One COM interface, let go of when the `with` ends."""

    def __init__(self, address: int | None) -> None:
        self.address = address

    def __enter__(self) -> _Interface:
        return self

    def __exit__(self, *_: object) -> None:
        self.call(RELEASE)

    def call(self, place: int, *arguments: Any) -> int:
        """The method at this place with arguments that are ctypes values; its HRESULT, 0 .. 4294967295."""
        table = ctypes.cast(self.address or 0, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
        kind = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *map(type, arguments))
        return int(kind(table[place] or 0)(self.address, *arguments)) & 0xFFFFFFFF

    def get(self, doing: str, place: int, *arguments: Any) -> _Interface:
        """The interface that a method gives as its last argument."""
        found = ctypes.c_void_p()
        _checked(self.call(place, *arguments, ctypes.pointer(found)), doing)
        return _Interface(found.value)


class Scheduler:
    """The Task Scheduler of this machine, connected; paths begin with a backslash."""

    def __init__(self, service: _Interface) -> None:
        self._service = service

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[_Interface]:
        with _text(path) as name, self._service.get(f"open folder {path}", GET_FOLDER, name) as folder:
            yield folder

    def read(self, path: str) -> Task | None:
        """What there is under this path; None = no such task. Raises PermissionError or OSError."""
        try:
            with self._folder("\\") as root, _text(path) as name, root.get(f"read {path}", GET_TASK, name) as task:
                return _told(task)
        except FileNotFoundError:
            return None

    def walk(self, path: str = "\\", without: Container[str] = ()) -> Iterator[tuple[str, Task]]:
        """Every task in a folder and below it, hidden ones too, that this user may see, by its path.

        `without`: paths of folders to leave out. Raises OSError when the tasks of the first folder are not told.
        """
        with self._folder(path) as folder:
            yield from _walk(folder, without)

    def register(self, path: str, xml: str) -> None:
        """Create the task, or replace it; its folders come into being. Raises PermissionError or OSError."""
        doing = f"register {path}"
        with self._folder("\\") as root, _text(path) as name, _text(xml) as text:
            made = ctypes.c_void_p()
            code = root.call(
                REGISTER_TASK, name, text, w.LONG(CREATE_OR_UPDATE), _Variant(), _Variant(),
                ctypes.c_int(INTERACTIVE_TOKEN), _Variant(), ctypes.pointer(made),
            )  # fmt: skip
            _checked(code, doing)
            with _Interface(made.value) if made.value else contextlib.nullcontext():
                if code == SOME_TRIGGERS_FAILED:
                    raise _error(code, doing)

    def delete(self, path: str) -> bool:
        """Take a task away; False when there is none. Raises PermissionError or OSError."""
        return self._deleted(path, DELETE_TASK)

    def delete_folder(self, path: str) -> bool:
        """Take an empty folder away; False when there is none, or something in it."""
        try:
            return self._deleted(path, DELETE_FOLDER)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                return False
            raise

    def _deleted(self, path: str, place: int) -> bool:
        try:
            with self._folder("\\") as root, _text(path) as name:
                _checked(root.call(place, name, w.LONG(0)), f"delete {path}")
        except FileNotFoundError:
            return False
        return True


@contextlib.contextmanager
def connect() -> Iterator[Scheduler]:
    """The Task Scheduler, for as long as it is needed, from any thread. Raises PermissionError or OSError."""
    begun = _ole32.CoInitializeEx(None, 0) & 0xFFFFFFFF
    if begun != OTHER_APARTMENT:  # this thread has COM already, in a way that suits us as well
        _checked(begun, "begin with COM")
    try:
        found = ctypes.c_void_p()
        ids = (uuid.UUID(CLASS).bytes_le, uuid.UUID(SERVICE).bytes_le)
        _checked(_ole32.CoCreateInstance(ids[0], None, 1, ids[1], ctypes.byref(found)) & 0xFFFFFFFF, "begin")
        with _Interface(found.value) as service:
            _checked(service.call(CONNECT, *(_Variant() for _ in range(4))), "connect")
            yield Scheduler(service)
    finally:
        if begun != OTHER_APARTMENT:
            _ole32.CoUninitialize()


def user_sid() -> str:
    """The security identifier of the user who runs this: S-1-5-21-..."""
    token, size = w.HANDLE(), w.DWORD()
    win32.checked(_advapi32.OpenProcessToken(w.HANDLE(win32.GetCurrentProcess()), 0x8, ctypes.byref(token)))
    try:
        _advapi32.GetTokenInformation(token, 1, None, 0, ctypes.byref(size))
        user = ctypes.create_string_buffer(size.value)  # TOKEN_USER: begins with the address of the SID
        win32.checked(_advapi32.GetTokenInformation(token, 1, user, size, ctypes.byref(size)))
    finally:
        win32.CloseHandle(token)
    text = w.LPWSTR()
    win32.checked(_advapi32.ConvertSidToStringSidW(ctypes.c_void_p.from_buffer(user), ctypes.byref(text)))
    try:
        return text.value or ""
    finally:
        local_free = ctypes.WinDLL("kernel32").LocalFree
        local_free.argtypes = (ctypes.c_void_p,)
        local_free(ctypes.cast(text, ctypes.c_void_p))


def since_1970(date: float | None) -> float | None:
    """An OLE date (days since 1899-12-30 by the local clock) as seconds since 1970; None = never."""
    moment = FIRST_DAY + timedelta(seconds=round((date or 0.0) * 86400))
    return moment.timestamp() if moment >= NEVER_BEFORE else None


def _walk(folder: _Interface, without: Container[str]) -> Iterator[tuple[str, Task]]:
    with folder.get("list tasks", GET_TASKS, w.LONG(HIDDEN_TOO)) as tasks:
        for task in _each(tasks):
            yield _string(task, PATH), _told(task)
    with folder.get("list folders", GET_FOLDERS, w.LONG(0)) as folders:
        for each in _each(folders):
            if _string(each, PATH) not in without:
                with contextlib.suppress(PermissionError):  # somebody else's, with nothing of this user in it
                    yield from _walk(each, without)


def _each(several: _Interface) -> Iterator[_Interface]:
    count = w.LONG()
    _checked(several.call(COUNT, ctypes.pointer(count)), "count what it lists")  # not told is not none
    for number in range(1, count.value + 1):
        with several.get("read a list", ITEM, _number(number)) as one:
            yield one


def _told(task: _Interface) -> Task:
    result = _property(task, LAST_RESULT, w.LONG())
    code = None if result is None else int(result) & 0xFFFFFFFF
    enabled = _property(task, ENABLED, ctypes.c_short())
    return Task(
        xml=_string(task, XML) or None,
        enabled=None if enabled is None else bool(enabled),
        state=_property(task, STATE, ctypes.c_int()),
        last_result=None if code in NO_RESULT else code,
        last_run=since_1970(_property(task, LAST_RUN, ctypes.c_double())),
        next_run=since_1970(_property(task, NEXT_RUN, ctypes.c_double())),
    )


def _property(task: _Interface, place: int, cell: Any) -> Any:
    """A property's value; None where the system does not tell it."""
    code = task.call(place, ctypes.pointer(cell))
    if code == NOT_TOLD or code in NO_RESULT:
        return None
    _checked(code, "read a property")
    return cell.value


def _string(of: _Interface, place: int) -> str:
    """A property that is a text; empty where the system does not tell it."""
    address = _property(of, place, ctypes.c_void_p())
    if not address:
        return ""
    try:
        return ctypes.wstring_at(address)
    finally:
        _oleaut32.SysFreeString(address)


@contextlib.contextmanager
def _text(text: str) -> Iterator[ctypes.c_void_p]:
    """A BSTR, which is the caller's to free."""
    address = _oleaut32.SysAllocString(text)
    try:
        yield ctypes.c_void_p(address)
    finally:
        _oleaut32.SysFreeString(address)


def _checked(code: int, doing: str) -> None:
    if code & 0x80000000:
        raise _error(code, doing)


def _error(code: int, doing: str) -> OSError:
    """FileNotFoundError, PermissionError, or an OSError; each names the HRESULT."""
    numbers = {NOT_FOUND: errno.ENOENT, NO_PATH: errno.ENOENT, DENIED: errno.EACCES, NOT_EMPTY: errno.ENOTEMPTY}
    return OSError(numbers.get(code, errno.EIO), f"Task Scheduler cannot {doing}: HRESULT 0x{code:08X}")
