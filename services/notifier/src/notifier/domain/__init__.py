"""Who hears of what: pure functions from events to notices."""
