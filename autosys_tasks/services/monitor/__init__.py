"""The monitor: samples the system and the workspace's services into SQLite. Restarts and judges nothing."""
