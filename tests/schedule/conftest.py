"""Makes this folder's own tools importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
