"""The task queue: one SQLite file owned by one process, reached over loopback HTTP. Executes nothing."""
