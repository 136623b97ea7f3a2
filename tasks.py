"""The entry: `ns` for Invoke; `python tasks.py TASK...` makes or repairs .venv and becomes its `inv TASK...`.

Every Python from 2.7 on can read this file, so that each can say what it lacks; the work is done in
autosys_tasks/bootstrap/.
"""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "autosys: Python 3.11 or newer is needed, and this is %d.%d (%s); try: python3.11 tasks.py %s"
        % (sys.version_info[0], sys.version_info[1], sys.executable, " ".join(sys.argv[1:]))
    )

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    # Beside the package, not through it: `autosys_tasks` imports Invoke, which may not be installed yet.
    sys.path.insert(0, os.path.join(HERE, "autosys_tasks"))
    from bootstrap import entry

    del sys.path[0]
    sys.exit(entry.run(HERE, sys.argv[1:]))

# Invoke sets it, and then our modules would be compiled anew at every start; a dry run writes nothing at all.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode) or "--dry-run" in sys.argv or "--dry" in sys.argv
try:
    from autosys_tasks import ns
except Exception as error:  # noqa: BLE001 (whatever a pull broke: the last good version goes on)
    sys.path.insert(0, os.path.join(HERE, "autosys_tasks"))
    from bootstrap import rescue

    del sys.path[0]
    ns = rescue.table(error)
