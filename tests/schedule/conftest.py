"""Makes this folder's own tools importable, and those of the tests of whole commands."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    sys.path.insert(0, str(folder))
