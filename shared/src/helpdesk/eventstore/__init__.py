"""The event engine: append, read, feed in commit order, relay to the bus."""
