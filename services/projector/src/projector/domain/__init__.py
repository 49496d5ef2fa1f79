"""The read models: pure functions from events to rows, one file each."""
