"""The monitor's command line: options, start, end. Takes no sample itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from autosys_tasks.core.errors import UsageError
from autosys_tasks.services.entry import keep_files_private, run
from autosys_tasks.services.log import say
from autosys_tasks.services.loopback import HOST, listen, serve
from autosys_tasks.services.monitor.sample import Sampler
from autosys_tasks.services.monitor.store import Store
from autosys_tasks.services.monitor.watch import Watch
from autosys_tasks.services.paths import folder, state, workspace
from autosys_tasks.services.shutdown import Ending


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m autosys_tasks.services.monitor",
        description="Sample the system and the workspace's services; tell it on 127.0.0.1.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8092, help="port on 127.0.0.1; 0 takes a free one (default 8092)")
    add("--interval", type=float, default=5.0, metavar="S", help="seconds between samples (default 5)")
    add("--db", type=Path, help="the SQLite file (default: monitor/samples.sqlite3 in the state folder)")
    return parser


def main() -> int:
    """Sample and serve until asked to end; the exit code."""
    chosen = arguments().parse_args()
    if not 0.05 <= chosen.interval <= 3600:
        raise UsageError(f"--interval `{chosen.interval:g}` is out of range", hint="0.05 to 3600 seconds")
    keep_files_private()
    ending = Ending()
    ending.listen()
    server = listen(chosen.port)
    path = chosen.db or folder("monitor") / "samples.sqlite3"
    store = Store(path)
    watch = Watch(store, Sampler(workspace()), state(), chosen.interval)
    server.site = watch.site()
    say(f"monitor: ready on http://{HOST}:{server.port} (every {chosen.interval:g} s into {path})")
    serve(server, ending, chosen.interval, watch.turn)
    store.close()
    say("monitor: ended as asked")
    return 0


if __name__ == "__main__":
    sys.exit(run("monitor", main))
