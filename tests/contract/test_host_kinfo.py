"""macOS's process entries, built from the documented structures and read back. Runs everywhere."""

from __future__ import annotations

import ctypes as c

from autosys_tasks.host.macos_kinfo import SIZE, kinfo, kinfos


class Timeval(c.Structure):
    """<sys/_types/_timeval.h>: seconds as long, microseconds as int."""

    _fields_ = [("tv_sec", c.c_int64), ("tv_usec", c.c_int32)]


class ExternProc(c.Structure):
    """<sys/proc.h> `struct extern_proc`, 64 bit."""

    _fields_ = [
        ("p_starttime", Timeval),
        ("p_vmspace", c.c_uint64),
        ("p_sigacts", c.c_uint64),
        ("p_flag", c.c_int),
        ("p_stat", c.c_char),
        ("p_pid", c.c_int),
        ("p_oppid", c.c_int),
        ("p_dupfd", c.c_int),
        ("user_stack", c.c_uint64),
        ("exit_thread", c.c_uint64),
        ("p_debugger", c.c_int),
        ("sigwait", c.c_int),
        ("p_estcpu", c.c_uint),
        ("p_cpticks", c.c_int),
        ("p_pctcpu", c.c_uint32),
        ("p_wchan", c.c_uint64),
        ("p_wmesg", c.c_uint64),
        ("p_swtime", c.c_uint),
        ("p_slptime", c.c_uint),
        ("p_realtimer", Timeval * 2),
        ("p_rtime", Timeval),
        ("p_uticks", c.c_uint64),
        ("p_sticks", c.c_uint64),
        ("p_iticks", c.c_uint64),
        ("p_traceflag", c.c_int),
        ("p_tracep", c.c_uint64),
        ("p_siglist", c.c_int),
        ("p_textvp", c.c_uint64),
        ("p_holdcnt", c.c_int),
        ("p_sigmask", c.c_uint32),
        ("p_sigignore", c.c_uint32),
        ("p_sigcatch", c.c_uint32),
        ("p_priority", c.c_ubyte),
        ("p_usrpri", c.c_ubyte),
        ("p_nice", c.c_char),
        ("p_comm", c.c_char * 17),
        ("p_pgrp", c.c_uint64),
        ("p_addr", c.c_uint64),
        ("p_xstat", c.c_ushort),
        ("p_acflag", c.c_ushort),
        ("p_ru", c.c_uint64),
    ]


class Pcred(c.Structure):
    """<sys/sysctl.h> `struct _pcred`."""

    _fields_ = [
        ("pc_lock", c.c_char * 72),
        ("pc_ucred", c.c_uint64),
        ("p_ruid", c.c_uint32),
        ("p_svuid", c.c_uint32),
        ("p_rgid", c.c_uint32),
        ("p_svgid", c.c_uint32),
        ("p_refcnt", c.c_int),
    ]


class Ucred(c.Structure):
    """<sys/sysctl.h> `struct _ucred`."""

    _fields_ = [
        ("cr_ref", c.c_int32),
        ("cr_uid", c.c_uint32),
        ("cr_ngroups", c.c_short),
        ("cr_groups", c.c_uint32 * 16),
    ]


class Vmspace(c.Structure):
    """<sys/vm.h> `struct vmspace`."""

    _fields_ = [
        ("dummy", c.c_int32),
        ("dummy2", c.c_uint64),
        ("dummy3", c.c_int32 * 5),
        ("dummy4", c.c_uint64 * 3),
    ]


class Eproc(c.Structure):
    """<sys/sysctl.h> `struct eproc`."""

    _fields_ = [
        ("e_paddr", c.c_uint64),
        ("e_sess", c.c_uint64),
        ("e_pcred", Pcred),
        ("e_ucred", Ucred),
        ("e_vm", Vmspace),
        ("e_ppid", c.c_int),
        ("e_pgid", c.c_int),
        ("e_jobc", c.c_short),
        ("e_tdev", c.c_int),
        ("e_tpgid", c.c_int),
        ("e_tsess", c.c_uint64),
        ("e_wmesg", c.c_char * 8),
        ("e_xsize", c.c_int32),
        ("e_xrssize", c.c_short),
        ("e_xccount", c.c_short),
        ("e_xswrss", c.c_short),
        ("e_flag", c.c_int32),
        ("e_login", c.c_char * 12),
        ("e_spare", c.c_int32 * 4),
    ]


class KinfoProc(c.Structure):
    """<sys/sysctl.h> `struct kinfo_proc`."""

    _fields_ = [("kp_proc", ExternProc), ("kp_eproc", Eproc)]


def entry(pid: int, *, stat: int = 2, start: tuple[int, int] = (1764045000, 123)) -> KinfoProc:
    """What the kernel would say of one process; every byte that is not asked for is set."""
    one = KinfoProc()
    c.memset(c.byref(one), 0x5A, c.sizeof(one))
    one.kp_proc.p_starttime.tv_sec, one.kp_proc.p_starttime.tv_usec = start
    one.kp_proc.p_stat = bytes([stat])
    one.kp_proc.p_pid = pid
    one.kp_eproc.e_ucred.cr_uid = 501
    one.kp_eproc.e_ppid, one.kp_eproc.e_pgid = 77, 4000
    return one


def test_the_documented_structure_has_the_size_we_read():
    assert c.sizeof(KinfoProc) == SIZE == 648


def test_an_entry_is_read_as_the_headers_lay_it_out():
    assert kinfo(bytes(entry(4321))) == (4321, 77, 4000, 501, "1764045000.000123", False)


def test_a_zombie_is_told():
    found = kinfo(bytes(entry(4321, stat=5)))
    assert found is not None and found.zombie


def test_the_token_tells_two_starts_of_one_pid_apart():
    one, other = kinfo(bytes(entry(9, start=(5, 1)))), kinfo(bytes(entry(9, start=(5, 10))))
    assert one is not None and other is not None
    assert (one.token, other.token) == ("5.000001", "5.000010")


def test_nothing_empty_or_torn_is_a_process():
    assert kinfo(b"") is None
    assert kinfo(bytes(SIZE)) is None
    assert kinfo(bytes(entry(1))[:-1]) is None
    assert [one.pid for one in kinfos(bytes(entry(1)) + bytes(entry(2)) + b"torn")] == [1, 2]
