"""The ticket: its commands, its state (`evolve`) and its rules (`decide`)."""
