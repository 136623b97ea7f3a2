"""The state of a git repository: captured from the repository, and rebuilt elsewhere. docs/backup-git.md."""
