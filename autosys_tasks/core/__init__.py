"""The words every room speaks: errors, plans, verdicts, journal, atomic files, clock. Imports nothing of ours."""
