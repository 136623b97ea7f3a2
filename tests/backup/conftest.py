"""What tests of backups share: a workspace, a repository and a tree; one S3 and one SFTP server for a whole process."""

from __future__ import annotations

from backup_desk import desk, make
from capturing import remote, repo
from copies_desk import disk
from growing import grown, nights
from other_places import aws, near, s3, site, sshd
from restoring import tree

__all__ = ["aws", "desk", "disk", "grown", "make", "near", "nights", "remote", "repo", "s3", "site", "sshd", "tree"]
