"""Logs and metrics (traces join them): one call at the start of a process."""
