"""One look at the system and each service, with psutil. Stores nothing; the unknown is None, never 0."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from autosys_tasks.services.monitor.records import Record, process_of

if TYPE_CHECKING:
    import psutil

T = TypeVar("T")


class System(NamedTuple):
    """The machine: percents of all, bytes, bytes a second since the last look, 1-minute load."""

    cpu_percent: float | None
    memory_percent: float | None
    memory_available: int | None
    swap_percent: float | None
    disk_percent: float | None
    disk_free: int | None
    disk_read_s: float | None
    disk_write_s: float | None
    net_sent_s: float | None
    net_received_s: float | None
    load_1: float | None


class ServiceSample(NamedTuple):
    """One service: `up` is 0 when its record has no live process; cpu_percent is of one core."""

    name: str
    pid: int | None
    up: int
    cpu_percent: float | None
    rss: int | None
    threads: int | None


class Sampler:
    """Keeps what rates need: the last counters and each service's process object."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._before: tuple[float, Mapping[str, int]] | None = None
        self._processes: dict[Record, psutil.Process] = {}
        self._warm = False

    def system(self) -> System:
        """The machine now; rates and cpu are None at the first look, and after `forget`."""
        import psutil

        cpu = _known(lambda: psutil.cpu_percent(None))
        memory, swap = _known(psutil.virtual_memory), _known(psutil.swap_memory)
        disk = _known(lambda: psutil.disk_usage(str(self._disk)))
        rates = self._rates(time.monotonic(), _counters())
        warm, self._warm = self._warm, True
        return System(
            cpu if warm else None,
            memory and memory.percent,
            memory and memory.available,
            swap and swap.percent,
            disk and disk.percent,
            disk and disk.free,
            rates.get("read"),
            rates.get("write"),
            rates.get("sent"),
            rates.get("received"),
            _known(lambda: round(psutil.getloadavg()[0], 2)),
        )

    def _rates(self, at: float, counters: Mapping[str, int]) -> dict[str, float]:
        before, self._before = self._before, (at, counters)
        if before is None or at <= before[0]:
            return {}
        seconds = at - before[0]
        moved = {name: counters[name] - before[1][name] for name in counters if name in before[1]}
        return {name: round(change / seconds, 1) for name, change in moved.items() if change >= 0}

    def services(self, records: tuple[Record, ...]) -> list[ServiceSample]:
        """Each service now; a process is looked up once and kept while its record stays the same."""
        self._processes = {record: held for record, held in self._processes.items() if record in records}
        return [self._service(record) for record in records]

    def _service(self, record: Record) -> ServiceSample:
        import psutil

        process, cold = self._processes.get(record), False
        if process is None and (process := process_of(record)) is not None:
            self._processes[record], cold = process, True
        down = ServiceSample(record.name, record.pid, 0, None, None, None)
        try:
            if process is None or not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                self._processes.pop(record, None)
                return down
            with process.oneshot():
                cpu, rss, threads = (
                    process.cpu_percent(None),
                    process.memory_info().rss,
                    process.num_threads(),
                )
        except psutil.AccessDenied:
            return down._replace(up=1)
        except psutil.Error:
            return down
        return ServiceSample(record.name, record.pid, 1, None if cold else cpu, rss, threads)

    def forget(self) -> None:
        """After a gap: rates over it would be averages of a time nobody observed."""
        self._before, self._warm = None, False


def _counters() -> dict[str, int]:
    import psutil

    disk, net = _known(psutil.disk_io_counters), _known(psutil.net_io_counters)
    counters = {"read": disk.read_bytes, "write": disk.write_bytes} if disk else {}
    return {**counters, **({"sent": net.bytes_sent, "received": net.bytes_recv} if net else {})}


def _known(look: Callable[[], T]) -> T | None:
    """What `look` says, None where this system does not tell (containers, permissions)."""
    import psutil

    with contextlib.suppress(OSError, psutil.Error, NotImplementedError, RuntimeError):
        return look()
    return None
