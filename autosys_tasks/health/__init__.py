"""The page of checks, their fixes, and the proof of both: every green is proven, every red says why."""
