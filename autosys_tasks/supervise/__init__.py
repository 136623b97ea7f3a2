"""Processes as wanted: bring-up, down, the watchdog's tick, the resident guard. Starts and ends only what is declared."""
