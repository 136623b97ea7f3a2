"""The report of the last hours and the dashboard page: what was seen, never more than was seen."""
