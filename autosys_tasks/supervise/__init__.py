"""Processes as wanted: bring-up, down, the watchdog's tick, the resident guard. Touches only what is declared."""
