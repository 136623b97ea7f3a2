"""The queue server's command line: options, start, end. Holds no rule of the queue."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from autosys_tasks.services.bearer import keep_token
from autosys_tasks.services.entry import keep_files_private, run
from autosys_tasks.services.log import say
from autosys_tasks.services.loopback import HOST, listen, serve
from autosys_tasks.services.paths import folder
from autosys_tasks.services.queue.api import Api
from autosys_tasks.services.queue.database import Database, Unavailable, open_database
from autosys_tasks.services.queue.engine import purge, resume
from autosys_tasks.services.shutdown import Ending

PURGE_EVERY_S = 3600.0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m autosys_tasks.services.queue",
        description="Serve the task queue on 127.0.0.1. Ends with 0 on SIGTERM or Ctrl-C.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8091, help="port on 127.0.0.1; 0 takes a free one (default 8091)")
    add("--db", type=Path, help="the SQLite file (default: queue/queue.sqlite3 in the state folder)")
    add("--token-file", type=Path, help="made when absent (default: queue/token in the state folder)")
    return parser


def main() -> int:
    """Bind, open, serve until asked to end; the exit code."""
    chosen = arguments().parse_args()
    keep_files_private()
    ending = Ending()
    ending.listen()
    server = listen(chosen.port)
    token_file = chosen.token_file or folder("queue") / "token"
    path = chosen.db or folder("queue") / "queue.sqlite3"
    db = open_database(path)
    renewed = resume(db, now=time.time())
    server.site = Api(db).site(keep_token(token_file))
    say(
        f"queue: ready on http://{HOST}:{server.port} (database {path}, token {token_file}, {renewed} leased)"
    )
    serve(server, ending, PURGE_EVERY_S, lambda: _purge(db))
    db.close()
    say("queue: ended as asked")
    return 0


def _purge(db: Database) -> None:
    try:
        purge(db, now=time.time())
    except Unavailable as error:
        say(f"queue: old tasks not removed: {error.message}")


if __name__ == "__main__":
    sys.exit(run("queue", main))
