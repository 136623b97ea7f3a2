"""What the operating system starts for a workspace: Task Scheduler, the Run key, systemd, cron, launchd."""
