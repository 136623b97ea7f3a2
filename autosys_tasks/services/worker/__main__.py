"""The worker's command line: options, start, end. Holds no rule of the work."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from autosys_tasks.core.errors import UsageError
from autosys_tasks.services.entry import run
from autosys_tasks.services.log import say
from autosys_tasks.services.paths import folder, workspace
from autosys_tasks.services.shutdown import Ending
from autosys_tasks.services.worker.client import Client, parse_server
from autosys_tasks.services.worker.commands import NAME, load
from autosys_tasks.services.worker.jobs import kinds
from autosys_tasks.services.worker.work import Me, work


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m autosys_tasks.services.worker",
        description="Execute tasks of the queue server: ping, wait, and the commands allowed here.",
    )
    add = parser.add_argument
    add("--server", default="http://127.0.0.1:8091", help="the queue server (default http://127.0.0.1:8091)")
    add("--name", help="the worker's name (default: the service's name, else `worker`)")
    add("--token-file", type=Path, help="the server's token (default: queue/token in the state folder)")
    add("--commands", type=Path, help="TOML or JSON file of allowed commands: [commands.NAME] argv = [...]")
    add("--allow", action="append", default=[], metavar="NAME=ARGV", help="one more allowed command")
    add("--lease", type=float, default=60.0, metavar="S", help="length of a lease (default 60)")
    add("--grace", type=float, default=2.0, metavar="S", help="time to finish when asked to end (default 2)")
    return parser


def main() -> int:
    """Work until asked to end; the exit code."""
    chosen = arguments().parse_args()
    name = chosen.name or os.environ.get("AUTOSYS_SERVICE") or "worker"
    if not NAME.fullmatch(name):
        raise UsageError(
            f"`{name}` is no name for a worker", where="--name", hint="letters, digits, `-`, `_`"
        )
    if not (0.1 <= chosen.lease <= 86_400 and 0 <= chosen.grace <= 3600):
        raise UsageError("--lease or --grace is out of range", hint="--lease 0.1 to 86400, --grace 0 to 3600")
    commands = load(chosen.commands, chosen.allow)
    instance = os.environ.get("AUTOSYS_INSTANCE") or os.urandom(8).hex()
    me = Me(name, instance, commands, workspace(), chosen.lease, chosen.grace)
    ending = Ending()
    ending.listen()
    token_file = chosen.token_file or folder("queue") / "token"
    say(f"worker: {name} serves {', '.join(kinds(commands))} for {chosen.server}")
    work(me, Client(parse_server(chosen.server), token_file, ending), ending)
    say("worker: ended as asked")
    return 0


if __name__ == "__main__":
    sys.exit(run("worker", main))
