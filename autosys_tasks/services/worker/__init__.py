"""The worker: leases tasks from the queue server and executes what is allowed here. Keeps no tasks itself."""
