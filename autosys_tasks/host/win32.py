"""Win32 through ctypes: declarations, and the few calls that everything here is made of. Decides nothing."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator
from ctypes import wintypes as w
from typing import NamedTuple

assert sys.platform == "win32"

SYNCHRONIZE = 0x00100000
PROCESS_TERMINATE = 0x0001
PROCESS_QUERY_LIMITED = 0x1000
ACCESS_DENIED, SHARING_VIOLATION, INVALID_PARAMETER = 5, 32, 87
INFINITE = 0xFFFFFFFF
INVALID_HANDLE = ctypes.c_void_p(-1).value
EVENT_MODIFY_STATE = 0x0002
JOB_QUERY = 0x0004
JOB_MEMORY, JOB_BREAKAWAY_OK, JOB_SILENT_BREAKAWAY_OK, JOB_KILL_ON_CLOSE = 0x200, 0x800, 0x1000, 0x2000
_TOO_SMALL = 122
_MISMATCH = ctypes.c_long(0xC0000004).value  # STATUS_INFO_LENGTH_MISMATCH: a larger buffer, please

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")
_iphlpapi = ctypes.WinDLL("iphlpapi")


def _declare(
    library: ctypes.WinDLL, name: str, result: type | None, *arguments: object
) -> Callable[..., int]:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


_P = ctypes.c_void_p
OpenProcess = _declare(_kernel32, "OpenProcess", w.HANDLE, w.DWORD, w.BOOL, w.DWORD)
GetProcessId = _declare(_kernel32, "GetProcessId", w.DWORD, w.HANDLE)
GetProcessTimes = _declare(_kernel32, "GetProcessTimes", w.BOOL, w.HANDLE, _P, _P, _P, _P)
GetExitCodeProcess = _declare(_kernel32, "GetExitCodeProcess", w.BOOL, w.HANDLE, _P)
TerminateProcess = _declare(_kernel32, "TerminateProcess", w.BOOL, w.HANDLE, w.UINT)
SetPriorityClass = _declare(_kernel32, "SetPriorityClass", w.BOOL, w.HANDLE, w.DWORD)
GetCurrentProcess = _declare(_kernel32, "GetCurrentProcess", w.HANDLE)
QueryFullProcessImageName = _declare(
    _kernel32, "QueryFullProcessImageNameW", w.BOOL, w.HANDLE, w.DWORD, w.LPWSTR, _P
)
CloseHandle = _declare(_kernel32, "CloseHandle", w.BOOL, w.HANDLE)
WaitForSingleObject = _declare(_kernel32, "WaitForSingleObject", w.DWORD, w.HANDLE, w.DWORD)
RegisterWait = _declare(
    _kernel32, "RegisterWaitForSingleObject", w.BOOL, _P, w.HANDLE, _P, _P, w.DWORD, w.DWORD
)
UnregisterWait = _declare(_kernel32, "UnregisterWaitEx", w.BOOL, w.HANDLE, w.HANDLE)
CreateEvent = _declare(_kernel32, "CreateEventW", w.HANDLE, _P, w.BOOL, w.BOOL, w.LPCWSTR)
OpenEvent = _declare(_kernel32, "OpenEventW", w.HANDLE, w.DWORD, w.BOOL, w.LPCWSTR)
SetEvent = _declare(_kernel32, "SetEvent", w.BOOL, w.HANDLE)
ResetEvent = _declare(_kernel32, "ResetEvent", w.BOOL, w.HANDLE)
CreateFile = _declare(
    _kernel32, "CreateFileW", w.HANDLE, w.LPCWSTR, w.DWORD, w.DWORD, _P, w.DWORD, w.DWORD, w.HANDLE
)
CreateJobObject = _declare(_kernel32, "CreateJobObjectW", w.HANDLE, _P, w.LPCWSTR)
OpenJobObject = _declare(_kernel32, "OpenJobObjectW", w.HANDLE, w.DWORD, w.BOOL, w.LPCWSTR)
SetInformationJobObject = _declare(
    _kernel32, "SetInformationJobObject", w.BOOL, w.HANDLE, ctypes.c_int, _P, w.DWORD
)
QueryInformationJobObject = _declare(
    _kernel32, "QueryInformationJobObject", w.BOOL, w.HANDLE, ctypes.c_int, _P, w.DWORD, _P
)
AssignProcessToJobObject = _declare(_kernel32, "AssignProcessToJobObject", w.BOOL, w.HANDLE, w.HANDLE)
IsProcessInJob = _declare(_kernel32, "IsProcessInJob", w.BOOL, w.HANDLE, w.HANDLE, _P)
GetTickCount64 = _declare(_kernel32, "GetTickCount64", ctypes.c_ulonglong)
SetConsoleCtrlHandler = _declare(_kernel32, "SetConsoleCtrlHandler", w.BOOL, _P, w.BOOL)
GetExtendedTcpTable = _declare(
    _iphlpapi, "GetExtendedTcpTable", w.DWORD, _P, _P, w.BOOL, w.ULONG, ctypes.c_int, w.ULONG
)
NtQuerySystemInformation = _declare(
    _ntdll, "NtQuerySystemInformation", ctypes.c_long, ctypes.c_int, _P, w.ULONG, _P
)
NtQueryInformationFile = _declare(
    _ntdll, "NtQueryInformationFile", ctypes.c_long, w.HANDLE, _P, _P, w.ULONG, ctypes.c_int
)


def error() -> OSError:
    """What the last call failed with, as the OSError that fits (FileNotFoundError, PermissionError ...)."""
    return ctypes.WinError(ctypes.get_last_error())


def checked(result: int) -> int:
    """`result`, or the error that its being nothing means."""
    if not result or result == INVALID_HANDLE:
        raise error()
    return result


@contextlib.contextmanager
def process(pid: int, access: int = 0) -> Iterator[int | None]:
    """A handle of the process with this pid for as long as it is needed: no other can get that pid meanwhile.

    None = no such process; raises PermissionError when it is not ours to see.
    """
    handle = open_process(pid, access)
    try:
        yield handle
    finally:
        if handle is not None:
            CloseHandle(handle)


def open_process(pid: int, access: int = 0) -> int | None:
    """The same, for the caller to close."""
    if pid <= 0:
        return None
    handle = OpenProcess(access | PROCESS_QUERY_LIMITED | SYNCHRONIZE, False, pid)
    if not handle:
        if ctypes.get_last_error() == INVALID_PARAMETER:
            return None
        raise error()
    if GetProcessId(handle) != pid:  # the last two bits of a pid are not looked at
        CloseHandle(handle)
        return None
    return handle


def started(handle: int) -> str:
    """When it was created, in 100 ns since 1601: fixed at creation, no clock setting moves it."""
    times = [w.FILETIME() for _ in range(4)]
    checked(GetProcessTimes(handle, *(ctypes.byref(one) for one in times)))
    return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)


def ended(handle: int) -> bool:
    """Whether it is over although somebody (we) still holds a handle of it."""
    return WaitForSingleObject(handle, 0) == 0


def exit_code(handle: int) -> int:
    """The code of a process that has ended, 0 .. 4294967295."""
    code = w.DWORD()
    checked(GetExitCodeProcess(handle, ctypes.byref(code)))
    return code.value


def image_name(handle: int) -> str:
    """The path of the program that runs in it."""
    size = w.DWORD(32768)
    buffer = ctypes.create_unicode_buffer(size.value)
    checked(QueryFullProcessImageName(handle, 0, buffer, ctypes.byref(size)))
    return buffer.value


class _TimeOfDay(ctypes.Structure):
    _fields_ = (
        ("boot_time", ctypes.c_longlong),
        ("current_time", ctypes.c_longlong),
        ("zone_bias", ctypes.c_longlong),
        ("zone_id", w.ULONG),
        ("reserved", w.ULONG),
        ("boot_time_bias", ctypes.c_ulonglong),
        ("sleep_time_bias", ctypes.c_ulonglong),
    )


def boot_time() -> int:
    """When this run of the kernel began, in 100 ns since 1601, by the clock of that moment.

    Setting the clock moves `boot_time` and `boot_time_bias` by the same amount; their difference stays.
    """
    day = _TimeOfDay()
    NtQuerySystemInformation(3, ctypes.byref(day), ctypes.sizeof(day), None)
    return int(day.boot_time) - int(day.boot_time_bias)


class _Name(ctypes.Structure):
    _fields_ = (("length", w.USHORT), ("maximum", w.USHORT), ("buffer", _P))


class _Entry(ctypes.Structure):
    _fields_ = (
        ("next", w.ULONG),
        ("threads", w.ULONG),
        ("private", ctypes.c_longlong),
        ("faults_and_threads", w.ULONG * 2),
        ("cycles", ctypes.c_ulonglong),
        ("created", ctypes.c_longlong),
        ("times", ctypes.c_longlong * 2),
        ("name", _Name),
        ("priority", w.LONG),
        ("pid", ctypes.c_size_t),
        ("parent", ctypes.c_size_t),
        ("handles", w.ULONG),
        ("session", w.ULONG),
        ("key", ctypes.c_size_t),
        ("virtual", ctypes.c_size_t * 2),
        ("page_faults", w.ULONG),
        ("peak_resident", ctypes.c_size_t),
        ("resident", ctypes.c_size_t),
    )


CONSOLE_HOST = "conhost.exe"  # bears its client's environment and parent, and comes and goes with the console


class Row(NamedTuple):
    """One process as the kernel's table has it: also those that we may not open."""

    pid: int
    parent: int  # may be dead, and its pid another's: compare `created`
    created: int  # 100 ns since 1601; as text it is the token of an identity
    session: int
    resident: int  # bytes


def table() -> dict[int, Row]:
    """All living processes by pid, in one call; less those that only draw consoles."""
    size = w.ULONG(1 << 18)
    while True:
        buffer = ctypes.create_string_buffer(size.value)
        status = NtQuerySystemInformation(5, buffer, len(buffer), ctypes.byref(size))
        if status != _MISMATCH:
            break
        size.value = max(size.value, len(buffer)) + (1 << 16)
    if status < 0:
        raise OSError(f"the process table cannot be read (status {status & 0xFFFFFFFF:#x})")
    return {row.pid: row for row in _rows(buffer) if row.pid}


def _rows(buffer: ctypes.Array[ctypes.c_char]) -> Iterator[Row]:
    at = 0
    while True:
        entry = _Entry.from_buffer(buffer, at)
        name = ctypes.wstring_at(entry.name.buffer, entry.name.length // 2) if entry.name.length else ""
        if name.lower() != CONSOLE_HOST:
            yield Row(entry.pid, entry.parent, entry.created, entry.session, entry.resident)
        if not entry.next:
            return
        at += entry.next


def listening() -> Iterator[tuple[int, int]]:
    """(port, pid) of each TCP socket that listens, over IPv4 and IPv6; pid 0 = the system does not say."""
    for family, width, port_at, pid_at in ((2, 24, 8, 20), (23, 56, 20, 52)):  # MIB_TCP(6)ROW_OWNER_PID
        size = w.DWORD(1 << 14)
        while True:
            buffer = ctypes.create_string_buffer(size.value)
            code = GetExtendedTcpTable(buffer, ctypes.byref(size), False, family, 3, 0)  # 3: listeners, with pids
            if code != _TOO_SMALL:
                break
        if code:
            continue  # this machine has no such protocol
        for at in range(4, 4 + width * int.from_bytes(buffer.raw[:4], "little"), width):
            port, pid = (buffer.raw[at + of : at + of + 4] for of in (port_at, pid_at))
            yield int.from_bytes(port[:2], "big"), int.from_bytes(pid, "little")


class _Limits(ctypes.Structure):  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
    _fields_ = (
        ("times", ctypes.c_longlong * 2),
        ("flags", w.DWORD),
        ("working_set", ctypes.c_size_t * 2),
        ("processes", w.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", w.DWORD),
        ("scheduling", w.DWORD),
        ("io", ctypes.c_ulonglong * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peaks", ctypes.c_size_t * 2),
    )


def new_job(name: str | None, flags: int, memory_max: int | None = None) -> int:
    """A job object with these limits; the caller closes it. Memory is in bytes, for all members together."""
    job = checked(CreateJobObject(None, name))
    limits = _Limits(flags=flags)
    if memory_max is not None:
        limits.flags |= JOB_MEMORY
        limits.job_memory = memory_max
    checked(SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits)))
    return job


def job_members(name: str) -> list[int]:
    """The pids in a named job; none when there is no such job."""
    job = OpenJobObject(JOB_QUERY, False, name)
    if not job:
        return []
    try:
        room = 1024

        class Ids(ctypes.Structure):
            _fields_ = (("assigned", w.DWORD), ("listed", w.DWORD), ("pids", ctypes.c_size_t * room))

        ids = Ids()
        QueryInformationJobObject(job, 3, ctypes.byref(ids), ctypes.sizeof(ids), None)
        return list(ids.pids[: ids.listed])
    finally:
        CloseHandle(job)


def in_job(handle: int) -> bool:
    """Whether a process is in any job."""
    answer = w.BOOL()
    checked(IsProcessInJob(handle, None, ctypes.byref(answer)))
    return bool(answer.value)


def users_of_file(handle: int) -> list[int] | None:
    """The pids that have the file of this handle open (ours too); None where the system does not say."""
    room = 256

    class Ids(ctypes.Structure):
        _fields_ = (("count", w.ULONG), ("pids", ctypes.c_size_t * room))

    ids, block = Ids(), (ctypes.c_size_t * 2)()
    status = NtQueryInformationFile(handle, ctypes.byref(block), ctypes.byref(ids), ctypes.sizeof(ids), 47)
    return None if status < 0 else list(ids.pids[: min(ids.count, room)])
