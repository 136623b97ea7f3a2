"""Notes HEAD at the first bring-up: what comes later is new, also where no upgrade has been yet."""

from __future__ import annotations

import contextlib

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.supervise import run_lock
from autosys_tasks.supervise.house import House
from autosys_tasks.upgrade import stamps


def record_baseline(house: House) -> None:
    """Note HEAD, and what `python tasks.py` has made, where nothing is known yet. Never fails its caller."""
    if stamps.read_baseline(house.place) is not None or stamps.read_kept(house.place) is not None:
        return
    from autosys_tasks.upgrade import look
    from autosys_tasks.upgrade.file_cache import FileCache
    from autosys_tasks.upgrade.head import head

    with (
        contextlib.suppress(AutosysError, OSError, ValueError),  # the next bring-up tries again
        run_lock.held(house.place, "bringup", wait_s=0.0, lock=run_lock.UPGRADES),
    ):
        for seen in look.look(house, FileCache(house.place, house.config.path)).environments:
            if seen.record.done and stamps.read_record(house.place, seen.name).done is None:
                stamps.write_record(house.place, seen.name, seen.record._replace(path=seen.environment.path))
        at = head(house.config.path)
        stamps.write_baseline(house.place, at.commit if at else "")
