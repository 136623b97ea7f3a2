"""THE OS: the only room that asks which one this is. Same names for each; see tests/contract."""

from __future__ import annotations

import sys

from autosys_tasks.host.types import Exit, Identity, Launch, Marked, Process

if sys.platform == "linux":
    from autosys_tasks.host import linux_units as units
else:
    from autosys_tasks.host import no_units as units

if sys.platform == "win32":
    from autosys_tasks.host.windows import (
        become,
        cut_head,
        fork,
        keep_freed_memory,
        on_polite_stop,
        state_home,
        user_id,
        user_name,
    )
    from autosys_tasks.host.windows_lock import (
        Bell,
        Lock,
        lock_held,
        lock_holders,
        open_append,
        open_read,
        ring,
        take_lock,
    )
    from autosys_tasks.host.windows_process import (
        alive,
        ask_to_end,
        boot_clock,
        boot_id,
        end,
        end_group,
        family,
        group_lives,
        identity,
        listeners,
        marked,
        memory_of,
        port_owner,
        processes,
        started_wall,
    )
    from autosys_tasks.host.windows_spawn import (
        background_python,
        bin_folder,
        own_python,
        point_to,
        pointed,
        program,
        python_in,
        spawn,
        spawn_flags,
        unpoint,
        wait_unreaped,
    )
    from autosys_tasks.host.windows_wait import Waiter, exit_of
else:
    from autosys_tasks.host.posix import (
        Bell,
        Lock,
        background_python,
        become,
        bin_folder,
        end_group,
        lock_held,
        on_polite_stop,
        open_append,
        open_read,
        own_python,
        point_to,
        pointed,
        program,
        python_in,
        ring,
        spawn,
        spawn_flags,
        take_lock,
        unpoint,
        user_id,
        user_name,
        wait_unreaped,
    )

    if sys.platform == "darwin":
        from autosys_tasks.host.macos import (
            Waiter,
            alive,
            ask_to_end,
            boot_clock,
            boot_id,
            cut_head,
            end,
            exit_of,
            family,
            fork,
            identity,
            keep_freed_memory,
            listeners,
            lock_holders,
            marked,
            memory_of,
            port_owner,
            processes,
            started_wall,
            state_home,
        )
        from autosys_tasks.host.posix import group_lives
    else:
        from autosys_tasks.host.linux import (
            alive,
            ask_to_end,
            boot_clock,
            boot_id,
            cut_head,
            end,
            family,
            fork,
            group_lives,
            identity,
            keep_freed_memory,
            listeners,
            lock_holders,
            marked,
            memory_of,
            port_owner,
            processes,
            started_wall,
            state_home,
        )
        from autosys_tasks.host.linux_wait import Waiter, exit_of

PLATFORM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")

__all__ = [
    "PLATFORM",
    "Bell",
    "Exit",
    "Identity",
    "Launch",
    "Lock",
    "Marked",
    "Process",
    "Waiter",
    "alive",
    "ask_to_end",
    "background_python",
    "become",
    "bin_folder",
    "boot_clock",
    "boot_id",
    "cut_head",
    "end",
    "end_group",
    "exit_of",
    "family",
    "fork",
    "group_lives",
    "identity",
    "keep_freed_memory",
    "listeners",
    "lock_held",
    "lock_holders",
    "marked",
    "memory_of",
    "on_polite_stop",
    "open_append",
    "open_read",
    "own_python",
    "point_to",
    "pointed",
    "port_owner",
    "processes",
    "program",
    "python_in",
    "ring",
    "spawn",
    "spawn_flags",
    "started_wall",
    "state_home",
    "take_lock",
    "units",
    "unpoint",
    "user_id",
    "user_name",
    "wait_unreaped",
]
