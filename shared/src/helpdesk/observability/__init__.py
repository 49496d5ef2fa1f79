"""Logs (traces and metrics join them): one call at the start of a process."""
