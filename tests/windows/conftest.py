"""Makes this folder's own tools importable, and those that others share; Linux' side of it is not for Windows."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e", HERE.parent / "schedule"):
    sys.path.insert(0, str(folder))

collect_ignore = ["test_from_linux.py"] if sys.platform == "win32" else [
    path.name for path in HERE.glob("test_*.py") if path.name != "test_from_linux.py"
]  # fmt: skip
