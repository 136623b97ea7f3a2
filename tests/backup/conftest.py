"""What tests of backups share: a repository and a tree to keep, and one S3 and one SFTP server for a whole process."""

from __future__ import annotations

from capturing import remote, repo
from other_places import aws, near, s3, site, sshd
from restoring import tree

__all__ = ["aws", "near", "remote", "repo", "s3", "site", "sshd", "tree"]
