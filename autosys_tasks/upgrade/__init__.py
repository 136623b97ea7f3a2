"""Environments as the files in the workspace want them: stamps decide, git explains, nothing is green that failed."""
