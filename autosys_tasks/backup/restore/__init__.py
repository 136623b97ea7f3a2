"""Restores a backup into a folder: look, plan, put. docs/restore.md."""
