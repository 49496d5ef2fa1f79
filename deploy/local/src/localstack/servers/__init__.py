"""One file per server: how it is set up, started, and known to be ready."""
