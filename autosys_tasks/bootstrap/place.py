"""Where the state folder of a workspace is, found without config and supervise, which may be what is broken."""

from __future__ import annotations

import os
import sys

from .tree import FOLDER


def state_folder() -> str:
    """The state folder of the workspace that this command is about, "" when there is none yet. As config and
    supervise find it, who may be broken; the name in it needs no reading of autosys.toml."""
    said = os.environ.get("AUTOSYS_STATE")
    if said:
        return os.path.abspath(said)
    workspace = _workspace()
    if not workspace:
        return ""
    import glob
    import hashlib

    digest = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:8]
    pattern = os.path.join(glob.escape(_state_home()), "autosys", f"*-{digest}", FOLDER, "good.json")
    found = max(glob.glob(pattern), key=os.path.getmtime, default="")
    return os.path.dirname(os.path.dirname(found))


def _workspace() -> str:
    said = os.environ.get("AUTOSYS_WORKSPACE")
    try:
        folder = os.path.realpath(said or os.getcwd())
    except OSError:
        return ""
    while not os.path.isfile(os.path.join(folder, "autosys.toml")):
        above = os.path.dirname(folder)
        if above == folder or said:
            return ""
        folder = above
    return folder


def _state_home() -> str:
    home = os.path.expanduser("~")
    homes = {
        "win32": os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"),
        "darwin": os.path.join(home, "Library", "Application Support"),
    }
    return homes.get(sys.platform) or os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
