"""The supervisors that are compared, one module each, all with the same few names.

NAME           what it is called
INSTALL        the command that brings it when it is not found
CHAIN          whether a service can wait until another one is ready
version()      its version, or None when it is not there
environment(folder)   what its commands need in their environment
write(room)    its configuration for the room's jobs
start(room)    brings everything up, from nothing; True when all was ready at its end
again(room)    what a person does after the supervisor itself was killed
status(room)   the command that shows the state of all services

and, where it is of use:

install()      brings it from a registry into the cache
save(room)     what a person does before the supervisor is killed, so that it remembers its services
SUPERVISOR     the word in an argv that tells the supervisor from its other processes
KILLS          fewer kills, because each takes long
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NAMES = ("autosys", "runit", "supervisor", "circus", "pm2", "process_compose", "oxmgr", "pitchfork")


def load(name: str) -> ModuleType:
    """The module of the peer called `name`, written with - or _."""
    return import_module(f"peers.{name.replace('-', '_')}")
