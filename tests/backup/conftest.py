"""What tests of backups share: one S3 server and one SFTP server for all of a process's tests."""

from __future__ import annotations

from other_places import aws, s3, sshd

__all__ = ["aws", "s3", "sshd"]
