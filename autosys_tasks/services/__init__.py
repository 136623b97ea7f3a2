"""Processes of their own: queue, worker, monitor. argv in; heartbeat, log and HTTP out; no Invoke."""
