"""Second places: copies of the backups are sent there, checked, and brought back. docs/copies.md."""
